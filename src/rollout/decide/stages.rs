//! What a rollout does now, over what has happened so far, what is, and what time it is: stages, waves, soak, and the way back. Total, sync, deterministic; acts on nothing.

use std::collections::BTreeSet;

use super::hooks::{self, HooksAt};
use super::shared_hooks::{StagePart, in_the_way};
use super::{before, beside, cluster, room, soak};
use crate::fleet::{HookAt, OnFailure, ProvenControlPlane};
use crate::model::{AsgName, ClusterName, Live, Span, Timestamp};
use crate::rollout::board::Board;
use crate::rollout::event::{ClusterEvent, Event, RolloutEvent, StageEvent};
use crate::rollout::freeze::frozen_until;
use crate::rollout::policy;
use crate::rollout::progress::{
    ClusterState, Direction, GroupState, Progress, deleted_groups, no_way_back, touched,
};
use crate::rollout::reason::{Advice, Reason};
use crate::rollout::round::{Decision, DecisionBuilder, RoundContext, State, known, with_made};
use crate::rollout::schedule::{ClusterRun, GroupTask, Rollout, StageRun, Task, WaveRun};

/// What the rollout does now.
pub fn decide(rollout: &Rollout, progress: &Progress, live: &Live, now: Timestamp) -> Decision {
    decide_beside(rollout, progress, live, &Board::default(), now)
}

/// What the rollout does now, beside others that are under way.
pub fn decide_beside(
    rollout: &Rollout,
    progress: &Progress,
    live: &Live,
    board: &Board,
    now: Timestamp,
) -> Decision {
    let mut out = DecisionBuilder::new(&progress.open);
    let live = known(progress, live, now);
    let rollout = &*with_made(rollout, progress, live.clusters.iter());
    let round = RoundContext {
        rollout,
        progress,
        live: &live,
        board,
        now,
    };
    let state = go_on(&round, &mut out);
    out.finish(progress, state)
}

fn go_on(round: &RoundContext<'_>, out: &mut DecisionBuilder<'_>) -> State {
    let (rollout, progress) = (round.rollout, round.progress);
    if let Some(ending) = progress.ending {
        return State::Ended(ending);
    }
    if progress.stuck.is_some() {
        return State::Stuck;
    }
    if progress.rollback_asked.is_some() {
        out.records.push(asked_back(rollout, progress));
        return State::Going;
    }
    match &progress.direction {
        Direction::Forward => match (&progress.failure, &progress.shard_failure) {
            (Some(_), _) | (None, Some(_)) if progress.held => State::Held,
            (Some((cluster, group, why)), _) => {
                let failed = (cluster, group.as_ref());
                out.records
                    .push(after_failure(rollout, progress, failed, why));
                State::Going
            }
            (None, Some(other)) => {
                let is_final = |clusters: &BTreeSet<ClusterName>| is_final(round, clusters);
                out.records
                    .push(beside::after_failure(rollout, progress, other, is_final));
                State::Going
            }
            (None, None) => match beside::failure(round) {
                Some(event) => {
                    out.records.push(event);
                    State::Going
                }
                None => forward(round, out),
            },
        },
        Direction::Back(clusters) => back(round, clusters, out),
        Direction::Aborting => abort(round, out),
    }
}

/// Whether there is no way back for these clusters.
fn is_final(round: &RoundContext<'_>, clusters: &BTreeSet<ClusterName>) -> bool {
    no_way_back(round.rollout, round.progress, clusters).is_some()
        || deleted_groups(round.progress, clusters).next().is_some()
}

fn forward(round: &RoundContext<'_>, out: &mut DecisionBuilder<'_>) -> State {
    for stage in &round.rollout.stages {
        if round.progress.stages_passed.contains(&stage.name) {
            match beside::barrier(round, &stage.name, None, out) {
                Some(state) => return state,
                None => continue,
            }
        }
        if !round.progress.stages_started.contains(&stage.name) {
            return enter(round, stage, out);
        }
        let through = round.progress.waves_through(&stage.name);
        if let Some(wave) = stage.waves.get(through) {
            return run_wave(round, stage, through, wave, out);
        }
        let all = stage.waves.iter().flat_map(|w| &w.clusters);
        let passing = Passing {
            part: (&stage.name, None),
            hooks: stage.hooks_at(HookAt::AfterStage),
            event: Event::Stage(stage.name.clone(), StageEvent::Passed),
        };
        return soak(round, all, stage.soak, passing, out);
    }
    out.records.push(Event::Rollout(RolloutEvent::Finished));
    State::Going
}

/// A stage that has not begun: it begins when it may, when what was before it holds, and when there is room.
fn enter(round: &RoundContext<'_>, stage: &StageRun, out: &mut DecisionBuilder<'_>) -> State {
    match may_start(round, stage) {
        Some(state) => state,
        None if stage.changes() && !before::holds(round, stage, None, out) => State::Going,
        None if !room::for_stage(round, stage, out) => State::Going,
        None => {
            out.records
                .push(Event::Stage(stage.name.clone(), StageEvent::Started));
            State::Going
        }
    }
}

/// Why a stage may not start; a stage that changes nothing needs no permission.
fn may_start(round: &RoundContext<'_>, stage: &StageRun) -> Option<State> {
    if !stage.changes() {
        return None;
    }
    let approved = round
        .progress
        .approvals
        .get(&stage.name)
        .is_some_and(|(_, expires)| *expires > round.now);
    if stage.approval && !approved {
        return Some(State::WaitingForPerson {
            stage: stage.name.clone(),
        });
    }
    frozen(round, stage)
}

fn frozen(round: &RoundContext<'_>, stage: &StageRun) -> Option<State> {
    let until = frozen_until(&stage.freeze, round.now)?;
    Some(State::WaitingForTime {
        until,
        why: Reason::Frozen {
            stage: stage.name.clone(),
            until,
        },
    })
}

/// A wave that has not begun: it begins when the one before it has passed everywhere, what it stands on holds, there is room, and the hooks before it are
/// through.
fn begin_wave(
    round: &RoundContext<'_>,
    stage: &StageRun,
    (index, wave): (usize, &WaveRun),
    out: &mut DecisionBuilder<'_>,
) -> State {
    let before = index.checked_sub(1);
    if let Some(before) = before
        && let Some(state) = beside::barrier(round, &stage.name, Some(before), out)
    {
        return state;
    }
    let changes = wave.changes();
    if let Some(state) = frozen(round, stage).filter(|_| changes) {
        return state;
    }
    if index > 0 && changes && !before::holds(round, stage, Some(index), out) {
        return State::Going;
    }
    if changes && !room::for_wave(round, stage, index, wave, out) {
        return State::Going;
    }
    let hooks = match index {
        0 => stage.hooks_at(HookAt::BeforeStage),
        _ => wave.hooks_at(HookAt::BetweenWaves),
    };
    let part = (&stage.name, (index > 0).then_some(index));
    if let Some(state) = in_the_way(round, part, hooks, out) {
        return state;
    }
    out.records.push(Event::Stage(
        stage.name.clone(),
        StageEvent::WaveStarted { wave: index },
    ));
    State::Going
}

fn are_taken_back(
    round: &RoundContext<'_>,
    hooks: Option<HooksAt<'_>>,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    hooks.is_none_or(|hooks| hooks::are_taken_back(round, hooks, out))
}

fn run_wave(
    round: &RoundContext<'_>,
    stage: &StageRun,
    index: usize,
    wave: &WaveRun,
    out: &mut DecisionBuilder<'_>,
) -> State {
    let key = (stage.name.clone(), index);
    if !round.progress.waves_started.contains(&key) {
        return begin_wave(round, stage, (index, wave), out);
    }
    let part = (&stage.name, Some(index));
    if let Some(state) = in_the_way(round, part, wave.hooks_at(HookAt::BeforeWave), out) {
        return state;
    }
    let state_of = |run: &ClusterRun| round.progress.clusters.get(&run.cluster).map(|c| c.state);
    let is_active = |run: &ClusterRun| {
        matches!(
            state_of(run),
            Some(ClusterState::Rolling | ClusterState::Checking(_))
        )
    };
    let mut active = wave.clusters.iter().filter(|c| is_active(c)).count();
    let places = beside::places(round, &stage.name, index, wave);
    let mut started: BTreeSet<ClusterName> = BTreeSet::new();
    let mut unfinished = 0;
    let mut held = None;
    for run in &wave.clusters {
        match state_of(run) {
            Some(ClusterState::Waiting) => {
                unfinished += 1;
                let is_room = room::at_once(round, wave, &run.cluster, |other| {
                    is_active(other) || started.contains(&other.cluster)
                });
                let changes = run.changes();
                let is_verified =
                    |other: &ClusterRun| matches!(state_of(other), Some(ClusterState::Verified(_)));
                let is_free = wave.unproven_before(run, is_verified).is_none();
                let turn_came = (active < places && is_room && is_free) || !changes;
                held = held.or_else(|| frozen(round, stage).filter(|_| turn_came && changes));
                if turn_came && (held.is_none() || !changes) {
                    active += 1;
                    started.insert(run.cluster.clone());
                    cluster::start(run, out);
                }
            }
            Some(ClusterState::Rolling | ClusterState::Checking(_)) => {
                unfinished += 1;
                cluster::forward(round, run, out);
            }
            Some(ClusterState::Verified(_) | ClusterState::Restored) | None => {}
        }
    }
    if active == 0 && places == 0 {
        beside::wait_for_place(round, &stage.name, index, wave, out);
    }
    match held {
        Some(state) if active == 0 => state,
        Some(_) | None if unfinished > 0 => State::Going,
        Some(_) | None => soak(
            round,
            wave.clusters.iter(),
            wave.soak,
            Passing {
                part,
                hooks: wave.hooks_at(HookAt::AfterWave),
                event: Event::Stage(stage.name.clone(), StageEvent::WavePassed { wave: index }),
            },
            out,
        ),
    }
}

/// What follows a soak: hooks, then a record.
struct Passing<'a> {
    part: StagePart<'a>,
    hooks: Option<HooksAt<'a>>,
    event: Event,
}

/// Waits until every cluster has run the release for `soak`, healthy; `passing` is what follows. A cluster that cannot be seen has not soaked.
fn soak<'r>(
    round: &RoundContext<'_>,
    clusters: impl Iterator<Item = &'r ClusterRun>,
    soak: Span,
    passing: Passing<'_>,
    out: &mut DecisionBuilder<'_>,
) -> State {
    let mut last: Option<(Timestamp, &ClusterName)> = None;
    let mut ready = true;
    for run in clusters {
        match round.progress.clusters.get(&run.cluster).map(|c| c.state) {
            Some(ClusterState::Verified(since)) => {
                let until = since + soak;
                ready &= soak::watch(round, run, until, out);
                last = last.max((until > round.now).then_some((until, &run.cluster)));
            }
            // Its soak was broken: it has to prove itself again.
            Some(ClusterState::Checking(_)) => {
                ready = false;
                cluster::forward(round, run, out);
            }
            Some(ClusterState::Waiting | ClusterState::Rolling | ClusterState::Restored) | None => {
                ready = false
            }
        }
    }
    match last {
        None if ready => {
            if let Some(state) = in_the_way(round, passing.part, passing.hooks, out) {
                return state;
            }
            out.records.push(passing.event);
            State::Going
        }
        Some((until, name)) if ready => State::WaitingForTime {
            until,
            why: Reason::Soaks {
                cluster: name.clone(),
                until,
            },
        },
        None | Some(_) => State::Going,
    }
}

/// Stages and waves in reverse order, each with the hooks that came after it first; of a wave, as many clusters at a time as on the way forward.
fn back(
    round: &RoundContext<'_>,
    clusters: &BTreeSet<ClusterName>,
    out: &mut DecisionBuilder<'_>,
) -> State {
    if hooks::is_any_running(round, out) {
        return State::Going;
    }
    let mut stages = round.rollout.stages.iter().rev();
    let all = stages.all(|stage| {
        let mut waves = stage.waves.iter().rev();
        are_taken_back(round, stage.hooks_at(HookAt::AfterStage), out)
            && waves.all(|wave| is_wave_back(round, wave, clusters, out))
            && are_taken_back(round, stage.hooks_at(HookAt::BeforeStage), out)
    });
    if all {
        out.records.push(Event::Rollout(RolloutEvent::RolledBack));
    }
    State::Going
}

/// Whether a wave is back where it came from, with its hooks.
fn is_wave_back(
    round: &RoundContext<'_>,
    wave: &WaveRun,
    clusters: &BTreeSet<ClusterName>,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    are_taken_back(round, wave.hooks_at(HookAt::AfterWave), out)
        && are_clusters_back(round, wave, clusters, out)
        && are_taken_back(round, wave.hooks_at(HookAt::BeforeWave), out)
        && are_taken_back(round, wave.hooks_at(HookAt::BetweenWaves), out)
}

/// Whether all clusters of a wave that go back are there; goes on with them if not.
fn are_clusters_back(
    round: &RoundContext<'_>,
    wave: &WaveRun,
    clusters: &BTreeSet<ClusterName>,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let away = |run: &&ClusterRun| {
        let restored = round
            .progress
            .clusters
            .get(&run.cluster)
            .is_some_and(|c| c.state == ClusterState::Restored);
        clusters.contains(&run.cluster) && !restored
    };
    let begun = |run: &&ClusterRun| {
        let found = round.progress.clusters.get(&run.cluster);
        found.is_some_and(|c| c.groups.values().any(|g| g.state != GroupState::Waiting))
    };
    let (first, rest): (Vec<_>, Vec<_>) = wave.clusters.iter().filter(away).partition(begun);
    if first.is_empty() && rest.is_empty() {
        return true;
    }
    let limits = wave.clusters.iter();
    let limits = limits.filter_map(|run| round.progress.room_limit(&run.cluster));
    let room = limits.map(|limit| limit.at_once).min();
    first
        .into_iter()
        .chain(rest)
        .take(wave.parallel.min(room.unwrap_or(usize::MAX)))
        .for_each(|run| cluster::back(round, run, out));
    false
}

fn abort(round: &RoundContext<'_>, out: &mut DecisionBuilder<'_>) -> State {
    if hooks::is_any_running(round, out) {
        return State::Going;
    }
    let mut left = 0;
    for run in round.rollout.clusters() {
        let Some(progress) = round.progress.clusters.get(&run.cluster) else {
            continue;
        };
        if progress
            .groups
            .values()
            .any(|g| g.state != GroupState::Done)
        {
            left += 1;
            cluster::clean_up(round, run, out);
        }
    }
    if left == 0 {
        out.records.push(Event::Rollout(RolloutEvent::Aborted));
    }
    State::Going
}

/// The way back that a person asked for; none where something was deleted meanwhile.
fn asked_back(rollout: &Rollout, progress: &Progress) -> Event {
    let clusters = touched(rollout, progress);
    if let Some(cluster) = no_way_back(rollout, progress, &clusters) {
        let stuck = ClusterEvent::Stuck {
            group: None,
            why: Reason::KubernetesStays {
                cluster: cluster.clone(),
            },
            advice: Advice::NoRollback,
        };
        return Event::Cluster(cluster, stuck);
    }
    let deleted = deleted_groups(progress, &clusters).next();
    match deleted.map(|(cluster, group)| (cluster.clone(), group.clone())) {
        Some((cluster, group)) => Event::Cluster(
            cluster,
            ClusterEvent::Stuck {
                group: Some(group.clone()),
                why: Reason::DeletedForGood { group },
                advice: Advice::NoRollback,
            },
        ),
        None => Event::Rollout(RolloutEvent::RollbackStarted {
            hooks: hooks::to_take_back(rollout, progress, &clusters, None),
            clusters,
            kept: BTreeSet::new(),
        }),
    }
}

/// What follows a failure, as its stage says.
fn after_failure(
    rollout: &Rollout,
    progress: &Progress,
    (cluster, group): (&ClusterName, Option<&AsgName>),
    why: &Reason,
) -> Event {
    let of_stage = || rollout.stage_of(cluster).map(|s| s.on_failure);
    match policy::of_hook(rollout, why)
        .or_else(of_stage)
        .unwrap_or_default()
    {
        OnFailure::Rollback => rolled_back(rollout, progress, (cluster, group), why),
        OnFailure::Hold => Event::Rollout(RolloutEvent::Held),
        OnFailure::Stop => Event::Rollout(RolloutEvent::AbortStarted {
            by: "on_failure: stop".into(),
            reason: Reason::ClusterFailed {
                cluster: cluster.clone(),
                why: Box::new(why.clone()),
            },
        }),
    }
}

/// The way back, where there is one; else a person decides.
fn rolled_back(
    rollout: &Rollout,
    progress: &Progress,
    (cluster, group): (&ClusterName, Option<&AsgName>),
    why: &Reason,
) -> Event {
    let clusters = touched_since(rollout, progress, cluster);
    if no_way_back(rollout, progress, &clusters).is_some() {
        return Event::Rollout(RolloutEvent::Held);
    }
    // No way back brings it back: a person decides what is to become of the others.
    if deleted_groups(progress, &clusters).next().is_some() {
        return Event::Rollout(RolloutEvent::Held);
    }
    let kept = proven_control_planes(rollout, progress, &clusters, (cluster, group));
    let hooks = hooks::to_take_back(
        rollout,
        progress,
        &clusters,
        policy::failed_from(rollout, cluster, why),
    );
    Event::Rollout(RolloutEvent::RollbackStarted {
        clusters,
        kept,
        hooks,
    })
}

/// Control planes that were proven stay on the new version when only workers failed, unless the policy says otherwise. What is not known
/// to be the workers' (a gate over the whole cluster) counts against the control plane of its cluster.
fn proven_control_planes(
    rollout: &Rollout,
    progress: &Progress,
    clusters: &BTreeSet<ClusterName>,
    (failing, group): (&ClusterName, Option<&AsgName>),
) -> BTreeSet<AsgName> {
    let role = |run: &ClusterRun, name: &AsgName| {
        run.groups.iter().find(|g| g.asg == *name).map(|g| g.role)
    };
    let by_workers = rollout.cluster(failing).is_some_and(|run| {
        group
            .and_then(|name| role(run, name))
            .is_some_and(|r| !r.rules().proves_control_plane)
    });
    if rollout.rollback.control_plane == ProvenControlPlane::Restore || !by_workers {
        return BTreeSet::new();
    }
    let runs = rollout
        .clusters()
        .filter(|run| clusters.contains(&run.cluster));
    let mut kept = BTreeSet::new();
    for run in runs {
        // The documents of a cluster go back as a whole, and its control plane with them.
        if run.kops.is_some() {
            continue;
        }
        kept.extend(proven_planes(run, progress));
    }
    kept
}

/// The control-plane groups of a cluster, when all of them were updated and are done.
fn proven_planes(run: &ClusterRun, progress: &Progress) -> Vec<AsgName> {
    let planes = run
        .groups
        .iter()
        .filter(|g| g.role.rules().proves_control_plane);
    let planes: Vec<&GroupTask> = planes.collect();
    let state = |task: &GroupTask| progress.clusters.get(&run.cluster)?.groups.get(&task.asg);
    let proven = planes.iter().all(|task| {
        state(task).is_some_and(|g| g.touched && g.state == GroupState::Done)
            && matches!(task.task, Task::Update { .. })
    });
    let names = planes.into_iter().map(|task| task.asg.clone());
    names.filter(|_| proven).collect()
}

/// The clusters of the failing cluster's wave that were touched, and those of every later wave: what came after it stands on it. Waves
/// before it were verified, and stay.
fn touched_since(
    rollout: &Rollout,
    progress: &Progress,
    failing: &ClusterName,
) -> BTreeSet<ClusterName> {
    let waves = rollout
        .stages
        .iter()
        .flat_map(|s| &s.waves)
        .skip_while(|w| w.clusters.iter().all(|c| c.cluster != *failing));
    waves
        .flat_map(|w| &w.clusters)
        .map(|c| c.cluster.clone())
        .filter(|name| progress.is_touched(name))
        .collect()
}
