//! Everything that can happen in a rollout, as facts. The journal is a list of these; reports are written from nothing else.

mod form;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::hook_event::HookEvent;
use super::reason::{Advice, Evidence, Ground, PreflightFinding, Reason};
use super::schedule::Rollout;
use super::shards::FailedAt;
use crate::model::{
    Applied, AsgName, ClusterName, Effect, HookPlace, InstanceId, NodeName, Shard, Span, StageName,
    Timestamp,
};
use crate::plan::room::{RoomLimit, RoomUnknown, Shortage};

/// The number of a step, from 1, unique in its rollout.
pub type StepId = u64;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// From 1, without a hole.
    pub seq: u64,
    /// When, in the cloud's time.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// What a gate is asked about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The canary of one group.
    Canary(AsgName),
    /// The whole cluster, after its groups.
    Cluster,
}

/// What a gate says. Missing evidence is never a pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Good, and why.
    Pass(Ground),
    /// Not yet, and why.
    Wait(Ground),
    /// Bad, and why.
    Fail(Ground),
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepResult {
    /// The world answered.
    Applied(Applied),
    /// Refused for good.
    Refused(String),
    /// It is not known whether it happened; it will be looked at and, if need be, done again.
    Unknown(String),
    /// The API said no, for now: a right, an admission webhook or a policy, or a way to it that is shut. It did not happen by that; whether an
    /// earlier attempt got through, only a look shows. It stays open.
    Denied(String),
    /// It did not happen, as a later look shows, and is no longer what should: what comes instead is decided anew.
    GivenUp(Reason),
}

/// A fact, and where it happened. In JSON it has the form that `form` gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// In the rollout as a whole.
    Rollout(RolloutEvent),
    /// In a stage.
    Stage(StageName, StageEvent),
    /// In a cluster.
    Cluster(ClusterName, ClusterEvent),
    /// In a group of a cluster.
    Group(ClusterName, AsgName, GroupEvent),
    /// In a hook, at one of its places.
    Hook(HookPlace, HookEvent),
    /// In a step.
    Step(StepId, StepEvent),
}

/// A fact about the rollout as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RolloutEvent {
    /// The rollout began; holds all of it.
    Started { rollout: Box<Rollout> },
    /// Something failed in a stage whose failures are for a person to decide: everything stays as it is until then.
    Held,
    /// Something failed in another shard of the same release: what follows is what its stage says.
    ShardFailed {
        shard: Shard,
        /// The rollout of that shard.
        rollout: String,
        failed: FailedAt,
    },
    /// A person asked for a rollback of all clusters that were touched, the newest wave first.
    RollbackAsked {
        /// As the process names its user: `alice@laptop`, or the job of a pipeline.
        by: String,
        /// In the words of the one who asked.
        reason: String,
    },
    /// The rollback began: these clusters return to what they ran.
    RollbackStarted {
        /// Those that were touched, and are taken back.
        clusters: BTreeSet<ClusterName>,
        /// Groups of theirs that stay on the new version: control planes that were proven, when only workers failed.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        kept: BTreeSet<AsgName>,
        /// Hooks that are taken back, each at its places.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        hooks: BTreeSet<HookPlace>,
    },
    /// A person asked to stop; what is half-done is undone first.
    AbortStarted {
        /// As the process names its user.
        by: String,
        /// Typed; `report` makes the sentence.
        reason: Reason,
    },
    /// A lock was taken whose last holder had not given it back: it had not been renewed for too long.
    LockTaken {
        /// The cluster; none: the rollout itself.
        cluster: Option<ClusterName>,
        /// Who had it.
        from: String,
        /// For which rollout.
        rollout: String,
        /// The number that it has now.
        fence: u64,
    },
    /// A process resumed the rollout.
    Resumed {
        /// As the process names its user.
        by: String,
    },
    /// The process stepped back: for a person, for time, or for credentials.
    Paused {
        /// Typed; `report` makes the sentence.
        why: Reason,
    },
    /// Everything is done, verified and soaked.
    Finished,
    /// The rollback is done.
    RolledBack,
    /// It was stopped, and what was half-done is undone.
    Aborted,
}

impl RolloutEvent {
    /// Whether nothing follows it: all is done, one way or the other.
    pub fn is_end(&self) -> bool {
        match self {
            RolloutEvent::Finished | RolloutEvent::RolledBack | RolloutEvent::Aborted => true,
            RolloutEvent::Started { .. }
            | RolloutEvent::Held
            | RolloutEvent::ShardFailed { .. }
            | RolloutEvent::RollbackAsked { .. }
            | RolloutEvent::RollbackStarted { .. }
            | RolloutEvent::AbortStarted { .. }
            | RolloutEvent::LockTaken { .. }
            | RolloutEvent::Resumed { .. }
            | RolloutEvent::Paused { .. } => false,
        }
    }
}

/// A fact about a stage or one of its waves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageEvent {
    /// A person approved a stage of this plan.
    Approved {
        /// As the process names its user.
        by: String,
        /// Until when it counts.
        expires: Timestamp,
    },
    /// A stage began.
    #[serde(rename = "stage-started")]
    Started,
    /// Every cluster of a stage is verified and soaked.
    #[serde(rename = "stage-passed")]
    Passed,
    /// A wave began; all its locks are held.
    WaveStarted {
        /// Its index in the stage, from 0.
        wave: usize,
    },
    /// Every cluster of a wave is verified and soaked.
    WavePassed {
        /// Its index in the stage, from 0.
        wave: usize,
    },
    /// The stage, or a wave of it, has passed in every shard of the release: what comes next may begin.
    PassedEverywhere {
        /// The wave's index in the stage, from 0; none: the whole stage.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wave: Option<usize>,
        /// The rollout of each shard.
        rollouts: BTreeMap<Shard, String>,
    },
    /// The account has no room for the whole of a wave at once, or that is not known: within which limits it is rolled.
    RoomLimited {
        /// The wave's index in the stage, from 0.
        wave: usize,
        /// Limits, by account and region; none: none is known to be needed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        limits: Vec<RoomLimit>,
        /// What is missing for the whole, with numbers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lacks: Vec<Shortage>,
        /// What is not known.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unknown: Vec<RoomUnknown>,
    },
}

/// A fact about a cluster, or about what happened in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterEvent {
    /// Work on a cluster began.
    #[serde(rename = "cluster-started")]
    Started,
    /// A look at the Kubernetes API before the first change of a cluster: what later looks are compared with, and what will stand in
    /// the way of drains.
    Preflight {
        /// Which cluster it is: uid of its namespace `kube-system`.
        uid: String,
        /// Pods that should be Ready and are not, for longer than a start takes.
        unready: u32,
        /// How many of them each owner has (a bare pod stands for itself).
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        unready_of: BTreeMap<String, u32>,
        /// What a gate would refuse already now: how often for each node, or owner of pods.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        failing: BTreeMap<String, u32>,
        /// What stands in the way, all of it.
        findings: Vec<PreflightFinding>,
    },
    /// All groups of a cluster are done; its gates run now.
    #[serde(rename = "cluster-rolled")]
    Rolled,
    /// A cluster runs the release, and its gates passed.
    #[serde(rename = "cluster-verified")]
    Verified {
        /// Where soaking counts from.
        since: Timestamp,
        /// What each gate said.
        evidence: Vec<Evidence>,
    },
    /// A cluster stopped being healthy while soaking; its soak begins anew once its gates pass.
    SoakBroken {
        /// Typed; `report` makes the sentence.
        why: Reason,
    },
    /// A gate that needs asking has answered.
    Answered {
        /// What it was asked about.
        scope: Scope,
        /// As `gates:` names it, or one of the built-in ones.
        gate: String,
        /// What it said.
        verdict: Verdict,
    },
    /// Something failed; what follows is the rollback.
    Failed {
        /// The group, when it was one.
        group: Option<AsgName>,
        /// Typed; `report` makes the sentence.
        why: Reason,
    },
    /// A cluster is back at what it ran before.
    #[serde(rename = "cluster-restored")]
    Restored,
    /// It cannot go on by itself.
    Stuck {
        /// The group, when it is one.
        group: Option<AsgName>,
        /// Typed; `report` makes the sentence.
        why: Reason,
        /// What a person can do.
        advice: Advice,
    },
}

/// A fact about a group of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupEvent {
    /// Work on a group began.
    #[serde(rename = "group-started")]
    Started {
        /// Instances that have to be replaced or ended.
        instances: u32,
        /// How many instances each of its zones has: none falls below that while they are replaced.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        zones: BTreeMap<String, u32>,
    },
    /// The canary instances of a group are in service and Ready; they bake now.
    CanaryUp {
        /// What is new in the group at that time: of these the canary is made up.
        #[serde(default)]
        instances: BTreeSet<InstanceId>,
    },
    /// An instance of the canary went while it baked: the bake begins anew with the one that takes its place.
    CanaryLost {
        /// What was seen.
        why: Reason,
    },
    /// The canary of a group is proven.
    CanaryProven {
        /// What each gate said.
        evidence: Vec<Evidence>,
    },
    /// A node is about to be emptied.
    DrainStarted {
        /// The instance on its way out.
        instance: InstanceId,
        /// Its node, when it has one.
        node: Option<NodeName>,
        /// Pods on it that the drain has to wait for.
        #[serde(default, skip_serializing_if = "is_zero")]
        pods: u32,
        /// The longest grace period of the pods on it.
        #[serde(default, skip_serializing_if = "Span::is_zero")]
        grace: Span,
        /// Claims of those pods, `namespace/name`: their volumes have to leave the node too.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        claims: BTreeSet<String>,
    },
    /// The pods of a drain are gone, and volumes of theirs are still attached to its node.
    VolumesAwaited {
        /// The instance on its way out.
        instance: InstanceId,
        volumes: BTreeSet<String>,
        /// They had their time: the instance is ended all the same.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        over: bool,
    },
    /// The pods of a drain are gone, and load balancers of Services send to its node still, or may.
    BalancersAwaited {
        /// The instance on its way out.
        instance: InstanceId,
        /// The balancers, by the names of their target groups.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        balancers: BTreeSet<String>,
        /// Why it is not known which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unread: Option<String>,
        /// They had their time: the instance is ended all the same.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        over: bool,
    },
    /// A drain did not end in time; the node was uncordoned and is drained last.
    SetAside {
        /// The instance on its way out.
        instance: InstanceId,
        /// Which pods and budgets.
        why: Reason,
    },
    /// A drain is no longer wanted; the node was uncordoned.
    DrainAbandoned {
        /// The instance that stays.
        instance: InstanceId,
    },
    /// An autoscaler went down to the minimum and took surge with it, which the rollout no longer has to end.
    SurgeTaken {
        /// What is still out there.
        left: u32,
    },
    /// An instance refresh got further.
    Refreshed {
        /// How far it is, in percent.
        percentage: u32,
    },
    /// AWS refuses launches for want of capacity.
    NoCapacity {
        /// Since when.
        since: Timestamp,
        /// Of which types, in which zones, and what happens about it.
        why: Reason,
    },
    /// AWS launches instances of the group again.
    CapacityBack,
    /// A group whose launches are refused gives up its own surge and borrows from its on-demand twin, until AWS launches instances of it again.
    Borrowed {
        twin: AsgName,
        /// What is refused.
        why: Reason,
    },
    /// A twin begins to stand in for a group: it grows now, and shrinks again when the group has its own capacity.
    Lending {
        /// The group that borrows.
        to: AsgName,
    },
    /// A node whose kubelet does not answer is ended with pods on it: they are seen to after its instance has ended.
    DeadNode {
        /// The instance on its way out.
        instance: InstanceId,
        node: NodeName,
        /// Pods left on it.
        pods: u32,
    },
    /// Nothing is left of a dead node: it is gone, or its pods are.
    DeadNodeEnded { node: NodeName },
    /// The launch template version that the group would go back to was deleted outside this rollout.
    WayBackGone { version: u64 },
    /// A group is done: forward, or undone, or left as it is by an abort.
    #[serde(rename = "group-done")]
    Done,
}

/// A fact about a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepEvent {
    /// A step is about to be taken. Written, and on disk, before.
    Intent {
        /// The cluster whose lock the step needs.
        cluster: ClusterName,
        /// The group whose turn it is.
        group: AsgName,
        /// What exactly.
        effect: Box<Effect>,
    },
    /// A step was taken.
    Outcome {
        /// How it ended.
        result: StepResult,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}
