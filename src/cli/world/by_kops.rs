//! kops as this process runs it, cluster by cluster; the simulated one where the account is. Reads back nothing by itself.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::World;
use crate::cloud::Place;
use crate::engine::{Engine, EngineError, KopsCall, Left, Validation};
use crate::model::{DocumentStates, GroupName, Nodeup, Stored};

#[cfg(feature = "aws")]
pub(super) use real::{Programs, programs};

impl Engine for World {
    async fn ready(&self, place: &Place) -> Result<(), EngineError> {
        match self {
            World::Local(world) => world.ready(place).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.ready(place).await,
        }
    }

    async fn stored(&self, place: &Place) -> (Stored, Nodeup) {
        match self {
            World::Local(world) => world.stored(place).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.stored(place).await,
        }
    }

    async fn publish(&self, place: &Place, documents: &[Json]) -> Result<(), EngineError> {
        match self {
            World::Local(world) => world.publish(place, documents).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.publish(place, documents).await,
        }
    }

    async fn update(
        &self,
        place: &Place,
        groups: &BTreeSet<GroupName>,
        beside: &BTreeSet<GroupName>,
    ) -> Result<(), EngineError> {
        match self {
            World::Local(world) => world.update(place, groups, beside).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.update(place, groups, beside).await,
        }
    }

    async fn delete(&self, place: &Place, group: &GroupName) -> Result<(), EngineError> {
        match self {
            World::Local(world) => world.delete(place, group).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.delete(place, group).await,
        }
    }

    async fn validate(&self, place: &Place) -> Result<Validation, EngineError> {
        match self {
            World::Local(world) => world.validate(place).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.validate(place).await,
        }
    }

    async fn left(&self, place: &Place, groups: &BTreeSet<GroupName>) -> Result<Left, EngineError> {
        match self {
            World::Local(world) => world.left(place, groups).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.left(place, groups).await,
        }
    }

    async fn preview(
        &self,
        place: &Place,
        documents: &DocumentStates,
        groups: &BTreeSet<GroupName>,
    ) -> Result<Left, EngineError> {
        match self {
            World::Local(world) => world.preview(place, documents, groups).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.preview(place, documents, groups).await,
        }
    }

    async fn drain_calls(&self, place: &Place) -> Vec<KopsCall> {
        match self {
            World::Local(world) => world.drain_calls(place).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.drain_calls(place).await,
        }
    }
}

#[cfg(feature = "aws")]
mod real {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::Value as Json;

    use crate::cli::failure::Failure;
    use crate::cli::own_folder::OwnFolder;
    use crate::cli::world::aws::Real;
    use crate::cloud::Place;
    use crate::engine::{Engine, EngineError, Kops, KopsCall, KopsOptions, Left, Validation};
    use crate::model::{ClusterName, DocumentStates, GroupName, Nodeup, Region, Stored};
    use crate::run::{DocumentStore, copied_store, documents};
    use crate::store::{KopsAccess, StoreAccess};

    /// kops for each cluster whose engine it is. Where it is run is known with the cluster's place.
    pub(in crate::cli::world) struct Programs {
        /// None: no cluster's engine is kops.
        folder: Option<OwnFolder>,
        clusters: BTreeMap<ClusterName, (KopsAccess, Option<String>)>,
        open: tokio::sync::Mutex<BTreeMap<ClusterName, Arc<Kops>>>,
    }

    /// How kops is run, before anybody asks it.
    pub(in crate::cli::world) fn programs(access: &StoreAccess) -> Result<Programs, Failure> {
        let clusters = access.clusters.iter().filter_map(|(name, c)| {
            let kops = c.kops.clone()?;
            Some((name.clone(), (kops, c.role_arn.clone())))
        });
        let clusters: BTreeMap<_, _> = clusters.collect();
        let folder = (!clusters.is_empty()).then(|| OwnFolder::new("kops"));
        Ok(Programs {
            folder: folder.transpose()?,
            clusters,
            open: tokio::sync::Mutex::default(),
        })
    }

    impl Programs {
        fn access(&self, cluster: &ClusterName) -> Result<&KopsAccess, EngineError> {
            let found = self.clusters.get(cluster).map(|(access, _)| access);
            found.ok_or_else(|| EngineError::NoEngine(cluster.clone()))
        }

        async fn kops(
            &self,
            cluster: &ClusterName,
            region: &Region,
        ) -> Result<Arc<Kops>, EngineError> {
            let (Some((access, role)), Some(folder)) = (self.clusters.get(cluster), &self.folder)
            else {
                return Err(EngineError::NoEngine(cluster.clone()));
            };
            let mut open = self.open.lock().await;
            let kops = open.entry(cluster.clone()).or_insert_with(|| {
                Arc::new(Kops::new(KopsOptions {
                    binary: access.binary.clone(),
                    cluster: cluster.clone(),
                    state: access.state.clone(),
                    region: region.clone(),
                    role: role.clone(),
                    environment: std::env::vars_os().collect(),
                    folder: folder.path().join(cluster.as_str()),
                    attendant: crate::cli::attend::program(),
                    limit: Duration::from_millis(
                        u64::try_from(access.time_limit.millis()).unwrap_or(u64::MAX),
                    ),
                }))
            });
            Ok(Arc::clone(kops))
        }
    }

    impl Real {
        async fn state_store(&self, place: &Place) -> Result<DocumentStore, EngineError> {
            let access = self.kops.access(&place.cluster)?;
            Ok(match access.state.strip_prefix("file://") {
                Some(folder) => DocumentStore::Folder(folder.into()),
                None => match self.cloud.bucket(place, &access.state).await {
                    Ok(bucket) => DocumentStore::Bucket(bucket),
                    Err(error) => DocumentStore::Unreadable(error.to_string()),
                },
            })
        }

        /// kops, when it is the release that last updated the cluster.
        async fn usable(&self, place: &Place) -> Result<Arc<Kops>, EngineError> {
            let kops = self.kops.kops(&place.cluster, &place.region).await?;
            let store = self.state_store(place).await?;
            let last = store.kops_version(&place.cluster).await;
            let last = last.map_err(|words| EngineError::Failed {
                command: "version".into(),
                words,
            })?;
            kops.expect(last.as_deref()).await?;
            Ok(kops)
        }
    }

    impl Engine for Real {
        async fn ready(&self, place: &Place) -> Result<(), EngineError> {
            self.usable(place).await.map(drop)
        }

        async fn stored(&self, place: &Place) -> (Stored, Nodeup) {
            let store = match self.state_store(place).await {
                Ok(store) => store,
                Err(error) => return (Stored::Unknown(error.to_string()), Nodeup::NotAsked),
            };
            let asked = BTreeMap::from([(place.cluster.clone(), Arc::new(store))]);
            match documents(asked).await.remove(&place.cluster) {
                Some(kept) => (kept.documents, kept.nodeup),
                None => (
                    Stored::Unknown("the state store was not read".into()),
                    Nodeup::NotAsked,
                ),
            }
        }

        async fn publish(&self, place: &Place, documents: &[Json]) -> Result<(), EngineError> {
            self.usable(place).await?.publish(documents).await
        }

        async fn update(
            &self,
            place: &Place,
            groups: &BTreeSet<GroupName>,
            beside: &BTreeSet<GroupName>,
        ) -> Result<(), EngineError> {
            let all = groups.union(beside).cloned().collect();
            self.usable(place).await?.update(&all).await
        }

        async fn delete(&self, place: &Place, group: &GroupName) -> Result<(), EngineError> {
            self.usable(place).await?.delete(group).await
        }

        async fn validate(&self, place: &Place) -> Result<Validation, EngineError> {
            self.usable(place).await?.validate().await
        }

        async fn left(
            &self,
            place: &Place,
            groups: &BTreeSet<GroupName>,
        ) -> Result<Left, EngineError> {
            self.usable(place).await?.left(groups).await
        }

        async fn preview(
            &self,
            place: &Place,
            documents: &DocumentStates,
            groups: &BTreeSet<GroupName>,
        ) -> Result<Left, EngineError> {
            let kops = self.usable(place).await?;
            let store = self.state_store(place).await?;
            let failed = |words| EngineError::Failed {
                command: "update cluster".into(),
                words,
            };
            let stored = store.texts(place.cluster.as_str()).await;
            let stored = stored.map_err(failed)?;
            let own = (
                &place.cluster,
                self.kops.access(&place.cluster)?.state.as_str(),
            );
            let files = copied_store(own, &stored, documents).map_err(failed)?;
            kops.preview(&files, groups).await
        }

        async fn drain_calls(&self, place: &Place) -> Vec<KopsCall> {
            let kops = self.kops.kops(&place.cluster, &place.region).await;
            kops.map_or_else(|_| Vec::new(), |kops| kops.drain_calls())
        }
    }
}
