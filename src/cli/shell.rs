//! `kfleet completions` and `kfleet man`: what shells and `man` know of the commands. Looks at no fleet.

use clap::CommandFactory as _;

use super::Exit;
use super::args::{Arguments, CompletionsArguments, ManArguments};
use super::failure::Failure;
use super::output::Output;

pub(super) fn completions(
    command: &CompletionsArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let mut bytes = Vec::new();
    clap_complete::generate(
        command.shell,
        &mut Arguments::command(),
        "kfleet",
        &mut bytes,
    );
    output.bytes(&bytes)?;
    Ok(Exit::Good)
}

pub(super) fn man(command: &ManArguments, output: &Output) -> Result<Exit, Failure> {
    match &command.out {
        None => {
            let mut bytes = Vec::new();
            clap_mangen::Man::new(Arguments::command())
                .render(&mut bytes)
                .map_err(|e| Failure::new(format!("the manual page cannot be made: {e}")))?;
            output.bytes(&bytes)?;
        }
        Some(folder) => {
            let written = std::fs::create_dir_all(folder)
                .and_then(|()| clap_mangen::generate_to(Arguments::command(), folder));
            written.map_err(|e| {
                Failure::new(format!("cannot write into {}: {e}", folder.display()))
            })?;
        }
    }
    Ok(Exit::Good)
}
