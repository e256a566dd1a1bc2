//! `kfleet rollout resume`.

use super::carry::{carry, exit};
use super::which::{chosen, machine, opened};
use crate::cli::Exit;
use crate::cli::args::{Arguments, DriveArguments};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::screen::Screen;
use crate::cli::world::Simulated;
use crate::cli::{stop, world};
use crate::rollout::Direction;
use crate::store::Journal;

pub(super) async fn resume(
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
