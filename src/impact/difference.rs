//! What a change of a fleet does, as data.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::lines::Hunk;
use crate::desired::DesiredCluster;
use crate::fleet::{Cluster, Settings};
use crate::kops::Role;
use crate::model::{AccountId, AsgName, ClusterName, Definition, Environment, GroupName, Region};
use crate::plan::FieldChange;
use crate::render::Rendered;

/// One version of a fleet, rendered and compiled.
#[derive(Clone, Debug)]
pub struct Side<'a> {
    /// What its `fleet.yaml` says.
    pub settings: &'a Settings,
    pub clusters: BTreeMap<ClusterName, RenderedVersion<'a>>,
}

/// One version of a cluster.
#[derive(Clone, Copy, Debug)]
pub struct RenderedVersion<'a> {
    /// What its file says.
    pub cluster: &'a Cluster,
    /// Its documents.
    pub rendered: &'a Rendered,
    /// Its definitions.
    pub desired: &'a DesiredCluster,
}

/// Every difference between two versions of a fleet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Impact {
    /// Clusters of either version.
    pub compared: usize,
    /// Fields of `fleet.yaml` that differ: how changes are rolled out, not what clusters are.
    pub settings: Vec<FieldChange>,
    /// The clusters that differ.
    pub clusters: BTreeMap<ClusterName, ClusterImpact>,
}

/// What happens to a cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterImpact {
    /// Only the new version has it.
    Added(Outline),
    /// Only the old version has it. kfleet never deletes a cluster.
    Removed(Outline),
    /// Both have it.
    Changed(ClusterChange),
}

/// A cluster in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outline {
    pub environment: Environment,
    pub account: AccountId,
    pub region: Region,
    pub groups: BTreeSet<GroupName>,
    /// Its documents, as `Kind/name`.
    pub documents: BTreeSet<String>,
}

/// What changes in a cluster that both versions have.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ClusterChange {
    /// Fields of the cluster's own file that differ.
    pub facts: Vec<FieldChange>,
    /// Documents that differ, as `Kind/name` or `Kind/namespace/name`.
    pub documents: BTreeMap<String, DocumentImpact>,
    /// Groups that differ.
    pub groups: BTreeMap<AsgName, GroupImpact>,
    /// The order of documents differs, or text that belongs to none.
    pub layout: bool,
}

/// What happens to a document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DocumentImpact {
    /// The template that makes it (or made it).
    pub template: String,
    /// Whether it comes, goes or stays.
    pub presence: Presence,
    /// What it means now that it did not mean before. Nothing for a document that stays: only its text differs.
    pub fields: Vec<FieldChange>,
    /// Who carries the difference out.
    pub carrier: Carrier,
    /// How its text differs.
    pub text: Vec<Hunk>,
}

/// Which versions have something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// The new one.
    Added,
    /// The old one.
    Removed,
    /// Both revisions have it, and they differ.
    Changed,
}

/// Who carries a difference out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Carrier {
    /// Nothing has to be carried out.
    Nobody,
    /// kfleet, by changing a group.
    Kfleet,
    /// Only kops.
    Kops,
    /// kops these fields of the `spec` of an InstanceGroup, kfleet the others.
    KopsInPart(BTreeSet<String>),
}

/// What happens to a group on AWS.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupImpact {
    /// Its name.
    pub group: GroupName,
    /// What its instances are.
    pub role: Role,
    /// What happens.
    pub change: GroupDifference,
}

/// How a group differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupDifference {
    /// It is made.
    Created {
        /// What it will be.
        definition: Box<Definition>,
        /// Whether the fleet says what its first instance boots with.
        user_data: bool,
        /// The group that goes and was the same under another name.
        like: Option<GroupName>,
    },
    /// It is drained and deleted.
    Retired {
        /// Whether the new version protects it, so that it stays.
        protected: bool,
    },
    /// It is changed.
    Changed {
        /// The fields of its definition that differ.
        fields: Vec<FieldChange>,
        /// Whether its instances are replaced when its launch template changes.
        replaces: bool,
        /// Whether what a new group would boot with differs. Groups there are keep theirs.
        user_data: bool,
    },
}

impl Impact {
    /// The one meaning of "no difference": nothing means anything else, and no text differs.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.clusters.is_empty()
    }
}

impl DocumentImpact {
    /// Whether only its text differs.
    pub fn is_text_only(&self) -> bool {
        self.presence == Presence::Changed && self.fields.is_empty()
    }
}

impl GroupDifference {
    /// Whether the group gets a new version of its launch template.
    pub fn is_new_version(&self) -> bool {
        match self {
            GroupDifference::Created { .. } | GroupDifference::Retired { .. } => false,
            GroupDifference::Changed { fields, .. } => fields
                .iter()
                .any(|f| f.field.starts_with("launchTemplate.")),
        }
    }
}
