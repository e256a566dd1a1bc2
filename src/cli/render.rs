//! `kfleet render`: manifests and definitions as files, printed, or compared with the files there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::args::{Arguments, RenderArguments};
use super::failure::Failure;
use super::output::Output;
use super::pipeline::{Prepared, PreparedFleet, prepare};
use super::{Exit, given};
use crate::model::{ClusterName, Rendering};
use crate::yaml;

/// Files by their path below the output folder.
type Files = BTreeMap<PathBuf, String>;

pub(super) fn run(
    arguments: &Arguments,
    command: &RenderArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let prepared = prepare(&arguments.directory)?;
    prepared
        .warnings()
        .for_each(|w| output.story(&format!("warning: {w}")));
    let selected = select(&prepared, &command.clusters)?;
    if command.out.as_deref() == Some(Path::new("-")) {
        return print(&prepared, &selected, output);
    }
    let folder = command
        .out
        .clone()
        .unwrap_or_else(|| arguments.directory.join("rendered"));
    let wanted = wanted(&prepared, &selected)?;
    let all = command.clusters.is_empty();
    let present = present(&folder, &selected, all)?;
    let stale: BTreeSet<&PathBuf> = present
        .keys()
        .filter(|path| !wanted.contains_key(*path))
        .collect();
    let changed: BTreeMap<&PathBuf, &String> = wanted
        .iter()
        .filter(|(path, text)| present.get(*path) != Some(*text))
        .collect();
    if command.check {
        return Ok(check(&folder, &stale, &changed, &present, output));
    }
    for (path, text) in &changed {
        write(&folder.join(path), text)?;
    }
    for path in &stale {
        remove(&folder, path)?;
    }
    output.story(&format!(
        "{} clusters rendered, {} files: {} written, {} removed, {} as they were",
        selected.len(),
        wanted.len(),
        changed.len(),
        stale.len(),
        wanted.len() - changed.len()
    ));
    Ok(Exit::Good)
}

pub(super) fn select(
    prepared: &PreparedFleet,
    named: &[ClusterName],
) -> Result<BTreeSet<ClusterName>, Failure> {
    if named.is_empty() {
        return Ok(prepared.clusters.keys().cloned().collect());
    }
    let known: BTreeSet<&ClusterName> = prepared.clusters.keys().collect();
    named
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
    let all: BTreeSet<ClusterName> = prepared.clusters.keys().cloned().collect();
    let (wanted, present) = (wanted(prepared, &all)?, present(&folder, &all, true)?);
    let stale = present.keys().filter(|p| !wanted.contains_key(*p)).count();
    let changed = wanted
        .iter()
        .filter(|(p, text)| present.get(*p) != Some(*text));
    Ok(match stale + changed.count() {
        0 => Rendering::UpToDate,
        files => Rendering::Stale(files),
    })
}

/// The files of these clusters.
fn wanted(prepared: &PreparedFleet, selected: &BTreeSet<ClusterName>) -> Result<Files, Failure> {
    let mut wanted = Files::new();
    for (name, cluster) in &prepared.clusters {
        if selected.contains(name) {
            wanted.extend(files(name, cluster)?);
        }
    }
    Ok(wanted)
}

fn print(
    prepared: &PreparedFleet,
    selected: &BTreeSet<ClusterName>,
    output: &Output,
) -> Result<Exit, Failure> {
    for (index, (_, cluster)) in prepared
        .clusters
        .iter()
        .filter(|(name, _)| selected.contains(*name))
        .enumerate()
    {
        if index > 0 && !cluster.rendered.text.starts_with("---") {
            output.result("---\n")?;
        }
        output.result(&cluster.rendered.text)?;
    }
    Ok(Exit::Good)
}

/// The files of one cluster.
fn files(name: &ClusterName, cluster: &Prepared) -> Result<Files, Failure> {
    let folder = PathBuf::from(name.as_str());
    let mut files = Files::from([(folder.join("manifests.yaml"), cluster.rendered.text.clone())]);
    for group in cluster.desired.groups.values() {
        let value = serde_json::to_value(&group.definition)
            .map_err(|e| Failure::new(format!("{name}: a definition cannot be written: {e}")))?;
        files.insert(
            folder
                .join("groups")
                .join(format!("{}.yaml", group.definition.instance_group)),
            yaml::emit(&value),
        );
    }
    Ok(files)
}

/// The files there are, of the clusters selected or of all.
fn present(folder: &Path, selected: &BTreeSet<ClusterName>, all: bool) -> Result<Files, Failure> {
    let mut found = Files::new();
    for cluster in folders(folder)? {
        let name = cluster
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default()
            .to_owned();
        if all || selected.iter().any(|s| s.as_str() == name) {
            read_into(&mut found, folder, &cluster.join("manifests.yaml"))?;
            for file in entries(&cluster.join("groups"))? {
                if file.extension().is_some_and(|e| e == "yaml") {
                    read_into(&mut found, folder, &file)?;
                }
            }
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

fn read_into(files: &mut Files, folder: &Path, path: &Path) -> Result<(), Failure> {
    let text = match fs::read(path) {
        // What is no UTF-8 is not what we wrote, and differs from it whatever it says.
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Failure::new(format!("cannot read {}: {e}", path.display()))),
    };
    files.insert(path.strip_prefix(folder).unwrap_or(path).to_owned(), text);
    Ok(())
}

fn check(
    folder: &Path,
    stale: &BTreeSet<&PathBuf>,
    changed: &BTreeMap<&PathBuf, &String>,
    present: &Files,
    output: &Output,
) -> Exit {
    if stale.is_empty() && changed.is_empty() {
        output.story("rendered files are up to date");
        return Exit::Good;
    }
    for path in changed.keys() {
        let what = if present.contains_key(*path) {
            "differs"
        } else {
            "is missing"
        };
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

/// By temporary file and rename: the whole new file or the whole old one.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let error = |e: std::io::Error| Failure::new(format!("cannot write {}: {e}", path.display()));
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(error)?;
    }
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("file");
    let temporary = path.with_file_name(format!(".{name}.{}", std::process::id()));
    fs::write(&temporary, text)
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(error)
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
