//! What the last look for drift found in each cluster. Nothing is decided by it.

use std::collections::BTreeMap;

use super::{Store, StoreError};
use crate::model::ClusterName;
use crate::plan::DriftSeen;

impl Store {
    /// What the last look for drift found.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn drift_seen(&self) -> Result<BTreeMap<ClusterName, DriftSeen>, StoreError> {
        let all: Vec<(String, DriftSeen)> = self.all("drift/")?;
        Ok(all
            .into_iter()
            .map(|(_, seen)| (seen.cluster.clone(), seen))
            .collect())
    }

    /// Leaves what was found.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_drift_seen(&self, seen: &DriftSeen) -> Result<(), StoreError> {
        self.write(&format!("drift/{}.json", seen.cluster), seen)
    }
}
