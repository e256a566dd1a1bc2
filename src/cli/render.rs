//! `kfleet render`: manifests and definitions as files, printed, or compared with the files there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::args::{Arguments, RenderArguments};
use super::cores::on_all_cores;
use super::failure::Failure;
use super::output::Output;
use super::pipeline::{Prepared, PreparedFleet, Preparer, Trees};
use super::remembered::Remembered;
use super::staged::Staged;
use super::{Exit, given};
use crate::fleet::{self, Cluster, Fleet};
use crate::model::{ClusterName, Rendering};
use crate::yaml;

pub(super) fn run(
    arguments: &Arguments,
    command: &RenderArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let fleet = fleet::load(&arguments.directory)?;
    let preparer = Preparer::new(&fleet)?;
    if command.out.as_deref() == Some(Path::new("-")) {
        return print(&preparer, &fleet, &command.clusters, output);
    }
    let folder = command
        .out
        .clone()
        .unwrap_or_else(|| arguments.directory.join("rendered"));
    let selected = select(&fleet, &command.clusters)?;
    let is_named = !command.clusters.is_empty();
    let named: BTreeSet<&ClusterName> = selected.iter().filter(|_| is_named).collect();
    let staged = (!command.check).then(|| Staged::below(&folder));
    let remembered = (!command.check).then(|| Remembered::of(&fleet, &folder));
    let job = Job {
        preparer: &preparer,
        folder: &folder,
        named: &named,
        staged: staged.as_ref(),
        remembered: remembered.as_ref(),
    };
    let clusters: Vec<&Cluster> = fleet.clusters.values().collect();
    let mut compared = Compared::default();
    let mut rendered = BTreeMap::new();
    let done = on_all_cores(&clusters, |cluster| job.one(cluster))?;
    for (cluster, one) in clusters.iter().zip(done) {
        for warning in &one.warnings {
            output.story(&format!("warning: {warning}"));
        }
        compared.add(one.compared);
        let files = one.files.map(|files| (one.warnings, files));
        rendered.extend(files.map(|new| (cluster.name.clone(), new)));
    }
    if !is_named {
        compared.stale.extend(strangers(&folder, &fleet)?);
    }
    let Some(staged) = staged else {
        return Ok(check(&folder, &compared, output));
    };
    staged.put(compared.changed.keys())?;
    for path in &compared.stale {
        remove(&folder, path)?;
    }
    if let Some(remembered) = remembered {
        remembered.keep(&fleet, &folder, rendered);
    }
    output.story(&format!(
        "{} clusters rendered, {} files: {} written, {} removed, {} as they were",
        selected.len(),
        compared.files,
        compared.changed.len(),
        compared.stale.len(),
        compared.files - compared.changed.len()
    ));
    Ok(Exit::Good)
}

/// What `render` does with every cluster.
struct Job<'j> {
    preparer: &'j Preparer<'j>,
    folder: &'j Path,
    /// The clusters whose files are wanted; all when no cluster is named.
    named: &'j BTreeSet<&'j ClusterName>,
    /// Where new texts are kept; none: they are only compared.
    staged: Option<&'j Staged>,
    /// What was rendered before; none where that does not matter.
    remembered: Option<&'j Remembered>,
}

/// What came of a cluster.
struct One {
    warnings: Vec<String>,
    compared: Compared,
    /// Its files, where they were rendered just now.
    files: Option<BTreeSet<PathBuf>>,
}

impl Job<'_> {
    fn one(&self, cluster: &Cluster) -> Result<One, Failure> {
        let is_wanted = self.named.is_empty() || self.named.contains(&cluster.name);
        let mut compared = Compared::default();
        if let Some(remembered) = self.remembered {
            let present = present(self.folder, Path::new(cluster.name.as_str()))?;
            if let Some(entry) = remembered.still(cluster, self.folder, &present) {
                compared.files = if is_wanted { present.len() } else { 0 };
                return Ok(One {
                    warnings: entry.warnings.clone(),
                    compared,
                    files: None,
                });
            }
        }
        let prepared = self.preparer.one(cluster, Trees::Dropped)?;
        let mut files = None;
        if is_wanted {
            files = Some(compared.compare(self.folder, &cluster.name, &prepared, self.staged)?);
        }
        Ok(One {
            warnings: prepared.warnings,
            compared,
            files,
        })
    }
}

/// How the files there are stand to those that are rendered. Paths are relative to the folder of all clusters.
#[derive(Default)]
struct Compared {
    /// Files that are rendered.
    files: usize,
    /// Those of them that are another or none there, and whether one is there.
    changed: BTreeMap<PathBuf, bool>,
    /// Files that are there and not rendered.
    stale: BTreeSet<PathBuf>,
}

impl Compared {
    fn add(&mut self, mut other: Compared) {
        self.files += other.files;
        self.changed.append(&mut other.changed);
        self.stale.append(&mut other.stale);
    }

    /// Compares the files of one cluster, one after the other; those that differ are kept in `staged`. Which files it has.
    fn compare(
        &mut self,
        folder: &Path,
        name: &ClusterName,
        cluster: &Prepared,
        staged: Option<&Staged>,
    ) -> Result<BTreeSet<PathBuf>, Failure> {
        let own = PathBuf::from(name.as_str());
        let mut present = present(folder, &own)?;
        let mut files = BTreeSet::new();
        let manifests = own.join("manifests.yaml");
        files.insert(manifests.clone());
        self.file(
            folder,
            manifests,
            &cluster.rendered.text,
            &mut present,
            staged,
        )?;
        for group in cluster.desired.groups.values() {
            let text = yaml::emit_of(&group.definition).map_err(|e| {
                Failure::new(format!("{name}: a definition cannot be written: {e}"))
            })?;
            let file = format!("{}.yaml", group.definition.instance_group);
            let path = own.join("groups").join(file);
            files.insert(path.clone());
            self.file(folder, path, &text, &mut present, staged)?;
        }
        self.stale.append(&mut present);
        Ok(files)
    }

    fn file(
        &mut self,
        folder: &Path,
        path: PathBuf,
        text: &str,
        present: &mut BTreeSet<PathBuf>,
        staged: Option<&Staged>,
    ) -> Result<(), Failure> {
        self.files += 1;
        let is_there = present.remove(&path);
        if is_there && holds(&folder.join(&path), text)? {
            return Ok(());
        }
        if let Some(staged) = staged {
            staged.write(&path, text)?;
        }
        self.changed.insert(path, is_there);
        Ok(())
    }
}

/// The clusters that were named, all when none was.
pub(super) fn select(
    fleet: &Fleet,
    typed: &[ClusterName],
) -> Result<BTreeSet<ClusterName>, Failure> {
    if typed.is_empty() {
        return Ok(fleet.clusters.keys().cloned().collect());
    }
    named(fleet, typed)
}

/// The clusters that were named, none when none was.
pub(super) fn named(
    fleet: &Fleet,
    typed: &[ClusterName],
) -> Result<BTreeSet<ClusterName>, Failure> {
    let known: BTreeSet<&ClusterName> = fleet.clusters.keys().collect();
    typed
        .iter()
        .map(|name| given::meant(&known, name))
        .collect()
}

/// How the fleet's own `rendered/` stands to what is rendered now.
pub(super) fn standing(prepared: &PreparedFleet, directory: &Path) -> Result<Rendering, Failure> {
    let folder = directory.join("rendered");
    if !folder.is_dir() {
        return Ok(Rendering::NotKept);
    }
    let clusters: Vec<(&ClusterName, &Prepared)> = prepared.clusters.iter().collect();
    let compared = on_all_cores(&clusters, |(name, cluster)| match cluster.outdated {
        Some(files) => Ok(files),
        None => outdated(&folder, name, cluster),
    })?;
    let strangers = strangers(&folder, &prepared.fleet)?.len();
    Ok(match strangers + compared.into_iter().sum::<usize>() {
        0 => Rendering::UpToDate,
        files => Rendering::Stale(files),
    })
}

/// How many files of one cluster below `folder` are not as it is rendered.
pub(super) fn outdated(
    folder: &Path,
    name: &ClusterName,
    cluster: &Prepared,
) -> Result<usize, Failure> {
    let mut one = Compared::default();
    one.compare(folder, name, cluster, None)?;
    Ok(one.changed.len() + one.stale.len())
}

fn print(
    preparer: &Preparer<'_>,
    fleet: &Fleet,
    named: &[ClusterName],
    output: &Output,
) -> Result<Exit, Failure> {
    // What is wrong in any cluster is told before anything is printed.
    let clusters = preparer.each(Trees::Dropped, |_, prepared| {
        Ok((prepared.warnings, prepared.rendered.text))
    })?;
    for warning in clusters.values().flat_map(|(warnings, _)| warnings) {
        output.story(&format!("warning: {warning}"));
    }
    let selected = select(fleet, named)?;
    let texts = clusters.iter().filter(|(name, _)| selected.contains(*name));
    for (index, (_, (_, text))) in texts.enumerate() {
        if index > 0 && !text.starts_with("---") {
            output.result("---\n")?;
        }
        output.result(text)?;
    }
    Ok(Exit::Good)
}

/// The files there are of the cluster of this folder.
fn present(folder: &Path, cluster: &Path) -> Result<BTreeSet<PathBuf>, Failure> {
    let mut found = BTreeSet::new();
    let manifests = cluster.join("manifests.yaml");
    if folder.join(&manifests).exists() {
        found.insert(manifests);
    }
    for file in entries(&folder.join(cluster).join("groups"))? {
        if file.extension().is_some_and(|e| e == "yaml") {
            found.insert(file.strip_prefix(folder).unwrap_or(&file).to_owned());
        }
    }
    Ok(found)
}

/// The files there are of clusters that the fleet does not have.
fn strangers(folder: &Path, fleet: &Fleet) -> Result<BTreeSet<PathBuf>, Failure> {
    let mut found = BTreeSet::new();
    let known: BTreeSet<&str> = fleet.clusters.keys().map(ClusterName::as_str).collect();
    for path in folders(folder)? {
        let name = path
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default();
        if !known.contains(name) && !Staged::is_one(name) {
            let own = path.strip_prefix(folder).unwrap_or(&path);
            found.append(&mut present(folder, own)?);
        }
    }
    Ok(found)
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    Ok(entries(folder)?
        .into_iter()
        .filter(|p| p.is_dir())
        .collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let error = |e: std::io::Error| Failure::new(format!("cannot read {}: {e}", folder.display()));
    match fs::read_dir(folder) {
        Ok(entries) => {
            let mut paths = entries
                .map(|e| e.map(|e| e.path()))
                .collect::<Result<Vec<_>, _>>()
                .map_err(error)?;
            paths.sort();
            Ok(paths)
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(error(e)),
    }
}

/// Whether a file holds exactly this text.
fn holds(path: &Path, text: &str) -> Result<bool, Failure> {
    match fs::read(path) {
        Ok(bytes) => Ok(bytes == text.as_bytes()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Failure::new(format!("cannot read {}: {e}", path.display()))),
    }
}

fn check(folder: &Path, compared: &Compared, output: &Output) -> Exit {
    let Compared { changed, stale, .. } = compared;
    if stale.is_empty() && changed.is_empty() {
        output.story("rendered files are up to date");
        return Exit::Good;
    }
    for (path, is_there) in changed {
        let what = if *is_there { "differs" } else { "is missing" };
        output.story(&format!("{} {what}", folder.join(path).display()));
    }
    for path in stale {
        output.story(&format!(
            "{} should not be there",
            folder.join(path).display()
        ));
    }
    output.story(&format!(
        "{} files are not up to date; run `kfleet render` and commit the result",
        stale.len() + changed.len()
    ));
    Exit::Changes
}

fn remove(folder: &Path, path: &Path) -> Result<(), Failure> {
    let full = folder.join(path);
    fs::remove_file(&full)
        .map_err(|e| Failure::new(format!("cannot remove {}: {e}", full.display())))?;
    // Folders that became empty go with their last file; one that is not empty stays.
    let mut parent = full.parent();
    while let Some(dir) = parent.filter(|d| *d != folder) {
        if fs::remove_dir(dir).is_err() {
            break;
        }
        parent = dir.parent();
    }
    Ok(())
}
