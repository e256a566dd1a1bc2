//! By what cluster-autoscaler finds the groups of a cluster, and which it does not find.

use std::collections::BTreeSet;

use serde::Serialize;

use super::AutoscalerFinding;
use super::compiled::{Compiled, NODE_TAG, TAG};
use crate::kops::{Cluster, InstanceGroup, Role};

/// How cluster-autoscaler finds its groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "by")]
pub enum Discovery {
    /// By tags, all of which a group has to carry. Their values do not count.
    Tags {
        /// The argument of cluster-autoscaler.
        argument: String,
        /// The tags in it.
        tags: Vec<String>,
    },
    /// kops' add-on names each group.
    Names {
        /// The arguments that it gives cluster-autoscaler.
        arguments: Vec<String>,
    },
}

impl Discovery {
    /// Whether cluster-autoscaler scales the group.
    pub(super) fn sees(&self, group: &Compiled<'_>) -> bool {
        match self {
            Discovery::Tags { tags, .. } => tags.iter().all(|tag| group.has_tag(tag)),
            Discovery::Names { .. } => listed(group.group),
        }
    }
}

/// kops' add-on takes groups of workers that do not say `autoscale: false`.
fn listed(group: &InstanceGroup) -> bool {
    group.role == Role::Node && group.autoscale != Some(false)
}

/// How the groups are found; those that are not found, or should not be, become findings.
pub(super) fn discovery(
    cluster: &Cluster,
    groups: &[Compiled<'_>],
    findings: &mut Vec<AutoscalerFinding>,
) -> Discovery {
    if cluster.autoscaler.is_some() {
        return Discovery::Names {
            arguments: groups
                .iter()
                .filter(|c| listed(c.group))
                .map(node_argument)
                .collect(),
        };
    }
    let tags = discovery_tags(cluster, groups);
    for group in groups {
        findings.extend(finding(group, &tags));
        findings.extend(other_clusters(cluster, group));
    }
    Discovery::Tags {
        argument: format!("--node-group-auto-discovery=asg:tag={}", tags.join(",")),
        tags,
    }
}

fn node_argument(group: &Compiled<'_>) -> String {
    let asg = &group.definition.auto_scaling_group;
    format!(
        "--nodes={}:{}:{}",
        asg.min_size, asg.max_size, asg.auto_scaling_group_name
    )
}

/// The usual pair: one that says "scale me", one that says which cluster. Where no group carries the autoscaler's own tag of the cluster,
/// the one that kops gives everything takes its place: without either, clusters of an account would claim each other's groups.
fn discovery_tags(cluster: &Cluster, groups: &[Compiled<'_>]) -> Vec<String> {
    let own = format!("{TAG}{}", cluster.name);
    let enabled = format!("{TAG}enabled");
    let carried = |tag: &str| groups.iter().any(|group| group.has_tag(tag));
    match (carried(&enabled), carried(&own)) {
        (true, false) => vec![enabled, format!("kubernetes.io/cluster/{}", cluster.name)],
        (false, true) => vec![own],
        (true, true) | (false, false) => vec![enabled, own],
    }
}

fn finding(group: &Compiled<'_>, tags: &[String]) -> Option<AutoscalerFinding> {
    let name = group.group.name.clone();
    let missing: Vec<String> = tags
        .iter()
        .filter(|tag| !group.has_tag(tag))
        .cloned()
        .collect();
    let (workers, off) = (
        group.group.role == Role::Node,
        group.group.autoscale == Some(false),
    );
    match (missing.is_empty(), workers) {
        (true, false) => Some(AutoscalerFinding::NoWorkers { group: name }),
        (true, true) => off.then_some(AutoscalerFinding::SwitchedOff { group: name }),
        (false, true) => (!off).then_some(AutoscalerFinding::NotDiscovered {
            group: name,
            missing,
        }),
        (false, false) => None,
    }
}

fn other_clusters(cluster: &Cluster, group: &Compiled<'_>) -> Vec<AutoscalerFinding> {
    let known: BTreeSet<String> = ["enabled", cluster.name.as_str()]
        .map(|end| format!("{TAG}{end}"))
        .into();
    let other = group
        .tags()
        .map(|(key, _)| key)
        .filter(|key| key.starts_with(TAG) && !key.starts_with(NODE_TAG) && !known.contains(*key));
    other
        .map(|tag| AutoscalerFinding::OtherCluster {
            group: group.group.name.clone(),
            tag: tag.to_owned(),
        })
        .collect()
}
