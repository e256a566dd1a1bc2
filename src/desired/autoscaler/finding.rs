//! What will not work as it looks. Judges no style: see lint for that.

use serde::Serialize;

use crate::model::{AsgName, GroupName};

/// Something that cluster-autoscaler does otherwise than the manifests suggest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum AutoscalerFinding {
    /// The group cannot be found.
    #[error("group {group}: has no tag {}, so cluster-autoscaler does not find it", missing.join(" and no tag "))]
    NotDiscovered {
        group: GroupName,
        /// The tags it would need.
        missing: Vec<String>,
    },
    /// The group is found and should not be.
    #[error(
        "group {group}: is no group of workers and carries the discovery tags, so cluster-autoscaler would scale it"
    )]
    NoWorkers { group: GroupName },
    /// `autoscale: false` only counts for kops' own add-on.
    #[error(
        "group {group}: says `autoscale: false` and carries the discovery tags, which are what counts"
    )]
    SwitchedOff { group: GroupName },
    /// The group carries the tag of another cluster.
    #[error(
        "group {group}: carries the tag {tag}, by which another cluster's autoscaler would find it"
    )]
    OtherCluster { group: GroupName, tag: String },
    /// The ConfigMap is where the autoscaler does not look for it.
    #[error(
        "the priority expander's ConfigMap is in namespace {namespace}; it is looked for in kube-system"
    )]
    Namespace {
        /// Where it is.
        namespace: String,
    },
    /// kops writes the ConfigMap, and the manifests have one.
    #[error(
        "the priority expander's ConfigMap is in the manifests, and kops writes one of its own: they overwrite each other"
    )]
    TwoExpanders,
    /// The ConfigMap cannot be read.
    #[error("the priority expander's ConfigMap: {problem}")]
    Unreadable {
        /// What is wrong with it.
        problem: String,
    },
    /// No pattern at all.
    #[error("priority {priority}: `{pattern}` is no regular expression: {problem}")]
    NoPattern {
        priority: i64,
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The expander's search begins at -1.
    #[error("priority {priority}: below -1, so cluster-autoscaler never chooses its groups")]
    NegativePriority { priority: i64 },
    /// A priority with an empty list.
    #[error("priority {priority}: has no patterns")]
    NoPatterns { priority: i64 },
    /// Before 1.24 any of the priorities that match a group is taken.
    #[error(
        "{asg}: the priorities {} match it, and this cluster-autoscaler takes any one of them",
        priorities.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    )]
    SeveralPriorities {
        /// Its AutoScalingGroup.
        asg: AsgName,
        /// The priorities, the highest first.
        priorities: Vec<i64>,
    },
    /// A pattern for nothing.
    #[error("priority {priority}: `{pattern}` matches no group that is scaled")]
    MatchesNothing { priority: i64, pattern: String },
    /// The priority expander never takes a group without a priority.
    #[error("{asg}: no priority matches it, so it is never scaled up while another group would do")]
    NoPriority {
        /// Its AutoScalingGroup.
        asg: AsgName,
    },
    /// The type is not in our table.
    #[error(
        "group {group}: nothing is known of the instance type {instance_type}, so what a new node has cannot be told"
    )]
    UnknownType {
        group: GroupName,
        /// The type.
        instance_type: String,
    },
    /// AWS chooses the type.
    #[error(
        "group {group}: its instance types are chosen by attributes, so what a new node has cannot be told"
    )]
    ByAttributes { group: GroupName },
    /// A tag in a form that is dropped.
    #[error(
        "group {group}: the tag {tag} is not `value:Effect`, so cluster-autoscaler ignores the taint"
    )]
    TaintForm { group: GroupName, tag: String },
}
