//! Files of a new fleet onto the disk: none is overwritten, and what cannot be finished leaves nothing behind.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use super::super::failure::Failure;
use super::super::scratch::Scratch;
use crate::adopt::Files;

/// Folders whose files are part of a fleet, generated or written by hand.
const FOLDERS: [&str; 4] = ["clusters", "templates", "snippets", "vars"];

/// Files that a repository may have already, and that a fleet can do with as they are.
const MAY_STAY: [&str; 2] = [".gitignore", "Jenkinsfile"];

/// What became of the files.
pub(super) struct Written {
    pub(super) new: Vec<String>,
    pub(super) kept: Vec<String>,
}

/// A folder that has a fleet, or what would be read as a part of one, is left alone.
pub(super) fn refuse_a_fleet(directory: &Path) -> Result<(), Failure> {
    if fs::symlink_metadata(directory.join("fleet.yaml")).is_ok() {
        return Err(Failure::new(format!(
            "{}: there is a fleet already",
            directory.join("fleet.yaml").display()
        ))
        .hint("nothing was written; `-C DIR` names another folder"));
    }
    for folder in FOLDERS {
        let path = directory.join(folder);
        let is_empty = match fs::read_dir(&path) {
            Ok(mut entries) => entries.next().is_none(),
            Err(e) => e.kind() == ErrorKind::NotFound && fs::symlink_metadata(&path).is_err(),
        };
        if !is_empty {
            return Err(Failure::new(format!(
                "{}: is there already, and its files would be part of the fleet",
                path.display()
            ))
            .hint("nothing was written; begin in an empty folder with `-C DIR`, and move what you need into it"));
        }
    }
    Ok(())
}

/// Writes all of them, or takes back what was written.
pub(super) fn write(directory: &Path, files: &Files) -> Result<Written, Failure> {
    let mut written = Written {
        new: Vec::new(),
        kept: Vec::new(),
    };
    for (path, text) in files {
        match create(&directory.join(path), text) {
            Ok(()) => written.new.push(path.clone()),
            Err(e) if e.kind() == ErrorKind::AlreadyExists && MAY_STAY.contains(&path.as_str()) => {
                written.kept.push(path.clone());
            }
            Err(e) => {
                for path in &written.new {
                    let _left = fs::remove_file(directory.join(path));
                }
                return Err(Failure::new(format!(
                    "cannot write {}: {e}",
                    directory.join(path).display()
                ))
                .hint("what was written before it is taken back; nothing is overwritten"));
            }
        }
    }
    Ok(written)
}

/// A new file: never through a link, never over another.
fn create(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)?;
    file.write_all(text.as_bytes())
}

/// The same files in a folder of their own, to see whether they are a fleet before anything is written where it stays.
pub(super) fn in_scratch(files: &Files) -> Result<Scratch, Failure> {
    let scratch = Scratch::new("init")?;
    write(scratch.path(), files)?;
    Ok(scratch)
}
