//! One lock a cluster, all of a wave at once. In a folder the operating system is the lease: it ends with the process, however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Store, StoreError};
use crate::model::{ClusterName, Timestamp};

/// What stands in the lock of a cluster: who had it last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// Who, with process and host.
    pub owner: String,
    /// For which rollout.
    pub rollout: String,
    /// Since when.
    pub since: Timestamp,
    /// Grows with every holder, so that whoever lost the lock can be told from whoever has it.
    pub fence: u64,
}

/// Locks held. Letting go of this lets go of them.
#[derive(Debug, Default)]
pub struct Locks {
    held: Vec<(ClusterName, File)>,
}

impl Locks {
    /// Takes the locks of all these clusters, or none of them. Those held already stay.
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
    ) -> Result<(), StoreError> {
        let folder = store.root.join("locks");
        let mut taken = Vec::new();
        for cluster in clusters {
            if self.held.iter().any(|(held, _)| *held == cluster) {
                continue;
            }
            store.ensure(&folder)?;
            let file = take_one(&folder.join(format!("{cluster}.json")), &cluster, owner, rollout, now)?;
            taken.push((cluster, file));
        }
        self.held.extend(taken);
        Ok(())
    }

    /// Lets all of them go.
    pub fn release(&mut self) {
        self.held.clear();
    }
}

fn take_one(path: &Path, cluster: &ClusterName, owner: &str, rollout: &str, now: Timestamp) -> Result<File, StoreError> {
    let error = |source| StoreError::Io { doing: "lock", path: path.to_owned(), source };
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(error)?;
    let locked = file.try_lock();
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(error)?;
    // An empty lock is one that was never taken to the end.
    let last: Option<Holder> = serde_json::from_str(&text).ok();
    match locked {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let (owner, rollout, since) =
                last.map_or(("another process".into(), "unknown".into(), "just now".into()), |h| (h.owner, h.rollout, h.since.to_string()));
            return Err(StoreError::Locked { cluster: cluster.clone(), owner, rollout, since });
        }
        Err(TryLockError::Error(source)) => return Err(error(source)),
    }
    let holder = Holder { owner: owner.to_owned(), rollout: rollout.to_owned(), since: now, fence: last.map_or(1, |h| h.fence.saturating_add(1)) };
    let text = serde_json::to_string(&holder).map_err(|e| StoreError::Damaged { path: path.to_owned(), why: e.to_string() })?;
    file.seek(SeekFrom::Start(0)).map_err(error)?;
    file.write_all(text.as_bytes()).map_err(error)?;
    file.set_len(u64::try_from(text.len()).unwrap_or(u64::MAX)).and_then(|()| file.sync_all()).map_err(error)?;
    Ok(file)
}
