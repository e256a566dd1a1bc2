//! Definitions × live state → [`Plan`]: every difference, typed, with what it does to instances and what stands in its way. No cloud, no clock.

mod boot;
mod by_itself;
mod cluster;
mod compare;
mod documents;
mod drains;
mod drift;
mod etcd;
mod found;
mod note;
mod orphan;
mod pending;
mod policy;
mod published;
mod remark;
pub mod room;
mod twins;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

pub use cluster::PODS_COUNT_AFTER;
pub use compare::{FieldChange, fields};
pub use drains::{drain_blockers, launch_blockers};
pub use drift::{DriftClass, DriftItem, DriftKind, DriftSeen, drift_items, unread};
pub use note::{DrainBlocker, Fact, Fields, LaunchBlocker, Note, Process, StandbyFate, Unplaced};
pub use remark::{Remark, Warned};

use crate::desired::DesiredCluster;
pub use orphan::{Orphan, orphans};
pub use pending::{Acknowledged, Pending};
pub use policy::Policy;
pub use twins::TwinFault;

use crate::fleet::Rolling;
use crate::kops::Role;
use crate::model::{
    AccountId, AsgName, ClusterName, Definition, Digest, GroupName, InstanceId, Live, Region,
    Timestamp, Unseen, UserData, VersionRef, digest_of,
};

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
}

/// The differences of one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterPlan {
    /// Its account.
    pub account: AccountId,
    /// Its region.
    pub region: Region,
    /// Digest of what git wants for it: documents and definitions, by meaning.
    pub digest: Digest,
    /// Digest of the live state the plan was made from: fields of groups and the versions they refer to, not sizes or instances.
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
    /// Digest of the user data that each group refers to when the plan is carried out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub user_data: BTreeMap<AsgName, Digest>,
    /// Changes of groups, by name.
    pub groups: BTreeMap<AsgName, GroupChange>,
    /// On-demand twins that may stand in for a group of which instances are replaced, by that group.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub twins: BTreeMap<AsgName, Twin>,
    /// Changes of documents other than InstanceGroups, by `Kind/name`.
    pub documents: BTreeMap<String, DocumentChange>,
    /// What stands in the way. A cluster with anything here is shown and not rolled.
    pub blocked: Vec<Blocked>,
    /// What a reader should know, and needs no decision.
    pub notes: Vec<Note>,
    /// Why its nodes could not be looked at, so that nobody knows what would hold its drains; none: they were, or no access is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Unseen>,
    /// What kops and people did beside kfleet, and what follows from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
    /// What people call the images of groups that change, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, String>,
    /// Groups whose lifecycle hooks nobody looked at: they are not compared, and a group that is changed is expected to have the wanted ones.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hooks_not_compared: usize,
}

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
    /// Its definition.
    pub definition: Definition,
    /// Its role.
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
    pub definition: Definition,
    /// How it refers to its launch template.
    pub version: VersionRef,
    /// Desired capacity at the time.
    pub desired: u32,
}

/// A change of a document that is not carried out by changing a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum DocumentChange {
    /// New.
    Added,
    /// Different.
    Changed(Vec<FieldChange>),
    /// No longer in git.
    Removed,
}

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
    VersionNotRead {
        /// The group.
        group: AsgName,
        /// The version.
        version: u64,
    },
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
        /// The group.
        group: AsgName,
        /// Instances that would end.
        instances: usize,
    },
    /// A group disappeared from git, and is protected.
    Protected {
        /// The group.
        group: AsgName,
    },
    /// A lower maximum ends instances, and shrinking was not allowed.
    Shrink {
        /// The group.
        group: AsgName,
        /// Desired capacity now.
        desired: u32,
        /// The wanted maximum.
        max: u32,
    },
    /// No launch template version has the user data that the state store asks for: whatever the group launches does not boot.
    NoBootVersion {
        /// The group.
        group: AsgName,
    },
    /// Nodes of the cluster are not seen, and these changes replace, drain or wait for nodes.
    NoKubernetes {
        /// Groups whose changes need it.
        groups: usize,
    },
    /// A new group has no user data to boot with.
    NoUserData {
        /// The group.
        group: AsgName,
    },
    /// The on-demand twin that a group is given for want of capacity cannot stand in for it.
    Twin {
        /// The group.
        group: AsgName,
        /// What is wrong with its twin.
        fault: TwinFault,
    },
    /// kops' state store has the changed document, and nothing in the account shows that kops has carried it out.
    NotCarriedOut {
        /// `Kind/name`.
        document: String,
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
            | Blocked::NeedsKops { .. } => false,
        }
    }
}

/// What the last verified rollout left: the thing later changes of documents are compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Form of this file, 1.
    pub version: u32,
    /// The cluster.
    pub cluster: ClusterName,
    /// Digest of what was applied and verified.
    pub digest: Digest,
    /// The release it came from.
    pub release: Digest,
    /// The rollout that did it.
    pub rollout: String,
    /// The commit it came from, where git said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Since when the cluster has run it, healthy, without a break: where soaking counts from.
    pub since: Timestamp,
    /// The documents other than InstanceGroups, as applied.
    pub documents: BTreeMap<String, Json>,
    /// Uid of the cluster's namespace `kube-system`, when its Kubernetes API was asked: another one is another cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<String>,
    /// What was recorded as done by other means, and has not been seen in the live state yet.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pending: BTreeMap<String, Pending>,
    /// Digest of the user data that each group referred to when that rollout was done.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub user_data: BTreeMap<AsgName, Digest>,
}

/// What the person who asked allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// Retire groups that disappeared from git, whichever they are: for a rehearsal.
    pub retire: bool,
    /// End instances by a lower maximum.
    pub shrink: bool,
    /// Record documents that changed as applied by other means.
    pub documents: bool,
    /// Plan changes of nodes where nobody can see nodes: for a rehearsal, which brings its own.
    pub nodes: bool,
}

/// One cluster's inputs.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// What git wants.
    pub desired: &'a DesiredCluster,
    /// What the last verified rollout left, if there was one.
    pub baseline: Option<&'a Baseline>,
    /// Groups that are never retired.
    pub protect: &'a BTreeSet<GroupName>,
    /// Groups that may be retired: a person has named each of them.
    pub retire: &'a BTreeSet<GroupName>,
}

/// The plan for `wanted` against `live`.
pub fn plan(
    release: Digest,
    wanted: &[Wanted<'_>],
    live: &Live,
    policy: &Policy,
    allow: Allow,
) -> Plan {
    let clusters: BTreeMap<_, _> = wanted
        .iter()
        .map(|w| {
            (
                w.desired.cluster.clone(),
                cluster::cluster_plan(
                    w,
                    live.clusters.get(&w.desired.cluster),
                    &policy.rolling,
                    allow,
                    live.read_at,
                ),
            )
        })
        .collect();
    let policy = policy.clone();
    let id = digest_of(&(PLAN_VERSION, &release, &policy, &clusters));
    Plan {
        version: PLAN_VERSION,
        id,
        release,
        policy,
        clusters,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Plan {
    /// The one meaning of "no changes": nothing differs and nothing is in the way.
    pub fn is_empty(&self) -> bool {
        self.clusters.values().all(ClusterPlan::is_empty)
    }

    /// Nothing is left that a rollout could do.
    pub fn is_rolled(&self) -> bool {
        self.clusters.values().all(ClusterPlan::is_rolled)
    }

    /// Whether the id is the hash of the content, so that nobody changed the file.
    pub fn is_genuine(&self) -> bool {
        self.id == digest_of(&(self.version, &self.release, &self.policy, &self.clusters))
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

pub use found::fingerprint;
pub(crate) use found::{group_differences, group_digest};
pub(crate) use pending::with_acknowledged;
