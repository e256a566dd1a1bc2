//! The rules of hooks: each at its moment, and none is left running behind what it belongs to. Judges; decides nothing.

use crate::fleet::HookAt;
use crate::model::{ClusterName, HookPlace, StageName};
use crate::plan::HookTask;
use crate::rollout::breach::{Breach, OrderBreach};
use crate::rollout::event::{ClusterEvent, Event, RolloutEvent};
use crate::rollout::hook_event::{HookEvent, HookWay};
use crate::rollout::progress::{ClusterState, Direction, GroupState, HookState, Progress};
use crate::rollout::schedule::{Rollout, StageRun, WaveRun};

/// What a record breaks of them.
pub(super) fn broken(rollout: &Rollout, progress: &Progress, event: &Event) -> Vec<Breach> {
    match event {
        Event::Hook(place, HookEvent::Started { way, .. }) => {
            let is_due = rollout
                .hook(place)
                .is_some_and(|task| is_due(rollout, progress, task, *way));
            let breach = OrderBreach::HookOutOfTurn { hook: place.key() };
            (!is_due).then(|| breach.into()).into_iter().collect()
        }
        // Alone there is no other that could have run it, and what is of a cluster is run where that is rolled.
        Event::Hook(place, HookEvent::RanBeside { .. })
            if rollout.seat().is_none() || place.cluster.is_some() =>
        {
            vec![OrderBreach::HookOutOfTurn { hook: place.key() }.into()]
        }
        Event::Cluster(cluster, ClusterEvent::Verified { .. } | ClusterEvent::Restored) => {
            still_running(progress, |place| place.cluster.as_ref() == Some(cluster))
        }
        Event::Rollout(what) if what.is_end() => still_running(progress, |_| true),
        Event::Rollout(RolloutEvent::Started { .. }) => Vec::new(),
        Event::Rollout(_)
        | Event::Stage(..)
        | Event::Cluster(..)
        | Event::Group(..)
        | Event::Hook(..)
        | Event::Step(..) => Vec::new(),
    }
}

fn still_running(progress: &Progress, is_of: impl Fn(&HookPlace) -> bool) -> Vec<Breach> {
    let mine = progress.hooks.iter().filter(|(place, _)| is_of(place));
    let running = mine.filter(|(_, hook)| {
        [&hook.run, &hook.undo]
            .iter()
            .any(|run| matches!(run.state, HookState::Running(_)))
    });
    running
        .map(|(place, _)| OrderBreach::HookLeftRunning { hook: place.key() }.into())
        .collect()
}

fn is_due(rollout: &Rollout, progress: &Progress, task: &HookTask, way: HookWay) -> bool {
    match (way, &progress.direction) {
        (HookWay::Run, Direction::Forward) => is_moment(rollout, progress, task),
        // What is taken back was begun, and its cluster is on its way.
        (HookWay::Undo, Direction::Back(_)) => progress
            .hooks
            .get(&task.place)
            .is_some_and(|hook| hook.taken_back && hook.run.attempts > 0),
        (HookWay::Run, Direction::Back(_) | Direction::Aborting)
        | (HookWay::Undo, Direction::Forward | Direction::Aborting) => false,
    }
}

/// Whether the rollout stands where this hook runs.
fn is_moment(rollout: &Rollout, progress: &Progress, task: &HookTask) -> bool {
    let Some(stage) = rollout.stage(&task.place.stage) else {
        return false;
    };
    let started = progress.stages_started.contains(&stage.name);
    let approved = !stage.approval || progress.approvals.contains_key(&stage.name);
    started && approved && in_stage(stage, progress, task)
}

fn in_stage(stage: &StageRun, progress: &Progress, task: &HookTask) -> bool {
    let key = |wave: usize| (stage.name.clone(), wave);
    let begun = |wave: usize| progress.waves_started.contains(&key(wave));
    let passed = |wave: usize| progress.waves_passed.contains(&key(wave));
    let all = || 0..stage.waves.len();
    match task.spec.at {
        HookAt::BeforeStage => !all().any(begun),
        HookAt::AfterStage => all().all(passed) && !is_passed(progress, &stage.name),
        HookAt::BeforeWave | HookAt::AfterWave | HookAt::BetweenWaves => {
            is_wave_moment(stage, progress, task)
        }
        HookAt::BeforeCluster | HookAt::AfterCluster => is_cluster_moment(progress, task),
    }
}

fn is_wave_moment(stage: &StageRun, progress: &Progress, task: &HookTask) -> bool {
    let is_mine = |w: &WaveRun| w.hooks.iter().any(|h| h.place == task.place);
    let Some(index) = stage.waves.iter().position(is_mine) else {
        return false;
    };
    let key = |wave: usize| (stage.name.clone(), wave);
    let begun = progress.waves_started.contains(&key(index));
    let passed = |wave: usize| progress.waves_passed.contains(&key(wave));
    let clusters = stage.waves.get(index).map_or(&[][..], |w| &w.clusters);
    let state = |name: &ClusterName| progress.clusters.get(name).map(|c| c.state);
    let mut states = clusters.iter().map(|c| state(&c.cluster));
    let is_verified = |s: Option<ClusterState>| matches!(s, Some(ClusterState::Verified(_)));
    match task.spec.at {
        HookAt::BetweenWaves => (0..index).all(passed) && !begun,
        HookAt::AfterWave => begun && !passed(index) && states.all(is_verified),
        HookAt::BeforeWave
        | HookAt::BeforeStage
        | HookAt::AfterStage
        | HookAt::BeforeCluster
        | HookAt::AfterCluster => begun && states.all(|s| s == Some(ClusterState::Waiting)),
    }
}

fn is_cluster_moment(progress: &Progress, task: &HookTask) -> bool {
    let name = task.place.cluster.as_ref();
    let Some(cluster) = name.and_then(|name| progress.clusters.get(name)) else {
        return false;
    };
    let mut groups = cluster.groups.values();
    let at = task.spec.at;
    match cluster.state {
        ClusterState::Rolling => at == HookAt::BeforeCluster && !groups.any(|g| g.touched),
        ClusterState::Checking(_) => {
            at == HookAt::AfterCluster && groups.all(|g| g.state == GroupState::Done)
        }
        ClusterState::Waiting | ClusterState::Verified(_) | ClusterState::Restored => false,
    }
}

fn is_passed(progress: &Progress, stage: &StageName) -> bool {
    progress.stages_passed.contains(stage)
}
