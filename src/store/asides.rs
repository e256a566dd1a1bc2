//! What is left beside journals and baselines for whoever asks the store alone: what a rollout waits for, and what was wrong in a cluster when it was
//! last looked at. Nothing is decided by it: who loses it loses a line of `rollout status`.

use std::collections::BTreeMap;

use super::{Store, StoreError, journal};
use crate::model::ClusterName;
use crate::plan::Warned;
use crate::rollout::Waits;

impl Store {
    /// What a rollout waited for when it last said so.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn waits(&self, rollout: &str) -> Result<Option<Waits>, StoreError> {
        journal::checked(rollout)?;
        let key = waits_key(rollout);
        let found: Option<Waits> = self.read(&key)?;
        found
            .map(|waits| self.understood(&key, waits.version).map(|()| waits))
            .transpose()
    }

    /// Leaves what a rollout waits for; none: it is over.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_waits(&self, rollout: &str, waits: Option<&Waits>) -> Result<(), StoreError> {
        journal::checked(rollout)?;
        match waits {
            Some(waits) => self.write(&waits_key(rollout), waits),
            None => Ok(self.objects.delete(&waits_key(rollout))?),
        }
    }

    /// What was wrong in every cluster when it was last looked at.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn warned(&self) -> Result<BTreeMap<ClusterName, Warned>, StoreError> {
        let mut warned = BTreeMap::new();
        let all: Vec<(String, Warned)> = self.all("warnings/")?;
        for (key, found) in all {
            self.understood(&key, found.version)?;
            warned.insert(found.cluster.clone(), found);
        }
        Ok(warned)
    }

    /// Leaves what is wrong in a cluster; none: nothing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_warned(
        &self,
        cluster: &ClusterName,
        warned: Option<&Warned>,
    ) -> Result<(), StoreError> {
        let key = format!("warnings/{cluster}.json");
        match warned {
            Some(warned) => self.write(&key, warned),
            None => Ok(self.objects.delete(&key)?),
        }
    }

    /// What is wrong in a cluster, without what its roll has put right.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn warned_no_more(&self, cluster: &ClusterName) -> Result<(), StoreError> {
        let key = format!("warnings/{cluster}.json");
        let Some(before) = self.read::<Warned>(&key)? else {
            return Ok(());
        };
        let left = before.clone().rolled();
        if left.as_ref() == Some(&before) {
            return Ok(());
        }
        self.put_warned(cluster, left.as_ref())
    }

    fn understood(&self, key: &str, version: u32) -> Result<(), StoreError> {
        if version == 1 {
            return Ok(());
        }
        Err(StoreError::Damaged {
            place: self.place(key),
            why: format!("version {version} is newer than this kfleet"),
        })
    }
}

fn waits_key(rollout: &str) -> String {
    format!("waits/{rollout}.json")
}
