//! The line is stopped: nothing is rolled out, everywhere or in one cluster, until somebody lets it go. Only says so; `run` and `cli` heed it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Condition, Put};
use super::{Store, StoreError};
use crate::model::{ClusterName, Timestamp};
use crate::rollout::Rollout;

/// Who stopped the line, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// In which cluster only; everywhere when it names none.
    pub cluster: Option<ClusterName>,
    /// Who.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stop {
            cluster,
            by,
            since,
            reason,
        } = self;
        match cluster {
            Some(cluster) => write!(f, "{cluster} is stopped by {by} since {since}: {reason}"),
            None => write!(f, "the line is stopped by {by} since {since}: {reason}"),
        }
    }
}

impl Stop {
    /// What lifts it.
    pub fn go(&self) -> String {
        self.cluster.as_ref().map_or_else(
            || "kfleet go".to_owned(),
            |cluster| format!("kfleet go --cluster {cluster}"),
        )
    }

    /// Whether it holds for a rollout: everywhere, or in a cluster whose groups it changes.
    pub fn holds_for(&self, rollout: &Rollout) -> bool {
        self.cluster.as_ref().is_none_or(|cluster| {
            rollout
                .cluster(cluster)
                .is_some_and(|run| !run.groups.is_empty())
        })
    }
}

impl Store {
    /// Stops the line. None: done; a stop that is there already stays, and is told.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn stop(&self, stop: &Stop) -> Result<Option<Stop>, StoreError> {
        self.ensure()?;
        let key = key(stop.cluster.as_ref());
        // An answer that got lost leaves what we wrote.
        match self
            .objects
            .put(&key, self.text(stop, &key)?.as_bytes(), &Condition::Absent)
        {
            Ok(Put::Written(_)) => Ok(None),
            Ok(Put::Refused) => Ok(self.read(&key)?.filter(|found| found != stop)),
            Err(error) => match self.read::<Stop>(&key)? {
                Some(found) if found == *stop => Ok(None),
                Some(_) | None => Err(error.into()),
            },
        }
    }

    /// Lets the line go on: everywhere, or in a cluster. What had stopped it.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn go(&self, cluster: Option<&ClusterName>) -> Result<Option<Stop>, StoreError> {
        let key = key(cluster);
        let found = self.read(&key)?;
        if found.is_some() {
            self.objects.delete(&key)?;
        }
        Ok(found)
    }

    /// What stops the line now, the stop of everything first.
    ///
    /// # Errors
    /// When that cannot be read: it may be stopped then.
    pub fn stops(&self) -> Result<Vec<Stop>, StoreError> {
        let mut stops = Vec::new();
        for name in self.objects.list("stops/")? {
            stops.extend(self.read::<Stop>(&format!("stops/{name}"))?);
        }
        Ok(stops)
    }
}

/// `all` sorts before `cluster`.
fn key(cluster: Option<&ClusterName>) -> String {
    cluster.map_or_else(
        || "stops/all.json".to_owned(),
        |cluster| format!("stops/cluster-{cluster}.json"),
    )
}
