//! The images that a plan or a rollout is about: only they are looked up in an account.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::pipeline::{Prepared, PreparedFleet};
use crate::model::ClusterName;
use crate::rollout::{Rollout, Task};

/// Images by the cluster whose definitions name them.
pub(in crate::cli) type ImagesByCluster = BTreeMap<ClusterName, BTreeSet<String>>;

/// The images that the definitions of a fleet name.
pub(in crate::cli) fn images(prepared: &PreparedFleet) -> ImagesByCluster {
    let of = |c: &Prepared| {
        c.desired
            .groups
            .values()
            .map(|g| {
                g.definition
                    .launch_template
                    .launch_template_data
                    .image_id
                    .clone()
            })
            .collect()
    };
    prepared
        .clusters
        .iter()
        .map(|(name, c)| (name.clone(), of(c)))
        .collect()
}

/// The images that a rollout's definitions name.
pub(in crate::cli) fn images_of(rollout: &Rollout) -> ImagesByCluster {
    let mut images = ImagesByCluster::new();
    for run in rollout.clusters() {
        let of_cluster = images.entry(run.cluster.clone()).or_default();
        for task in &run.groups {
            let definitions = match &task.task {
                Task::Create { to, .. } => vec![to],
                Task::Update { from, to, .. } => vec![from, to],
                Task::Retire { from } => vec![from],
            };
            of_cluster.extend(
                definitions
                    .into_iter()
                    .map(|d| d.launch_template.launch_template_data.image_id.clone()),
            );
        }
    }
    images
}
