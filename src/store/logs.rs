//! Where the records of a journal stand: lines of a file that the operating system locks, or objects that each hold what was appended at
//! once. Such an object is named by the number of its first record and written only where there is none: no number is ever given twice.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::folder::refused;
use super::lease::{Lease, Leases, NotTaken};
use super::objects::{Objects, create, replace};
use super::{Keeper, Store, StoreError, TakenOver};
use crate::rollout::Record;

/// The folder of marks of rollouts that have ended.
pub(super) const ENDED: &str = "ended/";

/// Where the records of a journal that is carried on are written.
#[derive(Debug)]
pub(super) enum Log {
    File(Lines),
    Objects(Batches),
}

/// A file of one record a line.
#[derive(Debug)]
pub(super) struct Lines {
    file: File,
    path: PathBuf,
    /// Bytes that hold whole records.
    whole: u64,
}

/// One object for each append.
#[derive(Debug)]
pub(super) struct Batches {
    objects: Arc<dyn Objects>,
    folder: String,
    carrier: Lease,
    writer: String,
}

/// The first line of a batch.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    version: u32,
    /// Who wrote it: no two processes write the same bytes.
    writer: String,
    /// The number of its first record.
    first: u64,
    /// How many there are.
    records: usize,
}

impl Log {
    pub(super) fn begin(store: &Store, id: &str, text: &[u8]) -> Result<Log, StoreError> {
        match &store.keeper {
            Keeper::Folder(root) => Lines::begin(root, id, text).map(Log::File),
            Keeper::Leases(leases) => {
                let mut batches = Batches::of(leases, id)?;
                if !batches.objects.list(&batches.folder)?.is_empty() {
                    return Err(StoreError::SuchRollout(id.to_owned()));
                }
                batches.append(id, 1, 1, text)?;
                Ok(Log::Objects(batches))
            }
        }
    }

    pub(super) fn take_up(store: &Store, id: &str) -> Result<(Log, Vec<Record>), StoreError> {
        match &store.keeper {
            Keeper::Folder(root) => {
                Lines::take_up(root, id).map(|(lines, records)| (Log::File(lines), records))
            }
            Keeper::Leases(leases) => {
                // Nothing is written, not even a lock, for a rollout that is not there.
                if store.objects.list(&folder(id))?.is_empty() {
                    return Err(StoreError::NoSuchRollout(id.to_owned()));
                }
                let batches = Batches::of(leases, id)?;
                // Read only now: whoever had it before writes no more.
                let records = read_batches(&*store.objects, id)?;
                Ok((Log::Objects(batches), records))
            }
        }
    }

    pub(super) fn append(
        &mut self,
        id: &str,
        first: u64,
        records: usize,
        text: &[u8],
    ) -> Result<(), StoreError> {
        match self {
            Log::File(lines) => lines.append(text),
            Log::Objects(batches) => batches.append(id, first, records, text),
        }
    }

    /// What stands in it now.
    pub(super) fn records(&self, id: &str) -> Result<Vec<Record>, StoreError> {
        match self {
            Log::File(lines) => {
                let text = fs::read(&lines.path).map_err(|e| refused("read", &lines.path, &e))?;
                parse(&text, &self.place()).map(|(records, _)| records)
            }
            Log::Objects(batches) => read_batches(&*batches.objects, id),
        }
    }

    pub(super) fn check(&self, id: &str) -> Result<(), StoreError> {
        match self {
            Log::File(_) => Ok(()),
            Log::Objects(batches) => batches.carrier.check(&format!("rollout {id}")),
        }
    }

    pub(super) fn taken_over(&self) -> Option<TakenOver> {
        match self {
            Log::File(_) => None,
            Log::Objects(batches) => {
                let from = batches.carrier.from.clone()?;
                Some(TakenOver {
                    cluster: None,
                    from,
                    fence: batches.carrier.fence,
                })
            }
        }
    }

    /// Leaves a mark that spares everybody the reading. Without it the journal says the same.
    pub(super) fn ended(&self, id: &str) {
        match self {
            Log::File(_) => {}
            Log::Objects(batches) => {
                drop(replace(&*batches.objects, &format!("{ENDED}{id}"), b"{}\n"))
            }
        }
    }

    pub(super) fn place(&self) -> String {
        match self {
            Log::File(lines) => lines.path.display().to_string(),
            Log::Objects(batches) => format!("{}/{}", batches.objects.place(), batches.folder),
        }
    }
}

/// All records of a journal that somebody else may be writing to.
pub(super) fn read(store: &Store, id: &str) -> Result<Vec<Record>, StoreError> {
    match &store.keeper {
        Keeper::Folder(root) => {
            let path = path(root, id);
            match fs::read(&path) {
                Ok(text) => parse(&text, &path.display().to_string()).map(|(records, _)| records),
                Err(e) if e.kind() == ErrorKind::NotFound => {
                    Err(StoreError::NoSuchRollout(id.to_owned()))
                }
                Err(e) => Err(refused("read", &path, &e).into()),
            }
        }
        Keeper::Leases(_) => read_batches(&*store.objects, id),
    }
}

impl Lines {
    fn begin(root: &Path, id: &str, text: &[u8]) -> Result<Lines, StoreError> {
        let (path, folder) = (path(root, id), root.join("journals"));
        fs::create_dir_all(&folder).map_err(|e| refused("create", &folder, &e))?;
        let error = |e| refused("create", &path, &e);
        // Under another name until the first record is whole: a process killed here leaves no journal without a rollout.
        let unnamed = folder.join(format!(".{id}.{}", std::process::id()));
        match fs::remove_file(&unnamed) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(error(e).into()),
            Ok(()) | Err(_) => {}
        }
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .open(&unnamed)
            .map_err(error)?;
        lock(&file, &path, id)?;
        let mut lines = Lines {
            file,
            path: path.clone(),
            whole: 0,
        };
        lines.append(text)?;
        // Unlike a rename, this refuses a name that is taken.
        fs::hard_link(&unnamed, &path).map_err(error)?;
        fs::remove_file(&unnamed).map_err(error)?;
        // The file's name has to be as durable as its content.
        File::open(&folder)
            .and_then(|f| f.sync_all())
            .map_err(|e| refused("sync", &folder, &e))?;
        Ok(lines)
    }

    fn take_up(root: &Path, id: &str) -> Result<(Lines, Vec<Record>), StoreError> {
        let path = path(root, id);
        let mut file = match OpenOptions::new().read(true).append(true).open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                return Err(StoreError::NoSuchRollout(id.to_owned()));
            }
            Err(e) => return Err(refused("open", &path, &e).into()),
        };
        lock(&file, &path, id)?;
        let error = |e| refused("read", &path, &e);
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(error)?;
        let (records, whole) = parse(&text, &path.display().to_string())?;
        let mut lines = Lines {
            file,
            path: path.clone(),
            whole: u64::try_from(whole).unwrap_or(u64::MAX),
        };
        if whole < text.len() {
            lines.cut().map_err(error)?;
        }
        Ok((lines, records))
    }

    fn append(&mut self, text: &[u8]) -> Result<(), StoreError> {
        if let Err(e) = self
            .file
            .write_all(text)
            .and_then(|()| self.file.sync_data())
        {
            // Half a line must not stand before the next one. Where it cannot be cut off either, the next append fails alike, and what
            // reads the journal sees a torn last line.
            let _torn = self.cut();
            return Err(refused("write", &self.path, &e).into());
        }
        self.whole += u64::try_from(text.len()).unwrap_or(0);
        Ok(())
    }

    /// Takes away what stands behind the last whole record.
    fn cut(&mut self) -> std::io::Result<()> {
        self.file.set_len(self.whole)?;
        self.file.sync_all()?;
        self.file.seek(SeekFrom::End(0)).map(drop)
    }
}

impl Batches {
    fn of(leases: &Leases, id: &str) -> Result<Batches, StoreError> {
        let carrier = leases
            .take(&format!("carriers/{id}.json"), &leases.carrier(id))
            .map_err(|e| match e {
                NotTaken::Held(_) => StoreError::Running(id.to_owned()),
                NotTaken::Store(error) => error,
            })?;
        Ok(Batches {
            objects: Arc::clone(leases.objects()),
            folder: folder(id),
            carrier,
            writer: leases.token().to_owned(),
        })
    }

    fn append(
        &mut self,
        id: &str,
        first: u64,
        records: usize,
        text: &[u8],
    ) -> Result<(), StoreError> {
        self.carrier.check(&format!("rollout {id}"))?;
        let place = || format!("{}/{}", self.objects.place(), self.folder);
        let head = Head {
            version: 1,
            writer: self.writer.clone(),
            first,
            records,
        };
        let mut bytes = serde_json::to_vec(&head).map_err(|e| StoreError::Damaged {
            place: place(),
            why: e.to_string(),
        })?;
        bytes.push(b'\n');
        bytes.extend_from_slice(text);
        let key = format!("{}{first:010}.jsonl", self.folder);
        if create(&*self.objects, &key, &bytes)? {
            Ok(())
        } else {
            Err(StoreError::Overtaken(id.to_owned()))
        }
    }
}

fn read_batches(objects: &dyn Objects, id: &str) -> Result<Vec<Record>, StoreError> {
    let folder = folder(id);
    let names = objects.list(&folder)?;
    if names.is_empty() {
        return Err(StoreError::NoSuchRollout(id.to_owned()));
    }
    let keys: Vec<String> = names.iter().map(|name| format!("{folder}{name}")).collect();
    let mut all = Vec::new();
    for (key, object) in keys.iter().zip(objects.get_all(&keys)?) {
        let damaged = |why: String| StoreError::Damaged {
            place: format!("{}/{key}", objects.place()),
            why,
        };
        let object = object.ok_or_else(|| damaged("it was removed while it was read".into()))?;
        let end = object
            .bytes
            .iter()
            .position(|b| *b == b'\n')
            .ok_or_else(|| damaged("its first line has no end".into()))?;
        let (head, lines) = object.bytes.split_at(end + 1);
        let head: Head =
            serde_json::from_slice(head).map_err(|e| damaged(format!("line 1: {e}")))?;
        if head.version != 1 {
            return Err(damaged(format!(
                "version {} is newer than this kfleet",
                head.version
            )));
        }
        let (records, whole) = parse(lines, &format!("{}/{key}", objects.place()))?;
        if whole < lines.len()
            || records.len() != head.records
            || *key != format!("{folder}{:010}.jsonl", head.first)
        {
            return Err(damaged(format!(
                "it holds {} records and should hold {} from {}",
                records.len(),
                head.records,
                head.first
            )));
        }
        all.extend(records);
    }
    Ok(all)
}

fn folder(id: &str) -> String {
    format!("journals/{id}/")
}

fn path(root: &Path, id: &str) -> PathBuf {
    root.join("journals").join(format!("{id}.jsonl"))
}

fn lock(file: &File, path: &Path, id: &str) -> Result<(), StoreError> {
    file.try_lock().map_err(|e| match e {
        TryLockError::WouldBlock => StoreError::Running(id.to_owned()),
        TryLockError::Error(source) => refused("lock", path, &source).into(),
    })
}

/// Whole records, and how many bytes they take. What stands behind the last line end was being written when the process died.
fn parse(text: &[u8], place: &str) -> Result<(Vec<Record>, usize), StoreError> {
    let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
    let lines = text
        .get(..whole)
        .unwrap_or_default()
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty());
    let records = lines.enumerate().map(|(n, line)| {
        serde_json::from_slice(line).map_err(|e| StoreError::Damaged {
            place: place.to_owned(),
            why: format!("line {}: {e}", n + 1),
        })
    });
    Ok((records.collect::<Result<_, _>>()?, whole))
}
