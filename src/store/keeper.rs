//! The store itself: opened for one kind of cloud, and values in it by key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::damage::too_new;
use super::so_far::Looks;
use super::{CloudKind, Folder, Leases, Objects, StoreError, folder, objects};

/// Where journals, locks, baselines and approvals live: a folder, or a bucket with a prefix.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) objects: Arc<dyn Objects>,
    kind: CloudKind,
    pub(super) keeper: Keeper,
    /// The marker is known to be there: it is looked for once.
    marked: Arc<AtomicBool>,
    /// No other user of this machine can read it: that is seen to once.
    private: Arc<AtomicBool>,
    /// What was read of journals so far.
    pub(super) looks: Arc<Looks>,
}

/// What keeps two processes apart.
#[derive(Clone, Debug)]
pub(super) enum Keeper {
    /// The operating system: locks on files end with their process.
    Folder(PathBuf),
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
            looks: Arc::default(),
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
            looks: Arc::default(),
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

    /// Calls sent so far to the service that keeps it, by `service:Api`.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.objects.calls()
    }

    /// Makes the store on the first write.
    pub(super) fn ensure(&self) -> Result<(), StoreError> {
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
        // A store in a folder lies in the fleet's repository as a rule, and is not one of its files.
        if let Keeper::Folder(_) = &self.keeper {
            objects::create(&*self.objects, IGNORE, b"*\n")?;
        }
        // The process that was quicker wrote the same, or another cloud's.
        if !objects::create(&*self.objects, MARKER, marker.as_bytes())? {
            self.check_marker()?;
        }
        self.marked.store(true, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn write(&self, key: &str, value: &impl Serialize) -> Result<(), StoreError> {
        self.ensure()?;
        Ok(objects::replace(
            &*self.objects,
            key,
            self.text(value, key)?.as_bytes(),
        )?)
    }

    pub(super) fn text(&self, value: &impl Serialize, key: &str) -> Result<String, StoreError> {
        let text = serde_json::to_string_pretty(value).map_err(|e| StoreError::Damaged {
            place: self.place(key),
            why: e.to_string(),
        })?;
        Ok(text + "\n")
    }

    pub(super) fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StoreError> {
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
    pub(super) fn all<T: DeserializeOwned>(
        &self,
        folder: &str,
    ) -> Result<Vec<(String, T)>, StoreError> {
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

    pub(super) fn place(&self, key: &str) -> String {
        place_of(&*self.objects, key)
    }

    pub(super) fn journal_place(&self, id: &str) -> String {
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
        Err(damaged(too_new(u64::from(marker.version))))
    }
}
