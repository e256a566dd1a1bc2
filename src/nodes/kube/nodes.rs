//! What a look wants to know of a Node object. Made of it as it arrives. Makes no calls.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::NodeCondition;

use super::marks::{MARKS, TAINT, read};
use super::pods::timestamp;
use super::wire;
use crate::model::{
    InstanceId, LeavesBy, Node, NodeName, Shared, Span, Timestamp, Traffic, Volumes,
};

/// Label of control-plane nodes. Source: kops, `validate_cluster.go`.
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

/// One Node object.
#[derive(Clone, Debug)]
pub(super) struct NodeFacts {
    /// As it is without its pods. None: it does not say yet which instance it is, and has not joined.
    pub(super) node: Option<(NodeName, Shared<Node>)>,
}

impl NodeFacts {
    /// The few facts of an object. None for an object without a name.
    pub(super) fn new(found: wire::Node) -> Option<NodeFacts> {
        let name = found.metadata.name.clone()?;
        let node = node(found).and_then(|node| Some((NodeName::new(name).ok()?, node)));
        Some(NodeFacts {
            node: node.map(|(name, node)| (name, node.into())),
        })
    }
}

/// The instance in `aws:///eu-west-3a/i-0123`.
pub(super) fn instance_in(provider_id: Option<&str>) -> Option<&str> {
    let id = provider_id?.rsplit('/').next()?;
    (!id.is_empty()).then_some(id)
}

fn node(found: wire::Node) -> Option<Node> {
    let wire::Node {
        metadata,
        spec,
        status,
    } = found;
    let conditions: &[NodeCondition] = status
        .as_ref()
        .and_then(|s| s.conditions.as_deref())
        .unwrap_or_default();
    let is = |kind: &str, status: &str| {
        conditions
            .iter()
            .any(|c| c.type_ == kind && c.status == status)
    };
    let ready = is("Ready", "True") && !is("NetworkUnavailable", "True");
    let (labels, annotations) = (metadata.labels.as_ref(), metadata.annotations.as_ref());
    let provider_id = spec.as_ref().and_then(|s| s.provider_id.as_deref());
    Some(Node {
        instance: InstanceId::new(instance_in(provider_id)?).ok()?,
        ready,
        unready_because: (!ready).then(|| because(conditions)),
        unready_since: if ready { None } else { since(conditions) },
        silent_since: silent_since(&metadata, conditions),
        kubelet: status
            .as_ref()
            .and_then(|s| s.node_info.as_ref()?.kubelet_version.clone())
            .unwrap_or_default(),
        control_plane: labels.is_some_and(|l| l.contains_key(CONTROL_PLANE)),
        cordoned: spec.as_ref().is_some_and(|s| s.unschedulable == Some(true)),
        ours: read(annotations.and_then(|a| a.get(MARKS)).map(String::as_str)),
        tainted: spec
            .as_ref()
            .and_then(|s| s.taints.as_ref())
            .is_some_and(|t| t.iter().any(|t| t.key == TAINT)),
        leaves_by: spec
            .as_ref()
            .and_then(|s| s.taints.as_ref())
            .and_then(|t| t.iter().find_map(|t| LeavesBy::of_taint(&t.key))),
        evictable_pods: 0,
        leaving_pods: 0,
        leaving: Vec::new(),
        grace: Span::ZERO,
        volumes: Volumes::default(),
        traffic: Traffic::NotAsked,
        refused: Vec::new(),
        blocked: Vec::new(),
        sick: Vec::new(),
        components: BTreeSet::new(),
        etcd: BTreeMap::new(),
    })
}

/// What makes a node unready.
fn is_wrong(condition: &NodeCondition) -> bool {
    (condition.type_ == "Ready" && condition.status != "True")
        || (condition.type_ == "NetworkUnavailable" && condition.status == "True")
}

/// Since when it is unready: the first of the conditions that make it so. How long the instance has been there says nothing about it.
fn since(conditions: &[NodeCondition]) -> Option<Timestamp> {
    conditions
        .iter()
        .filter(|c| is_wrong(c))
        .filter_map(|c| c.last_transition_time.as_ref())
        .map(timestamp)
        .min()
}

/// Since when its kubelet has not answered. The node controller then sets Ready to Unknown. Source: Kubernetes, node status.
fn silent_since(metadata: &wire::Meta, conditions: &[NodeCondition]) -> Option<Timestamp> {
    let ready = conditions
        .iter()
        .find(|c| c.type_ == "Ready" && c.status == "Unknown")?;
    ready
        .last_transition_time
        .as_ref()
        .or(metadata.creation_timestamp.as_ref())
        .map(timestamp)
        .or(Some(Timestamp::from_millis(0)))
}

/// The conditions that make a node unready.
fn because(conditions: &[NodeCondition]) -> String {
    let wrong = conditions.iter().filter(|c| is_wrong(c));
    let said: Vec<String> = wrong
        .map(|c| {
            let text = [c.reason.as_deref(), c.message.as_deref()]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(": ");
            if text.is_empty() {
                format!("{} is {}", c.type_, c.status)
            } else {
                text
            }
        })
        .collect();
    if said.is_empty() {
        "it has no condition Ready".into()
    } else {
        said.join("; ")
    }
}
