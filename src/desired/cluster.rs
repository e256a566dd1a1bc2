//! The desired state of a whole cluster: definitions, other documents, and one digest of it all. Compares nothing.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;

use super::limits::oversized_user_data;
use super::{DesiredError, compile};
use crate::kops::{Manifests, Role, RollingUpdate};
use crate::model::{
    AccountId, AsgName, ClusterName, Definition, Digest, GroupName, PackedJson, Region, Shared,
    digest_of,
};

/// Fields of an InstanceGroup that its definition, its role and its rolling update express in full.
/// All others reach instances only through what kops itself does (user data, add-ons), so they are carried along.
const COMPILED: [&str; 38] = [
    "additionalSecurityGroups",
    "associatePublicIp",
    "capacityRebalance",
    "cloudLabels",
    "cpuCredits",
    "detailedInstanceMonitoring",
    "externalLoadBalancers",
    "iam",
    "image",
    "instanceInterruptionBehavior",
    "instanceMetadata",
    "instanceProtection",
    "machineType",
    "manager",
    "maxInstanceLifetime",
    "maxPrice",
    "maxSize",
    "minSize",
    "mixedInstancesPolicy",
    "role",
    "rollingUpdate",
    "rootVolumeDeleteOnTermination",
    "rootVolumeEncryption",
    "rootVolumeEncryptionKey",
    "rootVolumeIops",
    "rootVolumeOptimization",
    "rootVolumeSize",
    "rootVolumeThroughput",
    "rootVolumeType",
    "securityGroupOverride",
    "spotDurationInMinutes",
    "subnets",
    "suspendProcesses",
    "tenancy",
    "volumes",
    "guestAccelerators",
    "gcpProvisioningModel",
    "zones",
];

/// What a cluster should be.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredCluster {
    /// Its name.
    pub cluster: ClusterName,
    /// The account it lives in.
    pub account: AccountId,
    /// The region it lives in.
    pub region: Region,
    /// The digest of everything here that can reach the cluster. A comment or the order of keys does not change it.
    pub digest: Digest,
    pub groups: BTreeMap<AsgName, DesiredGroup>,
    /// The other documents, by `Kind/name` or `Kind/namespace/name`: the Cluster, Karpenter's groups, objects.
    documents: BTreeMap<String, PackedJson>,
}

/// What a group should be.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredGroup {
    /// AutoScalingGroup and launch template.
    pub definition: Shared<Definition>,
    /// What its instances are.
    pub role: Role,
    /// How its instances are replaced, as far as the manifests say.
    pub rolling_update: RollingUpdate,
    /// User data, base64, when the fleet gives it; none: carried over from the version the group runs.
    pub user_data: Option<Shared<String>>,
    /// Whether the group is never retired.
    pub protect: bool,
    /// The InstanceGroup as git has it, of which [`DesiredGroup::bootstrap`] and [`DesiredGroup::compiled`] are parts.
    manifest: PackedJson,
}

/// What a fleet says about a group beside its manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupExtras {
    /// User data, base64.
    pub user_data: Option<String>,
    /// Whether the group is never retired.
    pub protect: bool,
}

/// Exactly what the digest is taken of.
#[derive(Serialize)]
struct Content {
    documents: BTreeMap<String, Json>,
    groups: BTreeMap<AsgName, GroupContent>,
}

/// How a group is rolled and whether it is protected are not what it is; what its definition carries of its manifest is said by the definition.
#[derive(Serialize)]
struct GroupContent {
    definition: Digest,
    user_data: Option<Shared<String>>,
    bootstrap: BTreeMap<String, Json>,
}

impl DesiredCluster {
    /// Compiles the manifests of a cluster. `extras`: by group; a group that is not named has none.
    ///
    /// # Errors
    /// As [`compile`], and when `extras` names a group that is not there.
    pub fn new(
        manifests: &Manifests,
        account: AccountId,
        region: Region,
        extras: &BTreeMap<GroupName, GroupExtras>,
    ) -> Result<Self, DesiredError> {
        if let Some(unknown) = extras
            .keys()
            .find(|name| manifests.groups.iter().all(|g| g.name != **name))
        {
            return Err(DesiredError::NoSuchGroup(unknown.clone()));
        }
        let mut definitions: BTreeMap<GroupName, Definition> = compile(manifests)?
            .into_iter()
            .map(|d| (d.instance_group.clone(), d))
            .collect();
        let mut groups = BTreeMap::new();
        let mut contents = BTreeMap::new();
        for group in &manifests.groups {
            if let Some(definition) = definitions.remove(&group.name) {
                let (definition, digest) = definition.with_digest();
                let name = definition
                    .auto_scaling_group
                    .auto_scaling_group_name
                    .clone();
                let extra = extras.get(&group.name).cloned().unwrap_or_default();
                if let Some(bytes) = extra.user_data.as_deref().and_then(oversized_user_data) {
                    return Err(DesiredError::UserData {
                        group: group.name.clone(),
                        bytes,
                    });
                }
                let user_data = extra.user_data.map(Shared::from);
                let content = GroupContent {
                    definition: digest,
                    user_data: user_data.clone(),
                    bootstrap: beside_definition(&group.value),
                };
                contents.insert(name.clone(), content);
                let desired = DesiredGroup {
                    definition: definition.into(),
                    role: group.role,
                    rolling_update: group.rolling_update.clone(),
                    user_data,
                    protect: extra.protect,
                    manifest: PackedJson::new(group.value.clone()),
                };
                groups.insert(name, desired);
            }
        }
        let documents = documents(manifests);
        let content = Content {
            documents,
            groups: contents,
        };
        let digest = digest_of(&content);
        let documents = content.documents.into_iter();
        let documents = documents
            .map(|(key, value)| (key, PackedJson::new(value)))
            .collect();
        Ok(DesiredCluster {
            cluster: manifests.cluster.name.clone(),
            account,
            region,
            digest,
            groups,
            documents,
        })
    }

    /// The manifest of the Cluster, keys sorted.
    pub fn manifest(&self) -> Option<Json> {
        self.document(&format!("Cluster/{}", self.cluster))
    }

    /// One of the other documents, keys sorted.
    pub fn document(&self, key: &str) -> Option<Json> {
        self.documents.get(key).map(PackedJson::tree)
    }

    /// Whether there is such a document beside the groups.
    pub fn has_document(&self, key: &str) -> bool {
        self.documents.contains_key(key)
    }

    /// The other documents with keys sorted, by `Kind/name` or `Kind/namespace/name`: the Cluster, Karpenter's groups, objects.
    pub fn documents(&self) -> impl Iterator<Item = (&String, Json)> {
        self.documents.iter().map(|(key, text)| (key, text.tree()))
    }

    /// Everything git wants that is not carried out by changing a group's definition: the documents, and of each
    /// InstanceGroup the fields that kops puts into user data (as `InstanceGroup/name`).
    pub fn beside_definitions(&self) -> BTreeMap<String, Json> {
        let groups = self.groups.values().filter_map(|group| {
            let fields = group.bootstrap();
            let key = format!("InstanceGroup/{}", group.definition.instance_group);
            (!fields.is_empty()).then(|| (key, fields.into_iter().collect()))
        });
        let documents = self.documents().map(|(key, value)| (key.clone(), value));
        documents.chain(groups).collect()
    }
}

impl DesiredGroup {
    /// Fields of its `spec` that no definition carries, keys sorted: kops puts them into user data or add-ons.
    pub fn bootstrap(&self) -> BTreeMap<String, Json> {
        beside_definition(&self.manifest.tree())
    }

    /// Fields of its `spec` that its definition carries, keys sorted: the manifest's own words for it.
    pub fn compiled(&self) -> BTreeMap<String, Json> {
        of_definition(&self.manifest.tree())
    }
}

/// Fields of an InstanceGroup's `spec` that its definition does not carry, keys sorted.
pub fn beside_definition(group: &Json) -> BTreeMap<String, Json> {
    spec_fields(group, |key| !COMPILED.contains(&key))
}

/// Fields of an InstanceGroup's `spec` that its definition carries, keys sorted.
pub fn of_definition(group: &Json) -> BTreeMap<String, Json> {
    spec_fields(group, |key| COMPILED.contains(&key))
}

fn spec_fields(group: &Json, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, Json> {
    let spec = group
        .get("spec")
        .and_then(Json::as_object)
        .into_iter()
        .flatten();
    spec.filter(|(key, value)| wanted(key) && !value.is_null())
        .map(|(k, v)| (k.clone(), sorted(v)))
        .collect()
}

fn documents(manifests: &Manifests) -> BTreeMap<String, Json> {
    let cluster = (
        format!("Cluster/{}", manifests.cluster.name),
        sorted(&manifests.cluster.value),
    );
    let mut documents = BTreeMap::from([cluster]);
    for object in manifests.karpenter.iter().chain(&manifests.others) {
        // Only objects without a name can share a key: they are counted, so that none is lost.
        let key = object.key();
        let numbered = (2..).map(|n| format!("{key} #{n}"));
        if let Some(free) = std::iter::once(key.clone())
            .chain(numbered)
            .find(|k| !documents.contains_key(k))
        {
            documents.insert(free, sorted(&object.value));
        }
    }
    documents
}

/// The same value with the keys of every mapping sorted.
fn sorted(value: &Json) -> Json {
    let mut value = value.clone();
    value.sort_all_objects();
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kops, yaml};

    const MANIFESTS: &str = "\
apiVersion: kops.k8s.io/v1alpha2
kind: Cluster
metadata: {name: c.example.com}
spec:
  cloudProvider: aws
  kubernetesVersion: 1.34.0
  rollingUpdate: {maxSurge: 25%}
  etcdClusters: [{name: main, etcdMembers: [{name: a, instanceGroup: cp}]}]
  subnets: [{name: a, type: Public, zone: eu-west-3a}]
---
apiVersion: kops.k8s.io/v1alpha2
kind: InstanceGroup
metadata: {name: cp, labels: {kops.k8s.io/cluster: c.example.com}}
spec: {role: Master, image: i, machineType: m5.large, subnets: [a]}
---
apiVersion: kops.k8s.io/v1alpha2
kind: InstanceGroup
metadata: {name: nodes, labels: {kops.k8s.io/cluster: c.example.com}}
spec: {role: Node, image: i, machineType: m5.large, subnets: [a], sysctlParameters: [a=1]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: m, namespace: n}
data: {k: v}
";

    fn desired(text: &str, extras: &[(&str, GroupExtras)]) -> DesiredCluster {
        let manifests = kops::read(&yaml::parse(text, yaml::Schema::Core).unwrap()).unwrap();
        let extras = extras
            .iter()
            .map(|(name, extra)| (GroupName::new(*name).unwrap(), extra.clone()))
            .collect();
        DesiredCluster::new(
            &manifests,
            AccountId::new("111122223333").unwrap(),
            Region::new("eu-west-3").unwrap(),
            &extras,
        )
        .unwrap()
    }

    #[test]
    fn the_digest_is_of_the_meaning() {
        let digest = |text: &str| desired(text, &[]).digest;
        let plain = digest(MANIFESTS);
        for (from, to) in [
            ("kind: ConfigMap", "kind: ConfigMap # a comment"),
            ("{name: m, namespace: n}", "{namespace: n, name: m}"),
            (
                "image: i, machineType: m5.large, subnets: [a]}",
                "subnets: [a], machineType: m5.large, image: \"i\"}",
            ),
        ] {
            assert_eq!(digest(&MANIFESTS.replace(from, to)), plain, "{to}");
        }
        for (from, to) in [
            ("data: {k: v}", "data: {k: w}"),
            ("1.34.0", "1.34.1"),
            (
                "machineType: m5.large, subnets: [a], sysctl",
                "machineType: m6i.large, subnets: [a], sysctl",
            ),
            ("[a=1]", "[a=2]"),
        ] {
            assert_ne!(digest(&MANIFESTS.replace(from, to)), plain, "{to}");
        }
        let user_data = GroupExtras {
            user_data: Some("eA==".into()),
            protect: false,
        };
        assert_ne!(desired(MANIFESTS, &[("nodes", user_data)]).digest, plain);
        let protect = GroupExtras {
            user_data: None,
            protect: true,
        };
        assert_eq!(
            desired(MANIFESTS, &[("nodes", protect)]).digest,
            plain,
            "protection is not what a group is"
        );
    }

    #[test]
    fn taking_a_digest_changes_no_definition() {
        let text = include_str!("../../rendered/prod-acme.k8s.foo.bar/manifests.yaml");
        let manifests = kops::read(&yaml::parse(text, yaml::Schema::Core).unwrap()).unwrap();
        let definitions = compile(&manifests).unwrap();
        assert!(
            definitions
                .iter()
                .any(|d| d.auto_scaling_group.mixed_instances_policy.is_some())
        );
        for definition in definitions {
            let canonical = definition.clone().canonical();
            let (same, digest) = definition.clone().with_digest();
            assert_eq!((same, digest), (definition, digest_of(&canonical)));
        }
    }

    #[test]
    fn everything_of_a_manifest_is_carried_somewhere() {
        let cluster = desired(MANIFESTS, &[]);
        let documents: Vec<&str> = cluster.documents.keys().map(String::as_str).collect();
        assert_eq!(documents, ["Cluster/c.example.com", "ConfigMap/n/m"]);
        let groups: Vec<&str> = cluster.groups.keys().map(AsgName::as_str).collect();
        assert_eq!(groups, ["cp.masters.c.example.com", "nodes.c.example.com"]);
        let nodes = cluster.groups.values().last().unwrap();
        assert_eq!(
            nodes.bootstrap().keys().collect::<Vec<_>>(),
            ["sysctlParameters"]
        );
        assert_eq!(
            nodes.rolling_update.max_surge,
            Some(crate::fleet::Amount::Percent(25)),
            "from the Cluster"
        );
    }

    #[test]
    fn objects_without_a_name_are_all_kept() {
        let object = |profile: &str| {
            format!(
                "---\napiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nprofile: {profile}\n"
            )
        };
        let cluster = desired(&(MANIFESTS.to_owned() + &object("a") + &object("b")), &[]);
        let profile = |key: &str| cluster.document(key).unwrap()["profile"].clone();
        assert_eq!(
            [
                profile("KubeSchedulerConfiguration"),
                profile("KubeSchedulerConfiguration #2")
            ],
            ["a", "b"]
        );
    }

    #[test]
    fn extras_of_a_group_that_is_not_there_are_an_error() {
        let manifests = kops::read(&yaml::parse(MANIFESTS, yaml::Schema::Core).unwrap()).unwrap();
        let extras = BTreeMap::from([(GroupName::new("gone").unwrap(), GroupExtras::default())]);
        let error = DesiredCluster::new(
            &manifests,
            AccountId::new("111122223333").unwrap(),
            Region::new("x").unwrap(),
            &extras,
        );
        assert_eq!(
            error.unwrap_err().to_string(),
            "the manifests have no group gone"
        );
    }
}
