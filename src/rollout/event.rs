//! Everything that can happen in a rollout, as facts. The journal is a list of these; reports are written from nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::reason::{Advice, Evidence, Finding, Ground, Reason};
use super::schedule::Rollout;
use crate::model::{
    Applied, AsgName, ClusterName, Effect, InstanceId, NodeName, Span, StageName, Timestamp,
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
    /// What.
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

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The rollout began; holds all of it.
    Started {
        /// The rollout.
        rollout: Box<Rollout>,
    },
    /// A person approved a stage of this plan.
    Approved {
        /// Stage.
        stage: StageName,
        /// Who.
        by: String,
        /// Until when it counts.
        expires: Timestamp,
    },
    /// A stage began.
    StageStarted {
        /// Stage.
        stage: StageName,
    },
    /// Every cluster of a stage is verified and soaked.
    StagePassed {
        /// Stage.
        stage: StageName,
    },
    /// A wave began; all its locks are held.
    WaveStarted {
        /// Stage.
        stage: StageName,
        /// Its index in the stage, from 0.
        wave: usize,
    },
    /// Every cluster of a wave is verified and soaked.
    WavePassed {
        /// Stage.
        stage: StageName,
        /// Its index in the stage, from 0.
        wave: usize,
    },
    /// The account has no room for the whole of a wave at once, or that is not known: within which limits it is rolled.
    RoomLimited {
        /// Stage.
        stage: StageName,
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
    /// Work on a cluster began.
    ClusterStarted {
        /// Cluster.
        cluster: ClusterName,
    },
    /// A look at the Kubernetes API before the first change of a cluster: what later looks are compared with, and what will stand in
    /// the way of drains.
    Preflight {
        /// Cluster.
        cluster: ClusterName,
        /// Which cluster it is: uid of its namespace `kube-system`.
        uid: String,
        /// Pods that should be Ready and are not, for longer than a start takes.
        unready: u32,
        /// How many of them each owner has (a pod that nobody makes anew stands for itself).
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        unready_of: BTreeMap<String, u32>,
        /// What a gate would refuse already now: how often for each node, or owner of pods.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        failing: BTreeMap<String, u32>,
        /// What stands in the way, all of it.
        findings: Vec<Finding>,
    },
    /// All groups of a cluster are done; its gates run now.
    ClusterRolled {
        /// Cluster.
        cluster: ClusterName,
    },
    /// A cluster runs the release, and its gates passed.
    ClusterVerified {
        /// Cluster.
        cluster: ClusterName,
        /// Where soaking counts from.
        since: Timestamp,
        /// What each gate said.
        evidence: Vec<Evidence>,
    },
    /// A cluster stopped being healthy while soaking; its soak begins anew once its gates pass.
    SoakBroken {
        /// Cluster.
        cluster: ClusterName,
        /// Why.
        why: Reason,
    },
    /// Work on a group began.
    GroupStarted {
        /// Cluster.
        cluster: ClusterName,
        /// Group.
        group: AsgName,
        /// Instances that have to be replaced or ended.
        instances: u32,
        /// How many instances each of its zones has: none falls below that while they are replaced.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        zones: BTreeMap<String, u32>,
    },
    /// The canary instances of a group are in service and Ready; they bake now.
    CanaryUp {
        /// Cluster.
        cluster: ClusterName,
        /// Group.
        group: AsgName,
        /// What is new in the group at that time: of these the canary is made up.
        #[serde(default)]
        instances: BTreeSet<InstanceId>,
    },
    /// An instance of the canary went while it baked: the bake begins anew with the one that takes its place.
    CanaryLost {
        /// Cluster.
        cluster: ClusterName,
        /// Group.
        group: AsgName,
        /// What was seen.
        why: Reason,
    },
    /// The canary of a group is proven.
    CanaryProven {
        /// Cluster.
        cluster: ClusterName,
        /// Group.
        group: AsgName,
        /// What each gate said.
        evidence: Vec<Evidence>,
    },
    /// A node is about to be emptied.
    DrainStarted {
        /// Cluster.
        cluster: ClusterName,
        /// Group.
        group: AsgName,
        /// Instance.
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
        /// Cluster.
        cluster: ClusterName,
        /// Group.
        group: AsgName,
        /// Instance.
        instance: InstanceId,
        /// The volumes.
        volumes: BTreeSet<String>,
        /// They had their time: the instance is ended all the same.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        over: bool,
    },
    /// A drain did not end in time; the node was uncordoned and is drained last.
    SetAside {
        /// Cluster.
        cluster: ClusterName,
        /// Group.
        group: AsgName,
        /// Instance.
        instance: InstanceId,
        /// Which pods and budgets.
        why: Reason,
    },
    /// A drain is no longer wanted; the node was uncordoned.
    DrainAbandoned {
        /// Cluster.
        cluster: ClusterName,
        /// Group.
        group: AsgName,
        /// Instance.
        instance: InstanceId,
    },
    /// An autoscaler went down to the minimum and took surge with it, which the rollout no longer has to end.
    SurgeTaken {
        /// Cluster.
        cluster: ClusterName,
        /// Group.
        group: AsgName,
        /// What is still out there.
        left: u32,
    },
    /// An instance refresh got further.
    Refreshed {
        /// Cluster.
        cluster: ClusterName,
        /// Group.
        group: AsgName,
        /// How far it is, in percent.
        percentage: u32,
    },
    /// AWS refuses launches for want of capacity.
    NoCapacity {
        /// Cluster.
        cluster: ClusterName,
        /// Group.
        group: AsgName,
        /// Since when.
        since: Timestamp,
        /// Of which types, in which zones, and what happens about it.
        why: Reason,
    },
    /// AWS launches instances of the group again.
    CapacityBack {
        /// Cluster.
        cluster: ClusterName,
        /// Group.
        group: AsgName,
    },
    /// A group whose launches are refused gives up its own surge and borrows from its on-demand twin, until AWS launches instances of it again.
    Borrowed {
        /// Cluster.
        cluster: ClusterName,
        /// Group.
        group: AsgName,
        /// Its twin.
        twin: AsgName,
        /// What is refused.
        why: Reason,
    },
    /// A twin begins to stand in for a group: it grows now, and shrinks again when the group has its own capacity.
    Lending {
        /// Cluster.
        cluster: ClusterName,
        /// The twin.
        group: AsgName,
        /// The group that borrows.
        to: AsgName,
    },
    /// A node whose kubelet does not answer is ended with pods on it: they are seen to after its instance has ended.
    DeadNode {
        /// Cluster.
        cluster: ClusterName,
        /// Group.
        group: AsgName,
        /// Instance.
        instance: InstanceId,
        /// Its node.
        node: NodeName,
        /// Pods left on it.
        pods: u32,
    },
    /// Nothing is left of a dead node: it is gone, or its pods are.
    DeadNodeEnded {
        /// Cluster.
        cluster: ClusterName,
        /// Group.
        group: AsgName,
        /// The node.
        node: NodeName,
    },
    /// The launch template version that the group would go back to was deleted outside this rollout.
    WayBackGone {
        /// Cluster.
        cluster: ClusterName,
        /// Group.
        group: AsgName,
        /// The version.
        version: u64,
    },
    /// A group is done: forward, or undone, or left as it is by an abort.
    GroupDone {
        /// Cluster.
        cluster: ClusterName,
        /// Group.
        group: AsgName,
    },
    /// A gate that needs asking has answered.
    Answered {
        /// Cluster.
        cluster: ClusterName,
        /// What it was asked about.
        scope: Scope,
        /// Gate.
        gate: String,
        /// What it said.
        verdict: Verdict,
    },
    /// A step is about to be taken. Written, and on disk, before.
    Intent {
        /// Its number.
        step: StepId,
        /// Cluster.
        cluster: ClusterName,
        /// Group.
        group: AsgName,
        /// What exactly.
        effect: Box<Effect>,
    },
    /// A step was taken.
    Outcome {
        /// Its number.
        step: StepId,
        /// How it ended.
        result: StepResult,
    },
    /// Something failed; what follows is the rollback.
    Failed {
        /// Cluster.
        cluster: ClusterName,
        /// Group, when it was one.
        group: Option<AsgName>,
        /// Why.
        why: Reason,
    },
    /// Something failed in a stage whose failures are for a person to decide: everything stays as it is until then.
    Held,
    /// A person asked for a rollback of all clusters that were touched, the newest wave first.
    RollbackAsked {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// The rollback began: these clusters return to what they ran.
    RollbackStarted {
        /// Clusters.
        clusters: BTreeSet<ClusterName>,
        /// Groups of theirs that stay on the new version: control planes that were proven, when only workers failed.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        kept: BTreeSet<AsgName>,
    },
    /// A cluster is back at what it ran before.
    ClusterRestored {
        /// Cluster.
        cluster: ClusterName,
    },
    /// It cannot go on by itself.
    Stuck {
        /// Cluster.
        cluster: ClusterName,
        /// Group, when it is one.
        group: Option<AsgName>,
        /// Why.
        why: Reason,
        /// What a person can do.
        advice: Advice,
    },
    /// A person asked to stop; what is open is restored.
    AbortStarted {
        /// Who.
        by: String,
        /// Why.
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
        /// Who.
        by: String,
    },
    /// The process stepped back: for a person, for time, or for credentials.
    Paused {
        /// Why.
        why: Reason,
    },
    /// Everything is done, verified and soaked.
    Finished,
    /// The rollback is done.
    RolledBack,
    /// It was stopped, and what was open is restored.
    Aborted,
}

impl Event {
    /// The group in which something goes on, where it is a fact about one group.
    pub fn about_group(&self) -> Option<(&ClusterName, &AsgName)> {
        match self {
            Event::GroupStarted { cluster, group, .. }
            | Event::CanaryUp { cluster, group, .. }
            | Event::CanaryLost { cluster, group, .. }
            | Event::CanaryProven { cluster, group, .. }
            | Event::DrainStarted { cluster, group, .. }
            | Event::VolumesAwaited { cluster, group, .. }
            | Event::SetAside { cluster, group, .. }
            | Event::DrainAbandoned { cluster, group, .. }
            | Event::SurgeTaken { cluster, group, .. }
            | Event::Refreshed { cluster, group, .. }
            | Event::NoCapacity { cluster, group, .. }
            | Event::CapacityBack { cluster, group, .. }
            | Event::Borrowed { cluster, group, .. }
            | Event::Lending { cluster, group, .. }
            | Event::DeadNode { cluster, group, .. }
            | Event::DeadNodeEnded { cluster, group, .. }
            | Event::WayBackGone { cluster, group, .. }
            | Event::GroupDone { cluster, group, .. } => Some((cluster, group)),
            Event::Started { .. }
            | Event::Approved { .. }
            | Event::StageStarted { .. }
            | Event::StagePassed { .. }
            | Event::WaveStarted { .. }
            | Event::WavePassed { .. }
            | Event::RoomLimited { .. }
            | Event::ClusterStarted { .. }
            | Event::Preflight { .. }
            | Event::ClusterRolled { .. }
            | Event::ClusterVerified { .. }
            | Event::SoakBroken { .. }
            | Event::Answered { .. }
            | Event::Intent { .. }
            | Event::Outcome { .. }
            | Event::Failed { .. }
            | Event::Held
            | Event::RollbackAsked { .. }
            | Event::RollbackStarted { .. }
            | Event::ClusterRestored { .. }
            | Event::Stuck { .. }
            | Event::AbortStarted { .. }
            | Event::LockTaken { .. }
            | Event::Resumed { .. }
            | Event::Paused { .. }
            | Event::Finished
            | Event::RolledBack
            | Event::Aborted => None,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}
