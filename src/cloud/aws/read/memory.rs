//! What one process need not ask twice.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_autoscaling::types::LifecycleHook;
use tokio::time::Instant;

use crate::cloud::aws::convert::Foreign;
use crate::cloud::aws::convert::instance::Details;
use crate::model::{AccountId, AsgName, InstanceId, Refresh, Region, TemplateVersion};

/// For how long an answer about a group counts when nothing was written by us: others write, too.
const FRESH: Duration = Duration::from_secs(60);

/// A launch template version with ids as AWS has them, and what it holds beside our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) version: TemplateVersion,
    pub(super) foreign: Foreign,
}

/// A launch template's id and the number of a version of it.
pub(super) type VersionKey = (String, u64);

/// What a group was asked for by itself.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// None: it was not asked for them.
    pub(super) hooks: Option<Vec<LifecycleHook>>,
    /// The newest one, if there is any and it was asked for it.
    pub(super) refresh: Option<Refresh>,
    /// Whether it was asked for that.
    pub(super) of_refreshes: bool,
    /// Calls that had changed something in the account and region by then.
    pub(super) writes: u64,
    pub(super) at: Instant,
}

/// What one process need not ask twice.
#[derive(Debug, Default)]
pub(in crate::cloud::aws) struct Memory {
    versions: Mutex<BTreeMap<VersionKey, Version>>,
    details: Mutex<BTreeMap<InstanceId, Details>>,
    groups: Mutex<BTreeMap<(AccountId, Region, AsgName), Asked>>,
}

impl Memory {
    pub(super) fn version(&self, key: &VersionKey) -> Option<Version> {
        unpoisoned(&self.versions).get(key).cloned()
    }

    pub(super) fn keep_version(&self, key: VersionKey, version: Version) {
        unpoisoned(&self.versions).insert(key, version);
    }

    pub(super) fn details(&self, id: &InstanceId) -> Option<Details> {
        unpoisoned(&self.details).get(id).copied()
    }

    pub(super) fn keep_details(&self, id: InstanceId, details: Details) {
        unpoisoned(&self.details).insert(id, details);
    }

    /// What a group was asked for, when it still counts: it was asked for what is wanted now, nothing was written since, no refresh is under
    /// way, and it is not long ago.
    pub(super) fn group(
        &self,
        key: &(AccountId, Region, AsgName),
        writes: u64,
        hooks: bool,
        refresh: bool,
    ) -> Option<Asked> {
        let asked = unpoisoned(&self.groups).get(key).cloned()?;
        let rests = asked.refresh.as_ref().is_none_or(|r| !r.status.is_active());
        let enough = (asked.hooks.is_some() || !hooks) && (asked.of_refreshes || !refresh);
        (enough && asked.writes == writes && rests && asked.at.elapsed() < FRESH).then_some(asked)
    }

    pub(super) fn keep_group(&self, key: (AccountId, Region, AsgName), asked: Asked) {
        unpoisoned(&self.groups).insert(key, asked);
    }
}

/// What is behind these locks is whole between any two statements: a panic elsewhere does not spoil it.
fn unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
