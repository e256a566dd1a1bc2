//! Objects as files of a folder: written by temporary file and rename, so that the whole new one is there or the whole old one.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
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
        fs::create_dir_all(folder)?;
        // Whoever writes by condition has the folder to itself from the look to the rename.
        let _alone = match condition {
            Condition::None => None,
            Condition::Absent | Condition::Is(_) => {
                let guard = File::create(folder.join(".guard"))?;
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
        let written = File::create(&temporary)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
        if let Err(error) = written.and_then(|()| fs::rename(&temporary, path)) {
            let _gone = fs::remove_file(&temporary);
            return Err(error);
        }
        Ok(Put::Written(etag(bytes)))
    }
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
