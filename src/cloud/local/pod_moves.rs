//! How often pods were made anew on another node: counts only, moves none.

use std::collections::BTreeMap;

use super::cluster::SimulatedCluster;
use super::state::SimulatedGroup;
use super::world::World;
use crate::model::{AsgName, ClusterName};

impl SimulatedGroup {
    /// How often each of its pods has been made anew, by number.
    fn pod_moves(&self) -> BTreeMap<u32, u32> {
        let on_nodes = self.with_nodes().flat_map(|(_, _, node)| &node.pods);
        let attached = self.workload.attached.iter().map(|volume| &volume.pod);
        on_nodes
            .chain(&self.workload.waiting)
            .chain(attached)
            .map(|pod| (pod.number, pod.generation))
            .collect()
    }
}

impl SimulatedCluster {
    /// How often each pod of each group has been made anew.
    fn pod_moves(&self) -> impl Iterator<Item = ((AsgName, u32), u32)> {
        self.state.groups.iter().flat_map(|(name, group)| {
            let moves = group.pod_moves().into_iter();
            moves.map(move |(number, times)| ((name.clone(), number), times))
        })
    }
}

impl World {
    /// How often each pod of a cluster has been made anew on another node since it was first made, by group and number. No part of the contract: what
    /// a rehearsal counts.
    pub fn pod_moves(&self, cluster: &ClusterName) -> BTreeMap<(AsgName, u32), u32> {
        let inner = self.inner();
        let named = inner.index.named(cluster);
        let clusters = named.filter_map(|p| inner.clusters.get(p));
        clusters.flat_map(|c| c.pod_moves()).collect()
    }
}
