//! The files of the simulated account: one for the clock, one per cluster, JSON with a version. Knows no rules of AWS.
//!
//! A file is replaced by renaming a complete new one over it, so that a process killed at any moment leaves the old
//! or the new; what is added to a cluster's (`cluster_files`) is a line or nothing. A cluster's file may be older than the clock; one that is newer moves the clock when read.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::options::Options;
use crate::cloud::{CloudError, StateFault};
use crate::model::{Span, Timestamp};

/// The version of the files that this program writes. Those of version 1 it reads as well: in them a cluster's file is replaced at each change.
pub(super) const VERSION: u32 = 2;
pub(super) const CLOCK: &str = "clock.json";
const LOCK: &str = "lock";

/// The clock's file: the time, and what chance and time hang on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Clock {
    version: u32,
    pub(super) now: Timestamp,
    seed: u64,
    autoscaler: bool,
    spot_life: Option<Span>,
}

/// The head of every file: read first, so that a newer file is called newer and not corrupt.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

impl Clock {
    pub(super) fn new(now: Timestamp, options: &Options) -> Self {
        let Options {
            seed,
            autoscaler,
            spot_life,
        } = *options;
        Clock {
            version: VERSION,
            now,
            seed,
            autoscaler,
            spot_life,
        }
    }

    /// The options that the saved state was made with.
    pub(super) fn options(&self) -> Options {
        Options {
            seed: self.seed,
            autoscaler: self.autoscaler,
            spot_life: self.spot_life,
        }
    }
}

/// What the clock's file says; none where there is no file.
pub(super) fn read_clock(dir: &Path) -> Result<Option<Clock>, CloudError> {
    let path = dir.join(CLOCK);
    match fs::read(&path) {
        Ok(bytes) => decode(&path, &bytes).map(Some),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(unusable(&path, &e)),
    }
}

/// A whole file, or its first line.
pub(super) fn decode<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, CloudError> {
    let head: Head = serde_json::from_slice(bytes).map_err(|e| unusable(path, &e))?;
    if !(1..=VERSION).contains(&head.version) {
        return Err(unusable(
            path,
            &format!(
                "it is of version {}, this program knows version {VERSION}",
                head.version
            ),
        ));
    }
    read_json(path, bytes)
}

/// A line of a file. What is wrong with it is told with the path that leads there.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, CloudError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut reader).map_err(|e| unusable(path, &e))
}

pub(super) fn write_clock(dir: &Path, clock: &Clock) -> Result<(), CloudError> {
    let path = dir.join(CLOCK);
    let json = serde_json::to_string(clock).map_err(|e| unusable(&path, &e))?;
    write(&path, &json)
}

/// A file that only its owner reads: user data stands in it.
pub(super) fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

/// Writes beside it and renames. Not synced to the disk: what is simulated need not outlive the machine, only the process.
pub(super) fn write(path: &Path, json: &str) -> Result<(), CloudError> {
    let temporary = path.with_extension("json.new");
    private()
        .create(true)
        .truncate(true)
        .open(&temporary)
        .and_then(|mut file| file.write_all(json.as_ref()))
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|e| unusable(path, &e))
}

/// Makes the folder and takes it for this process until the file is dropped; a process that ends or is killed lets go of it.
pub(super) fn lock(dir: &Path) -> Result<fs::File, CloudError> {
    locked(dir, fs::File::try_lock)
}

/// The same, beside others that do not want it for themselves either.
pub(super) fn lock_shared(dir: &Path) -> Result<fs::File, CloudError> {
    locked(dir, fs::File::try_lock_shared)
}

fn locked(
    dir: &Path,
    try_lock: impl Fn(&fs::File) -> Result<(), fs::TryLockError>,
) -> Result<fs::File, CloudError> {
    let path = dir.join(LOCK);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| unusable(dir, &e))?;
    let file = private()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(|e| unusable(&path, &e))?;
    match taken(&file, try_lock) {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(unusable(&path, &Busy)),
        Err(fs::TryLockError::Error(e)) => Err(unusable(&path, &e)),
    }
}

/// A process that is just being started (a gate's command, by another thread) has copies of all open files, locks and all, until its
/// own program runs: what looks taken is asked for again that long.
fn taken(
    file: &fs::File,
    try_lock: impl Fn(&fs::File) -> Result<(), fs::TryLockError>,
) -> Result<(), fs::TryLockError> {
    const TIMES: u32 = 10;
    for _ in 0..TIMES {
        match try_lock(file) {
            Err(fs::TryLockError::WouldBlock) => {
                std::thread::sleep(std::time::Duration::from_millis(10))
            }
            answer => return answer,
        }
    }
    try_lock(file)
}

/// Why a file cannot be used.
pub(super) trait FileTrouble: std::fmt::Display {
    /// What kind of trouble it is.
    const FAULT: StateFault;
}

impl FileTrouble for std::io::Error {
    const FAULT: StateFault = StateFault::System;
}

impl FileTrouble for serde_json::Error {
    const FAULT: StateFault = StateFault::Content;
}

impl FileTrouble for serde_path_to_error::Error<serde_json::Error> {
    const FAULT: StateFault = StateFault::Content;
}

impl FileTrouble for String {
    const FAULT: StateFault = StateFault::Content;
}

/// Somebody else has taken the account.
struct Busy;

impl std::fmt::Display for Busy {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("another process is changing it")
    }
}

impl FileTrouble for Busy {
    const FAULT: StateFault = StateFault::Busy;
}

pub(super) fn unusable<T: FileTrouble>(path: &Path, why: &T) -> CloudError {
    CloudError::State {
        path: path.display().to_string(),
        message: why.to_string(),
        fault: T::FAULT,
    }
}
