//! How a rollout stands, for those beside it: a fold of its journal. Reads nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{ClusterName, Digest, StageName};
use crate::rollout::progress::{ClusterState, Direction, Ending, Progress};
use crate::rollout::schedule::{ClusterRun, Rollout, Seat};
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
        // What is stuck, failed or turned back may stand on clusters that are no longer what was verified.
        has && self.failed.is_none()
            && !matches!(self.state, RowState::Stuck)
            && !self.state.never_passes()
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
    let waves = rollout.stages.iter().map(|stage| {
        let through = progress.waves_through(&stage.name);
        (stage.name.clone(), through)
    });
    BoardRow {
        seat: rollout.part.as_ref().and_then(|part| part.seat.clone()),
        plan: rollout.plan.clone(),
        active,
        waves: waves.filter(|(_, through)| *through > 0).collect(),
        stages: progress.stages_passed.clone(),
        failed: failed(rollout, progress),
        state: state(progress),
    }
}

fn failed(rollout: &Rollout, progress: &Progress) -> Option<FailedAt> {
    let (cluster, _, _) = progress.failure.as_ref()?;
    let (stage, wave, _) = rollout.wave_of(cluster)?;
    Some(FailedAt {
        stage: stage.name.clone(),
        wave,
        cluster: cluster.clone(),
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
