//! A rollout is carried on: with whom, how long, what is shown, and the exit code it comes to.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::which::machine;
use crate::cli::args::{Arguments, Pace};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::screen::Screen;
use crate::cli::world::{self, World};
use crate::cli::{Exit, git};
use crate::fleet::Fleet;
use crate::model::Span;
use crate::report;
use crate::rollout::Ending;
use crate::run::{Drive, Outcome, run as carry_on};
use crate::store::{Journal, Store};

/// Between two looks while something is under way.
pub(super) const POLL: Span = Span::from_secs(10);

#[expect(
    clippy::too_many_arguments,
    reason = "the one place where everything that carries a rollout comes together"
)]
pub(super) async fn carry(
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
        .act_for(journal.rollout(), git::head(&fleet.root).as_deref())
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

pub(super) fn exit(outcome: &Outcome, journal: &Journal, output: &Output) -> Result<Exit, Failure> {
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
        Outcome::WaitingForAccess { cluster, why } => {
            let id = &journal.rollout().id;
            output.cloud_story(&format!("paused, {cluster}: {why}"));
            output.cloud_story(&format!("put that right, then `kfleet rollout resume {id}` goes on; nothing was done there meanwhile, and everything that was begun is in the journal"));
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
