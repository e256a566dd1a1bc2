//! The journal of a rollout: one record a line, append and sync. A torn last line is dropped; any other damage is refused loudly.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::{Store, StoreError, files, remove};
use crate::rollout::{Event, Progress, Record, Rollout};

/// An open journal. Whoever has it is the only process that carries the rollout on: the lock ends with the process.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    rollout: Rollout,
    progress: Progress,
    /// A write failed, and so did every attempt to find out what it left.
    lost: bool,
}

impl Journal {
    /// Begins the journal of a new rollout: its first record holds the rollout.
    ///
    /// # Errors
    /// When it cannot be written, or a journal of this name exists.
    pub fn begin(store: &Store, rollout: &Rollout) -> Result<(Journal, Record), StoreError> {
        let folder = store.root.join("journals");
        store.ensure(&folder)?;
        let path = store.journal_path(&rollout.id);
        let error = |source| StoreError::Io { doing: "create", path: path.clone(), source };
        // Under another name until the first record is whole: a process killed here leaves no journal without a rollout.
        let unnamed = folder.join(format!(".{}.{}", rollout.id, std::process::id()));
        remove(&unnamed)?;
        let file = OpenOptions::new().read(true).append(true).create_new(true).open(&unnamed).map_err(error)?;
        lock(&file, &path, &rollout.id)?;
        let mut journal = Journal { file, path: path.clone(), rollout: rollout.clone(), progress: Progress::new(rollout), lost: false };
        let records = journal.append(rollout.started_at, vec![Event::Started { rollout: Box::new(rollout.clone()) }])?;
        // Unlike a rename, this refuses a name that is taken.
        fs::hard_link(&unnamed, &path).map_err(error)?;
        remove(&unnamed)?;
        // The file's name has to be as durable as its content.
        File::open(&folder).and_then(|f| f.sync_all()).map_err(|source| StoreError::Io { doing: "sync", path: folder.clone(), source })?;
        let first =
            records.into_iter().next().ok_or_else(|| StoreError::Damaged { path: journal.path.clone(), why: "nothing was written".into() })?;
        Ok((journal, first))
    }

    /// Opens a journal to carry its rollout on; a torn last line is cut off.
    ///
    /// # Errors
    /// When it is not there, damaged, or carried on by another process.
    pub fn take_up(store: &Store, id: &str) -> Result<Journal, StoreError> {
        let path = store.journal_path(id);
        let mut file = match OpenOptions::new().read(true).append(true).open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(StoreError::NoSuchRollout(id.to_owned())),
            Err(source) => return Err(StoreError::Io { doing: "open", path, source }),
        };
        lock(&file, &path, id)?;
        let error = |source| StoreError::Io { doing: "read", path: path.clone(), source };
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(error)?;
        let (records, whole) = parse(&text, &path)?;
        if whole < text.len() {
            file.set_len(u64::try_from(whole).unwrap_or(u64::MAX)).and_then(|()| file.sync_all()).map_err(error)?;
            file.seek(SeekFrom::End(0)).map_err(error)?;
        }
        let (rollout, progress) = fold(&records, &path)?;
        Ok(Journal { file, path, rollout, progress, lost: false })
    }

    /// The rollout.
    pub fn rollout(&self) -> &Rollout {
        &self.rollout
    }

    /// Where it stands.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Appends events as records, in one write, and returns when they are on disk.
    ///
    /// # Errors
    /// When they cannot be written, or cannot follow what stands before them; nothing may be acted upon then.
    pub fn append(&mut self, at: crate::model::Timestamp, events: Vec<Event>) -> Result<Vec<Record>, StoreError> {
        if self.lost {
            return Err(StoreError::Damaged { path: self.path.clone(), why: "an earlier write failed, and what it left cannot be read".into() });
        }
        // In place, and brought back from the file when it fails: a copy of the whole fleet's progress with every record
        // would make a rollout cost the square of its clusters.
        let written = self.write(at, events);
        if written.is_err() {
            self.lost = self.recover().is_err();
        }
        written
    }

    fn write(&mut self, at: crate::model::Timestamp, events: Vec<Event>) -> Result<Vec<Record>, StoreError> {
        let mut text = Vec::new();
        let mut records = Vec::with_capacity(events.len());
        for event in events {
            let record = Record { seq: self.progress.seq + 1, at, event };
            self.progress.add(&record).map_err(|source| StoreError::Journal { path: self.path.clone(), source })?;
            serde_json::to_writer(&mut text, &record).map_err(|e| StoreError::Damaged { path: self.path.clone(), why: e.to_string() })?;
            text.push(b'\n');
            records.push(record);
        }
        let error = |source| StoreError::Io { doing: "write", path: self.path.clone(), source };
        self.file.write_all(&text).and_then(|()| self.file.sync_data()).map_err(error)?;
        Ok(records)
    }

    /// After a write that failed: what stands whole in the file counts, and half a line is cut off, or the next would be
    /// written behind it.
    fn recover(&mut self) -> Result<(), StoreError> {
        let error = |source| StoreError::Io { doing: "read", path: self.path.clone(), source };
        let mut text = Vec::new();
        self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.read_to_end(&mut text)).map_err(error)?;
        let (records, whole) = parse(&text, &self.path)?;
        if whole < text.len() {
            self.file.set_len(u64::try_from(whole).unwrap_or(u64::MAX)).map_err(error)?;
        }
        self.progress = if records.is_empty() { Progress::new(&self.rollout) } else { fold(&records, &self.path)?.1 };
        Ok(())
    }
}

impl Store {
    /// The ids of all rollouts, oldest first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn rollouts(&self) -> Result<Vec<String>, StoreError> {
        let names = files(&self.root.join("journals"), ".jsonl")?;
        Ok(names.iter().filter_map(|p| p.file_stem().and_then(|n| n.to_str()).map(str::to_owned)).collect())
    }

    /// All records of a rollout, without taking it up.
    ///
    /// # Errors
    /// When it is not there or damaged.
    pub fn records(&self, id: &str) -> Result<Vec<Record>, StoreError> {
        let path = self.journal_path(id);
        match fs::read(&path) {
            Ok(text) => parse(&text, &path).map(|(records, _)| records),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(StoreError::NoSuchRollout(id.to_owned())),
            Err(source) => Err(StoreError::Io { doing: "read", path, source }),
        }
    }

    /// A rollout and where it stands.
    ///
    /// # Errors
    /// When it is not there or damaged.
    pub fn rollout(&self, id: &str) -> Result<(Rollout, Progress), StoreError> {
        fold(&self.records(id)?, &self.journal_path(id))
    }

    fn journal_path(&self, id: &str) -> PathBuf {
        self.root.join("journals").join(format!("{id}.jsonl"))
    }
}

fn fold(records: &[Record], path: &Path) -> Result<(Rollout, Progress), StoreError> {
    Progress::of(records).map_err(|source| StoreError::Journal { path: path.to_owned(), source })
}

fn lock(file: &File, path: &Path, id: &str) -> Result<(), StoreError> {
    file.try_lock().map_err(|e| match e {
        TryLockError::WouldBlock => StoreError::Running(id.to_owned()),
        TryLockError::Error(source) => StoreError::Io { doing: "lock", path: path.to_owned(), source },
    })
}

/// Whole records, and how many bytes they take. What stands behind the last line end was being written when the process died.
fn parse(text: &[u8], path: &Path) -> Result<(Vec<Record>, usize), StoreError> {
    let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
    let lines = text.get(..whole).unwrap_or_default().split(|b| *b == b'\n').filter(|l| !l.is_empty());
    let records = lines.enumerate().map(|(n, line)| {
        serde_json::from_slice(line).map_err(|e| StoreError::Damaged { path: path.to_owned(), why: format!("line {}: {e}", n + 1) })
    });
    Ok((records.collect::<Result<_, _>>()?, whole))
}
