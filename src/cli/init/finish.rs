//! The files of a new fleet, written, and what became of each.

use super::super::args::Arguments;
use super::super::failure::Failure;
use super::super::output::Output;
use super::write;
use crate::adopt::Files;

/// Writes the files, and says what became of each.
pub(super) fn finish(arguments: &Arguments, files: &Files, output: &Output) -> Result<(), Failure> {
    let written = write::write(&arguments.directory, files)?;
    for path in &written.new {
        output.story(&format!("  + {path}"));
    }
    for path in &written.kept {
        output.story(&format!("  = {path} is there already and stays as it is"));
    }
    if written.kept.iter().any(|p| p == ".gitignore") {
        output.story(
            "warning: .gitignore is yours: add a line `/.kfleet/`, the store of this machine",
        );
    }
    Ok(())
}
