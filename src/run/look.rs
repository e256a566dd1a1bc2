//! One look at the world: groups from the cloud, nodes from the clusters, put together. Judges nothing.

use std::collections::BTreeSet;

use super::together::{MAX_CLUSTERS, together};
use crate::cloud::{Cloud, CloudError, Place};
use crate::model::{AsgName, ClusterName, Live, Versions};
use crate::nodes::NodeApi;
use crate::rollout::of_this_cluster;

/// The live state of these clusters, nodes among it.
///
/// # Errors
/// When the cloud gave no answer at all; what it could not read in part is a gap of its cluster.
pub async fn look<W: Cloud + NodeApi>(world: &W, places: &[Place]) -> Result<Live, CloudError> {
    let mut live = world.read(places).await?;
    let found: Vec<&Place> = places
        .iter()
        .filter(|place| live.clusters.contains_key(&place.cluster))
        .collect();
    let asked = found.iter().map(|place| world.nodes(&place.cluster));
    let nodes = together(MAX_CLUSTERS, asked).await;
    for (place, nodes) in found.into_iter().zip(nodes) {
        if let Some(cluster) = live.clusters.get_mut(&place.cluster) {
            cluster.nodes = of_this_cluster(cluster, nodes);
        }
    }
    Ok(live)
}

/// As [`look`], and whether the launch template versions that the rollout needs are still there. A group that is `expected` and not shown is looked for
/// once more.
pub(super) async fn look_with<W: Cloud + NodeApi>(
    world: &W,
    places: &[Place],
    needed: &[(Place, Versions)],
    expected: &[(ClusterName, BTreeSet<AsgName>)],
) -> Result<Live, CloudError> {
    let asked = needed.iter().map(|(place, of)| world.gone(place, of));
    let gone = together(MAX_CLUSTERS, asked).await;
    let mut live = look(world, places).await?;
    if expected
        .iter()
        .any(|(cluster, groups)| misses(&live, cluster, groups))
    {
        live = look(world, places).await?;
    }
    for ((place, _), gone) in needed.iter().zip(gone) {
        let gone = gone?;
        if let Some(cluster) = live.clusters.get_mut(&place.cluster) {
            cluster.gone = gone;
        }
    }
    Ok(live)
}

fn misses(live: &Live, cluster: &ClusterName, groups: &BTreeSet<AsgName>) -> bool {
    let found = live.clusters.get(cluster).filter(|c| c.gaps.is_empty());
    found.is_some_and(|c| groups.iter().any(|name| !c.groups.contains_key(name)))
}
