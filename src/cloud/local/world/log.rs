//! The log of a simulated account: which calls took effect, for who asks.

use super::World;
use crate::cloud::local::logged::LoggedCall;

impl World {
    /// Remembers the mutating calls that take effect from now on. A rollout of a thousand clusters makes a hundred thousand.
    pub fn keep_log(&self) {
        self.inner().log = Some(Vec::new());
    }

    /// The mutating calls that took effect since [`World::keep_log`], oldest first. Those whose answer got lost are among them.
    pub fn log(&self) -> Vec<LoggedCall> {
        self.inner().log.clone().unwrap_or_default()
    }

    /// How many mutating calls took effect since this world was opened.
    pub fn done(&self) -> u64 {
        self.inner().done
    }
}
