//! L04, S02, S19: the instance types of a group of workers, held against each other, the image and the region.

use std::collections::BTreeSet;

use crate::kops::{Architecture, InstanceType};
use crate::lint::facts::{ClusterFacts, GroupFacts};
use crate::lint::finding::RuleFindings;
use crate::lint::rule::{Rule, RuleCheck, RuleId, Severity};
use crate::model::known_region;

pub(super) const RULES: [Rule; 3] = [
    Rule {
        id: RuleId("L04"),
        title: "all instance types of a group have the vCPUs and memory of the first",
        severity: Severity::Warning,
        reads: "machineType, mixedInstancesPolicy and nodeLabels of groups of workers, with AWS's table of instance types",
        story: "The autoscaler reckons with the first type alone. Where AWS starts a smaller one, the pods it was started for do not fit; a larger one is paid for and empty.",
        source: "cluster-autoscaler, cloudprovider/aws/README.md, \"Using Mixed Instances Policies\"",
        fix: "keep types of one vCPU count and at most a tenth between their memory in one group; make another group of the rest, or say with a node label `bound: cpu` that memory does not matter",
        check: RuleCheck::Workers(same_size),
    },
    Rule {
        id: RuleId("S02"),
        title: "a mixed group has one vCPU count",
        severity: Severity::Error,
        reads: "machineType and mixedInstancesPolicy of groups of workers, with AWS's table of instance types",
        story: "A pod that asks for seven of eight vCPUs waits for ever beside nodes of four, and the autoscaler starts more of them.",
        source: "cluster-autoscaler, cloudprovider/aws/README.md; teams that run such fleets",
        fix: "one vCPU count a group",
        check: RuleCheck::Workers(one_cpu_count),
    },
    Rule {
        id: RuleId("S19"),
        title: "types that the region offers, of one processor architecture under one image, and GPU types with their driver",
        severity: Severity::Error,
        reads: "machineType and mixedInstancesPolicy of groups of workers; containerd, hooks and additionalUserData; AWS's table of instance types",
        story: "An image boots on one architecture. AWS starts the other type whenever it is cheaper, and the node never joins.",
        source: "AWS, Launch template compatibility of mixed instance types",
        fix: "a type that the region offers; a group for each architecture; `containerd.nvidiaGPU.enabled` for GPU types",
        check: RuleCheck::Workers(architecture),
    },
];

fn same_size(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) {
    found.lacking(&cluster.name, group.lacks_types());
    let types = group.known_types();
    let Some(first) = types.first() else { return };
    let is_cpu_bound = is_cpu_bound(group);
    let differs = |t: &&&InstanceType| {
        let memory = t.memory_mib.abs_diff(first.memory_mib) * 10 > first.memory_mib;
        t.vcpus != first.vcpus || (memory && !is_cpu_bound)
    };
    let other: Vec<String> = types
        .iter()
        .filter(differs)
        .map(|t| format!("{} ({} vCPUs, {} MiB)", t.name, t.vcpus, t.memory_mib))
        .collect();
    if !other.is_empty() {
        found.add(
            &cluster.name,
            group.subject(),
            group.at("mixedInstancesPolicy"),
            format!(
                "the first type, {}, has {} vCPUs and {} MiB; different: {}",
                first.name,
                first.vcpus,
                first.memory_mib,
                other.join(", ")
            ),
        );
    }
}

/// Whether a label of the group says that its pods ask for CPU before they ask for memory: then memory may differ.
fn is_cpu_bound(group: &GroupFacts<'_>) -> bool {
    let says = |key: &str, value: &str| {
        value == "cpu-bound" || (value == "cpu" && key.rsplit('/').next() == Some("bound"))
    };
    let mut labels = group.group.node_labels.iter();
    labels.any(|(key, value)| says(key, value))
}

fn one_cpu_count(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) {
    found.lacking(&cluster.name, group.lacks_types());
    let counts: BTreeSet<u32> = group.known_types().iter().map(|t| t.vcpus).collect();
    if counts.len() > 1 {
        let counts: Vec<String> = counts.iter().map(ToString::to_string).collect();
        found.add(
            &cluster.name,
            group.subject(),
            group.at("mixedInstancesPolicy"),
            format!("mixes types of {} vCPUs", counts.join(", ")),
        );
    }
}

fn architecture(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) {
    found.lacking(&cluster.name, group.lacks_types());
    let types = group.known_types();
    offered(cluster, group, &types, found);
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
    driver(cluster, group, &types, found);
}

/// A group none of whose types the region of the cluster has. With several types AWS takes the others.
fn offered(
    cluster: &ClusterFacts,
    group: &GroupFacts<'_>,
    types: &[&InstanceType],
    found: &mut RuleFindings,
) {
    let region = known_region(cluster.region.as_str());
    let by_table = |t: &&InstanceType| region.and_then(|r| t.offered_in(r));
    if types.iter().any(|t| by_table(t).is_none()) {
        let needs = format!("the instance types that {} offers", cluster.region);
        return found.needs(Some(&cluster.name), needs);
    }
    let is_known = group.lacks_types().is_none();
    if is_known && types.iter().all(|t| by_table(t) == Some(false)) {
        let names: Vec<&str> = types.iter().map(|t| t.name).collect();
        found.add(
            &cluster.name,
            group.subject(),
            group.at("machineType"),
            format!("{} does not offer {}", cluster.region, names.join(", ")),
        );
    }
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
