//! What the last `render` made of each cluster, kept in git's own folder: what is as it was then is not rendered again. `--check` never asks here.
//!
//! As git's index does it: a file that has the size, the times and the inode that it had after it was written or compared has not been changed. A file
//! that is so young that a change might leave its times as they are is not remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::fleet::{Cluster, Fleet};
use crate::model::{ClusterName, Digest, digest_of};
use crate::yaml::{Node, Value};

/// File systems keep times in steps; none that a fleet is kept on has longer ones.
const YOUNG: Duration = Duration::from_millis(50);

/// What is remembered of a folder.
pub(super) struct Remembered {
    /// Where it is kept; none: outside of git nothing is.
    file: Option<PathBuf>,
    /// What all clusters are made with: templates, snippets, names, this program.
    common: Digest,
    clusters: BTreeMap<ClusterName, RememberedCluster>,
}

/// One cluster, as it was.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct RememberedCluster {
    inputs: Digest,
    pub(super) warnings: Vec<String>,
    /// By path, relative to the folder of all clusters.
    files: BTreeMap<PathBuf, Stamp>,
}

/// What tells a file that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let meta = fs::symlink_metadata(path).ok().filter(|m| m.is_file())?;
        Some(Stamp {
            size: meta.len(),
            inode: meta.ino(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }

    fn is_young(&self, now: SystemTime) -> bool {
        let since = now
            .checked_sub(YOUNG)
            .and_then(|t| t.duration_since(SystemTime::UNIX_EPOCH).ok())
            .unwrap_or_default();
        let limit = (
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            i64::from(since.subsec_nanos()),
        );
        self.modified.max(self.changed) >= limit
    }
}

impl Remembered {
    /// What is remembered of `folder`, into which `fleet` is rendered.
    pub(super) fn of(fleet: &Fleet, folder: &Path) -> Self {
        let file = git_folder(&fleet.root).map(|git| git.join(file_name(folder)));
        let text = file.as_ref().and_then(|file| fs::read(file).ok());
        // What cannot be read is made anew.
        let clusters = text.and_then(|text| serde_json::from_slice(&text).ok());
        Remembered {
            file,
            common: common(fleet),
            clusters: clusters.unwrap_or_default(),
        }
    }

    /// What a cluster was, if that is what it still is: made from the same, and its files untouched. `present`: the files it has.
    pub(super) fn still(
        &self,
        cluster: &Cluster,
        folder: &Path,
        present: &BTreeSet<PathBuf>,
    ) -> Option<&RememberedCluster> {
        let entry = self.clusters.get(&cluster.name)?;
        let is_same = |(path, stamp): (&PathBuf, &Stamp)| {
            Stamp::of(&folder.join(path)).as_ref() == Some(stamp)
        };
        let is_still = present.iter().eq(entry.files.keys())
            && entry.inputs == self.inputs(cluster)
            && entry.files.iter().all(is_same);
        is_still.then_some(entry)
    }

    /// Takes down what was rendered just now, and forgets what the fleet no longer has.
    pub(super) fn keep(
        mut self,
        fleet: &Fleet,
        folder: &Path,
        rendered: BTreeMap<ClusterName, (Vec<String>, BTreeSet<PathBuf>)>,
    ) {
        let now = SystemTime::now();
        self.clusters
            .retain(|name, _| fleet.clusters.contains_key(name));
        for (name, (warnings, paths)) in rendered {
            let stamps = paths.into_iter().map(|path| {
                let stamp = Stamp::of(&folder.join(&path)).filter(|s| !s.is_young(now))?;
                Some((path, stamp))
            });
            let files: Option<BTreeMap<_, _>> = stamps.collect();
            match (files, fleet.clusters.get(&name)) {
                (Some(files), Some(cluster)) => {
                    let inputs = self.inputs(cluster);
                    let entry = RememberedCluster {
                        inputs,
                        warnings,
                        files,
                    };
                    self.clusters.insert(name, entry);
                }
                (None, _) | (_, None) => {
                    self.clusters.remove(&name);
                }
            }
        }
        // A user who may not write here renders everything each time.
        let _kept = self.write();
    }

    fn write(&self) -> std::io::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let text = serde_json::to_vec(&self.clusters)?;
        let new = file.with_extension(format!("{}.new", std::process::id()));
        fs::write(&new, text)?;
        fs::rename(&new, file)
    }

    /// Everything that a cluster is made from.
    fn inputs(&self, cluster: &Cluster) -> Digest {
        let layers: Vec<Written<'_>> = cluster
            .vars
            .layers
            .iter()
            .map(|l| Written(&l.node))
            .collect();
        digest_of(&(
            &self.common,
            &cluster.name,
            &cluster.environment,
            (&cluster.region, &cluster.account),
            &cluster.templates,
            &cluster.protect,
            cluster.kops_version.unwrap_or_default().to_string(),
            layers,
        ))
    }
}

fn common(fleet: &Fleet) -> Digest {
    let sources = |s: &BTreeMap<String, crate::fleet::Source>| -> Vec<(String, String)> {
        s.values()
            .map(|s| (s.path.clone(), s.text.clone()))
            .collect()
    };
    let program = std::env::current_exe().ok();
    let program = program.map(|path| (path.clone(), Stamp::of(&path)));
    digest_of(&(
        program,
        sources(&fleet.templates),
        sources(&fleet.snippets),
        fleet.clusters.keys().collect::<Vec<_>>(),
        &fleet.settings.accept,
    ))
}

/// A value as it was written, wherever it stands.
struct Written<'n>(&'n Node);

impl Serialize for Written<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.value {
            Value::Scalar(scalar) => {
                (&scalar.value, &scalar.text, scalar.plain).serialize(serializer)
            }
            Value::List(items) => serializer.collect_seq(items.iter().map(Written)),
            Value::Map(entries) => {
                let entries = entries.iter().map(|(k, v)| (&k.text, k.plain, Written(v)));
                ("map", entries.collect::<Vec<_>>()).serialize(serializer)
            }
        }
    }
}

/// One file for each folder that is rendered into.
fn file_name(folder: &Path) -> String {
    let whole = fs::canonicalize(folder).or_else(|_| std::path::absolute(folder));
    let digest = digest_of(&whole.unwrap_or_else(|_| folder.to_owned()));
    format!("kfleet-render-{}.json", digest.short())
}

/// The folder of git in which a fleet lies.
fn git_folder(root: &Path) -> Option<PathBuf> {
    let root = fs::canonicalize(root).ok()?;
    let git = root
        .ancestors()
        .map(|a| a.join(".git"))
        .find(|g| g.exists())?;
    if git.is_dir() {
        return Some(git);
    }
    // A worktree or a submodule: the file says where.
    let text = fs::read_to_string(&git).ok()?;
    let folder = git
        .parent()?
        .join(text.strip_prefix("gitdir: ")?.trim_end());
    folder.is_dir().then_some(folder)
}
