//! `kfleet schema`: the JSON Schemas of our files, for editors.

use super::Exit;
use super::args::{SchemaArguments, SchemaFile};
use super::failure::Failure;
use super::formats::SchemaFormat;
use super::output::Output;
use crate::fleet::{CLUSTER_SCHEMA, FLEET_SCHEMA};

pub(super) fn run(command: &SchemaArguments, output: &Output) -> Result<Exit, Failure> {
    let SchemaArguments {
        file,
        format: SchemaFormat::Json,
    } = command;
    output.result(match file {
        SchemaFile::Fleet => FLEET_SCHEMA,
        SchemaFile::Cluster => CLUSTER_SCHEMA,
    })?;
    Ok(Exit::Good)
}
