//! Where the records of a journal stand: lines of a file that the operating system locks, or objects that each hold what was appended at once.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::batches::{Batches, ENDED, folder, read_batches};
use super::folder::{private_folder, refused};
use super::keeper::Keeper;
use super::line::Chain;
use super::objects::replace;
use super::so_far::End;
use super::tail::{KnownTail, Tail, head_file};
use super::whole::{EarlierRead, Whole, missing};
use super::{Store, StoreError, TakenOver};

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
    /// What stands in the file for certain: a journal that ends before it was cut.
    head: File,
}

impl Log {
    pub(super) fn begin(
        store: &Store,
        id: &str,
        text: &[u8],
        tail: &Tail,
    ) -> Result<Log, StoreError> {
        match &store.keeper {
            Keeper::Folder(root) => Lines::begin(root, id, text, tail).map(Log::File),
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

    pub(super) fn take_up(store: &Store, id: &str) -> Result<(Log, Whole), StoreError> {
        match &store.keeper {
            Keeper::Folder(root) => {
                Lines::take_up(store, root, id).map(|(lines, whole)| (Log::File(lines), whole))
            }
            Keeper::Leases(leases) => {
                // Nothing is written, not even a lock, for a rollout that is not there.
                if store.objects.list(&folder(id))?.is_empty() {
                    return Err(StoreError::NoSuchRollout(id.to_owned()));
                }
                let mut batches = Batches::of(leases, id)?;
                // Read only now: the holder before us writes no more.
                let whole = read_batches(store, id, None)?;
                batches.last = whole.batch;
                Ok((Log::Objects(batches), whole))
            }
        }
    }

    pub(super) fn append(
        &mut self,
        id: &str,
        first: u64,
        records: usize,
        text: &[u8],
        tail: &Tail,
    ) -> Result<(), StoreError> {
        match self {
            Log::File(lines) => {
                lines.check()?;
                lines.append(text)?;
                lines.holds(tail);
                Ok(())
            }
            Log::Objects(batches) => batches.append(id, first, records, text),
        }
    }

    pub(super) fn check(&self, id: &str) -> Result<(), StoreError> {
        match self {
            Log::File(lines) => lines.check(),
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
    pub(super) fn ended(&self, id: &str, tail: &Tail) {
        match self {
            Log::File(_) => {}
            Log::Objects(batches) => {
                let text = serde_json::to_vec(tail).unwrap_or_default();
                drop(replace(&*batches.objects, &format!("{ENDED}{id}"), &text));
            }
        }
    }

    /// Takes the mark away, before a rollout that had ended goes on: with it, an interrupted rollback would be overlooked.
    pub(super) fn reopened(&self, id: &str) -> Result<(), StoreError> {
        match self {
            Log::File(_) => Ok(()),
            Log::Objects(batches) => Ok(batches.objects.delete(&format!("{ENDED}{id}"))?),
        }
    }

    /// Where it ends, after a line of that hash.
    pub(super) fn end(&self, chain: &Chain) -> End {
        let (bytes, batch) = match self {
            Log::File(lines) => (lines.whole, 0),
            Log::Objects(batches) => (0, batches.last),
        };
        End {
            chain: chain.clone(),
            bytes,
            batch,
        }
    }

    pub(super) fn place(&self) -> String {
        match self {
            Log::File(lines) => lines.path.display().to_string(),
            Log::Objects(batches) => format!("{}/{}", batches.objects.place(), batches.folder),
        }
    }
}

/// All of a journal that another process may be writing to.
pub(super) fn read(store: &Store, id: &str) -> Result<Whole, StoreError> {
    match &store.keeper {
        Keeper::Folder(root) => {
            let path = path(root, id);
            // First what it holds for certain: it only grows.
            let kept = KnownTail::of(&path);
            match fs::read(&path) {
                Ok(text) => parse(store, &text, &kept, &path.display().to_string()),
                Err(e) if e.kind() == ErrorKind::NotFound => Err(kept.absent(id, &path)),
                Err(e) => Err(refused("read", &path, &e).into()),
            }
        }
        Keeper::Leases(_) => read_batches(store, id, None),
    }
}

/// What was written to a journal after that end, which is that of so many records.
pub(super) fn read_after(
    store: &Store,
    id: &str,
    end: &End,
    records: u64,
) -> Result<Whole, StoreError> {
    let known = EarlierRead { end, records };
    match &store.keeper {
        Keeper::Folder(root) => read_lines_after(store, &path(root, id), known),
        Keeper::Leases(_) => read_batches(store, id, Some(known)),
    }
}

fn read_lines_after(
    store: &Store,
    path: &Path,
    known: EarlierRead<'_>,
) -> Result<Whole, StoreError> {
    let place = path.display().to_string();
    let kept = KnownTail::of(path);
    let all = fs::read(path).map_err(|e| refused("read", path, &e))?;
    // A file is read in a moment, and then what was changed in it is seen by a look, too.
    let known_bytes = usize::try_from(known.end.bytes).unwrap_or(usize::MAX);
    let Some((_, text)) = all
        .split_at_checked(known_bytes)
        .filter(|(before, _)| known.end.chain.ends(before))
    else {
        return Err(StoreError::Damaged {
            place,
            why: "it is not what was read of it before".into(),
        });
    };
    if matches!(kept, KnownTail::Gone) && known.end.chain.last().is_some() {
        return Err(head_is_gone(place));
    }
    let mut whole = known.whole();
    let tail = kept.tail();
    let at_tail = whole.add(store, text, tail.map(|t| t.records), &place)?;
    missing(&whole, tail, at_tail.or(known.at(tail)).as_deref(), &place)?;
    Ok(whole)
}

/// Whether a process has the journal in a folder open to write to it.
pub(super) fn is_open(root: &Path, id: &str) -> Result<bool, StoreError> {
    let path = path(root, id);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => {
            return Err(StoreError::NoSuchRollout(id.to_owned()));
        }
        Err(e) => return Err(refused("open", &path, &e).into()),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(e)) => Err(refused("lock", &path, &e).into()),
    }
}

/// Whether a journal in a folder is gone that had records.
pub(super) fn is_lost(root: &Path, id: &str) -> bool {
    let path = path(root, id);
    !path.exists() && KnownTail::of(&path).tail().is_some()
}

impl Drop for Lines {
    /// Unlocked and not only closed, as a lock of a cluster is: a child that was made this very moment has it open as well.
    fn drop(&mut self) {
        drop(self.file.unlock());
    }
}

impl Lines {
    fn begin(root: &Path, id: &str, text: &[u8], tail: &Tail) -> Result<Lines, StoreError> {
        let (path, folder) = (path(root, id), root.join("journals"));
        private_folder(&folder).map_err(|e| refused("create", &folder, &e))?;
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
            .mode(0o600)
            .open(&unnamed)
            .map_err(error)?;
        lock(&file, &path, id)?;
        if path.exists() {
            return Err(StoreError::SuchRollout(id.to_owned()));
        }
        let mut lines = Lines {
            file,
            path: path.clone(),
            whole: 0,
            head: head_file(&path)?,
        };
        lines.append(text)?;
        // Unlike a rename, this refuses a name that is taken.
        fs::hard_link(&unnamed, &path).map_err(error)?;
        fs::remove_file(&unnamed).map_err(error)?;
        lines.holds(tail);
        // The file's name has to be as durable as its content.
        File::open(&folder)
            .and_then(|f| f.sync_all())
            .map_err(|e| refused("sync", &folder, &e))?;
        Ok(lines)
    }

    fn take_up(store: &Store, root: &Path, id: &str) -> Result<(Lines, Whole), StoreError> {
        let path = path(root, id);
        let mut file = match OpenOptions::new().read(true).append(true).open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                return Err(KnownTail::of(&path).absent(id, &path));
            }
            Err(e) => return Err(refused("open", &path, &e).into()),
        };
        lock(&file, &path, id)?;
        let error = |e| refused("read", &path, &e);
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(error)?;
        let whole = parse(
            store,
            &text,
            &KnownTail::of(&path),
            &path.display().to_string(),
        )?;
        let mut lines = Lines {
            file,
            path: path.clone(),
            whole: u64::try_from(whole.bytes).unwrap_or(u64::MAX),
            head: head_file(&path)?,
        };
        if whole.bytes < text.len() {
            lines.cut().map_err(error)?;
        }
        Ok((lines, whole))
    }

    /// Whether the file that stands under its name is the one that is written to, and holds what was written: a person may move it away, or put another
    /// one back, while this process goes on. What is done then would be in no journal that anybody finds.
    fn check(&self) -> Result<(), StoreError> {
        let is_ours = |there: &fs::Metadata, ours: &fs::Metadata| {
            (there.dev(), there.ino()) == (ours.dev(), ours.ino()) && ours.len() >= self.whole
        };
        match (fs::metadata(&self.path), self.file.metadata()) {
            (Ok(there), Ok(ours)) if is_ours(&there, &ours) => Ok(()),
            (Err(e), _) | (_, Err(e)) if e.kind() != ErrorKind::NotFound => {
                Err(refused("read", &self.path, &e).into())
            }
            (Ok(_) | Err(_), _) => Err(StoreError::Damaged {
                place: self.path.display().to_string(),
                why: "it was taken away or replaced while this process wrote to it".into(),
            }),
        }
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

    /// Notes what stands in the journal for certain. What is not noted here is only known later: the records themselves are safe.
    fn holds(&mut self, tail: &Tail) {
        let _late = self.head.write_all_at(tail.text().as_bytes(), 0);
    }

    /// Takes away what stands behind the last whole record.
    fn cut(&mut self) -> std::io::Result<()> {
        self.file.set_len(self.whole)?;
        self.file.sync_all()?;
        self.file.seek(SeekFrom::End(0)).map(drop)
    }
}

fn path(root: &Path, id: &str) -> PathBuf {
    root.join("journals").join(format!("{id}.jsonl"))
}

/// A look at whether it is locked takes a lock of its own for a moment: that is waited out.
fn lock(file: &File, path: &Path, id: &str) -> Result<(), StoreError> {
    const TRIES: u32 = 4;
    for attempt in 1..=TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if attempt < TRIES => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(source)) => return Err(refused("lock", path, &source).into()),
        }
    }
    Err(StoreError::Running(id.to_owned()))
}

/// Whole records. What stands behind the last line end was being written when the process died.
fn parse(store: &Store, text: &[u8], kept: &KnownTail, place: &str) -> Result<Whole, StoreError> {
    let mut whole = Whole::default();
    let tail = kept.tail();
    let at_tail = whole.add(store, text, tail.map(|t| t.records), place)?;
    missing(&whole, tail, at_tail.as_deref(), place)?;
    // Records that carry hashes were written by one that keeps it.
    if matches!(kept, KnownTail::Gone) && whole.chain.last().is_some() {
        return Err(head_is_gone(place.to_owned()));
    }
    Ok(whole)
}

fn head_is_gone(place: String) -> StoreError {
    StoreError::Damaged {
        place,
        why: "the file beside it that ends in .head is gone, so it is not known whether its end is missing".into(),
    }
}
