//! Where each cluster of a rollout stands, by name. A round asks that for every group of every cluster under way: going through a thousand clusters
//! each time was a good part of what a rollout of them cost. Knows nothing of what a cluster is.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::model::ClusterName;

/// The indices that lead to a cluster, from 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Indices {
    pub(super) stage: usize,
    pub(super) wave: usize,
    pub(super) cluster: usize,
}

/// The indices of every cluster, found out when they are first asked for. They are no part of what a rollout says: two of them are always equal, and a
/// copy finds out for itself.
#[derive(Debug, Default)]
pub struct Places(OnceLock<BTreeMap<ClusterName, Indices>>);

impl Places {
    /// Where a cluster was when this was first asked, when `all` told of each in order.
    pub(super) fn of<'n>(
        &self,
        name: &ClusterName,
        all: impl Iterator<Item = (&'n ClusterName, Indices)>,
    ) -> Option<Indices> {
        let known = self.0.get_or_init(|| {
            let mut places = BTreeMap::new();
            for (name, indices) in all {
                // The first of a name, as going through them would find.
                places.entry(name.clone()).or_insert(indices);
            }
            places
        });
        known.get(name).copied()
    }
}

impl Clone for Places {
    fn clone(&self) -> Self {
        Places::default()
    }
}

impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Places {}
