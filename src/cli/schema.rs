//! `kfleet schema`: the JSON Schemas of our files, for editors.

use super::Exit;
use super::args::{Arguments, Format, SchemaArguments, SchemaFile};
use super::failure::Failure;
use super::output::Output;
use crate::fleet::{CLUSTER_SCHEMA, FLEET_SCHEMA};

pub(super) fn run(
    arguments: &Arguments,
    command: &SchemaArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    match arguments.format.unwrap_or(Format::Json) {
        Format::Json => {}
        Format::Text | Format::Jsonl | Format::Yaml | Format::Markdown => {
            return Err(Failure::new("`schema` prints `json`"));
        }
    }
    output.result(match command.file {
        SchemaFile::Fleet => FLEET_SCHEMA,
        SchemaFile::Cluster => CLUSTER_SCHEMA,
    })?;
    Ok(Exit::Good)
}
