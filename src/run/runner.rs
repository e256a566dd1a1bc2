//! The loop: look, ask what is next, write down, act. Each of its jobs has a file of its own.

use super::fence::patiently;
use super::look::look;
use super::shut::Shut;
use super::under_way::places_under_way;
use super::{Drive, Outcome, RunError, Signal};
use crate::cloud::{Cloud, Place};
use crate::model::{Live, Span};
use crate::nodes::NodeApi;
use crate::rollout::{Decision, Event, State, decide};
use crate::store::{Journal, Locks, Store};

/// One run of a rollout.
pub(super) struct Runner<'a, W, T> {
    pub(super) world: &'a W,
    pub(super) store: &'a Store,
    pub(super) journal: &'a mut Journal,
    pub(super) drive: &'a Drive,
    pub(super) tell: T,
    pub(super) locks: Locks,
    pub(super) shut: Shut,
}

impl<W: Cloud + NodeApi, T: FnMut(Signal<'_>)> Runner<'_, W, T> {
    pub(super) async fn go(&mut self, interrupted: impl Fn() -> bool) -> Result<Outcome, RunError> {
        self.take_up().await?;
        let (mut live, mut places) = self.look().await?;
        loop {
            if interrupted() {
                self.pause("interrupted".into())?;
                return Ok(Outcome::Interrupted);
            }
            self.requests()?;
            if let Some(stop) = self.stopped()? {
                self.pause(stop.to_string())?;
                return Ok(Outcome::Stopped(stop));
            }
            if places != places_under_way(self.journal.rollout(), self.journal.progress()) {
                (live, places) = self.look().await?;
            }
            let next = decide(
                self.journal.rollout(),
                self.journal.progress(),
                &live,
                self.world.now(),
            );
            if !next.records.is_empty() {
                self.record(next.records).await?;
                continue;
            }
            if let Some(outcome) = self.step_back(&next)? {
                return Ok(outcome);
            }
            if let Some(outcome) = self.shut_out(&next, &live)? {
                return Ok(outcome);
            }
            self.act(next).await?;
            // A simulated world answers without ever waiting; signals have to get their turn.
            tokio::task::yield_now().await;
            (live, places) = self.look().await?;
        }
    }

    /// Whether this process has nothing to do for now.
    fn step_back(&mut self, next: &Decision) -> Result<Option<Outcome>, RunError> {
        match &next.state {
            State::Going => Ok(None),
            State::Ended(ending) => Ok(Some(Outcome::Ended(*ending))),
            State::Stuck => Ok(Some(Outcome::Stuck)),
            State::Held => Ok(Some(Outcome::Held)),
            State::WaitingForPerson { stage } if self.drive.auto_approve => {
                let expires = self.world.now() + Span::from_secs(3_600);
                self.append(vec![Event::Approved {
                    stage: stage.clone(),
                    by: "--auto-approve".into(),
                    expires,
                }])?;
                Ok(None)
            }
            State::WaitingForPerson { stage } => {
                self.pause(format!("stage {stage} has to be approved"))?;
                Ok(Some(Outcome::WaitingForPerson(stage.clone())))
            }
            State::WaitingForTime { until, why }
                if until.since(self.world.now()) > self.drive.max_wait =>
            {
                self.pause(why.clone())?;
                Ok(Some(Outcome::WaitingForTime {
                    until: *until,
                    why: why.clone(),
                }))
            }
            State::WaitingForTime { .. } => Ok(None),
        }
    }

    async fn act(&mut self, next: Decision) -> Result<(), RunError> {
        let now = self.world.now();
        let watch = match &next.state {
            State::WaitingForTime { until, .. } => Some((now + self.drive.watch).min(*until)),
            State::Going
            | State::WaitingForPerson { .. }
            | State::Stuck
            | State::Held
            | State::Ended(_) => None,
        };
        let idle = next.steps.is_empty() && next.checks.is_empty();
        self.ask(&next).await?;
        let settled = self.steps(next.steps).await?;
        if idle || !settled {
            let (rollout, progress) = (self.journal.rollout(), self.journal.progress());
            (self.tell)(Signal::Waiting {
                rollout,
                progress,
                waiting: &next.waiting,
                now,
            });
            self.world
                .wait(watch.unwrap_or(now + self.drive.poll))
                .await?;
        }
        Ok(())
    }

    /// The live state of what is under way, and of which clusters that is.
    async fn look(&self) -> Result<(Live, Vec<Place>), RunError> {
        let places = places_under_way(self.journal.rollout(), self.journal.progress());
        let live = patiently(self.world, self.drive.poll, || look(self.world, &places)).await?;
        Ok((live, places))
    }
}
