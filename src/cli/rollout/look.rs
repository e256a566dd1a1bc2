//! `kfleet rollout status`, `history`, `show`: what the store knows, and nothing else.

use super::which::{machine, named_or_newest, opened};
use crate::cli::Exit;
use crate::cli::args::{Arguments, WhichArguments};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::{stop, world};
use crate::report::{self, Style};
use crate::rollout::{Progress, Rollout};

pub(super) fn status(
    arguments: &Arguments,
    which: &WhichArguments,
    output: &Output,
) -> Result<Exit, Failure> {
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

pub(super) fn history(arguments: &Arguments, output: &Output) -> Result<Exit, Failure> {
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

pub(super) fn show(
    arguments: &Arguments,
    which: &WhichArguments,
    output: &Output,
) -> Result<Exit, Failure> {
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
