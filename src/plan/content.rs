//! What a plan holds, and whether it is empty. Compares nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Blocked, DocumentChange, GroupChange, HookTask, KopsPlan, Note, Pending, Policy, Remark, Twin,
};
use crate::kops::Role;
use crate::model::{AccountId, AsgName, ClusterName, Digest, Region, Unseen};

/// The version of the plan file's form. Readers refuse every other one: a plan without its policy (version 1) does not say how it is rolled out,
/// and the notes of version 2 are texts without codes.
pub const PLAN_VERSION: u32 = 3;

/// The difference between what git wants and what is, immutable, identified by the hash of its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Form of this file.
    pub version: u32,
    /// SHA-256 of everything below.
    pub id: Digest,
    /// The release: digest of everything that can influence rendering.
    pub release: Digest,
    /// How it is rolled out.
    pub policy: Policy,
    /// Every cluster looked at, by name, those without changes among them.
    pub clusters: BTreeMap<ClusterName, ClusterPlan>,
    /// Hooks that run, in the order of their stages, each at its places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookTask>,
}

/// The differences of one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterPlan {
    pub account: AccountId,
    pub region: Region,
    /// The digest of what git wants for it: documents and definitions, by meaning.
    pub digest: Digest,
    /// The digest of the live state the plan was made from: fields of groups and the versions they refer to, not sizes or instances.
    pub fingerprint: Digest,
    /// Roles of all groups that git wants.
    pub roles: BTreeMap<AsgName, Role>,
    /// Members of each etcd cluster, by control-plane group.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub etcd: BTreeMap<String, BTreeMap<AsgName, u32>>,
    /// Groups that do not change, each with the digest of what it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unchanged: BTreeMap<AsgName, Digest>,
    /// What only kops can do, was not done, and has not been seen since: it is said until the live state shows it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pending: BTreeMap<String, Pending>,
    /// The digest of the user data that each group refers to when the plan is carried out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub user_data: BTreeMap<AsgName, Digest>,
    /// Changes of groups, by name.
    pub groups: BTreeMap<AsgName, GroupChange>,
    /// On-demand twins that may stand in for a group of which instances are replaced, by that group.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub twins: BTreeMap<AsgName, Twin>,
    /// What kops stores, where it is the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kops: Option<KopsPlan>,
    /// Changes of documents other than InstanceGroups, by `Kind/name`.
    pub documents: BTreeMap<String, DocumentChange>,
    /// What stands in the way. A cluster with anything here is shown and not rolled.
    pub blocked: Vec<Blocked>,
    /// What a reader should know, and needs no decision.
    pub notes: Vec<Note>,
    /// Why its nodes could not be looked at, so that it is not known what would hold its drains; none: they were, or no access is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Unseen>,
    /// What kops and people did beside kfleet, and what follows from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
    /// What people call the images of groups that change, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, String>,
    /// Groups whose lifecycle hooks were not read: they are not compared, and a group that is changed is expected to have the wanted ones.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hooks_not_compared: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Plan {
    /// The one meaning of "no changes": nothing differs and nothing is in the way.
    pub fn is_empty(&self) -> bool {
        self.hooks.is_empty() && self.clusters.values().all(ClusterPlan::is_empty)
    }

    /// Nothing is left that a rollout could do.
    pub fn is_rolled(&self) -> bool {
        self.hooks.is_empty() && self.clusters.values().all(ClusterPlan::is_rolled)
    }

    /// Whether the id is the hash of the content, so that the file was not changed.
    pub fn is_genuine(&self) -> bool {
        self.version == PLAN_VERSION && self.id == self.digest()
    }
}

impl ClusterPlan {
    /// Nothing differs, nothing is in the way, and nothing that was recorded as done elsewhere waits to be seen or acknowledged.
    pub fn is_empty(&self) -> bool {
        self.is_rolled() && self.pending.values().all(|p| p.acknowledged.is_some())
    }

    /// Nothing is left that a rollout could do.
    pub fn is_rolled(&self) -> bool {
        self.groups.is_empty() && self.documents.is_empty() && self.blocked.is_empty()
    }
}
