//! What was last applied and verified, by cluster.

use std::collections::BTreeMap;

use super::damage::too_new;
use super::{Store, StoreError};
use crate::model::ClusterName;
use crate::plan::Baseline;

impl Store {
    /// The baselines there are.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn baselines(&self) -> Result<BTreeMap<ClusterName, Baseline>, StoreError> {
        let all: Vec<(String, Baseline)> = self.all("baselines/")?;
        let mut baselines = BTreeMap::new();
        for (key, baseline) in all {
            let damaged = |why: String| StoreError::Damaged {
                place: self.place(&key),
                why,
            };
            if baseline.version != 1 {
                return Err(damaged(too_new(u64::from(baseline.version))));
            }
            if key != baseline_key(&baseline.cluster) {
                return Err(damaged(format!(
                    "it is the baseline of {}",
                    baseline.cluster
                )));
            }
            baselines.insert(baseline.cluster.clone(), baseline);
        }
        Ok(baselines)
    }

    /// Writes a baseline.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_baseline(&self, baseline: &Baseline) -> Result<(), StoreError> {
        self.write(&baseline_key(&baseline.cluster), baseline)
    }

    /// Forgets a baseline.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove_baseline(&self, cluster: &ClusterName) -> Result<(), StoreError> {
        Ok(self.objects.delete(&baseline_key(cluster))?)
    }
}

fn baseline_key(cluster: &ClusterName) -> String {
    format!("baselines/{cluster}.json")
}
