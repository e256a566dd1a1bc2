//! What kops will do where it is the engine: the documents that it stores, and the groups for which it makes launch template versions, as far as that is
//! known before. Where it is not known, a group counts as reached: kops decides, and is asked.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

use super::{
    Blocked, ClusterPlan, FieldChange, GroupChange, KopsFault, KopsPlan, Wanted, documents, fields,
};
use crate::desired::DesiredCluster;
use crate::fleet::Engine;
use crate::kops::{Role, stored};
use crate::model::{AsgName, DocumentStates, GroupName, LiveCluster, Stored};

/// What is known of kops' work before it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ByKops {
    /// Fields of the Cluster that change, below its `spec`; all of them, where it is new.
    fields: BTreeSet<String>,
    is_new: bool,
    /// Groups with fields of their own that change and that no definition carries.
    groups: BTreeSet<GroupName>,
    /// Something changes that kops has to be asked for.
    is_asked: bool,
}

impl ByKops {
    /// Whether kops is expected to make a version of its own for such a group.
    pub(super) fn remakes(&self, group: &GroupName, role: Role) -> bool {
        role != Role::Bastion
            && (self.is_new
                || self.groups.contains(group)
                || self.fields.iter().any(|field| reaches(field, role)))
    }

    /// Whether kops is asked at the turn of such a group, whatever comes of it: at that of the control plane it does what belongs to no group.
    pub(super) fn asks(&self, group: &GroupName, role: Role) -> bool {
        self.remakes(group, role) || (self.is_asked && role == Role::ControlPlane)
    }
}

/// What a field of the Cluster's `spec` reaches; what is not named here may reach every node.
/// Source: kops, `pkg/model/bootstrapscript.go` and the configuration that nodeup gets (`pkg/apis/nodeup/config.go`).
fn reaches(path: &str, role: Role) -> bool {
    /// Instances boot with none of it.
    const NOBODY: [&str; 18] = [
        "additionalPolicies",
        "awsLoadBalancerController",
        "certManager",
        "clusterAutoscaler",
        "externalDns",
        "externalPolicies",
        "iam",
        "kubernetesApiAccess",
        "metricsServer",
        "nodePortAccess",
        "nodeProblemDetector",
        "podIdentityWebhook",
        "rollingUpdate",
        "snapshotController",
        "sshAccess",
        "sshKeyName",
        "channel",
        "configBase",
    ];
    const CONTROL_PLANE: [&str; 4] = [
        "etcdClusters",
        "kubeControllerManager",
        "kubeScheduler",
        "masterKubelet",
    ];
    const API_SERVERS: [&str; 6] = [
        "additionalSans",
        "api",
        "authentication",
        "encryptionConfig",
        "kubeAPIServer",
        "masterPublicName",
    ];
    let top = path.split(['.', '[']).next().unwrap_or_default();
    // Services' ports are everybody's.
    let is_plain = !path.contains("serviceNodePortRange");
    match role {
        Role::Bastion => false,
        _ if NOBODY.contains(&top) => false,
        // Their kubelets are those of all nodes, with `masterKubelet` over it.
        Role::ControlPlane => true,
        Role::ApiServer => !CONTROL_PLANE.contains(&top),
        Role::Node => {
            let of_servers = CONTROL_PLANE.contains(&top) || API_SERVERS.contains(&top);
            !of_servers || !is_plain
        }
    }
}

/// As `reaches`, for a role as a manifest names it and a field of the first level.
pub fn reaches_role(field: &str, role: &str) -> bool {
    let role = match role {
        "Bastion" => Role::Bastion,
        "ControlPlane" | "Master" => Role::ControlPlane,
        "APIServer" => Role::ApiServer,
        _ => Role::Node,
    };
    reaches(field, role)
}

/// What is known of kops' work; none: another engine.
pub(super) fn by_kops(wanted: &Wanted<'_>, live: &LiveCluster) -> Option<ByKops> {
    if wanted.engine != Engine::Kops {
        return None;
    }
    let mut by_kops = ByKops::default();
    let Stored::Known(stored) = &live.documents else {
        return Some(by_kops);
    };
    let desired = wanted.desired;
    let cluster = format!("Cluster/{}", desired.cluster);
    by_kops.is_new = !stored.contains_key(&cluster);
    for (key, changes) in documents::differing(desired, stored) {
        by_kops.note(&key, &cluster, &changes);
    }
    // What was stored and never carried out: a rollout that was stopped, or others.
    let before = wanted.baseline.map(|b| &b.documents);
    for (key, document) in desired.beside_definitions() {
        if let Some(before) = before.and_then(|b| b.get(&key)) {
            let changes = fields(before, &document);
            by_kops.note(&key, &cluster, &changes);
        }
    }
    Some(by_kops)
}

impl ByKops {
    fn note(&mut self, key: &str, cluster: &str, changes: &[FieldChange]) {
        if changes.is_empty() {
            return;
        }
        if key == cluster {
            self.is_asked = true;
            let below = |c: &FieldChange| c.field.strip_prefix("spec.").map(str::to_owned);
            self.fields.extend(changes.iter().filter_map(below));
        } else if let Some(Ok(group)) = key.strip_prefix("InstanceGroup/").map(GroupName::new) {
            self.is_asked = true;
            self.groups.insert(group);
        }
    }
}

/// What kops stores for this plan, and what stands in the way of having it at work at all.
pub(super) fn planned(plan: &mut ClusterPlan, wanted: &Wanted<'_>, live: &LiveCluster) {
    if wanted.engine != Engine::Kops {
        return;
    }
    let fault = |why: KopsFault| Blocked::ByKops { why };
    let Stored::Known(stored) = &live.documents else {
        if live.documents == Stored::NotAsked {
            plan.blocked.push(fault(KopsFault::NoStore));
        }
        return;
    };
    let desired = wanted.desired;
    let cluster = format!("Cluster/{}", desired.cluster);
    if !stored.contains_key(&cluster) && !live.groups.is_empty() {
        plan.blocked.push(fault(KopsFault::NotItsStore {
            groups: live.groups.len(),
        }));
        return;
    }
    let (mut from, mut to) = (DocumentStates::new(), DocumentStates::new());
    for (key, document) in whole(desired) {
        let found = stored.get(&key);
        let normal = stored::normal(&document);
        let is_stored =
            found.is_some_and(|f| fields(&stored::aligned(&normal, f), &normal).is_empty());
        if !is_stored {
            let given = found.map_or_else(|| document.clone(), |f| with_assigned(&document, f));
            let before = found.map(|f| labelled(&key, f, desired.cluster.as_str()));
            from.insert(key.clone(), before);
            to.insert(key, Some(given));
        }
    }
    let no_way_back = kubernetes(plan, wanted, stored.get(&cluster));
    plan.kops = Some(KopsPlan {
        from,
        to,
        groups: whole(desired)
            .keys()
            .filter_map(|key| GroupName::new(key.strip_prefix("InstanceGroup/")?).ok())
            .collect(),
        deleted: BTreeSet::new(),
        no_way_back,
    });
}

/// InstanceGroups that kops has stored and git does not have: forgotten with the group that is retired. Of others there is no group to retire, and the
/// next `kops update` would make it.
pub(super) fn removed(plan: &mut ClusterPlan, wanted: &Wanted<'_>, live: &LiveCluster) {
    let Stored::Known(stored) = &live.documents else {
        return;
    };
    let Some(kops) = &mut plan.kops else {
        return;
    };
    let own = whole(wanted.desired);
    let retired: BTreeSet<&GroupName> = plan
        .groups
        .values()
        .filter_map(|change| match change {
            GroupChange::Retire { from, .. } => Some(&from.definition.instance_group),
            GroupChange::Create { .. } | GroupChange::Update { .. } => None,
        })
        .collect();
    for key in stored.keys().filter(|key| !own.contains_key(*key)) {
        let Some(Ok(group)) = key.strip_prefix("InstanceGroup/").map(GroupName::new) else {
            continue;
        };
        if retired.contains(&group) {
            kops.deleted.insert(group);
        } else {
            let document = key.clone();
            let why = KopsFault::Removed { document };
            plan.blocked.push(Blocked::ByKops { why });
        }
    }
}

/// Minor versions of Kubernetes go up one at a time, and never down. Whether it goes up by one.
/// Source: Kubernetes documentation, "Version Skew Policy" ("kube-apiserver upgrade": skipping minor versions is not supported).
fn kubernetes(plan: &mut ClusterPlan, wanted: &Wanted<'_>, stored: Option<&Json>) -> bool {
    let version = |cluster: &Json| {
        let text = cluster
            .pointer("/spec/kubernetesVersion")?
            .as_str()?
            .to_owned();
        let mut parts = text.strip_prefix('v').unwrap_or(&text).split('.');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let minor = (number()?, number()?);
        Some((text.clone(), minor))
    };
    let git = wanted.desired.manifest().as_ref().and_then(version);
    let (Some((from, was)), Some((to, will))) = (stored.and_then(version), git) else {
        return false;
    };
    let next = (was.0, was.1.saturating_add(1));
    let why = match will {
        _ if will == was => return false,
        _ if will < was => KopsFault::KubernetesBack { from, to },
        _ if will != next => KopsFault::KubernetesSkips { from, to },
        _ if !wanted.no_way_back => KopsFault::KubernetesNoWayBack { from, to },
        _ => return true,
    };
    plan.blocked.push(Blocked::ByKops { why });
    true
}

/// What kops cannot do to a group yet.
pub(super) fn group_faults(
    wanted: &Wanted<'_>,
    name: &AsgName,
    asks_for_spot: (bool, bool),
) -> Option<Blocked> {
    let group = name.clone();
    let is_stopped = wanted.engine == Engine::Kops && asks_for_spot.0 != asks_for_spot.1;
    is_stopped.then_some(Blocked::ByKops {
        why: KopsFault::Spot { group },
    })
}

/// The documents of kops as git has them, each whole.
fn whole(desired: &DesiredCluster) -> BTreeMap<String, Json> {
    let cluster = desired.cluster.as_str();
    let own = |key: &str| key.starts_with("Cluster/") || key.starts_with("InstanceGroup/");
    let documents = desired.documents().filter(|(key, _)| own(key));
    let groups = desired.groups.values().map(|group| {
        let name = &group.definition.instance_group;
        let fields = group.compiled().into_iter().chain(group.bootstrap());
        let spec: BTreeMap<String, Json> = fields.collect();
        let document = json!({
            "apiVersion": "kops.k8s.io/v1alpha2",
            "kind": "InstanceGroup",
            "metadata": {"labels": {"kops.k8s.io/cluster": cluster}, "name": name},
            "spec": spec,
        });
        (format!("InstanceGroup/{name}"), document)
    });
    documents
        .map(|(key, document)| (key.clone(), document))
        .chain(groups)
        .collect()
}

/// A document as kops takes it: a group says whose it is, which what is compared leaves out.
pub fn labelled(key: &str, document: &Json, cluster: &str) -> Json {
    let mut document = document.clone();
    let metadata = document.get_mut("metadata").and_then(Json::as_object_mut);
    if let Some(metadata) = metadata.filter(|_| key.starts_with("InstanceGroup/")) {
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        if let Some(labels) = labels.as_object_mut() {
            labels.insert("kops.k8s.io/cluster".into(), json!(cluster));
        }
    }
    document
}

/// The document with what kops has filled in by itself and git leaves to it: who replaces the whole would take that away, and kops fills it in only
/// when a cluster is made.
fn with_assigned(document: &Json, stored: &Json) -> Json {
    let aligned = stored::aligned(&stored::normal(document), stored);
    kept(document, stored, &aligned)
}

fn kept(wanted: &Json, stored: &Json, aligned: &Json) -> Json {
    match (wanted, stored) {
        (Json::Object(own), Json::Object(there)) => {
            let mut all: Map<String, Json> = own.clone();
            for (key, value) in there {
                match (own.get(key), aligned.get(key)) {
                    (None, None) => drop(all.insert(key.clone(), value.clone())),
                    (Some(own), Some(aligned)) => {
                        all.insert(key.clone(), kept(own, value, aligned));
                    }
                    (Some(_), None) | (None, Some(_)) => {}
                }
            }
            Json::Object(all)
        }
        (Json::Array(own), Json::Array(there)) => {
            let named = |list: &[Json], item: &Json| {
                let name = item.get("name")?;
                list.iter().find(|i| i.get("name") == Some(name)).cloned()
            };
            let same = aligned.as_array().map(Vec::as_slice).unwrap_or_default();
            let item = |own: &Json| match (named(there, own), named(same, own)) {
                (Some(stored), Some(aligned)) => kept(own, &stored, &aligned),
                (Some(_) | None, _) => own.clone(),
            };
            Json::Array(own.iter().map(item).collect())
        }
        (_, _) => wanted.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_cluster_reach_the_roles_that_boot_with_them() {
        use Role::{ApiServer, Bastion, ControlPlane, Node};
        let all = [Bastion, ControlPlane, ApiServer, Node];
        for (field, expected) in [
            ("kubernetesVersion", vec![ControlPlane, ApiServer, Node]),
            (
                "kubeAPIServer.maxRequestsInflight",
                vec![ControlPlane, ApiServer],
            ),
            (
                "kubeAPIServer.serviceNodePortRange",
                vec![ControlPlane, ApiServer, Node],
            ),
            ("kubeScheduler.logLevel", vec![ControlPlane]),
            ("kubelet.maxPods", vec![ControlPlane, ApiServer, Node]),
            ("kubelet.anonymousAuth", vec![ControlPlane, ApiServer, Node]),
            ("etcdClusters[main].version", vec![ControlPlane]),
            ("rollingUpdate.maxSurge", vec![]),
            ("sshAccess", vec![]),
            // Not known: kops decides.
            ("somethingNew.field", vec![ControlPlane, ApiServer, Node]),
        ] {
            let reached: Vec<Role> = all.into_iter().filter(|r| reaches(field, *r)).collect();
            assert_eq!(reached, expected, "{field}");
        }
    }

    #[test]
    fn what_kops_has_filled_in_is_stored_again() {
        let document = json!({
            "apiVersion": "kops.k8s.io/v1alpha2", "kind": "Cluster", "metadata": {"name": "c.example.com"},
            "spec": {"kubernetesVersion": "1.35.0", "etcdClusters": [{"name": "main", "etcdMembers": []}]}
        });
        let stored = stored::normal(&json!({
            "apiVersion": "kops.k8s.io/v1alpha2", "kind": "Cluster", "metadata": {"name": "c.example.com"},
            "spec": {
                "kubernetesVersion": "1.34.0", "networkCIDR": "172.20.0.0/16", "sysctlParameters": ["a=1"],
                "etcdClusters": [{"name": "main", "etcdMembers": [], "manager": {"backupRetentionDays": 90}}]
            }
        }));
        let given = with_assigned(&document, &stored);
        let at = |path: &str| given.pointer(path).cloned();
        assert_eq!(at("/spec/kubernetesVersion"), Some(json!("1.35.0")));
        assert_eq!(at("/spec/networkCIDR"), Some(json!("172.20.0.0/16")));
        assert_eq!(
            at("/spec/etcdClusters/0/manager/backupRetentionDays"),
            Some(json!(90))
        );
        // What a person put there and git does not have goes.
        assert_eq!(at("/spec/sysctlParameters"), None);
    }
}
