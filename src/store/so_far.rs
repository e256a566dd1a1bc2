//! What is known of a rollout up to some record of its journal: what a look at it starts from. Reads nothing.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::line::Chain;
use crate::model::Timestamp;
use crate::rollout::{Event, Progress, Record, Rollout, RolloutEvent};

/// What was read of journals, by rollout.
pub(super) type Looks = Mutex<BTreeMap<String, SoFar>>;

/// A rollout up to some record of its journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SoFar {
    /// Its outline.
    pub(super) rollout: Rollout,
    pub(super) moved: Moved,
}

/// What records change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Moved {
    pub(super) progress: Progress,
    /// Who took it up last, and when.
    pub(super) carrier: (String, Timestamp),
    /// The end of what was read.
    pub(super) end: End,
}

impl Moved {
    /// After one more record.
    pub(super) fn add(&mut self, record: &Record, place: &str) -> Result<(), StoreError> {
        self.progress
            .add(record)
            .map_err(|source| StoreError::Journal {
                place: place.to_owned(),
                source,
            })?;
        if let Some(carrier) = carrier(record) {
            self.carrier = carrier;
        }
        Ok(())
    }
}

/// Who takes a rollout up by this record, and when.
pub(super) fn carrier(record: &Record) -> Option<(String, Timestamp)> {
    if let Event::Rollout(RolloutEvent::Resumed { by }) = &record.event {
        Some((by.clone(), record.at))
    } else if let Event::Rollout(RolloutEvent::Started { rollout }) = &record.event {
        Some((rollout.started_by.clone(), record.at))
    } else {
        None
    }
}

/// The end of what was read of a journal: reading goes on there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) chain: Chain,
    /// Bytes before it, where the journal is a file.
    pub(super) bytes: u64,
    /// The number of the first record of the object before it, where there are objects.
    pub(super) batch: u64,
}
