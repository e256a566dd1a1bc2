//! What a reader of a plan should know and need not decide: facts with their data, each with a code. The sentences are in `report`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{AsgName, InstanceId, NodeName, Refusal, Span, Timestamp};

/// Fields that were set by other means than a manifest, by AWS's name, with their values.
pub type Fields = BTreeMap<String, String>;

/// A fact about one group, or about the whole cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The group; none: the whole cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<AsgName>,
    /// The fact.
    pub what: Fact,
}

impl Note {
    /// Of one group.
    pub fn of(group: &AsgName, what: Fact) -> Note {
        Note {
            group: Some(group.clone()),
            what,
        }
    }
}

impl From<Fact> for Note {
    fn from(what: Fact) -> Note {
        Note { group: None, what }
    }
}

/// What a note says. Its `code` stays the same between versions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fact {
    /// Set by other means than a manifest, and not compared.
    SetByHand {
        /// Of the group: they stay.
        stays: Fields,
        /// Of its launch template version: the next one takes them over.
        carried: Fields,
        /// Of its launch template version: the next one does not have them.
        lost: Fields,
    },
    /// An instance is in Standby, outside desired capacity.
    Standby {
        /// The one that others are at.
        instance: InstanceId,
        /// Whether it runs what git wants, and what becomes of it when it does not.
        fate: StandbyFate,
    },
    /// A raised minimum starts instances at once.
    MinimumStarts {
        /// The wanted minimum.
        min: u32,
        /// Desired capacity now.
        desired: u32,
    },
    /// A lowered maximum ends instances, each after its drain.
    MaximumEnds {
        /// The wanted maximum.
        max: u32,
        /// Desired capacity now.
        desired: u32,
    },
    /// It may borrow from its on-demand twin while AWS refuses it capacity.
    MayBorrow {
        twin: AsgName,
        /// Instances at most.
        most: u32,
        /// The twin's maximum.
        max: u32,
    },
    /// AWS chooses the zones of its new instances.
    PlacedByAws {
        /// What keeps them from being named.
        why: Unplaced,
    },
    /// A process that decides whether the group works is suspended.
    Suspended {
        /// As AWS names it.
        process: Process,
    },
    /// A suspended process is resumed: AWS acts at once.
    Resumed {
        /// As AWS names it.
        process: Process,
    },
    /// Instances are in zones in which the group will have no subnet.
    ZonesLost {
        /// How many, by zone.
        instances: BTreeMap<String, usize>,
        /// They stay, as nothing evens out the zones until that is resumed.
        rebalance_suspended: bool,
    },
    /// AWS moves instances into new zones by itself.
    ZonesGained {
        /// Those without a subnet of the group.
        zones: BTreeSet<String>,
    },
    /// AWS replaces instances of an age.
    Lifetime {
        /// The age.
        longest: Span,
        /// How many are older now.
        older: usize,
    },
    /// AWS replaces Spot instances that it may take back soon.
    CapacityRebalance,
    /// Its warm pool goes.
    WarmPoolRemoved {
        /// Instances in it.
        instances: usize,
    },
    /// It gets a warm pool.
    WarmPoolMade {
        /// Its least size.
        min: u32,
    },
    /// Its warm pool grows.
    WarmPoolGrown {
        /// The new least size.
        min: u32,
    },
    /// All its instances are taken out of load balancers at once.
    BalancersLost {
        /// How many instances.
        instances: usize,
        /// Names of classic load balancers, and target groups.
        balancers: BTreeSet<String>,
    },
    /// Something stands in the way of a replacement.
    Launch {
        /// Why AWS would not launch.
        blocker: LaunchBlocker,
    },
    /// Something stands in the way of drains.
    Drain {
        /// Why the node would not drain.
        blocker: DrainBlocker,
    },
    /// Pods that begin to crash on a canary are not seen before its bake is over.
    ShortBake {
        bake: Span,
        /// How long a pod has to be unready to count.
        counts_after: Span,
    },
    /// kops' state store does not have the cluster.
    NoCluster {
        /// Its name there.
        cluster: String,
    },
    /// A group is in kops' state store and not in git.
    OnlyStored {
        /// `InstanceGroup/name`.
        document: String,
    },
    /// A new group is not in kops' state store yet.
    NotStoredYet {
        /// `InstanceGroup/name`.
        document: String,
    },
    /// A group that goes stays in kops' state store.
    StaysStored {
        /// `InstanceGroup/name`.
        document: String,
    },
    /// There is nothing to compare the documents beside the groups with.
    NoBaseline {
        /// How many there are.
        documents: usize,
    },
}

/// What becomes of an instance in Standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StandbyFate {
    /// It runs what git wants.
    UpToDate,
    /// It runs something else, and ends with the others (`rolling.standby: end`).
    Ends,
    /// It runs something else, and stays (`rolling.standby: keep`).
    Stays,
}

/// What keeps a launch from naming its zone. Source: Auto Scaling user guide, "Launch instances synchronously".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unplaced {
    /// Its policy mixes on-demand and Spot.
    BothMarkets,
    /// It has a warm pool.
    WarmPool,
}

/// A process of a group that can be suspended, as far as it decides what AWS does by itself. Source: Auto Scaling user guide, "Suspend and resume
/// Amazon EC2 Auto Scaling processes".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Process {
    /// Launches instances.
    Launch,
    /// Ends instances.
    Terminate,
    /// Notices that instances are unhealthy.
    HealthCheck,
    /// Replaces unhealthy instances.
    ReplaceUnhealthy,
    /// Puts new instances into load balancers.
    AddToLoadBalancer,
    /// Carries instance refreshes on.
    InstanceRefresh,
    /// Evens out the zones.
    #[serde(rename = "AZRebalance")]
    AzRebalance,
}

impl Process {
    /// AWS's name.
    pub fn name(self) -> &'static str {
        match self {
            Process::Launch => "Launch",
            Process::Terminate => "Terminate",
            Process::HealthCheck => "HealthCheck",
            Process::ReplaceUnhealthy => "ReplaceUnhealthy",
            Process::AddToLoadBalancer => "AddToLoadBalancer",
            Process::InstanceRefresh => "InstanceRefresh",
            Process::AzRebalance => "AZRebalance",
        }
    }
}

/// Why no replacement can come into a group now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LaunchBlocker {
    /// Its process `Launch` is suspended.
    LaunchSuspended,
    /// AWS refused the last launch.
    LaunchRefused {
        /// From this moment on.
        at: Timestamp,
        /// In AWS's words.
        message: String,
    },
}

/// What will stand in the way of a drain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DrainBlocker {
    /// The caller lacks a right.
    NoRight {
        /// To do what, e.g. `create pods/eviction`.
        right: String,
    },
    /// A disruption budget allows no disruption now.
    Budget {
        /// `namespace/name`.
        budget: String,
        /// Pods that it holds.
        pods: usize,
        /// Whose they are.
        owners: BTreeSet<String>,
    },
    /// Kubernetes has not processed the newest form of a budget.
    UnprocessedBudget {
        /// `namespace/name`.
        budget: String,
    },
    /// More than one budget selects a pod.
    ManyBudgets {
        /// The pod's owner; a bare pod by its own name.
        of: String,
        budgets: BTreeSet<String>,
    },
    /// No owner would make the pod anew, and the policy keeps such pods.
    NoController { node: NodeName, pod: String },
    /// A pod has data in an `emptyDir`, and the policy keeps such pods.
    EmptyDir { node: NodeName, pod: String },
    /// The API refuses evictions of some pods, as a dry run shows.
    Refused {
        /// Whose pods; a bare pod by its own name.
        of: String,
        /// In the API's words.
        answer: Refusal,
    },
    /// The API did not say in time whether it would refuse.
    Unanswered {
        /// Whose pods.
        of: String,
    },
}
