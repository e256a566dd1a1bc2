//! One account in the hands of several processes: whose turn it is, and what the others have done since. How they know of one another is in `sharing`.

use std::fs::File;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::{MutexGuard, PoisonError};

use super::{Inner, World};
use crate::cloud::CloudError;
use crate::cloud::local::cluster_files;
use crate::cloud::local::sharing::{self, Doing};
use crate::cloud::local::simulate::Surroundings;
use crate::model::{Span, Timestamp};

/// Between two looks at whether time has passed.
const GLANCE: std::time::Duration = std::time::Duration::from_millis(2);

/// Between two looks at what others have done, while time stands still.
const BESIDE: std::time::Duration = std::time::Duration::from_millis(20);

/// The account, as long as this process has it to itself.
pub(in crate::cloud::local) struct Turn<'w> {
    inner: MutexGuard<'w, Inner>,
    /// Let go of last.
    _turn: Option<File>,
}

impl Deref for Turn<'_> {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl DerefMut for Turn<'_> {
    fn deref_mut(&mut self) -> &mut Inner {
        &mut self.inner
    }
}

impl World {
    pub(in crate::cloud::local) fn inner(&self) -> Turn<'_> {
        // A panic while the lock was held would be a bug of ours; the state is replaced as a whole, so it is sound even then.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = inner.take_turn();
        Turn { inner, _turn: turn }
    }

    pub(in crate::cloud::local) fn is_shared(&self) -> bool {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.is_shared
    }
}

impl Inner {
    /// Whether this process has taken the account, and no other one is at work on it.
    pub(super) fn is_alone(&self) -> Result<bool, CloudError> {
        match &self.sharing {
            Some(sharing) => Ok(sharing.others()?.is_empty()),
            None => Ok(self.lock.is_some()),
        }
    }

    /// Keeps the others out, and takes up what they have done since the last turn.
    pub(super) fn take_turn(&mut self) -> Option<File> {
        let dir = self.dir.clone().filter(|_| self.is_shared)?;
        let turn = sharing::turn(&dir).and_then(|turn| self.catch_up(&dir).map(|()| turn));
        match turn {
            Ok(turn) => turn,
            Err(trouble) => {
                self.trouble = Some(trouble);
                None
            }
        }
    }

    fn catch_up(&mut self, dir: &Path) -> Result<(), CloudError> {
        let Some((clock, changed)) = cluster_files::read_changed(dir, &mut self.files.seen)? else {
            return Ok(());
        };
        self.saved = Some(clock.options());
        self.options.seed = clock.options().seed;
        let now = changed.iter().map(|c| c.at).fold(clock.now, Timestamp::max);
        for mut cluster in changed {
            cluster.changed();
            self.index.add(&cluster);
            self.clusters.insert(cluster.place.clone(), cluster);
        }
        let around = Surroundings::new(&self.options, &self.faults);
        self.now = self.now.max(now);
        for cluster in self.clusters.values_mut() {
            cluster.advance(self.now, around);
        }
        Ok(())
    }

    /// What this process does, for the others.
    pub(in crate::cloud::local) fn say(&self, doing: Doing) -> Result<(), CloudError> {
        self.sharing.as_ref().map_or(Ok(()), |s| s.say(doing))
    }

    /// Waits until then, as far as the others do: whether that moment has come.
    pub(in crate::cloud::local) fn wait_in_turn(
        &mut self,
        until: Timestamp,
    ) -> Result<bool, CloudError> {
        self.begin()?;
        if until <= self.now {
            self.say(Doing::Work)?;
            return Ok(true);
        }
        self.say(Doing::Wait(until))?;
        let others = match &self.sharing {
            Some(sharing) => sharing.others()?,
            None => Vec::new(),
        };
        let mut next = until;
        for doing in others {
            match doing {
                Doing::Work => return Ok(false),
                Doing::Wait(theirs) => next = next.min(theirs),
                Doing::Nothing => {}
            }
        }
        self.wait(next)?;
        Ok(until <= self.now)
    }
}

/// While it is there, the process waits; then it is at work again.
struct Pause<'w>(&'w World);

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        // What cannot be said here is said by the next call, which fails alike.
        let _ = self.0.inner().say(Doing::Work);
    }
}

impl World {
    /// Waits until then, as the others do.
    pub(in crate::cloud::local) async fn wait_with_others(
        &self,
        until: Timestamp,
    ) -> Result<(), CloudError> {
        let pause = Pause(self);
        loop {
            let has_come = self.inner().wait_in_turn(until)?;
            if has_come {
                break;
            }
            tokio::time::sleep(GLANCE).await;
        }
        drop(pause);
        Ok(())
    }

    /// Lets the others go on; time is theirs meanwhile.
    pub(in crate::cloud::local) async fn stand_beside(
        &self,
        _poll: Span,
    ) -> Result<(), CloudError> {
        let pause = Pause(self);
        self.inner().say(Doing::Nothing)?;
        tokio::time::sleep(BESIDE).await;
        drop(pause);
        Ok(())
    }
}
