//! How a rollout stands, for those beside it: a fold of its journal. Reads nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{ClusterName, Digest, StageName, Timestamp};
use crate::plan::HookTask;
use crate::rollout::policy;
use crate::rollout::progress::{ClusterState, Direction, Ending, HookState, Progress};
use crate::rollout::schedule::{ClusterRun, Rollout, Seat, StageRun, WaveRun};
use crate::rollout::shards::{FailedAt, RowState};

/// How a rollout stands, as those beside it have to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardRow {
    /// Its place in a joint rollout; none: it rolls a selection of the fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<Seat>,
    /// The plan it carries out.
    pub plan: Digest,
    /// Clusters that it is at work on, or is about to begin, each with its stage and wave.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub active: BTreeMap<ClusterName, (StageName, usize)>,
    /// Waves of each stage that have passed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub waves: BTreeMap<StageName, usize>,
    /// Stages that have passed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub stages: BTreeSet<StageName>,
    /// What failed in it, and not because another shard did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<FailedAt>,
    pub state: RowState,
    /// Hooks of whole waves and stages that it has, by the key of their place: whether they are through.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hooks: BTreeMap<String, bool>,
    /// Since when all of its clusters in a wave are verified, by stage and wave: what hooks after it wait for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub verified: BTreeMap<StageName, BTreeMap<usize, Timestamp>>,
}

/// What has to have passed in every shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary<'a> {
    /// A whole stage.
    Stage(&'a StageName),
    /// A wave of a stage, by its index from 0.
    Wave(&'a StageName, usize),
}

impl BoardRow {
    /// Whether it has passed this, and does not take it back.
    pub(super) fn has_passed(&self, boundary: Boundary<'_>) -> bool {
        let has = match boundary {
            Boundary::Stage(stage) => self.stages.contains(stage),
            Boundary::Wave(stage, wave) => {
                self.stages.contains(stage) || self.waves.get(stage).is_some_and(|n| *n > wave)
            }
        };
        has && self.is_sound()
    }

    /// Whether its clusters can be taken for what was verified: of what is stuck, failed or turned back they cannot.
    pub(crate) fn is_sound(&self) -> bool {
        self.failed.is_none()
            && !matches!(self.state, RowState::Stuck)
            && !self.state.never_passes()
    }

    /// Since when all of its clusters in a wave are verified; none: they are not.
    pub(crate) fn verified_since(&self, stage: &StageName, wave: usize) -> Option<Timestamp> {
        self.verified.get(stage)?.get(&wave).copied()
    }

    pub(super) fn active_in(&self, stage: &StageName, wave: usize) -> usize {
        let all = self.active.values();
        all.filter(|(s, w)| s == stage && *w == wave).count()
    }
}

/// The row of a rollout.
pub fn row_of(rollout: &Rollout, progress: &Progress) -> BoardRow {
    let state_of = |run: &ClusterRun| progress.clusters.get(&run.cluster).map(|c| c.state);
    let is_active = |run: &ClusterRun| {
        matches!(
            state_of(run),
            Some(ClusterState::Rolling | ClusterState::Checking(_))
        ) && !run.groups.is_empty()
            && progress.ending.is_none()
    };
    let mut active = BTreeMap::new();
    for stage in &rollout.stages {
        for (wave, run) in stage.waves.iter().enumerate() {
            let clusters = run.clusters.iter().filter(|run| is_active(run));
            active.extend(clusters.map(|run| (run.cluster.clone(), (stage.name.clone(), wave))));
        }
    }
    let through = |stage: &StageRun| (stage.name.clone(), progress.waves_through(&stage.name));
    let waves = rollout.stages.iter().map(through);
    BoardRow {
        seat: rollout.part.as_ref().and_then(|part| part.seat.clone()),
        plan: rollout.plan.clone(),
        active,
        waves: waves.filter(|(_, through)| *through > 0).collect(),
        stages: progress.stages_passed.clone(),
        failed: failed(rollout, progress),
        state: state(progress),
        hooks: shared_hooks(rollout, progress),
        verified: verified(rollout, progress),
    }
}

/// Those that one shard runs for all. A part in which it has no cluster is none of its business.
fn shared_hooks(rollout: &Rollout, progress: &Progress) -> BTreeMap<String, bool> {
    if rollout.seat().is_none() {
        return BTreeMap::new();
    }
    let of_stage = |stage: &&StageRun| stage.waves.iter().any(|w| !w.clusters.is_empty());
    let stages = || rollout.stages.iter();
    let of_stages = stages().filter(of_stage).flat_map(|s| &s.hooks);
    let waves = stages().flat_map(|s| &s.waves);
    let of_waves = waves.filter(|w| !w.clusters.is_empty());
    let is_through = |task: &HookTask| {
        let hook = progress.hooks.get(&task.place);
        hook.is_some_and(|hook| match &hook.run.state {
            HookState::Settled(_) => true,
            HookState::Ended(_, result) => {
                result.is_good() || hook.goes_on && hook.run.failures > task.spec.retries
            }
            HookState::Waiting | HookState::Running(_) | HookState::InDoubt(_) => false,
        })
    };
    of_stages
        .chain(of_waves.flat_map(|w| &w.hooks))
        .map(|task| (task.place.key(), is_through(task)))
        .collect()
}

fn verified(
    rollout: &Rollout,
    progress: &Progress,
) -> BTreeMap<StageName, BTreeMap<usize, Timestamp>> {
    if rollout.seat().is_none() {
        return BTreeMap::new();
    }
    let since = |run: &ClusterRun| match progress.clusters.get(&run.cluster)?.state {
        ClusterState::Verified(since) => Some(since),
        ClusterState::Waiting
        | ClusterState::Rolling
        | ClusterState::Checking(_)
        | ClusterState::Restored => None,
    };
    let of_wave = |wave: &WaveRun| {
        let first = Timestamp::from_millis(0);
        let mut all = wave.clusters.iter();
        all.try_fold(first, |last, run| Some(last.max(since(run)?)))
    };
    let of_stage = |stage: &StageRun| {
        let waves = stage.waves.iter().enumerate();
        waves
            .filter_map(|(index, wave)| Some((index, of_wave(wave)?)))
            .collect()
    };
    let stages = rollout.stages.iter();
    stages
        .map(|stage| (stage.name.clone(), of_stage(stage)))
        .collect()
}

fn failed(rollout: &Rollout, progress: &Progress) -> Option<FailedAt> {
    let (cluster, _, why) = progress.failure.as_ref()?;
    let (stage, wave) = policy::failed_from(rollout, cluster, why)?;
    Some(FailedAt {
        stage: stage.clone(),
        wave,
        cluster: cluster.clone(),
        hook: policy::failed_hook(why).cloned(),
        on_failure: policy::of_hook(rollout, why),
    })
}

fn state(progress: &Progress) -> RowState {
    match (progress.ending, &progress.direction) {
        (Some(Ending::Finished), _) => RowState::Finished,
        (Some(Ending::RolledBack), _) => RowState::RolledBack,
        (Some(Ending::Aborted), _) => RowState::Aborted,
        (None, _) if progress.stuck.is_some() => RowState::Stuck,
        (None, _) if progress.held => RowState::Held,
        (None, Direction::Back(_)) => RowState::GoingBack,
        (None, Direction::Aborting) => RowState::Stopping,
        (None, Direction::Forward) if progress.rollback_asked.is_some() => RowState::GoingBack,
        (None, Direction::Forward) => RowState::Going,
    }
}
