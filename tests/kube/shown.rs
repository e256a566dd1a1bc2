//! What a look shows of nodes and pods that are in trouble.

use kfleet::model::Seen;
use serde_json::json;

use crate::answers::seen;
use crate::rows::{budget, pod, scene};

#[tokio::test]
async fn a_pod_on_its_way_out_says_until_when_and_what_holds_it() {
    let api = scene(|kept| {
        pod(kept)["metadata"]["deletionTimestamp"] = json!("2026-01-05T08:00:30Z");
        pod(kept)["metadata"]["finalizers"] = json!(["example.com/backup"]);
    });
    let node = seen(&api.client()).await.nodes[&"node-1".parse().unwrap()].clone();
    let [leaving] = node.leaving.as_slice() else {
        panic!("{node:?}")
    };
    assert_eq!(leaving.ends_by.to_string(), "2026-01-05T08:00:30.000Z");
    assert_eq!(leaving.finalizers, ["example.com/backup".to_owned()].into());
    assert_eq!(
        (node.grace.millis(), node.evictable_pods, node.leaving_pods),
        (30_000, 1, 1)
    );
}

#[tokio::test]
async fn a_kubelet_that_does_not_answer_is_known_as_such() {
    let api = scene(|kept| {
        kept.nodes.get_mut("node-1").unwrap()["status"]["conditions"] = json!([
            {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "lastTransitionTime": "2026-01-05T07:50:00Z"},
        ]);
    });
    let node = seen(&api.client()).await.nodes[&"node-1".parse().unwrap()].clone();
    assert_eq!(
        node.silent_since.map(|at| at.to_string()).as_deref(),
        Some("2026-01-05T07:50:00.000Z")
    );
    api.with(|kept| {
        kept.nodes.get_mut("node-1").unwrap()["status"]["conditions"][0]["status"] = json!("False")
    });
    let node = seen(&api.client()).await.nodes[&"node-1".parse().unwrap()].clone();
    assert_eq!((node.ready, node.silent_since), (false, None));
}

#[tokio::test]
async fn pods_of_a_node_that_was_deleted_are_still_known() {
    let api = scene(|kept| {
        kept.nodes.clear();
    });
    assert_eq!(
        seen(&api.client()).await.orphans,
        [("node-1".parse().unwrap(), 1)].into()
    );
}

#[tokio::test]
async fn a_failed_critical_pod_is_finished() {
    let api = scene(|kept| {
        pod(kept)["spec"]["priorityClassName"] = json!("system-cluster-critical");
        pod(kept)["status"]["phase"] = json!("Failed");
        pod(kept)["status"]["containerStatuses"] = json!([
            {"name": "main", "ready": false, "image": "", "imageID": "", "restartCount": 0},
        ]);
    });
    let node = seen(&api.client()).await.nodes[&"node-1".parse().unwrap()].clone();
    assert_eq!((node.sick.len(), node.evictable_pods), (0, 0));
    api.with(|kept| pod(kept)["status"]["phase"] = json!("Running"));
    let node = seen(&api.client()).await.nodes[&"node-1".parse().unwrap()].clone();
    assert_eq!(node.sick.len(), 1);
}

#[tokio::test]
async fn siblings_that_are_leaving_are_missing() {
    let api = scene(budget);
    api.with(|kept| {
        kept.node("node-2", "i-2");
        kept.pod("default", "web", "node-2", |p| {
            p["metadata"]["deletionTimestamp"] = json!("2026-01-05T08:00:30Z")
        });
    });
    let leaving = |seen: Seen| seen.nodes[&"node-1".parse().unwrap()].blocked[0].siblings_leaving;
    assert_eq!(leaving(seen(&api.client()).await), 1);
    // Of one on a dead node nobody will ever see the end.
    api.with(|kept| {
        kept.nodes.get_mut("node-2").unwrap()["status"]["conditions"][0]["status"] =
            json!("Unknown")
    });
    assert_eq!(leaving(seen(&api.client()).await), 0);
}
