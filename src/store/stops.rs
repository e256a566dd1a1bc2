//! The line is stopped: nothing is rolled out, everywhere or in one cluster, until a person lets it go. Only says so; `run` and `cli` heed it.

use super::{Condition, Put};
use super::{Stop, Store, StoreError};
use crate::model::ClusterName;

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
