//! Clusters that were forgotten: what was known of each is kept beside the baselines, and no plan names it. Decides nothing.

use serde::{Deserialize, Serialize};

use super::{Store, StoreError};
use crate::model::Timestamp;
use crate::plan::Baseline;

/// Who had a cluster forgotten, and what was known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forgotten {
    /// Form of this file, 1.
    pub version: u32,
    /// As the process names its user.
    pub by: String,
    /// By the clock of the store.
    pub at: Timestamp,
    /// Why, where the account was not looked at or still had it.
    pub abandoned: Option<String>,
    /// What was known.
    pub baseline: Baseline,
}

impl Store {
    /// Puts a cluster's baseline and warnings away.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn forget(&self, forgotten: &Forgotten) -> Result<(), StoreError> {
        let cluster = &forgotten.baseline.cluster;
        self.write(&format!("forgotten/{cluster}.json"), forgotten)?;
        self.put_warned(cluster.as_str(), None)?;
        self.remove_baseline(cluster)
    }
}
