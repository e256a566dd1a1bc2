//! A journal as objects that each hold what was appended at once. Such an object is named by the number of its first record and written only where there is
//! none: no number is ever given twice.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::damage::too_new;
use super::lease::{Lease, Leases, NotTaken};
use super::objects::{Objects, create};
use super::tail::Tail;
use super::whole::{EarlierRead, Whole, missing};
use super::{Store, StoreError};

/// The folder of marks of rollouts that have ended.
pub(super) const ENDED: &str = "ended/";

/// One object for each append.
#[derive(Debug)]
pub(super) struct Batches {
    pub(super) objects: Arc<dyn Objects>,
    pub(super) folder: String,
    pub(super) carrier: Lease,
    writer: String,
    /// The number of the first record of the last object.
    pub(super) last: u64,
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

impl Batches {
    pub(super) fn of(leases: &Leases, id: &str) -> Result<Batches, StoreError> {
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
            last: 0,
        })
    }

    pub(super) fn append(
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
        let key = format!("{}{}", self.folder, batch(first));
        if create(&*self.objects, &key, &bytes)? {
            self.last = first;
            Ok(())
        } else {
            Err(StoreError::Overtaken(id.to_owned()))
        }
    }
}

/// All objects of a journal; those after what is known, where something is.
pub(super) fn read_batches(
    store: &Store,
    id: &str,
    known: Option<EarlierRead<'_>>,
) -> Result<Whole, StoreError> {
    let objects = &*store.objects;
    let folder = folder(id);
    let names = match known {
        None => objects.list(&folder)?,
        // The last one that is known among them: a journal that is gone is not taken for one in which nothing happened.
        Some(known) => {
            let before = batch(known.end.batch.saturating_sub(1));
            let mut names = objects.list_after(&folder, &before)?;
            if names.first() == Some(&batch(known.end.batch)) {
                names.remove(0);
                names
            } else {
                return Err(StoreError::NoSuchRollout(id.to_owned()));
            }
        }
    };
    if names.is_empty() && known.is_none() {
        return Err(StoreError::NoSuchRollout(id.to_owned()));
    }
    let mut keys: Vec<String> = names.iter().map(|name| format!("{folder}{name}")).collect();
    keys.push(format!("{ENDED}{id}"));
    let mut found = objects.get_all(&keys)?;
    keys.pop();
    // Of an earlier version the mark says nothing more.
    let tail = found.pop().flatten();
    let tail: Option<Tail> = tail.and_then(|o| serde_json::from_slice(&o.bytes).ok());
    let mut whole = known.map(EarlierRead::whole).unwrap_or_default();
    let mut at_tail = known.and_then(|known| known.at(tail.as_ref()));
    for (key, object) in keys.iter().zip(found) {
        let damaged = |why: String| StoreError::Damaged {
            place: format!("{}/{key}", objects.place()),
            why,
        };
        let object = object.ok_or_else(|| damaged("it was removed while it was read".into()))?;
        let batch = Batch {
            key,
            folder: &folder,
            bytes: &object.bytes,
        };
        let hash = read_batch(store, batch, tail.as_ref(), &mut whole)?;
        at_tail = hash.or(at_tail);
    }
    let place = format!("{}/{folder}", objects.place());
    missing(&whole, tail.as_ref(), at_tail.as_deref(), &place)?;
    Ok(whole)
}

/// One object of a journal.
struct Batch<'a> {
    key: &'a str,
    folder: &'a str,
    bytes: &'a [u8],
}

/// Adds the records of one object to those read already; the hash of the one that `tail` ends with, when it is among them.
fn read_batch(
    store: &Store,
    batch: Batch<'_>,
    tail: Option<&Tail>,
    whole: &mut Whole,
) -> Result<Option<String>, StoreError> {
    let Batch { key, folder, bytes } = batch;
    let place = format!("{}/{key}", store.objects.place());
    let damaged = |why: String| StoreError::Damaged {
        place: place.clone(),
        why,
    };
    let end = bytes
        .iter()
        .position(|b| *b == b'\n')
        .ok_or_else(|| damaged("its first line has no end".into()))?;
    let (head, lines) = bytes.split_at(end + 1);
    let head: Head = serde_json::from_slice(head).map_err(|e| damaged(format!("line 1: {e}")))?;
    if head.version != 1 {
        return Err(damaged(too_new(u64::from(head.version))));
    }
    if *key != format!("{folder}{}", self::batch(head.first)) {
        return Err(damaged(format!("it holds records from {}", head.first)));
    }
    whole.batch = head.first;
    let before = whole.records.len();
    whole.bytes = 0;
    let hash = whole.add(store, lines, tail.map(|t| t.records), &place)?;
    let records = whole.records.len() - before;
    if whole.bytes < lines.len() || records != head.records {
        return Err(damaged(format!(
            "it holds {records} records and should hold {} from {}",
            head.records, head.first
        )));
    }
    Ok(hash)
}

/// The name of the object whose first record has that number.
fn batch(first: u64) -> String {
    format!("{first:010}.jsonl")
}

/// The folder of the objects of a journal.
pub(super) fn folder(id: &str) -> String {
    format!("journals/{id}/")
}
