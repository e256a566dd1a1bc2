//! One look at the world: groups from the cloud, nodes from the clusters, put together. Judges nothing.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::fence::place;
use super::room::add_room;
use super::together::{MAX_CLUSTERS, together};
use super::traffic::add_traffic;
use crate::cloud::{Cloud, CloudError, Place};
use crate::model::{AsgName, ClusterName, Gap, Live, Versions};
use crate::nodes::NodeApi;
use crate::rollout::{ClusterRun, of_this_cluster};

/// How far a look is, for who waits for it.
#[derive(Debug, Default)]
pub struct LookProgress {
    has_groups: AtomicBool,
    nodes: AtomicUsize,
}

impl LookProgress {
    /// Of how many clusters the nodes were asked for; none: the groups are being read.
    pub fn nodes(&self) -> Option<usize> {
        self.has_groups
            .load(Ordering::Relaxed)
            .then(|| self.nodes.load(Ordering::Relaxed))
    }

    fn begin_nodes(&self) {
        self.nodes.store(0, Ordering::Relaxed);
        self.has_groups.store(true, Ordering::Relaxed);
    }

    fn add_cluster(&self) {
        self.nodes.fetch_add(1, Ordering::Relaxed);
    }
}

/// The live state of these clusters, nodes among it.
///
/// # Errors
/// When the cloud gave no answer at all; what it could not read in part is a gap of its cluster.
pub async fn look<W: Cloud + NodeApi>(world: &W, places: &[Place]) -> Result<Live, CloudError> {
    look_beside(world, places, &[], &LookProgress::default()).await
}

/// As [`look`]; of the clusters in `beside` the groups alone.
async fn look_beside<W: Cloud + NodeApi>(
    world: &W,
    places: &[Place],
    beside: &[Place],
    progress: &LookProgress,
) -> Result<Live, CloudError> {
    let others = beside.iter().filter(|place| !places.contains(place));
    let all: Vec<Place> = places.iter().chain(others).cloned().collect();
    let mut live = world.read(&all).await?;
    let found: Vec<&Place> = places
        .iter()
        .filter(|place| live.clusters.contains_key(&place.cluster))
        .collect();
    progress.begin_nodes();
    let asked = found.iter().map(|place| async {
        let nodes = world.nodes(&place.cluster).await;
        progress.add_cluster();
        nodes
    });
    let nodes = together(MAX_CLUSTERS, asked).await;
    for (place, nodes) in found.into_iter().zip(nodes) {
        if let Some(cluster) = live.clusters.get_mut(&place.cluster) {
            cluster.nodes = of_this_cluster(cluster, nodes);
        }
    }
    add_traffic(world, &mut live, places).await;
    Ok(live)
}

/// As [`look`], for a plan: a group of `expected` that is not shown is looked for again, until two looks miss the same. A list that changes while its
/// pages are read leaves one out, and to a plan that group would be one to create. Where no two looks agree, which groups there are is a gap.
///
/// # Errors
/// As [`look`].
pub async fn look_for<W: Cloud + NodeApi>(
    world: &W,
    places: &[Place],
    expected: &[(ClusterName, BTreeSet<AsgName>)],
    progress: &LookProgress,
) -> Result<Live, CloudError> {
    const LOOKS: usize = 4;
    let mut live = look_beside(world, places, &[], progress).await?;
    let mut missing = missing(&live, expected);
    for _ in 1..LOOKS {
        let doubtful: Vec<Place> = places
            .iter()
            .filter(|place| {
                missing
                    .iter()
                    .any(|(cluster, _)| **cluster == place.cluster)
            })
            .cloned()
            .collect();
        if doubtful.is_empty() {
            return Ok(live);
        }
        let again = look(world, &doubtful).await?;
        live.clusters.extend(again.clusters);
        let still = self::missing(&live, expected);
        if still == missing {
            return Ok(live);
        }
        missing = still;
    }
    for (cluster, group) in missing {
        if let Some(cluster) = live.clusters.get_mut(cluster) {
            cluster.gaps.push(Gap {
                what: "groups".into(),
                why: format!("{group} is in some lists of the groups and not in others"),
            });
        }
    }
    Ok(live)
}

/// What is not among the groups of clusters that could be read.
fn missing<'e>(
    live: &Live,
    expected: &'e [(ClusterName, BTreeSet<AsgName>)],
) -> BTreeSet<(&'e ClusterName, &'e AsgName)> {
    let of = |(cluster, groups): &'e (ClusterName, BTreeSet<AsgName>)| {
        let found = live.clusters.get(cluster).filter(|c| c.gaps.is_empty());
        let gone = groups
            .iter()
            .filter(|name| found.is_some_and(|c| !c.groups.contains_key(*name)));
        gone.map(|name| (cluster, name)).collect::<Vec<_>>()
    };
    expected.iter().flat_map(of).collect()
}

/// As [`look`], and whether the launch template versions that the rollout needs are still there. A group that is `expected` and not shown is looked for
/// once more. Of the clusters whose room counts, `rooms`, the groups are read, and what there is for them.
pub(super) async fn look_with<W: Cloud + NodeApi>(
    world: &W,
    places: &[Place],
    needed: &[(Place, Versions)],
    expected: &[(ClusterName, BTreeSet<AsgName>)],
    rooms: &[&ClusterRun],
) -> Result<Live, CloudError> {
    let beside: Vec<Place> = rooms.iter().map(|run| place(run)).collect();
    let asked = needed.iter().map(|(place, of)| world.gone(place, of));
    let gone = together(MAX_CLUSTERS, asked).await;
    let progress = LookProgress::default();
    let mut live = look_beside(world, places, &beside, &progress).await?;
    if !missing(&live, expected).is_empty() {
        live = look_beside(world, places, &beside, &progress).await?;
    }
    for ((place, _), gone) in needed.iter().zip(gone) {
        let gone = gone?;
        if let Some(cluster) = live.clusters.get_mut(&place.cluster) {
            cluster.gone = gone;
        }
    }
    add_room(world, &mut live, rooms).await?;
    Ok(live)
}
