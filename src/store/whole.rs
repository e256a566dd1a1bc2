//! What was read of a journal, record by record, and where reading goes on. Reads no file and no object.

use std::collections::BTreeMap;

use super::line::Chain;
use super::so_far::End;
use super::tail::Tail;
use super::{Store, StoreError};
use crate::rollout::Record;

/// What was read of a journal.
#[derive(Debug, Default)]
pub(super) struct Whole {
    pub(super) records: Vec<Record>,
    pub(super) chain: Chain,
    /// How many bytes they take, where they stand in a file.
    pub(super) bytes: usize,
    /// How many came before them, and were read earlier.
    pub(super) before: usize,
    /// The number of the first record of the last object, where there are objects.
    pub(super) batch: u64,
}

/// What was read of a journal earlier.
#[derive(Clone, Copy)]
pub(super) struct EarlierRead<'a> {
    pub(super) end: &'a End,
    pub(super) records: u64,
}

impl EarlierRead<'_> {
    /// As something to add to.
    pub(super) fn whole(self) -> Whole {
        Whole {
            records: Vec::new(),
            chain: self.end.chain.clone(),
            bytes: usize::try_from(self.end.bytes).unwrap_or(usize::MAX),
            before: usize::try_from(self.records).unwrap_or(usize::MAX),
            batch: self.end.batch,
        }
    }

    /// The hash of its last record, when that is the one that a tail ends with.
    pub(super) fn at(self, tail: Option<&Tail>) -> Option<String> {
        let is_there = tail.is_some_and(|tail| tail.records == self.records);
        self.end
            .chain
            .last()
            .filter(|_| is_there)
            .map(str::to_owned)
    }
}

/// A journal that holds less than it held, or something else where it ended.
pub(super) fn missing(
    whole: &Whole,
    tail: Option<&Tail>,
    found: Option<&str>,
    place: &str,
) -> Result<(), StoreError> {
    let Some(tail) = tail else { return Ok(()) };
    let damaged = |why: String| StoreError::Damaged {
        place: place.to_owned(),
        why,
    };
    let records = whole.count();
    if records < tail.records {
        return Err(damaged(format!(
            "its end is missing: it holds {records} records, and {} were written",
            tail.records
        )));
    }
    if found.is_some_and(|found| found != tail.last) {
        return Err(damaged(format!(
            "record {} was changed after it was written",
            tail.records
        )));
    }
    Ok(())
}

impl Whole {
    /// Records of the journal so far.
    pub(super) fn count(&self) -> u64 {
        u64::try_from(self.before + self.records.len()).unwrap_or(u64::MAX)
    }

    /// Where it ends.
    pub(super) fn end(&self) -> End {
        End {
            chain: self.chain.clone(),
            bytes: u64::try_from(self.bytes).unwrap_or(u64::MAX),
            batch: self.batch,
        }
    }

    /// Adds the whole lines of a text; the hash of the line with that number, when it is among them.
    pub(super) fn add(
        &mut self,
        store: &Store,
        text: &[u8],
        number: Option<u64>,
        place: &str,
    ) -> Result<Option<String>, StoreError> {
        let end = text.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
        let lines = text
            .get(..end)
            .unwrap_or_default()
            .split(|b| *b == b'\n')
            .filter(|l| !l.is_empty());
        let mut contents: BTreeMap<String, String> = BTreeMap::new();
        let mut content = |name: &str| match contents.get(name) {
            Some(text) => Ok(text.clone()),
            None => {
                let text = store.content(name)?;
                contents.insert(name.to_owned(), text.clone());
                Ok(text)
            }
        };
        let mut hash = None;
        for (n, line) in lines.enumerate() {
            let record =
                self.chain
                    .read(line, &mut content)
                    .map_err(|why| StoreError::Damaged {
                        place: place.to_owned(),
                        why: format!("line {}: {why}", n + 1),
                    })?;
            self.records.push(record);
            if number == Some(self.count()) {
                hash = self.chain.last().map(str::to_owned);
            }
        }
        self.bytes += end;
        Ok(hash)
    }
}
