//! What the caller has to be allowed in a cluster, and whether it is: asked before anything else, for exactly what is done.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Client;
use kube::api::{Api, PostParams};

use super::call::{Fault, call};
use crate::model::{DRAIN_RIGHTS, LOOK_RIGHTS, Right};

/// An API server that has only just started knows no role yet: what is denied is asked once more after this long.
const AGAIN: Duration = Duration::from_secs(1);

/// Whether it is one of those without which nothing can be seen.
pub(super) fn is_for_a_look(right: &str) -> bool {
    LOOK_RIGHTS.iter().any(|needed| needed.to_string() == right)
}

/// What the caller may not do, in the API's words.
pub(super) async fn denied(client: &Client) -> Result<BTreeSet<String>, Fault> {
    let all: Vec<Right> = LOOK_RIGHTS.iter().chain(&DRAIN_RIGHTS).copied().collect();
    let denied = denied_of(client, all).await?;
    if denied.is_empty() {
        return Ok(BTreeSet::new());
    }
    tokio::time::sleep(AGAIN).await;
    let still = denied_of(client, denied).await?;
    Ok(still.iter().map(Right::to_string).collect())
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
