//! What a rollout does now: [`next`] is total, sync and deterministic, over what happened so far, what is, and what time it is. Acts on nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::again::{self, Standing};
use super::cluster::{self, Turn};
use super::freeze::frozen_until;
use super::group::View;
use super::progress::{ClusterState, Direction, Ending, GroupState, Intent, Progress};
use super::{
    ClusterRun, Event, Rollout, Scope, StageRun, StepId, StepResult, Task, VersionSource, WaveRun,
};
use crate::fleet::{HttpGate, OnFailure, PromqlGate};
use crate::model::{
    AsgName, CloudEffect, ClusterName, Effect, Live, NodeEffect, Span, StageName, Timestamp,
};

/// What comes now. Records first: while there are any, nothing else is done before they are written and `next` is asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// Facts that follow from what is.
    pub records: Vec<Event>,
    /// Steps to take.
    pub steps: Vec<Step>,
    /// Gates to ask.
    pub checks: Vec<Check>,
    /// What is being waited for.
    pub waiting: Vec<Waiting>,
    /// Whether it goes on by itself.
    pub state: State,
}

/// A step to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number.
    pub id: StepId,
    /// Cluster.
    pub cluster: ClusterName,
    /// Group.
    pub group: AsgName,
    /// What.
    pub effect: Effect,
    /// Its intent is in the journal already: an earlier attempt ended without an answer.
    pub again: bool,
}

/// A gate to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Cluster.
    pub cluster: ClusterName,
    /// About what.
    pub scope: Scope,
    /// Gate.
    pub gate: String,
    /// What is asked.
    pub question: Question,
}

/// What a gate asks, with every placeholder filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// A command of the fleet: program and arguments.
    Command(Vec<String>),
    /// An HTTP server.
    Http(HttpGate),
    /// Prometheus.
    Promql(PromqlGate),
}

/// Something that is being waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Cluster, when it is one.
    pub cluster: Option<ClusterName>,
    /// Group, when it is one.
    pub group: Option<AsgName>,
    /// For what.
    pub why: String,
    /// Until when at the latest, where that is known.
    pub until: Option<Timestamp>,
}

/// Whether a rollout goes on by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Going,
    /// Nothing to do until then but to watch.
    WaitingForTime {
        /// Until when.
        until: Timestamp,
        /// For what.
        why: String,
    },
    /// A person has to approve a stage.
    WaitingForPerson {
        /// Stage.
        stage: StageName,
    },
    /// A person has to act.
    Stuck,
    /// It failed, and a person has to say whether it tries again or goes back.
    Held,
    /// It is over.
    Ended(Ending),
}

/// Budgets of one cluster, handed out over its groups in one round.
pub(super) struct Budget {
    pub(super) surge: u32,
    /// The surge that there would be if none were in use.
    pub(super) most: u32,
    /// Drains that may begin: for each there is a place in the rate's window now.
    pub(super) rate: u32,
    /// Drains that may begin where the replacement works already: for each there will be a place soon.
    pub(super) ahead: u32,
    /// Instances that may end now.
    pub(super) ends: u32,
    /// When the rate allows the next one.
    pub(super) rate_back: Option<Timestamp>,
    /// Owners of whom a pod is deleted by force in this round: none loses two.
    pub(super) forced: BTreeSet<String>,
}

/// Collects what comes now.
pub(super) struct Out<'a> {
    pub(super) records: Vec<Event>,
    pub(super) checks: Vec<Check>,
    fresh: Vec<(ClusterName, AsgName, Effect)>,
    again: Vec<(StepId, &'a Intent)>,
    waiting: Vec<Waiting>,
    open: &'a BTreeMap<StepId, Intent>,
    failed: Option<Event>,
}

/// A point in a round.
pub(super) struct Mark {
    done: usize,
    waiting: usize,
}

impl Out<'_> {
    pub(super) fn step(&mut self, view: &View<'_>, effect: CloudEffect) {
        self.fresh.push((
            view.cluster.clone(),
            view.task.asg.clone(),
            Effect::Cloud(effect),
        ));
    }

    pub(super) fn node_step(&mut self, view: &View<'_>, effect: NodeEffect) {
        self.fresh.push((
            view.cluster.clone(),
            view.task.asg.clone(),
            Effect::Node(effect),
        ));
    }

    pub(super) fn wait(&mut self, view: &View<'_>, why: String, until: Option<Timestamp>) {
        self.waiting.push(Waiting {
            cluster: Some(view.cluster.clone()),
            group: Some(view.task.asg.clone()),
            why,
            until,
        });
    }

    pub(super) fn wait_cluster(
        &mut self,
        cluster: &ClusterName,
        why: String,
        until: Option<Timestamp>,
    ) {
        self.waiting.push(Waiting {
            cluster: Some(cluster.clone()),
            group: None,
            why,
            until,
        });
    }

    pub(super) fn done(&mut self, view: &View<'_>) {
        self.records.push(Event::GroupDone {
            cluster: view.cluster.clone(),
            group: view.task.asg.clone(),
        });
    }

    /// On the way forward a failure turns the rollout round; on the way back nothing is left but a person.
    pub(super) fn failed(&mut self, view: &View<'_>, why: String) {
        match view.mode {
            super::group::Mode::Forward => self.fail(view.cluster, Some(&view.task.asg), why),
            super::group::Mode::Undo | super::group::Mode::Heal => {
                let advice = by_hand(view);
                self.stuck(view, why, &advice);
            }
        }
    }

    pub(super) fn fail(&mut self, cluster: &ClusterName, group: Option<&AsgName>, why: String) {
        self.failed.get_or_insert(Event::Failed {
            cluster: cluster.clone(),
            group: group.cloned(),
            why,
        });
    }

    pub(super) fn stuck(&mut self, view: &View<'_>, why: String, advice: &str) {
        let event = Event::Stuck {
            cluster: view.cluster.clone(),
            group: Some(view.task.asg.clone()),
            why,
            advice: advice.into(),
        };
        self.failed.get_or_insert(event);
    }

    /// A cluster that no way leads on from.
    pub(super) fn stuck_cluster(&mut self, cluster: &ClusterName, why: String, advice: &str) {
        let event = Event::Stuck {
            cluster: cluster.clone(),
            group: None,
            why,
            advice: advice.into(),
        };
        self.failed.get_or_insert(event);
    }

    /// How far this round has come.
    pub(super) fn mark(&self) -> Mark {
        Mark {
            done: self.done_so_far(),
            waiting: self.waiting.len(),
        }
    }

    fn done_so_far(&self) -> usize {
        self.records.len()
            + self.checks.len()
            + self.fresh.len()
            + self.again.len()
            + usize::from(self.failed.is_some())
    }

    /// What is waited for since `mark`, when nothing else came and none of it ends by itself at a known time.
    pub(super) fn only_waits(&self, mark: &Mark, now: Timestamp) -> Option<String> {
        let waits = self.waiting.get(mark.waiting..).unwrap_or_default();
        if self.done_so_far() > mark.done
            || waits.is_empty()
            || waits
                .iter()
                .any(|w| w.until.is_some_and(|until| until >= now))
        {
            return None;
        }
        let said: Vec<String> = waits
            .iter()
            .map(|w| {
                w.group
                    .as_ref()
                    .map_or_else(|| w.why.clone(), |g| format!("{g}: {}", w.why))
            })
            .collect();
        Some(said.join("; "))
    }

    /// Steps of this group whose outcome is not known come before anything new: taken again, or given up where they no longer fit.
    pub(super) fn open_steps(&mut self, view: &View<'_>, max_tries: u32) -> bool {
        let open = self.open;
        let mine = open
            .iter()
            .filter(|(_, i)| i.cluster == *view.cluster && i.group == view.task.asg);
        let mut any = false;
        for (id, intent) in mine {
            any = true;
            if intent.tries >= max_tries {
                self.stuck(
                    view,
                    format!(
                        "step {id} was tried {} times without an answer",
                        intent.tries
                    ),
                    "see that the API answers, then `kfleet rollout resume`",
                );
            }
            match again::standing(view, intent) {
                Standing::Repeat => self.again.push((*id, intent)),
                Standing::Wait(why, until) => self.wait(view, why, until),
                Standing::GivenUp(why) => self.records.push(Event::Outcome {
                    step: *id,
                    result: StepResult::GivenUp(why),
                }),
            }
        }
        any
    }
}

/// The next step of a way back that failed, for a person.
fn by_hand(view: &View<'_>) -> String {
    let group = &view.task.asg;
    let step = match &view.task.task {
        Task::Update {
            version: VersionSource::Existing(n),
            ..
        } if *n > 0 && view.mode == super::group::Mode::Undo => {
            format!(
                "see that {group} refers to launch template version {n}, and find out why its instances do not work with it"
            )
        }
        Task::Retire { .. } if view.mode == super::group::Mode::Undo => {
            format!("see that the instances of {group} can be drained: it is to be deleted")
        }
        Task::Create { .. } | Task::Update { .. } | Task::Retire { .. } => {
            format!("put {group} right by hand")
        }
    };
    format!("{step}; then `kfleet rollout resume` goes on with the way back")
}

/// What the rollout does now.
pub fn next(rollout: &Rollout, progress: &Progress, live: &Live, now: Timestamp) -> Next {
    let mut out = Out {
        records: Vec::new(),
        checks: Vec::new(),
        fresh: Vec::new(),
        again: Vec::new(),
        waiting: Vec::new(),
        open: &progress.open,
        failed: None,
    };
    let state = decide(rollout, progress, live, now, &mut out);
    finish(progress, out, state)
}

fn decide(
    rollout: &Rollout,
    progress: &Progress,
    live: &Live,
    now: Timestamp,
    out: &mut Out<'_>,
) -> State {
    if let Some(ending) = progress.ending {
        return State::Ended(ending);
    }
    if progress.stuck.is_some() {
        return State::Stuck;
    }
    if progress.rollback_asked.is_some() {
        out.records.push(Event::RollbackStarted {
            clusters: touched(rollout, progress),
        });
        return State::Going;
    }
    let turn = Turn {
        rollout,
        progress,
        live,
        now,
    };
    match &progress.direction {
        Direction::Forward => match &progress.failure {
            Some(_) if progress.held => State::Held,
            Some((cluster, _, why)) => {
                out.records
                    .push(after_failure(rollout, progress, cluster, why));
                State::Going
            }
            None => forward(&turn, out),
        },
        Direction::Back(clusters) => back(&turn, clusters, out),
        Direction::Aborting => abort(&turn, out),
    }
}

fn finish(progress: &Progress, out: Out<'_>, state: State) -> Next {
    let Out {
        records,
        checks,
        fresh,
        again,
        waiting,
        open: _,
        failed,
    } = out;
    // A failure stands alone: nothing else of this round may be started on top of it.
    if let Some(event) = failed {
        return Next {
            records: vec![event],
            steps: Vec::new(),
            checks: Vec::new(),
            waiting,
            state: State::Going,
        };
    }
    let again = again.into_iter().map(|(id, i)| Step {
        id,
        cluster: i.cluster.clone(),
        group: i.group.clone(),
        effect: i.effect.clone(),
        again: true,
    });
    let fresh = (progress.next_step..)
        .zip(fresh)
        .map(|(id, (cluster, group, effect))| Step {
            id,
            cluster,
            group,
            effect,
            again: false,
        });
    let steps: Vec<Step> = again.chain(fresh).collect();
    let state = if records.is_empty() && steps.is_empty() && checks.is_empty() {
        state
    } else {
        State::Going
    };
    Next {
        records,
        steps,
        checks,
        waiting,
        state,
    }
}

fn forward(turn: &Turn<'_>, out: &mut Out<'_>) -> State {
    for stage in &turn.rollout.stages {
        if turn.progress.stages_passed.contains(&stage.name) {
            continue;
        }
        if !turn.progress.stages_started.contains(&stage.name) {
            return match may_start(turn, stage) {
                Some(state) => state,
                None => {
                    out.records.push(Event::StageStarted {
                        stage: stage.name.clone(),
                    });
                    State::Going
                }
            };
        }
        let through = turn.progress.waves_through(&stage.name);
        if let Some(wave) = stage.waves.get(through) {
            return run_wave(turn, stage, through, wave, out);
        }
        let all = stage.waves.iter().flat_map(|w| &w.clusters);
        return soak(
            turn,
            all,
            stage.soak,
            Event::StagePassed {
                stage: stage.name.clone(),
            },
            out,
        );
    }
    out.records.push(Event::Finished);
    State::Going
}

/// Why a stage may not start; a stage that changes nothing needs nobody's leave.
fn may_start(turn: &Turn<'_>, stage: &StageRun) -> Option<State> {
    if !stage.changes() {
        return None;
    }
    let approved = turn
        .progress
        .approvals
        .get(&stage.name)
        .is_some_and(|(_, expires)| *expires > turn.now);
    if stage.approval && !approved {
        return Some(State::WaitingForPerson {
            stage: stage.name.clone(),
        });
    }
    frozen(turn, stage)
}

fn frozen(turn: &Turn<'_>, stage: &StageRun) -> Option<State> {
    let until = frozen_until(&stage.freeze, turn.now)?;
    Some(State::WaitingForTime {
        until,
        why: format!("stage {} is frozen until {until}", stage.name),
    })
}

fn run_wave(
    turn: &Turn<'_>,
    stage: &StageRun,
    index: usize,
    wave: &WaveRun,
    out: &mut Out<'_>,
) -> State {
    if !turn
        .progress
        .waves_started
        .contains(&(stage.name.clone(), index))
    {
        if let Some(state) = frozen(turn, stage).filter(|_| !wave.changing().is_empty()) {
            return state;
        }
        out.records.push(Event::WaveStarted {
            stage: stage.name.clone(),
            wave: index,
        });
        return State::Going;
    }
    let state_of = |run: &ClusterRun| turn.progress.clusters.get(&run.cluster).map(|c| c.state);
    let mut active = wave
        .clusters
        .iter()
        .filter(|c| {
            matches!(
                state_of(c),
                Some(ClusterState::Rolling | ClusterState::Checking(_))
            )
        })
        .count();
    let mut unfinished = 0;
    let mut held = None;
    for run in &wave.clusters {
        match state_of(run) {
            Some(ClusterState::Waiting) => {
                unfinished += 1;
                let turn_came = active < wave.parallel || run.groups.is_empty();
                held = held.or_else(|| {
                    frozen(turn, stage).filter(|_| turn_came && !run.groups.is_empty())
                });
                if turn_came && (held.is_none() || run.groups.is_empty()) {
                    active += 1;
                    cluster::start(run, out);
                }
            }
            Some(ClusterState::Rolling | ClusterState::Checking(_)) => {
                unfinished += 1;
                cluster::forward(turn, run, out);
            }
            Some(ClusterState::Verified(_) | ClusterState::Restored) | None => {}
        }
    }
    match held {
        Some(state) if active == 0 => state,
        Some(_) | None if unfinished > 0 => State::Going,
        Some(_) | None => soak(
            turn,
            wave.clusters.iter(),
            wave.soak,
            Event::WavePassed {
                stage: stage.name.clone(),
                wave: index,
            },
            out,
        ),
    }
}

/// Waits until every cluster has run the release for `soak`, healthy; `passed` is what follows. Whoever cannot be seen has not soaked.
fn soak<'r>(
    turn: &Turn<'_>,
    clusters: impl Iterator<Item = &'r ClusterRun>,
    soak: Span,
    passed: Event,
    out: &mut Out<'_>,
) -> State {
    let mut last: Option<(Timestamp, &ClusterName)> = None;
    let mut ready = true;
    for run in clusters {
        match turn.progress.clusters.get(&run.cluster).map(|c| c.state) {
            Some(ClusterState::Verified(since)) => {
                let until = since + soak;
                ready &= cluster::watch(turn, run, until, out);
                last = last.max((until > turn.now).then_some((until, &run.cluster)));
            }
            // Its soak was broken: it has to prove itself again.
            Some(ClusterState::Checking(_)) => {
                ready = false;
                cluster::forward(turn, run, out);
            }
            Some(ClusterState::Waiting | ClusterState::Rolling | ClusterState::Restored) | None => {
                ready = false
            }
        }
    }
    match last {
        None if ready => {
            out.records.push(passed);
            State::Going
        }
        Some((until, name)) if ready => State::WaitingForTime {
            until,
            why: format!("{name} soaks until {until}"),
        },
        None | Some(_) => State::Going,
    }
}

/// The newest wave first; the clusters of a wave go back together.
fn back(turn: &Turn<'_>, clusters: &BTreeSet<ClusterName>, out: &mut Out<'_>) -> State {
    let away = |run: &&ClusterRun| {
        let restored = turn
            .progress
            .clusters
            .get(&run.cluster)
            .is_some_and(|c| c.state == ClusterState::Restored);
        clusters.contains(&run.cluster) && !restored
    };
    let waves: Vec<&WaveRun> = turn.rollout.stages.iter().flat_map(|s| &s.waves).collect();
    match waves
        .into_iter()
        .rev()
        .find(|w| w.clusters.iter().any(|run| away(&run)))
    {
        Some(wave) => wave
            .clusters
            .iter()
            .filter(away)
            .for_each(|run| cluster::back(turn, run, out)),
        None => out.records.push(Event::RolledBack),
    }
    State::Going
}

fn abort(turn: &Turn<'_>, out: &mut Out<'_>) -> State {
    let mut left = 0;
    for run in turn.rollout.clusters() {
        let Some(progress) = turn.progress.clusters.get(&run.cluster) else {
            continue;
        };
        if progress
            .groups
            .values()
            .any(|g| g.state != GroupState::Done)
        {
            left += 1;
            cluster::heal(turn, run, out);
        }
    }
    if left == 0 {
        out.records.push(Event::Aborted);
    }
    State::Going
}

/// What follows a failure, as its stage says.
fn after_failure(
    rollout: &Rollout,
    progress: &Progress,
    cluster: &ClusterName,
    why: &str,
) -> Event {
    match rollout
        .stage_of(cluster)
        .map(|s| s.on_failure)
        .unwrap_or_default()
    {
        OnFailure::Rollback => Event::RollbackStarted {
            clusters: touched_beside(rollout, progress, cluster),
        },
        OnFailure::Hold => Event::Held,
        OnFailure::Stop => Event::AbortStarted {
            by: "on_failure: stop".into(),
            reason: format!("{cluster}: {why}"),
        },
    }
}

/// Every cluster in which anything was begun, those aside that are back where they came from.
pub(super) fn touched(rollout: &Rollout, progress: &Progress) -> BTreeSet<ClusterName> {
    let mut all = BTreeSet::new();
    for run in rollout.clusters() {
        let found = progress.clusters.get(&run.cluster);
        let away = found.is_some_and(|c| {
            c.state != ClusterState::Restored && c.groups.values().any(|g| g.touched)
        });
        all.extend(away.then(|| run.cluster.clone()));
    }
    all
}

/// The clusters of the failing cluster's wave that were touched: they go back together. Waves before it were verified, and stay.
fn touched_beside(
    rollout: &Rollout,
    progress: &Progress,
    failing: &ClusterName,
) -> BTreeSet<ClusterName> {
    let wave = rollout
        .stages
        .iter()
        .flat_map(|s| &s.waves)
        .find(|w| w.clusters.iter().any(|c| c.cluster == *failing));
    let touched = |name: &ClusterName| {
        progress
            .clusters
            .get(name)
            .is_some_and(|c| c.groups.values().any(|g| g.touched))
    };
    wave.map(|w| {
        w.clusters
            .iter()
            .map(|c| c.cluster.clone())
            .filter(touched)
            .collect()
    })
    .unwrap_or_default()
}
