//! What the caller has to be allowed in a cluster, and whether it is: asked before anything else, for exactly what is done.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Client;
use kube::api::{Api, PostParams};

use super::call::{Fault, call};

/// The namespace whose uid says which cluster it is.
pub(super) const SYSTEM: &str = "kube-system";

/// A right: verb, API group, resource, and the name of the object where only one is asked for.
type Right = (
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
);

/// Without these nothing can be seen.
const LOOK: [Right; 4] = [
    ("get", "", "namespaces", Some(SYSTEM)),
    ("list", "", "nodes", None),
    ("list", "", "pods", None),
    ("list", "policy", "poddisruptionbudgets", None),
];

/// What a drain needs beside them.
const DRAIN: [Right; 4] = [
    ("get", "", "nodes", None),
    ("patch", "", "nodes", None),
    ("create", "", "pods/eviction", None),
    ("delete", "", "pods", None),
];

/// An API server that has only just started knows no role yet: what is denied is asked once more after this long.
const AGAIN: Duration = Duration::from_secs(1);

/// Whether it is one of those without which nothing can be seen.
pub(super) fn is_for_a_look(right: &str) -> bool {
    LOOK.iter().any(|needed| said(needed) == right)
}

/// `list nodes`, `get namespaces/kube-system`: as the API says it, and as a person asks `kubectl auth can-i`.
fn said((verb, _, resource, name): &Right) -> String {
    let name = name.map(|n| format!("/{n}")).unwrap_or_default();
    format!("{verb} {resource}{name}")
}

/// What the caller may not do, in the API's words.
pub(super) async fn denied(client: &Client) -> Result<BTreeSet<String>, Fault> {
    let mut denied = Vec::new();
    for right in LOOK.iter().chain(&DRAIN) {
        if !is_allowed(client, right).await? {
            denied.push(right);
        }
    }
    if denied.is_empty() {
        return Ok(BTreeSet::new());
    }
    tokio::time::sleep(AGAIN).await;
    let mut still = BTreeSet::new();
    for right in denied {
        if !is_allowed(client, right).await? {
            still.insert(said(right));
        }
    }
    Ok(still)
}

async fn is_allowed(client: &Client, (verb, group, resource, name): &Right) -> Result<bool, Fault> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, sub)) => (resource, Some(sub.to_owned())),
        None => (*resource, None),
    };
    let attributes = ResourceAttributes {
        verb: Some((*verb).into()),
        group: Some((*group).into()),
        resource: Some(resource.into()),
        subresource,
        name: name.map(str::to_owned),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(serde::Deserialize, Debug, PartialEq, Eq)]
    #[serde(rename_all = "camelCase")]
    struct Rule {
        api_groups: Vec<String>,
        resources: Vec<String>,
        #[serde(default)]
        resource_names: Vec<String>,
        verbs: Vec<String>,
    }

    #[derive(serde::Deserialize)]
    struct Role {
        kind: String,
        rules: Vec<Rule>,
    }

    /// The ClusterRole that the README prints is what is asked for: nothing is missing in it, and nothing is too much.
    #[test]
    fn the_readme_prints_the_smallest_role() {
        let readme = include_str!("../../../README.md");
        let text = readme
            .split("```yaml")
            .map(|block| block.split("```").next().unwrap())
            .find(|block| block.contains("kind: ClusterRole\n"))
            .expect("the README prints a ClusterRole");
        let first = text.split("\n---").next().unwrap();
        let role: Role = serde_yaml::from_str(first).unwrap();
        assert_eq!(role.kind, "ClusterRole");
        let mut printed: BTreeMap<String, usize> = BTreeMap::new();
        for rule in &role.rules {
            for (group, resource, verb) in rule.api_groups.iter().flat_map(|g| {
                rule.resources
                    .iter()
                    .flat_map(move |r| rule.verbs.iter().map(move |v| (g, r, v)))
            }) {
                let names = match rule.resource_names.as_slice() {
                    [] => vec![String::new()],
                    names => names.iter().map(|n| format!("/{n}")).collect(),
                };
                for name in names {
                    *printed
                        .entry(format!("{group}: {verb} {resource}{name}"))
                        .or_default() += 1;
                }
            }
        }
        let needed: BTreeMap<String, usize> = LOOK
            .iter()
            .chain(&DRAIN)
            .map(|right| (format!("{}: {}", right.1, said(right)), 1))
            .collect();
        assert_eq!(printed, needed);
    }
}
