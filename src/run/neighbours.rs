//! The rollouts beside this one, as a run knows them. Asks nothing.

use std::time::{Duration, Instant};

use crate::rollout::{Board, State};

/// What is known of the rollouts beside this one.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    /// As it was last read.
    pub(super) board: Board,
    /// Since when nothing was left to do but to wait for them.
    since: Option<Instant>,
}

impl Neighbours {
    /// For how long nothing was left to do but to wait for them.
    pub(super) fn waited(&self) -> Option<Duration> {
        self.since.map(|since| since.elapsed())
    }

    /// Notes whether others are waited for.
    pub(super) fn waits(&mut self, state: &State) {
        if let State::WaitingForOthers { .. } = state {
            self.since.get_or_insert_with(Instant::now);
        } else {
            self.since = None;
        }
    }
}
