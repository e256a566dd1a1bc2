//! Which record may follow which state: the one table of legal transitions. It changes nothing; what a record changes is in `fold` and `steps`.

use super::illegal::Illegal;
use super::state::{ClusterState, Direction, GroupState, Intent, Progress};
use crate::model::{AsgName, CloudEffect, ClusterName, Effect, StageName};
use crate::rollout::event::{
    ClusterEvent, Event, GroupEvent, RolloutEvent, StageEvent, StepEvent, StepId, StepResult,
};

/// Whether a record may follow what was recorded so far.
pub(super) fn check_transition(progress: &Progress, event: &Event) -> Result<(), Illegal> {
    let reopens = matches!(event, Event::Rollout(RolloutEvent::RollbackAsked { .. }));
    if progress.ending.is_some() && !reopens {
        return Err(Illegal::Ended);
    }
    match event {
        Event::Rollout(what) => of_rollout(progress, what),
        Event::Stage(stage, what) => of_stage(progress, stage, what),
        Event::Cluster(cluster, what) => of_cluster(progress, cluster, what),
        Event::Group(cluster, group, what) => of_group(progress, cluster, group, what),
        Event::Hook(place, what) => progress.check_hook(place, what),
        Event::Step(step, what) => of_step(progress, *step, what),
    }
}

/// A rollout starts once, and ends the way it goes.
fn of_rollout(progress: &Progress, event: &RolloutEvent) -> Result<(), Illegal> {
    let direction = &progress.direction;
    let (is_legal, illegal) = match event {
        RolloutEvent::Started { .. } => (progress.seq == 0, Illegal::StartedTwice),
        RolloutEvent::Finished => (*direction == Direction::Forward, Illegal::OtherWay),
        RolloutEvent::RolledBack => (matches!(direction, Direction::Back(_)), Illegal::OtherWay),
        RolloutEvent::Aborted => (*direction == Direction::Aborting, Illegal::OtherWay),
        RolloutEvent::Held
        | RolloutEvent::ShardFailed { .. }
        | RolloutEvent::RollbackAsked { .. }
        | RolloutEvent::RollbackStarted { .. }
        | RolloutEvent::AbortStarted { .. }
        | RolloutEvent::Resumed { .. }
        | RolloutEvent::LockTaken { .. }
        | RolloutEvent::Paused { .. } => return Ok(()),
    };
    legal_or(is_legal, illegal)
}

/// Stages and waves begin once and pass once.
fn of_stage(progress: &Progress, stage: &StageName, event: &StageEvent) -> Result<(), Illegal> {
    let at = |wave: &usize| (stage.clone(), *wave);
    let known = match event {
        StageEvent::Started => progress.stages_started.contains(stage),
        StageEvent::Passed => progress.stages_passed.contains(stage),
        StageEvent::WaveStarted { wave } => progress.waves_started.contains(&at(wave)),
        StageEvent::WavePassed { wave } => progress.waves_passed.contains(&at(wave)),
        StageEvent::PassedEverywhere { wave, .. } => {
            progress.passed_everywhere.contains(&(stage.clone(), *wave))
        }
        StageEvent::Approved { .. } | StageEvent::RoomLimited { .. } => false,
    };
    let illegal = match event {
        StageEvent::WaveStarted { wave } | StageEvent::WavePassed { wave } => {
            Illegal::WaveTwice(stage.clone(), *wave)
        }
        StageEvent::Started
        | StageEvent::Passed
        | StageEvent::Approved { .. }
        | StageEvent::PassedEverywhere { .. }
        | StageEvent::RoomLimited { .. } => Illegal::StageTwice(stage.clone()),
    };
    legal_or(!known, illegal)
}

/// Waiting → rolling → checking → verified, and back to checking when the soak is broken; a cluster that changes nothing is verified at once.
/// Back: rolling → restored.
fn of_cluster(
    progress: &Progress,
    name: &ClusterName,
    event: &ClusterEvent,
) -> Result<(), Illegal> {
    let Some(cluster) = progress.clusters.get(name) else {
        return Err(Illegal::NoCluster(name.clone()));
    };
    let state = cluster.state;
    let is_legal = match event {
        ClusterEvent::Started => state == ClusterState::Waiting,
        ClusterEvent::Rolled => state == ClusterState::Rolling,
        ClusterEvent::Verified { .. } => {
            matches!(state, ClusterState::Waiting | ClusterState::Checking(_))
        }
        ClusterEvent::SoakBroken { .. } => matches!(state, ClusterState::Verified(_)),
        ClusterEvent::Restored => {
            state == ClusterState::Rolling && matches!(progress.direction, Direction::Back(_))
        }
        ClusterEvent::Preflight { .. }
        | ClusterEvent::Answered { .. }
        | ClusterEvent::Failed { .. }
        | ClusterEvent::Stuck { .. } => true,
    };
    legal_or(is_legal, Illegal::ClusterTurn(name.clone()))
}

/// A group begins once a way: what turns the rollout round has it wait again.
fn of_group(
    progress: &Progress,
    cluster: &ClusterName,
    name: &AsgName,
    event: &GroupEvent,
) -> Result<(), Illegal> {
    let Some(found) = progress.clusters.get(cluster) else {
        return Err(Illegal::NoCluster(cluster.clone()));
    };
    let Some(group) = found.groups.get(name) else {
        return Err(Illegal::NoGroup(name.clone()));
    };
    let begins_anew =
        matches!(event, GroupEvent::Started { .. }) && group.state != GroupState::Waiting;
    legal_or(!begins_anew, Illegal::GroupTwice(name.clone()))
}

/// Steps are numbered without a gap, have an outcome only while they are open, and some have to be taken to their end.
fn of_step(progress: &Progress, step: StepId, event: &StepEvent) -> Result<(), Illegal> {
    let result = match event {
        StepEvent::Intent { .. } => {
            let (found, expected) = (step, progress.next_step);
            return legal_or(found == expected, Illegal::StepNumber { found, expected });
        }
        StepEvent::Outcome { result } => result,
    };
    let Some(intent) = progress.open.get(&step) else {
        return Err(Illegal::NoStep(step));
    };
    let gives_up = matches!(result, StepResult::GivenUp(_));
    legal_or(!gives_up || may_give_up(intent), Illegal::NotToGiveUp(step))
}

/// What can be given up: the end of an instance, a launch in a zone, less desired capacity, what is done to a node, and what belongs to a
/// direction that was left.
fn may_give_up(intent: &Intent) -> bool {
    let less = matches!(
        &intent.effect,
        Effect::Cloud(CloudEffect::SetDesired { from, to, .. }) if to < from
    );
    let of_instance = less
        || matches!(
            intent.effect,
            Effect::Cloud(CloudEffect::Terminate { .. }) | Effect::Node(_)
        );
    intent.stale || intent.effect.is_zonal_launch() || of_instance
}

fn legal_or(is_legal: bool, illegal: Illegal) -> Result<(), Illegal> {
    if is_legal { Ok(()) } else { Err(illegal) }
}
