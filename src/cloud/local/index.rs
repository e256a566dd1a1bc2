//! Where to look for a cluster: a reading of one shall not cost a walk over all. Holds names, no state.

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::SimulatedCluster;
use crate::cloud::Place;
use crate::model::ClusterName;

/// Places by the names under which they are asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// By the cluster that lives there.
    named: BTreeMap<ClusterName, BTreeSet<Place>>,
    /// By the value of the tag `KubernetesCluster` that a group there carries, or carried once.
    tagged: BTreeMap<String, BTreeSet<Place>>,
}

impl Index {
    pub(super) fn of<'c>(clusters: impl IntoIterator<Item = &'c SimulatedCluster>) -> Self {
        let mut index = Index::default();
        clusters.into_iter().for_each(|cluster| index.add(cluster));
        index
    }

    pub(super) fn add(&mut self, cluster: &SimulatedCluster) {
        let place = &cluster.place;
        self.named
            .entry(place.cluster.clone())
            .or_default()
            .insert(place.clone());
        for tag in cluster
            .state
            .groups
            .values()
            .filter_map(|g| g.tag("KubernetesCluster"))
        {
            match self.tagged.get_mut(tag) {
                Some(places) if places.contains(place) => {}
                Some(places) => {
                    places.insert(place.clone());
                }
                None => {
                    self.tagged
                        .insert(tag.to_owned(), BTreeSet::from([place.clone()]));
                }
            }
        }
    }

    pub(super) fn named(&self, cluster: &ClusterName) -> impl Iterator<Item = &Place> {
        self.named.get(cluster).into_iter().flatten()
    }

    /// Places in the same account and region where groups of the cluster may be.
    pub(super) fn tagged<'a>(&'a self, place: &'a Place) -> impl Iterator<Item = &'a Place> {
        let tagged = self
            .tagged
            .get(place.cluster.as_str())
            .into_iter()
            .flatten();
        tagged.filter(|p| p.account == place.account && p.region == place.region)
    }
}
