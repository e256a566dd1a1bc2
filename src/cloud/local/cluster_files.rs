//! The file of each cluster of the simulated account: a line with all of it, then a line for each change. Knows no rules of AWS.
//!
//! An effect changes one group of a dozen: writing all of them again each time was a third of what a rollout of a thousand clusters cost. Once the changes
//! take as much room as the whole, the file is replaced. A line that a killed process left unfinished is no change: it ends the file, and whoever
//! writes next replaces it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cluster::{GroupsState, SimulatedCluster};
use super::files::{VERSION, decode, private, read_json, unusable, write};
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

/// What this process wrote last of every cluster.
#[derive(Debug, Default)]
pub(super) struct ClusterFiles(BTreeMap<Place, Filed>);

/// One file as this process left it.
#[derive(Debug)]
struct Filed {
    state: GroupsState,
    /// Which file it is, and how long: another process's is another.
    inode: u64,
    length: u64,
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
        let added = match self.0.get_mut(&cluster.place) {
            Some(filed) => filed.add(&path, cluster)?,
            None => false,
        };
        if added {
            return Ok(());
        }
        self.replace(&path, cluster)
    }

    /// Writes a cluster's file anew, in one line: for who reads it.
    pub(super) fn rest(
        &mut self,
        dir: &Path,
        cluster: &SimulatedCluster,
    ) -> Result<(), CloudError> {
        self.replace(&path_of(dir, &cluster.place), cluster)
    }

    fn replace(&mut self, path: &Path, cluster: &SimulatedCluster) -> Result<(), CloudError> {
        // Whatever happens now, the file is not what it was.
        self.0.remove(&cluster.place);
        let filed = written(path, cluster)?;
        self.0.insert(cluster.place.clone(), filed);
        Ok(())
    }
}

impl Filed {
    /// Whether what has changed could be added.
    fn add(&mut self, path: &Path, cluster: &SimulatedCluster) -> Result<bool, CloudError> {
        let change = Change {
            at: cluster.at,
            state: self.state.change_to(&cluster.state),
        };
        let mut line = serde_json::to_vec(&change).map_err(|e| unusable(path, &e))?;
        line.push(b'\n');
        let length = self.length + line.len() as u64;
        if length > self.whole * 2 {
            return Ok(false);
        }
        let Ok(mut file) = private().append(true).open(path) else {
            return Ok(false);
        };
        let found = file.metadata().map_err(|e| unusable(path, &e))?;
        if (found.ino(), found.len()) != (self.inode, self.length) {
            return Ok(false);
        }
        file.write_all(&line).map_err(|e| unusable(path, &e))?;
        self.length = length;
        self.state = cluster.state.clone();
        Ok(true)
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
    Ok(Filed {
        state: cluster.state.clone(),
        inode: found.ino(),
        length: found.len(),
        whole: text.len() as u64,
    })
}

/// What a cluster's file holds.
pub(super) fn read(dir: &Path, path: &Path) -> Result<SimulatedCluster, CloudError> {
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
    /// What makes it the other one.
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

fn changed<T, V>(
    from: &BTreeMap<AsgName, Cached<T, V>>,
    to: &BTreeMap<AsgName, Cached<T, V>>,
) -> Changed<T, V> {
    let gone = from.keys().filter(|name| !to.contains_key(*name));
    let other = to.iter().filter(|(name, value)| {
        let before = from.get(*name);
        !before.is_some_and(|before| before.is(value))
    });
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
