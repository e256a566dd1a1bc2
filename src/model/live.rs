//! Live state: what the cloud and the Kubernetes API said, when, and what could not be read. Unknown is never zero.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{AsgName, AutoScalingGroup, ClusterName, InstanceId, LaunchTemplateData, LifecycleHook, NodeName, Timestamp};

/// What was read, in one go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// When the reading ended.
    pub read_at: Timestamp,
    /// By cluster.
    pub clusters: BTreeMap<ClusterName, LiveCluster>,
}

impl Live {
    /// The same state without the suspended processes that a running rollout answers for.
    #[must_use]
    pub fn without_held(mut self, held: &BTreeMap<AsgName, BTreeSet<String>>) -> Self {
        for (name, group) in self.clusters.values_mut().flat_map(|c| &mut c.groups) {
            if let Some(processes) = held.get(name) {
                group.group.suspended_processes.retain(|p| !processes.contains(p));
                group.suspended.retain(|p| !processes.contains(p));
            }
        }
        self
    }
}

/// The live state of one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveCluster {
    /// Groups tagged as the cluster's own.
    pub groups: BTreeMap<AsgName, LiveGroup>,
    /// Nodes, as far as the Kubernetes API answered.
    pub nodes: Nodes,
    /// What could not be read. A cluster with a gap is shown, never changed.
    pub gaps: Vec<Gap>,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gap {
    /// What, e.g. `launch template versions`.
    pub what: String,
    /// Why, with request id where there is one.
    pub why: String,
}

/// The nodes of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Nodes {
    /// Not asked: no Kubernetes access is configured.
    #[default]
    NotAsked,
    /// Asked, and this was the answer.
    Known(BTreeMap<NodeName, Node>),
    /// Asked, and there was no (complete) answer.
    Unknown(String),
}

/// One AutoScalingGroup as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveGroup {
    /// The fields we own, ids turned back into the names kops gives.
    pub group: AutoScalingGroup,
    /// Lifecycle hooks by name.
    pub hooks: BTreeMap<String, LifecycleHook>,
    /// Desired capacity: the autoscaler's, read only.
    pub desired: u32,
    /// The launch template version the group refers to.
    pub version: VersionRef,
    /// The versions that matter: the group's and its instances', by number.
    pub versions: BTreeMap<u64, TemplateVersion>,
    /// The newest version number of the template.
    pub latest_version: u64,
    /// Its instances, those we detached among them.
    pub instances: BTreeMap<InstanceId, Instance>,
    /// Recent scaling activities, newest last.
    pub activities: Vec<Activity>,
    /// Processes suspended now.
    pub suspended: BTreeSet<String>,
}

/// How a group refers to its launch template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VersionRef {
    /// By number: what kfleet always does.
    Number(u64),
    /// `$Latest`: what kops does; the number it means now.
    Latest(u64),
    /// `$Default`; the number it means now.
    Default(u64),
}

impl VersionRef {
    /// The number it means now.
    pub fn number(self) -> u64 {
        match self {
            VersionRef::Number(n) | VersionRef::Latest(n) | VersionRef::Default(n) => n,
        }
    }
}

/// One launch template version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateVersion {
    /// What it holds.
    pub data: LaunchTemplateData,
    /// User data, base64 as AWS stores it.
    pub user_data: Option<String>,
    /// The token of the step that made it, when we made it.
    pub token: Option<String>,
}

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Where it is in its life.
    pub lifecycle: Lifecycle,
    /// What AWS thinks of it.
    pub health: Health,
    /// Availability zone.
    pub zone: String,
    /// e.g. `m5.xlarge`.
    pub instance_type: String,
    /// Spot or on-demand.
    pub market: Market,
    /// The launch template version it was launched from; none: from none (a launch configuration, or by hand).
    pub version: Option<u64>,
    /// When it was launched.
    pub launched_at: Timestamp,
}

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Lifecycle {
    /// Launching, waiting hooks included.
    Pending,
    /// Taking traffic.
    InService,
    /// Set aside by hand.
    Standby,
    /// In the warm pool.
    Warmed,
    /// Taken out of the group by us, still running.
    Detached,
    /// On its way out.
    Terminating,
}

/// What AWS thinks of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// Healthy.
    Healthy,
    /// Unhealthy; AWS will replace it.
    Unhealthy,
}

/// How an instance is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Market {
    /// On-demand.
    OnDemand,
    /// Spot.
    Spot,
}

/// One scaling activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// When it began.
    pub at: Timestamp,
    /// How it went.
    pub status: ActivityStatus,
    /// AWS's words.
    pub message: String,
}

/// How a scaling activity went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActivityStatus {
    /// Done.
    Successful,
    /// Going on.
    InProgress,
    /// Refused for want of capacity (InsufficientInstanceCapacity and its like).
    NoCapacity,
    /// Failed for another reason.
    Failed,
}

/// One Kubernetes node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The instance behind it (from `spec.providerID`).
    pub instance: InstanceId,
    /// Condition Ready is True.
    pub ready: bool,
    /// `spec.unschedulable`: cordoned.
    pub cordoned: bool,
    /// Pods a drain has to evict (all but DaemonSet and mirror pods).
    pub evictable_pods: u32,
    /// Pods whose eviction a disruption budget refuses now.
    pub blocked: Vec<PodBlock>,
}

/// A pod whose eviction is refused, and by what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PodBlock {
    /// `namespace/name` of the pod.
    pub pod: String,
    /// `namespace/name` of the disruption budget.
    pub budget: String,
}
