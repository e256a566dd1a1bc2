//! What was typed → calls → output and exit code. The only place that prints, reads the environment and knows about terminals. Decides nothing about changes.

mod aims;
mod args;
mod around;
mod attend;
mod attended;
mod autoscaler;
mod compile;
mod diff;
mod doctor;
mod documents;
mod drift;
mod explain;
mod failure;
mod feasible;
mod forget;
mod formats;
mod git;
mod given;
mod init;
mod lint;
mod output;
mod pipeline;
mod plan;
mod rehearse;
mod render;
mod revision;
mod rollout;
mod room;
mod schema;
mod screen;
mod shell;
mod snapshot;
mod status;
mod stop;
mod store;
mod template;
mod version;
mod warned;
mod who;
mod world;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Arguments, Command};
use failure::Failure;
use output::Output;

/// How a command ended, as its exit code says it. 1 is always an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done, or no changes.
    Good,
    /// 2: there are changes, or the rendered files are not up to date.
    Changes,
    /// 3: a rollout waits for a person or for time.
    Waits,
    /// 4: a rollout failed and was rolled back.
    RolledBack,
    /// 5: a rollout is stuck; a person must act.
    Stuck,
    /// What the command of a gate ended with, told on.
    Told(u8),
}

impl Exit {
    fn code(self) -> u8 {
        match self {
            Exit::Good => 0,
            Exit::Changes => 2,
            Exit::Waits => 3,
            Exit::RolledBack => 4,
            Exit::Stuck => 5,
            Exit::Told(code) => code,
        }
    }
}

/// Runs kfleet with the arguments of the process.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are answers, not errors; wrong usage is the error 1 (2 means "changes").
            let code = if error.use_stderr() { 1 } else { 0 };
            return if error.print().is_ok() {
                ExitCode::from(code)
            } else {
                ExitCode::from(1)
            };
        }
    };
    let quiet = arguments.quiet;
    let arguments = match arguments.completed() {
        Ok(arguments) => arguments,
        Err(failure) => {
            Output::new(quiet, false).failure(&failure);
            return ExitCode::from(1);
        }
    };
    let output = Output::new(
        arguments.quiet,
        arguments.cloud == Some(args::CloudArgument::Local),
    );
    match run(&arguments, &output) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(1)
        }
    }
}

fn run(arguments: &Arguments, output: &Output) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Render(command) => render::run(arguments, command, output),
        Command::Diff(command) => diff::run(arguments, command, output),
        Command::Explain(command) => explain::run(arguments, command, output),
        Command::Template(command) => template::run(arguments, command, output),
        Command::Init(command) => init::run(arguments, command, output),
        Command::Schema(command) => schema::run(command, output),
        Command::Compile(command) => compile::run(command, output),
        Command::Lint(command) => lint::run(arguments, command, output),
        Command::Autoscaler(command) => autoscaler::run(arguments, command, output),
        Command::Plan(command) => in_runtime(plan::run(arguments, command, output)),
        Command::Snapshot(command) => in_runtime(snapshot::run(arguments, command, output)),
        Command::Rehearse(command) => rehearse::run(arguments, command, output),
        Command::Rollout(command) => in_runtime(rollout::run(arguments, command, output)),
        Command::Stop(command) => stop::stop(arguments, command),
        Command::Go(command) => stop::go(arguments, command),
        Command::Status(command) => in_runtime(status::run(arguments, command)),
        Command::Drift(command) => in_runtime(drift::run(arguments, command, output)),
        Command::Doctor(command) => in_runtime(doctor::run(arguments, command, output)),
        Command::Forget(command) => in_runtime(forget::run(arguments, command)),
        Command::Completions(command) => shell::completions(command, output),
        Command::Man(command) => shell::man(command, output),
        Command::Attend(command) => attend::run(command, output),
    }
}

/// Runs it to its end, and ends with it: something that a library still waits for in a thread of its own keeps nobody.
fn in_runtime(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let ended = runtime.block_on(command);
    runtime.shutdown_background();
    ended
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(format!("the async runtime does not start: {e}")))
}
