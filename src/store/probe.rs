//! Whether the conditional puts of a store really work: locks and leases are worth nothing where they do not. Keeps nothing.

use super::{Condition, Put, Store, StoreError};
use crate::model::Timestamp;

/// What a look at a store showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// A put takes effect only where its condition holds. When it was written, by the clock of the object store.
    Works {
        /// That time.
        written: Timestamp,
    },
    /// A condition that did not hold was taken for one that does.
    Ignored {
        /// Which: `If-None-Match`, `If-Match`.
        condition: &'static str,
    },
    /// A condition that held was refused.
    Refused {
        /// As S3 names it.
        condition: &'static str,
    },
}

impl Store {
    /// Writes, by condition, an object that no other process has, and removes it.
    ///
    /// # Errors
    /// When the store gives no answer, or refuses.
    pub fn probe(&self, token: &str) -> Result<Probe, StoreError> {
        let key = format!("probes/{token}.json");
        let found = self.probed(&key);
        self.objects.delete(&key)?;
        found
    }

    fn probed(&self, key: &str) -> Result<Probe, StoreError> {
        const ABSENT: &str = "If-None-Match";
        const IS: &str = "If-Match";
        let put = |bytes: &[u8], condition: &Condition| self.objects.put(key, bytes, condition);
        let Put::Written(etag) = put(b"1", &Condition::Absent)? else {
            return Ok(Probe::Refused { condition: ABSENT });
        };
        if let Put::Written(_) = put(b"2", &Condition::Absent)? {
            return Ok(Probe::Ignored { condition: ABSENT });
        }
        let Put::Written(_) = put(b"3", &Condition::Is(etag.clone()))? else {
            return Ok(Probe::Refused { condition: IS });
        };
        // The etag of before is no longer the object's.
        if let Put::Written(_) = put(b"4", &Condition::Is(etag))? {
            return Ok(Probe::Ignored { condition: IS });
        }
        let written = self.objects.get(key)?.map(|object| object.written);
        Ok(Probe::Works {
            written: written.unwrap_or(Timestamp::from_millis(0)),
        })
    }
}
