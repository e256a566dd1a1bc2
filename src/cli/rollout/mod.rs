//! `kfleet rollout`: start, resume, approve, abort, and looking at what was.

mod abort;
mod approve;
mod carry;
mod look;
mod resume;
mod rollback;
mod start;
mod which;

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
        RolloutCommand::Start(start_arguments) => {
            start::start(arguments, start_arguments, output).await
        }
        RolloutCommand::Resume(drive) => resume::resume(arguments, drive, output).await,
        RolloutCommand::Approve(approve_arguments) => {
            approve::approve(arguments, approve_arguments, output)
        }
        RolloutCommand::Abort(abort_arguments) => {
            abort::abort(arguments, abort_arguments, output).await
        }
        RolloutCommand::Rollback(rollback_arguments) => {
            rollback::rollback(arguments, rollback_arguments, output).await
        }
        RolloutCommand::Status(which) => look::status(arguments, which, output),
        RolloutCommand::History => look::history(arguments, output),
        RolloutCommand::Show(which) => look::show(arguments, which, output),
    }
}
