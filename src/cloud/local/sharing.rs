//! Several processes on one simulated account: each call has the account to itself, and time passes while all of them wait. Knows no rules of AWS.
//!
//! Who takes part has a file, locked as long as its process lives, in which stands until when it waits. The clock goes to the earliest of these
//! moments, and not at all while one of them is at work: what a process does takes no simulated time, whatever the others do.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::{Path, PathBuf};

use super::files::{self, private, unusable};
use crate::cloud::CloudError;
use crate::model::Timestamp;

const RUNS: &str = "runs";
const TURN: &str = "turn";

/// What a process does, as far as time is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// It is at work: no time passes.
    Work,
    /// It waits until then.
    Wait(Timestamp),
    /// It waits for the others: time passes without it.
    Nothing,
}

/// The part of a process in an account that others change too.
#[derive(Debug)]
pub(super) struct Sharing {
    runs: PathBuf,
    mine: PathBuf,
    file: File,
    /// Keeps those away that want the account for themselves.
    _account: File,
}

impl Sharing {
    /// Takes part from now on.
    pub(super) fn join(dir: &Path) -> Result<Sharing, CloudError> {
        let account = files::lock_shared(dir)?;
        let runs = dir.join(RUNS);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&runs)
            .map_err(|e| unusable(&runs, &e))?;
        let mine = runs.join(std::process::id().to_string());
        let error = |e: std::io::Error| unusable(&mine, &e);
        let mut file = private()
            .create(true)
            .truncate(true)
            .open(&mine)
            .map_err(error)?;
        file.write_all(Doing::Work.text().as_bytes())
            .map_err(error)?;
        file.lock().map_err(error)?;
        Ok(Sharing {
            runs,
            file,
            _account: account,
            mine,
        })
    }

    /// Lets the others know.
    pub(super) fn say(&self, doing: Doing) -> Result<(), CloudError> {
        let text = doing.text();
        self.file
            .write_all_at(text.as_bytes(), 0)
            .map_err(|e| unusable(&self.mine, &e))
    }

    /// What the others do. Who is dead does nothing, and is taken out.
    pub(super) fn others(&self) -> Result<Vec<Doing>, CloudError> {
        let mut found = Vec::new();
        let entries = fs::read_dir(&self.runs).map_err(|e| unusable(&self.runs, &e))?;
        for entry in entries {
            let path = entry.map_err(|e| unusable(&self.runs, &e))?.path();
            if path == self.mine {
                continue;
            }
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                Err(e) => return Err(unusable(&path, &e)),
            };
            match file.try_lock() {
                Ok(()) => drop(fs::remove_file(&path)),
                Err(TryLockError::WouldBlock) => {
                    let text = fs::read_to_string(&path).map_err(|e| unusable(&path, &e))?;
                    found.push(Doing::of(&text));
                }
                Err(TryLockError::Error(e)) => return Err(unusable(&path, &e)),
            }
        }
        Ok(found)
    }
}

impl Drop for Sharing {
    fn drop(&mut self) {
        // A file that stays behind is one of a dead process.
        let _ = fs::remove_file(&self.mine);
    }
}

impl Doing {
    /// Always of the same length: it is written over itself.
    fn text(self) -> String {
        let text = match self {
            Doing::Work => "work".to_owned(),
            Doing::Wait(until) => until.millis().to_string(),
            Doing::Nothing => "nothing".to_owned(),
        };
        format!("{text:<20}")
    }

    fn of(text: &str) -> Doing {
        match text.trim() {
            "nothing" => Doing::Nothing,
            other => other.parse().map_or(Doing::Work, |millis| {
                Doing::Wait(Timestamp::from_millis(millis))
            }),
        }
    }
}

/// Waits for its turn: until it is let go of, no other process reads or changes the account.
pub(super) fn turn(dir: &Path) -> Result<Option<File>, CloudError> {
    let path = dir.join(TURN);
    let file = match private().create(true).truncate(false).open(&path) {
        Ok(file) => file,
        // There is no account yet: nothing that others could change.
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unusable(&path, &e)),
    };
    file.lock().map_err(|e| unusable(&path, &e))?;
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read_back() {
        let at = Timestamp::from_millis(1_767_600_000_000);
        for doing in [Doing::Work, Doing::Wait(at), Doing::Nothing] {
            assert_eq!(Doing::of(&doing.text()), doing);
            assert_eq!(doing.text().len(), 20);
        }
        assert_eq!(Doing::of("torn"), Doing::Work);
    }
}
