//! Which cluster belongs to which shard: by the fleet's stages and accounts alone, so that every process of one commit finds the same. Reads nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::fleet::Stage;
use crate::model::{AccountId, ClusterName, Region, Shard};
use crate::rollout::schedule::AccountShare;

/// Where a cluster is, as limits count it.
type Room = (AccountId, Region);

/// The clusters of each shard. Each wave is split evenly by itself: waves come one after the other. Clusters of one account and region stay
/// together as far as that is even: their limits, and what AWS grants in calls, are theirs together.
pub fn split(
    stages: &[Stage],
    room: impl Fn(&ClusterName) -> Option<Room>,
    of: u32,
) -> Vec<BTreeSet<ClusterName>> {
    let shards = usize::try_from(of.max(1)).unwrap_or(1);
    let mut parts: Vec<BTreeSet<ClusterName>> = vec![BTreeSet::new(); shards];
    for wave in stages.iter().flat_map(|s| &s.waves) {
        let most = wave.clusters.len().div_ceil(shards).max(1);
        let mut loads = vec![0_usize; shards];
        for piece in pieces(&wave.clusters, &room, most) {
            let lightest = (0..shards).min_by_key(|n| {
                let load = loads.get(*n).copied().unwrap_or(0);
                (load, parts.get(*n).map_or(0, BTreeSet::len), *n)
            });
            let n = lightest.unwrap_or(0);
            if let (Some(load), Some(part)) = (loads.get_mut(n), parts.get_mut(n)) {
                *load += piece.len();
                part.extend(piece);
            }
        }
    }
    parts
}

/// Clusters that stay together, the most of them first.
fn pieces(
    clusters: &[ClusterName],
    room: &impl Fn(&ClusterName) -> Option<Room>,
    most: usize,
) -> Vec<Vec<ClusterName>> {
    let mut rooms: BTreeMap<Option<Room>, BTreeSet<&ClusterName>> = BTreeMap::new();
    for cluster in clusters {
        rooms.entry(room(cluster)).or_default().insert(cluster);
    }
    let mut pieces: Vec<Vec<ClusterName>> = Vec::new();
    for together in rooms.into_values() {
        let together: Vec<ClusterName> = together.into_iter().cloned().collect();
        pieces.extend(together.chunks(most).map(<[ClusterName]>::to_vec));
    }
    // Stable: of the same size, in the order of account, region and name.
    pieces.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
    pieces
}

/// Where a shard has clusters beside those of other shards, in the same wave, account and region: it may use its share of the room there.
pub fn shares(
    stages: &[Stage],
    room: impl Fn(&ClusterName) -> Option<Room>,
    parts: &[BTreeSet<ClusterName>],
    shard: Shard,
) -> Vec<AccountShare> {
    let mut found = Vec::new();
    for stage in stages {
        for (wave, run) in stage.waves.iter().enumerate() {
            let mut there: BTreeMap<Room, BTreeSet<usize>> = BTreeMap::new();
            for cluster in &run.clusters {
                let owner = parts.iter().position(|part| part.contains(cluster));
                if let (Some(room), Some(owner)) = (room(cluster), owner) {
                    there.entry(room).or_default().insert(owner);
                }
            }
            let shared = there
                .into_iter()
                .filter(|(_, shards)| shards.len() > 1 && shards.contains(&shard.place()));
            found.extend(shared.map(|((account, region), shards)| AccountShare {
                stage: stage.name.clone(),
                wave,
                account,
                region,
                shards: u32::try_from(shards.len()).unwrap_or(u32::MAX),
            }));
        }
    }
    found
}
