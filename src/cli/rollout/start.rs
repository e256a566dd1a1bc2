//! `kfleet rollout start`: a plan, made now or saved, becomes a rollout.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;

use serde_json::Value as Json;

use super::drive::{Driver, POLL, exit};
use super::which::unfinished;
use crate::cli::args::{Arguments, StartArguments};
use crate::cli::around::AroundPlan;
use crate::cli::failure::Failure;
use crate::cli::formats::{FollowFormat, PlanFormat};
use crate::cli::output::Output;
use crate::cli::pipeline::{PreparedFleet, prepare_to_roll};
use crate::cli::warned::{self, For};
use crate::cli::who::who;
use crate::cli::world::{Simulated, World};
use crate::cli::{Exit, aims, documents, lint, plan, revision, stop, store, world};
use crate::cloud::{Cloud as _, Place};
use crate::engine::Engine as _;
use crate::model::{ClusterName, Digest, Timestamp};
use crate::plan::{ClusterPlan, Plan, Policy, fingerprint};
use crate::report;
use crate::rollout::{Ending, Inputs, Rollout, build};
use crate::run::fence;
use crate::store::{Store, StoreAccess};

pub(super) async fn start(
    arguments: &Arguments,
    command: &StartArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let prepared = prepare_to_roll(&arguments.directory)?;
    prepared
        .warnings()
        .for_each(|w| output.story(&format!("warning: {w}")));
    let store = store::store(arguments, &prepared.fleet)?;
    world::may_approve_itself(&store, &command.pace)?;
    store::warn_of_folder(arguments, &store, output)?;
    stop::heed_all(&store)?;
    say_rendered(&prepared, output);
    none_unfinished(&store)?;
    let revision = revision::to_roll(
        revision::read(&arguments.directory, &prepared),
        command.allow_dirty.as_deref(),
        &store,
        output,
    )?;
    let moment = store.moment()?;
    let simulated = Simulated {
        seed: command.selection.seed,
        faults: &command.selection.faults,
        scenario: command.selection.scenario.as_deref(),
    };
    let access = StoreAccess {
        again: command.again.clone(),
        ..world::access_of(&prepared.fleet)
    };
    let world = world::open(
        arguments,
        &access,
        &store,
        world::images(&prepared),
        &simulated,
    )
    .await?;
    let plan = planned(command, &prepared, &store, &world, output).await?;
    let fleet = prepared.clusters.keys().collect();
    warned::leave(&store, &plan, &fleet, (For::Rolling, world.now()), output);
    let around = AroundPlan::of((&prepared, &plan), &store, revision.clone())?;
    if command.format == FollowFormat::Text {
        show(arguments, (&prepared, &plan), &around, world.now(), output)?;
    }
    if plan.is_rolled() && verified(&prepared, &plan, &store)? {
        return Ok(Exit::Good);
    }
    lint::unblocked(around.blocking())?;
    not_again(&store, &plan, command.again.as_deref())?;
    let before = plan::before(&prepared, &plan, &store, &world, &command.selection, output).await?;
    let rollout = Rollout {
        revision: Some(revision),
        ..make(&prepared, &plan, &before, &store, &world, command)?
    };
    world.knows(&simulated, aims::of_rollout(&rollout))?;
    stop::heed(&store, &rollout)?;
    fence(&world, &rollout, arguments.poll.unwrap_or(POLL)).await?;
    kops_is_ready(&world, &rollout).await?;
    if asks(command) && !said_yes(output)? {
        output.cloud_story("nothing was done");
        return Ok(Exit::Changes);
    }
    let starting = store.start(&rollout.started_by, world.now())?;
    none_unfinished(&store)?;
    let (mut journal, first) = starting.begin(&store, &rollout, &moment, &access)?;
    let driver = Driver {
        arguments,
        store: &store,
        world: &world,
        output,
        format: command.format,
        pace: Some(&command.pace),
    };
    let outcome = driver.drive(&mut journal, &[first]).await?;
    exit(&outcome, &journal, output)
}

/// Before anything begins: whether kops can be run, and of which release it is.
async fn kops_is_ready(world: &World, rollout: &Rollout) -> Result<(), Failure> {
    for run in rollout.clusters().filter(|run| run.kops.is_some()) {
        let place = Place {
            cluster: run.cluster.clone(),
            account: run.account.clone(),
            region: run.region.clone(),
        };
        world.ready(&place).await.map_err(|error| {
            Failure::new(format!("{}: {error}", run.cluster)).hint(
                "nothing was done; name the binary as kops.binary in the cluster's file: the release that last updated the cluster",
            )
        })?;
    }
    Ok(())
}

fn say_rendered(prepared: &PreparedFleet, output: &Output) {
    let groups: usize = prepared
        .clusters
        .values()
        .map(|c| c.desired.groups.len())
        .sum();
    output.cloud_story(&format!(
        "{} clusters rendered, {groups} groups compiled",
        prepared.clusters.len()
    ));
}

/// Whether a person is there who has not said yes yet.
fn asks(command: &StartArguments) -> bool {
    let agreed = command.yes || command.pace.auto_approve || command.plan.is_some();
    let is_read = command.format == FollowFormat::Text;
    !agreed && is_read && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

fn said_yes(output: &Output) -> Result<bool, Failure> {
    output.raw_story("Carry this plan out? Only `yes` does: ");
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|e| Failure::new(format!("cannot read the answer: {e}")))?;
    Ok(answer.trim() == "yes")
}

fn show(
    arguments: &Arguments,
    (prepared, plan): (&PreparedFleet, &Plan),
    around: &AroundPlan,
    now: Timestamp,
    output: &Output,
) -> Result<(), Failure> {
    let shown = plan::Shown {
        plan,
        stages: &prepared.fleet.settings.stages,
        now,
        around: around.seen(now),
        live: None,
    };
    plan::show(arguments, PlanFormat::Text, shown, output)
}

fn none_unfinished(store: &Store) -> Result<(), Failure> {
    match unfinished(store)? {
        Some(id) => Err(Failure::new(format!("rollout {id} is not finished"))
            .hint("`kfleet rollout resume` goes on with it, `kfleet rollout abort` ends it")),
        None => Ok(()),
    }
}

/// The plan that was saved, or one that is made now.
async fn planned(
    command: &StartArguments,
    prepared: &PreparedFleet,
    store: &Store,
    world: &World,
    output: &Output,
) -> Result<Plan, Failure> {
    if let Some(path) = &command.plan {
        return saved(path, prepared, world, output).await;
    }
    let clusters = plan::in_stages(prepared, &command.selection)?;
    plan::make(
        prepared,
        &clusters,
        store,
        world,
        &command.selection,
        output,
    )
    .await
}

/// What was just rolled back is not started again by the next pipeline that comes along.
fn not_again(store: &Store, plan: &Plan, again: Option<&str>) -> Result<(), Failure> {
    let Some(id) = store.rollouts()?.pop() else {
        return Ok(());
    };
    let (last, progress) = store.rollout(&id)?;
    let rolled_back = progress.ending == Some(Ending::RolledBack) && last.release == plan.release;
    match again {
        Some(reason) if reason.trim().is_empty() => Err(Failure::new("the reason is empty")
            .hint("say in `--again` what is different this time")),
        None if rolled_back => Err(Failure::new(format!(
            "release {} was rolled back by rollout {id}",
            last.release.short()
        ))
        .hint("see `kfleet rollout status`; `--again REASON` starts it again, and is recorded")),
        Some(_) | None => Ok(()),
    }
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
    let live = documents::sight(prepared, world, &places, output).await?;
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
    let wanted = wanted_digests(prepared);
    let only: BTreeSet<_> = command.selection.stages.iter().cloned().collect();
    let inputs = Inputs {
        only: &only,
        baselines: &store.baselines()?,
        wanted: &wanted,
        id: new_id(store, world.now(), plan)?,
        now: world.now(),
        by: who(),
        break_glass: command.break_glass.clone(),
        before,
    };
    Ok(build(plan, &inputs)?)
}

/// What git wants of each cluster: the digest of all, and what is no definition.
fn wanted_digests(
    prepared: &PreparedFleet,
) -> BTreeMap<ClusterName, (Digest, BTreeMap<String, Json>)> {
    let wanted = prepared.clusters.iter().map(|(name, c)| {
        let beside = c.desired.beside_definitions();
        (name.clone(), (c.desired.digest.clone(), beside))
    });
    wanted.collect()
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
