//! Objects as files of a folder: written by temporary file and rename, so that the whole new one is there or the whole old one.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use sha2::{Digest as _, Sha256};

use super::objects::{ObjectError, Objects};
use super::{Condition, Object, Put};
use crate::model::Timestamp;

/// A folder that keeps objects.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    /// So that no two threads write to one temporary file.
    temporary: AtomicU64,
}

impl Folder {
    /// The folder need not be there yet.
    pub fn new(root: &Path) -> Folder {
        Folder {
            root: root.to_owned(),
            temporary: AtomicU64::new(0),
        }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    fn find(&self, path: &Path) -> io::Result<Option<Object>> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let written = fs::metadata(path)
            .and_then(|m| m.modified())
            .map(|t| t.duration_since(UNIX_EPOCH).unwrap_or_default());
        let written = match written {
            Ok(since) => {
                Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            // Removed in between.
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let etag = etag(&bytes);
        Ok(Some(Object {
            bytes,
            etag,
            written,
        }))
    }

    fn write(&self, path: &Path, bytes: &[u8], condition: &Condition) -> io::Result<Put> {
        let folder = path.parent().unwrap_or(&self.root);
        private_folder(folder)?;
        // A conditional write has the folder to itself from the look to the rename.
        let _alone = match condition {
            Condition::None => None,
            Condition::Absent | Condition::Is(_) => {
                let guard = private_file()
                    .create(true)
                    .truncate(true)
                    .open(folder.join(".guard"))?;
                guard.lock()?;
                let found = self.find(path)?.map(|o| o.etag);
                let holds = match condition {
                    Condition::Is(etag) => found.as_ref() == Some(etag),
                    Condition::None | Condition::Absent => found.is_none(),
                };
                if !holds {
                    return Ok(Put::Refused);
                }
                Some(guard)
            }
        };
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("file");
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_file_name(format!(".{name}.{}.{number}", std::process::id()));
        put_in_place(&temporary, path, bytes)?;
        Ok(Put::Written(etag(bytes)))
    }
}

/// Writes a file beside its place, and renames it when all of it is on the disk.
fn put_in_place(temporary: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let written = private_file()
        .create(true)
        .truncate(true)
        .open(temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    if let Err(error) = written.and_then(|()| fs::rename(temporary, path)) {
        let _gone = fs::remove_file(temporary);
        return Err(error);
    }
    Ok(())
}

impl Objects for Folder {
    fn place(&self) -> String {
        self.root.display().to_string()
    }

    fn get(&self, key: &str) -> Result<Option<Object>, ObjectError> {
        let path = self.path(key);
        self.find(&path).map_err(|e| refused("read", &path, &e))
    }

    fn put(&self, key: &str, bytes: &[u8], condition: &Condition) -> Result<Put, ObjectError> {
        let path = self.path(key);
        self.write(&path, bytes, condition)
            .map_err(|e| refused("write", &path, &e))
    }

    fn delete(&self, key: &str) -> Result<(), ObjectError> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(refused("remove", &path, &e)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectError> {
        let path = self.path(folder);
        let error = |e| refused("read", &path, &e);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(error(e)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(error)?;
            // What begins with a dot is being written, or was when its process died.
            let Some(name) = entry
                .file_name()
                .to_str()
                .filter(|n| !n.starts_with('.'))
                .map(str::to_owned)
            else {
                continue;
            };
            let folder = entry.file_type().map_err(error)?.is_dir();
            names.push(if folder { name + "/" } else { name });
        }
        names.sort();
        Ok(names)
    }
}

/// Options for writing a file that only its owner reads: user data and the names of a whole fleet stand in a store.
pub(super) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

/// Makes a folder, and those above it that are missing, that only its owner enters.
pub(super) fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Closes a store that an earlier version left open to everybody on the machine.
pub(super) fn close_to_others(root: &Path) -> io::Result<()> {
    match fs::metadata(root) {
        Ok(found) if found.permissions().mode() & 0o077 == 0 => return Ok(()),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Ok(_) => {}
        Err(e) => return Err(e),
    }
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        restrict(&folder, 0o700)?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                restrict(&entry.path(), 0o600)?;
            }
        }
    }
    Ok(())
}

fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    let found = match fs::metadata(path) {
        Ok(found) => found.permissions().mode() & 0o777,
        // Renamed or removed since it was listed.
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    if found & !mode == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(found & mode))
}

fn etag(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

pub(super) fn refused(doing: &'static str, path: &Path, error: &io::Error) -> ObjectError {
    ObjectError::Refused {
        doing,
        place: path.display().to_string(),
        message: error.to_string(),
    }
}
