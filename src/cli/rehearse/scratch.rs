//! A folder of a rehearsal's own, gone when it is over. In memory where there is such a thing: a journal is synced with every record.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Failure;

pub(super) struct Scratch(PathBuf);

/// Folders made by this process.
static MADE: AtomicU64 = AtomicU64::new(0);

impl Scratch {
    pub(super) fn new() -> Result<Scratch, Failure> {
        let memory = PathBuf::from("/dev/shm");
        let root = if memory.is_dir() {
            memory
        } else {
            std::env::temp_dir()
        };
        // A name that is taken belongs to a process that was killed: the next number is free.
        for _ in 0..1000 {
            let path = root.join(format!(
                "kfleet-rehearsal-{}-{}",
                std::process::id(),
                MADE.fetch_add(1, Ordering::Relaxed)
            ));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Scratch(path)),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => {
                    return Err(Failure::new(format!(
                        "cannot create {}: {e}",
                        path.display()
                    )));
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
        // What is left in a folder for temporary things harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
