//! The command of a gate, run by a process between it and the rollout, which ends everything when the rollout has ended. Judges nothing.

use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use rustix::process::{Signal, getpgrp, getpid, kill_process, kill_process_group};

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attended {
    /// With this code.
    Ended(u8),
    /// By this signal, which this process did not take itself.
    Killed(i32),
}

/// Runs a command to its end, or until standard input ends: then this whole process group does. A command that a signal ended ends this process by
/// the same one.
///
/// # Errors
/// When it cannot be run.
pub(super) fn attended(program: &OsString, arguments: &[OsString]) -> std::io::Result<Attended> {
    std::thread::spawn(end_with_input);
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .status()?;
    if let Some(code) = status.code() {
        return Ok(Attended::Ended(u8::try_from(code).unwrap_or(u8::MAX)));
    }
    let signal = status.signal().unwrap_or_default();
    if let Some(same) = Signal::from_named_raw(signal) {
        // Where it does not end this process, the number is told.
        let _stays = kill_process(getpid(), same);
    }
    Ok(Attended::Killed(signal))
}

fn end_with_input() {
    let mut nothing = [0; 64];
    let mut input = std::io::stdin().lock();
    while let Ok(1..) = input.read(&mut nothing) {}
    // Only where it leads its group: that of a person's shell is not ours.
    if getpgrp() == getpid() {
        let _gone = kill_process_group(getpgrp(), Signal::KILL);
    }
}
