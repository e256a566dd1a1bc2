//! `kfleet rollout resume`.

use super::drive::{Driver, exit};
use super::which::{access, chosen, opened, taken_up};
use crate::cli::Exit;
use crate::cli::args::{Arguments, DriveArguments};
use crate::cli::failure::Failure;
use crate::cli::world::Simulated;
use crate::cli::{aims, stop, store, world};
use crate::rollout::Direction;

pub(super) async fn resume(
    arguments: &Arguments,
    command: &DriveArguments,
) -> Result<Exit, Failure> {
    let (store, output) = opened(arguments)?;
    world::may_approve_itself(&store, &command.pace)?;
    let Some(id) = chosen(&store, command.rollout.as_ref())? else {
        output.cloud_story("no rollout is unfinished: nothing to resume");
        return Ok(Exit::Good);
    };
    store::warn_of_folder(arguments, &store, &output)?;
    let mut journal = taken_up(&store, &id)?;
    // What is being aborted only undoes what is half-done.
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
        &access(arguments, &store, &id)?,
        &store,
        world::images_of(journal.rollout()),
        &simulated,
    )
    .await?;
    world.knows(&simulated, aims::of_rollout(journal.rollout()))?;
    let driver = Driver {
        arguments,
        store: &store,
        world: &world,
        output: &output,
        format: command.format,
        pace: Some(&command.pace),
    };
    let outcome = driver.drive(&mut journal, &[]).await?;
    exit(&outcome, &journal, &output)
}
