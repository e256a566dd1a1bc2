//! What the account keeps of a group: its instances, their nodes and pods, its activities, its instance refresh. Data only; what becomes of it
//! is in `groups` and its neighbours.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{
    Activity, AsgName, AutoScalingGroup, Health, Hooks, Instance, InstanceId, LeavesBy, Lifecycle,
    Market, NodeMark, NodeName, RefreshPreferences, RefreshStatus, Refusal, Shared, Timestamp,
};

/// A group as the simulated account keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SimulatedGroup {
    /// Its fields in canonical form; `suspended_processes` is what is suspended now, by the rollout or by others.
    pub(super) fields: Shared<AutoScalingGroup>,
    /// Lifecycle hooks; not read where the account is a copy of one in which they were not read.
    pub(super) hooks: Hooks,
    /// Its launch template.
    pub(super) template: AsgName,
    /// The version it launches from.
    pub(super) version: u64,
    /// Desired capacity.
    pub(super) desired: u32,
    /// Where all its chance comes from.
    pub(super) salt: u64,
    /// Launches decided so far: the next one's number.
    pub(super) launches: u64,
    /// Launches decided and not begun: number and when each begins.
    pub(super) launching: BTreeMap<u64, Timestamp>,
    /// Launches into the warm pool, decided and not begun.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) warming: BTreeMap<u64, Timestamp>,
    /// How AWS moves instances out of a zone that the group no longer has; none while there is nothing to move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) moving: Option<Moving>,
    /// Instances, detached ones among them.
    pub(super) machines: BTreeMap<InstanceId, Machine>,
    /// Instances that have ended and whose dead nodes were not removed from Kubernetes yet: when that is, is their `gone_at`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) ghosts: BTreeMap<InstanceId, Machine>,
    /// What launches in a named zone brought, by their token.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tokens: BTreeMap<String, BTreeSet<InstanceId>>,
    /// Scaling activities, oldest first.
    pub(super) activities: Vec<RecordedActivity>,
    /// The pods that belong on its nodes.
    pub(super) workload: Workload,
    /// The newest instance refresh.
    #[serde(default)]
    pub(super) refresh: Option<SimulatedRefresh>,
    /// Instance refreshes ever started.
    #[serde(default)]
    pub(super) refreshes: u64,
}

impl SimulatedGroup {
    /// A group without a single instance, to which nothing has happened yet.
    pub(super) fn bare(
        template: AsgName,
        fields: AutoScalingGroup,
        version: u64,
    ) -> SimulatedGroup {
        SimulatedGroup {
            fields: fields.into(),
            hooks: Hooks::default(),
            template,
            version,
            desired: 0,
            salt: 0,
            launches: 0,
            launching: BTreeMap::new(),
            warming: BTreeMap::new(),
            moving: None,
            machines: BTreeMap::new(),
            tokens: BTreeMap::new(),
            activities: Vec::new(),
            workload: Workload::default(),
            refresh: None,
            refreshes: 0,
            ghosts: BTreeMap::new(),
        }
    }
}

/// Whether a group is one of the control plane, by the tags that kops gives it.
pub(super) fn is_control_plane(group: &AutoScalingGroup) -> bool {
    let roles = ["k8s.io/role/control-plane", "k8s.io/role/master"];
    group
        .tags
        .iter()
        .any(|tag| roles.contains(&tag.key.as_str()))
}

/// A scaling activity and what it is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedActivity {
    /// The launch's number, or that of the instance that ends.
    pub(super) about: Work,
    /// As shown.
    pub(super) activity: Activity,
}

/// AWS at work on instances in a zone that the group no longer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Moving {
    /// When it looks next.
    pub(super) next: Timestamp,
    /// Whether one more than desired is asked for: it launches before it terminates.
    pub(super) extra: bool,
}

/// What a scaling activity is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Work {
    /// The launch of this number.
    Launch(u64),
    /// A part of the launch of this number that was refused.
    Refused(u64),
    /// The end of the instance of this number.
    End(u64),
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Machine {
    /// The number of its launch, unique in the group.
    pub(super) number: u64,
    pub(super) lifecycle: Lifecycle,
    pub(super) zone: String,
    pub(super) instance_type: String,
    pub(super) market: Market,
    /// The launch template version it was launched from.
    pub(super) version: u64,
    pub(super) launched_at: Timestamp,
    /// When it comes into service; none: it has, or never will.
    pub(super) in_service_at: Option<Timestamp>,
    /// When its node turns Ready; none: it has, or never will.
    pub(super) ready_at: Option<Timestamp>,
    /// When AWS takes it back (spot).
    pub(super) reclaimed_at: Option<Timestamp>,
    /// A critical pod on its node never turns Ready.
    #[serde(default)]
    pub(super) sick_pods: bool,
    /// Its member of etcd never turns Ready.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) sick_etcd: bool,
    /// When it is gone for good; set while it terminates.
    pub(super) gone_at: Option<Timestamp>,
    /// Its Kubernetes node, from the moment that it is in service.
    pub(super) node: Option<SimNode>,
    /// Since when it is in service.
    #[serde(default)]
    pub(super) serving_since: Option<Timestamp>,
    /// Protected from scale-in.
    #[serde(default)]
    pub(super) protected: bool,
    /// Its end has been put off once, as by a lifecycle hook that waits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) lingers: bool,
    /// When a health check that failed ends it; none: it is healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unhealthy: Option<Timestamp>,
}

impl Machine {
    /// Counts for the group's capacity.
    pub(super) fn is_member(&self) -> bool {
        match self.lifecycle {
            Lifecycle::Pending | Lifecycle::InService => true,
            // An instance on standby is outside desired capacity: entering lowers it, or a replacement is launched.
            // Source: Auto Scaling guide, "Temporarily remove instances from your Auto Scaling group".
            Lifecycle::Standby
            | Lifecycle::Warmed
            | Lifecycle::Detached
            | Lifecycle::Terminating => false,
        }
    }

    /// As a reading shows it.
    pub(super) fn live(&self) -> Instance {
        Instance {
            lifecycle: self.lifecycle,
            health: if self.unhealthy.is_some() {
                Health::Unhealthy
            } else {
                Health::Healthy
            },
            zone: self.zone.clone(),
            instance_type: self.instance_type.clone(),
            market: self.market,
            version: Some(self.version),
            launched_at: self.launched_at,
            protected: self.protected,
        }
    }
}

/// The node of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SimNode {
    pub(super) name: NodeName,
    pub(super) ready: bool,
    /// Since when it is not Ready, where that did not begin with the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unready_since: Option<Timestamp>,
    pub(super) cordoned: bool,
    #[serde(default)]
    pub(super) tainted: bool,
    /// It takes no new pods at all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) closed: bool,
    /// What a drain did to it.
    #[serde(default)]
    pub(super) marks: BTreeSet<NodeMark>,
    /// Since when it has the label that takes it out of the balancers of Services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) out_since: Option<Timestamp>,
    /// Who is ending it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) leaves_by: Option<LeavesBy>,
    pub(super) pods: Vec<SimulatedPod>,
    /// Evicted pods in their grace period.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) leaving: Vec<Leaving>,
    /// Pods whose eviction the API refused when it was asked last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) refused: Vec<RefusedPod>,
    /// Since when it has no pods, as the autoscaler saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) idle_since: Option<Timestamp>,
}

impl SimNode {
    /// One that has registered.
    pub(super) fn new(name: NodeName) -> Self {
        SimNode {
            name,
            ready: false,
            unready_since: None,
            cordoned: false,
            tainted: false,
            closed: false,
            marks: BTreeSet::new(),
            out_since: None,
            leaves_by: None,
            pods: Vec::new(),
            leaving: Vec::new(),
            refused: Vec::new(),
            idle_since: None,
        }
    }
}

/// A pod that a drain has to evict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SimulatedPod {
    /// Which of the group's pods it is.
    pub(super) number: u32,
    /// How often it has been made anew: an evicted pod comes back under another name.
    pub(super) generation: u32,
    /// When it was made.
    #[serde(default = "long_ago")]
    pub(super) made_at: Timestamp,
}

/// Pods of files that do not say.
fn long_ago() -> Timestamp {
    Timestamp::from_millis(0)
}

/// A pod whose eviction was refused, budgets aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RefusedPod {
    pub(super) pod: SimulatedPod,
    pub(super) answer: Refusal,
    pub(super) since: Timestamp,
    pub(super) times: u32,
    pub(super) ask_at: Timestamp,
}

/// A pod that was told to go and is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Leaving {
    pub(super) pod: SimulatedPod,
    /// Until when it has its grace.
    pub(super) ends_by: Timestamp,
    /// When it is gone; none: its kubelet is dead, and it is not ended.
    pub(super) gone: Option<Timestamp>,
}

/// A pod that was evicted, and whose volume is still attached to the node that it left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attached {
    pub(super) pod: SimulatedPod,
    pub(super) node: NodeName,
    /// When it is let go.
    pub(super) free: Timestamp,
}

/// The pods that belong on a group's nodes. They are never fewer than they were: a pod that finds no place waits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Workload {
    /// Nodes' worth of pods asked for; follows the capacity that users and autoscaler want, not a rollout's surge.
    pub(super) nodes: u32,
    /// Nodes' worth of pods made so far.
    pub(super) made: u32,
    /// Pods made so far.
    pub(super) pods: u32,
    /// Pods without a node.
    pub(super) waiting: Vec<SimulatedPod>,
    /// Pods whose volume is still attached to the node that they left, and when it is let go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) attached: Vec<Attached>,
    /// When each exhausted budget allows the next eviction.
    pub(super) budgets: BTreeMap<u32, Timestamp>,
}

/// A refresh, the newest of its group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SimulatedRefresh {
    pub(super) id: String,
    pub(super) status: RefreshStatus,
    /// The version of the desired configuration.
    pub(super) version: u64,
    /// The version of the group before.
    pub(super) previous: u64,
    pub(super) preferences: RefreshPreferences,
    pub(super) started_at: Timestamp,
    /// Instances to replace, from start to end.
    pub(super) total: usize,
    /// Capacity beyond the desired one.
    pub(super) extra: u32,
    /// When the engine looks next; none once it is over.
    pub(super) next: Option<Timestamp>,
    /// When it last got any further.
    pub(super) moved_at: Timestamp,
    /// The checkpoint reached last.
    pub(super) checkpoint: u32,
    pub(super) reason: Option<String>,
}
