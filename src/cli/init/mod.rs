//! `kfleet init`: the files of a new fleet into a folder that has none. Reads what it is to be made of, checks that the result renders, and
//! overwrites nothing.

mod ask;
mod finish;
mod from_kops;
mod from_templates;
mod next;
mod write;

use super::Exit;
use super::args::{Arguments, InitArguments};
use super::failure::Failure;
use super::output::Output;
use super::pipeline;
use crate::adopt::{self, Start, StartError};
use finish::finish;

pub(super) fn run(
    arguments: &Arguments,
    command: &InitArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    write::refuse_a_fleet(&arguments.directory)?;
    if command.from_kops.is_some() || command.state_store.is_some() {
        return from_kops::run(arguments, command, output);
    }
    if !command.from_templates.is_empty() {
        return from_templates::run(arguments, command, output);
    }
    empty(arguments, command, output)
}

/// A fleet of two clusters that are not made yet.
fn empty(arguments: &Arguments, command: &InitArguments, output: &Output) -> Result<Exit, Failure> {
    let facts = ask::facts(command)?;
    let files = adopt::start(&facts).map_err(start_failure)?;
    let scratch = write::in_scratch(&files)?;
    pipeline::prepare(scratch.path())?;
    finish(arguments, &files, output)?;
    let Start {
        clusters: [first, second],
        ..
    } = &facts;
    output.story(&format!(
        "\n{first} gets a change first, {second} when it is well there. Next:\n\n{}",
        next::new(arguments)
    ));
    Ok(Exit::Good)
}

fn start_failure(error: StartError) -> Failure {
    let hint = match &error {
        StartError::NoDomain(name) => format!("such as {name}.k8s.example.com"),
        StartError::SameName(_) => {
            "give them two names, such as staging.k8s.example.com and prod.k8s.example.com".into()
        }
        StartError::Zone { region, .. } => {
            format!("the zones of {region} are called {region}a, {region}b, {region}c")
        }
        StartError::ZoneTwice(_) | StartError::Zones(_) => {
            "name each zone once: three are usual, because etcd counts votes".into()
        }
        StartError::Environment(_) => "name the clusters after what they are for".into(),
    };
    Failure::new(error.to_string()).hint(hint)
}
