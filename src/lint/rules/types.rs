//! L04, S02, S19: the instance types of a group of workers, held against each other, the image and the region.

use std::collections::BTreeSet;

use crate::kops::{Architecture, InstanceType, instance_type};
use crate::lint::facts::{ClusterFacts, FleetWide, GroupFacts};
use crate::lint::finding::RuleFindings;
use crate::lint::rule::{Rule, RuleCheck, RuleId, Severity};
use crate::lint::rules::groups::LEAST_TYPES;
use crate::model::known_region;

pub(super) const RULES: [Rule; 3] = [
    Rule {
        id: RuleId("L04"),
        title: "the first instance type of a group stands for the others: it is of the base's size, and none has less memory",
        severity: Severity::Warning,
        reads: "machineType, mixedInstancesPolicy and nodeLabels of groups of workers, with AWS's table of instance types",
        story: "The autoscaler reckons with the first type of the list alone, and people with machineType. Where AWS starts a type with less memory, the pods it was started for do not fit; where machineType is of another size, nobody gets what the manifest seems to say. A group whose types differ for no reason is S02's.",
        source: "cluster-autoscaler, cloudprovider/aws/README.md, \"Using Mixed Instances Policies\"",
        fix: "put the type with the least memory first in mixedInstancesPolicy.instances, and name a type of that size as machineType",
        check: RuleCheck::Workers(first_type),
    },
    Rule {
        id: RuleId("S02"),
        title: "a mixed group has one vCPU count, and one class of memory unless it is bound by CPU",
        severity: Severity::Error,
        reads: "machineType, mixedInstancesPolicy and nodeLabels of groups of workers, with AWS's table of instance types",
        story: "A pod that asks for seven of eight vCPUs waits for ever beside nodes of four, and the autoscaler starts more of them. So does one that asks for 24 GiB beside nodes of 16.",
        source: "cluster-autoscaler, cloudprovider/aws/README.md; teams that run such fleets",
        fix: "keep types of one vCPU count and at most a tenth between their memory in one group; make another group of the rest, or say with a node label `bound: cpu`, which the vars may give, that memory does not matter",
        check: RuleCheck::Workers(one_size),
    },
    Rule {
        id: RuleId("S19"),
        title: "types that the region offers, of one processor architecture under one image, and GPU types with their driver",
        severity: Severity::Error,
        reads: "machineType and mixedInstancesPolicy of groups of workers; containerd, hooks and additionalUserData; AWS's table of instance types, and `accept` of fleet.yaml",
        story: "An image boots on one architecture. AWS starts the other type whenever it is cheaper, and the node never joins. A type that the region does not have is a pool that is counted on and is not there: a group with some of these is a note, and a warning where spot is left with fewer than five types, or any group with one.",
        source: "AWS, Launch template compatibility of mixed instance types; DescribeInstanceTypeOfferings",
        fix: "a type that the region offers; a group for each architecture; `containerd.nvidiaGPU.enabled` for GPU types",
        check: RuleCheck::Around(fitting),
    },
];

/// The fault of size that a group has, judged once for both rules: what S02 finds is not found again in the order of its types.
enum SizeFault {
    /// Types of several vCPU counts.
    Counts(BTreeSet<u32>),
    /// Types of several classes of memory, in MiB.
    Memory(BTreeSet<u64>),
    /// The base differs from the first type.
    Base(&'static InstanceType),
    /// Types with less memory than the first.
    Less(Vec<&'static InstanceType>),
}

/// Whether memory is of one class: local disks and processors of one size differ by less than a tenth.
fn is_one_class(one: u64, other: u64) -> bool {
    one.abs_diff(other) * 10 <= one.max(other)
}

fn size_fault(group: &GroupFacts<'_>, types: &[&'static InstanceType]) -> Option<SizeFault> {
    let first = types.first()?;
    let counts: BTreeSet<u32> = types.iter().map(|t| t.vcpus).collect();
    if counts.len() > 1 {
        return Some(SizeFault::Counts(counts));
    }
    let is_cpu_bound = is_cpu_bound(group);
    let sizes: BTreeSet<u64> = types.iter().map(|t| t.memory_mib).collect();
    let spread = sizes.first().zip(sizes.last());
    if !is_cpu_bound && spread.is_some_and(|(least, most)| !is_one_class(*least, *most)) {
        return Some(SizeFault::Memory(sizes));
    }
    let less = |t: &&&'static InstanceType| {
        t.memory_mib < first.memory_mib && !is_one_class(t.memory_mib, first.memory_mib)
    };
    let less: Vec<&'static InstanceType> = types.iter().filter(less).copied().collect();
    if !less.is_empty() {
        return Some(SizeFault::Less(less));
    }
    let data = &group.definition.launch_template.launch_template_data;
    let base = instance_type(&data.instance_type)?;
    let is_alike = base.vcpus == first.vcpus
        && (is_cpu_bound || is_one_class(base.memory_mib, first.memory_mib));
    (!is_alike).then_some(SizeFault::Base(base))
}

fn size_text(t: &InstanceType) -> String {
    format!("{} ({} vCPUs, {} MiB)", t.name, t.vcpus, t.memory_mib)
}

fn first_type(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) {
    found.lacking(&cluster.name, group.lacks_types());
    // Where the table does not know the first type, no other stands for it.
    let first = group.types().first().and_then(|t| instance_type(t));
    let Some(first) = first.map(size_text) else {
        return;
    };
    let (field, what) = match size_fault(group, &group.known_types()) {
        None | Some(SizeFault::Counts(_) | SizeFault::Memory(_)) => return,
        Some(SizeFault::Less(less)) => {
            let less: Vec<String> = less.into_iter().map(size_text).collect();
            let less = less.join(", ");
            (
                "mixedInstancesPolicy",
                format!(
                    "the autoscaler reckons with the first type, {first}; with less memory: {less}"
                ),
            )
        }
        Some(SizeFault::Base(base)) => (
            "machineType",
            format!(
                "machineType is {}, and the autoscaler reckons with the first type of the list, {first}",
                size_text(base)
            ),
        ),
    };
    found.add(&cluster.name, group.subject(), group.at(field), what);
}

/// Whether a label of the group says that its pods ask for CPU before they ask for memory: then memory may differ.
fn is_cpu_bound(group: &GroupFacts<'_>) -> bool {
    let says = |key: &str, value: &str| {
        value == "cpu-bound" || (value == "cpu" && key.rsplit('/').next() == Some("bound"))
    };
    let mut labels = group.group.node_labels.iter();
    labels.any(|(key, value)| says(key, value))
}

fn one_size(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) {
    found.lacking(&cluster.name, group.lacks_types());
    let list =
        |values: Vec<String>, unit: &str| format!("mixes types of {} {unit}", values.join(", "));
    let what = match size_fault(group, &group.known_types()) {
        None | Some(SizeFault::Base(_) | SizeFault::Less(_)) => return,
        Some(SizeFault::Counts(counts)) => {
            list(counts.iter().map(ToString::to_string).collect(), "vCPUs")
        }
        Some(SizeFault::Memory(sizes)) => {
            let text = list(
                sizes.iter().map(ToString::to_string).collect(),
                "MiB of memory",
            );
            format!("{text}, and no label `bound: cpu` says that it does not matter")
        }
    };
    let at = group.at("mixedInstancesPolicy");
    found.add(&cluster.name, group.subject(), at, what);
}

fn fitting(cluster: &ClusterFacts, around: FleetWide<'_>, found: &mut RuleFindings) {
    found.lacking(&cluster.name, cluster.lacks_groups());
    for group in cluster.workers() {
        found.lacking(&cluster.name, group.lacks_types());
        let types = group.known_types();
        offered(cluster, &group, (&types, around.accept), found);
        architecture(cluster, &group, &types, found);
        driver(cluster, &group, &types, found);
    }
}

/// Types of two processor architectures under the one image that a group has.
fn architecture(
    cluster: &ClusterFacts,
    group: &GroupFacts<'_>,
    types: &[&InstanceType],
    found: &mut RuleFindings,
) {
    let kinds: BTreeSet<Architecture> = types.iter().map(|t| t.architecture).collect();
    if kinds.len() > 1 {
        let one = |kind: Architecture| {
            let of: Vec<&str> = types
                .iter()
                .filter(|t| t.architecture == kind)
                .map(|t| t.name)
                .collect();
            format!("{} ({})", kind.as_str(), of.join(", "))
        };
        let both: Vec<String> = kinds.into_iter().map(one).collect();
        found.add(
            &cluster.name,
            group.subject(),
            group.at("machineType"),
            format!("mixes {} under one image", both.join(" and ")),
        );
    }
}

/// Types that the region of the cluster does not have: of all of them no instance comes, of some the others are left.
fn offered(
    cluster: &ClusterFacts,
    group: &GroupFacts<'_>,
    (types, accepted): (&[&InstanceType], &BTreeSet<String>),
    found: &mut RuleFindings,
) {
    let region = known_region(cluster.region.as_str());
    let by_table = |t: &&InstanceType| region.and_then(|r| t.offered_in(r));
    if types.iter().any(|t| by_table(t).is_none()) {
        let needs = format!("the instance types that {} offers", cluster.region);
        return found.needs(Some(&cluster.name), needs);
    }
    // What fleet.yaml accepts is newer than the table.
    let is_missing = |t: &&&InstanceType| by_table(t) == Some(false) && !accepted.contains(t.name);
    let missing = types.iter().filter(is_missing);
    let missing: Vec<&str> = missing.map(|t| t.name).collect();
    if missing.is_empty() {
        return;
    }
    let what = format!("{} does not offer {}", cluster.region, missing.join(", "));
    // A type that the table does not know may be offered.
    let all = group.types().len();
    let left = all.saturating_sub(missing.len());
    if left == 0 {
        return found.add(
            &cluster.name,
            group.subject(),
            group.at("machineType"),
            what,
        );
    }
    let is_few = left == 1 || (group.is_spot() && left < LEAST_TYPES);
    let severity = if is_few {
        Severity::Warning
    } else {
        Severity::Note
    };
    let place = (group.subject(), group.at("mixedInstancesPolicy"));
    let what = format!("{what}: {left} of {all} types are left");
    found.add_milder(severity, &cluster.name, place, what);
}

/// GPU types without what installs their driver.
fn driver(
    cluster: &ClusterFacts,
    group: &GroupFacts<'_>,
    types: &[&InstanceType],
    found: &mut RuleFindings,
) {
    let nvidia = |name: &str| matches!(name.as_bytes().first(), Some(b'g' | b'p'));
    let gpus: Vec<&str> = types
        .iter()
        .filter(|t| t.gpus > 0 && nvidia(t.name))
        .map(|t| t.name)
        .collect();
    let by_kops = |value: Option<&serde_json::Value>| {
        value
            .and_then(|v| v.pointer("/containerd/nvidiaGPU/enabled"))
            .and_then(serde_json::Value::as_bool)
    };
    let has_driver = by_kops(group.group.value.get("spec"))
        .or_else(|| by_kops(cluster.manifests.cluster.value.get("spec")))
        .unwrap_or(false);
    if gpus.is_empty() || has_driver || installs_driver(cluster, group) {
        return;
    }
    // NVIDIA's operator tolerates this taint, and installs the driver by itself. Source: kops, GPU support.
    if group.group.taints.iter().any(|t| t.key == "nvidia.com/gpu") {
        let needs =
            "NVIDIA's operator among the manifests: a taint of its group says that it is there";
        return found.needs(Some(&cluster.name), needs);
    }
    found.add(
        &cluster.name,
        group.subject(),
        group.at("machineType"),
        format!(
            "has GPU types ({}) and no containerd.nvidiaGPU.enabled",
            gpus.join(", ")
        ),
    );
}

/// Whether the image, what a group runs at boot, or a workload of the cluster brings NVIDIA's driver.
fn installs_driver(cluster: &ClusterFacts, group: &GroupFacts<'_>) -> bool {
    let names = |text: &str| {
        let text = text.to_ascii_lowercase();
        text.contains("nvidia") || text.contains("gpu-operator")
    };
    let spec = |pointer: &str| group.group.value.pointer(pointer);
    let at_boot = ["/spec/hooks", "/spec/additionalUserData", "/spec/image"]
        .into_iter()
        .filter_map(spec)
        .any(|value| names(&value.to_string()));
    let mut workloads = cluster.workloads();
    at_boot
        || workloads.any(|(o, _)| {
            o.name
                .as_deref()
                .is_some_and(|n| n.contains("gpu-operator"))
        })
}
