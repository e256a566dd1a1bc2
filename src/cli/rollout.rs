//! `kfleet rollout`: start, resume, approve, abort, and looking at what was.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Exit;
use super::args::{
    AbortArguments, ApproveArguments, Arguments, DriveArguments, Format, Pace, RollbackArguments,
    RolloutCommand, StartArguments, WhichArguments,
};
use super::failure::Failure;
use super::output::Output;
use super::pipeline::{PreparedFleet, prepare};
use super::screen::Screen;
use super::world::{Simulated, World};
use super::{aims, documents, plan, stop, world};
use crate::cloud::{Cloud as _, Place};
use crate::fleet::{self, Fleet};
use crate::model::{ClusterName, Span, Timestamp};
use crate::plan::{Plan, fingerprint};
use crate::report::{self, Style};
use crate::rollout::{Direction, Ending, Event, Inputs, Progress, Rollout, build, may_recall};
use crate::run::{Drive, Outcome, fence, run as carry_on};
use crate::store::{Journal, Request, Store};

/// Between two looks while something is under way.
const POLL: Span = Span::from_secs(10);

pub(super) async fn run(
    arguments: &Arguments,
    command: &RolloutCommand,
    output: &Output,
) -> Result<Exit, Failure> {
    match command {
        RolloutCommand::Start(start_arguments) => start(arguments, start_arguments, output).await,
        RolloutCommand::Resume(drive) => resume(arguments, drive, output).await,
        RolloutCommand::Approve(approve_arguments) => approve(arguments, approve_arguments, output),
        RolloutCommand::Abort(abort_arguments) => abort(arguments, abort_arguments, output).await,
        RolloutCommand::Rollback(rollback_arguments) => {
            rollback(arguments, rollback_arguments, output).await
        }
        RolloutCommand::Status(which) => status(arguments, which, output),
        RolloutCommand::History => history(arguments, output),
        RolloutCommand::Show(which) => show(arguments, which, output),
    }
}

async fn start(
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
    if plan.is_empty() && verified(&prepared, &plan, &store)? {
        return Ok(Exit::Good);
    }
    aims::known(
        &prepared,
        &plan,
        &world::faults(&command.selection.faults)?,
        &world::scenario(command.selection.scenario.as_deref())?,
    )?;
    let rollout = make(&prepared, &plan, &store, &world, command)?;
    stop::heed(&store, &rollout)?;
    fence(&world, &rollout, arguments.poll.unwrap_or(POLL)).await?;
    let (mut journal, first) = Journal::begin(&store, &rollout)?;
    let mut screen = Screen::new(output, machine(arguments)?);
    screen.hear(&crate::run::Signal::Recorded(&first));
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
    let places: Vec<Place> = plan
        .clusters
        .iter()
        .map(|(name, c)| Place {
            cluster: name.clone(),
            account: c.account.clone(),
            region: c.region.clone(),
        })
        .collect();
    let live = documents::sight(&prepared.fleet, world, &places, output).await?;
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
        settings: &prepared.fleet.settings,
        only: &only,
        baselines: &store.baselines()?,
        wanted: &wanted,
        id: new_id(store, world.now(), plan)?,
        now: world.now(),
        by: world::who(),
        break_glass: command.break_glass.clone(),
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

async fn resume(
    arguments: &Arguments,
    command: &DriveArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    world::may_approve_itself(arguments, &command.pace)?;
    let (fleet, store) = opened(arguments)?;
    let Some(id) = chosen(&store, command.rollout.as_deref())? else {
        output.story("no rollout is unfinished: nothing to resume");
        return Ok(Exit::Good);
    };
    let mut journal = Journal::take_up(&store, &id)?;
    // What is being aborted only gives back what is open.
    if journal.progress().direction != Direction::Aborting {
        stop::heed(&store, journal.rollout())?;
    }
    let simulated = Simulated {
        seed: 1,
        faults: &command.faults,
        scenario: command.scenario.as_deref(),
    };
    let world = world::open(
        arguments,
        &fleet,
        &store,
        world::images_of(journal.rollout()),
        &simulated,
    )
    .await?;
    let screen = Screen::new(output, machine(arguments)?);
    let outcome = carry(
        arguments,
        &fleet,
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

fn approve(
    arguments: &Arguments,
    command: &ApproveArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let (_, store) = opened(arguments)?;
    let Some(id) = chosen(&store, command.rollout.as_deref())? else {
        return Err(Failure::new("no rollout waits for an approval"));
    };
    let (rollout, progress) = store.rollout(&id)?;
    if command.plan.len() < 8 || !rollout.plan.as_str().starts_with(&command.plan) {
        let hint = format!(
            "look at the plan with `kfleet rollout status {id}`, then name it by at least 8 of its digits: {}",
            rollout.plan.short()
        );
        return Err(Failure::new(format!(
            "rollout {id} does not carry out plan {}",
            command.plan
        ))
        .hint(hint));
    }
    let waits = rollout
        .stages
        .iter()
        .find(|s| s.approval && !progress.stages_started.contains(&s.name));
    let stage = match (&command.stage, waits) {
        (Some(stage), _)
            if rollout
                .stages
                .iter()
                .any(|s| s.name == *stage && s.approval) =>
        {
            stage.clone()
        }
        (Some(stage), _) => {
            return Err(Failure::new(format!(
                "rollout {id} has no stage `{stage}` that needs an approval"
            )));
        }
        (None, Some(stage)) => stage.name.clone(),
        (None, None) => {
            return Err(Failure::new(format!(
                "rollout {id} has no stage that still needs an approval"
            )));
        }
    };
    if progress.stages_started.contains(&stage) {
        return Err(Failure::new(format!(
            "stage {stage} of rollout {id} has started already"
        )));
    }
    let now = world::now(&store)?;
    let expires = now + command.valid;
    store.request(
        &id,
        &Request::Approve {
            plan: rollout.plan.clone(),
            stage: stage.clone(),
            by: world::who(),
            expires,
        },
    )?;
    output.cloud_story(&format!(
        "stage {stage} of plan {} is approved until {expires}; `kfleet rollout resume` goes on",
        rollout.plan.short()
    ));
    Ok(Exit::Good)
}

async fn abort(
    arguments: &Arguments,
    command: &AbortArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let (fleet, store) = opened(arguments)?;
    let Some(id) = chosen(&store, command.rollout.as_deref())? else {
        return Err(Failure::new("no rollout is unfinished: nothing to abort"));
    };
    store.request(
        &id,
        &Request::Abort {
            by: world::who(),
            reason: command.reason.clone(),
        },
    )?;
    let mut journal = match Journal::take_up(&store, &id) {
        Ok(journal) => journal,
        Err(crate::store::StoreError::Running(_)) => {
            output.cloud_story(&format!(
                "rollout {id} is being carried on by another process, which will stop it"
            ));
            return Ok(Exit::Good);
        }
        Err(error) => return Err(error.into()),
    };
    let world = world::open(
        arguments,
        &fleet,
        &store,
        world::images_of(journal.rollout()),
        &Simulated {
            seed: 1,
            faults: &[],
            scenario: None,
        },
    )
    .await?;
    let screen = Screen::new(output, machine(arguments)?);
    let pace = Pace {
        auto_approve: false,
        max_wait: None,
    };
    let outcome = carry(
        arguments,
        &fleet,
        &store,
        &world,
        &mut journal,
        &pace,
        screen,
        output,
    )
    .await?;
    // What is an error to whoever wanted the rollout is the success of whoever wanted it stopped.
    if outcome == Outcome::Ended(Ending::Aborted) {
        Ok(Exit::Good)
    } else {
        exit(&outcome, &journal, output)
    }
}

async fn rollback(
    arguments: &Arguments,
    command: &RollbackArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let (fleet, store) = opened(arguments)?;
    let Some(id) = named_or_newest(&store, command.rollout.as_deref())? else {
        return Err(Failure::new(
            "there was no rollout yet: nothing to take back",
        ));
    };
    let all: Vec<(Rollout, Progress)> = store
        .rollouts()?
        .iter()
        .map(|id| store.rollout(id))
        .collect::<Result<_, _>>()?;
    if let Some((other, _)) = all.iter().find(|(r, p)| r.id != id && p.ending.is_none()) {
        let hint = format!(
            "`kfleet rollout resume {0}` goes on with it, `kfleet rollout abort {0}` ends it",
            other.id
        );
        return Err(Failure::new(format!("rollout {} is not finished", other.id)).hint(hint));
    }
    let (rollout, progress) = store.rollout(&id)?;
    let clusters = may_recall(&rollout, &progress, &all, command.allow_retire)?;
    let (by, reason) = (world::who(), command.reason.clone());
    let mut journal = match Journal::take_up(&store, &id) {
        Ok(journal) => journal,
        Err(crate::store::StoreError::Running(_)) => {
            store.request(&id, &Request::Rollback { by, reason })?;
            output.cloud_story(&format!(
                "rollout {id} is being carried on by another process, which will take it back"
            ));
            return Ok(Exit::Good);
        }
        Err(error) => return Err(error.into()),
    };
    let world = world::open(
        arguments,
        &fleet,
        &store,
        world::images_of(journal.rollout()),
        &Simulated {
            seed: 1,
            faults: &command.faults,
            scenario: None,
        },
    )
    .await?;
    fence(&world, journal.rollout(), POLL).await?;
    let at = world.now().max(journal.progress().at);
    let records = journal.append(at, vec![Event::RollbackAsked { by, reason }])?;
    let mut screen = Screen::new(output, machine(arguments)?);
    records
        .iter()
        .for_each(|record| screen.hear(&crate::run::Signal::Recorded(record)));
    output.cloud_story(&format!(
        "takes {} back",
        clusters
            .iter()
            .map(ClusterName::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    ));
    let pace = Pace {
        auto_approve: false,
        max_wait: None,
    };
    let outcome = carry(
        arguments,
        &fleet,
        &store,
        &world,
        &mut journal,
        &pace,
        screen,
        output,
    )
    .await?;
    // What is a failure to whoever wanted the rollout is the success of whoever wanted it back.
    if outcome == Outcome::Ended(Ending::RolledBack) {
        Ok(Exit::Good)
    } else {
        exit(&outcome, &journal, output)
    }
}

fn status(arguments: &Arguments, which: &WhichArguments, output: &Output) -> Result<Exit, Failure> {
    let (_, store) = opened(arguments)?;
    output.cloud_result(&stop::lines(&store)?)?;
    let Some(id) = named_or_newest(&store, which.rollout.as_deref())? else {
        output.cloud_story("there was no rollout yet");
        return Ok(Exit::Good);
    };
    let (rollout, progress) = store.rollout(&id)?;
    output.cloud_result(&report::status_text(
        &rollout,
        &progress,
        world::now(&store)?,
        Style {
            colour: output.colour(),
            full: arguments.verbose,
        },
    ))?;
    Ok(Exit::Good)
}

fn history(arguments: &Arguments, output: &Output) -> Result<Exit, Failure> {
    let (_, store) = opened(arguments)?;
    let mut all: Vec<(Rollout, Progress)> = store
        .rollouts()?
        .iter()
        .map(|id| store.rollout(id))
        .collect::<Result<_, _>>()?;
    all.sort_by(|(a, _), (b, _)| (a.started_at, &a.id).cmp(&(b.started_at, &b.id)));
    output.cloud_result(&report::history_text(&all))?;
    Ok(Exit::Good)
}

fn show(arguments: &Arguments, which: &WhichArguments, output: &Output) -> Result<Exit, Failure> {
    let (_, store) = opened(arguments)?;
    let Some(id) = named_or_newest(&store, which.rollout.as_deref())? else {
        output.cloud_story("there was no rollout yet");
        return Ok(Exit::Good);
    };
    let machine = machine(arguments)?;
    for record in store.records(&id)? {
        match (machine, report::event_line(&record)) {
            (true, _) => output.result(&(report::event_json(&record) + "\n"))?,
            (false, Some(line)) => output.cloud_result(&line)?,
            (false, None) => {}
        }
    }
    Ok(Exit::Good)
}

#[expect(
    clippy::too_many_arguments,
    reason = "the one place where everything that carries a rollout comes together"
)]
async fn carry(
    arguments: &Arguments,
    fleet: &Fleet,
    store: &Store,
    world: &World,
    journal: &mut Journal,
    pace: &Pace,
    mut screen: Screen<'_>,
    output: &Output,
) -> Result<Outcome, Failure> {
    let drive = Drive {
        by: world::who(),
        folder: folder(fleet),
        environment: |name| std::env::var(name).ok(),
        poll: arguments.poll.unwrap_or(POLL),
        watch: Span::from_secs(60),
        max_wait: pace.max_wait.unwrap_or(world::patience(arguments)),
        auto_approve: pace.auto_approve,
    };
    world
        .act_for(journal.rollout(), super::git::head(&fleet.root).as_deref())
        .await;
    let interrupted = interruption();
    let outcome = tokio::select! {
        biased;
        () = world.killed() => std::process::abort(),
        outcome = carry_on(world, store, journal, &drive, || interrupted.load(Ordering::Relaxed), |signal| screen.hear(&signal)) => outcome,
    };
    screen.clear();
    let outcome = outcome.map_err(|e| {
        Failure::from(e).hint(format!(
            "everything that was begun is in the journal; `kfleet rollout resume {}` goes on",
            journal.rollout().id
        ))
    })?;
    let summary = report::rollout_summary(journal.rollout(), journal.progress());
    if machine(arguments)? {
        output.cloud_story(&summary);
    } else {
        output.cloud_result(&summary)?;
    }
    Ok(outcome)
}

fn exit(outcome: &Outcome, journal: &Journal, output: &Output) -> Result<Exit, Failure> {
    match outcome {
        Outcome::Ended(Ending::Finished) => Ok(Exit::Good),
        Outcome::Ended(Ending::RolledBack) => Ok(Exit::RolledBack),
        Outcome::Ended(Ending::Aborted) => Err(Failure::new(format!(
            "rollout {} was aborted",
            journal.rollout().id
        ))),
        Outcome::Stuck => Ok(Exit::Stuck),
        Outcome::WaitingForPerson(_) | Outcome::Held | Outcome::Interrupted => Ok(Exit::Waits),
        Outcome::WaitingForCredentials { why } => {
            let id = &journal.rollout().id;
            output.cloud_story(&format!("paused, {why}"));
            output.cloud_story(&format!("log in again, then `kfleet rollout resume {id}` goes on; everything that was begun is in the journal"));
            Ok(Exit::Waits)
        }
        Outcome::Stopped(stop) => {
            output.cloud_story(&format!(
                "{stop}; `{}` lifts it, then `kfleet rollout resume` goes on",
                stop.go()
            ));
            Ok(Exit::Waits)
        }
        Outcome::WaitingForTime { until, why } => {
            output.cloud_story(&format!(
                "{why}; `kfleet rollout resume` after {until} goes on"
            ));
            Ok(Exit::Waits)
        }
    }
}

fn folder(fleet: &Fleet) -> PathBuf {
    fleet
        .root
        .canonicalize()
        .unwrap_or_else(|_| fleet.root.clone())
}

/// Raised by Ctrl-C: the run steps back at the next safe moment. A second one ends the process, as kill -9 would.
fn interruption() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            raised.store(true, Ordering::Relaxed);
        }
    });
    flag
}

fn opened(arguments: &Arguments) -> Result<(Fleet, Store), Failure> {
    let fleet = fleet::load(&arguments.directory)?;
    let store = world::store(arguments, &fleet)?;
    Ok((fleet, store))
}

fn machine(arguments: &Arguments) -> Result<bool, Failure> {
    match arguments.format.unwrap_or(Format::Text) {
        Format::Text => Ok(false),
        Format::Jsonl => Ok(true),
        Format::Json | Format::Yaml | Format::Markdown => {
            Err(Failure::new("`rollout` prints `text` or `jsonl`"))
        }
    }
}

/// The rollout that has not ended.
fn unfinished(store: &Store) -> Result<Option<String>, Failure> {
    for id in store.perhaps_unfinished()?.into_iter().rev() {
        if store.rollout(&id)?.1.ending.is_none() {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

fn chosen(store: &Store, named: Option<&str>) -> Result<Option<String>, Failure> {
    match named {
        Some(id) => {
            store.rollout(id)?;
            Ok(Some(id.to_owned()))
        }
        None => unfinished(store),
    }
}

fn named_or_newest(store: &Store, named: Option<&str>) -> Result<Option<String>, Failure> {
    match named {
        Some(id) => Ok(Some(id.to_owned())),
        None => Ok(match unfinished(store)? {
            Some(id) => Some(id),
            None => store.rollouts()?.pop(),
        }),
    }
}
