//! The state store of a simulated kops: documents, and the nodeup configuration of each group. Knows no account.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::model::{
    ClusterName, Digest, GroupName, KopsVersion, LiveCluster, Nodeup, NodeupHash, Stored, digest_of,
};
use crate::plan::reaches_role;

/// Which release of kops makes a cluster; one that is not named: the newest.
pub(super) type Releases = BTreeMap<ClusterName, KopsVersion>;

/// What kops keeps of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SimulatedStateStore {
    /// Documents, by `Kind/name`.
    pub(super) documents: BTreeMap<String, Json>,
    /// The nodeup configuration that new nodes of each group boot with.
    pub(super) nodeup: BTreeMap<GroupName, NodeupHash>,
    /// The groups that kops was told when it last made add-ons: of those, and of no others, they are made.
    /// Source: kops, `upup/pkg/fi/cloudup/template_functions.go`, `GetNodeInstanceGroups`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) addons: BTreeSet<GroupName>,
    /// Configurations that were there when this account was made a copy of another one, by what they are made of.
    found: BTreeMap<GroupName, (Digest, NodeupHash)>,
}

impl SimulatedStateStore {
    pub(super) fn is_empty(&self) -> bool {
        *self == SimulatedStateStore::default()
    }

    /// What was read of a real one.
    pub(super) fn of(live: &LiveCluster) -> SimulatedStateStore {
        let Stored::Known(documents) = &live.documents else {
            return SimulatedStateStore::default();
        };
        let nodeup = match &live.nodeup {
            Nodeup::Known(nodeup) => nodeup.clone(),
            Nodeup::NotAsked | Nodeup::Unknown(_) => BTreeMap::new(),
        };
        let mut store = SimulatedStateStore {
            documents: documents.clone(),
            nodeup: nodeup.clone(),
            addons: BTreeSet::new(),
            found: BTreeMap::new(),
        };
        let found = nodeup.into_iter().map(|(group, hash)| {
            let of = digest_of(&store.configuration(&group));
            (group, (of, hash))
        });
        store.found = found.collect();
        store
    }

    /// What the nodes of a group boot with is made of these.
    fn configuration(&self, group: &GroupName) -> Json {
        let document = self.documents.get(&format!("InstanceGroup/{group}"));
        let role = document
            .and_then(|d| d.get("spec")?.get("role")?.as_str())
            .unwrap_or("Node");
        let clusters = self.documents.iter();
        let of_cluster = clusters
            .filter(|(key, _)| key.starts_with("Cluster/"))
            .filter_map(|(_, d)| d.get("spec")?.as_object())
            .flatten()
            .filter(|(field, _)| reaches_role(field, role));
        let of_cluster: BTreeMap<&String, &Json> = of_cluster.collect();
        json!({"cluster": of_cluster, "group": document.and_then(|d| d.get("spec"))})
    }

    pub(super) fn hash(&self, group: &GroupName) -> NodeupHash {
        let configuration = self.configuration(group);
        match self.found.get(group) {
            Some((of, hash)) if *of == digest_of(&configuration) => hash.clone(),
            Some(_) | None => NodeupHash::of_file(configuration.to_string().as_bytes()),
        }
    }
}
