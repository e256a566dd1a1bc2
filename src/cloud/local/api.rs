//! The traits [`Cloud`] and [`NodeApi`] for [`World`]. Locks, asks, answers; knows nothing itself.

use super::world::World;
use crate::cloud::{Cloud, CloudError, Place};
use crate::model::{AccountId, Applied, CloudEffect, ClusterName, Live, NodeEffect, Nodes, Timestamp};
use crate::nodes::{NodeApi, NodeError};

impl Cloud for World {
    fn now(&self) -> Timestamp {
        self.inner().now()
    }

    async fn wait(&self, until: Timestamp) -> Result<(), CloudError> {
        self.inner().wait(until)
    }

    /// Every account exists, and the caller is in the one that is asked about.
    async fn account(&self, place: &Place) -> Result<AccountId, CloudError> {
        let mut inner = self.inner();
        inner.call(Some(place))?;
        Ok(if inner.faults.wrong_account(&place.cluster) { another(&place.account) } else { place.account.clone() })
    }

    async fn read(&self, places: &[Place]) -> Result<Live, CloudError> {
        let mut inner = self.inner();
        inner.call(places.first())?;
        Ok(inner.read(places))
    }

    async fn apply(&self, place: &Place, effect: &CloudEffect) -> Result<Applied, CloudError> {
        let mut inner = self.inner();
        inner.call(Some(place))?;
        inner.apply(place, effect)
    }
}

impl NodeApi for World {
    async fn nodes(&self, cluster: &ClusterName) -> Nodes {
        self.inner().nodes(cluster)
    }

    async fn act(&self, cluster: &ClusterName, effect: &NodeEffect) -> Result<Applied, NodeError> {
        let acted = self.inner().act(cluster, effect);
        acted.map_err(|e| NodeError::Unreachable { cluster: cluster.clone(), message: e.to_string() })
    }
}

/// An account that is not the given one.
fn another(account: &AccountId) -> AccountId {
    let candidates = ["999999999999", "000000000000"].into_iter().filter_map(|id| AccountId::new(id).ok());
    candidates.into_iter().find(|id| id != account).unwrap_or_else(|| account.clone())
}
