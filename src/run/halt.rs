//! Whether a run stops here: for a person, or for time. What it stops for is decided elsewhere.

use super::runner::Runner;
use super::{Outcome, RunError, Signal};
use crate::cloud::Cloud;
use crate::model::{Span, StageName};
use crate::nodes::NodeApi;
use crate::rollout::{Decision, Event, Reason, StageEvent, State};

impl<W: Cloud + NodeApi, T: FnMut(Signal<'_>)> Runner<'_, W, T> {
    /// Whether this process has nothing to do for now.
    pub(super) fn step_back(&mut self, next: &Decision) -> Result<Option<Outcome>, RunError> {
        self.beside.waits(&next.state);
        match &next.state {
            State::Going => Ok(None),
            State::Ended(ending) => Ok(Some(Outcome::Ended(*ending))),
            State::Stuck => Ok(Some(Outcome::Stuck)),
            State::Held => Ok(Some(Outcome::Held)),
            State::WaitingForOthers { in_vain } => self.others_are_late(next, *in_vain),
            State::WaitingForPerson { stage } if self.drive.auto_approve => {
                self.approve_by_itself(stage)?;
                Ok(None)
            }
            State::WaitingForPerson { stage } => {
                self.pause(Reason::NotApproved {
                    stage: stage.clone(),
                })?;
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

    /// `--auto-approve`.
    fn approve_by_itself(&mut self, stage: &StageName) -> Result<(), RunError> {
        let expires = self.world.now() + Span::from_secs(3_600);
        self.append(vec![Event::Stage(
            stage.clone(),
            StageEvent::Approved {
                by: "--auto-approve".into(),
                expires,
            },
        )])?;
        Ok(())
    }
}
