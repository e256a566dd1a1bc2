//! Two renderings of a fleet → what the change between them does to every cluster, by meaning and by text. No files, no git, no cloud: how many
//! instances a group has is not known here, so it speaks of groups.

mod cluster;
mod difference;
mod lines;

use std::collections::{BTreeMap, BTreeSet};

pub use difference::{
    Carrier, ClusterChange, ClusterImpact, DocumentImpact, GroupDifference, GroupImpact, Impact,
    Outline, Presence, Side, Version,
};
pub use lines::{Hunk, Line, Sign};

use crate::model::ClusterName;
use crate::plan::fields;

/// The difference between two versions of a fleet.
pub fn impact(before: &Side<'_>, after: &Side<'_>) -> Impact {
    let names: BTreeSet<&ClusterName> = before
        .clusters
        .keys()
        .chain(after.clusters.keys())
        .collect();
    let mut clusters = BTreeMap::new();
    for name in &names {
        let found = match (before.clusters.get(*name), after.clusters.get(*name)) {
            (Some(from), Some(to)) => {
                let change = cluster::change(from, to);
                (change != ClusterChange::default()).then_some(ClusterImpact::Changed(change))
            }
            (None, Some(to)) => Some(ClusterImpact::Added(cluster::outline(to))),
            (Some(from), None) => Some(ClusterImpact::Removed(cluster::outline(from))),
            (None, None) => None,
        };
        clusters.extend(found.map(|impact| ((*name).clone(), impact)));
    }
    Impact {
        compared: names.len(),
        settings: fields(
            &cluster::to_json(before.settings),
            &cluster::to_json(after.settings),
        ),
        clusters,
    }
}
