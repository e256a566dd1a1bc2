//! S09, S10: whether what groups may grow to has room in subnets and kernels.

use crate::lint::facts::{ClusterFacts, GroupFacts};
use crate::lint::finding::RuleFindings;
use crate::lint::rule::{Rule, RuleCheck, RuleId, Severity};

pub(super) const RULES: [Rule; 2] = [
    Rule {
        id: RuleId("S09"),
        title: "the subnets have addresses for every node, and for its pods where they take some",
        severity: Severity::Error,
        reads: "subnets and networking of the cluster; maxSize of all groups of workers, and maxPods",
        story: "Scale-up ends with `InsufficientFreeAddressesInSubnet` on the busiest day, and a roll needs a few more than the day before.",
        source: "AWS, Subnet sizing: five addresses of each subnet are reserved",
        fix: "larger or further subnets, or a lower maxSize",
        check: RuleCheck::Cluster(addresses),
    },
    Rule {
        id: RuleId("S10"),
        title: "more than 110 pods a node come with raised inotify and connection limits",
        severity: Severity::Warning,
        reads: "kubelet.maxPods and sysctlParameters of the cluster and of groups of workers",
        story: "`too many open files` in kubelet and in everything that watches files, on the fullest nodes only: it looks like an application's fault for days.",
        source: "Kubernetes, Considerations for large clusters: no more than 110 pods a node",
        fix: "`sysctlParameters: [fs.inotify.max_user_instances=8192, fs.inotify.max_user_watches=1048576]` in the group, or in the cluster for all of them. Where, and with which other values, is for a person to say, so `--fix` writes none",
        check: RuleCheck::Workers(sysctls),
    },
];

/// What AWS keeps of every subnet.
const RESERVED: u64 = 5;

/// How many addresses a CIDR block holds, as far as AWS gives them out.
fn size(cidr: &str) -> Option<u64> {
    let bits: u32 = cidr.split_once('/')?.1.parse().ok()?;
    let host = 32_u32.checked_sub(bits)?;
    1_u64.checked_shl(host)?.checked_sub(RESERVED)
}

fn addresses(cluster: &ClusterFacts, found: &mut RuleFindings) {
    found.lacking(&cluster.name, cluster.lacks_groups());
    let Some(written) = cluster.spec("/subnets").and_then(|s| s.as_array()) else {
        return found.needs(Some(&cluster.name), "the subnets of the cluster");
    };
    let used: std::collections::BTreeSet<&str> = cluster
        .workers()
        .flat_map(|g| g.group.subnets.iter())
        .map(|s| s.name.as_str())
        .collect();
    let mut room = 0_u64;
    for subnet in written {
        let text = |field: &str| subnet.get(field).and_then(|v| v.as_str());
        if !text("name").is_some_and(|n| used.contains(n)) {
            continue;
        }
        match text("cidr").and_then(size) {
            Some(free) => room = room.saturating_add(free),
            None => {
                return found.needs(
                    Some(&cluster.name),
                    "the CIDR of every subnet that workers are in",
                );
            }
        }
    }
    let pods_from_subnets = cluster.spec("/networking/amazonvpc").is_some()
        || cluster
            .spec("/networking/cilium/ipam")
            .and_then(|v| v.as_str())
            == Some("eni");
    let one = if pods_from_subnets {
        cluster.spec_u64("/kubelet/maxPods").unwrap_or(110) + 1
    } else {
        1
    };
    let wanted = cluster.most_nodes().saturating_mul(one);
    if wanted > room {
        let of_pods = if pods_from_subnets {
            ", which take addresses for their pods too"
        } else {
            ""
        };
        found.add(
            &cluster.name,
            cluster.subject(),
            cluster.pos(),
            format!(
                "{} nodes at most{of_pods}, would take {wanted} addresses, and their subnets have {room}",
                cluster.most_nodes()
            ),
        );
    }
}

fn sysctls(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) {
    let own = own_max_pods(group);
    let Some(pods) = own.or_else(|| cluster.spec_u64("/kubelet/maxPods")) else {
        return;
    };
    if pods <= 110 {
        return;
    }
    let mut set = parameters(group.group.value.pointer("/spec/sysctlParameters"));
    set.extend(parameters(cluster.spec("/sysctlParameters")));
    let missing: Vec<&str> = [
        "fs.inotify.max_user_instances",
        "fs.inotify.max_user_watches",
    ]
    .into_iter()
    .filter(|name| !set.iter().any(|p| p.trim_start().starts_with(name)))
    .collect();
    if !missing.is_empty() {
        found.add(
            &cluster.name,
            group.subject(),
            group.at("sysctlParameters"),
            format!(
                "takes {pods} pods a node and does not set {}",
                missing.join(", ")
            ),
        );
    }
}

fn own_max_pods(group: &GroupFacts<'_>) -> Option<u64> {
    group
        .group
        .value
        .pointer("/spec/kubelet/maxPods")
        .and_then(serde_json::Value::as_u64)
}

fn parameters(value: Option<&serde_json::Value>) -> Vec<String> {
    value
        .and_then(|v| v.as_array())
        .into_iter()
        .flatten()
        .filter_map(|v| v.as_str().map(str::to_owned))
        .collect()
}
