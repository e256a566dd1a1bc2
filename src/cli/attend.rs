//! `kfleet attend`: between a rollout and the command of a gate. The rollout holds the other end of standard input; when that closes, because the
//! rollout ended in whatever way, `kill -9` among them, the command and everything that it started end too. Judges nothing.

use std::path::{Path, PathBuf};

use super::Exit;
use super::args::AttendArguments;
use super::attended::{Attended, attended};
use super::failure::Failure;
use super::output::Output;

/// "Try again later", as in sysexits.h: a command that is not there says nothing about what is rolled out.
const LATER: u8 = 75;

pub(super) fn run(command: &AttendArguments, output: &Output) -> Result<Exit, Failure> {
    let Some((program, arguments)) = command.command.split_first() else {
        return Err(Failure::new("no command was given"));
    };
    match attended(program, arguments) {
        Ok(Attended::Ended(code)) => Ok(Exit::Told(code)),
        Ok(Attended::Killed(signal)) => {
            Err(Failure::new(format!("it was killed by signal {signal}")))
        }
        Err(e) => {
            output.result(&format!("it cannot be run: {e}\n"))?;
            Ok(Exit::Told(LATER))
        }
    }
}

/// This program, also where its file was replaced since it began.
pub(super) fn program() -> Option<PathBuf> {
    let own = Path::new("/proc/self/exe");
    if own.exists() {
        return Some(own.to_owned());
    }
    std::env::current_exe().ok()
}
