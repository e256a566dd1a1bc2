//! `kfleet rollout abort`.

use super::carry::{carry, exit};
use super::which::{chosen, machine, opened};
use crate::cli::Exit;
use crate::cli::args::{AbortArguments, Arguments, Pace};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::screen::Screen;
use crate::cli::world::{self, Simulated};
use crate::rollout::Ending;
use crate::run::Outcome;
use crate::store::{Journal, Request, StoreError};

pub(super) async fn abort(
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
        Err(StoreError::Running(_)) => {
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
