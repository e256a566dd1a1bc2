//! What a gate, a soak or a stage finds out about the health of a cluster.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::capacity::NoCapacity;
use crate::model::{AsgName, InstanceId, NodeName, SickPod, Span, Unseen};

/// Something that is wrong in a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Symptom {
    /// A group does not exist.
    GroupMissing {
        /// The group that is looked at.
        group: AsgName,
    },
    /// A group has fewer instances than it wants.
    InstancesMissing {
        /// Which group.
        group: AsgName,
        /// Instances that are there.
        there: u32,
        /// Desired capacity.
        desired: u32,
    },
    /// An instance has no node.
    NoNode {
        group: AsgName,
        instance: InstanceId,
    },
    /// A node is not Ready.
    NotReady {
        group: AsgName,
        instance: InstanceId,
        node: NodeName,
        /// What the node says.
        because: Option<String>,
    },
    /// A control-plane node lacks components.
    NoComponents {
        node: NodeName,
        /// Components of the control plane without a Ready pod, by name.
        missing: Vec<String>,
    },
    /// A critical pod does not work.
    CriticalPod {
        /// Which, and what is wrong.
        pod: SickPod,
    },
}

/// A symptom, and for how long it has lasted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SymptomSeen {
    /// What is wrong.
    pub symptom: Symptom,
    /// For how long, where that is known.
    pub lasts: Option<Span>,
}

/// An owner of which more pods are unready than before the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnreadyOwner {
    /// Kind and name, e.g. `ReplicaSet web/api`.
    pub owner: String,
    /// Unready now.
    pub now: u32,
    /// Unready before the change.
    pub before: u32,
}

/// Nodes that are down and tolerated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToleratedNodes {
    /// Their group.
    pub group: AsgName,
    /// Their instances.
    pub instances: BTreeSet<InstanceId>,
    /// The group's desired capacity.
    pub desired: u32,
    /// For longer than this.
    pub patience: Span,
    /// How many may be down.
    pub allowed: u32,
}

/// What a verdict is based on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ground {
    /// A group does not exist.
    GroupMissing {
        /// The group that is looked at.
        group: AsgName,
    },
    /// A scaling activity failed.
    ActivityFailed {
        /// Of which group.
        group: AsgName,
        /// In AWS's words.
        message: String,
    },
    /// Instances are not in service yet.
    NotInService {
        /// Of which group.
        group: AsgName,
        /// In service.
        serving: u32,
        /// Desired capacity.
        desired: u32,
        /// What AWS refuses.
        refused: Option<NoCapacity>,
        /// Its process `Launch` is suspended.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        launch_suspended: bool,
    },
    /// All instances are in service.
    InService {
        /// How many.
        instances: u32,
    },
    /// No Kubernetes access is configured.
    NoKubernetes,
    /// The nodes cannot be seen.
    NodesUnseen {
        /// Why its nodes cannot be seen.
        unseen: Unseen,
    },
    /// Something is wrong.
    Symptoms {
        /// The first of them.
        symptoms: Vec<SymptomSeen>,
        /// How many more.
        more: usize,
    },
    /// More pods are unready than before the change.
    MoreUnready {
        /// Of the first owners.
        owners: Vec<UnreadyOwner>,
        /// How many more owners.
        more: usize,
    },
    /// Everything is whole.
    Healthy {
        /// How many nodes.
        nodes: usize,
        /// What was not well before, and is not counted.
        discounted: usize,
        /// Nodes that are down and no more than their groups lose on any day.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lost: Vec<ToleratedNodes>,
        /// Pods that wait for a node while AWS refuses capacity: they are not counted either.
        #[serde(default, skip_serializing_if = "is_zero")]
        homeless: u32,
        /// The groups to which it is refused.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        refused: BTreeSet<AsgName>,
    },
    /// Some of the control plane's instances are not Ready.
    PlanesDown {
        /// How many.
        down: u32,
        /// Of how many.
        members: u32,
    },
    /// Samples passed.
    Samples {
        /// So many.
        passed: u32,
        /// Of so many.
        wanted: u32,
        /// What the last one said.
        last: Box<Ground>,
    },
    /// The gate is being asked.
    BeingAsked,
    /// In the gate's own words.
    #[serde(untagged)]
    Words(String),
}

/// Why a cluster or canary counts as proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Evidence {
    /// A gate passed.
    Gate {
        /// As `gates:` names it.
        gate: String,
        /// What it said.
        ground: Ground,
    },
    /// The rollout changes nothing in it.
    NothingChanges,
    /// Its gates passed before its old groups were deleted.
    BeforeDeletion,
    /// In the words of a journal of version 1.
    #[serde(untagged)]
    Words(String),
}

/// What keeps a control plane from being whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum PlaneFault {
    /// A group has too few Ready instances.
    NotReady {
        /// The group that is looked at.
        group: AsgName,
        /// Ready ones.
        ready: usize,
        /// Wanted ones.
        wanted: usize,
    },
    /// An etcd cluster has too few healthy members in a group.
    Etcd {
        /// The etcd cluster.
        etcd: String,
        group: AsgName,
        /// Healthy ones.
        healthy: u32,
        /// Wanted ones.
        wanted: u32,
        /// Whether the instance that is to go is left out.
        others: bool,
    },
    /// A node lacks components.
    NoComponents {
        node: NodeName,
        /// Components of the control plane without a Ready pod, by name.
        missing: Vec<String>,
    },
    /// A critical pod on a node does not work.
    CriticalPod {
        node: NodeName,
        /// Which, and what is wrong.
        pod: SickPod,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}
