//! A record as one line of a journal: with the hash of the line before it, so that a value that was changed and a line that is gone are
//! seen, and with user data by its digest. Reads and writes no file.

use std::collections::BTreeMap;

use memchr::memmem;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::damage::too_new;
use super::given::{Replacing, replaced};
use crate::model::Timestamp;
use crate::rollout::{Event, JOURNAL_VERSION, Record};

/// How much of a line's hash the next line carries, in hexadecimal digits: 128 bits.
const HASH: usize = 32;
/// What stands in a journal in place of user data: this, and the name of the object that holds it.
const REFERENCE: &str = "content:";

/// User data by its digest.
pub(super) type Contents = BTreeMap<String, String>;

/// What is written.
#[derive(Serialize)]
struct Written<'r> {
    seq: u64,
    at: Timestamp,
    event: &'r Event,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<&'r str>,
}

/// What is read. Journals of earlier versions have no hashes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    seq: u64,
    at: Timestamp,
    event: Event,
    #[serde(default)]
    after: Option<String>,
}

/// The lines of one journal, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chain {
    /// The hash of the last line.
    last: Option<String>,
    /// Some line carried a hash: all that follow have to.
    begun: bool,
}

impl Chain {
    /// The hash of the last line, as the next one will carry it.
    pub(super) fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// Whether whole lines follow one another and end as this does: by their hashes, no record is read.
    pub(super) fn ends(&self, lines: &[u8]) -> bool {
        let mut chain = Chain::default();
        for line in lines.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            let after = carried(line);
            let fits = match (after, &chain.last) {
                (Some(after), Some(last)) => after == last.as_bytes(),
                (Some(_), None) => false,
                (None, _) => !chain.begun,
            };
            if !fits {
                return false;
            }
            chain.begun |= after.is_some();
            chain.last = Some(hash(line));
        }
        *self == chain
    }

    /// Adds the line of a record to a text, without its end. User data in it goes into `contents`.
    pub(super) fn write(
        &mut self,
        record: &Record,
        text: &mut Vec<u8>,
        contents: &mut Contents,
    ) -> Result<(), serde_json::Error> {
        let Record { seq, at, event } = record;
        let written = Written {
            seq: *seq,
            at: *at,
            event,
            after: self.last.as_deref(),
        };
        let begin = text.len();
        let mut line = Replacing::new(text, |given: String| {
            let name = digest(given.as_bytes());
            let reference = format!("{REFERENCE}{name}");
            contents.insert(name, given);
            Ok(reference)
        });
        serde_json::to_writer(&mut line, &written)?;
        line.end()?;
        self.begun |= self.last.is_some();
        self.last = Some(hash(text.get(begin..).unwrap_or_default()));
        Ok(())
    }

    /// The record in the next line. `content` finds user data by its digest.
    pub(super) fn read(
        &mut self,
        line: &[u8],
        content: &mut impl FnMut(&str) -> Result<String, String>,
    ) -> Result<Record, String> {
        let Read {
            seq,
            at,
            event,
            after,
        } = parse(line, content)?;
        match (&after, &self.last) {
            (Some(after), Some(last)) if after != last => {
                return Err(
                    "the record before it was changed or removed after it was written".into(),
                );
            }
            (Some(_), None) => return Err("the records before it are missing".into()),
            (None, _) if self.begun => {
                return Err("it does not carry the hash of the record before it".into());
            }
            (Some(_) | None, Some(_) | None) => {}
        }
        self.begun |= after.is_some();
        self.last = Some(hash(line));
        Ok(Record { seq, at, event })
    }
}

/// The hash that a line carries, which is written last.
fn carried(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_suffix(b"\"}")?;
    let (rest, hash) = rest.split_at_checked(rest.len().checked_sub(HASH)?)?;
    rest.ends_with(b",\"after\":\"").then_some(hash)
}

fn parse(
    line: &[u8],
    content: &mut impl FnMut(&str) -> Result<String, String>,
) -> Result<Read, String> {
    let read = |text: &[u8]| {
        serde_json::from_slice(text).map_err(|e| newer(text).unwrap_or_else(|| e.to_string()))
    };
    if memmem::find(line, REFERENCE.as_bytes()).is_none() {
        return read(line);
    }
    let whole = replaced(
        line,
        &mut |given: String| match given.strip_prefix(REFERENCE) {
            Some(name) => content(name).map_err(Unreadable),
            None => Ok(given),
        },
    );
    read(&whole.map_err(|Unreadable(why)| why)?)
}

/// Why a line is not a record.
struct Unreadable(String);

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Unreadable {
        Unreadable(error.to_string())
    }
}

/// What is wrong with the first line of a journal that a newer kfleet wrote.
fn newer(text: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(text).ok()?;
    let version = value.pointer("/event/started/rollout/version")?.as_u64()?;
    (version > u64::from(JOURNAL_VERSION)).then(|| too_new(version))
}

/// The hash of a line, as the next one carries it.
fn hash(line: &[u8]) -> String {
    let mut whole = digest(line);
    whole.truncate(HASH);
    whole
}

/// SHA-256 in hexadecimal.
pub(super) fn digest(bytes: &[u8]) -> String {
    let digit = |d: u8| char::from_digit(u32::from(d), 16).unwrap_or_default();
    Sha256::digest(bytes)
        .iter()
        .flat_map(|b| [digit(b >> 4), digit(b & 15)])
        .collect()
}
