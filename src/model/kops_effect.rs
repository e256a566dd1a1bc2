//! What kops is asked to do for a cluster, at the turn of one of its groups. Does nothing itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{AsgName, GroupName, LaunchTemplateData, NodeupHash};

/// Documents of a cluster, by `Kind/name`; none: it is not there.
pub type DocumentStates = BTreeMap<String, Option<Json>>;

/// One thing that only kops can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum KopsEffect {
    /// Store documents of the cluster. A document that is stored already stays; one that is neither as found nor as wanted belongs to others:
    /// [`super::Applied::Moved`]. One that was not there before stays where it is gone back to: that takes a deletion.
    Publish {
        /// The group whose turn it is.
        group: AsgName,
        /// As they must be found.
        from: DocumentStates,
        /// As they will be.
        to: DocumentStates,
    },
    /// Bring a group, and what belongs to no group, to what is stored: a group that is not there is made. Running instances stay. What kops made is
    /// read back, and is the answer: the newest version of the group's launch template.
    Update {
        group: AsgName,
        /// Its InstanceGroup, and others that have to be made along with it.
        groups: BTreeSet<GroupName>,
        /// Other groups of the cluster that are as stored, as far as is known. What kops makes of all groups together (add-ons: how many replicas,
        /// which groups an autoscaler may size) it makes of those that it is told, so these are told along, unless it would change them.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        beside: BTreeSet<GroupName>,
        /// Documents as they must be stored.
        stored: DocumentStates,
        /// What the group has to boot with afterwards.
        boots: Boots,
    },
}

/// What a group has to boot with after kops has been at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Boots {
    /// With what kops makes of the documents now.
    Anew {
        /// The launch template data without its user data.
        data: Box<LaunchTemplateData>,
        /// The version that the group ran before; 0: it was not there.
        from: u64,
        /// Whether a version of its own was foreseen: one that was not is for a person to look at.
        foreseen: bool,
    },
    /// With what it booted with before: the nodeup configuration with this hash; none: it had none.
    Again(Option<NodeupHash>),
}

impl KopsEffect {
    /// The group whose turn it is.
    pub fn group(&self) -> &AsgName {
        match self {
            KopsEffect::Publish { group, .. } | KopsEffect::Update { group, .. } => group,
        }
    }
}
