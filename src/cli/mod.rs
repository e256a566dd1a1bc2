//! What was typed → calls → output and exit code. The only place that prints, reads the environment and knows about terminals. Decides nothing about changes.

mod aims;
mod args;
mod around;
mod attend;
mod attended;
mod autoscaler;
mod clock;
mod compile;
mod cores;
mod diff;
mod doctor;
mod documents;
mod drift;
mod dry_run;
mod exit;
mod explain;
mod failure;
mod feasible;
mod forget;
mod formats;
mod git;
mod given;
mod hooks;
mod init;
mod lint;
mod lint_fix;
mod lint_rules;
mod migrate;
mod notify;
mod output;
mod own_folder;
mod pipeline;
mod plan;
mod refused;
mod rehearse;
mod remembered;
mod render;
mod revision;
mod rollout;
mod room;
mod runtime;
mod schema;
mod scratch;
mod screen;
mod shell;
mod sides;
mod snapshot;
mod staged;
mod status;
mod stop;
mod store;
mod template;
mod to_roll;
mod typed;
mod var_edit;
mod version;
mod warned;
mod webhooks;
mod who;
mod world;

use std::process::ExitCode;

use args::{Arguments, Command};
use exit::Exit;
use failure::Failure;
use output::Output;
use runtime::{in_runtime, runtime};

/// Runs kfleet with the arguments of the process.
pub fn main() -> ExitCode {
    let arguments = match typed::parsed() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let (quiet, log) = (arguments.quiet, arguments.log_format);
    let arguments = match arguments.completed() {
        Ok(arguments) => arguments,
        Err(failure) => {
            Output::new(quiet, log, false).failure(&failure);
            return ExitCode::from(1);
        }
    };
    let is_simulated = arguments.cloud == Some(args::CloudArgument::Local);
    let output = Output::new(quiet, log, is_simulated);
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
        Command::Migrate(command) => migrate::run(arguments, command, output),
        Command::Init(command) => init::run(arguments, command, output),
        Command::Schema(command) => schema::run(command, output),
        Command::Compile(command) => compile::run(command, output),
        Command::Lint(command) => in_runtime(lint::run(arguments, command, output)),
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
        Command::Notify(command) => in_runtime(webhooks::run(arguments, command, output)),
        Command::Forget(command) => in_runtime(forget::run(arguments, command)),
        Command::Completions(command) => shell::completions(command, output),
        Command::Man(command) => shell::man(command, output),
        Command::Attend(command) => attend::run(command, output),
    }
}
