//! What is kept beside a journal in a folder about how much of it there is: a journal that ends before it was cut. Reads no record.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::folder::{private_file, refused};
use super::line::Chain;

/// What a journal holds for certain: records, and the hash of the last one. Older than the journal, never newer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tail {
    pub(super) records: u64,
    pub(super) last: String,
}

impl Tail {
    pub(super) fn new(records: u64, chain: &Chain) -> Tail {
        Tail {
            records,
            last: chain.last().unwrap_or_default().to_owned(),
        }
    }

    /// Always of the same length: it is written over itself.
    pub(super) fn text(&self) -> String {
        format!("{:020} {}\n", self.records, self.last)
    }
}

/// What is kept beside a journal in a folder about how much of it there is.
pub(super) enum KnownTail {
    UpTo(Tail),
    /// A machine that lost its power may have left nothing in it.
    Unknown,
    /// The file is not there: a journal of an earlier version has none, and any other one has it before its first record.
    Gone,
}

impl KnownTail {
    pub(super) fn of(journal: &Path) -> KnownTail {
        match fs::read_to_string(head_path(journal)) {
            Ok(text) => tail_of(&text).map_or(KnownTail::Unknown, KnownTail::UpTo),
            Err(e) if e.kind() == ErrorKind::NotFound => KnownTail::Gone,
            Err(_) => KnownTail::Unknown,
        }
    }

    pub(super) fn tail(&self) -> Option<&Tail> {
        match self {
            KnownTail::UpTo(tail) => Some(tail),
            KnownTail::Unknown | KnownTail::Gone => None,
        }
    }

    /// What it means that there is no journal: a process that was killed while it began one has left nothing in here.
    pub(super) fn absent(&self, id: &str, journal: &Path) -> StoreError {
        match self {
            KnownTail::UpTo(tail) => StoreError::Damaged {
                place: journal.display().to_string(),
                why: format!(
                    "it is gone, and {} says that {} records were written",
                    head_path(journal).display(),
                    tail.records
                ),
            },
            KnownTail::Unknown | KnownTail::Gone => StoreError::NoSuchRollout(id.to_owned()),
        }
    }
}

fn tail_of(text: &str) -> Option<Tail> {
    let (records, last) = text.strip_suffix('\n')?.split_once(' ')?;
    Some(Tail {
        records: records.parse().ok()?,
        last: last.to_owned(),
    })
}

fn head_path(journal: &Path) -> PathBuf {
    journal.with_extension("head")
}

pub(super) fn head_file(journal: &Path) -> Result<File, StoreError> {
    let path = head_path(journal);
    private_file()
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|e| refused("open", &path, &e).into())
}
