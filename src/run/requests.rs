//! What people ask of a rollout that is under way: to stop, to go back, to go on.

use super::runner::Runner;
use super::{RunError, Signal};
use crate::cloud::Cloud;
use crate::nodes::NodeApi;
use crate::rollout::{Direction, Event, Reason, RolloutEvent, StageEvent};
use crate::store::{Request, Stop};

impl<W: Cloud + NodeApi, T: FnMut(Signal<'_>)> Runner<'_, W, T> {
    /// What stops this rollout. One that is being aborted only undoes what is half-done, and is let through.
    pub(super) fn stopped(&self) -> Result<Option<Stop>, RunError> {
        let (rollout, progress) = (self.journal.rollout(), self.journal.progress());
        if progress.ending.is_some() || progress.direction == Direction::Aborting {
            return Ok(None);
        }
        Ok(self
            .store
            .stops()?
            .into_iter()
            .find(|stop| stop.holds_for(rollout)))
    }

    /// What people asked for in the meantime goes into the journal first, then out of the mailbox. What can no longer
    /// change anything is only taken out.
    pub(super) fn requests(&mut self) -> Result<(), RunError> {
        let id = self.journal.rollout().id.clone();
        for (path, request) in self.store.pending(&id)? {
            let event = self.granted(request);
            self.append(event.into_iter().collect())?;
            self.store.take_request(&path)?;
        }
        Ok(())
    }

    fn granted(&self, request: Request) -> Option<Event> {
        let (rollout, progress) = (self.journal.rollout(), self.journal.progress());
        let over = progress.ending.is_some();
        match request {
            Request::Approve {
                plan,
                stage,
                by,
                expires,
            } => {
                let counts = !over
                    && plan == rollout.plan
                    && rollout.stage(&stage).is_some_and(|s| !progress.is_begun(s));
                counts.then_some(Event::Stage(stage, StageEvent::Approved { by, expires }))
            }
            Request::Rollback { by, reason } => {
                let back = over
                    || progress.direction != Direction::Forward
                    || progress.rollback_asked.is_some();
                (!back).then_some(Event::Rollout(RolloutEvent::RollbackAsked { by, reason }))
            }
            Request::Abort { by, reason } => {
                let turned = over || progress.direction == Direction::Aborting;
                let reason = Reason::Words(reason);
                (!turned).then_some(Event::Rollout(RolloutEvent::AbortStarted { by, reason }))
            }
        }
    }
}
