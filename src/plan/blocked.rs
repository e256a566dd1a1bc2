//! Why a cluster's plan cannot be carried out as it stands: facts with their data. The sentences are in `report`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::{AsgName, GroupName};

/// Why something cannot be done as it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Blocked {
    /// Part of the live state is not known.
    Gap {
        /// What could not be read, as the cloud calls it.
        what: String,
        /// In the words of who refused.
        why: String,
    },
    /// Nothing of the cluster was read.
    NotRead,
    /// The launch template version that a group refers to was not read.
    VersionNotRead { group: AsgName, version: u64 },
    /// kops' state store could not be read.
    StoreNotRead {
        /// In the words of who refused.
        why: String,
    },
    /// The nodeup configurations in kops' state store could not be read: whether new nodes boot is not known.
    NodeupNotRead {
        /// In the words of who refused.
        why: String,
    },
    /// A group disappeared from git, and retiring was not allowed.
    Retire {
        group: AsgName,
        /// Instances that would end.
        instances: usize,
    },
    /// A group disappeared from git, and is protected.
    Protected { group: AsgName },
    /// A lower maximum ends instances, and shrinking was not allowed.
    Shrink {
        group: AsgName,
        /// Desired capacity now.
        desired: u32,
        /// The wanted maximum.
        max: u32,
    },
    /// No launch template version has the user data that the state store asks for: whatever the group launches does not boot.
    NoBootVersion { group: AsgName },
    /// Nodes of the cluster are not seen, and these changes replace, drain or wait for nodes.
    NoKubernetes {
        /// Groups whose changes need it.
        groups: usize,
    },
    /// A new group has no user data to boot with.
    NoUserData { group: AsgName },
    /// The on-demand twin that a group is given for want of capacity cannot stand in for it.
    Twin {
        group: AsgName,
        /// What is wrong with its twin.
        fault: TwinFault,
    },
    /// kops' state store has the changed document, and nothing in the account shows that kops has carried it out.
    NotCarriedOut {
        /// `Kind/name`.
        document: String,
    },
    /// kops is the engine, and cannot do this.
    ByKops {
        /// Why not.
        why: KopsFault,
    },
    /// Only kops can carry the change of this document out.
    NeedsKops {
        /// `Kind/name`.
        document: String,
    },
}

impl Blocked {
    /// Whether it is a part of the live state that is not known.
    pub fn is_unknown(&self) -> bool {
        match self {
            Blocked::Gap { .. }
            | Blocked::NotRead
            | Blocked::VersionNotRead { .. }
            | Blocked::StoreNotRead { .. }
            | Blocked::NodeupNotRead { .. } => true,
            Blocked::Retire { .. }
            | Blocked::Protected { .. }
            | Blocked::Shrink { .. }
            | Blocked::NoBootVersion { .. }
            | Blocked::NoKubernetes { .. }
            | Blocked::NoUserData { .. }
            | Blocked::Twin { .. }
            | Blocked::NotCarriedOut { .. }
            | Blocked::ByKops { .. }
            | Blocked::NeedsKops { .. } => false,
        }
    }
}

/// Why kops, as the engine, is not asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum KopsFault {
    /// Its state store was not read.
    NoStore,
    /// The state store does not have the cluster, whose groups are there: it is another one's.
    NotItsStore {
        /// Groups that are there.
        groups: usize,
    },
    /// A document is stored that git does not have: the next `kops update` would make what it stands for.
    Removed {
        /// `Kind/name`.
        document: String,
    },
    /// A group begins to ask for Spot in its launch template, or stops: its fields and its version have to change in one call.
    Spot { group: AsgName },
    /// Minor versions of Kubernetes are skipped.
    KubernetesSkips {
        /// As kops has it stored.
        from: String,
        /// As git wants it.
        to: String,
    },
    /// An older minor version of Kubernetes.
    KubernetesBack {
        /// As kops has it stored.
        from: String,
        /// As git wants it.
        to: String,
    },
    /// The next minor version of Kubernetes, from which none leads back, and the operator has not said that this is known.
    KubernetesNoWayBack {
        /// As kops has it stored.
        from: String,
        /// As git wants it.
        to: String,
    },
}

/// Why a group cannot stand in for another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TwinFault {
    /// No group of that name.
    NoGroup {
        /// The name that was given.
        twin: Option<GroupName>,
        /// The groups that there are.
        there: BTreeSet<GroupName>,
    },
    /// One of the two is no group of nodes.
    NotNodes { twin: GroupName },
    /// The instances of the group are not replaced by a surge.
    NoSurge { twin: GroupName },
    /// It has not been rolled out yet.
    NotThere { twin: GroupName },
    /// It launches Spot instances itself.
    Spot { twin: GroupName },
    /// Its nodes have another label or taint.
    OtherNodes {
        twin: GroupName,
        /// `label/…` or `taint/…`.
        key: String,
    },
    /// It lacks subnets of the group.
    NoSubnets {
        twin: GroupName,
        /// By their names in the manifest.
        subnets: BTreeSet<String>,
    },
}
