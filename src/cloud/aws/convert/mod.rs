//! The SDK's words → ours, ids as they are: pure. What of an answer we have no word for is named, never dropped. Names are put back in `names`.

pub(super) mod group;
pub(super) mod instance;
pub(super) mod mixed;
pub(super) mod past;
pub(super) mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Debug;

use aws_smithy_types::DateTime;

use crate::model::Timestamp;

/// An answer that AWS does not give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("AWS's answer makes no sense: {what}")]
pub(super) struct Strange {
    what: String,
}

/// What is set and not ours, by the API's name for it: shown, never changed by us.
pub(super) type Foreign = BTreeMap<String, String>;

/// What must be there.
fn needed<T>(value: Option<T>, what: &str) -> Result<T, Strange> {
    value.ok_or_else(|| Strange {
        what: format!("no {what}"),
    })
}

/// A number that is never below zero.
fn count(value: Option<i32>, what: &str) -> Result<u32, Strange> {
    let value = needed(value, what)?;
    u32::try_from(value).map_err(|_| Strange {
        what: format!("{what} is {value}"),
    })
}

/// A number that need not be there.
fn optional(value: Option<i32>, what: &str) -> Result<Option<u32>, Strange> {
    value.map(|v| count(Some(v), what)).transpose()
}

/// A moment; AWS's precision is the millisecond.
fn time(at: &DateTime, what: &str) -> Result<Timestamp, Strange> {
    at.to_millis()
        .map(Timestamp::from_millis)
        .map_err(|e| Strange {
            what: format!("{what}: {e}"),
        })
}

/// Notes a field that we have no word for, when there is anything in it.
fn note(foreign: &mut Foreign, field: &str, value: Option<impl Debug>) {
    if let Some(value) = value {
        foreign.insert(field.to_owned(), short(&format!("{value:?}")));
    }
}

/// Notes a text that we have no word for.
fn note_text(foreign: &mut Foreign, field: &str, value: Option<&str>) {
    if let Some(text) = value.filter(|t| !t.is_empty()) {
        foreign.insert(field.to_owned(), short(text));
    }
}

fn short(text: &str) -> String {
    const LONGEST: usize = 120;
    let kept: String = text.chars().take(LONGEST).collect();
    if kept.len() < text.len() {
        format!("{kept} …")
    } else {
        kept
    }
}
