//! What the last verified rollout left, as it is stored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::DocumentChange;
use crate::model::{AsgName, ClusterName, Digest, Timestamp};

/// What the last verified rollout left: the thing later changes of documents are compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Form of this file, 1.
    pub version: u32,
    pub cluster: ClusterName,
    /// The digest of what was applied and verified.
    pub digest: Digest,
    /// The release it came from.
    pub release: Digest,
    /// The rollout that did it.
    pub rollout: String,
    /// The commit it came from, where git said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether it was more than that commit, or not as `rendered/` has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more_than_commit: bool,
    /// Why it was rolled out all the same, in the words of the one who did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_dirty: Option<String>,
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
    /// The digest of the user data that each group referred to when that rollout was done.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub user_data: BTreeMap<AsgName, Digest>,
}

/// A change of a document that was recorded as applied by other means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// What changed.
    pub change: DocumentChange,
    /// The digest of the user data that each group it can reach referred to at that time.
    pub user_data: BTreeMap<AsgName, Digest>,
    /// Who knows that no node has to show it; none: it is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
}

/// A person's word that a change is where it belongs although no node can show it, as with what kops puts into an addon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acknowledged {
    /// As the process names its user.
    pub by: String,
    /// When it was acknowledged.
    pub at: Timestamp,
    /// In the words of the one who acknowledged it.
    pub reason: String,
}
