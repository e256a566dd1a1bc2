//! A rollout is born whole or not at all: one process at a time begins one, with what it was planned from unchanged, and with the locks of
//! its first wave. Plans nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::damage::too_new;
use super::lease::NotTaken;
use super::locks::LockHandle;
use super::{Holder, Journal, Locks, Store, StoreError};
use crate::fleet::{CallRates, NotifyRule};
use crate::model::{ClusterName, Digest, KopsVersion, Span, Timestamp, digest_of};
use crate::rollout::{Record, Rollout, WaveRun};

/// How a rollout's clusters are reached: what it takes to stop it or to take it back without the fleet's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreAccess {
    /// Form of this file, 1.
    pub version: u32,
    /// By cluster.
    pub clusters: BTreeMap<ClusterName, ClusterAccess>,
    /// What AWS grants, where that is not what it publishes.
    pub call_rates: CallRates,
    /// Why the rollout carries out a release again that had been rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<String>,
    /// Who is told what of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<NotifyRule>,
}

impl Default for StoreAccess {
    fn default() -> StoreAccess {
        StoreAccess {
            version: 1,
            clusters: BTreeMap::new(),
            call_rates: CallRates::default(),
            again: None,
            notify: Vec::new(),
        }
    }
}

/// How a cluster is reached. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterAccess {
    /// The role to assume in the cluster's account.
    pub role_arn: Option<String>,
    /// The kubeconfig context of its Kubernetes API.
    pub context: Option<String>,
    /// How kops is run for it; none: kops is not its engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kops: Option<KopsAccess>,
}

/// How kops is run for a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KopsAccess {
    /// The binary: a path, or a name on the `PATH`.
    pub binary: std::path::PathBuf,
    /// The state store, as kops is told it: `s3://BUCKET/PREFIX`, or `file://` and a folder.
    pub state: String,
    /// The release, where the fleet names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<KopsVersion>,
    /// How long one call may take.
    pub time_limit: Span,
}

/// The right to begin a rollout, or to take one back that has ended. It ends when it is dropped.
#[derive(Debug)]
pub struct Starting {
    hold: LockHandle,
    owner: String,
    now: Timestamp,
}

/// What a plan was made from, in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    of: Option<BTreeSet<ClusterName>>,
    digest: Digest,
}

impl Store {
    /// What rollouts there are and what they left, as one value: a plan counts as long as it stays the same. Where other rollouts may be under way,
    /// what counts is what these clusters run.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn moment(&self, of: Option<BTreeSet<ClusterName>>) -> Result<Moment, StoreError> {
        let mut baselines = self.baselines()?;
        let digest = if let Some(clusters) = &of {
            baselines.retain(|name, _| clusters.contains(name));
            digest_of(&baselines)
        } else {
            digest_of(&(self.rollouts()?, baselines))
        };
        Ok(Moment { of, digest })
    }

    /// How a rollout's clusters are reached; none for a rollout that an earlier version began.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn access(&self, id: &str) -> Result<Option<StoreAccess>, StoreError> {
        super::journal::checked(id)?;
        let key = access_key(id);
        match self.read::<StoreAccess>(&key)? {
            Some(access) if access.version != 1 => Err(StoreError::Damaged {
                place: self.place(&key),
                why: too_new(u64::from(access.version)),
            }),
            found => Ok(found),
        }
    }

    /// Keeps every other process from beginning a rollout.
    ///
    /// # Errors
    /// When another process is at it.
    pub fn start(&self, owner: &str, now: Timestamp) -> Result<Starting, StoreError> {
        let holder = Holder {
            owner: owner.to_owned(),
            rollout: String::new(),
            since: now,
            fence: 0,
        };
        let hold = LockHandle::take(self, "starting.json", holder).map_err(|e| match e {
            NotTaken::Held(holder) => {
                let (owner, since) = holder.map_or_else(
                    || ("another process".to_owned(), "just now".to_owned()),
                    |h| (h.owner, h.since.clock()),
                );
                StoreError::Starting { owner, since }
            }
            NotTaken::Store(error) => error,
        })?;
        Ok(Starting {
            hold,
            owner: owner.to_owned(),
            now,
        })
    }
}

impl Starting {
    /// Begins the journal of a rollout that was planned when the store was at `moment`, with the locks of its first wave.
    ///
    /// # Errors
    /// When another rollout came in between, or a lock is held by another process: nothing is begun then.
    pub fn begin(
        self,
        store: &Store,
        rollout: &Rollout,
        moment: &Moment,
        access: &StoreAccess,
    ) -> Result<(Journal, Record), StoreError> {
        if store.moment(moment.of.clone())? != *moment {
            return Err(StoreError::StartedMeanwhile);
        }
        let first = rollout
            .stages
            .iter()
            .flat_map(|s| &s.waves)
            .map(WaveRun::changing)
            .find(|clusters| !clusters.is_empty());
        let mut locks = Locks::default();
        let over = locks.take(
            store,
            first.unwrap_or_default(),
            &self.owner,
            &rollout.id,
            self.now,
        )?;
        self.hold.check("the start of a rollout")?;
        store.write(&access_key(&rollout.id), access)?;
        Journal::begin_with(store, rollout, (locks, over))
    }
}

fn access_key(id: &str) -> String {
    format!("access/{id}.json")
}
