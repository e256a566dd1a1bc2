//! `kfleet snapshot`: the live state of the fleet's clusters in a file, to rehearse on. Reads; changes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use super::args::{Arguments, CloudArgument, SnapshotArguments};
use super::failure::Failure;
use super::output::Output;
use super::pipeline::prepare;
use super::render::select;
use super::store;
use super::world;
use super::{Exit, documents};
use crate::cloud::Place;
use crate::model::{ClusterName, Hooks, LiveGroup, Proven, Residence, Shared, Snapshot};
use crate::plan::Baseline;
use crate::report;
use crate::run::look;
use crate::store::Store;

pub(super) async fn run(
    arguments: &Arguments,
    command: &SnapshotArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let prepared = prepare(&arguments.directory)?;
    let store = store::store(arguments, &prepared.fleet)?;
    let world = world::open_to_look(arguments, &prepared, &store).await?;
    let named = select(&prepared.fleet, &command.clusters)?;
    let places = prepared.places(&named);
    let mut live = look(&world, &places).await?;
    if command.documents {
        documents::of_kops(&prepared.fleet, &world, &places, &mut live).await;
    }
    let gaps: usize = live.clusters.values().map(|c| c.gaps.len()).sum();
    let cloud = match arguments.cloud {
        Some(CloudArgument::Aws) => "aws",
        Some(CloudArgument::Local) | None => "local",
    };
    let mut snapshot = Snapshot::new(cloud.into(), homes(places), live);
    snapshot.proven = proven(&store, &snapshot)?;
    let path = &command.out;
    std::fs::write(path, report::snapshot_json(&snapshot))
        .map_err(|e| Failure::new(format!("cannot write {}: {e}", path.display())))?;
    output.cloud_story(&said(&snapshot, gaps, path));
    Ok(Exit::Good)
}

fn homes(places: Vec<Place>) -> BTreeMap<ClusterName, Residence> {
    let home = |p: Place| {
        let residence = Residence {
            account: p.account,
            region: p.region,
        };
        (p.cluster, residence)
    };
    places.into_iter().map(home).collect()
}

/// What the store holds as verified of the clusters in the snapshot.
fn proven(store: &Store, snapshot: &Snapshot) -> Result<BTreeMap<ClusterName, Proven>, Failure> {
    let of = |b: Baseline| Proven {
        digest: b.digest,
        release: b.release,
        rollout: b.rollout,
        since: b.since,
    };
    Ok(store
        .baselines()?
        .into_iter()
        .filter(|(name, _)| snapshot.places.contains_key(name))
        .map(|(name, baseline)| (name, of(baseline)))
        .collect())
}

/// What was written, and what was not read.
fn said(snapshot: &Snapshot, gaps: usize, path: &Path) -> String {
    let groups: Vec<&Shared<LiveGroup>> = snapshot
        .live
        .clusters
        .values()
        .flat_map(|c| c.groups.values())
        .collect();
    let missing = if gaps == 0 {
        String::new()
    } else {
        format!("; {gaps} things could not be read, and are written down as such")
    };
    let unread = groups.iter().filter(|g| g.hooks == Hooks::NotRead).count();
    let hooks = if unread == 0 {
        String::new()
    } else {
        format!(
            "; the lifecycle hooks of {unread} groups were not read: `--hooks` does, one call a group"
        )
    };
    format!(
        "{} clusters with {} groups written to {}{missing}{hooks}",
        snapshot.places.len(),
        groups.len(),
        path.display()
    )
}

/// A snapshot from its file.
pub(super) fn read(path: &Path) -> Result<Snapshot, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?;
    report::snapshot_from_json(&text).map_err(|e| {
        Failure::new(format!("{}: {e}", path.display()))
            .hint("`kfleet snapshot --out FILE` makes one")
    })
}
