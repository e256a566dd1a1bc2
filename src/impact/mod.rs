//! Two renderings of a fleet → what the change between them does to every cluster, by meaning and by text. No files, no git, no cloud: how many
//! instances a group has is not known here, so it speaks of groups.

mod cluster;
mod difference;
mod lines;

use std::collections::{BTreeMap, BTreeSet};

pub use difference::{
    Carrier, ClusterChange, ClusterImpact, DocumentImpact, GroupDifference, GroupImpact, Impact,
    Outline, Presence, RenderedVersion, Side,
};
pub use lines::{Hunk, Line, Sign};

use crate::fleet::Settings;
use crate::model::ClusterName;
use crate::plan::{FieldChange, fields};

/// The difference between two versions of a fleet.
pub fn impact(before: &Side<'_>, after: &Side<'_>) -> Impact {
    let names: BTreeSet<&ClusterName> = before
        .clusters
        .keys()
        .chain(after.clusters.keys())
        .collect();
    let found = |name: &&ClusterName| {
        let (from, to) = (before.clusters.get(*name), after.clusters.get(*name));
        of_cluster(from, to).map(|impact| ((*name).clone(), impact))
    };
    Impact {
        compared: names.len(),
        settings: of_settings(before.settings, after.settings),
        clusters: names.iter().filter_map(found).collect::<BTreeMap<_, _>>(),
    }
}

/// The difference between two versions of one cluster; none: there is no difference.
pub fn of_cluster(
    before: Option<&RenderedVersion<'_>>,
    after: Option<&RenderedVersion<'_>>,
) -> Option<ClusterImpact> {
    match (before, after) {
        (Some(from), Some(to)) => {
            let change = cluster::change(from, to);
            (change != ClusterChange::default()).then_some(ClusterImpact::Changed(change))
        }
        (None, Some(to)) => Some(ClusterImpact::Added(cluster::outline(to))),
        (Some(from), None) => Some(ClusterImpact::Removed(cluster::outline(from))),
        (None, None) => None,
    }
}

/// The fields of `fleet.yaml` that differ.
pub fn of_settings(before: &Settings, after: &Settings) -> Vec<FieldChange> {
    fields(&cluster::to_json(before), &cluster::to_json(after))
}
