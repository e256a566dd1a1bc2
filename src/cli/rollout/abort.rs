//! `kfleet rollout abort`.

use super::drive::{Driver, exit};
use super::which::{access, chosen_together, opened};
use crate::cli::args::{AbortArguments, Arguments};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::who::who;
use crate::cli::world::{self, Simulated};
use crate::cli::{Exit, store};
use crate::rollout::Ending;
use crate::run::Outcome;
use crate::store::{Journal, Request, Store, StoreError};

pub(super) async fn abort(
    arguments: &Arguments,
    command: &AbortArguments,
) -> Result<Exit, Failure> {
    let (store, output) = opened(arguments)?;
    let together = chosen_together(&store, command.rollout.as_ref())?;
    if together.is_empty() {
        return Err(Failure::new("no rollout is unfinished: nothing to abort"));
    }
    store::warn_of_folder(arguments, &store, &output)?;
    let mut exit = Exit::Good;
    for id in &together {
        let ended = abort_one(arguments, command, &store, id, &output).await?;
        if ended != Exit::Good {
            exit = ended;
        }
    }
    Ok(exit)
}

async fn abort_one(
    arguments: &Arguments,
    command: &AbortArguments,
    store: &Store,
    id: &str,
    output: &Output,
) -> Result<Exit, Failure> {
    if store.outline(id)?.1.ending.is_some() {
        return Err(Failure::new(format!(
            "rollout {id} has ended: nothing to abort"
        )));
    }
    store.request(
        id,
        &Request::Abort {
            by: who(),
            reason: command.reason.clone(),
        },
    )?;
    let mut journal = match Journal::take_up(store, id) {
        Ok(journal) => journal,
        Err(StoreError::Running(_)) => {
            output.cloud_story(&format!(
                "rollout {id} is being driven by another process, which will stop it"
            ));
            return Ok(Exit::Good);
        }
        Err(error) => return Err(error.into()),
    };
    let world = world::open(
        arguments,
        &access(arguments, store, id)?,
        store,
        world::images_of(journal.rollout()),
        &Simulated {
            shared: journal.rollout().part.is_some(),
            ..Simulated::AS_IT_IS
        },
    )
    .await?;
    let driver = Driver {
        arguments,
        store,
        world: &world,
        output,
        format: command.format,
        pace: None,
    };
    let outcome = driver.drive(&mut journal, &[]).await?;
    // What is an error to the one who wanted the rollout is the success of the one who wanted it stopped.
    if outcome == Outcome::Ended(Ending::Aborted) {
        Ok(Exit::Good)
    } else {
        exit(&outcome, &journal, output)
    }
}
