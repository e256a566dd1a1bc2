//! What may not be done to a group: wrong sizes, too much surge, the wrong version.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::model::{AccountId, AsgName, ClusterName, Region};

/// A rule about groups that a step would break.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum GroupBreach {
    /// A group that the plan does not change.
    GroupNotPlanned { group: AsgName },
    /// A desired capacity outside the group's minimum and maximum.
    DesiredOutside {
        group: AsgName,
        /// The desired capacity.
        to: u32,
        /// The minimum.
        min: u32,
        /// The maximum.
        max: u32,
    },
    /// A desired capacity below what runs: AWS would end instances undrained.
    DesiredBelowRunning {
        group: AsgName,
        /// The desired capacity.
        to: u32,
        /// Instances that run.
        running: usize,
    },
    /// A maximum below what the group wants: AWS would end instances undrained.
    MaximumBelowDesired {
        group: AsgName,
        /// The maximum.
        max: u32,
        /// Its desired capacity.
        desired: u32,
    },
    /// A group surges by more than its `max_surge`.
    GroupSurge {
        group: AsgName,
        /// By how much.
        surge: u32,
        /// Its `max_surge`.
        most: u32,
    },
    /// A cluster surges by more than its `cluster_surge`.
    ClusterSurge {
        cluster: ClusterName,
        /// By how much.
        surge: u32,
        /// Its `cluster_surge`.
        most: u32,
    },
    /// A group of the control plane gets more instances than it wants: a second member of etcd cannot join in its place.
    ControlPlaneSurged { group: AsgName },
    /// Groups surge by more than their account had room for when the wave began.
    RoomSurge {
        groups: BTreeSet<AsgName>,
        /// By how much.
        surge: u32,
        /// How much there was room for.
        most: u32,
    },
    /// More clusters of an account and region surge at the same time than there was room for when the wave began.
    RoomClusters {
        account: AccountId,
        region: Region,
        /// How many surge.
        clusters: usize,
        /// For how many there was room.
        most: usize,
    },
    /// A group has more launches or terminations than its replacements need.
    TooManyReplacements {
        group: AsgName,
        /// Instances launched so far.
        launches: u32,
        /// Instances ended so far.
        terminations: u32,
        /// The most of each.
        most: u32,
    },
    /// An abort changes a group, and does not only restore it.
    AbortChanges { group: AsgName },
    /// kops changes a group before the documents of its cluster are stored.
    NotStored { group: AsgName },
    /// kops brings a group to another Kubernetes version before one whose turn comes first: a kubelet may not be newer than its API servers.
    SkewBroken {
        group: AsgName,
        /// The group whose turn comes first.
        before: AsgName,
    },
    /// A group is pinned to another version than its task, or the rollback, says.
    WrongPin {
        group: AsgName,
        /// The version.
        to: u64,
    },
    /// A group is disrupted while it launches from another version than the rollout pinned.
    OtherVersionPinned {
        group: AsgName,
        /// The version it launches from.
        launches: u64,
        /// The version that the rollout pinned.
        pinned: u64,
    },
    /// A group is deleted before its cluster's gates have passed and its new groups have baked.
    DeletedEarly { group: AsgName },
    /// Processes are resumed that this rollout did not suspend.
    ResumesOthers {
        group: AsgName,
        processes: Vec<String>,
    },
}
