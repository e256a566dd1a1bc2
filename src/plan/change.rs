//! A change of a group or a document, as data.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::FieldChange;
use crate::fleet::Rolling;
use crate::kops::Role;
use crate::model::{
    AsgName, Definition, DocumentStates, GroupName, InstanceId, Shared, UserData, VersionRef,
};

/// A change of one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum GroupChange {
    /// It is not there yet.
    Create {
        /// The group as wanted.
        to: Box<Target>,
    },
    /// It differs.
    Update {
        /// The group as wanted.
        to: Box<Target>,
        /// The group as found.
        from: Box<Found>,
        /// Every field that differs.
        fields: Vec<FieldChange>,
        /// A launch template version that already holds what is wanted.
        existing_version: Option<u64>,
        /// Instances that have to be replaced, each with the fields that are the reason.
        replace: BTreeMap<InstanceId, Vec<String>>,
    },
    /// Git no longer has it: drain, then delete.
    Retire {
        /// The group as found.
        from: Box<Found>,
        /// Instances that end with it.
        instances: BTreeSet<InstanceId>,
    },
}

/// The on-demand twin of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Twin {
    /// Its AutoScalingGroup.
    pub group: AsgName,
    /// What it is, when it is not changed itself.
    pub unchanged: Option<Box<Target>>,
}

/// A group as git wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub definition: Shared<Definition>,
    pub role: Role,
    /// Where the user data of a new launch template version comes from.
    pub user_data: UserData,
    /// How its instances are replaced.
    pub rolling: Rolling,
    /// Whether instances are replaced at all (kops `drainAndTerminate`); otherwise a new version takes effect on the next launch.
    pub replace_instances: bool,
}

/// A group as found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// Its definition, as far as it can be known: the data of the version it refers to.
    pub definition: Shared<Definition>,
    /// How it refers to its launch template.
    pub version: VersionRef,
    /// Desired capacity at the time.
    pub desired: u32,
}

/// A change of a document that is not carried out by changing a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum DocumentChange {
    /// git has it and live does not.
    Added,
    /// Both have it, and these fields differ.
    Changed(Vec<FieldChange>),
    /// No longer in git.
    Removed,
}

/// Documents that kops stores before it does anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KopsPlan {
    /// As they are stored; none: they are not.
    pub from: DocumentStates,
    /// As they will be.
    pub to: DocumentStates,
    /// All groups that git has and kops knows, changed or not.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<GroupName>,
    /// Groups that are retired and that kops has stored: it forgets them when they are deleted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub deleted: BTreeSet<GroupName>,
    /// The control plane goes up by a minor version of Kubernetes, and never back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_way_back: bool,
}

impl GroupChange {
    /// Instances that are replaced or ended.
    pub fn instances(&self) -> usize {
        match self {
            GroupChange::Create { .. } => 0,
            GroupChange::Update { replace, .. } => replace.len(),
            GroupChange::Retire { instances, .. } => instances.len(),
        }
    }
}
