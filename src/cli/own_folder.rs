//! A folder of this process alone, for what opens a cluster. It goes with the process; where that was killed, the next one removes it.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::failure::Failure;

/// The file in it that its process holds a lock on: the kernel lets go of it with the process, however that ends.
const HELD: &str = ".held";

/// Names that are tried.
const NAMES: u32 = 100;

pub(super) struct OwnFolder {
    path: PathBuf,
    _held: File,
}

impl OwnFolder {
    /// Among the temporary files. `what` is part of its name.
    pub(super) fn new(what: &str) -> Result<OwnFolder, Failure> {
        let root = std::env::temp_dir();
        OwnFolder::below(&root, what)
            .map_err(|e| Failure::new(format!("no private folder in {}: {e}", root.display())))
    }

    fn below(root: &Path, what: &str) -> std::io::Result<OwnFolder> {
        let start = format!("kfleet-{what}-");
        remove_left(root, &start);
        for number in 0..NAMES {
            let path = root.join(format!("{start}{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::AlreadyExists => continue,
                Err(e) => return Err(e),
            }
            let held = File::create_new(path.join(HELD))?;
            // Between the two, who removes what is left may have taken it for that.
            if held.try_lock().is_ok() && path.join(HELD).exists() {
                return Ok(OwnFolder { path, _held: held });
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    #[cfg(any(test, feature = "aws", feature = "kubernetes"))]
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for OwnFolder {
    fn drop(&mut self) {
        // What is not there is no loss.
        let _gone = fs::remove_dir_all(&self.path);
    }
}

/// Removes the folders of this user whose processes have ended. What cannot be told, or cannot be removed, stays.
fn remove_left(root: &Path, start: &str) {
    let Ok(entries) = fs::read_dir(root) else {
        return;
    };
    let own = rustix::process::geteuid().as_raw();
    for entry in entries.flatten() {
        let path = entry.path();
        let is_named = entry.file_name().to_string_lossy().starts_with(start);
        let is_own = || fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir() && m.uid() == own);
        if !is_named || !is_own() {
            continue;
        }
        let held = File::open(path.join(HELD));
        if held.is_ok_and(|file| file.try_lock().is_ok()) {
            let _stays = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let left = |name: &str| {
            let path = root.path().join(name);
            fs::create_dir(&path).unwrap();
            File::create_new(path.join(HELD)).unwrap();
            fs::write(path.join("kubeconfig"), "secret").unwrap();
            path
        };
        let (dead, other) = (left("kfleet-hooks-1-0"), left("kfleet-other-1-0"));
        let alive = OwnFolder::below(root.path(), "hooks").unwrap();
        assert!(!dead.exists() && other.exists());
        // Its process lives, and goes on.
        let second = OwnFolder::below(root.path(), "hooks").unwrap();
        assert!(alive.path().exists() && alive.path() != second.path());
        let path = alive.path().to_owned();
        drop(alive);
        assert!(!path.exists() && second.path().exists());
    }
}
