//! A folder of this process's own, gone when it is dropped. Knows not what lies in it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::failure::Failure;

pub(super) struct Scratch(PathBuf);

/// Folders made by this process.
static MADE: AtomicU64 = AtomicU64::new(0);

impl Scratch {
    /// Among the temporary files. `what` is part of its name.
    pub(super) fn new(what: &str) -> Result<Scratch, Failure> {
        Scratch::below(&std::env::temp_dir(), what)
    }

    /// In memory where there is such a thing: a journal is synced with every record.
    pub(super) fn in_memory(what: &str) -> Result<Scratch, Failure> {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() {
            Scratch::below(memory, what)
        } else {
            Scratch::new(what)
        }
    }

    fn below(root: &Path, what: &str) -> Result<Scratch, Failure> {
        // A name that is taken belongs to a process that was killed: the next number is free.
        for _ in 0..1000 {
            let (process, number) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
            let path = root.join(format!("kfleet-{what}-{process}-{number}"));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Scratch(path)),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => {
                    let text = format!("cannot create {}: {e}", path.display());
                    return Err(Failure::new(text));
                }
            }
        }
        Err(Failure::new(format!(
            "cannot find a free name in {}",
            root.display()
        )))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left in a folder for temporary things does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
