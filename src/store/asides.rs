//! What is left beside journals and baselines for commands that ask the store alone: what a rollout waits for, what webhooks were told of it, and what was wrong in a cluster when it was
//! last looked at. Nothing is decided by it: who loses it loses a line of `rollout status`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::damage::too_new;
use super::{Store, StoreError, journal};
use crate::model::ClusterName;
use crate::plan::Warned;
use crate::rollout::{Notified, Waits};

/// Where the warnings of clusters are.
const WARNINGS: &str = "warnings/";

/// What was wrong in the clusters.
#[derive(Debug, Default)]
pub struct Warnings {
    /// By cluster.
    pub known: BTreeMap<ClusterName, Warned>,
    /// What is there and cannot be understood, by the name of its cluster.
    pub damaged: BTreeMap<String, StoreError>,
}

/// What says how the rest is to be read.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

impl Store {
    /// What a rollout waited for when it last said so.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn waits(&self, rollout: &str) -> Result<Option<Waits>, StoreError> {
        journal::checked(rollout)?;
        self.aside(&waits_key(rollout))
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

    /// What webhooks were told of a rollout.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn notified(&self, rollout: &str) -> Result<Option<Notified>, StoreError> {
        journal::checked(rollout)?;
        self.aside(&notified_key(rollout))
    }

    /// Leaves what webhooks were told of a rollout.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_notified(&self, rollout: &str, notified: &Notified) -> Result<(), StoreError> {
        journal::checked(rollout)?;
        self.write(&notified_key(rollout), notified)
    }

    /// What was wrong in every cluster when it was last looked at.
    ///
    /// # Errors
    /// When the store cannot be read; one warning that makes no sense hides no other.
    pub fn warned(&self) -> Result<Warnings, StoreError> {
        let mut warnings = Warnings::default();
        for name in self.objects.list(WARNINGS)? {
            let Some(cluster) = name.strip_suffix(".json") else {
                continue;
            };
            match self.aside::<Warned>(&format!("{WARNINGS}{name}")) {
                Ok(Some(found)) if found.cluster.as_str() == cluster => {
                    warnings.known.insert(found.cluster.clone(), found);
                }
                Ok(Some(found)) => {
                    let error = StoreError::Damaged {
                        place: self.place(&format!("{WARNINGS}{name}")),
                        why: format!("it is the warning of {}", found.cluster),
                    };
                    warnings.damaged.insert(cluster.to_owned(), error);
                }
                // Removed since it was listed.
                Ok(None) => {}
                Err(error @ StoreError::Damaged { .. }) => {
                    warnings.damaged.insert(cluster.to_owned(), error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(warnings)
    }

    /// Leaves what is wrong in a cluster, named as in its file; none: nothing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_warned(&self, cluster: &str, warned: Option<&Warned>) -> Result<(), StoreError> {
        let key = format!("{WARNINGS}{cluster}.json");
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
        let key = format!("{WARNINGS}{cluster}.json");
        let Some(before) = self.aside::<Warned>(&key)? else {
            return Ok(());
        };
        let left = before.clone().rolled();
        if left.as_ref() == Some(&before) {
            return Ok(());
        }
        self.put_warned(cluster.as_str(), left.as_ref())
    }

    /// Its version comes first: what a newer kfleet has left is newer, not damaged.
    fn aside<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StoreError> {
        match self.read::<Head>(key)? {
            None => Ok(None),
            Some(Head { version: 1 }) => self.read(key),
            Some(Head { version }) => Err(StoreError::Damaged {
                place: self.place(key),
                why: too_new(u64::from(version)),
            }),
        }
    }
}

fn notified_key(rollout: &str) -> String {
    format!("notified/{rollout}.json")
}

fn waits_key(rollout: &str) -> String {
    format!("waits/{rollout}.json")
}
