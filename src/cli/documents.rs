//! The state stores that the fleet names, and the live state with what they hold. Compares nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::failure::Failure;
use super::output::Output;
use super::pipeline::PreparedFleet;
use super::world::World;
use crate::cloud::Place;
use crate::engine::Engine;
use crate::fleet::{self, Fleet};
use crate::model::{ClusterName, Live, Stored};
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
    if is_local(world) {
        of_kops(&prepared.fleet, world, places, &mut live).await;
    }
    read_stores(prepared, world, places, &mut live).await;
    Ok(live)
}

/// What kops has stored of the clusters whose engine it is, into what was seen of them.
pub(super) async fn of_kops(fleet: &Fleet, kops: &impl Engine, places: &[Place], live: &mut Live) {
    for place in places.iter().filter(|p| is_by_kops(fleet, p)) {
        let (documents, nodeup) = kops.stored(place).await;
        if let Some(cluster) = live.clusters.get_mut(&place.cluster) {
            (cluster.documents, cluster.nodeup) = (documents, nodeup);
        }
    }
}

/// Refuses to rehearse what kops would do to a cluster of which it is not known what kops has stored.
pub(super) fn ensure_stored(fleet: &Fleet, places: &[Place], live: &Live) -> Result<(), Failure> {
    let is_known = |place: &&Place| {
        let found = live.clusters.get(&place.cluster);
        found.is_some_and(|c| matches!(c.documents, Stored::Known(_)))
    };
    let mut by_kops = places.iter().filter(|p| is_by_kops(fleet, p));
    let Some(place) = by_kops.find(|p| !is_known(p)) else {
        return Ok(());
    };
    Err(Failure::new(format!(
        "the engine of {} is kops, and the snapshot does not have what kops has stored of it",
        place.cluster
    ))
    .hint("take a new one with `kfleet snapshot --documents`"))
}

/// What the real state stores hold of these clusters.
async fn read_stores(prepared: &PreparedFleet, world: &World, places: &[Place], live: &mut Live) {
    let others: Vec<Place> = places
        .iter()
        .filter(|p| !(is_local(world) && is_by_kops(&prepared.fleet, p)))
        .cloned()
        .collect();
    for (name, kept) in documents(stores(&prepared.fleet, world, &others).await).await {
        if let Some(cluster) = live.clusters.get_mut(&name) {
            cluster.documents = kept.documents;
            cluster.nodeup = kept.nodeup;
        }
    }
}

/// Whether kops carries changes of the cluster out.
pub(super) fn is_by_kops(fleet: &Fleet, place: &Place) -> bool {
    let cluster = fleet.clusters.get(&place.cluster);
    cluster.is_some_and(|c| c.engine == fleet::Engine::Kops)
}

fn is_local(world: &World) -> bool {
    match world {
        World::Local(_) => true,
        #[cfg(feature = "aws")]
        World::Aws(_) => false,
    }
}

/// What the names of images mean in a simulated account: AWS is asked for that along with everything else.
fn simulated_images(prepared: &PreparedFleet, world: &World, live: &mut Live) {
    if is_local(world) {
        local_images(prepared, live);
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
