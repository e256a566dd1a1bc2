//! Why a rollout waits, stops, fails or needs a person: facts with their data, each with a code. The sentences are in `report`.

mod advice;
mod capacity;
mod drain;
mod finding;
mod group;
mod health;
mod hook;
mod version;

use serde::{Deserialize, Serialize};

pub use advice::Advice;
pub use capacity::{NoCapacity, NoLoan, NoOther};
pub use drain::{DrainReason, HeldPods, LingeringPod, OverdueDrain, RefusedPods};
pub use finding::PreflightFinding;
pub use group::GroupReason;
pub use health::{
    Evidence, Ground, PlaneFault, Symptom, SymptomSeen, ToleratedNodes, UnreadyOwner,
};
pub use hook::HookReason;
pub use version::{RefreshAt, RefreshDoes, VersionOf, VersionReason};

use crate::model::{
    AsgName, ClusterName, Gap, InstanceId, NodeName, Shard, Span, StageName, Timestamp, Unseen,
};
use crate::plan::room::RegionLack;
use crate::rollout::shards::{FailedAt, RowState};

/// What one of the groups of a cluster waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitOf {
    /// The group; none: the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<AsgName>,
    /// For what.
    pub why: Reason,
}

/// How a cluster differs from what a rollout has made of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Difference {
    /// A group is gone.
    GroupGone {
        /// The group that is meant.
        group: AsgName,
    },
    /// A group that was deleted is there.
    GroupStays {
        /// The group that is meant.
        group: AsgName,
    },
    /// A group that the rollout does not change is not what it was when the plan was made.
    GroupChanged {
        /// The group that is meant.
        group: AsgName,
    },
    /// A group that the plan does not have.
    GroupNew {
        /// The group that is meant.
        group: AsgName,
    },
    /// Fields of a group.
    Fields {
        /// Which group.
        group: AsgName,
        /// Their names.
        fields: Vec<String>,
    },
    /// Instances of a group run something else.
    Outdated {
        /// Which group.
        group: AsgName,
        /// How many.
        instances: usize,
    },
}

/// A reason. Its `code` stays the same between versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Reason {
    /// A part of the live state could not be read.
    Unread {
        /// What was asked for, as it is named to a person.
        what: String,
        /// In the words of who refused.
        why: String,
    },
    /// Nothing of the cluster was read.
    ClusterUnread,
    /// The nodes cannot be seen.
    NodesUnseen {
        /// Why it cannot be seen.
        unseen: Unseen,
    },
    /// No Kubernetes access is configured, and nodes have to be drained.
    NoKubernetes,
    /// The Kubernetes API has no node, so that it is not known to be the cluster's.
    NoNodes {
        /// The cluster was not changed yet.
        untouched: bool,
    },
    /// Before the first change: what stands in the way, where the policy is to stop.
    InTheWay {
        /// All of it.
        findings: Vec<PreflightFinding>,
    },
    /// Nothing has moved.
    NothingMoved {
        /// For how long.
        still: Span,
        /// What was waited for.
        waits: Vec<WaitOf>,
    },
    /// A part of the control plane does not work.
    ControlPlane {
        /// What is wrong with it.
        fault: PlaneFault,
    },
    /// Without this instance the control plane would not work.
    ControlPlaneWithout {
        instance: InstanceId,
        /// What is missing then.
        fault: PlaneFault,
    },
    /// An instance is drained, and the control plane would not work without it.
    DrainedControlPlane {
        instance: InstanceId,
        /// What is missing then.
        fault: PlaneFault,
    },
    /// A gate has not passed yet.
    GateWaits {
        /// As `gates:` names it.
        gate: String,
        /// For what.
        ground: Ground,
    },
    /// A gate waits for longer than its deadline.
    GateOverdue {
        /// As `gates:` names it.
        gate: String,
        deadline: Span,
        /// For what.
        ground: Ground,
    },
    /// A gate said no, or had no evidence until its deadline.
    GateFailed {
        /// As `gates:` names it.
        gate: String,
        /// What the gate found, typed.
        ground: Ground,
    },
    /// The cluster is not what the plan makes of it.
    NotAsPlanned {
        /// In what.
        differences: Vec<Difference>,
    },
    /// A stage stands on the cluster, and it is not what was verified.
    NotAsVerified {
        stage: StageName,
        /// In what.
        differences: Vec<Difference>,
    },
    /// A stage stands on the cluster, and it is not known or not whole.
    StageWaits {
        stage: StageName,
        /// For what.
        ground: Ground,
    },
    /// A stage stands on the cluster, and it is not healthy.
    StageUnhealthy {
        stage: StageName,
        /// What is wrong.
        symptoms: Vec<Symptom>,
    },
    /// A stage has waited for too long for the cluster to be whole.
    StageOverdue {
        /// For how long.
        still: Span,
    },
    /// The accounts have no room for a wave, or it is not known that they have.
    NoRoom {
        stage: StageName,
        /// The wave, from 0.
        wave: usize,
        /// What is missing where.
        regions: Vec<RegionLack>,
    },
    /// A wave begins when the accounts have room for all of it.
    RoomAwaited {
        /// What is missing where.
        regions: Vec<RegionLack>,
    },
    /// A stage is frozen.
    Frozen {
        stage: StageName,
        /// Until when.
        until: Timestamp,
    },
    /// A person has to approve a stage.
    NotApproved { stage: StageName },
    /// A person has to open the way to the Kubernetes API of a cluster.
    NoAccess {
        cluster: ClusterName,
        /// What is wrong.
        unseen: Unseen,
    },
    /// The process was asked to step back.
    Interrupted,
    /// A cluster soaks.
    Soaks {
        cluster: ClusterName,
        /// Until when.
        until: Timestamp,
    },
    /// It soaks on, with nodes that are down and tolerated.
    SoaksOn {
        /// By group; the policy tolerates them.
        nodes: Vec<ToleratedNodes>,
    },
    /// It soaks, and is not known or not whole.
    SoakWaits {
        /// What the gate found, typed.
        ground: Ground,
    },
    /// It has soaked, and is not known or not whole long after that.
    SoakOverdue {
        /// How long after.
        late: Span,
        /// What the gate found, typed.
        ground: Ground,
    },
    /// It is not healthy while it soaks.
    Unhealthy {
        /// What is wrong.
        symptoms: Vec<Symptom>,
    },
    /// Its soak was broken too often.
    SoakBrokenAgain {
        /// How often before.
        times: u32,
        /// What is wrong now.
        symptoms: Vec<Symptom>,
    },
    /// Its old groups are deleted when the cluster has run without them for a while.
    DeletesLater,
    /// Another cluster failed, and its stage stops then.
    ClusterFailed {
        /// The cluster of the stage before.
        cluster: ClusterName,
        /// Its own reason.
        why: Box<Reason>,
    },
    /// Another shard of the release has not got as far.
    ShardAwaited {
        shard: Shard,
        /// Its rollout, and how that stands; none: it has not begun.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rollout: Option<(String, RowState)>,
        stage: StageName,
        /// The wave, from 0; none: the whole stage.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wave: Option<usize>,
    },
    /// Other rollouts are at work on as many clusters of the wave as may be at the same time.
    WaveFull {
        /// How many clusters of it they are at work on.
        beside: usize,
        /// How many may be.
        most: usize,
    },
    /// Something failed in another shard of the release.
    OtherShardFailed {
        shard: Shard,
        /// The rollout of that shard.
        rollout: String,
        failed: FailedAt,
    },
    /// A rollback was asked for, and what the rollout has deleted does not come back.
    DeletedForGood { group: AsgName },
    /// A rollback was asked for, and the control plane has been brought to a newer minor version of Kubernetes, which is never taken back.
    KubernetesStays { cluster: ClusterName },
    /// Others changed the group.
    ChangedByOthers {
        /// What was found.
        found: String,
    },
    /// Others changed the group again and again.
    Conflicts {
        /// How often.
        times: u32,
    },
    /// A step was tried too often without an answer.
    NoAnswer {
        /// Its number in the journal.
        step: u64,
        /// How often.
        times: u32,
    },
    /// A step was refused, and is asked for again.
    AskedAgain {
        /// In the words of who refused.
        words: String,
        /// How often.
        times: u32,
    },
    /// Whether an instance may end is not known.
    EndUnknown {
        instance: InstanceId,
        /// Why it cannot be seen.
        unseen: Unseen,
    },
    /// An instance was to end, and has a node now that is not drained.
    EndNotDrained {
        instance: InstanceId,
        node: NodeName,
    },
    /// An instance did not end, and has a node to be drained first.
    NotEnded {
        instance: InstanceId,
        node: NodeName,
        /// How long after the step.
        after: Span,
        /// Pods on the node.
        pods: u32,
    },
    /// A step of the direction that was left may still be under way.
    OtherDirection,
    /// A step has not happened.
    NotHappened {
        /// How long after it.
        after: Span,
    },
    /// It is decided anew in every round.
    DecidedAnew,
    /// The node shows that it did not happen.
    NodeShowsNot,
    /// Nothing depends on it any more.
    NotNeeded,
    #[serde(untagged)]
    Drain(DrainReason),
    /// Instances of a group.
    #[serde(untagged)]
    Group(GroupReason),
    /// Commands that run around stages, waves and clusters.
    #[serde(untagged)]
    Hook(HookReason),
    /// Launch template versions and instance refreshes.
    #[serde(untagged)]
    Version(VersionReason),
    /// In the words of others: the cloud, a gate, a person, or a journal of version 1.
    #[serde(untagged)]
    Words(String),
}

/// Why the nodes cannot be seen.
pub(crate) fn unseen(unseen: &Unseen) -> Reason {
    Reason::NodesUnseen {
        unseen: unseen.clone(),
    }
}

/// A part of the live state that could not be read.
pub(crate) fn unread(gap: &Gap) -> Reason {
    Reason::Unread {
        what: gap.what.clone(),
        why: gap.why.clone(),
    }
}

macro_rules! theme {
    ($($of:ident => $theme:ident),*) => {
        $(impl From<$theme> for Reason {
            fn from(reason: $theme) -> Self {
                Self::$of(reason)
            }
        })*
    };
}

theme!(Drain => DrainReason, Group => GroupReason, Hook => HookReason, Version => VersionReason);

/// What others said becomes a reason in their words.
macro_rules! in_their_words {
    ($($of:ty),*) => {
        $(impl From<&str> for $of {
            fn from(words: &str) -> Self {
                Self::Words(words.to_owned())
            }
        })*
    };
}

in_their_words!(Reason, Advice, Ground, Evidence, PreflightFinding);
