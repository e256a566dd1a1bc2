//! What a rule can look at: a cluster's manifests, their definitions, and what cluster-autoscaler makes of them. Judges nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use super::finding::RuleFindings;
use super::id::RuleId;
use crate::desired::{Autoscaler, DesiredCluster, DesiredError, Discovery, autoscaler, compile};
use crate::fleet::Rolling;
use crate::kops::{
    InstanceGroup, InstanceType, ManifestObject, Manifests, Role, Taint, instance_type,
};
use crate::model::{AccountId, ClusterName, Definition, GroupName, LiveCluster, Region, Shared};
use crate::yaml::Pos;

/// The whole fleet.
#[derive(Clone, Debug, Default)]
pub struct FleetFacts {
    /// Its clusters, sorted by name.
    pub clusters: Vec<Arc<ClusterFacts>>,
    /// The live state of those that were looked at; none: none was.
    pub live: Option<BTreeMap<ClusterName, LiveCluster>>,
    /// How groups are rolled that have no word of their own.
    pub rolling: Rolling,
    /// Instance types that regions have by now, whatever the program's table says.
    pub accept: BTreeSet<String>,
}

impl FleetFacts {
    /// What it says about all of its clusters.
    pub(super) fn around(&self) -> FleetWide<'_> {
        FleetWide {
            live: self.live.as_ref(),
            rolling: &self.rolling,
            accept: &self.accept,
        }
    }
}

/// What a fleet says about all of its clusters.
#[derive(Clone, Copy, Debug)]
pub struct FleetWide<'f> {
    /// The live state of those that were looked at; none: none was.
    pub live: Option<&'f BTreeMap<ClusterName, LiveCluster>>,
    /// How groups are rolled that have no word of their own.
    pub rolling: &'f Rolling,
    /// Instance types that regions have by now, whatever the program's table says.
    pub accept: &'f BTreeSet<String>,
}

/// One cluster.
#[derive(Clone, Debug)]
pub struct ClusterFacts {
    pub name: ClusterName,
    pub environment: String,
    pub account: AccountId,
    pub region: Region,
    pub(super) manifests: Manifests,
    pub(super) definitions: BTreeMap<GroupName, Shared<Definition>>,
    pub(super) autoscaler: Autoscaler,
    /// What rules that look at no other cluster have found here; none: they have not looked yet.
    pub(super) looked: Option<Looked>,
}

/// What each rule that looks at one cluster alone has found in it.
pub(super) type Looked = BTreeMap<RuleId, RuleFindings>;

/// A group with its definition.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupFacts<'a> {
    pub(super) group: &'a InstanceGroup,
    pub(super) definition: &'a Definition,
    /// Whether cluster-autoscaler scales it.
    pub(super) scaled: bool,
}

impl ClusterFacts {
    /// Brings a cluster's manifests into the form that rules read.
    ///
    /// # Errors
    /// When the manifests make no definitions.
    pub fn new(
        name: ClusterName,
        environment: String,
        account: AccountId,
        region: Region,
        manifests: Manifests,
    ) -> Result<Self, DesiredError> {
        let definitions = compile(&manifests)?
            .into_iter()
            .map(|d| (d.instance_group.clone(), d.into()))
            .collect();
        let autoscaler = autoscaler(&manifests)?;
        Ok(ClusterFacts {
            name,
            environment,
            account,
            region,
            manifests,
            definitions,
            autoscaler,
            looked: None,
        })
    }

    /// The same of a cluster that its manifests were compiled for already.
    ///
    /// # Errors
    /// As [`ClusterFacts::new`].
    pub fn of(
        desired: &DesiredCluster,
        environment: String,
        manifests: Manifests,
    ) -> Result<Self, DesiredError> {
        let definitions = desired.groups.values().map(|g| g.definition.clone());
        let autoscaler = autoscaler(&manifests)?;
        Ok(ClusterFacts {
            name: desired.cluster.clone(),
            environment,
            account: desired.account.clone(),
            region: desired.region.clone(),
            manifests,
            definitions: definitions.map(|d| (d.instance_group.clone(), d)).collect(),
            autoscaler,
            looked: None,
        })
    }

    /// Lets go of what only rules look at that look at no other cluster: the trees of the documents are most of what it holds.
    pub(super) fn let_go(&mut self) {
        self.manifests.others = Vec::new();
        self.autoscaler.groups = Vec::new();
        self.autoscaler.expander = None;
        for group in &mut self.manifests.groups {
            group.value = Json::Null;
            group.fields.retain(|field, _| field == LOCATED);
            group.subnets = Vec::new();
            group.mixed = None;
            group.cloud_labels.clear();
            group.kubelet_labels.clear();
            group.node_labels.clear();
        }
        let spec = self.manifests.cluster.value.get_mut("spec");
        if let Some(spec) = spec.and_then(Json::as_object_mut) {
            spec.retain(|field, _| COMPARED.contains(&field.as_str()));
        }
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = GroupFacts<'_>> {
        self.manifests.groups.iter().filter_map(|group| {
            let definition = self.definitions.get(&group.name)?;
            let scaled = self
                .autoscaler
                .groups
                .iter()
                .any(|g| g.group == group.name && g.scaled);
            Some(GroupFacts {
                group,
                definition,
                scaled,
            })
        })
    }

    /// What is missing where nothing says how cluster-autoscaler finds groups of this cluster, and so whether it scales any.
    pub(super) fn lacks_autoscaler(&self) -> Option<&'static str> {
        let is_tagged = |g: GroupFacts<'_>| {
            g.tags()
                .any(|(key, _)| key.starts_with(AUTOSCALER_TAG) && !key.starts_with(NODE_TAG))
        };
        let is_known = matches!(self.autoscaler.discovery, Discovery::Names { .. })
            || self.workloads().any(|(o, _)| is_autoscaler(o))
            || self.groups().any(is_tagged);
        (!is_known).then_some(
            "how cluster-autoscaler finds groups: its tags on one, kops' add-on, or its Deployment among the manifests",
        )
    }

    /// What is missing where Karpenter runs some of its nodes: they are in no AutoScalingGroup, and have limits of their own.
    pub(super) fn lacks_groups(&self) -> Option<&'static str> {
        let groups = &self.manifests.karpenter;
        (!groups.is_empty())
            .then_some("the groups that Karpenter runs: they are in no AutoScalingGroup")
    }

    /// Groups whose instances run applications.
    pub(super) fn workers(&self) -> impl Iterator<Item = GroupFacts<'_>> {
        self.groups().filter(|g| g.group.role == Role::Node)
    }

    pub(super) fn control_planes(&self) -> impl Iterator<Item = GroupFacts<'_>> {
        self.groups().filter(|g| g.group.role == Role::ControlPlane)
    }

    /// A value of the Cluster's `spec`, by JSON pointer.
    pub(super) fn spec(&self, pointer: &str) -> Option<&Json> {
        let value = self.manifests.cluster.value.get("spec")?.pointer(pointer)?;
        (!value.is_null()).then_some(value)
    }

    pub(super) fn spec_u64(&self, pointer: &str) -> Option<u64> {
        self.spec(pointer)?.as_u64()
    }

    pub(super) fn subject(&self) -> String {
        format!("Cluster/{}", self.name)
    }

    pub(super) fn pos(&self) -> Option<Pos> {
        Some(self.manifests.cluster.pos)
    }

    /// Most nodes that its groups of workers can have together.
    pub(super) fn most_nodes(&self) -> u64 {
        self.workers().map(|g| u64::from(g.group.max_size)).sum()
    }

    /// Most pods that these nodes can have. Kubelets take 110 where nothing is said. Source: kubelet, `maxPods`.
    pub(super) fn most_pods(&self) -> u64 {
        let of_cluster = self.spec_u64("/kubelet/maxPods").unwrap_or(110);
        let pods = |g: GroupFacts<'_>| {
            let own = g.group.value.pointer("/spec/kubelet/maxPods");
            let pods = own.and_then(Json::as_u64).unwrap_or(of_cluster);
            u64::from(g.group.max_size).saturating_mul(pods)
        };
        self.workers().map(pods).fold(0, u64::saturating_add)
    }

    /// Whether similar groups are balanced, as kops' add-on or the autoscaler's own document says; none: neither is there.
    pub(super) fn balancing(&self) -> Option<Balancing> {
        let addon = |field: &str| self.spec(&format!("/clusterAutoscaler/{field}"))?.as_bool();
        if addon("enabled") == Some(true) {
            // kops' add-on balances where it is told to. Source: kops, `clusterAutoscaler.balanceSimilarNodeGroups`.
            return Some(Balancing {
                subject: self.subject(),
                pos: self.pos(),
                is_on: addon("balanceSimilarNodeGroups") == Some(true),
                ignored: Vec::new(),
            });
        }
        let mut workloads = self.workloads();
        let (object, pod) = workloads.find(|(o, _)| o.kind == "Deployment" && is_autoscaler(o))?;
        let fields = containers(pod)
            .flat_map(|c| [c.get("command"), c.get("args")])
            .flatten();
        let words: Vec<&str> = fields
            .filter_map(Json::as_array)
            .flatten()
            .filter_map(Json::as_str)
            .collect();
        let ignored = words
            .iter()
            .filter_map(|a| a.strip_prefix("--balancing-ignore-label="));
        Some(Balancing {
            subject: object.key(),
            pos: Some(object.pos),
            is_on: words.iter().any(|a| BALANCES.contains(a)),
            ignored: ignored.map(str::to_owned).collect(),
        })
    }

    /// The zones of its subnets that workers can use.
    pub(super) fn zones(&self) -> BTreeSet<&str> {
        use crate::kops::SubnetKind;
        let usable = self
            .manifests
            .cluster
            .subnets
            .iter()
            .filter(|s| s.kind != SubnetKind::Utility);
        usable.filter_map(|s| s.zone.as_deref()).collect()
    }

    /// Objects that are neither the Cluster nor an InstanceGroup.
    pub(super) fn objects(&self) -> impl Iterator<Item = &ManifestObject> {
        self.manifests.others.iter()
    }

    /// The objects that run pods, each with its pod's `spec`.
    pub(super) fn workloads(&self) -> impl Iterator<Item = (&ManifestObject, &Json)> {
        self.objects().filter_map(|o| {
            let pointer = match o.kind.as_str() {
                "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => {
                    "/spec/template/spec"
                }
                "CronJob" => "/spec/jobTemplate/spec/template/spec",
                "Pod" => "/spec",
                _ => return None,
            };
            Some((o, o.value.pointer(pointer)?))
        })
    }
}

/// The field of a group whose place is shown by a rule that compares clusters.
const LOCATED: &str = "cloudLabels";

/// The fields of a Cluster's `spec` that rules compare between clusters.
const COMPARED: [&str; 5] = [
    "additionalNetworkCIDRs",
    "kubernetesVersion",
    "networkCIDR",
    "networkID",
    "subnets",
];

/// What the tags of cluster-autoscaler begin with.
const AUTOSCALER_TAG: &str = "k8s.io/cluster-autoscaler/";
/// What those of them begin with that say how a node will be.
pub(super) const NODE_TAG: &str = "k8s.io/cluster-autoscaler/node-template/";

/// What a rule about instance types needs where AWS chooses them.
pub(super) const BY_ATTRIBUTES: &str =
    "the types of a group whose instances AWS chooses by attributes";

/// What a rule about balancing needs where nothing says whether similar groups are balanced.
pub(super) const NO_ARGUMENTS: &str =
    "kops' add-on, or the autoscaler's Deployment among the manifests, for its arguments";

/// The words by which cluster-autoscaler balances. Source: cluster-autoscaler FAQ, the parameters.
const BALANCES: [&str; 2] = [
    "--balance-similar-node-groups",
    "--balance-similar-node-groups=true",
];

/// Whether an object is cluster-autoscaler's own.
pub(super) fn is_autoscaler(object: &ManifestObject) -> bool {
    let name = object.name.as_deref();
    name.is_some_and(|n| n.contains("cluster-autoscaler"))
}

/// Whether cluster-autoscaler keeps groups that are alike at one size, and what it leaves aside when it compares them.
pub(super) struct Balancing {
    /// The document that says so.
    pub(super) subject: String,
    pub(super) pos: Option<Pos>,
    pub(super) is_on: bool,
    pub(super) ignored: Vec<String>,
}

/// The containers of a pod's `spec`.
pub(super) fn containers(pod: &Json) -> impl Iterator<Item = &Json> {
    pod.get("containers")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
}

impl<'a> GroupFacts<'a> {
    pub(super) fn subject(&self) -> String {
        format!("InstanceGroup/{}", self.group.name)
    }

    /// Where a field of its `spec` stands; the document where it is not written.
    pub(super) fn at(&self, field: &str) -> Option<Pos> {
        Some(
            self.group
                .fields
                .get(field)
                .copied()
                .unwrap_or(self.group.pos),
        )
    }

    pub(super) fn tags(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.definition
            .auto_scaling_group
            .tags
            .iter()
            .map(|t| (t.key.as_str(), t.value.as_str()))
    }

    /// Whether any of its instances can be spot.
    pub(super) fn is_spot(&self) -> bool {
        let data = &self.definition.launch_template.launch_template_data;
        let mixed = self
            .definition
            .auto_scaling_group
            .mixed_instances_policy
            .as_ref()
            // AWS's default is 100 percent on-demand.
            .and_then(|p| {
                p.instances_distribution
                    .on_demand_percentage_above_base_capacity
            })
            .is_some_and(|percent| percent < 100);
        mixed || data.instance_market_options.is_some()
    }

    /// Its instance types, the base first; empty where AWS chooses by attributes.
    pub(super) fn types(&self) -> Vec<&'a str> {
        let group = &self.definition.auto_scaling_group;
        let overrides: Vec<&str> = group
            .mixed_instances_policy
            .iter()
            .flat_map(|p| &p.overrides)
            .filter_map(|o| o.instance_type.as_deref())
            .collect();
        let by_attributes = group
            .mixed_instances_policy
            .iter()
            .flat_map(|p| &p.overrides)
            .any(|o| o.instance_type.is_none());
        if overrides.is_empty() && !by_attributes {
            vec![
                self.definition
                    .launch_template
                    .launch_template_data
                    .instance_type
                    .as_str(),
            ]
        } else {
            overrides
        }
    }

    /// Those of its types that the table knows.
    pub(super) fn known_types(&self) -> Vec<&'static InstanceType> {
        self.types().into_iter().filter_map(instance_type).collect()
    }

    /// What is missing where not all of its types are known.
    pub(super) fn lacks_types(&self) -> Option<String> {
        let types = self.types();
        if types.is_empty() {
            return Some(BY_ATTRIBUTES.to_owned());
        }
        let unknown: Vec<&str> = types
            .into_iter()
            .filter(|t| instance_type(t).is_none())
            .collect();
        let names = unknown.join(", ");
        (!unknown.is_empty()).then(|| format!("the size of {names}, which the table does not have"))
    }

    pub(super) fn zones(&self) -> BTreeSet<&'a str> {
        self.group
            .subnets
            .iter()
            .filter_map(|s| s.zone.as_deref())
            .collect()
    }

    /// What pods ask for to land here: labels and taints, less those that only say how instances are bought or which group this is.
    pub(super) fn workload(&self) -> (BTreeMap<&'a str, &'a str>, BTreeSet<String>) {
        let labels = self
            .group
            .node_labels
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .filter(|(k, v)| !says_purchase(k, v))
            .collect();
        let taints = self
            .group
            .taints
            .iter()
            .filter(|t| !says_purchase(&t.key, t.value.as_deref().unwrap_or_default()))
            .map(taint_text)
            .collect();
        (labels, taints)
    }

    /// The same as one line, for grouping.
    pub(super) fn workload_key(&self) -> String {
        let (labels, taints) = self.workload();
        let labels = labels.iter().map(|(k, v)| format!("{k}={v}"));
        labels.chain(taints).collect::<Vec<_>>().join(" ")
    }
}

/// `key=value:Effect`.
pub(super) fn taint_text(taint: &Taint) -> String {
    format!(
        "{}={}:{}",
        taint.key,
        taint.value.as_deref().unwrap_or_default(),
        taint.effect.as_deref().unwrap_or_default()
    )
}

/// Whether a label or taint says only how an instance is bought, or which group it is of: kops gives every node the latter.
fn says_purchase(key: &str, value: &str) -> bool {
    let last = key.rsplit('/').next().unwrap_or(key).to_ascii_lowercase();
    let value = value.to_ascii_lowercase();
    let is_spot = |text: &str| {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric());
        text == "on-demand"
            || words
                .into_iter()
                .any(|w| matches!(w, "spot" | "ec2spot" | "isspot" | "ondemand"))
    };
    matches!(
        last.as_str(),
        "lifecycle" | "capacity-type" | "capacitytype" | "node-lifecycle" | "on-demand"
    ) || key == "kops.k8s.io/instancegroup"
        || is_spot(&last)
        || is_spot(&value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_a_purchase_are_told_from_others() {
        for (key, value) in [
            ("node.kubernetes.io/lifecycle", "normal"),
            ("node-role.kubernetes.io/spot-worker", "true"),
            ("k8s.info/isSpot", "true"),
            ("node-type", "spot"),
            ("lifecycle", "Ec2Spot"),
            ("a/pool", "on-demand"),
            ("kops.k8s.io/instancegroup", "nodes"),
        ] {
            assert!(says_purchase(key, value), "{key}={value}");
        }
        for (key, value) in [("app", "spotify"), ("a/pool", "apps"), ("demand", "on")] {
            assert!(!says_purchase(key, value), "{key}={value}");
        }
    }
}
