//! Stages and waves: which cluster is rolled when. Every cluster ends in exactly one wave of one stage. Reads no files.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{ParsedFile, invalid};
use super::file::{Approval, Selector, StageFile, WaveFile};
use super::freeze::freeze;
use super::{Cluster, FleetError, OnFailure, SourceLocation, Stage, Wave};
use crate::model::{ClusterName, Environment, StageName};

type Clusters = BTreeMap<ClusterName, Cluster>;

/// The stages, each behind the one it names in `after`.
pub(super) fn resolve(
    doc: &ParsedFile,
    files: &[StageFile],
    on_failure: OnFailure,
    clusters: &Clusters,
) -> Result<Vec<Stage>, FleetError> {
    let mut stages: Vec<Stage> = Vec::new();
    let mut holder: BTreeMap<ClusterName, StageName> = BTreeMap::new();
    for (i, file) in files.iter().enumerate() {
        let index = i.to_string();
        if stages.iter().any(|s| s.name == file.name) {
            let place = doc.place(&["stages", &index, "name"]);
            return Err(FleetError::Twice {
                place,
                what: "stage",
                name: file.name.to_string(),
                first: "this list".into(),
            });
        }
        let members = select(doc, &index, file, clusters)?;
        for cluster in &members {
            if let Some(first) = holder.insert(cluster.clone(), file.name.clone()) {
                let place = doc.place(&["stages", &index, "clusters"]);
                return Err(FleetError::Twice {
                    place,
                    what: "cluster",
                    name: cluster.to_string(),
                    first: format!("the stage {first}"),
                });
            }
        }
        stages.push(Stage {
            on_failure: file.on_failure.unwrap_or(on_failure),
            ..stage(doc, &index, file, members)?
        });
    }
    let left_out: Vec<String> = clusters
        .keys()
        .filter(|c| !holder.contains_key(c))
        .map(ToString::to_string)
        .collect();
    if !left_out.is_empty() {
        return Err(FleetError::LeftOut {
            place: doc.key_place(&[], "stages"),
            what: "stage".into(),
            clusters: left_out,
        });
    }
    in_order(doc, stages)
}

fn stage(
    doc: &ParsedFile,
    index: &str,
    file: &StageFile,
    members: BTreeSet<ClusterName>,
) -> Result<Stage, FleetError> {
    let mut windows = Vec::new();
    for (i, window) in file.freeze.iter().enumerate() {
        windows.push(freeze(
            doc,
            ["stages", index, "freeze", &i.to_string()],
            window,
        )?);
    }
    Ok(Stage {
        name: file.name.clone(),
        after: file.after.clone(),
        waves: waves(doc, index, file, members)?,
        soak: file.soak,
        approval: file.approval == Approval::Required,
        freeze: windows,
        on_failure: OnFailure::default(),
    })
}

fn select(
    doc: &ParsedFile,
    index: &str,
    file: &StageFile,
    clusters: &Clusters,
) -> Result<BTreeSet<ClusterName>, FleetError> {
    let members = match &file.clusters {
        Selector::List(names) => named(doc, &["stages", index, "clusters"], names, clusters)?,
        Selector::Clusters(by) => named(
            doc,
            &["stages", index, "clusters", "clusters"],
            &by.clusters,
            clusters,
        )?,
        Selector::Environment(by) => in_environment(doc, index, &by.environment, clusters)?,
    };
    if members.is_empty() {
        return Err(FleetError::Empty {
            place: doc.place(&["stages", index, "clusters"]),
            what: format!("the stage {}", file.name),
        });
    }
    Ok(members)
}

fn in_environment(
    doc: &ParsedFile,
    index: &str,
    environment: &Environment,
    clusters: &Clusters,
) -> Result<BTreeSet<ClusterName>, FleetError> {
    let members: BTreeSet<ClusterName> = clusters
        .values()
        .filter(|c| c.environment == *environment)
        .map(|c| c.name.clone())
        .collect();
    if !members.is_empty() {
        return Ok(members);
    }
    let known: BTreeSet<String> = clusters
        .values()
        .map(|c| c.environment.to_string())
        .collect();
    Err(FleetError::UnknownName {
        place: doc.place(&["stages", index, "clusters", "environment"]),
        what: "environment of a cluster",
        name: environment.to_string(),
        known: known.into_iter().collect(),
    })
}

fn named(
    doc: &ParsedFile,
    path: &[&str],
    names: &[ClusterName],
    clusters: &Clusters,
) -> Result<BTreeSet<ClusterName>, FleetError> {
    let mut found = BTreeSet::new();
    for (i, name) in names.iter().enumerate() {
        let place = || place_in(doc, path, i);
        if !clusters.contains_key(name) {
            let known = clusters.keys().map(ToString::to_string).collect();
            return Err(FleetError::UnknownName {
                place: place(),
                what: "cluster",
                name: name.to_string(),
                known,
            });
        }
        if !found.insert(name.clone()) {
            return Err(FleetError::Twice {
                place: place(),
                what: "cluster",
                name: name.to_string(),
                first: "this list".into(),
            });
        }
    }
    Ok(found)
}

/// The place of an item of a list.
fn place_in(doc: &ParsedFile, path: &[&str], index: usize) -> SourceLocation {
    doc.place(
        &path
            .iter()
            .copied()
            .chain([index.to_string().as_str()])
            .collect::<Vec<_>>(),
    )
}

/// The waves; the one that names no clusters takes those that no other one names.
fn waves(
    doc: &ParsedFile,
    index: &str,
    file: &StageFile,
    members: BTreeSet<ClusterName>,
) -> Result<Vec<Wave>, FleetError> {
    let single = [WaveFile::default()];
    let files = file.waves.as_deref().unwrap_or(&single);
    let mut rest = members.clone();
    for (i, wave) in files.iter().enumerate() {
        for (j, name) in wave.clusters.iter().flatten().enumerate() {
            let place = || {
                doc.place(&[
                    "stages",
                    index,
                    "waves",
                    &i.to_string(),
                    "clusters",
                    &j.to_string(),
                ])
            };
            if !members.contains(name) {
                let known = members.iter().map(ToString::to_string).collect();
                return Err(FleetError::UnknownName {
                    place: place(),
                    what: "cluster of this stage",
                    name: name.to_string(),
                    known,
                });
            }
            if !rest.remove(name) {
                return Err(FleetError::Twice {
                    place: place(),
                    what: "cluster",
                    name: name.to_string(),
                    first: "this stage's waves".into(),
                });
            }
        }
    }
    let mut waves = Vec::new();
    for (i, wave) in files.iter().enumerate() {
        let clusters: BTreeSet<ClusterName> = match &wave.clusters {
            Some(names) => names.iter().cloned().collect(),
            None => std::mem::take(&mut rest),
        };
        let number = i.to_string();
        if clusters.is_empty() {
            let what = format!("wave {} of the stage {}", i + 1, file.name);
            return Err(FleetError::Empty {
                place: doc.place(&["stages", index, "waves", &number]),
                what,
            });
        }
        let parallel = wave.parallel.unwrap_or(1);
        if parallel == 0 {
            return Err(invalid(
                doc,
                &["stages", index, "waves", &number, "parallel"],
                "no cluster at a time is never",
                "write 1 or more",
            ));
        }
        waves.push(Wave {
            clusters: clusters.into_iter().collect(),
            parallel,
            soak: wave.soak,
        });
    }
    if !rest.is_empty() {
        let clusters = rest.iter().map(ToString::to_string).collect();
        let what = format!("wave of the stage {}", file.name);
        return Err(FleetError::LeftOut {
            place: doc.place(&["stages", index, "waves"]),
            what,
            clusters,
        });
    }
    Ok(waves)
}

fn in_order(doc: &ParsedFile, stages: Vec<Stage>) -> Result<Vec<Stage>, FleetError> {
    let names: Vec<StageName> = stages.iter().map(|s| s.name.clone()).collect();
    check_after(doc, &stages, &names)?;
    let mut waiting = stages;
    let mut ordered: Vec<Stage> = Vec::new();
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|s| {
            s.after
                .as_ref()
                .is_none_or(|a| ordered.iter().any(|o| o.name == *a))
        });
        match ready {
            Some(i) => ordered.push(waiting.remove(i)),
            None => return Err(cycle(doc, &names, &waiting)),
        }
    }
    Ok(ordered)
}

/// What a stage comes after has to be a stage.
fn check_after(doc: &ParsedFile, stages: &[Stage], names: &[StageName]) -> Result<(), FleetError> {
    for (i, stage) in stages.iter().enumerate() {
        if let Some(after) = &stage.after
            && !names.contains(after)
        {
            let known = names
                .iter()
                .filter(|n| **n != stage.name)
                .map(ToString::to_string)
                .collect();
            let place = doc.place(&["stages", &i.to_string(), "after"]);
            return Err(FleetError::UnknownName {
                place,
                what: "stage",
                name: after.to_string(),
                known,
            });
        }
    }
    Ok(())
}

fn cycle(doc: &ParsedFile, names: &[StageName], waiting: &[Stage]) -> FleetError {
    let first = names
        .iter()
        .position(|n| waiting.iter().any(|s| s.name == *n))
        .unwrap_or_default();
    FleetError::Cycle {
        place: doc.place(&["stages", &first.to_string(), "after"]),
        stages: waiting.iter().map(|s| s.name.to_string()).collect(),
    }
}
