//! The file of each cluster of the simulated account: a line with all of it, then a line for each change. Knows no rules of AWS.
//!
//! An effect changes one group of a dozen: writing all of them again each time was a third of what a rollout of a thousand clusters cost. Once the changes
//! take as much room as the whole, the file is replaced. A line that a killed process left unfinished is no change: it ends the file, and whoever
//! writes next replaces it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cluster::{GroupsState, SimulatedCluster};
use super::files::{
    CLOCK, Clock, VERSION, decode, private, read_clock, read_json, unusable, write,
};
use super::kept::Cached;
use super::state::SimulatedGroup;
use super::state_store::SimulatedStateStore;
use super::templates::SimulatedTemplate;
use super::views::Views;
use crate::cloud::{CloudError, Place};
use crate::model::{AccountId, AsgName, ClusterName, Region, Timestamp};

/// A cluster's first line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    #[expect(dead_code, reason = "has been read as the head")]
    version: u32,
    cluster: ClusterName,
    account: AccountId,
    region: Region,
    at: Timestamp,
    state: GroupsState,
}

/// The same, to be written.
#[derive(Serialize)]
struct WholeToWrite<'c> {
    version: u32,
    cluster: &'c ClusterName,
    account: &'c AccountId,
    region: &'c Region,
    at: Timestamp,
    state: &'c GroupsState,
}

/// Each following line: what is another than before; null: what is no longer there.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Change {
    at: Timestamp,
    state: StateChange,
}

type Changed<T, V = ()> = BTreeMap<AsgName, Option<Cached<T, V>>>;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct StateChange {
    #[serde(default = "BTreeMap::new", skip_serializing_if = "BTreeMap::is_empty")]
    groups: Changed<SimulatedGroup, Views>,
    #[serde(default = "BTreeMap::new", skip_serializing_if = "BTreeMap::is_empty")]
    templates: Changed<SimulatedTemplate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made: Option<BTreeMap<AsgName, u64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kops: Option<SimulatedStateStore>,
}

/// Which value of each was written; not the value, which would be there twice.
type Marks = BTreeMap<AsgName, u64>;

/// What this process wrote last of every cluster.
#[derive(Debug, Default)]
pub(super) struct ClusterFiles {
    /// The files as they were last seen, or written.
    pub(super) seen: Stamps,
    filed: BTreeMap<Place, Filed>,
}

/// One file as this process left it.
#[derive(Debug)]
struct Filed {
    groups: Marks,
    templates: Marks,
    made: BTreeMap<AsgName, u64>,
    kops: SimulatedStateStore,
    /// Another process makes another file of it.
    stamp: Stamp,
    /// Bytes of its first line.
    whole: u64,
}

impl ClusterFiles {
    /// Brings a cluster's file up to date: by what has changed, where this process wrote it last.
    pub(super) fn write(
        &mut self,
        dir: &Path,
        cluster: &SimulatedCluster,
    ) -> Result<(), CloudError> {
        let path = path_of(dir, &cluster.place);
        let added = match self.filed.get(&cluster.place) {
            Some(filed) => filed.with(&path, cluster)?,
            None => None,
        };
        match added {
            Some(filed) => {
                self.take(path, &cluster.place, filed);
                Ok(())
            }
            None => self.replace(path, cluster),
        }
    }

    /// Writes a cluster's file anew, in one line: for who reads it.
    pub(super) fn rest(
        &mut self,
        dir: &Path,
        cluster: &SimulatedCluster,
    ) -> Result<(), CloudError> {
        self.replace(path_of(dir, &cluster.place), cluster)
    }

    fn replace(&mut self, path: PathBuf, cluster: &SimulatedCluster) -> Result<(), CloudError> {
        // Whatever happens now, the file is not what it was.
        self.filed.remove(&cluster.place);
        let filed = written(&path, cluster)?;
        self.take(path, &cluster.place, filed);
        Ok(())
    }

    /// What this process wrote itself it need not read.
    fn take(&mut self, path: PathBuf, place: &Place, filed: Filed) {
        self.seen.insert(path, filed.stamp);
        self.filed.insert(place.clone(), filed);
    }
}

impl Filed {
    /// The file with what has changed, where that could be added.
    fn with(&self, path: &Path, cluster: &SimulatedCluster) -> Result<Option<Filed>, CloudError> {
        let change = Change {
            at: cluster.at,
            state: self.change_to(&cluster.state),
        };
        let mut line = serde_json::to_vec(&change).map_err(|e| unusable(path, &e))?;
        line.push(b'\n');
        let (.., length) = self.stamp;
        if length + line.len() as u64 > self.whole * 2 {
            return Ok(None);
        }
        let Ok(mut file) = private().append(true).open(path) else {
            return Ok(None);
        };
        let found = file.metadata().map_err(|e| unusable(path, &e))?;
        if stamp(&found) != self.stamp {
            return Ok(None);
        }
        file.write_all(&line).map_err(|e| unusable(path, &e))?;
        let now = file.metadata().map_err(|e| unusable(path, &e))?;
        Ok(Some(Filed::new(&cluster.state, stamp(&now), self.whole)))
    }

    fn new(state: &GroupsState, stamp: Stamp, whole: u64) -> Filed {
        let GroupsState {
            groups,
            templates,
            made,
            kops,
        } = state;
        Filed {
            groups: marks(groups),
            templates: marks(templates),
            made: made.clone(),
            kops: kops.clone(),
            stamp,
            whole,
        }
    }

    /// What makes the file that of another state.
    fn change_to(&self, to: &GroupsState) -> StateChange {
        let GroupsState {
            groups,
            templates,
            made,
            kops,
        } = to;
        StateChange {
            groups: changed(&self.groups, groups),
            templates: changed(&self.templates, templates),
            made: (self.made != *made).then(|| made.clone()),
            kops: (self.kops != *kops).then(|| kops.clone()),
        }
    }
}

fn written(path: &Path, cluster: &SimulatedCluster) -> Result<Filed, CloudError> {
    let Place {
        cluster: name,
        account,
        region,
    } = &cluster.place;
    let whole = WholeToWrite {
        version: VERSION,
        cluster: name,
        account,
        region,
        at: cluster.at,
        state: &cluster.state,
    };
    let mut text = serde_json::to_string(&whole).map_err(|e| unusable(path, &e))?;
    text.push('\n');
    write(path, &text)?;
    let found = fs::metadata(path).map_err(|e| unusable(path, &e))?;
    Ok(Filed::new(&cluster.state, stamp(&found), text.len() as u64))
}

/// What makes a file another one than it was, replaced or added to.
type Stamp = (u64, i64, u64);

/// Of each file.
pub(super) type Stamps = BTreeMap<PathBuf, Stamp>;

fn stamp(found: &fs::Metadata) -> Stamp {
    (found.ino(), found.mtime_nsec(), found.len())
}

/// Reads what there is, of the clusters those alone whose files are not as they were seen last; none for a folder that is missing or empty.
pub(super) fn read_changed(
    dir: &Path,
    seen: &mut Stamps,
) -> Result<Option<(Clock, Vec<SimulatedCluster>)>, CloudError> {
    let clusters = clusters(dir, seen)?;
    match read_clock(dir)? {
        Some(clock) => Ok(Some((clock, clusters))),
        None if clusters.is_empty() => Ok(None),
        None => Err(unusable(
            &dir.join(CLOCK),
            &"there are clusters, and it is missing".to_owned(),
        )),
    }
}

/// Those whose files have changed since they were last seen.
fn clusters(dir: &Path, seen: &mut Stamps) -> Result<Vec<SimulatedCluster>, CloudError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(unusable(dir, &e)),
    };
    let mut clusters = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| unusable(dir, &e))?.path();
        let name = path
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default();
        if !(name.starts_with("cluster-") && name.ends_with(".json")) {
            continue;
        }
        clusters.extend(
            changed_file(&path, seen)?
                .then(|| read(dir, &path))
                .transpose()?,
        );
    }
    Ok(clusters)
}

/// Whether a file is another one than when it was last seen.
fn changed_file(path: &Path, seen: &mut Stamps) -> Result<bool, CloudError> {
    let found = fs::metadata(path).map_err(|e| unusable(path, &e))?;
    let stamp = stamp(&found);
    Ok(seen.insert(path.to_owned(), stamp) != Some(stamp))
}

/// What a cluster's file holds.
fn read(dir: &Path, path: &Path) -> Result<SimulatedCluster, CloudError> {
    let bytes = fs::read(path).map_err(|e| unusable(path, &e))?;
    // The first line came into being at once; files of version 1 have no end of line.
    let first = bytes
        .iter()
        .position(|b| *b == b'\n')
        .unwrap_or(bytes.len());
    let (first, rest) = bytes.split_at(first);
    let Whole {
        version: _,
        cluster,
        account,
        region,
        mut at,
        mut state,
    } = decode(path, first)?;
    let place = Place {
        cluster,
        account,
        region,
    };
    if path != path_of(dir, &place) {
        let message = format!(
            "it holds cluster {} of account {}",
            place.cluster, place.account
        );
        return Err(unusable(path, &message));
    }
    let complete = rest.iter().rposition(|b| *b == b'\n').unwrap_or(0);
    let changes = rest
        .get(..complete)
        .unwrap_or_default()
        .split(|b| *b == b'\n');
    for line in changes.filter(|l| !l.is_empty()) {
        let change: Change = read_json(path, line)?;
        at = change.at;
        state.take(change.state);
    }
    Ok(SimulatedCluster::with(place, at, state))
}

fn path_of(dir: &Path, place: &Place) -> PathBuf {
    let Place {
        cluster,
        account,
        region,
    } = place;
    dir.join(format!("cluster-{account}-{region}-{cluster}.json"))
}

impl GroupsState {
    fn take(&mut self, change: StateChange) {
        let StateChange {
            groups,
            templates,
            made,
            kops,
        } = change;
        put(&mut self.groups, groups);
        put(&mut self.templates, templates);
        self.made = made.unwrap_or(std::mem::take(&mut self.made));
        self.kops = kops.unwrap_or(std::mem::take(&mut self.kops));
    }
}

fn marks<T, V>(values: &BTreeMap<AsgName, Cached<T, V>>) -> Marks {
    let marks = values.iter().map(|(name, v)| (name.clone(), v.mark()));
    marks.collect()
}

fn changed<T, V>(from: &Marks, to: &BTreeMap<AsgName, Cached<T, V>>) -> Changed<T, V> {
    let gone = from.keys().filter(|name| !to.contains_key(*name));
    let other = to
        .iter()
        .filter(|(name, value)| from.get(*name) != Some(&value.mark()));
    gone.map(|name| (name.clone(), None))
        .chain(other.map(|(name, value)| (name.clone(), Some(value.clone()))))
        .collect()
}

fn put<T, V>(to: &mut BTreeMap<AsgName, Cached<T, V>>, changes: Changed<T, V>) {
    for (name, change) in changes {
        match change {
            Some(value) => to.insert(name, value),
            None => to.remove(&name),
        };
    }
}
