//! One lock a cluster, all of a wave at once. In a folder the operating system is the lease: it ends with the process, however that ends.
//! In a store that is no folder it is a lease (`lease`), which a process that died keeps until it is over.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::folder::{private_file, private_folder, refused};
use super::keeper::Keeper;
use super::lease::{Lease, NotTaken};
use super::{Holder, Store, StoreError, TakenOver};
use crate::model::{ClusterName, Timestamp};

/// Locks held. Letting go of this lets go of them.
#[derive(Debug, Default)]
pub struct Locks {
    held: Vec<(ClusterName, LockHandle)>,
}

/// What keeps others away; it ends when it is dropped.
#[derive(Debug)]
pub(super) enum LockHandle {
    File {
        /// Locked by the operating system.
        _file: LockedFile,
    },
    Lease(Lease),
}

impl LockHandle {
    /// Takes what lies under that key. `holder.fence` is not read.
    pub(super) fn take(store: &Store, key: &str, holder: Holder) -> Result<LockHandle, NotTaken> {
        store.ensure().map_err(NotTaken::Store)?;
        match &store.keeper {
            Keeper::Folder(root) => Ok(LockHandle::File {
                _file: LockedFile(lock_file(&root.join(key), holder)?),
            }),
            Keeper::Leases(leases) => leases.take(key, &holder).map(LockHandle::Lease),
        }
    }

    /// Whether it is held for certain, this very moment. Unknown is never held.
    pub(super) fn check(&self, what: &str) -> Result<(), StoreError> {
        match self {
            LockHandle::File { _file } => Ok(()),
            LockHandle::Lease(lease) => lease.check(what),
        }
    }

    /// From whom it was taken, when it had not been released, and our number.
    fn taken_over(&self) -> Option<(Holder, u64)> {
        match self {
            LockHandle::File { _file } => None,
            LockHandle::Lease(lease) => Some((lease.from.clone()?, lease.fence)),
        }
    }
}

impl Locks {
    /// Takes the locks of all these clusters, or none of them. Those held already stay. Says which of them their last holders had not
    /// released: that belongs into the journal.
    ///
    /// # Errors
    /// When one is held by another process, or the store cannot be written.
    pub fn take(
        &mut self,
        store: &Store,
        clusters: impl IntoIterator<Item = ClusterName>,
        owner: &str,
        rollout: &str,
        now: Timestamp,
    ) -> Result<Vec<TakenOver>, StoreError> {
        // Sorted: a process that wants the same ones meets us at the first.
        let wanted: BTreeSet<ClusterName> = clusters
            .into_iter()
            .filter(|c| self.held.iter().all(|(held, _)| held != c))
            .collect();
        let (mut taken, mut over) = (Vec::new(), Vec::new());
        for cluster in wanted {
            let holder = holder_of(owner, rollout, now);
            let hold = LockHandle::take(store, &format!("locks/{cluster}.json"), holder)
                .map_err(|e| not_taken(e, &cluster))?;
            over.extend(hold.taken_over().map(|(from, fence)| TakenOver {
                cluster: Some(cluster.clone()),
                from,
                fence,
            }));
            taken.push((cluster, hold));
        }
        self.held.extend(taken);
        Ok(over)
    }

    /// Whether the lock of a cluster is held for certain, this very moment. Unknown is never held.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self, cluster: &ClusterName) -> Result<(), StoreError> {
        match self.held.iter().find(|(held, _)| held == cluster) {
            Some((_, hold)) => hold.check(cluster.as_str()),
            None => Err(StoreError::LockLost {
                what: cluster.to_string(),
                why: "it was never taken".into(),
            }),
        }
    }

    /// Lets all of them go.
    pub fn release(&mut self) {
        self.held.clear();
    }
}

/// A holder whose number the lock gives.
fn holder_of(owner: &str, rollout: &str, now: Timestamp) -> Holder {
    Holder {
        owner: owner.to_owned(),
        rollout: rollout.to_owned(),
        since: now,
        fence: 0,
    }
}

fn not_taken(error: NotTaken, cluster: &ClusterName) -> StoreError {
    match error {
        NotTaken::Held(holder) => locked(cluster, holder),
        NotTaken::Store(error) => error,
    }
}

fn locked(cluster: &ClusterName, holder: Option<Holder>) -> StoreError {
    let unknown = || {
        (
            "another process".to_owned(),
            "unknown".to_owned(),
            "just now".to_owned(),
        )
    };
    let (owner, rollout, since) =
        holder.map_or_else(unknown, |h| (h.owner, h.rollout, h.since.clock()));
    StoreError::Locked {
        cluster: cluster.clone(),
        owner,
        rollout,
        since,
    }
}

/// A file that is locked. It is unlocked and not only closed: a child that was made this very moment has it open as well until it runs its own program.
#[derive(Debug)]
pub(super) struct LockedFile(File);

impl Drop for LockedFile {
    fn drop(&mut self) {
        // What cannot be unlocked is closed all the same.
        drop(self.0.unlock());
    }
}

/// How long a process takes at most from having a lock to having written its name into it.
const NAME_IS_WRITTEN: std::time::Duration = std::time::Duration::from_millis(50);

fn lock_file(path: &Path, holder: Holder) -> Result<File, NotTaken> {
    let error = |e| NotTaken::Store(refused("lock", path, &e).into());
    if let Some(folder) = path.parent() {
        private_folder(folder).map_err(error)?;
    }
    let mut file = private_file()
        .read(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(error)?;
    let free = file.try_lock();
    if matches!(free, Err(TryLockError::WouldBlock)) {
        // The process that took it this very moment has not written its name yet: the one that stands there had it before.
        std::thread::sleep(NAME_IS_WRITTEN);
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(error)?;
    // An empty lock is one that was never taken to the end.
    let last: Option<Holder> = serde_json::from_str(&text).ok();
    match free {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(NotTaken::Held(last)),
        Err(TryLockError::Error(source)) => return Err(error(source)),
    }
    let holder = Holder {
        fence: last.map_or(1, |h| h.fence.saturating_add(1)),
        ..holder
    };
    let text = serde_json::to_string(&holder).map_err(|e| {
        NotTaken::Store(StoreError::Damaged {
            place: path.display().to_string(),
            why: e.to_string(),
        })
    })?;
    file.seek(SeekFrom::Start(0)).map_err(error)?;
    file.write_all(text.as_bytes()).map_err(error)?;
    file.set_len(u64::try_from(text.len()).unwrap_or(u64::MAX))
        .and_then(|()| file.sync_all())
        .map_err(error)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_given_back_is_free_whoever_has_the_file_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let holder = || holder_of("anna", "r1", Timestamp::from_millis(0));
        let held = LockedFile(lock_file(&path, holder()).unwrap());
        // As a child has it between its making and its own program.
        let child = held.0.try_clone().unwrap();
        assert!(matches!(lock_file(&path, holder()), Err(NotTaken::Held(_))));
        drop(held);
        assert!(lock_file(&path, holder()).is_ok());
        drop(child);
    }
}
