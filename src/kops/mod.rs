//! kops manifests → typed Cluster and InstanceGroups, strictly decoded and checked, every fault with its place. No cloud, no files, no AWS names.
//!
//! ```text
//!  yaml::Document ─ schema (names, types: fields.txt) ─ *_check (kops' own validation) ─ *_read (kops' defaults) ─ cross ─ Manifests
//! ```
//!
//! What kops looks up in AWS (an image, a machine type) must be written: a definition is never built on a guess.

mod addons_check;
mod api;
mod boot_check;
mod choices;
mod cidr;
mod cluster;
mod cluster_check;
mod cluster_read;
mod complaint;
mod components_check;
mod cross;
mod dns_check;
mod ebs_check;
mod error;
mod etcd_read;
mod group;
mod group_check;
mod group_read;
mod identity_check;
mod image;
mod instance_types;
mod karpenter;
mod labels;
mod network_check;
mod newer;
mod object;
mod provider_check;
mod ranges_check;
mod releases;
mod role;
mod rolling;
mod schema;
pub mod stored;
mod subnets;
mod taints;
mod target;
mod types_check;
mod values;
mod view;
mod warm_pool;
mod zones;

use std::collections::BTreeSet;

pub use cluster::{
    ApiLoadBalancer, AutoscalerAddon, Cluster, Dns, EtcdCluster, LoadBalancerClass,
    PriorityExpander, RollingUpdate, Subnet, SubnetKind, TerminationQueue,
};
pub use complaint::{LineOfField, field_line, fields_in};
pub(crate) use ebs_check::root_size;
pub use error::{KopsError, KopsErrors};
pub use group::{
    ExternalLoadBalancer, GroupVolumes, InstanceGroup, InstanceMetadata, MixedPolicy, Requirements,
    RootVolume, SpotSettings, Volume, WarmPoolSpec,
};
pub use image::{floats, owner_and_name};
pub use instance_types::{Architecture, InstanceType, instance_type, instance_types};
pub(crate) use labels::{LABEL_TAG, TAINT_TAG};
pub use object::ManifestObject;
pub(crate) use releases::{Subject, ended, latest_kops};
pub use role::{MachineKind, MachineRules, Phase, Role};
pub use target::KopsTarget;
pub use values::Taint;

use crate::model::{GroupName, KopsVersion};
use crate::yaml::{Document, Node, Value};
use error::Problems;
use object::{GroupMember, label};
use schema::{Strict, suggest};
use view::View;

/// The manifests of one cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifests {
    /// The kops whose rules they were read by.
    pub kops: KopsVersion,
    pub cluster: Cluster,
    /// Its groups that are AutoScalingGroups, sorted by name.
    pub groups: Vec<InstanceGroup>,
    /// Its groups that Karpenter runs: they have neither AutoScalingGroup nor launch template. Sorted by name.
    pub karpenter: Vec<ManifestObject>,
    /// Everything else, in the order written.
    pub others: Vec<ManifestObject>,
    /// What is odd but stops nothing, such as a setting that has no effect.
    pub warnings: Vec<KopsError>,
    /// Fields of the Cluster that kops drops or refuses, and that no definition depends on. Who compiles a stranger's
    /// manifests warns of them; a fleet that writes its own refuses them.
    pub misread: Vec<KopsError>,
}

/// Reads the documents of one cluster by the rules of the newest kops: one Cluster, its InstanceGroups, other objects.
///
/// # Errors
/// Every fault found in any of the documents.
pub fn read(documents: &[Document]) -> Result<Manifests, KopsErrors> {
    read_for(documents, &KopsTarget::default())
}

/// As [`read`], for the kops and the region of `target`.
///
/// # Errors
/// As [`read`].
pub fn read_for<'a>(
    documents: impl IntoIterator<Item = &'a Document>,
    target: &KopsTarget,
) -> Result<Manifests, KopsErrors> {
    let mut problems = Problems::default();
    let sorted = Sorted::new(documents.into_iter(), &mut problems);
    if let Some(elsewhere) = elsewhere(&sorted) {
        return Err(KopsErrors(vec![elsewhere]));
    }
    let cluster = sorted.clusters.first().and_then(|root| {
        problems.of(label(root));
        cluster_read::read(root, &api_subnets(&sorted.groups), target, &mut problems)
    });
    let region = sorted
        .clusters
        .first()
        .and_then(|root| zones::region(View::new(root.get("spec")?), target));
    let mut groups = Vec::new();
    let mut karpenter = Vec::new();
    let mut members = Vec::new();
    for root in &sorted.groups {
        problems.of(label(root));
        if let Some(spec) = root.get("spec") {
            types_check::check(View::new(spec), target, region, &mut problems);
            zones::of_group(View::new(spec), target, region, &mut problems);
        }
        match group(root, cluster.as_ref(), target, &mut members, &mut problems) {
            Some(Group::Asg(group)) => groups.push(*group),
            Some(Group::Karpenter(object)) => karpenter.push(object),
            None => {}
        }
    }
    let clusters = &sorted.clusters;
    cross::check(
        clusters,
        cluster.as_ref(),
        &sorted.groups,
        &members,
        &mut problems,
    );
    cross::same_names(&sorted.others, &mut problems);
    cross::schedulers(&sorted.others, &mut problems);
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    karpenter.sort_by(|a, b| a.name.cmp(&b.name));
    problems.errors.sort_by_key(|e| e.pos);
    problems.warnings.sort_by_key(|e| e.pos);
    problems.misread.sort_by_key(|e| e.pos);
    match cluster {
        Some(cluster) if problems.errors.is_empty() => Ok(Manifests {
            kops: target.version,
            cluster,
            groups,
            karpenter,
            others: sorted.others,
            warnings: problems.warnings,
            misread: problems.misread,
        }),
        Some(_) | None => Err(KopsErrors(problems.refused())),
    }
}

/// A cluster of another cloud: nothing else that is found in its manifests says anything.
fn elsewhere(sorted: &Sorted<'_>) -> Option<KopsError> {
    let other = |root: &&Node| {
        let node = root.at(["spec", "cloudProvider"])?;
        let name = node.as_str().filter(|p| !matches!(*p, "" | "aws"))?;
        Some(KopsError {
            pos: node.pos,
            document: label(root),
            message: format!(
                "`spec.cloudProvider` is `{name}`, and kfleet is for kops on AWS only"
            ),
            hint: None,
        })
    };
    sorted.clusters.iter().find_map(other)
}

/// The documents by what they are.
struct Sorted<'a> {
    clusters: Vec<&'a Node>,
    groups: Vec<&'a Node>,
    others: Vec<ManifestObject>,
}

impl<'a> Sorted<'a> {
    fn new(documents: impl Iterator<Item = &'a Document>, problems: &mut Problems) -> Self {
        let mut sorted = Sorted {
            clusters: Vec::new(),
            groups: Vec::new(),
            others: Vec::new(),
        };
        for root in documents.map(|d| &d.root).filter(|r| !r.is_null()) {
            problems.of(label(root));
            let Some(object) = envelope(root, problems) else {
                continue;
            };
            let version = api_version(root);
            let known = is_known(version);
            let of_kops =
                known || version.starts_with("kops.k8s.io/") || version.starts_with("kops/");
            match object.kind.as_str() {
                "Cluster" | "InstanceGroup" if of_kops && !known => {
                    other_version(root, version, problems);
                }
                "Cluster" if known => sorted.clusters.push(root),
                "InstanceGroup" if known => sorted.groups.push(root),
                _ => sorted.others.push(object),
            }
        }
        for root in sorted.clusters.iter().chain(&sorted.groups) {
            problems.of(label(root));
            top_level(root, problems);
        }
        sorted
    }
}

/// The version of kops' API that is read here.
fn is_known(version: &str) -> bool {
    matches!(version, "kops.k8s.io/v1alpha2" | "kops/v1alpha2")
}

fn api_version(root: &Node) -> &str {
    let version = root.get("apiVersion").and_then(Node::as_str);
    version.unwrap_or_default()
}

fn other_version(root: &Node, version: &str, problems: &mut Problems) {
    let at = root.get("apiVersion").map_or(root.pos, |n| n.pos);
    problems.error_hint(
        at,
        format!("`apiVersion: {version}` is not supported"),
        "kops.k8s.io/v1alpha2 is",
    );
}

/// What every document must have.
fn envelope(root: &Node, problems: &mut Problems) -> Option<ManifestObject> {
    if !matches!(root.value, Value::Map(_)) {
        problems.error(
            root.pos,
            format!("a manifest must be a mapping, and this is {}", root.kind()),
        );
        return None;
    }
    let mut text = |path: &[&str]| {
        let node = root.at(path.iter().copied());
        let value = node.and_then(Node::as_str).filter(|s| !s.is_empty());
        if value.is_none() {
            problems.error(
                node.map_or(root.pos, |n| n.pos),
                format!("`{}` is missing or no string", path.join(".")),
            );
        }
        value.map(str::to_owned)
    };
    let (version, kind) = (text(&["apiVersion"]), text(&["kind"]));
    let of_kops = version.as_ref().is_some_and(|v| v.starts_with("kops"));
    let named = of_kops || root.at(["metadata", "name"]).is_some();
    let name = if named {
        text(&["metadata", "name"]).map(Some)
    } else {
        Some(None)
    };
    let (Some(version), Some(kind), Some(name)) = (version, kind, name) else {
        return None;
    };
    let namespace = root
        .at(["metadata", "namespace"])
        .and_then(Node::as_str)
        .map(str::to_owned);
    // Of what has a type of its own here, that is made from the tree.
    let is_typed = is_known(&version) && matches!(kind.as_str(), "Cluster" | "InstanceGroup");
    Some(ManifestObject {
        kind,
        namespace,
        name,
        pos: root.pos,
        value: if is_typed {
            serde_json::Value::Null
        } else {
            root.to_json()
        },
    })
}

/// A kops document has these keys and no others.
fn top_level(root: &Node, problems: &mut Problems) {
    const KEYS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];
    for (key, _) in root
        .entries()
        .iter()
        .filter(|(k, _)| !KEYS.contains(&k.text.as_str()))
    {
        let message = format!(
            "unknown field `{}`; kops would drop it without a word",
            key.text
        );
        match suggest(&key.text, KEYS.into_iter()) {
            Some(meant) => {
                problems.error_hint(key.pos, message, format!("did you mean `{meant}`?"))
            }
            None => problems.error_hint(key.pos, message, "does it belong under `spec`?"),
        }
    }
}

/// The default of the cluster's `api` depends on where the groups are that serve it.
fn api_subnets(groups: &[&Node]) -> BTreeSet<String> {
    let role = |root: &Node| {
        root.at(["spec", "role"])
            .and_then(Node::as_str)
            .and_then(Role::parse)
    };
    let serving = groups
        .iter()
        .filter(|root| matches!(role(root), Some(Role::ControlPlane | Role::ApiServer)));
    serving
        .flat_map(|root| group_read::written_subnets(root))
        .map(str::to_owned)
        .collect()
}

enum Group {
    Asg(Box<InstanceGroup>),
    Karpenter(ManifestObject),
}

/// Checks and decodes a group. None: a fault was found.
fn group<'a>(
    root: &'a Node,
    cluster: Option<&Cluster>,
    target: &KopsTarget,
    members: &mut Vec<GroupMember<'a>>,
    problems: &mut Problems,
) -> Option<Group> {
    let before = problems.errors.len();
    let name_node = root.at(["metadata", "name"])?;
    let name = name_node.as_str().unwrap_or_default();
    if let Err(e) = GroupName::new(name) {
        problems.error(name_node.pos, e.to_string());
    }
    cluster_label(root, cluster, problems);
    let Some(node) = root.get("spec").filter(|n| !n.is_null()) else {
        problems.error(root.pos, "has no `spec`");
        return None;
    };
    schema::check("InstanceGroup", node, "spec", Strict::Everything, problems);
    let spec = View::new(node);
    newer::of_group(spec, target.version, problems);
    let role = role(spec, problems);
    group_check::check(spec, name, problems);
    boot_check::check(spec, role.unwrap_or(Role::Node), problems);
    components_check::containerd(spec.sub("containerd"), problems);
    let role = role?;
    members.push(GroupMember {
        name,
        role,
        pos: root.pos,
        role_pos: spec.at("role"),
    });
    if spec.str("manager") == Some("Karpenter") {
        let gates = cluster.and_then(|c| c.karpenter_gates.as_deref());
        karpenter::group(spec, role, gates, problems);
        let object = ManifestObject {
            kind: "InstanceGroup".into(),
            namespace: None,
            name: Some(name.into()),
            pos: root.pos,
            value: root.to_json(),
        };
        return (problems.errors.len() == before).then_some(Group::Karpenter(object));
    }
    let group = group_read::read(root, role, cluster?, problems)?;
    (problems.errors.len() == before).then(|| Group::Asg(Box::new(group)))
}

/// A group says which cluster it belongs to.
fn cluster_label(root: &Node, cluster: Option<&Cluster>, problems: &mut Problems) {
    const LABEL: &str = "kops.k8s.io/cluster";
    let node = root
        .at(["metadata", "labels", LABEL])
        .filter(|n| !n.is_null());
    match (node.map(|n| (n, n.as_str())), cluster) {
        (None, _) => problems.error(root.pos, format!("`metadata.labels` has no `{LABEL}`")),
        (Some((node, name)), Some(cluster)) if name != Some(cluster.name.as_str()) => {
            problems.error(
                node.pos,
                format!(
                    "the label `{LABEL}` names another cluster than the one here, `{}`",
                    cluster.name
                ),
            );
        }
        (Some(_), _) => {}
    }
}

fn role(spec: View<'_>, problems: &mut Problems) -> Option<Role> {
    let Some(name) = spec.text("role") else {
        problems.error(spec.at("role"), "`spec.role` is missing");
        return None;
    };
    let role = Role::parse(name);
    if role.is_none() {
        const ROLES: [&str; 5] = ["Master", "ControlPlane", "APIServer", "Node", "Bastion"];
        let meant = ROLES.into_iter().find(|r| r.eq_ignore_ascii_case(name));
        let hint = meant.map_or_else(
            || "Master (or ControlPlane), APIServer, Node or Bastion".to_owned(),
            |meant| format!("did you mean `{meant}`?"),
        );
        problems.error_hint(
            spec.at("role"),
            "`spec.role` is no role that kops knows",
            hint,
        );
    }
    role
}
