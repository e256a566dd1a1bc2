//! Objects as a store of objects holds them: content, and what a conditional write names it by.

use super::Timestamp;

/// What an object holds now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its content.
    pub bytes: Vec<u8>,
    /// What a conditional put names it by.
    pub etag: String,
    /// When it was written, by the clock of the object store: one clock for all processes.
    pub written: Timestamp,
}

/// What must be so for a put to take effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The put takes effect in any case.
    None,
    /// There is no such object.
    Absent,
    /// The object is still this one.
    Is(String),
}

/// How a put ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// Written; the new etag.
    Written(String),
    /// The condition did not hold: nothing was written. It may be an earlier attempt of this very put that is in the way, one whose
    /// answer got lost: the caller that has to know reads back and compares.
    Refused,
}
