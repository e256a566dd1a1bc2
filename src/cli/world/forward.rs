//! The world that was opened stands for the one it is.

use std::collections::BTreeSet;

use super::World;
use crate::cloud::{Cloud, CloudError, Place};
use crate::model::{
    AccountId, Applied, CloudEffect, ClusterName, InstanceId, Live, NodeEffect, Nodes, RegionRoom,
    RoomQuestion, Senders, Span, Timestamp, Versions,
};
use crate::nodes::{NodeApi, NodeError};

impl Cloud for World {
    fn now(&self) -> Timestamp {
        match self {
            World::Local(world) => world.now(),
            #[cfg(feature = "aws")]
            World::Aws(real) => real.cloud.now(),
        }
    }

    fn answered(&self) -> Option<usize> {
        match self {
            World::Local(world) => world.answered(),
            #[cfg(feature = "aws")]
            World::Aws(real) => real.cloud.answered(),
        }
    }

    fn time_is_virtual(&self) -> bool {
        matches!(self, World::Local(_))
    }

    async fn wait(&self, until: Timestamp) -> Result<(), CloudError> {
        match self {
            World::Local(world) => world.wait(until).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.cloud.wait(until).await,
        }
    }

    async fn wait_beside(&self, poll: Span) -> Result<(), CloudError> {
        match self {
            World::Local(world) => world.wait_beside(poll).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.cloud.wait_beside(poll).await,
        }
    }

    async fn account(&self, place: &Place) -> Result<AccountId, CloudError> {
        match self {
            World::Local(world) => world.account(place).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.cloud.account(place).await,
        }
    }

    async fn read(&self, places: &[Place]) -> Result<Live, CloudError> {
        match self {
            World::Local(world) => world.read(places).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.cloud.read(places).await,
        }
    }

    async fn gone(&self, place: &Place, asked: &Versions) -> Result<Versions, CloudError> {
        match self {
            World::Local(world) => world.gone(place, asked).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.cloud.gone(place, asked).await,
        }
    }

    async fn room(&self, asked: &RoomQuestion) -> Result<RegionRoom, CloudError> {
        match self {
            World::Local(world) => world.room(asked).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.cloud.room(asked).await,
        }
    }

    async fn senders(
        &self,
        place: &Place,
        asked: &BTreeSet<InstanceId>,
        own: &BTreeSet<String>,
    ) -> Result<Senders, CloudError> {
        match self {
            World::Local(world) => world.senders(place, asked, own).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.cloud.senders(place, asked, own).await,
        }
    }

    async fn apply(&self, place: &Place, effect: &CloudEffect) -> Result<Applied, CloudError> {
        match self {
            World::Local(world) => world.apply(place, effect).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.cloud.apply(place, effect).await,
        }
    }
}

impl NodeApi for World {
    fn expect(&self, cluster: &ClusterName, uid: &str) {
        match self {
            World::Local(world) => world.expect(cluster, uid),
            #[cfg(feature = "aws")]
            World::Aws(real) => real.nodes.expect(cluster, uid),
        }
    }

    async fn nodes(&self, cluster: &ClusterName) -> Nodes {
        match self {
            World::Local(world) => world.nodes(cluster).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.nodes.nodes(cluster).await,
        }
    }

    async fn act(&self, cluster: &ClusterName, effect: &NodeEffect) -> Result<Applied, NodeError> {
        match self {
            World::Local(world) => world.act(cluster, effect).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.nodes.act(cluster, effect).await,
        }
    }
}
