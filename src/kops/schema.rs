//! Which fields a kops object may have and of what type: `fields.txt` applied to a tree. Knows no rule beyond names and types.
//!
//! kops itself drops what it does not know, letter case included, without a word; here that is a fault with a suggestion.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value as Json;

use super::error::Problems;
use super::values::{duration, quantity};
use super::view::scalar;
use crate::yaml::{Node, Pos, Value};

type Section = BTreeMap<&'static str, &'static str>;

static SECTIONS: LazyLock<BTreeMap<&'static str, Section>> =
    LazyLock::new(|| sections(include_str!("fields.txt")));

/// How much of an object has to be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strict {
    /// Everything: all of an InstanceGroup ends up in its definition or its instances.
    Everything,
    /// What kfleet reads of a Cluster (see [`READ`]). The rest is kops' own: the table of its fields does not cover every kops
    /// version, so what looks wrong there is a warning and stops no definition.
    WhatIsRead,
}

/// The fields of a Cluster that kfleet reads; `.*`: and everything below. Read as absent, a wrong type would make another definition.
const READ: [&str; 49] = [
    "api.dns",
    "api.loadBalancer.additionalSecurityGroups",
    "api.loadBalancer.class",
    "api.loadBalancer.securityGroupOverride",
    "api.loadBalancer.sslCertificate",
    "api.loadBalancer.sslPolicy",
    "api.loadBalancer.type",
    "api.loadBalancer.useForInternalApi",
    "cloudLabels.*",
    "cloudProvider",
    "clusterAutoscaler.createPriorityExpanderConfig",
    "clusterAutoscaler.customPriorityExpanderConfig",
    "clusterAutoscaler.enabled",
    "clusterAutoscaler.expander",
    "containerd.nvidiaGPU.enabled",
    "etcdClusters.etcdMembers.instanceGroup",
    "etcdClusters.etcdMembers.name",
    "etcdClusters.etcdMembers.volumeIops",
    "etcdClusters.etcdMembers.volumeSize",
    "etcdClusters.etcdMembers.volumeThroughput",
    "etcdClusters.etcdMembers.volumeType",
    "etcdClusters.name",
    "iam.useServiceAccountExternalPermissions",
    "karpenter.enabled",
    "karpenter.featureGates",
    "kubelet.nodeLabels.*",
    "kubernetesVersion",
    "masterKubelet.nodeLabels.*",
    "networkCIDR",
    "networking.cilium.etcdManaged",
    "nodeTerminationHandler.enableSQSTerminationDraining",
    "nodeTerminationHandler.enabled",
    "nodeTerminationHandler.managedASGTag",
    "nonMasqueradeCIDR",
    "rollingUpdate.*",
    "sshKeyName",
    "subnets.cidr",
    "subnets.egress",
    "subnets.id",
    "subnets.ipv6CIDR",
    "subnets.name",
    "subnets.type",
    "subnets.zone",
    "target.terraform",
    "topology.dns.type",
    "warmPool.enableLifecycleHook",
    "warmPool.lifecycleHookTimeout",
    "warmPool.maxSize",
    "warmPool.minSize",
];

impl Strict {
    /// Tells a fault: of what kops reads otherwise, or of the object itself.
    pub(super) fn push(
        self,
        pos: Pos,
        message: String,
        hint: Option<String>,
        problems: &mut Problems,
    ) {
        match self {
            Strict::WhatIsRead => problems.misreads(pos, message, hint),
            Strict::Everything => problems.push(pos, message, hint),
        }
    }

    /// Whether a wrong type at `path` (such as `spec.subnets[0].type`) is a fault: the place is read, or something below it is.
    fn faults(self, path: &str) -> bool {
        let names: Vec<&str> = path
            .split('.')
            .skip(1)
            .map(|name| name.split('[').next().unwrap_or_default())
            .collect();
        let counts = |read: &str| {
            let all_below = read.ends_with(".*");
            let read: Vec<&str> = read.trim_end_matches(".*").split('.').collect();
            read.starts_with(&names) || all_below && names.starts_with(&read)
        };
        self == Strict::Everything || READ.iter().any(|read| counts(read))
    }
}

fn sections(text: &'static str) -> BTreeMap<&'static str, Section> {
    let mut all: BTreeMap<&str, Section> = BTreeMap::new();
    let mut name = "";
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        if let Some(section) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            name = section;
        } else if let Some((kind, fields)) = line.split_once(": ") {
            all.entry(name)
                .or_default()
                .extend(fields.split(' ').map(|field| (field, kind)));
        }
    }
    all
}

/// The type of a field as the table has it; none: the table does not know the field.
pub(super) fn kind(section: &str, field: &str) -> Option<&'static str> {
    SECTIONS
        .get(section)
        .and_then(|fields| fields.get(field))
        .copied()
}

/// Checks a mapping against a section; `path` is how faults call it, e.g. `spec`.
pub(super) fn check(
    section: &str,
    node: &Node,
    path: &str,
    strict: Strict,
    problems: &mut Problems,
) {
    if node.is_null() {
        return;
    }
    let Value::Map(entries) = &node.value else {
        return mismatch("a mapping", node, path, strict, problems);
    };
    let Some(fields) = SECTIONS.get(section) else {
        return;
    };
    for (key, value) in entries {
        let path = format!("{path}.{}", key.text);
        match fields.get(key.text.as_str()) {
            Some(kind) => check_type(kind.trim_start_matches('*'), value, &path, strict, problems),
            None if fields.contains_key("*") => {}
            // `network_check` says where it belongs.
            None if section == "Cluster.networking"
                && self::kind("Cluster", &key.text).is_some() => {}
            None => {
                let message = format!("unknown field `{path}`; kops would drop it without a word");
                strict.push(
                    key.pos,
                    message,
                    meant(section, &key.text, fields),
                    problems,
                );
            }
        }
    }
}

fn check_type(kind: &str, node: &Node, path: &str, strict: Strict, problems: &mut Problems) {
    if node.is_null() || kind == "any" {
        return;
    }
    if let Some(section) = kind.strip_prefix('@') {
        return check(section, node, path, strict, problems);
    }
    if let Some(item) = kind.strip_prefix("[]") {
        let Value::List(items) = &node.value else {
            return mismatch("a list", node, path, strict, problems);
        };
        for (i, value) in items.iter().enumerate() {
            let path = format!("{path}[{i}]");
            if value.is_null() && item != "any" {
                fault(
                    value,
                    &path,
                    format!("`{path}` is null"),
                    None,
                    strict,
                    problems,
                );
            }
            check_type(item, value, &path, strict, problems);
        }
        return;
    }
    if kind == "strings" || kind == "map" {
        let Value::Map(entries) = &node.value else {
            return mismatch("a mapping", node, path, strict, problems);
        };
        for (key, value) in entries.iter().filter(|_| kind == "strings") {
            check_type(
                "string",
                value,
                &format!("{path}.{}", key.text),
                strict,
                problems,
            );
        }
        return;
    }
    if let Some(expected) = wrong_scalar(kind, node) {
        mismatch(expected, node, path, strict, problems);
    }
}

/// What the type wants, when the value is not that.
fn wrong_scalar(kind: &str, node: &Node) -> Option<&'static str> {
    let value = scalar(node);
    let text = node.as_str();
    let number = value.is_some_and(Json::is_number);
    let (ok, expected) = match kind {
        "string" => (text.is_some(), "a string"),
        "bool" => (value.is_some_and(Json::is_boolean), "true or false"),
        "int" => (is_whole(node), "a whole number"),
        "quantity" => (
            number || text.is_some_and(|t| quantity(t).is_some()),
            "a quantity such as 4, 500m or 2Gi",
        ),
        "duration" => (
            text.is_some_and(|t| duration(t).is_some()),
            "a duration such as 48h or 1h30m",
        ),
        "int-or-percent" => (
            is_whole(node) || text.is_some(),
            "a number or a percentage such as 25%",
        ),
        _ => (true, ""),
    };
    (!ok).then_some(expected)
}

/// A whole number, written as one: kops does not take `1.0` or `1e3` for it.
fn is_whole(node: &Node) -> bool {
    scalar(node).is_some_and(|value| value.is_i64() || value.is_u64())
}

fn mismatch(expected: &str, node: &Node, path: &str, strict: Strict, problems: &mut Problems) {
    let plain_scalar = matches!(&node.value, Value::Scalar(s) if s.plain);
    let message = format!("`{path}` must be {expected}, and this is {}", node.kind());
    let placeholder = node.as_str().is_some_and(|t| t.contains("${"));
    let hint = match strict {
        _ if placeholder => {
            Some("`${...}` is filled in by nothing here; in a template it is {{ name }}".to_owned())
        }
        _ if expected == "a string" && plain_scalar => Some("put it in quotes".to_owned()),
        _ if path.starts_with("spec.taints[") => {
            Some("kops writes a taint as one string: `key=value:NoSchedule`".to_owned())
        }
        Strict::WhatIsRead if !strict.faults(path) => {
            Some("kops takes no manifest with a wrong type in it".to_owned())
        }
        Strict::WhatIsRead | Strict::Everything => None,
    };
    fault(node, path, message, hint, strict, problems);
}

fn fault(
    node: &Node,
    path: &str,
    message: String,
    hint: Option<String>,
    strict: Strict,
    problems: &mut Problems,
) {
    if strict.faults(path) {
        problems.push(node.pos, message, hint);
        problems.nothing_more_at(node.pos);
    } else {
        problems.misreads(node.pos, message, hint);
    }
}

/// Names of eksctl, Terraform, Karpenter and the EC2 API that stand in public manifests, and what kops has for them.
const OTHER_TOOLS: [(&str, &str, &str); 9] = [
    (
        "InstanceGroup",
        "instanceType",
        "kops calls it `machineType`",
    ),
    (
        "InstanceGroup",
        "instanceTypes",
        "more than one type is `mixedInstancesPolicy: {instances: [...]}`",
    ),
    ("InstanceGroup", "instanceLifecycle", SPOT),
    ("InstanceGroup", "spotPrice", SPOT),
    ("InstanceGroup", "spot", SPOT),
    ("InstanceGroup", "desiredCapacity", COUNT),
    ("InstanceGroup", "nodeCount", COUNT),
    ("Cluster", "nodeGroups", GROUPS),
    ("Cluster", "instanceGroups", GROUPS),
];
const SPOT: &str =
    "spot instances are `maxPrice`, or a `mixedInstancesPolicy` with `onDemandAboveBase`";
const COUNT: &str = "kops has `minSize` and `maxSize`; between them the cluster autoscaler decides";
const GROUPS: &str = "each group is a document of its own, of kind InstanceGroup";

/// What a field that `section` does not have is likely to be: a word of another tool, misspelt, a field of a mapping below, the end of a longer name, or one of the other kind.
fn meant(section: &str, key: &str, fields: &Section) -> Option<String> {
    let names = || fields.keys().copied();
    let near = suggest(key, names());
    let said = |name: &str| format!("did you mean `{name}`?");
    let letters = key.chars().count();
    let close = near.filter(|n| n.len().abs_diff(letters) <= 1);
    let below = only(SECTIONS.iter().filter_map(|(name, fields)| {
        let path = name.strip_prefix(section)?.strip_prefix('.')?;
        fields.contains_key(key).then_some(path)
    }));
    let ending = only(names().filter(|n| {
        let rest = n.to_lowercase();
        letters > 5 && rest.ends_with(&key.to_lowercase())
    }));
    let other = match section {
        "InstanceGroup" => Some("Cluster"),
        "Cluster" => Some("InstanceGroup"),
        _ => None,
    };
    let other = other.filter(|kind| self::kind(kind, key).is_some());
    let somewhere = || other.map(|kind| format!("it is a field of kind {kind}"));
    let foreign = OTHER_TOOLS
        .iter()
        .find(|(kind, name, _)| (*kind, *name) == (section, key))
        .map(|(_, _, hint)| (*hint).to_owned());
    foreign
        .or(close.map(said))
        .or(below.map(|path| format!("write it under `spec.{path}`")))
        .or(ending.map(said))
        .or_else(somewhere)
        .or(near.map(said))
}

/// The only one there is.
fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next();
    first.filter(|_| all.next().is_none())
}

/// The known name a person most likely meant.
pub(super) fn suggest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = |name: &str| strsim::damerau_levenshtein(&word.to_lowercase(), &name.to_lowercase());
    let best = known.map(|name| (near(name), name)).min()?;
    (best.0 <= 1 + word.chars().count() / 5).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        let kinds = [
            "string",
            "bool",
            "int",
            "quantity",
            "duration",
            "int-or-percent",
            "strings",
            "map",
            "any",
        ];
        assert_eq!(SECTIONS.get("InstanceGroup").map(Section::len), Some(53));
        for (section, fields) in SECTIONS.iter() {
            for (field, kind) in fields {
                let kind = kind.trim_start_matches("[]").trim_start_matches('*');
                let known = kind
                    .strip_prefix('@')
                    .map_or_else(|| kinds.contains(&kind), |s| SECTIONS.contains_key(s));
                assert!(known, "{section}.{field} has the unknown type {kind}");
            }
        }
    }

    #[test]
    fn what_is_read_is_in_the_table() {
        let kind_at = |path: &str| {
            path.trim_end_matches(".*")
                .split('.')
                .fold("@Cluster", |kind, name| {
                    let section = kind.trim_start_matches("[]").strip_prefix('@');
                    section
                        .and_then(|s| SECTIONS.get(s))
                        .and_then(|fields| fields.get(name))
                        .copied()
                        .unwrap_or("nothing")
                })
        };
        for path in READ {
            assert_ne!(kind_at(path), "nothing", "{path}");
        }
    }

    #[test]
    fn only_what_is_read_is_a_fault_in_a_cluster() {
        let faults = [
            "spec.subnets",
            "spec.subnets[0].type",
            "spec.subnets[1]",
            "spec.cloudLabels.a.b/c",
            "spec.topology",
            "spec.api.loadBalancer",
        ];
        let warnings = [
            "spec.subnets[0].publicIP",
            "spec.topology.dns.types",
            "spec.kubeProxy",
            "spec.target.terraform.x",
            "spec.kubelet.maxPods",
        ];
        assert!(faults.iter().all(|path| Strict::WhatIsRead.faults(path)));
        assert!(!warnings.iter().any(|path| Strict::WhatIsRead.faults(path)));
        assert!(warnings.iter().all(|path| Strict::Everything.faults(path)));
    }

    #[test]
    fn a_wrong_letter_case_is_the_nearest() {
        let fields = ["maxSize", "minSize", "machineType"];
        let meant = |w| suggest(w, fields.into_iter());
        assert_eq!(
            [
                meant("MaxSize"),
                meant("machinetyp"),
                meant("maxsise"),
                meant("image")
            ],
            [Some("maxSize"), Some("machineType"), Some("maxSize"), None]
        );
    }
}
