//! An instance goes that has to stay: too many are missing, or it is the wrong one.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::model::{AsgName, ClusterName, InstanceId, NodeName, Span};

/// What a control plane lacks while one of its instances is to go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum PlaneLack {
    /// A group has fewer instances at work than it wants.
    PlaneGroupShort { group: AsgName },
    /// A node lacks a component, or a critical pod on it is not Ready.
    PlaneNodeSick { node: NodeName, group: AsgName },
    /// An etcd cluster has too few healthy members on the other instances.
    EtcdShort {
        /// The etcd cluster: `main` or `events`.
        etcd: String,
        /// Healthy members on the other instances.
        healthy: u32,
        /// Members that should be on them.
        wanted: u32,
    },
}

/// A rule about instances that a step would break.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum InstanceBreach {
    /// More than one instance of a control plane is drained at the same time.
    ControlPlanesDrained {
        cluster: ClusterName,
        /// How many.
        instances: usize,
    },
    /// A node of a control plane is drained while the rest does not work.
    ControlPlaneDrained {
        node: NodeName,
        /// What is missing.
        lack: PlaneLack,
    },
    /// An instance of a control plane ends while the rest does not work.
    ControlPlaneEnds {
        instance: InstanceId,
        /// What is missing without it.
        lack: PlaneLack,
    },
    /// Instances of a cluster end faster than its `rate`.
    TooFast {
        cluster: ClusterName,
        /// The instances of its rate.
        instances: u32,
        /// The time of its rate.
        per: Span,
    },
    /// An instance ends before its node is drained.
    NotDrained {
        instance: InstanceId,
        group: AsgName,
    },
    /// An instance ends while volumes of its evicted pods are attached to it, and their time is not over.
    VolumesHeld {
        instance: InstanceId,
        volumes: BTreeSet<String>,
    },
    /// An instance ends while load balancers may send to it, and their time is not over.
    TrafficCut {
        instance: InstanceId,
        /// The balancers that are known to, by the names of their target groups.
        balancers: BTreeSet<String>,
    },
    /// A group keeps fewer instances at work than it has to.
    TooFewAtWork {
        group: AsgName,
        /// How many stay at work.
        left: u32,
        /// How many it has to have, with none missing.
        base: u32,
        /// How many may be missing.
        missing: u32,
    },
    /// A zone of a group keeps fewer instances at work than when the rollout of the group began.
    ZoneShort { group: AsgName, zone: String },
    /// An on-demand fallback gives up instances that the group which it stands in for still needs.
    FallbackReleased {
        /// The fallback.
        group: AsgName,
        /// The group that it stands in for.
        lends_to: AsgName,
        /// Instances of that group at work.
        working: u32,
        /// Instances that it has to have.
        own: u32,
    },
    /// An abort ends an instance that it should leave as it is.
    AbortEnds {
        instance: InstanceId,
        group: AsgName,
    },
    /// An instance of the pinned version is replaced.
    PinnedReplaced {
        instance: InstanceId,
        group: AsgName,
        version: u64,
    },
    /// An instance loses a scale-in protection that this rollout did not give it.
    UnprotectsOthers { instance: InstanceId },
    /// An instance ends while its pods cannot be seen.
    EndsUnseen {
        instance: InstanceId,
        group: AsgName,
    },
}
