//! Where a rollout stands, as data: the rollout, its clusters, its groups, and what of ours is outstanding.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::canary::Canary;
use super::hook_state::{self, HookProgress};
use super::obstacles::{CapacityState, Conflicts, ZonePlacement};
use super::outstanding::Outstanding;
use crate::model::{
    AsgName, CloudEffect, ClusterName, Effect, HookPlace, InstanceId, Shard, Span, StageName,
    Timestamp,
};
use crate::plan::room::{RoomLimit, SurgeLimit};
use crate::rollout::event::{Scope, StepId, Verdict};
use crate::rollout::reason::{Advice, Reason};
use crate::rollout::schedule::{ClusterRun, Rollout, StageRun};
use crate::rollout::shards::FailedAt;

/// Where a rollout stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The number of the last record.
    pub seq: u64,
    /// When the last record was written.
    pub at: Timestamp,
    /// Which way it goes.
    pub direction: Direction,
    /// Approvals by stage: who, until when.
    pub approvals: BTreeMap<StageName, (String, Timestamp)>,
    /// Stages that began.
    pub stages_started: BTreeSet<StageName>,
    /// Stages that passed.
    pub stages_passed: BTreeSet<StageName>,
    /// Waves that began.
    pub waves_started: BTreeSet<(StageName, usize)>,
    /// Waves that passed.
    pub waves_passed: BTreeSet<(StageName, usize)>,
    /// Stages, and waves by their index, that have passed in every shard of the release.
    pub passed_everywhere: BTreeSet<(StageName, Option<usize>)>,
    /// Within which limits a wave is rolled, where its room was found too small or is not known.
    #[serde(with = "super::pairs")]
    pub room: BTreeMap<(StageName, usize), Vec<RoomLimit>>,
    /// Every cluster of the rollout, those that have not begun too.
    pub clusters: BTreeMap<ClusterName, ClusterProgress>,
    /// Hooks of the rollout, each at its places.
    #[serde(with = "super::pairs")]
    pub hooks: BTreeMap<HookPlace, HookProgress>,
    /// Steps whose outcome is not known.
    pub open: BTreeMap<StepId, Intent>,
    /// The number of the next step.
    pub next_step: StepId,
    /// Why it cannot go on by itself; taken back when the rollout is resumed.
    pub stuck: Option<Stuck>,
    /// The failure that turned it round.
    pub failure: Option<(ClusterName, Option<AsgName>, Reason)>,
    /// The failure of another shard that turned it round: which, its rollout, and where.
    pub shard_failure: Option<(Shard, String, FailedAt)>,
    /// It failed, and a person has to say what comes; taken back when the rollout is resumed.
    pub held: bool,
    /// Who asked for the way back, and why; taken back when it begins.
    pub rollback_asked: Option<(String, String)>,
    /// How it ended.
    pub ending: Option<Ending>,
}

/// Which way a rollout goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// To the release.
    Forward,
    /// Back, for these clusters.
    Back(BTreeSet<ClusterName>),
    /// To a stop.
    Aborting,
}

/// How a rollout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// Done, verified, soaked.
    Finished,
    /// Back where it came from.
    RolledBack,
    /// Stopped on request.
    Aborted,
}

/// Why a rollout cannot go on by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    /// The cluster that waits for a person.
    pub cluster: ClusterName,
    /// None where the whole cluster is meant.
    pub group: Option<AsgName>,
    /// What a person has to know of it.
    pub why: Reason,
    /// What a person can do.
    pub advice: Advice,
}

/// A step whose outcome is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The cluster whose lock the step needs.
    pub cluster: ClusterName,
    /// The group whose turn it is.
    pub group: AsgName,
    /// What is done, exactly.
    pub effect: Effect,
    /// How often it was tried without an answer.
    pub tries: u32,
    /// When it was last written down, tried or taken up again.
    pub asked_at: Timestamp,
    /// An earlier attempt may have got through: what is found done already is then taken for ours.
    pub doubtful: bool,
    /// It belongs to a direction that the rollout has left: it is settled by a look, and repeated only where it gives something back.
    pub stale: bool,
    /// What the API said when it refused it last.
    pub refusal: Option<StepRefusal>,
}

impl Intent {
    /// A step that is about to be tried for the first time.
    pub(super) fn new(
        cluster: &ClusterName,
        group: &AsgName,
        effect: &Effect,
        at: Timestamp,
    ) -> Intent {
        Intent {
            cluster: cluster.clone(),
            group: group.clone(),
            effect: effect.clone(),
            tries: 0,
            asked_at: at,
            doubtful: false,
            stale: false,
            refusal: None,
        }
    }
}

/// What the API said when it refused a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRefusal {
    /// Its words.
    pub why: String,
    /// How often in a row.
    pub times: u32,
}

/// Where a cluster stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterProgress {
    pub state: ClusterState,
    pub groups: BTreeMap<AsgName, GroupProgress>,
    /// When anything last went on here: what stands still for too long ends as a failure, or stuck.
    pub moved_at: Timestamp,
    /// When the rollout was last started or resumed: no patience is over before it has begun again.
    pub resumed_at: Timestamp,
    /// What the Kubernetes API showed before the first change; none: it was not asked, or not yet.
    pub before: Option<Before>,
    /// How often its soak was broken.
    pub breaks: u32,
    /// It has been verified on this way: all that comes before that has happened, deletions among it.
    pub was_verified: bool,
    /// When instances were taken out of service, oldest first.
    pub disruptions: Vec<Timestamp>,
    /// Whether kops was ever asked to store the documents of the way forward: then the way back has to store those of before.
    pub publish_asked: bool,
    /// The documents of the way it goes now are stored.
    pub published: bool,
    /// Latest answers of gates that need asking.
    #[serde(with = "super::pairs")]
    pub answers: BTreeMap<(Scope, String), Answer>,
}

/// What a gate said last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// When it answered.
    pub at: Timestamp,
    /// What it answered.
    pub verdict: Verdict,
    /// How often it has passed, without a fail, since it was first asked about this.
    pub passes: u32,
}

/// What the Kubernetes API of a cluster showed before its first change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Uid of the namespace `kube-system`.
    pub uid: String,
    /// Pods that should have been Ready and were not: how many of each owner.
    pub unready: BTreeMap<String, u32>,
    /// What a gate would have refused already then: how often for each node, or owner of pods. It is not the new version's fault.
    pub failing: BTreeMap<String, u32>,
}

/// The state of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClusterState {
    /// Its turn has not come.
    Waiting,
    /// Its groups are being changed.
    Rolling,
    /// Its groups are done; its gates are waited for since then.
    Checking(Timestamp),
    /// It runs the release, healthy, since then.
    Verified(Timestamp),
    /// It runs again what it ran before.
    Restored,
}

/// The state of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupState {
    /// Its turn has not come.
    #[default]
    Waiting,
    /// Being changed since then.
    Rolling(Timestamp),
    /// All instances run what is wanted, and its gates passed.
    Done,
}

/// Where a group stands. What is open here (surge, drains, detached instances, suspended processes) survives a change of direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupProgress {
    pub state: GroupState,
    /// Whether anything was begun on it, ever.
    pub touched: bool,
    /// Instances that had to be replaced when it began.
    pub instances: u32,
    /// Instances ended so far.
    pub ended: u32,
    /// Those that were asked to end not long ago: a look soon after may still show them at work.
    pub ended_at: BTreeMap<InstanceId, Timestamp>,
    /// The launch template version it moves to, once known.
    pub version: Option<u64>,
    /// Its own fields are as wanted (or the group is created, or prepared for retiring).
    pub updated: bool,
    /// It refers to the version.
    pub pinned: bool,
    /// When that was answered: a look soon after may still show the old one.
    pub pinned_at: Option<Timestamp>,
    /// When a call of ours last moved its desired capacity: a look soon after may still show the one before.
    pub sized_at: Option<Timestamp>,
    /// What that made of it, where it added to it.
    pub sized_to: Option<u32>,
    /// The maximum that its own fields were given last, on the way it goes now.
    pub given_max: Option<u32>,
    /// The same, whichever way it went, and when: a look soon after may still show the one before.
    pub max_set: Option<(u32, Timestamp)>,
    /// What was launched and ended for its sake, on the way it goes now or since a person looked at it.
    pub spent: Spent,
    /// The group is deleted.
    pub deleted: bool,
    pub canary: Canary,
    /// The instance refresh that was started on the way it goes now: to which version, and what was last seen of it.
    pub refresh: Option<RefreshSeen>,
    /// Old launch template versions are pruned, or that was refused.
    pub pruned: bool,
    /// What AWS has no capacity for, and who stands in for whom.
    pub capacity: CapacityState,
    /// Where replacements are launched.
    pub placement: ZonePlacement,
    /// What of ours is out there and has to be restored.
    pub outstanding: Outstanding,
    /// Desired capacity that retiring the group, or a lower maximum, took away.
    pub taken: u32,
    /// Instances whose drain did not end in time.
    pub set_aside: BTreeSet<InstanceId>,
    /// Whether the version that it would go back to is there.
    pub way_back: WayBack,
    /// What others did to it, and what was refused for good.
    pub conflicts: Conflicts,
    /// Whether kops was ever asked to bring it to the documents of the way forward: then the way back has to have it brought back.
    pub kops_asked: bool,
    /// kops has brought it to the documents of the way it goes now.
    pub kops_done: bool,
}

/// Whether the launch template version that a group would go back to is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WayBack {
    /// As far as is known.
    #[default]
    There,
    /// Others deleted this one, and a person has to know it.
    Gone(u64),
    /// A person knows it, and goes on without.
    Renounced(u64),
}

/// What was done for the sake of a group, to be held against a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Instances asked for: added desired capacity, and replacements of detached ones.
    pub launches: u32,
    /// Instances ended.
    pub terminations: u32,
}

/// An instance refresh of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshSeen {
    /// To which version.
    pub version: u64,
    /// How far it was when last looked at, in percent; none before the first look.
    pub percentage: Option<u32>,
}

impl GroupProgress {
    /// The other way now: what was achieved is forgotten, what is open is not. Back, all that was touched has to go; to a
    /// stop, only what is half-way, has a step without an answer, or still owes something.
    pub(super) fn turn(&mut self, back: bool, open: bool) {
        let half_way = self.state != GroupState::Done || !self.outstanding.is_empty() || open;
        let goes = self.touched && (back || half_way);
        self.state = if goes {
            GroupState::Waiting
        } else {
            GroupState::Done
        };
        (self.updated, self.pinned, self.pinned_at) = (false, false, None);
        (self.given_max, self.spent) = (None, Spent::default());
        self.canary = Canary::Proven;
        self.set_aside.clear();
        self.conflicts = Conflicts::default();
        self.refresh = None;
        self.capacity.comes_back();
    }
}

impl ClusterProgress {
    /// A cluster in which nothing has begun.
    fn waiting(groups: BTreeMap<AsgName, GroupProgress>, started_at: Timestamp) -> Self {
        ClusterProgress {
            state: ClusterState::Waiting,
            groups,
            moved_at: started_at,
            resumed_at: started_at,
            before: None,
            breaks: 0,
            was_verified: false,
            publish_asked: false,
            published: false,
            disruptions: Vec::new(),
            answers: BTreeMap::new(),
        }
    }
}

impl Progress {
    /// The state before the first record.
    pub fn new(rollout: &Rollout) -> Self {
        let cluster = |c: &ClusterRun| {
            let groups = c
                .groups
                .iter()
                .map(|g| (g.asg.clone(), GroupProgress::default()))
                .collect();
            let progress = ClusterProgress::waiting(groups, rollout.started_at);
            (c.cluster.clone(), progress)
        };
        Progress {
            seq: 0,
            at: rollout.started_at,
            direction: Direction::Forward,
            approvals: BTreeMap::new(),
            stages_started: BTreeSet::new(),
            stages_passed: BTreeSet::new(),
            waves_started: BTreeSet::new(),
            waves_passed: BTreeSet::new(),
            passed_everywhere: BTreeSet::new(),
            room: BTreeMap::new(),
            clusters: rollout.clusters().map(cluster).collect(),
            hooks: hook_state::books(rollout),
            open: BTreeMap::new(),
            next_step: 1,
            stuck: None,
            failure: None,
            shard_failure: None,
            held: false,
            rollback_asked: None,
            ending: None,
        }
    }

    /// What its account has room for while this cluster is rolled, where that is less than is meant.
    pub fn room_limit(&self, cluster: &ClusterName) -> Option<&RoomLimit> {
        let mut limits = self.room.values().flatten();
        limits.find(|limit| limit.clusters.contains_key(cluster))
    }

    /// What bounds the surge of this cluster beside its policy.
    pub fn surge_limits(&self, cluster: &ClusterName) -> &[SurgeLimit] {
        let limit = self.room_limit(cluster);
        limit
            .and_then(|limit| limit.clusters.get(cluster))
            .map_or(&[], Vec::as_slice)
    }

    /// How many waves of a stage have passed: they pass one after the other.
    pub fn waves_through(&self, stage: &StageName) -> usize {
        let mine = (stage.clone(), 0)..=(stage.clone(), usize::MAX);
        self.waves_passed
            .range(mine)
            .next_back()
            .map_or(0, |(_, last)| last.saturating_add(1))
    }

    /// Whether a stage is under way, so that an approval of it comes too late. One that changes nothing here may have begun in a shard while others wait for it.
    pub fn is_begun(&self, stage: &StageRun) -> bool {
        self.stages_started.contains(&stage.name) && stage.changes()
    }

    /// Whether anything was begun in a cluster: in one of its groups, or by one of its hooks.
    pub fn is_touched(&self, cluster: &ClusterName) -> bool {
        let by_groups = self.clusters.get(cluster).map(|c| &c.groups);
        let mut groups = by_groups.into_iter().flat_map(BTreeMap::values);
        let mut hooks = self.hooks.iter();
        groups.any(|g| g.touched)
            || hooks.any(|(place, hook)| {
                place.cluster.as_ref() == Some(cluster) && hook.run.attempts > 0
            })
    }

    /// Processes that this rollout holds suspended, by group. Until it ends they are no difference between git and the live state.
    pub fn held(&self) -> BTreeMap<AsgName, BTreeSet<String>> {
        let groups = self.clusters.values().flat_map(|c| &c.groups);
        groups
            .filter(|(_, g)| self.ending.is_none() && !g.outstanding.suspended.is_empty())
            .map(|(name, g)| (name.clone(), g.outstanding.suspended.clone()))
            .collect()
    }
}

/// What a call that got no answer has not brought about after this long, it never will: twice the time that one try is given. Nor does a look
/// show later than that what a call has done.
pub(crate) const SETTLED: Span = Span::from_secs(120);

/// Every cluster in which anything was begun, those aside that are back where they came from.
pub(crate) fn touched(rollout: &Rollout, progress: &Progress) -> BTreeSet<ClusterName> {
    let mut all = BTreeSet::new();
    for run in rollout.clusters() {
        let found = progress.clusters.get(&run.cluster);
        let is_away = found.is_some_and(|c| c.state != ClusterState::Restored);
        let away = is_away && progress.is_touched(&run.cluster);
        all.extend(away.then(|| run.cluster.clone()));
    }
    all
}

/// The groups of these clusters that the rollout has deleted, or asked AWS to delete: no way back brings them back.
pub fn deleted_groups<'a>(
    progress: &'a Progress,
    clusters: &'a BTreeSet<ClusterName>,
) -> impl Iterator<Item = (&'a ClusterName, &'a AsgName)> {
    let asked = progress.open.values().filter(|intent| {
        let is_delete = matches!(
            intent.effect,
            Effect::Cloud(CloudEffect::DeleteGroup { .. })
        );
        is_delete && clusters.contains(&intent.cluster)
    });
    let deleted = progress
        .clusters
        .iter()
        .filter(|(name, _)| clusters.contains(*name))
        .flat_map(|(cluster, found)| found.groups.iter().map(move |(name, g)| (cluster, name, g)))
        .filter(|(_, _, group)| group.deleted)
        .map(|(cluster, name, _)| (cluster, name));
    deleted.chain(asked.map(|intent| (&intent.cluster, &intent.group)))
}
