//! New texts of files, kept on the disk beside where they belong until all of them are known: then each takes its place whole.

use std::fs;
use std::path::{Path, PathBuf};

use super::failure::Failure;

/// What the name of the folder begins with; nothing that is rendered begins so.
const PREFIX: &str = ".kfleet-render-";

/// A folder that is removed with what is left in it.
pub(super) struct Staged {
    target: PathBuf,
    /// Whether `target` was there before.
    is_old: bool,
    folder: PathBuf,
}

impl Staged {
    /// For files below `target`, on the same file system as they will be.
    pub(super) fn below(target: &Path) -> Self {
        Staged {
            target: target.to_owned(),
            is_old: target.exists(),
            folder: target.join(format!("{PREFIX}{}", std::process::id())),
        }
    }

    /// Whether a folder of this name is one, of another run perhaps.
    pub(super) fn is_one(name: &str) -> bool {
        name.starts_with(PREFIX)
    }

    /// Keeps the text of a file.
    pub(super) fn write(&self, path: &Path, text: &str) -> Result<(), Failure> {
        let staged = self.folder.join(path);
        with_folders(&staged, || fs::write(&staged, text)).map_err(|e| self.error(path, &e))
    }

    /// Puts the files where they belong.
    pub(super) fn put<'p>(&self, paths: impl Iterator<Item = &'p PathBuf>) -> Result<(), Failure> {
        for path in paths {
            let (from, to) = (self.folder.join(path), self.target.join(path));
            with_folders(&to, || fs::rename(&from, &to)).map_err(|e| self.error(path, &e))?;
        }
        Ok(())
    }

    fn error(&self, path: &Path, error: &std::io::Error) -> Failure {
        let path = self.target.join(path);
        Failure::new(format!("cannot write {}: {error}", path.display()))
    }
}

/// The folders of a file are made when they turn out to be missing: they are there most of the time.
fn with_folders(path: &Path, act: impl Fn() -> std::io::Result<()>) -> std::io::Result<()> {
    match (act(), path.parent()) {
        (Err(e), Some(parent)) if e.kind() == std::io::ErrorKind::NotFound => {
            fs::create_dir_all(parent)?;
            act()
        }
        (result, _) => result,
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // There is none where nothing was kept, and what cannot be removed is in no one's way.
        let _left = fs::remove_dir_all(&self.folder);
        if !self.is_old {
            // Where the first rendering fails, the folder was made for nothing; one that holds something stays.
            let _left = fs::remove_dir(&self.target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_take_their_place_together_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("rendered");
        let path = PathBuf::from("a/groups/g.yaml");
        let staged = Staged::below(&target);
        staged.write(&path, "new").unwrap();
        assert!(!target.join(&path).exists());
        drop(staged);
        assert!(!target.exists(), "nothing is left of what was not put");
        let staged = Staged::below(&target);
        staged.write(&path, "new").unwrap();
        staged.put([&path].into_iter()).unwrap();
        drop(staged);
        assert_eq!(fs::read_to_string(target.join(&path)).unwrap(), "new");
        let left: Vec<_> = fs::read_dir(&target).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}
