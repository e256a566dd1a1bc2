//! What is read of the API's answers: the few fields that matter, of all that an object has. Everything else is skipped as it is read.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::NodeCondition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference, Time};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// One page of a list.
#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub(super) metadata: PageMeta,
    #[serde(default = "Vec::new")]
    pub(super) items: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageMeta {
    pub(super) resource_version: Option<String>,
    #[serde(rename = "continue")]
    pub(super) more: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) name: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) uid: Option<String>,
    pub(super) resource_version: Option<String>,
    pub(super) generation: Option<i64>,
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) annotations: Option<BTreeMap<String, String>>,
    pub(super) creation_timestamp: Option<Time>,
    pub(super) deletion_timestamp: Option<Time>,
    pub(super) deletion_grace_period_seconds: Option<i64>,
    pub(super) finalizers: Option<Vec<String>>,
    pub(super) owner_references: Option<Vec<OwnerReference>>,
}

#[derive(Clone, Deserialize)]
pub(super) struct Pod {
    pub(super) metadata: Meta,
    pub(super) spec: Option<PodSpec>,
    pub(super) status: Option<PodStatus>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodSpec {
    pub(super) node_name: Option<String>,
    pub(super) priority_class_name: Option<String>,
    pub(super) termination_grace_period_seconds: Option<i64>,
    pub(super) volumes: Option<Vec<Volume>>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Volume {
    #[serde(default)]
    pub(super) name: String,
    pub(super) empty_dir: Option<IgnoredAny>,
    pub(super) persistent_volume_claim: Option<Claim>,
    pub(super) ephemeral: Option<IgnoredAny>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Claim {
    pub(super) claim_name: String,
}

#[derive(Clone, Deserialize)]
pub(super) struct Attachment {
    pub(super) metadata: Meta,
    pub(super) spec: AttachmentSpec,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttachmentSpec {
    #[serde(default)]
    pub(super) node_name: String,
    pub(super) source: AttachmentSource,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttachmentSource {
    /// None: the volume stands in the attachment itself, and has no claim.
    pub(super) persistent_volume_name: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodStatus {
    pub(super) phase: Option<String>,
    pub(super) conditions: Option<Vec<Condition>>,
    pub(super) container_statuses: Option<Vec<Container>>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Condition {
    #[serde(rename = "type", default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) status: String,
    pub(super) last_transition_time: Option<Time>,
}

#[derive(Clone, Deserialize)]
pub(super) struct Container {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) ready: bool,
    pub(super) state: Option<ContainerState>,
}

#[derive(Clone, Deserialize)]
pub(super) struct ContainerState {
    pub(super) running: Option<Running>,
    pub(super) waiting: Option<Waiting>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Running {
    pub(super) started_at: Option<Time>,
}

#[derive(Clone, Deserialize)]
pub(super) struct Waiting {
    pub(super) reason: Option<String>,
}

#[derive(Clone, Deserialize)]
pub(super) struct Node {
    pub(super) metadata: Meta,
    pub(super) spec: Option<NodeSpec>,
    pub(super) status: Option<NodeStatus>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeSpec {
    #[serde(rename = "providerID")]
    pub(super) provider_id: Option<String>,
    pub(super) unschedulable: Option<bool>,
    pub(super) taints: Option<Vec<NodeTaint>>,
}

#[derive(Clone, Deserialize)]
pub(super) struct NodeTaint {
    #[serde(default)]
    pub(super) key: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeStatus {
    pub(super) conditions: Option<Vec<NodeCondition>>,
    pub(super) node_info: Option<NodeInfo>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeInfo {
    pub(super) kubelet_version: Option<String>,
}

#[derive(Clone, Deserialize)]
pub(super) struct Budget {
    pub(super) metadata: Meta,
    pub(super) spec: Option<BudgetSpec>,
    pub(super) status: Option<BudgetStatus>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BudgetSpec {
    pub(super) selector: Option<LabelSelector>,
    pub(super) unhealthy_pod_eviction_policy: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BudgetStatus {
    pub(super) observed_generation: Option<i64>,
    pub(super) disruptions_allowed: Option<i32>,
    pub(super) current_healthy: Option<i32>,
    pub(super) desired_healthy: Option<i32>,
}
