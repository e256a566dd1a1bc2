//! The state stores that the fleet names, and the live state with what they hold. Compares nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::failure::Failure;
use super::output::Output;
use super::pipeline::PreparedFleet;
use super::world::World;
use crate::cloud::Place;
use crate::engine::Engine as _;
use crate::fleet::{self, Fleet};
use crate::model::{ClusterName, Live};
use crate::run::{DocumentStore, documents};

/// The live state of these clusters: groups, nodes, and what kops has stored.
pub(super) async fn sight(
    prepared: &PreparedFleet,
    world: &World,
    places: &[Place],
    output: &Output,
) -> Result<Live, Failure> {
    let groups = |place: &Place| {
        let cluster = prepared.clusters.get(&place.cluster)?;
        let groups = cluster.desired.groups.keys().cloned().collect();
        Some((place.cluster.clone(), groups))
    };
    let expected: Vec<_> = places.iter().filter_map(groups).collect();
    let mut live = world.patient_look(places, &expected, output).await?;
    simulated_images(prepared, world, &mut live);
    // The simulated kops has stores of its own.
    for place in places.iter().filter(|p| is_simulated(prepared, world, p)) {
        let (documents, nodeup) = world.stored(place).await;
        if let Some(cluster) = live.clusters.get_mut(&place.cluster) {
            (cluster.documents, cluster.nodeup) = (documents, nodeup);
        }
    }
    read_stores(prepared, world, places, &mut live).await;
    Ok(live)
}

/// What the real state stores hold of these clusters.
async fn read_stores(prepared: &PreparedFleet, world: &World, places: &[Place], live: &mut Live) {
    let others: Vec<Place> = places
        .iter()
        .filter(|p| !is_simulated(prepared, world, p))
        .cloned()
        .collect();
    for (name, kept) in documents(stores(&prepared.fleet, world, &others).await).await {
        if let Some(cluster) = live.clusters.get_mut(&name) {
            cluster.documents = kept.documents;
            cluster.nodeup = kept.nodeup;
        }
    }
}

/// Whether the documents of a cluster are those of the simulated kops.
fn is_simulated(prepared: &PreparedFleet, world: &World, place: &Place) -> bool {
    let cluster = prepared.fleet.clusters.get(&place.cluster);
    let by_kops = cluster.is_some_and(|c| c.engine == fleet::Engine::Kops);
    by_kops && matches!(world, World::Local(_))
}

/// What the names of images mean in a simulated account: AWS is asked for that along with everything else.
fn simulated_images(prepared: &PreparedFleet, world: &World, live: &mut Live) {
    match world {
        World::Local(_) => local_images(prepared, live),
        #[cfg(feature = "aws")]
        World::Aws(_) => {}
    }
}

/// As the simulated account has it at the time of the reading.
pub(super) fn local_images(prepared: &PreparedFleet, live: &mut Live) {
    for (name, names) in super::world::images(prepared) {
        if let Some(cluster) = live.clusters.get_mut(&name) {
            cluster.images = crate::cloud::local::images(&names, live.read_at);
        }
    }
}

/// The stores to ask, each opened once.
async fn stores(
    fleet: &Fleet,
    world: &World,
    places: &[Place],
) -> BTreeMap<ClusterName, Arc<DocumentStore>> {
    // A bucket answers each role by itself.
    let mut open: BTreeMap<(&fleet::StateStore, Option<&String>), Arc<DocumentStore>> =
        BTreeMap::new();
    let mut stores = BTreeMap::new();
    for place in places {
        let Some(cluster) = fleet.clusters.get(&place.cluster) else {
            continue;
        };
        let Some(wanted) = cluster.state_store.as_ref() else {
            continue;
        };
        let key = (wanted, cluster.role_arn.as_ref());
        let store = match open.get(&key) {
            Some(store) => Arc::clone(store),
            None => {
                let Some(store) = opened(wanted, place, world).await else {
                    continue;
                };
                Arc::clone(open.entry(key).or_insert(Arc::new(store)))
            }
        };
        stores.insert(place.cluster.clone(), store);
    }
    stores
}

/// None: the store is not to be asked. A simulated account has nothing to do with a real bucket.
async fn opened(
    store: &fleet::StateStore,
    #[cfg_attr(
        not(feature = "aws"),
        expect(unused_variables, reason = "only AWS has buckets")
    )]
    place: &Place,
    world: &World,
) -> Option<DocumentStore> {
    match (store, world) {
        (fleet::StateStore::Folder(path), _) => Some(DocumentStore::Folder(path.clone())),
        (fleet::StateStore::Bucket(_), World::Local(_)) => None,
        #[cfg(feature = "aws")]
        (fleet::StateStore::Bucket(url), World::Aws(real)) => {
            Some(match real.cloud.bucket(place, url).await {
                Ok(bucket) => DocumentStore::Bucket(bucket),
                Err(error) => DocumentStore::Unreadable(error.to_string()),
            })
        }
    }
}
