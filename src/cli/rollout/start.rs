//! `kfleet rollout start`: a plan, made now or saved, becomes a rollout.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::carry::{POLL, carry, exit};
use super::which::{machine, unfinished};
use crate::cli::Exit;
use crate::cli::args::{Arguments, StartArguments};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::pipeline::{PreparedFleet, prepare};
use crate::cli::screen::Screen;
use crate::cli::world::{Simulated, World};
use crate::cli::{aims, documents, plan, stop, world};
use crate::cloud::{Cloud as _, Place};
use crate::model::{ClusterName, Timestamp};
use crate::plan::{ClusterPlan, Plan, Policy, fingerprint};
use crate::report;
use crate::rollout::{Inputs, Rollout, build};
use crate::run::{Signal, fence};
use crate::store::{Journal, Store};

pub(super) async fn start(
    arguments: &Arguments,
    command: &StartArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    world::may_approve_itself(arguments, &command.pace)?;
    let prepared = prepare(&arguments.directory)?;
    prepared
        .warnings()
        .for_each(|w| output.story(&format!("warning: {w}")));
    let store = world::store(arguments, &prepared.fleet)?;
    stop::heed_all(&store)?;
    let groups: usize = prepared
        .clusters
        .values()
        .map(|c| c.desired.groups.len())
        .sum();
    output.cloud_story(&format!(
        "{} clusters rendered, {groups} groups compiled",
        prepared.clusters.len()
    ));
    if let Some(id) = unfinished(&store)? {
        return Err(Failure::new(format!("rollout {id} is not finished"))
            .hint("`kfleet rollout resume` goes on with it, `kfleet rollout abort` ends it"));
    }
    let simulated = Simulated {
        seed: command.selection.seed,
        faults: &command.selection.faults,
        scenario: command.selection.scenario.as_deref(),
    };
    let world = world::open(
        arguments,
        &prepared.fleet,
        &store,
        world::images(&prepared),
        &simulated,
    )
    .await?;
    let clusters = plan::in_stages(&prepared, &command.selection)?;
    let plan = match &command.plan {
        Some(path) => saved(path, &prepared, &world, output).await?,
        None => {
            plan::make(
                &prepared,
                &clusters,
                &store,
                &world,
                &command.selection,
                output,
            )
            .await?
        }
    };
    if !machine(arguments)? {
        plan::show(
            arguments,
            &plan,
            &prepared.fleet.settings.stages,
            world.now(),
            output,
        )?;
    }
    if plan.is_rolled() && verified(&prepared, &plan, &store)? {
        return Ok(Exit::Good);
    }
    aims::known(
        &prepared,
        &plan,
        &world::faults(&command.selection.faults)?,
        &world::scenario(command.selection.scenario.as_deref())?,
    )?;
    let before = plan::before(&prepared, &plan, &store, &world, &command.selection, output).await?;
    let rollout = make(&prepared, &plan, &before, &store, &world, command)?;
    stop::heed(&store, &rollout)?;
    fence(&world, &rollout, arguments.poll.unwrap_or(POLL)).await?;
    let (mut journal, first) = Journal::begin(&store, &rollout)?;
    let mut screen = Screen::new(output, machine(arguments)?);
    screen.hear(&Signal::Recorded(&first));
    let outcome = carry(
        arguments,
        &prepared.fleet,
        &store,
        &world,
        &mut journal,
        &command.pace,
        screen,
        output,
    )
    .await?;
    exit(&outcome, &journal, output)
}

/// Whether every cluster of the plan is known to run, verified, just what git wants.
fn verified(prepared: &PreparedFleet, plan: &Plan, store: &Store) -> Result<bool, Failure> {
    let baselines = store.baselines()?;
    Ok(plan.clusters.keys().all(|name| {
        prepared.clusters.get(name).map(|c| &c.desired.digest)
            == baselines.get(name).map(|b| &b.digest)
    }))
}

/// A saved plan, refused where git or the live state has moved since.
async fn saved(
    path: &Path,
    prepared: &PreparedFleet,
    world: &World,
    output: &Output,
) -> Result<Plan, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?;
    let plan = report::plan_from_json(&text)
        .map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    let again = "make a new plan and look at it";
    let moved = Policy::of(&prepared.fleet.settings).differences(&plan.policy);
    if !moved.is_empty() {
        let keys: Vec<String> = moved.iter().map(|key| format!("`{key}`")).collect();
        return Err(Failure::new(format!(
            "fleet.yaml says something else since the plan was made: {}",
            keys.join(", ")
        ))
        .hint(again));
    }
    let places: Vec<Place> = plan
        .clusters
        .iter()
        .map(|(name, c)| Place {
            cluster: name.clone(),
            account: c.account.clone(),
            region: c.region.clone(),
        })
        .collect();
    let live = documents::sight(&prepared, world, &places, output).await?;
    for (name, cluster) in &plan.clusters {
        if prepared.clusters.get(name).map(|c| &c.desired.digest) != Some(&cluster.digest) {
            return Err(Failure::new(format!(
                "{name}: git does not want what the plan was made for any more"
            ))
            .hint(again));
        }
        if fingerprint(live.clusters.get(name)) != cluster.fingerprint {
            return Err(Failure::new(format!(
                "{name}: the live state has moved since the plan was made"
            ))
            .hint(again));
        }
    }
    Ok(plan)
}

fn make(
    prepared: &PreparedFleet,
    plan: &Plan,
    before: &BTreeMap<ClusterName, ClusterPlan>,
    store: &Store,
    world: &World,
    command: &StartArguments,
) -> Result<Rollout, Failure> {
    let wanted: BTreeMap<ClusterName, _> = prepared
        .clusters
        .iter()
        .map(|(name, c)| {
            (
                name.clone(),
                (c.desired.digest.clone(), c.desired.beside_definitions()),
            )
        })
        .collect();
    let only: BTreeSet<_> = command.selection.stages.iter().cloned().collect();
    let inputs = Inputs {
        only: &only,
        baselines: &store.baselines()?,
        wanted: &wanted,
        id: new_id(store, world.now(), plan)?,
        now: world.now(),
        by: world::who(),
        break_glass: command.break_glass.clone(),
        before,
    };
    Ok(build(plan, &inputs)?)
}

/// `20260105T080000Z-1a2b3c4d`: sorts by time, and names the plan.
fn new_id(store: &Store, now: Timestamp, plan: &Plan) -> Result<String, Failure> {
    let time: String = now
        .to_string()
        .chars()
        .take(19)
        .filter(|c| !matches!(c, '-' | ':'))
        .collect();
    let id = format!("{time}Z-{}", plan.id.short().get(..8).unwrap_or_default());
    let taken: BTreeSet<String> = store.rollouts()?.into_iter().collect();
    let free = std::iter::once(id.clone())
        .chain((2..).map(|n| format!("{id}-{n}")))
        .find(|id| !taken.contains(id));
    Ok(free.unwrap_or(id))
}
