//! What kops keeps of the manifests of a cluster: documents by their path in the state store.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests"
)]

use kfleet::yaml;
use serde_json::{Value, json};

/// The documents that kops stores of these manifests, by their path below the cluster's own.
pub fn stored(manifests: &str, cluster: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for document in yaml::parse(manifests, yaml::Schema::Kops).unwrap() {
        let document = document.root.to_json();
        let path = match document["kind"].as_str().unwrap() {
            "Cluster" => "config".to_owned(),
            "InstanceGroup" => format!(
                "instancegroup/{}",
                document["metadata"]["name"].as_str().unwrap()
            ),
            // Applied by other means: no kops keeps them.
            _ => continue,
        };
        files.push((path, yaml::emit(&as_kops_stores(document, cluster))));
    }
    files
}

/// What comes back of a manifest that kops wrote.
fn as_kops_stores(mut document: Value, cluster: &str) -> Value {
    let is_cluster = document["kind"] == "Cluster";
    document["metadata"]["creationTimestamp"] = json!("2026-01-05T08:00:00Z");
    document["metadata"]["generation"] = json!(3);
    document["metadata"]["labels"]["kops.k8s.io/cluster"] = json!(cluster);
    let spec = document["spec"].as_object_mut().unwrap();
    if is_cluster {
        spec.shift_remove("configBase").unwrap();
        spec["iam"]
            .as_object_mut()
            .unwrap()
            .shift_remove("legacy")
            .unwrap();
        let manager = spec["kubeControllerManager"].as_object_mut().unwrap();
        manager["kubeAPIQPS"] = json!(manager["kubeAPIQPS"].to_string());
        spec.insert("masterPublicName".into(), json!(format!("api.{cluster}")));
    }
    document
}
