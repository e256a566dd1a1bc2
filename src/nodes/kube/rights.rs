//! What the caller has to be allowed in a cluster, and whether it is: asked before anything else, for exactly what is done.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Client;
use kube::api::{Api, PostParams};

use super::call::{Fault, call};
use crate::model::{DRAIN_RIGHTS, LOOK_RIGHTS, Right, VOLUME_RIGHTS, WATCH_RIGHTS};

/// An API server that has only just started knows no role yet: what is denied is asked once more after this long.
const AGAIN: Duration = Duration::from_secs(1);

/// What the caller may not do, of what is needed.
#[derive(Debug, Default)]
pub(super) struct Denied {
    /// Nothing can be seen without it.
    pub(super) looks: BTreeSet<Right>,
    /// Everything is listed without it.
    pub(super) watches: BTreeSet<Right>,
    pub(super) drains: BTreeSet<Right>,
    /// No volume is seen without it.
    pub(super) volumes: BTreeSet<Right>,
}

/// What the caller may not do.
pub(super) async fn denied(client: &Client) -> Result<Denied, Fault> {
    let all = LOOK_RIGHTS
        .iter()
        .chain(&WATCH_RIGHTS)
        .chain(&DRAIN_RIGHTS)
        .chain(&VOLUME_RIGHTS);
    let mut denied = denied_of(client, all.copied().collect()).await?;
    if !denied.is_empty() {
        tokio::time::sleep(AGAIN).await;
        denied = denied_of(client, denied).await?;
    }
    let among = |rights: &[Right]| {
        let found = denied.iter().filter(|right| rights.contains(right));
        found.copied().collect()
    };
    Ok(Denied {
        looks: among(&LOOK_RIGHTS),
        watches: among(&WATCH_RIGHTS),
        drains: among(&DRAIN_RIGHTS),
        volumes: among(&VOLUME_RIGHTS),
    })
}

/// Those of them that are denied, all asked for at once: a far API answers the last as soon as the first.
async fn denied_of(client: &Client, rights: Vec<Right>) -> Result<Vec<Right>, Fault> {
    let mut asked = tokio::task::JoinSet::new();
    for right in rights {
        let client = client.clone();
        asked.spawn(async move { (right, is_allowed(&client, &right).await) });
    }
    let mut denied = Vec::new();
    while let Some(answer) = asked.join_next().await {
        let (right, allowed) =
            answer.map_err(|_| Fault::Silent("an access review was broken off".into()))?;
        if !allowed? {
            denied.push(right);
        }
    }
    Ok(denied)
}

async fn is_allowed(client: &Client, right: &Right) -> Result<bool, Fault> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let (resource, subresource) = match right.resource.split_once('/') {
        Some((resource, sub)) => (resource, Some(sub.to_owned())),
        None => (right.resource, None),
    };
    let attributes = ResourceAttributes {
        verb: Some(right.verb.into()),
        group: Some(right.group.into()),
        resource: Some(resource.into()),
        subresource,
        name: right.name.map(str::to_owned),
        ..ResourceAttributes::default()
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let parameters = PostParams::default();
    let answer = call(|| reviews.create(&parameters, &review)).await?;
    Ok(answer.status.is_some_and(|s| s.allowed))
}
