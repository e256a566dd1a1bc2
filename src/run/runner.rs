//! The loop: look, ask what is next, write down, act. Each of its jobs has a file of its own.

use std::time::Duration;

use super::checkpoints::Checkpoints;
use super::fence::patiently;
use super::hook_runs::HookRuns;
use super::look::look_with;
use super::neighbours::Neighbours;
use super::questions::Questions;
use super::shut::Shut;
use super::under_way::{expected, needed, places_under_way};
use super::waits::Told;
use super::{Drive, Outcome, RunError, Signal};
use crate::cloud::{Cloud, Place};
use crate::engine::Engine;
use crate::model::{ClusterName, Live, Timestamp, Versions};
use crate::nodes::NodeApi;
use crate::rollout::{
    Check, ClusterRun, Decision, Question, Reason, State, decide_beside, rooms_wanted,
};
use crate::store::{Journal, Locks, Store};

/// How often it is looked whether the run was interrupted while something else is waited for.
const GLANCE: Duration = Duration::from_millis(50);

/// One run of a rollout.
pub(super) struct Runner<'a, W, T> {
    pub(super) world: &'a W,
    pub(super) store: &'a Store,
    pub(super) journal: &'a mut Journal,
    pub(super) drive: &'a Drive,
    pub(super) interrupted: &'a dyn Fn() -> bool,
    pub(super) tell: T,
    pub(super) locks: Locks,
    pub(super) shut: Shut,
    pub(super) questions: Questions,
    pub(super) hook_runs: HookRuns,
    pub(super) told: Told,
    pub(super) checkpoints: Checkpoints,
    pub(super) beside: Neighbours,
}

impl<W: Cloud + NodeApi + Engine, T: FnMut(Signal<'_>)> Runner<'_, W, T> {
    pub(super) async fn go(&mut self) -> Result<Outcome, RunError> {
        self.take_up().await?;
        let mut seen = self.look().await?;
        self.read_board()?;
        loop {
            if (self.interrupted)() {
                self.settle_hooks().await?;
                self.pause(Reason::Interrupted)?;
                return Ok(Outcome::Interrupted);
            }
            self.requests()?;
            self.tell_board()?;
            if let Some(stop) = self.stopped()? {
                self.settle_hooks().await?;
                self.pause(Reason::Words(stop.to_string()))?;
                return Ok(Outcome::Stopped(stop));
            }
            let places = places_under_way(self.journal.rollout(), self.journal.progress());
            let needs = needed(self.journal.rollout(), self.journal.progress(), &places);
            let rooms = names(&self.rooms());
            let live = match &seen {
                Some(seen) if seen.shows(&places, &needs) && seen.rooms == rooms => &seen.live,
                Some(_) | None => {
                    seen = self.look().await?;
                    continue;
                }
            };
            let next = decide_beside(
                self.journal.rollout(),
                self.journal.progress(),
                live,
                &self.beside.board,
                self.world.now(),
            );
            if !next.records.is_empty() {
                self.record(next.records).await?;
                continue;
            }
            // Nothing is decided on while one runs, and none is left to run alone.
            if next.state != State::Going && self.settle_hooks().await? {
                continue;
            }
            if let Some(outcome) = self.step_back(&next)? {
                return Ok(outcome);
            }
            if let Some(outcome) = self.shut_out(&next, live)? {
                return Ok(outcome);
            }
            self.act(next).await?;
            // A simulated world answers without ever waiting; signals have to get their turn.
            tokio::task::yield_now().await;
            seen = self.look().await?;
            self.read_board()?;
        }
    }

    async fn act(&mut self, next: Decision) -> Result<(), RunError> {
        let now = self.world.now();
        let watch = match &next.state {
            State::WaitingForTime { until, .. } => Some((now + self.drive.watch).min(*until)),
            State::Going
            | State::WaitingForPerson { .. }
            | State::WaitingForOthers { .. }
            | State::Stuck
            | State::Held
            | State::Ended(_) => None,
        };
        let ended = self.hooks(&next.hooks).await?;
        let answered = self.ask(&next.checks).await?;
        let idle = next.steps.is_empty() && !answered && !ended;
        let settled = self.steps(next.steps).await?;
        if idle || !settled {
            let (rollout, progress) = (self.journal.rollout(), self.journal.progress());
            (self.tell)(Signal::Waiting {
                rollout,
                progress,
                waiting: &next.waiting,
                now,
            });
            self.told.leave(self.store, &rollout.id, &next.waiting, now);
            if matches!(next.state, State::WaitingForOthers { .. }) {
                self.pass_beside().await?;
            } else {
                self.pass(watch.unwrap_or(now + self.drive.poll)).await?;
            }
        }
        Ok(())
    }

    /// Asks the gates of this round, and writes down what is answered. Whether anything was. Simulated time stands still while a gate is asked,
    /// which is real: all of a round are asked at the same time, and waited for.
    async fn ask(&mut self, checks: &[Check]) -> Result<bool, RunError> {
        let asked = self.ask_kops(checks).await?;
        let checks: Vec<Check> = checks
            .iter()
            .filter(|check| check.question != Question::Kops)
            .cloned()
            .collect();
        let checks = checks.as_slice();
        self.questions.want(checks, self.drive);
        while self.world.time_is_virtual() && self.questions.is_open() && !(self.interrupted)() {
            tokio::select! {
                () = self.questions.next() => {}
                () = raised(self.interrupted) => {}
            }
        }
        let answers = self.questions.answers(checks);
        Ok(!self.append(answers)?.is_empty() || asked)
    }

    /// Lets time pass until then, or until a gate has answered or the run is interrupted.
    async fn pass(&mut self, until: Timestamp) -> Result<(), RunError> {
        tokio::select! {
            biased;
            waited = self.world.wait(until) => waited?,
            () = self.questions.next() => {}
            () = self.hook_runs.next() => {}
            () = raised(self.interrupted) => {}
        }
        Ok(())
    }

    /// The live state of what is under way, and of which clusters that is; none when the run was interrupted meanwhile.
    async fn look(&self) -> Result<Option<Look>, RunError> {
        let places = places_under_way(self.journal.rollout(), self.journal.progress());
        let needed = needed(self.journal.rollout(), self.journal.progress(), &places);
        let expected = expected(self.journal.rollout(), self.journal.progress(), &places);
        let rooms = self.rooms();
        let patient = patiently(self.world, self.drive.poll, || {
            look_with(self.world, &places, &needed, &expected, &rooms)
        });
        let live = tokio::select! {
            biased;
            live = patient => live?,
            () = raised(self.interrupted) => return Ok(None),
        };
        Ok(Some(Look {
            live,
            rooms: names(&rooms),
            places,
            needed,
        }))
    }

    /// The clusters whose room counts for the next decision.
    fn rooms(&self) -> Vec<&ClusterRun> {
        rooms_wanted(
            self.journal.rollout(),
            self.journal.progress(),
            self.world.now(),
        )
    }
}

fn names(runs: &[&ClusterRun]) -> Vec<ClusterName> {
    runs.iter().map(|run| run.cluster.clone()).collect()
}

/// A look, and what it was about.
struct Look {
    live: Live,
    places: Vec<Place>,
    needed: Vec<(Place, Versions)>,
    /// Clusters whose room was looked at.
    rooms: Vec<ClusterName>,
}

impl Look {
    /// Whether it is about these places, and was asked for all that is needed of them.
    fn shows(&self, places: &[Place], needs: &[(Place, Versions)]) -> bool {
        let asked = |(place, needs): &(Place, Versions)| {
            let mut of = self.needed.iter().filter(|(p, _)| p == place);
            of.next().is_some_and(|(_, asked)| {
                needs.iter().all(|(template, numbers)| {
                    asked
                        .get(template)
                        .is_some_and(|known| numbers.is_subset(known))
                })
            })
        };
        self.places == places && needs.iter().all(asked)
    }
}

/// Comes when the run is interrupted.
pub(super) async fn raised(interrupted: &dyn Fn() -> bool) {
    while !interrupted() {
        tokio::time::sleep(GLANCE).await;
    }
}
