//! Clusters that the store knows and git no longer names. Asks no store.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Baseline;
use crate::model::{ClusterName, Timestamp};

/// A cluster that was rolled out once, and has no file in `clusters/` any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Orphan {
    pub cluster: ClusterName,
    /// The rollout that changed it last.
    pub rollout: String,
    /// Since when it has run what that left.
    pub since: Timestamp,
    /// The commit that it came from, where it is known.
    pub commit: Option<String>,
}

/// The clusters of `baselines` that are not `known` to git, by name.
pub fn orphans(
    baselines: &BTreeMap<ClusterName, Baseline>,
    is_known: impl Fn(&ClusterName) -> bool,
) -> Vec<Orphan> {
    let orphan = |(name, baseline): (&ClusterName, &Baseline)| Orphan {
        cluster: name.clone(),
        rollout: baseline.rollout.clone(),
        since: baseline.since,
        commit: baseline.commit.clone(),
    };
    baselines
        .iter()
        .filter(|(name, _)| !is_known(name))
        .map(orphan)
        .collect()
}
