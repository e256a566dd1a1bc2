//! One lock a cluster, all of a wave at once. In a folder the operating system is the lease: it ends with the process, however that ends.
//! In a store that is no folder it is a lease (`lease`), which a process that died keeps until it is over.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::folder::refused;
use super::lease::{Lease, NotTaken};
use super::{Keeper, Store, StoreError};
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

/// A lock that its last holder had not given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// The cluster; none: the rollout itself.
    pub cluster: Option<ClusterName>,
    /// Who had it.
    pub from: Holder,
    /// Our number.
    pub fence: u64,
}

/// Locks held. Letting go of this lets go of them.
#[derive(Debug, Default)]
pub struct Locks {
    held: Vec<(ClusterName, Hold)>,
}

/// What keeps others away; it ends when it is dropped.
#[derive(Debug)]
enum Hold {
    File {
        /// Locked by the operating system.
        _file: File,
    },
    Lease(Lease),
}

impl Locks {
    /// Takes the locks of all these clusters, or none of them. Those held already stay. Says which of them their last holders had not
    /// given back: that belongs into the journal.
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
        // Sorted: whoever wants the same ones meets us at the first.
        let wanted: BTreeSet<ClusterName> = clusters
            .into_iter()
            .filter(|c| self.held.iter().all(|(held, _)| held != c))
            .collect();
        let (mut taken, mut over) = (Vec::new(), Vec::new());
        for cluster in wanted {
            store.ensure()?;
            let holder = Holder {
                owner: owner.to_owned(),
                rollout: rollout.to_owned(),
                since: now,
                fence: 0,
            };
            let hold = match &store.keeper {
                Keeper::Folder(root) => Hold::File {
                    _file: lock_file(&root.join("locks"), &cluster, holder)?,
                },
                Keeper::Leases(leases) => {
                    let lease = leases
                        .take(&format!("locks/{cluster}.json"), &holder)
                        .map_err(|e| not_taken(e, &cluster))?;
                    over.extend(lease.from.clone().map(|from| TakenOver {
                        cluster: Some(cluster.clone()),
                        from,
                        fence: lease.fence,
                    }));
                    Hold::Lease(lease)
                }
            };
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
            Some((_, Hold::File { _file })) => Ok(()),
            Some((_, Hold::Lease(lease))) => lease.check(cluster.as_str()),
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

fn not_taken(error: NotTaken, cluster: &ClusterName) -> StoreError {
    match error {
        NotTaken::Held(holder) => locked(cluster, Some(holder)),
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
        holder.map_or_else(unknown, |h| (h.owner, h.rollout, h.since.to_string()));
    StoreError::Locked {
        cluster: cluster.clone(),
        owner,
        rollout,
        since,
    }
}

fn lock_file(folder: &Path, cluster: &ClusterName, holder: Holder) -> Result<File, StoreError> {
    let path = folder.join(format!("{cluster}.json"));
    let error = |e| refused("lock", &path, &e);
    std::fs::create_dir_all(folder).map_err(error)?;
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(error)?;
    let free = file.try_lock();
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(error)?;
    // An empty lock is one that was never taken to the end.
    let last: Option<Holder> = serde_json::from_str(&text).ok();
    match free {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(locked(cluster, last)),
        Err(TryLockError::Error(source)) => return Err(error(source).into()),
    }
    let holder = Holder {
        fence: last.map_or(1, |h| h.fence.saturating_add(1)),
        ..holder
    };
    let text = serde_json::to_string(&holder).map_err(|e| StoreError::Damaged {
        place: path.display().to_string(),
        why: e.to_string(),
    })?;
    file.seek(SeekFrom::Start(0)).map_err(error)?;
    file.write_all(text.as_bytes()).map_err(error)?;
    file.set_len(u64::try_from(text.len()).unwrap_or(u64::MAX))
        .and_then(|()| file.sync_all())
        .map_err(error)?;
    Ok(file)
}
