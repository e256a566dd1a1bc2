//! What would only be found in the middle of a rollout, found when its plan is made: gates whose command is not there, regions
//! that AWS does not have. Looks at names and files; asks no cloud.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::pipeline::PreparedFleet;
use crate::fleet::{GateKind, closest};
use crate::model::{known_region, known_regions};

/// Refuses a plan that cannot be carried out.
pub(super) fn check(prepared: &PreparedFleet) -> Result<(), Failure> {
    let mut faults = gates(prepared);
    faults.extend(regions(prepared));
    if faults.is_empty() {
        return Ok(());
    }
    let hints: BTreeSet<String> = faults.iter().map(|f| f.hint.clone()).collect();
    let texts: Vec<String> = faults.into_iter().map(|f| f.text).collect();
    Err(Failure::new(texts.join("\n")).hints(hints))
}

struct Fault {
    text: String,
    hint: String,
}

/// Commands of gates that cannot be run from the fleet's folder.
fn gates(prepared: &PreparedFleet) -> Vec<Fault> {
    let mut faults = Vec::new();
    for gate in &prepared.fleet.settings.gates {
        let GateKind::Command(command) = &gate.kind else {
            continue;
        };
        let Some(program) = command.first() else {
            continue;
        };
        let why = match runnable(program, &prepared.fleet.root) {
            Program::Found => continue,
            Program::Missing => "does not exist",
            Program::NotExecutable => "is not executable",
        };
        faults.push(Fault {
            text: format!("gate {}: `{program}` {why}", gate.name),
            hint: "commands of gates are looked up from the fleet's folder when they have a `/` in them, and in PATH otherwise".into(),
        });
    }
    faults
}

enum Program {
    Found,
    Missing,
    NotExecutable,
}

fn runnable(program: &str, root: &Path) -> Program {
    let candidates: Vec<PathBuf> = if program.contains('/') {
        vec![root.join(program)]
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .map(|folder| folder.join(program))
            .collect()
    };
    let files = candidates.iter().filter_map(|path| path.metadata().ok());
    let mut found = Program::Missing;
    for file in files.filter(|file| file.is_file()) {
        if file.permissions().mode() & 0o111 != 0 {
            return Program::Found;
        }
        found = Program::NotExecutable;
    }
    found
}

/// Regions that AWS does not have, each with the clusters that name it.
fn regions(prepared: &PreparedFleet) -> Vec<Fault> {
    let mut unknown: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, cluster) in &prepared.fleet.clusters {
        let region = cluster.region.as_str();
        if known_region(region).is_none() {
            unknown.entry(region).or_default().push(name.as_str());
        }
    }
    let fault = |(region, clusters): (&str, Vec<&str>)| {
        let near = closest(region, known_regions().map(|r| r.name));
        let near = near
            .map(|n| format!("; did you mean `{n}`?"))
            .unwrap_or_default();
        Fault {
            text: format!(
                "region `{region}` of {} is unknown{near}",
                clusters.join(", ")
            ),
            hint: "a region that is newer than this kfleet needs a newer kfleet".into(),
        }
    };
    unknown.into_iter().map(fault).collect()
}
