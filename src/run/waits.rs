//! What is waited for is left in the store, too: another process that asks how things stand knows it then. Decides nothing.

use std::time::{Duration, Instant};

use crate::model::Timestamp;
use crate::rollout::{Waiting, Waits};
use crate::store::Store;

/// A simulated hour passes in milliseconds, and each writing is a call to S3: at most this often, and this often though nothing has changed.
const PAUSES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));

/// What was left last.
#[derive(Debug, Default)]
pub(super) struct Told {
    written: Option<Instant>,
    known: Option<Waits>,
    /// What is known is not what was written.
    open: bool,
    /// Something else is waited for than what was written.
    changed: bool,
}

impl Told {
    pub(super) fn leave(
        &mut self,
        store: &Store,
        rollout: &str,
        waiting: &[Waiting],
        now: Timestamp,
    ) {
        let known = self.known.as_ref();
        self.changed |= known.is_none_or(|known| known.waiting != waiting);
        self.known = Some(Waits {
            version: 1,
            at: now,
            waiting: waiting.to_vec(),
        });
        self.open = true;
        let pause = if self.changed { PAUSES.0 } else { PAUSES.1 };
        let written = self.written;
        if written.is_none_or(|written| written.elapsed() >= pause) {
            self.write(store, rollout);
        }
    }

    /// The process ends: what it waited for last stays; when the rollout is over, nothing does.
    pub(super) fn end(&mut self, store: &Store, rollout: &str, is_over: bool) {
        if is_over {
            // It is an aside: what cannot be removed is not shown of a rollout that is over.
            let _ = store.put_waits(rollout, None);
        } else if self.open {
            self.write(store, rollout);
        }
    }

    fn write(&mut self, store: &Store, rollout: &str) {
        // It is an aside: a store that is really away is noticed with the next record.
        let _ = store.put_waits(rollout, self.known.as_ref());
        self.written = Some(Instant::now());
        (self.open, self.changed) = (false, false);
    }
}
