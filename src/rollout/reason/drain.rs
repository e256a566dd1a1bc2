//! What holds a drain, by name.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::{Hold, InstanceId, LeavesBy, NodeName, PodRefusal, Span, Timestamp};

/// Pods of one owner whose evictions the API refuses for the same kind of reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedPods {
    /// The first of them, with the API's words.
    pub first: PodRefusal,
    /// How many more.
    pub more: usize,
}

/// Pods of one owner that are held for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldPods {
    /// The first of them, `namespace/name`.
    pub pods: Vec<String>,
    /// How many more.
    pub more: usize,
    /// Whose they are.
    pub owner: Option<String>,
    /// By what.
    pub hold: Hold,
}

/// A pod that is still there when its grace is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LingeringPod {
    /// `namespace/name`.
    pub pod: String,
    /// When its grace was over.
    pub ends_by: Timestamp,
    /// What keeps its object.
    pub finalizers: BTreeSet<String>,
}

/// A drain that did not end in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverdueDrain {
    pub instance: InstanceId,
    pub node: Option<NodeName>,
    /// When the drain began.
    pub since: Timestamp,
    /// The time it had.
    pub timeout: Span,
    /// What the API said, by owner and kind.
    pub refused: Vec<RefusedPods>,
    /// What is held without a word of the API, by owner and reason.
    pub held: Vec<HeldPods>,
    /// The first pods whose grace is over.
    pub lingering: Vec<LingeringPod>,
    /// How many more of them.
    pub more_lingering: usize,
    /// Pods left.
    pub left: u32,
    /// Pods on their way out.
    pub leaving: u32,
}

/// Why a drain is waited for, held or given up. Its `code` stays the same between versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DrainReason {
    /// Pods leave a node.
    Drains {
        node: NodeName,
        /// Pods left.
        pods: u32,
        /// What the API refuses first.
        refused: Option<Box<RefusedPods>>,
        /// What is held first.
        held: Option<Box<HeldPods>>,
    },
    /// Pods that were told to go have their grace.
    DrainInGrace {
        node: Option<NodeName>,
        /// Pods on their way out.
        pods: u32,
        /// When the last one's grace is over.
        until: Timestamp,
    },
    /// A drain did not end in time.
    DrainOverdue {
        /// What holds it.
        drain: Box<OverdueDrain>,
    },
    /// Pods are deleted by force.
    Forces {
        node: NodeName,
        /// `namespace/name`.
        pods: Vec<String>,
    },
    /// The pods of a node are gone, and volumes of theirs are attached to it still.
    VolumesAttached {
        node: NodeName,
        volumes: BTreeSet<String>,
    },
    /// The pods of a node are gone, and load balancers of Services send to it still, or may.
    BalancersSend {
        node: NodeName,
        /// The balancers, by the names of their target groups.
        balancers: BTreeSet<String>,
        /// Why it is not known which.
        unread: Option<String>,
    },
    /// A node is gone from the API, and its pods may still end.
    MayStillRun {
        instance: InstanceId,
        node: NodeName,
        /// Pods that are known to be left; 0: it is not known.
        pods: u32,
    },
    /// A node is being ended by an autoscaler or another controller, and is left to it.
    LeftTo {
        node: NodeName,
        /// By whom.
        by: LeavesBy,
    },
    /// A drained instance waits for the cluster's disruption rate.
    RateHoldsEnd { instance: InstanceId },
    /// No drain may begin, by the cluster's disruption rate.
    RateHoldsDrain,
    /// Old instances of a warm pool wait for the cluster's disruption rate.
    RateHoldsWarmPool {
        /// How many.
        instances: usize,
    },
    /// A dead node's instance has not ended yet.
    DeadNodeRuns {
        node: NodeName,
        /// Pods on it.
        pods: u32,
    },
    /// A dead node's instance is in no group any more, and not by us.
    DeadNodeElsewhere {
        node: NodeName,
        instance: InstanceId,
    },
    /// Kubernetes ends the pods of a node that is out of service.
    OutOfService {
        node: NodeName,
        /// Pods left.
        pods: u32,
    },
}
