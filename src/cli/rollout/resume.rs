//! `kfleet rollout resume`.

use std::path::Path;
use std::time::Duration;

use super::drive::{Driver, exit};
use super::which::{access, chosen, opened, taken_up};
use crate::cli::Exit;
use crate::cli::args::{Arguments, HookWord, Pace, ResumeArguments};
use crate::cli::failure::Failure;
use crate::cli::formats::FollowFormat;
use crate::cli::notify::Notices;
use crate::cli::output::Output;
use crate::cli::who::who;
use crate::cli::world::Simulated;
use crate::cli::{aims, stop, store, world};
use crate::cloud::Cloud as _;
use crate::model::HookPlace;
use crate::rollout::{Direction, Event, HookEvent, HookState, HookWay, Progress};
use crate::store::{Journal, Store, StoreError};

/// How a rollout is carried on.
pub(super) struct CarryOn<'a> {
    pub(super) pace: &'a Pace,
    pub(super) faults: &'a [String],
    pub(super) scenario: Option<&'a Path>,
    pub(super) format: FollowFormat,
    /// What a person says of hooks.
    pub(super) hooks: &'a [HookWord],
    /// It takes the place of a process that was killed, whose lease may not be over yet.
    pub(super) is_successor: bool,
}

pub(super) async fn resume(
    arguments: &Arguments,
    command: &ResumeArguments,
) -> Result<Exit, Failure> {
    let (store, output) = opened(arguments)?;
    world::may_approve_itself(&store, &command.pace)?;
    let Some(id) = chosen(&store, command.rollout.as_ref())? else {
        output.cloud_story("no rollout is unfinished: nothing to resume");
        // Its last words may not have been told.
        if let Some(last) = store.rollouts()?.pop() {
            let (rollout, _) = store.rollout(&last)?;
            Notices::open(&store, &output, &rollout).close().await;
        }
        return Ok(Exit::Good);
    };
    store::warn_of_folder(arguments, &store, &output)?;
    let on = CarryOn {
        pace: &command.pace,
        faults: &command.faults,
        scenario: command.scenario.as_deref(),
        format: command.format,
        hooks: &command.hooks,
        is_successor: false,
    };
    carry_on(arguments, &store, &id, &on, &output).await
}

/// Takes a rollout up and drives it.
pub(super) async fn carry_on(
    arguments: &Arguments,
    store: &Store,
    id: &str,
    on: &CarryOn<'_>,
    output: &Output,
) -> Result<Exit, Failure> {
    let mut journal = if on.is_successor {
        succeed(store, id, output).await?
    } else {
        taken_up(store, id)?
    };
    let said = words(&journal, on.hooks)?;
    // What is being aborted only undoes what is half-done.
    if journal.progress().direction != Direction::Aborting {
        stop::heed(store, journal.rollout())?;
    }
    let simulated = Simulated {
        seed: 1,
        faults: on.faults,
        scenario: on.scenario,
        shared: journal.rollout().part.is_some(),
    };
    let world = world::open(
        arguments,
        &access(arguments, store, id)?,
        store,
        world::images_of(journal.rollout()),
        &simulated,
    )
    .await?;
    world.knows(&simulated, || aims::of_rollout(journal.rollout()))?;
    let at = world.now().max(journal.progress().at);
    let said = if said.is_empty() {
        Vec::new()
    } else {
        journal.append(at, said)?
    };
    let driver = Driver {
        arguments,
        store,
        world: &world,
        output,
        format: on.format,
        pace: Some(on.pace),
    };
    let outcome = driver.drive(&mut journal, &said).await?;
    exit(&outcome, &journal, output)
}

/// Takes the rollout of a process that is gone. The lease that it left is waited for: a process that is restarted has nothing better to do.
async fn succeed(store: &Store, id: &str, output: &Output) -> Result<Journal, Failure> {
    /// Longer than a lease and its margin last.
    const TRIES: u32 = 40;
    const PAUSE: Duration = Duration::from_secs(5);
    let mut is_told = false;
    for _ in 0..TRIES {
        match Journal::take_up(store, id) {
            // In a folder a lock ends with its process: who holds it is alive.
            Err(StoreError::Running(_)) if store.folder().is_none() => {}
            Ok(journal) => return Ok(journal),
            Err(_) => break,
        }
        if !is_told {
            output.cloud_story("the process before this one may be alive: its lease is waited for");
            is_told = true;
        }
        tokio::time::sleep(PAUSE).await;
    }
    taken_up(store, id)
}

/// What a person says of hooks, as records. A process that died leaves its hooks as if they ran.
fn words(journal: &Journal, words: &[HookWord]) -> Result<Vec<Event>, Failure> {
    let progress = journal.progress();
    let mut said = Vec::new();
    for HookWord { hook, verdict } in words {
        let is_meant = |place: &HookPlace| place.key() == *hook || place.hook.as_str() == hook;
        let open = |way: HookWay| -> Vec<&HookPlace> {
            let all = progress.hooks.iter();
            all.filter(|(place, book)| is_meant(place) && is_open(&book.of(way).state))
                .map(|(place, _)| place)
                .collect()
        };
        // On the way back a hook that failed, and whose undo is in doubt, is open both ways: what is waited for is the undo.
        let ways = match &progress.direction {
            Direction::Back(_) => [HookWay::Undo, HookWay::Run],
            Direction::Forward | Direction::Aborting => [HookWay::Run, HookWay::Undo],
        };
        let meant = ways.map(|way| (way, open(way)));
        let meant = meant.iter().find(|(_, places)| !places.is_empty());
        let (place, way) = match meant.map(|(way, places)| (*way, places.as_slice())) {
            None => return Err(no_hook(progress, hook)),
            Some((way, [place])) => ((*place).clone(), way),
            Some((_, many)) => {
                let keys: Vec<String> = many.iter().map(|place| place.key()).collect();
                return Err(Failure::new(format!("`{hook}` may mean several hooks"))
                    .hint(format!("name one of {}", keys.join(", "))));
            }
        };
        let by = who();
        let event = HookEvent::Settled {
            way,
            by,
            verdict: *verdict,
        };
        said.push(Event::Hook(place, event));
    }
    Ok(said)
}

fn is_open(state: &HookState) -> bool {
    match state {
        HookState::InDoubt(_) | HookState::Running(_) => true,
        HookState::Ended(_, result) => !result.is_good(),
        HookState::Waiting | HookState::Settled(_) => false,
    }
}

fn no_hook(progress: &Progress, hook: &str) -> Failure {
    let open = progress
        .hooks
        .iter()
        .filter(|(_, book)| is_open(&book.run.state) || is_open(&book.undo.state));
    let keys: Vec<String> = open.map(|(place, _)| place.key()).collect();
    let hint = match keys.is_empty() {
        true => "no hook of this rollout is in doubt or has failed".to_owned(),
        false => format!("in doubt or failed: {}", keys.join(", ")),
    };
    Failure::new(format!("`{hook}` is no hook that waits for a word")).hint(hint)
}
