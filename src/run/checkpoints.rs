//! How a rollout stands is left beside its journal now and then, so that a look need not read all of it. Decides nothing.

use std::time::{Duration, Instant};

use crate::store::Journal;

/// A journal with fewer bytes than this is read as quickly whole.
const WORTH: usize = 64 * 1024;
/// What a look has to read of a journal is what was written in this time.
const EVERY: Duration = Duration::from_secs(10);
/// The share of the run's time that this may take: one part in as many.
const SHARE: u32 = 50;

/// When it was done last.
#[derive(Debug)]
pub(super) struct Checkpoints {
    last: Instant,
    took: Duration,
}

impl Checkpoints {
    pub(super) fn new() -> Checkpoints {
        Checkpoints {
            last: Instant::now(),
            took: Duration::ZERO,
        }
    }

    /// After an append: due where enough was written, and time has passed or nothing more is to come.
    pub(super) fn follow(&mut self, journal: &mut Journal) {
        let is_over = journal.progress().ending.is_some();
        let is_time = is_over || self.last.elapsed() >= EVERY.max(self.took * SHARE);
        if is_time && journal.bytes_since_checkpoint() >= WORTH {
            let began = Instant::now();
            journal.leave_checkpoint();
            (self.last, self.took) = (Instant::now(), began.elapsed());
        }
    }
}
