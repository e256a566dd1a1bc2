//! Volumes of evicted pods: seen while a node is emptied, by a watch, and only those that keep a pod waiting.

use std::collections::BTreeSet;

use kfleet::nodes::NodeApi;
use serde_json::json;

use crate::api::{Api, Kept, cluster};
use crate::server::{cordon, uncordon};
use crate::watched::{asked, node, seen, watching};

const LIST: &str = "GET /apis/storage.k8s.io/v1/volumeattachments";

fn claimed(kept: &mut Kept, app: &str, on: &str, volume: serde_json::Value) {
    kept.pod("default", app, on, |p| {
        p["spec"]["volumes"] = json!([volume])
    });
}

impl Kept {
    /// A volume of a claim (`namespace/name`) that is attached to a node.
    pub fn attach(&mut self, volume: &str, claim: &str, mode: &str, node: &str) {
        let (namespace, name) = claim.split_once('/').unwrap();
        self.volumes.insert(
            volume.into(),
            json!({
                "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume},
                "spec": {"accessModes": [mode], "claimRef": {"namespace": namespace, "name": name}},
            }),
        );
        self.attachments.insert(
            format!("csi-{volume}-{node}"),
            json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment",
                "metadata": {"name": format!("csi-{volume}-{node}"), "uid": format!("uid-of-{volume}-{node}"), "resourceVersion": "1"},
                "spec": {"attacher": "ebs.csi.aws.com", "nodeName": node, "source": {"persistentVolumeName": volume}},
                "status": {"attached": true},
            }),
        );
    }
}

/// A database with a volume of its own, a pod with one that was made for it, one on a volume of many nodes, and a volume that nobody uses any more.
fn api() -> Api {
    let api = Api::new();
    api.with(|kept| {
        kept.node("node-1", "i-1");
        kept.node("node-2", "i-2");
        let claim =
            |name: &str| json!({"name": "data", "persistentVolumeClaim": {"claimName": name}});
        claimed(kept, "db", "node-1", claim("db-data"));
        claimed(
            kept,
            "scratch",
            "node-1",
            json!({"name": "tmp", "ephemeral": {}}),
        );
        claimed(kept, "shared", "node-1", claim("shared-data"));
        kept.attach("pv-db", "default/db-data", "ReadWriteOnce", "node-1");
        kept.attach(
            "pv-shared",
            "default/shared-data",
            "ReadWriteMany",
            "node-1",
        );
        kept.attach("pv-old", "default/old-data", "ReadWriteOnce", "node-1");
        kept.attach("pv-lost", "default/lost-data", "ReadWriteOnce", "node-1");
        kept.volumes.remove("pv-lost");
        kept.attach("pv-other", "default/other-data", "ReadWriteOnce", "node-2");
    });
    api
}

#[tokio::test]
async fn claims_and_attachments_are_seen_in_a_drain() {
    let api = api();
    let client = watching(&api).await;
    let before = node(&client, "node-1").await.volumes;
    let claims: Vec<&str> = before.claims.iter().map(String::as_str).collect();
    assert_eq!(
        claims,
        [
            "default/db-data",
            "default/scratch-0002-tmp",
            "default/shared-data"
        ]
    );
    assert!(before.attached.is_empty());
    assert_eq!(asked(&api, LIST), 0, "nobody asks before a node is emptied");

    client.act(&cluster(), &cordon("node-1")).await.unwrap();
    let during = node(&client, "node-1").await;
    let attached: Vec<&str> = during
        .volumes
        .attached
        .values()
        .map(String::as_str)
        .collect();
    assert_eq!(
        attached,
        ["pv-db", "pv-old"],
        "what is shared or lost keeps nobody waiting"
    );
    let waits = during.volumes_to_wait_for(&before.claims);
    assert_eq!(
        waits,
        BTreeSet::from(["pv-db".to_owned()]),
        "what was left over does not hold"
    );
    assert!(node(&client, "node-2").await.volumes.attached.is_empty());

    // From then on it is watched: what leaves is seen, and nothing is listed or got again.
    api.with(|kept| {
        kept.calls.clear();
        kept.attachments.remove("csi-pv-db-node-1");
    });
    let after = node(&client, "node-1").await;
    assert!(after.volumes_to_wait_for(&before.claims).is_empty());
    assert_eq!(asked(&api, LIST), 0);
    assert!(api.with(|kept| kept.calls.iter().all(|c| !c.contains("persistentvolumes"))));

    client.act(&cluster(), &uncordon("node-1")).await.unwrap();
    seen(&client).await;
    api.with(|kept| kept.calls.clear());
    seen(&client).await;
    assert!(api.with(|kept| kept.calls.iter().all(|c| !c.contains("volumeattachments"))));
}

#[tokio::test]
async fn a_kubelet_that_does_not_answer_lets_go_of_nothing() {
    let api = api();
    let client = watching(&api).await;
    let claims = node(&client, "node-1").await.volumes.claims;
    client.act(&cluster(), &cordon("node-1")).await.unwrap();
    api.with(|kept| {
        kept.nodes.get_mut("node-1").unwrap()["status"]["conditions"][0]["status"] =
            json!("Unknown");
    });
    let silent = node(&client, "node-1").await;
    assert_eq!(silent.volumes.attached.len(), 2);
    assert!(silent.volumes_to_wait_for(&claims).is_empty());
}

#[tokio::test]
async fn without_the_rights_nothing_is_asked_and_it_is_said() {
    for right in [
        "list volumeattachments",
        "watch volumeattachments",
        "get persistentvolumes",
    ] {
        let api = api();
        api.with(|kept| kept.denied.insert(right.into()));
        let client = watching(&api).await;
        client.act(&cluster(), &cordon("node-1")).await.unwrap();
        let seen = seen(&client).await;
        assert_eq!(seen.volumes_unseen, BTreeSet::from([right.to_owned()]));
        assert_eq!(seen.denied, BTreeSet::new(), "a drain needs it not");
        assert!(seen.nodes.values().all(|n| n.volumes.attached.is_empty()));
        assert_eq!(asked(&api, LIST), 0, "{right}");
    }
}

/// The API that cannot say which are attached has not said that none are.
#[tokio::test]
async fn what_cannot_be_listed_is_unknown() {
    let api = api();
    let client = watching(&api).await;
    client.act(&cluster(), &cordon("node-1")).await.unwrap();
    api.with(|kept| kept.no_lists = true);
    let nodes = client.nodes(&cluster()).await;
    assert!(
        matches!(nodes, kfleet::model::Nodes::Unknown(_)),
        "{nodes:?}"
    );
    api.with(|kept| kept.no_lists = false);
    assert_eq!(node(&client, "node-1").await.volumes.attached.len(), 2);
}
