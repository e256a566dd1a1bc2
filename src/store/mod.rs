//! What outlives a process: journals, locks, baselines, requests. A folder, or objects in S3 (`objects`: the trait; the SDK is not named
//! here). Decides nothing.
//!
//! ```text
//! .gitignore                         in a folder: no file of a store belongs into git
//! store.json                         which kind of cloud it belongs to; a store is never shared between a real and a simulated one
//! journals/<rollout>.jsonl           in a folder: one record a line, append-only
//! journals/<rollout>/<number>.jsonl  elsewhere: what was appended at once, by the number of its first record
//! carriers/<rollout>.json            elsewhere: the lease of the process that carries the rollout on
//! baselines/<cluster>.json           what was last applied and verified
//! locks/<cluster>.json               who holds the cluster, with a fencing number that only grows
//! sequence/<number>                  which rollout was begun as which; numbers only grow
//! contents/<digest>                  user data that journals name by its digest
//! access/<rollout>.json              how the clusters of a rollout are reached, so that it can be taken back without the fleet's files
//! starting.json                      who is starting a rollout
//! requests/<rollout>/                approvals and aborts left for the process that runs the rollout
//! ended/<rollout>                    elsewhere: this rollout has ended, its journal need not be read to know
//! waits/<rollout>.json               what a rollout waited for when it last said so
//! warnings/<cluster>.json            what was wrong in a cluster when it was last looked at
//! drift/<cluster>.json               what the last look for drift found
//! forgotten/<cluster>.json           what was known of a cluster that somebody had forgotten
//! probes/                            for a moment: whether conditional puts work
//! stops/                             who stopped the line, and why
//! ```

mod asides;
mod drift;
mod error;
mod folder;
mod forgotten;
mod journal;
mod lease;
mod line;
mod locks;
mod logs;
mod objects;
mod probe;
mod starting;
mod stops;
mod tail;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use crate::model::object::{Condition, Object, Put};
pub use asides::Warnings;
pub use error::StoreError;
pub use folder::Folder;
pub use forgotten::Forgotten;
pub use journal::Journal;
pub use lease::{Leases, Terms, Ticks};
pub use locks::{Holder, Locks, TakenOver};
pub use objects::{ObjectError, Objects};
pub use probe::Probe;
pub use starting::{Access, ClusterAccess, Starting};
pub use stops::Stop;

use crate::model::{ClusterName, Digest, StageName, Timestamp, digest_of};
use crate::plan::Baseline;

/// Which kind of cloud a store belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloudKind {
    /// Amazon's.
    Aws,
    /// The embedded simulated account.
    Local,
}

impl std::fmt::Display for CloudKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            CloudKind::Aws => "aws",
            CloudKind::Local => "local",
        })
    }
}

/// Something a person asks of a running, or waiting, rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// A stage may start.
    Approve {
        /// The plan that was looked at.
        plan: Digest,
        /// The stage.
        stage: StageName,
        /// Who.
        by: String,
        /// Until when it counts.
        expires: Timestamp,
    },
    /// Go back, all of it.
    Rollback {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Stop, and give back what is open.
    Abort {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

/// The store.
#[derive(Clone, Debug)]
pub struct Store {
    objects: Arc<dyn Objects>,
    kind: CloudKind,
    keeper: Keeper,
    /// The marker is known to be there: it is looked for once.
    marked: Arc<AtomicBool>,
    /// Nobody else on this machine can read it: that is seen to once.
    private: Arc<AtomicBool>,
}

/// What keeps two processes apart.
#[derive(Clone, Debug)]
enum Keeper {
    /// The operating system: locks on files end with their process.
    Folder(PathBuf),
    /// Leases.
    Leases(Leases),
}

#[derive(PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marker {
    version: u32,
    cloud: CloudKind,
}

const MARKER: &str = "store.json";
const IGNORE: &str = ".gitignore";

impl Store {
    /// Opens a folder; writes nothing before there is something to write.
    ///
    /// # Errors
    /// When it belongs to another kind of cloud, or cannot be read.
    pub fn open(root: &Path, kind: CloudKind) -> Result<Store, StoreError> {
        if root.exists() && !root.is_dir() {
            return Err(StoreError::Damaged {
                place: root.display().to_string(),
                why: "it is a file, not a folder".into(),
            });
        }
        Store {
            objects: Arc::new(Folder::new(root)),
            kind,
            keeper: Keeper::Folder(root.to_owned()),
            marked: Arc::default(),
            private: Arc::default(),
        }
        .opened()
    }

    /// Opens a store that is no folder; writes nothing before there is something to write.
    ///
    /// # Errors
    /// When it belongs to another kind of cloud, or cannot be read.
    pub fn of_objects(leases: Leases, kind: CloudKind) -> Result<Store, StoreError> {
        Store {
            objects: Arc::clone(leases.objects()),
            kind,
            keeper: Keeper::Leases(leases),
            marked: Arc::default(),
            private: Arc::default(),
        }
        .opened()
    }

    /// The kind of cloud that the store in a folder belongs to; none while nothing was written to it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn kind_of(root: &Path) -> Result<Option<CloudKind>, StoreError> {
        let folder = Folder::new(root);
        let Some(found) = folder.get(MARKER)? else {
            return Ok(None);
        };
        Ok(Some(
            marker(&found.bytes, &place_of(&folder, MARKER))?.cloud,
        ))
    }

    fn opened(self) -> Result<Store, StoreError> {
        self.marked.store(self.check_marker()?, Ordering::Relaxed);
        Ok(self)
    }

    /// Whether the store knows its cloud already.
    fn check_marker(&self) -> Result<bool, StoreError> {
        let Some(found) = self.objects.get(MARKER)? else {
            return Ok(false);
        };
        let theirs = marker(&found.bytes, &self.place(MARKER))?.cloud;
        if theirs == self.kind {
            Ok(true)
        } else {
            Err(StoreError::OtherCloud {
                place: self.objects.place(),
                theirs,
                ours: self.kind,
            })
        }
    }

    /// The kind of cloud it belongs to.
    pub fn kind(&self) -> CloudKind {
        self.kind
    }

    /// Its folder; none where it is no folder.
    pub fn folder(&self) -> Option<&Path> {
        match &self.keeper {
            Keeper::Folder(root) => Some(root),
            Keeper::Leases(_) => None,
        }
    }

    /// The folder in which the simulated account keeps its state; none where the store is no folder.
    pub fn local_state(&self) -> Option<PathBuf> {
        match &self.keeper {
            Keeper::Folder(root) => Some(root.join("local")),
            Keeper::Leases(_) => None,
        }
    }

    /// The baselines there are.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn baselines(&self) -> Result<BTreeMap<ClusterName, Baseline>, StoreError> {
        let all: Vec<(String, Baseline)> = self.all("baselines/")?;
        let mut baselines = BTreeMap::new();
        for (key, baseline) in all {
            let damaged = |why: String| StoreError::Damaged {
                place: self.place(&key),
                why,
            };
            if baseline.version != 1 {
                return Err(damaged(format!(
                    "version {} is newer than this kfleet",
                    baseline.version
                )));
            }
            if key != baseline_key(&baseline.cluster) {
                return Err(damaged(format!(
                    "it is the baseline of {}",
                    baseline.cluster
                )));
            }
            baselines.insert(baseline.cluster.clone(), baseline);
        }
        Ok(baselines)
    }

    /// Writes a baseline.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_baseline(&self, baseline: &Baseline) -> Result<(), StoreError> {
        self.write(&baseline_key(&baseline.cluster), baseline)
    }

    /// Forgets a baseline.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove_baseline(&self, cluster: &ClusterName) -> Result<(), StoreError> {
        Ok(self.objects.delete(&baseline_key(cluster))?)
    }

    /// Leaves a request for the process that carries the rollout on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn request(&self, rollout: &str, request: &Request) -> Result<(), StoreError> {
        journal::checked(rollout)?;
        let what = match request {
            Request::Approve { stage, .. } => format!("approve-{stage}"),
            Request::Abort { .. } => "abort".into(),
            Request::Rollback { .. } => "rollback".into(),
        };
        // Named by what it says as well: one that is taken away is never one that came in just now.
        self.write(
            &format!(
                "requests/{rollout}/{what}-{}.json",
                digest_of(request).short()
            ),
            request,
        )
    }

    /// The requests left for a rollout, with the names by which they are taken away.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn pending(&self, rollout: &str) -> Result<Vec<(String, Request)>, StoreError> {
        journal::checked(rollout)?;
        self.all(&format!("requests/{rollout}/"))
    }

    /// Calls sent so far to whoever keeps it, by `service:Api`.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.objects.calls()
    }

    /// Takes a request away, once it stands in the journal.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn take_request(&self, name: &str) -> Result<(), StoreError> {
        Ok(self.objects.delete(name)?)
    }

    /// Makes the store on the first write.
    fn ensure(&self) -> Result<(), StoreError> {
        if let Keeper::Folder(root) = &self.keeper
            && !self.private.swap(true, Ordering::Relaxed)
        {
            folder::close_to_others(root).map_err(|e| folder::refused("close", root, &e))?;
        }
        if self.marked.load(Ordering::Relaxed) {
            return Ok(());
        }
        let marker = self.text(
            &Marker {
                version: 1,
                cloud: self.kind,
            },
            MARKER,
        )?;
        // A store in a folder lies in the fleet's repository as a rule, and is none of its files.
        if let Keeper::Folder(_) = &self.keeper {
            objects::create(&*self.objects, IGNORE, b"*\n")?;
        }
        // Whoever was quicker wrote the same, or another cloud's.
        if !objects::create(&*self.objects, MARKER, marker.as_bytes())? {
            self.check_marker()?;
        }
        self.marked.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn write(&self, key: &str, value: &impl Serialize) -> Result<(), StoreError> {
        self.ensure()?;
        Ok(objects::replace(
            &*self.objects,
            key,
            self.text(value, key)?.as_bytes(),
        )?)
    }

    fn text(&self, value: &impl Serialize, key: &str) -> Result<String, StoreError> {
        let text = serde_json::to_string_pretty(value).map_err(|e| StoreError::Damaged {
            place: self.place(key),
            why: e.to_string(),
        })?;
        Ok(text + "\n")
    }

    fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StoreError> {
        match self.objects.get(key)? {
            Some(found) => {
                serde_json::from_slice(&found.bytes)
                    .map(Some)
                    .map_err(|e| StoreError::Damaged {
                        place: self.place(key),
                        why: e.to_string(),
                    })
            }
            None => Ok(None),
        }
    }

    /// What lies in a folder, by its key.
    fn all<T: DeserializeOwned>(&self, folder: &str) -> Result<Vec<(String, T)>, StoreError> {
        let names = self.objects.list(folder)?;
        let keys: Vec<String> = names
            .iter()
            .filter(|n| n.ends_with(".json"))
            .map(|n| format!("{folder}{n}"))
            .collect();
        let mut all = Vec::new();
        for (key, found) in keys.iter().zip(self.objects.get_all(&keys)?) {
            // Removed since it was listed.
            let Some(found) = found else { continue };
            let value = serde_json::from_slice(&found.bytes).map_err(|e| StoreError::Damaged {
                place: self.place(key),
                why: e.to_string(),
            })?;
            all.push((key.clone(), value));
        }
        Ok(all)
    }

    fn place(&self, key: &str) -> String {
        place_of(&*self.objects, key)
    }

    fn journal_place(&self, id: &str) -> String {
        match &self.keeper {
            Keeper::Folder(_) => self.place(&format!("journals/{id}.jsonl")),
            Keeper::Leases(_) => self.place(&format!("journals/{id}/")),
        }
    }
}

fn place_of(objects: &dyn Objects, key: &str) -> String {
    format!("{}/{key}", objects.place())
}

fn marker(bytes: &[u8], place: &str) -> Result<Marker, StoreError> {
    let damaged = |why: String| StoreError::Damaged {
        place: place.to_owned(),
        why,
    };
    let marker: Marker = serde_json::from_slice(bytes).map_err(|e| damaged(e.to_string()))?;
    if marker.version == 1 {
        Ok(marker)
    } else {
        Err(damaged(format!(
            "version {} is newer than this kfleet",
            marker.version
        )))
    }
}

fn baseline_key(cluster: &ClusterName) -> String {
    format!("baselines/{cluster}.json")
}
