//! The settings of a fleet in resolved form: stages with their clusters, waves, gates, rolling policy. Reads no files.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::calls::CallRates;
use super::gate::GateSpec;
use super::hook::HookSpec;
use super::notify::NotifyRule;
use super::policy::{
    Capacity, GroupRolling, OnFailure, Rollback, RoomPolicy, Standby, Strategy, ZonePolicy,
};
use crate::model::{ClusterName, Eviction, GroupName, Node, OldNodes, Span, StageName, Timestamp};

/// What `fleet.yaml` says, checked and resolved against the clusters there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Where journals, locks and baselines live: a folder relative to the fleet, or `s3://bucket/prefix`.
    pub store: String,
    /// Stages in the order in which they must run: a stage stands behind the one it names in `after`.
    pub stages: Vec<Stage>,
    /// Rolling policy of every group that does not say otherwise.
    pub rolling: Rolling,
    /// Gates, in the order given.
    pub gates: Vec<GateSpec>,
    /// Commands that run around stages, waves and clusters, in the order given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookSpec>,
    /// What goes back when something failed.
    #[serde(default)]
    pub rollback: Rollback,
    /// How fast AWS lets the accounts call it, where that is not what it publishes.
    #[serde(default)]
    pub call_rates: CallRates,
    /// Instance types and availability zones that are newer than this program's tables. What compiles; a plan has it behind it.
    #[serde(skip)]
    pub accept: BTreeSet<String>,
    /// How much lint counts. What is written; the rules' names are checked by lint.
    #[serde(skip)]
    pub lint: LintPolicy,
    /// Who is told what. It decides nothing, and a plan does not hold it.
    #[serde(skip)]
    pub notify: Vec<NotifyRule>,
}

/// `lint` of `fleet.yaml`: levels and waivers, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LintPolicy {
    /// `off`, `note`, `warning` or `error`, by the rule's id.
    #[serde(default)]
    pub levels: BTreeMap<String, String>,
    /// What is accepted for a while.
    #[serde(default)]
    pub waivers: Vec<LintWaiver>,
    /// From which level on a finding that is not waived keeps its cluster from being rolled out; none: lint blocks nothing.
    pub block: Option<String>,
}

/// One of `lint.waivers`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LintWaiver {
    /// The rule's id.
    pub rule: String,
    /// The cluster; none: all.
    pub cluster: Option<ClusterName>,
    /// The document, as `Kind/name` or its name alone; none: all.
    pub subject: Option<String>,
    /// Why it is accepted.
    pub reason: String,
    /// The last day, as `2027-01-31`.
    pub until: String,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    pub name: StageName,
    /// The stage that has to be verified and soaked first.
    pub after: Option<StageName>,
    /// Waves in order; together they hold every cluster of the stage exactly once, and no wave is empty.
    pub waves: Vec<Wave>,
    /// How long each cluster must have run the new rendering, healthy, before the stage counts as passed.
    pub soak: Span,
    /// Whether a person has to approve before the stage starts.
    pub approval: bool,
    /// When the stage may not start anything.
    pub freeze: Vec<Freeze>,
    /// What follows when something fails in it.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// One wave of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wave {
    /// Its clusters, sorted by name.
    pub clusters: Vec<ClusterName>,
    /// How many of them are rolled at the same time, at least 1.
    pub parallel: usize,
    /// How long its clusters run the new rendering, healthy, before the next wave starts.
    pub soak: Span,
}

/// A weekly window in which nothing starts, e.g. Friday 16:00 to Monday 08:00 in Europe/Paris.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Begins: weekday and minute of the day.
    pub from: (Weekday, u16),
    /// Ends: weekday and minute of the day. May lie in the next week.
    pub to: (Weekday, u16),
    /// IANA name of the time zone, known to exist.
    pub timezone: String,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// How instances of a group are replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rolling {
    /// New instances brought up beyond the group's capacity at the same time.
    pub max_surge: Amount,
    /// Instances of the group's capacity that may be missing at the same time.
    pub max_unavailable: Amount,
    /// Surge over all groups of a cluster together.
    pub cluster_surge: u32,
    /// New instances of a new definition proven alone before the rest of the group.
    pub canary: u32,
    /// How long the canary runs before it counts as proven.
    pub bake: Span,
    /// Disruption as a rate, over the whole cluster.
    pub rate: Rate,
    /// How long, and what happens to a node that does not drain in time.
    pub drain: DrainPolicy,
    /// How long a new instance may take to be in service, with its node Ready.
    pub ready_timeout: Span,
    /// Nodes of a group that may be NotReady for longer than that while their cluster soaks: what a cluster loses on any day.
    /// More of them, and the soak is broken. A control plane is judged by its quorum instead.
    #[serde(default = "tolerance")]
    pub tolerance: Amount,
    /// What becomes of instances in Standby.
    #[serde(default)]
    pub standby: Standby,
    /// Whether each zone keeps its instances while they are replaced.
    #[serde(default)]
    pub zones: ZonePolicy,
    /// Whether old nodes that wait to be replaced take new pods.
    #[serde(default, skip_serializing_if = "OldNodes::is_default")]
    pub old_nodes: OldNodes,
    /// Who replaces instances, and when.
    #[serde(default)]
    pub strategy: Strategy,
    /// What happens for want of capacity.
    #[serde(default)]
    pub capacity: Capacity,
    /// What happens when there is too little room in the account.
    #[serde(default, skip_serializing_if = "RoomPolicy::is_default")]
    pub room: RoomPolicy,
    /// Launch template versions that are kept when a group is done, at least 2; those in use are kept in any case.
    #[serde(default = "keep_versions")]
    pub keep_versions: u64,
    /// What groups of this name do otherwise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<GroupName, GroupRolling>,
}

/// Versions kept when nothing else is said: enough to go back by hand through more than a week of daily rollouts.
fn keep_versions() -> u64 {
    10
}

/// A tenth of a group, and at least one node of it.
fn tolerance() -> Amount {
    Amount::Percent(10)
}

/// A count of instances, or a percentage of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Amount {
    /// This many.
    Count(u32),
    /// This percentage; rounded up for surge, down but to at least 1 for unavailability, as kops does.
    Percent(u32),
}

/// At most `instances` disrupted within `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    pub instances: u32,
    /// How long a window is.
    pub per: Span,
}

/// Draining a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainPolicy {
    /// Longest time for one drain.
    pub timeout: Span,
    /// What happens then.
    pub on_timeout: OnTimeout,
    /// With `force`: no pod younger than this is deleted, and none with a sibling younger than this.
    #[serde(default = "min_pod_age")]
    pub min_pod_age: Span,
    /// Which pods may be evicted, and how.
    #[serde(default)]
    pub eviction: Eviction,
    /// What happens when something stands in the way before the first drain of a cluster.
    #[serde(default)]
    pub preflight: Preflight,
    /// What becomes of a node whose kubelet does not answer any more.
    #[serde(default)]
    pub dead_nodes: DeadNodes,
    /// How long volumes of evicted pods may keep the instance, counted from when the pods are gone; zero: they are not waited for.
    #[serde(default = "volumes")]
    pub volumes: Span,
    /// How long load balancers of Services that still send to the node may keep the instance, counted from when its pods are gone; zero: they are not
    /// waited for.
    #[serde(default = "balancers")]
    pub balancers: Span,
}

/// What becomes of a node whose kubelet does not answer any more. Pods that were told to go there are not waited for once their grace is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeadNodes {
    /// It is drained like any other: what a budget holds is waited for.
    #[default]
    Wait,
    /// Once it has been silent for as long as a drain may take, its instance is ended whatever is left on it.
    Force,
}

impl DrainPolicy {
    /// Whether nothing on this node is waited for any more.
    pub fn gives_up(&self, node: &Node, now: Timestamp) -> bool {
        let silent = node.silent_since.map(|since| now.since(since));
        self.dead_nodes == DeadNodes::Force && silent.is_some_and(|span| span > self.timeout)
    }
}

/// What happens when a drain does not end in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnTimeout {
    /// Set the node aside (uncordoned), come back when the rest of the group is done, then stop.
    Skip,
    /// Go on asking for as long as it takes.
    Wait,
    /// Delete what is held by a budget, one pod of an owner at a time, oldest first, as far as `min_pod_age` allows.
    Force,
    /// Fail the group at once.
    Stop,
}

/// What happens when something stands in the way before the first drain of a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preflight {
    /// It is said, and the rollout goes on.
    #[default]
    Warn,
    /// The rollout stops before it touches the cluster.
    Stop,
}

/// After so long Kubernetes takes a volume from a node that is gone by force: waiting longer would save nothing. Source: Kubernetes, attach/detach
/// controller, `maxWaitForUnmountDuration`.
fn volumes() -> Span {
    Span::from_secs(360)
}

/// A target that is taken out has connections for 300 seconds unless said otherwise, and the controller needs a moment before that. Source: Elastic Load
/// Balancing user guide, "Deregistration delay".
fn balancers() -> Span {
    Span::from_secs(360)
}

/// How long a pod counts as young: the kubelet forgets a container's crashes once it has run for ten minutes.
fn min_pod_age() -> Span {
    Span::from_secs(600)
}

impl Rolling {
    /// The policy of one group.
    #[must_use]
    pub fn of(&self, group: &GroupName) -> Rolling {
        let own = self.groups.get(group).cloned().unwrap_or_default();
        Rolling {
            strategy: own.strategy.unwrap_or(self.strategy),
            capacity: own.capacity.unwrap_or_else(|| self.capacity.clone()),
            zones: own.zones.unwrap_or(self.zones),
            groups: BTreeMap::new(),
            ..self.clone()
        }
    }
}

impl Default for Rolling {
    /// kops's own caution (one at a time, the first one alone), with the surge that it does by detaching.
    fn default() -> Self {
        Rolling {
            max_surge: Amount::Count(1),
            max_unavailable: Amount::Count(0),
            cluster_surge: 10,
            canary: 1,
            bake: Span::from_secs(300),
            rate: Rate {
                instances: 20,
                per: Span::from_secs(600),
            },
            drain: DrainPolicy::default(),
            ready_timeout: Span::from_secs(900),
            tolerance: tolerance(),
            standby: Standby::Keep,
            zones: ZonePolicy::Keep,
            old_nodes: OldNodes::Prefer,
            strategy: Strategy::Surge,
            capacity: Capacity::default(),
            room: RoomPolicy::default(),
            keep_versions: keep_versions(),
            groups: BTreeMap::new(),
        }
    }
}

impl Default for DrainPolicy {
    /// kops's fifteen minutes, then the next node.
    fn default() -> Self {
        DrainPolicy {
            timeout: Span::from_secs(900),
            on_timeout: OnTimeout::Skip,
            min_pod_age: min_pod_age(),
            eviction: Eviction::default(),
            preflight: Preflight::Warn,
            dead_nodes: DeadNodes::Wait,
            volumes: volumes(),
            balancers: balancers(),
        }
    }
}

impl Amount {
    /// The surge for a group of `size`: a percentage is rounded up. Source: kops, rolling-update settings.
    pub fn surge_of(self, size: u32) -> u32 {
        match self {
            Amount::Count(n) => n,
            Amount::Percent(p) => {
                u32::try_from((u64::from(p) * u64::from(size)).div_ceil(100)).unwrap_or(u32::MAX)
            }
        }
    }

    /// The unavailability for a group of `size`: a percentage is rounded down, to at least 1. Source: kops, rolling-update settings.
    pub fn unavailable_of(self, size: u32) -> u32 {
        match self {
            Amount::Count(n) => n,
            Amount::Percent(p) => u32::try_from(u64::from(p) * u64::from(size) / 100)
                .unwrap_or(u32::MAX)
                .max(1),
        }
    }
}
