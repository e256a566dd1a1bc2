//! `kfleet rollout start`: a plan, made now or saved, becomes a rollout.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;
use std::time::Duration;

use serde_json::Value as Json;

use super::drive::{Driver, POLL, aborted, exit};
use super::part::{self, Portion, ShardTurn};
use super::resume::{self, CarryOn};
use crate::cli::args::{Arguments, StartArguments};
use crate::cli::around::AroundPlan;
use crate::cli::failure::Failure;
use crate::cli::formats::{FollowFormat, PlanFormat};
use crate::cli::output::Output;
use crate::cli::pipeline::PreparedFleet;
use crate::cli::to_roll::prepare_to_roll;
use crate::cli::warned::{self, For};
use crate::cli::who::who;
use crate::cli::world::{Simulated, World};
use crate::cli::{Exit, aims, documents, hooks, lint, plan, revision, stop, store, world};
use crate::cloud::{Cloud as _, Place};
use crate::engine::Engine as _;
use crate::model::{ClusterName, Digest, DryRun, Timestamp};
use crate::plan::{ClusterPlan, Plan, Policy, fingerprint};
use crate::report;
use crate::rollout::{Ending, Inputs, Record, Rollout, build};
use crate::run::fence;
use crate::store::{Journal, Moment, Starting, Store, StoreAccess, StoreError};

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
    let portion = part::portion(&prepared, command)?;
    let (attempt, is_awaited) = match part::turn(&store, &portion, command.again.is_some())? {
        // A shard in which nothing is to be done tells the others so: they wait for it.
        ShardTurn::Begin { attempt } => (attempt, portion.is_shard()),
        ShardTurn::Again { attempt } => (attempt, false),
        ShardTurn::Resume(id) => return carry_on(arguments, command, &store, &id, output).await,
        ShardTurn::Over(id) => return over(&store, &id, output),
    };
    part::free(&store, &prepared, &portion)?;
    let revision = revision::to_roll(
        revision::read(&arguments.directory, &prepared),
        command.allow_dirty.as_deref(),
        &store,
        output,
    )?;
    let moment = store.moment(portion.is_partial().then(|| portion.clusters.clone()))?;
    let simulated = simulated(command, &portion);
    let access = StoreAccess {
        again: command.again.clone(),
        ..world::access_of(&prepared.fleet)
    };
    let images = world::images(&prepared);
    let world = world::open(arguments, &access, &store, images, &simulated).await?;
    let plan = planned(command, (&prepared, &portion), &store, &world, output).await?;
    let fleet = prepared.clusters.keys().collect();
    warned::leave(&store, &plan, &fleet, (For::Rolling, world.now()), output);
    let around = AroundPlan::of((&prepared, &plan), &store, revision.clone())?;
    if command.format == FollowFormat::Text {
        show(arguments, (&prepared, &plan), &around, world.now(), output)?;
    }
    if !is_awaited && plan.is_rolled() && verified(&prepared, &plan, &store)? {
        return Ok(Exit::Good);
    }
    lint::unblocked(around.blocking())?;
    not_again(&store, &plan, command.again.as_deref())?;
    let around_it = (&prepared, &portion.elsewhere);
    let before = plan::before(around_it, &plan, &store, &world, &command.selection, output).await?;
    let of = (&prepared, &portion, attempt);
    let mut rollout = make(of, &plan, &before, &store, &world, command)?;
    rollout.revision = Some(revision);
    world.knows(&simulated, || aims::of_rollout(&rollout))?;
    stop::heed(&store, &rollout)?;
    fence(&world, &rollout, arguments.poll.unwrap_or(POLL)).await?;
    kops_is_ready(&world, &rollout).await?;
    if asks(command) && !said_yes(output)? {
        output.cloud_story("nothing was done");
        return Ok(Exit::Changes);
    }
    let birth = (&rollout, &moment, &access);
    let (mut journal, first) = begin((&prepared, &portion), birth, &store, &world).await?;
    keep_dry_runs(command, &store, &rollout.id);
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

/// What kops said when the plan was made stays with its rollout. An aside: what cannot be kept is not.
fn keep_dry_runs(command: &StartArguments, store: &Store, rollout: &str) {
    let file = command.plan.as_ref();
    let text = file.and_then(|path| std::fs::read_to_string(path).ok());
    for (cluster, found) in report::dry_runs_from_json(&text.unwrap_or_default()) {
        let text = match found {
            DryRun::Known { tasks: _, text } => text,
            DryRun::NotKnown { why } => format!("not known: {why}\n"),
        };
        let _lost = store.put_output(rollout, &format!("kops-plan.{cluster}"), &text);
    }
}

fn simulated<'a>(command: &'a StartArguments, portion: &Portion) -> Simulated<'a> {
    Simulated {
        seed: command.selection.seed,
        faults: &command.selection.faults,
        scenario: command.selection.scenario.as_deref(),
        shared: portion.is_partial(),
    }
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

/// Begins it, beside what is under way by now.
async fn begin(
    (prepared, portion): (&PreparedFleet, &Portion),
    (rollout, moment, access): (&Rollout, &Moment, &StoreAccess),
    store: &Store,
    world: &World,
) -> Result<(Journal, Record), Failure> {
    let starting = starting(store, portion, &rollout.started_by, world).await?;
    part::free(store, prepared, portion)?;
    part::announce(store, portion, rollout, world.now())?;
    let begun = starting.begin(store, rollout, moment, access);
    if begun.is_err() {
        part::withdraw(store, portion, rollout);
    }
    Ok(begun?)
}

/// The right to begin. Runs of other shards begin at the same moment: they are waited for.
async fn starting(
    store: &Store,
    portion: &Portion,
    by: &str,
    world: &World,
) -> Result<Starting, Failure> {
    const TRIES: u32 = 300;
    for _ in 0..TRIES {
        match store.start(by, world.now()) {
            Err(StoreError::Starting { .. }) if portion.is_partial() => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            answer => return Ok(answer?),
        }
    }
    Ok(store.start(by, world.now())?)
}

/// The shard began already, in a process that is gone.
async fn carry_on(
    arguments: &Arguments,
    command: &StartArguments,
    store: &Store,
    id: &str,
    output: &Output,
) -> Result<Exit, Failure> {
    output.cloud_story(&format!(
        "this shard began as rollout {id}: it is carried on"
    ));
    let on = CarryOn {
        pace: &command.pace,
        faults: &command.selection.faults,
        scenario: command.selection.scenario.as_deref(),
        format: command.format,
        hooks: &[],
        is_successor: true,
    };
    resume::carry_on(arguments, store, id, &on, output).await
}

/// The shard has ended, and others go on.
fn over(store: &Store, id: &str, output: &Output) -> Result<Exit, Failure> {
    let (rollout, progress) = store.outline(id)?;
    output.cloud_result(&report::rollout_summary(&rollout, &progress))?;
    match progress.ending {
        Some(Ending::Finished) => Ok(Exit::Good),
        Some(Ending::RolledBack) => Ok(Exit::RolledBack),
        Some(Ending::Aborted) | None => Err(aborted(id)),
    }
}

/// The plan that was saved, or one that is made now.
async fn planned(
    command: &StartArguments,
    (prepared, portion): (&PreparedFleet, &Portion),
    store: &Store,
    world: &World,
    output: &Output,
) -> Result<Plan, Failure> {
    if let Some(path) = &command.plan {
        return saved(path, (prepared, portion), (store, world), output).await;
    }
    plan::make(
        prepared,
        &portion.clusters,
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
    let (last, progress) = store.outline(&id)?;
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
    (prepared, portion): (&PreparedFleet, &Portion),
    (store, world): (&Store, &World),
    output: &Output,
) -> Result<Plan, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?;
    let mut plan = report::plan_from_json(&text)
        .map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    // What other shards roll is theirs to compare.
    plan.clusters
        .retain(|name, _| portion.clusters.contains(name));
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
    hooks::ensure_same(prepared, store, &plan)?;
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
    (prepared, portion, attempt): (&PreparedFleet, &Portion, u32),
    plan: &Plan,
    before: &BTreeMap<ClusterName, ClusterPlan>,
    store: &Store,
    world: &World,
    command: &StartArguments,
) -> Result<Rollout, Failure> {
    let wanted = wanted_digests(prepared);
    let only: BTreeSet<_> = command.selection.stages.iter().cloned().collect();
    let behind = hooks::behind(prepared, store, plan)?;
    let inputs = Inputs {
        only: &only,
        baselines: &store.baselines()?,
        wanted: &wanted,
        id: new_id(store, world.now(), plan, &portion.suffix())?,
        now: world.now(),
        by: who(),
        break_glass: command.break_glass.clone(),
        before,
        part: portion.part(attempt),
        elsewhere: &portion.elsewhere,
        behind: &behind,
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
fn new_id(store: &Store, now: Timestamp, plan: &Plan, suffix: &str) -> Result<String, Failure> {
    let time: String = now
        .to_string()
        .chars()
        .take(19)
        .filter(|c| !matches!(c, '-' | ':'))
        .collect();
    let plan = plan.id.short().get(..8).unwrap_or_default();
    let id = format!("{time}Z-{plan}{suffix}");
    let taken: BTreeSet<String> = store.rollouts()?.into_iter().collect();
    let free = std::iter::once(id.clone())
        .chain((2..).map(|n| format!("{id}-{n}")))
        .find(|id| !taken.contains(id));
    Ok(free.unwrap_or(id))
}
