//! `kfleet status`: what runs where, from the store and git; with `--live` from the account too. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::args::{Arguments, FleetStatusArguments, Selection};
use super::failure::Failure;
use super::formats::ViewFormat;
use super::output::Output;
use super::pipeline::{PreparedFleet, prepare};
use super::rollout::{all_unfinished, opened};
use super::world;
use super::{Exit, given, hooks, plan, stop};
use crate::model::{ClusterName, Digest, Span};
use crate::plan::{ClusterPlan, HookTask};
use crate::report::{self, FleetStatus, Style};
use crate::rollout::{ClusterStanding, Known, cluster_standings};
use crate::store::Store;

/// Faster than this cannot be read.
const FASTEST: Span = Span::from_secs(1);

pub(super) async fn run(
    arguments: &Arguments,
    command: &FleetStatusArguments,
) -> Result<Exit, Failure> {
    loop {
        once(arguments, command).await?;
        let Some(pause) = command.watch else {
            return Ok(Exit::Good);
        };
        let pause = u64::try_from(pause.max(FASTEST).millis()).unwrap_or(u64::MAX);
        tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
    }
}

async fn once(arguments: &Arguments, command: &FleetStatusArguments) -> Result<(), Failure> {
    let (store, output) = opened(arguments)?;
    // What the store knows is shown also where the fleet's files are at fault.
    let prepared = match prepare(&arguments.directory) {
        Ok(prepared) => Some(prepared),
        Err(failure) if command.live => return Err(failure),
        Err(failure) => {
            let first = failure.text.lines().next().unwrap_or_default().to_owned();
            output.cloud_story(&format!(
                "warning: the fleet cannot be read, only the store is shown: {first}"
            ));
            None
        }
    };
    let mut clusters = standings(&store, prepared.as_ref())?;
    if !command.clusters.is_empty() {
        let named = named(&clusters, &command.clusters)?;
        clusters.retain(|c| named.contains(&c.cluster));
    }
    let live = match &prepared {
        Some(prepared) if command.live => {
            Some(live(arguments, prepared, &clusters, &store, &output).await?)
        }
        Some(_) | None => None,
    };
    let hooks = hooks_of(&store, prepared.as_ref(), &clusters, &output)?;
    let status = FleetStatus {
        clusters: &clusters,
        live: live.as_ref(),
        hooks: &hooks,
        now: world::now(&store)?,
    };
    match command.format {
        ViewFormat::Json => output.result(&report::fleet_status_json(status)),
        ViewFormat::Text => {
            let style = Style {
                colour: output.colour(),
                full: arguments.verbose,
            };
            let texts = [
                stop::lines(&store)?,
                under_way(&store, style)?,
                report::fleet_status_text(status, style),
            ];
            if command.watch.is_some() {
                output.fresh_page()?;
            }
            texts.iter().try_for_each(|text| output.cloud_result(text))
        }
    }
}

/// The hooks of these clusters, and of their stages. What is wrong with their files is a line, as with the fleet's.
fn hooks_of(
    store: &Store,
    prepared: Option<&PreparedFleet>,
    clusters: &[ClusterStanding],
    output: &Output,
) -> Result<Vec<HookTask>, Failure> {
    let Some(prepared) = prepared else {
        return Ok(Vec::new());
    };
    let names = clusters.iter().map(|c| c.cluster.clone()).collect();
    match hooks::candidates(&prepared.fleet, &names, store, &mut BTreeSet::new()) {
        Ok(hooks) => Ok(hooks),
        Err(failure) => {
            output.cloud_story(&format!("warning: hooks are not shown: {}", failure.text));
            Ok(Vec::new())
        }
    }
}

/// The line of each rollout that is not finished.
fn under_way(store: &Store, style: Style) -> Result<String, Failure> {
    let mut text = String::new();
    for (rollout, progress) in all_unfinished(store)? {
        let owner = store.owner(&rollout.id)?;
        let under_way = report::UnderWay {
            rollout: &rollout,
            progress: &progress,
            owner: &owner,
            now: world::now(store)?,
        };
        text += &report::under_way_text(under_way, style);
    }
    Ok(text)
}

fn standings(
    store: &Store,
    prepared: Option<&PreparedFleet>,
) -> Result<Vec<ClusterStanding>, Failure> {
    let under_way = all_unfinished(store)?;
    let wanted: BTreeMap<ClusterName, Digest> = wanted_digests(prepared);
    // Where these are lost a line is lost.
    let warned = store.warned().unwrap_or_default();
    let warnings = warned
        .known
        .into_iter()
        .map(|(name, w)| (name, w.remarks.len()))
        .collect();
    let stops = cluster_stops(store)?;
    Ok(cluster_standings(Known {
        baselines: &store.baselines()?,
        stages: prepared.map(|p| p.fleet.settings.stages.as_slice()),
        wanted: &wanted,
        under_way: &under_way,
        drift: &store.drift_seen().unwrap_or_default(),
        warnings: &warnings,
        stops: &stops,
        now: world::now(store)?,
    }))
}

fn wanted_digests(prepared: Option<&PreparedFleet>) -> BTreeMap<ClusterName, Digest> {
    prepared
        .iter()
        .flat_map(|p| &p.clusters)
        .map(|(name, c)| (name.clone(), c.desired.digest.clone()))
        .collect()
}

fn cluster_stops(store: &Store) -> Result<Vec<(Option<ClusterName>, String)>, Failure> {
    let of_clusters = store.stops()?.into_iter().filter(|s| s.cluster.is_some());
    Ok(of_clusters
        .map(|stop| (stop.cluster.clone(), stop.to_string()))
        .collect())
}

fn named(
    clusters: &[ClusterStanding],
    typed: &[ClusterName],
) -> Result<BTreeSet<ClusterName>, Failure> {
    let known: BTreeSet<&ClusterName> = clusters.iter().map(|c| &c.cluster).collect();
    typed
        .iter()
        .map(|name| given::meant(&known, name))
        .collect()
}

/// A plan of the clusters that the fleet has. It allows nothing.
async fn live(
    arguments: &Arguments,
    prepared: &PreparedFleet,
    clusters: &[ClusterStanding],
    store: &Store,
    output: &Output,
) -> Result<BTreeMap<ClusterName, ClusterPlan>, Failure> {
    let world = world::open_to_look(arguments, prepared, store).await?;
    let named: BTreeSet<ClusterName> = clusters
        .iter()
        .map(|c| c.cluster.clone())
        .filter(|name| prepared.clusters.contains_key(name))
        .collect();
    let looking = Selection::looking();
    Ok(
        plan::make(prepared, &named, store, &world, &looking, output)
            .await?
            .clusters,
    )
}
