//! `kfleet rollout`: start, resume, approve, abort, roll back, and looking at what was.

mod abort;
mod acknowledge;
mod approve;
mod drive;
mod joint;
mod look;
mod part;
mod resume;
mod rollback;
mod signals;
mod start;
mod which;

pub(super) use which::{access, all_unfinished, opened, unfinished};

use super::Exit;
use super::args::{Arguments, RolloutCommand};
use super::failure::Failure;
use super::output::Output;

pub(super) async fn run(
    arguments: &Arguments,
    command: &RolloutCommand,
    output: &Output,
) -> Result<Exit, Failure> {
    match command {
        RolloutCommand::Start(command) => start::start(arguments, command, output).await,
        RolloutCommand::Resume(command) => resume::resume(arguments, command).await,
        RolloutCommand::Approve(command) => approve::approve(arguments, command),
        RolloutCommand::Acknowledge(command) => acknowledge::acknowledge(arguments, command),
        RolloutCommand::Abort(command) => abort::abort(arguments, command).await,
        RolloutCommand::Rollback(command) => rollback::rollback(arguments, command).await,
        RolloutCommand::Status(command) => look::status(arguments, command),
        RolloutCommand::History(command) => look::history(arguments, command),
        RolloutCommand::Show(command) => look::show(arguments, command),
    }
}
