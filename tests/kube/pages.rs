//! Lists of nodes, pods, budgets and attachments, page by page, as a kube-apiserver gives them; and volumes.

use std::collections::BTreeMap;

use axum::response::Response;
use serde_json::{Value as Json, json};

use crate::api::{Kept, found, status};
use crate::{eviction, streams};

/// The list that is asked for; none: it is something else.
pub fn list(kept: &Kept, path: &[&str], query: &BTreeMap<String, String>) -> Option<Response> {
    Some(match path {
        ["api", "v1", "nodes"] => {
            let nodes = kept.nodes.values().collect();
            page(kept, nodes, "NodeList", query)
        }
        ["api", "v1", "pods"] | ["api", "v1", "namespaces", _, "pods"] => {
            let on = query
                .get("fieldSelector")
                .and_then(|f| f.strip_prefix("spec.nodeName="));
            let pods = kept
                .pods
                .values()
                .filter(|p| on.is_none_or(|on| p["spec"]["nodeName"] == on))
                .collect();
            page(kept, pods, "PodList", query)
        }
        ["apis", "policy", "v1", "poddisruptionbudgets"]
        | [
            "apis",
            "policy",
            "v1",
            "namespaces",
            _,
            "poddisruptionbudgets",
        ] => {
            let budgets = kept.pod_budgets();
            page(
                kept,
                budgets.iter().collect(),
                "PodDisruptionBudgetList",
                query,
            )
        }
        ["apis", "storage.k8s.io", "v1", "volumeattachments"] => {
            let attachments = kept.attachments.values().collect();
            page(kept, attachments, "VolumeAttachmentList", query)
        }
        ["api", "v1", "persistentvolumes", name] => match kept.volumes.get(*name) {
            Some(volume) => found(volume.clone()),
            None => status(404, "NotFound", "no such volume"),
        },
        _ => return None,
    })
}

/// A page of a list; its token says where the next one begins.
fn page(kept: &Kept, items: Vec<&Json>, kind: &str, query: &BTreeMap<String, String>) -> Response {
    // A token says where the next page begins, and of which version the first was.
    let begins = (0, kept.watches.version());
    let Some((from, version)) = query.get("continue").map_or(Some(begins), |t| begun(t)) else {
        return status(
            400,
            "BadRequest",
            "invalid continue token: it makes no sense",
        );
    };
    let wanted = query.get("resourceVersion").and_then(|v| v.parse().ok());
    if wanted.unwrap_or(0_u64) > kept.watches.version() {
        return eviction::to_come();
    }
    let named = query
        .get("fieldSelector")
        .and_then(|f| f.strip_prefix("metadata.name="));
    let items: Vec<&Json> = items
        .into_iter()
        .filter(|one| named.is_none_or(|name| one["metadata"]["name"] == name))
        .collect();
    let limit = query
        .get("limit")
        .map_or(usize::MAX, |l| l.parse().unwrap())
        .min(kept.page);
    let next = (from + limit < items.len()).then(|| format!("{}-{version}", from + limit));
    let items = items.into_iter().skip(from).take(limit);
    let items: Vec<Json> = items.map(|one| streams::laden(kept, one)).collect();
    let version = kept.watches.written(version);
    found(
        json!({"kind": kind, "apiVersion": "v1", "metadata": {"resourceVersion": version, "continue": next}, "items": items}),
    )
}

fn begun(token: &str) -> Option<(usize, u64)> {
    let (from, version) = token.split_once('-')?;
    Some((from.parse().ok()?, version.parse().ok()?))
}

/// A part of a query.
pub fn decoded((key, value): (&str, &str)) -> (String, String) {
    (
        key.to_owned(),
        value.replace("%3D", "=").replace("%2F", "/"),
    )
}

impl Kept {
    pub fn pod_budgets(&self) -> Vec<Json> {
        let one = |((namespace, app), _): (&(String, String), &Option<i64>)| {
            let allowed = i32::from(self.allows(&(namespace.clone(), app.clone())));
            let mut spec = json!({"selector": {"matchLabels": {"app": app}}});
            if let Some(policy) = &self.unhealthy {
                spec["unhealthyPodEvictionPolicy"] = json!(policy);
            }
            let key = (namespace.clone(), app.clone());
            let (healthy, desired) =
                self.counts
                    .unwrap_or(if allowed > 0 { (2, 1) } else { (1, 2) });
            let generation = 1 + i32::from(self.unprocessed.contains(&key));
            json!({
                "metadata": {"name": app, "namespace": namespace, "generation": generation}, "spec": spec,
                "status": {"disruptionsAllowed": allowed, "expectedPods": 2, "currentHealthy": healthy, "desiredHealthy": desired, "observedGeneration": 1},
            })
        };
        let mut all: Vec<Json> = self.budgets.iter().map(one).collect();
        let second = |(namespace, app): &(String, String)| {
            json!({
                "metadata": {"name": format!("{app}-2"), "namespace": namespace, "generation": 1},
                "spec": {"selector": {"matchLabels": {"app": app}}},
                "status": {"disruptionsAllowed": 1, "expectedPods": 2, "currentHealthy": 2, "desiredHealthy": 1, "observedGeneration": 1},
            })
        };
        all.extend(self.doubled.iter().map(second));
        all
    }
}
