//! What outlives a process: journals, locks, baselines, requests. A folder; written by temporary file and rename, or by append and sync. Decides nothing.
//!
//! ```text
//! store.json                which kind of cloud it belongs to; a store is never shared between a real and a simulated one
//! journals/<rollout>.jsonl  one record a line, append-only
//! baselines/<cluster>.json  what was last applied and verified
//! locks/<cluster>.json      who holds the cluster, with a fencing number that only grows
//! requests/<rollout>/       approvals and aborts left for the process that runs the rollout
//! ```

mod journal;
mod locks;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use journal::Journal;
pub use locks::{Holder, Locks};

use crate::model::{ClusterName, Digest, StageName, Timestamp};
use crate::plan::Baseline;
use crate::rollout::IllegalRecord;

/// Why the store could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder could not be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// `read`, `write`, …
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// In what way.
        why: String,
    },
    /// The records of a journal do not follow one another.
    #[error("the journal {} is damaged: {source}", path.display())]
    Journal {
        /// Which.
        path: PathBuf,
        /// Where.
        source: IllegalRecord,
    },
    /// The store belongs to another kind of cloud.
    #[error("the store {} belongs to the {theirs} cloud, and this is the {ours} cloud", path.display())]
    OtherCloud {
        /// The store.
        path: PathBuf,
        /// Its cloud.
        theirs: CloudKind,
        /// The cloud of this call.
        ours: CloudKind,
    },
    /// A cluster is held by another process.
    #[error("{cluster} is locked by {owner} for rollout {rollout} since {since}")]
    Locked {
        /// The cluster.
        cluster: ClusterName,
        /// Who.
        owner: String,
        /// For what.
        rollout: String,
        /// Since when.
        since: String,
    },
    /// A rollout is carried on by another process right now.
    #[error("rollout {0} is being carried on by another process")]
    Running(String),
    /// There is no such rollout.
    #[error("there is no rollout {0} in the store")]
    NoSuchRollout(String),
}

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
    root: PathBuf,
    kind: CloudKind,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marker {
    version: u32,
    cloud: CloudKind,
}

impl Store {
    /// Opens a store; writes nothing before there is something to write.
    ///
    /// # Errors
    /// When it belongs to another kind of cloud, or cannot be read.
    pub fn open(root: &Path, kind: CloudKind) -> Result<Store, StoreError> {
        let store = Store { root: root.to_owned(), kind };
        if root.exists() && !root.is_dir() {
            return Err(StoreError::Damaged { path: store.root, why: "it is a file, not a folder".into() });
        }
        let marker: Option<Marker> = read_json(&store.marker())?;
        match marker {
            Some(Marker { version: 1, cloud }) if cloud == kind => Ok(store),
            Some(Marker { version: 1, cloud }) => Err(StoreError::OtherCloud { path: store.root, theirs: cloud, ours: kind }),
            Some(Marker { version, cloud: _ }) => {
                Err(StoreError::Damaged { path: store.marker(), why: format!("version {version} is newer than this kfleet") })
            }
            None => Ok(store),
        }
    }

    /// The folder in which the simulated account keeps its state.
    pub fn local_state(&self) -> PathBuf {
        self.root.join("local")
    }

    /// The baselines there are.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn baselines(&self) -> Result<BTreeMap<ClusterName, Baseline>, StoreError> {
        let mut all = BTreeMap::new();
        for path in files(&self.root.join("baselines"), ".json")? {
            if let Some(baseline) = read_json::<Baseline>(&path)? {
                all.insert(baseline.cluster.clone(), baseline);
            }
        }
        Ok(all)
    }

    /// Writes a baseline.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_baseline(&self, baseline: &Baseline) -> Result<(), StoreError> {
        self.write_json(&self.baseline_path(&baseline.cluster), baseline)
    }

    /// Forgets a baseline.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove_baseline(&self, cluster: &ClusterName) -> Result<(), StoreError> {
        remove(&self.baseline_path(cluster))
    }

    /// Leaves a request for the process that carries the rollout on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn request(&self, rollout: &str, request: &Request) -> Result<(), StoreError> {
        let name = match request {
            Request::Approve { stage, .. } => format!("approve-{stage}.json"),
            Request::Abort { .. } => "abort.json".into(),
            Request::Rollback { .. } => "rollback.json".into(),
        };
        self.write_json(&self.requests(rollout).join(name), request)
    }

    /// The requests left for a rollout, with the names by which they are taken away.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn pending(&self, rollout: &str) -> Result<Vec<(PathBuf, Request)>, StoreError> {
        let mut all = Vec::new();
        for path in files(&self.requests(rollout), ".json")? {
            if let Some(request) = read_json(&path)? {
                all.push((path, request));
            }
        }
        Ok(all)
    }

    /// Takes a request away, once it stands in the journal.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn take_request(&self, path: &Path) -> Result<(), StoreError> {
        remove(path)
    }

    fn requests(&self, rollout: &str) -> PathBuf {
        self.root.join("requests").join(rollout)
    }

    fn baseline_path(&self, cluster: &ClusterName) -> PathBuf {
        self.root.join("baselines").join(format!("{cluster}.json"))
    }

    fn marker(&self) -> PathBuf {
        self.root.join("store.json")
    }

    /// Makes the store on the first write.
    fn ensure(&self, folder: &Path) -> Result<(), StoreError> {
        fs::create_dir_all(folder).map_err(|source| StoreError::Io { doing: "create", path: folder.to_owned(), source })?;
        let marker = self.marker();
        if marker.exists() { Ok(()) } else { replace_file(&marker, &to_text(&Marker { version: 1, cloud: self.kind }, &marker)?) }
    }

    fn write_json(&self, path: &Path, value: &impl Serialize) -> Result<(), StoreError> {
        self.ensure(path.parent().unwrap_or(&self.root))?;
        replace_file(path, &to_text(value, path)?)
    }
}

fn to_text(value: &impl Serialize, path: &Path) -> Result<String, StoreError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| StoreError::Damaged { path: path.to_owned(), why: e.to_string() })?;
    Ok(text + "\n")
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StoreError> {
    match fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|e| StoreError::Damaged { path: path.to_owned(), why: e.to_string() }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::Io { doing: "read", path: path.to_owned(), source }),
    }
}

/// Files of a folder that end so, sorted; none when there is no folder.
fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, StoreError> {
    let error = |source| StoreError::Io { doing: "read", path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(error(e)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(error)?.path();
        if path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.ends_with(ending) && !n.starts_with('.')) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The whole new file or the whole old one, whatever happens in between.
fn replace_file(path: &Path, text: &str) -> Result<(), StoreError> {
    let error = |source| StoreError::Io { doing: "write", path: path.to_owned(), source };
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("file");
    let temporary = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let mut file = fs::File::create(&temporary).map_err(error)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(error)?;
    fs::rename(&temporary, path).map_err(error)
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(StoreError::Io { doing: "remove", path: path.to_owned(), source }),
        Ok(()) | Err(_) => Ok(()),
    }
}
