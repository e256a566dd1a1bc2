//! Lists that are read in pages: what is made or deleted while they are read shifts the pages, and a group that has not changed is missed. Decides nothing.
//!
//! Source: Auto Scaling API, DescribeAutoScalingGroups: pages of at most 100, each asked for by the token of the one before; nothing promises that all
//! of them are of one moment.

use super::chance::draw;
use super::world::Inner;
use crate::model::{AsgName, LiveCluster};

impl Inner {
    /// Takes the group from a reading that its pages have missed, where that was ordered.
    pub(super) fn shift(&self, reads: u64, live: &mut LiveCluster) {
        if !self.faults.shifts(reads) {
            return;
        }
        let missed = live
            .groups
            .keys()
            .max_by_key(|name: &&AsgName| draw(reads, name.as_str(), reads))
            .cloned();
        if let Some(name) = missed {
            live.groups.remove(&name);
        }
    }
}
