//! The traits [`Cloud`] and [`NodeApi`] for [`World`]. Locks, asks, answers; knows nothing itself.

use std::collections::BTreeSet;

use super::world::World;
use crate::cloud::{Cloud, CloudError, Place};
use crate::model::{
    AccountId, Applied, CloudEffect, ClusterName, InstanceId, Live, NodeEffect, Nodes, RegionRoom,
    RoomQuestion, Senders, Span, Timestamp, Versions,
};
use crate::nodes::{NodeApi, NodeError};

impl Cloud for World {
    fn now(&self) -> Timestamp {
        self.inner().now()
    }

    fn time_is_virtual(&self) -> bool {
        true
    }

    async fn wait(&self, until: Timestamp) -> Result<(), CloudError> {
        let waited = if self.is_shared() {
            self.wait_with_others(until).await
        } else {
            self.inner().wait(until)
        };
        self.lives().await;
        waited
    }

    async fn wait_beside(&self, poll: Span) -> Result<(), CloudError> {
        self.stand_beside(poll).await
    }

    /// Every account exists, and the caller is in the one that is asked about.
    async fn account(&self, place: &Place) -> Result<AccountId, CloudError> {
        let mut inner = self.inner();
        inner.call(Some(place))?;
        Ok(if inner.faults.wrong_account(&place.cluster) {
            another(&place.account)
        } else {
            place.account.clone()
        })
    }

    async fn read(&self, places: &[Place]) -> Result<Live, CloudError> {
        let mut inner = self.inner();
        inner.call(places.first())?;
        Ok(inner.read(places))
    }

    /// Part of the look that it belongs to: no call by itself.
    async fn gone(&self, place: &Place, asked: &Versions) -> Result<Versions, CloudError> {
        Ok(self.inner().gone(place, asked))
    }

    /// Part of the look that it belongs to: no call by itself.
    async fn room(&self, asked: &RoomQuestion) -> Result<RegionRoom, CloudError> {
        Ok(self.inner().room(asked))
    }

    async fn senders(
        &self,
        place: &Place,
        asked: &BTreeSet<InstanceId>,
        own: &BTreeSet<String>,
    ) -> Result<Senders, CloudError> {
        // Part of the look that it belongs to: no call by itself. No group registers instances with the balancers of Services.
        let _ = own;
        let message = match self.inner().senders(place, asked) {
            Ok(senders) => return Ok(senders),
            Err(message) => message,
        };
        Err(CloudError::Unknown {
            subject: place.cluster.to_string(),
            message,
        })
    }

    async fn apply(&self, place: &Place, effect: &CloudEffect) -> Result<Applied, CloudError> {
        let applied = {
            let mut inner = self.inner();
            inner
                .call(Some(place))
                .and_then(|()| inner.apply(place, effect))
        };
        self.lives().await;
        applied
    }
}

impl NodeApi for World {
    async fn nodes(&self, cluster: &ClusterName) -> Nodes {
        self.inner().nodes(cluster)
    }

    async fn act(&self, cluster: &ClusterName, effect: &NodeEffect) -> Result<Applied, NodeError> {
        let acted = self.inner().act(cluster, effect);
        self.lives().await;
        acted.map_err(|e| NodeError::Unreachable {
            cluster: cluster.clone(),
            message: e.to_string(),
        })
    }
}

impl World {
    /// Goes on, unless the scenario has killed the process: then no caller ever gets an answer.
    pub(super) async fn lives(&self) {
        let killed = {
            let inner = self.inner();
            self.tell(&inner);
            inner.killed
        };
        if killed {
            std::future::pending::<()>().await;
        }
    }
}

/// An account that is not the given one.
fn another(account: &AccountId) -> AccountId {
    let candidates = ["999999999999", "000000000000"]
        .into_iter()
        .filter_map(|id| AccountId::new(id).ok());
    candidates
        .into_iter()
        .find(|id| id != account)
        .unwrap_or_else(|| account.clone())
}
