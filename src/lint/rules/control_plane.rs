//! S06 to S08: whether the control plane is made for as many nodes as the groups may have.

use std::collections::BTreeSet;

use crate::kops::instance_type;
use crate::lint::facts::{ClusterFacts, GroupFacts};
use crate::lint::finding::RuleFindings;
use crate::lint::rule::{Rule, RuleCheck, RuleId, Severity};

pub(super) const RULES: [Rule; 3] = [
    Rule {
        id: RuleId("S06"),
        title: "the control plane has the size for its nodes, an odd number of members, and three zones",
        severity: Severity::Error,
        reads: "machineType, minSize and subnets of the control plane; maxSize of all groups of workers",
        story: "An API server that is too small answers slowly just when everything happens at once: a lost zone, a roll, a Monday morning. Two members are no safer than one.",
        source: "Kubernetes, Considerations for large clusters; the sizes that kube-up took on AWS: 8 vCPUs above 100 nodes, 16 above 250, 36 above 500",
        fix: "a larger machineType of the control-plane groups; one or three groups in zones of their own",
        check: RuleCheck::Cluster(size),
    },
    Rule {
        id: RuleId("S07"),
        title: "etcd has its events apart, room for its pods, and volumes that are fast enough",
        severity: Severity::Error,
        reads: "etcdClusters of the cluster; maxSize of all groups of workers, and maxPods",
        story: "etcd answers in the time of its disk. Above a thousand nodes events crowd out everything else; a small gp2 volume has a hundred IOPS and no burst left.",
        source: "etcd, Hardware recommendations, and System limits (storage size); Kubernetes, Considerations for large clusters: store Event objects in a separate etcd",
        fix: "an etcd cluster `events`; gp3 volumes, or gp2 of 100 GiB and more; `manager.env` with ETCD_QUOTA_BACKEND_BYTES 8589934592 for the largest",
        check: RuleCheck::Cluster(etcd),
    },
    Rule {
        id: RuleId("S08"),
        title: "above 500 nodes the API server's and controllers' limits are raised",
        severity: Severity::Warning,
        reads: "kubeAPIServer and kubeControllerManager of the cluster; maxSize of all groups of workers",
        story: "At 400 requests in flight, the default, a large cluster answers 429 to its own kubelets; the controllers' twenty calls a second and five syncs at a time fall behind for hours.",
        source: "teams that run such fleets: 1200 requests in flight and more, QPS 100, burst 150, twice the syncs; the defaults are kube-apiserver's and kube-controller-manager's",
        fix: "`kubeAPIServer.maxRequestsInflight` 1200 and `maxMutatingRequestsInflight` 600; `kubeControllerManager.kubeAPIQPS` 100, `kubeAPIBurst` 150, and 10 each for `concurrentDeploymentSyncs`, `concurrentEndpointSyncs`, `concurrentReplicasetSyncs`",
        check: RuleCheck::Cluster(limits),
    },
];

/// vCPUs of a control-plane member for so many nodes.
fn advised_vcpus(nodes: u64) -> u32 {
    match nodes {
        0..=5 => 1,
        6..=10 => 2,
        11..=100 => 4,
        101..250 => 8,
        250..=500 => 16,
        _ => 36,
    }
}

fn size(cluster: &ClusterFacts, found: &mut RuleFindings) {
    found.lacking(&cluster.name, cluster.lacks_groups());
    let planes: Vec<_> = cluster.control_planes().collect();
    if planes.is_empty() {
        return found.needs(
            Some(&cluster.name),
            "the control-plane groups among the manifests",
        );
    }
    let nodes = cluster.most_nodes();
    let advised = advised_vcpus(nodes);
    for plane in &planes {
        let data = &plane.definition.launch_template.launch_template_data;
        let Some(known) = instance_type(&data.instance_type) else {
            found.needs(
                Some(&cluster.name),
                "a control-plane instance type that the table knows",
            );
            continue;
        };
        // The advice is for a cluster that is full. Half of it has room to grow into; a quarter has been seen to fail.
        if known.vcpus * 4 < advised {
            found.add(
                &cluster.name,
                plane.subject(),
                plane.at("machineType"),
                format!(
                    "{} has {} vCPUs, for at most {nodes} nodes; {advised} are advised",
                    known.name, known.vcpus
                ),
            );
        }
    }
    let members: u32 = planes.iter().map(|p| p.group.min_size).sum();
    if members > 0 && members.is_multiple_of(2) {
        found.add(
            &cluster.name,
            cluster.subject(),
            cluster.pos(),
            format!("has {members} control-plane instances, an even number"),
        );
    }
    let zones: BTreeSet<&str> = planes.iter().flat_map(GroupFacts::zones).collect();
    if members > 1 && zones.len() < 3 && cluster.zones().len() >= 3 {
        found.add(
            &cluster.name,
            cluster.subject(),
            cluster.pos(),
            format!(
                "has its control plane in {} of {} zones",
                zones.len(),
                cluster.zones().len()
            ),
        );
    }
}

/// gp2: three a GiB, at least 100. Source: Amazon EBS, General Purpose SSD volumes.
fn iops(kind: &str, size: u64, written: Option<u64>) -> Option<u64> {
    match kind {
        "gp2" => Some((size * 3).max(100)),
        "gp3" => Some(written.unwrap_or(3000)),
        "io1" | "io2" => written,
        _ => None,
    }
}

fn etcd(cluster: &ClusterFacts, found: &mut RuleFindings) {
    found.lacking(&cluster.name, cluster.lacks_groups());
    let nodes = cluster.most_nodes();
    let clusters = &cluster.manifests.cluster.etcd_clusters;
    if clusters.is_empty() {
        return found.needs(Some(&cluster.name), "the etcdClusters of the cluster");
    }
    let pods = cluster.most_pods();
    let is_large = nodes > 1_000 || pods > 30_000;
    if is_large && !clusters.iter().any(|c| c.name == "events") {
        found.add(
            &cluster.name,
            cluster.subject(),
            cluster.pos(),
            format!(
                "may have {nodes} nodes and {pods} pods, and no etcd cluster of its own for events"
            ),
        );
    }
    if pods > 100_000 {
        quota(cluster, pods, found);
    }
    if nodes <= 250 {
        return;
    }
    volumes(cluster, nodes, found);
}

/// etcd's own quota, and the most that it is made for. Source: etcd, System limits.
const DEFAULT_QUOTA: u64 = 2 << 30;

/// How much the etcd of everything but events may hold.
fn quota(cluster: &ClusterFacts, pods: u64, found: &mut RuleFindings) {
    let written = cluster.spec("/etcdClusters").and_then(|v| v.as_array());
    let mut main = written
        .into_iter()
        .flatten()
        .filter(|e| e.get("name").and_then(|v| v.as_str()) == Some("main"));
    let variables = main
        .next()
        .and_then(|e| e.pointer("/manager/env"))
        .and_then(|v| v.as_array());
    let set = variables.into_iter().flatten().find_map(|variable| {
        let is_it = variable.get("name")?.as_str()? == "ETCD_QUOTA_BACKEND_BYTES";
        is_it.then(|| variable.get("value")?.as_str()?.parse::<u64>().ok())?
    });
    if set.unwrap_or(DEFAULT_QUOTA) <= DEFAULT_QUOTA {
        found.add(
            &cluster.name,
            cluster.subject(),
            cluster.pos(),
            format!("may have {pods} pods, and etcd main keeps to 2 GiB; up to 8 GiB are advised (ETCD_QUOTA_BACKEND_BYTES of its manager)"),
        );
    }
}

fn volumes(cluster: &ClusterFacts, nodes: u64, found: &mut RuleFindings) {
    let clusters = &cluster.manifests.cluster.etcd_clusters;
    let written = cluster
        .spec("/etcdClusters")
        .and_then(|v| v.as_array())
        .into_iter()
        .flatten();
    for etcd in written {
        let name = etcd.get("name").and_then(|v| v.as_str()).unwrap_or("?");
        let pos = clusters.iter().find(|c| c.name == name).map(|c| c.pos);
        let members = etcd
            .get("etcdMembers")
            .and_then(|v| v.as_array())
            .into_iter()
            .flatten();
        for member in members {
            let number = |field: &str| member.get(field).and_then(serde_json::Value::as_u64);
            // kops's own defaults: gp3 of 20 GiB.
            let kind = member
                .get("volumeType")
                .and_then(|v| v.as_str())
                .unwrap_or("gp3");
            let size = number("volumeSize").unwrap_or(20);
            let Some(iops) = iops(kind, size, number("volumeIops").or(number("volumeIOPS"))) else {
                found.needs(
                    Some(&cluster.name),
                    format!("how many IOPS a {kind} volume of etcd has"),
                );
                continue;
            };
            if iops < 300 {
                let of = member.get("name").and_then(|v| v.as_str()).unwrap_or("?");
                found.add(
                    &cluster.name,
                    cluster.subject(),
                    pos.or(cluster.pos()),
                    format!("member {of} of etcd {name}: a {kind} volume of {size} GiB has {iops} IOPS, for at most {nodes} nodes; 300 are advised"),
                );
            }
        }
    }
}

/// What is advised for a cluster of many nodes: the field, where it is, and the least.
const ADVISED: [(&str, &str, u32); 7] = [
    (
        "kubeAPIServer.maxRequestsInflight",
        "/kubeAPIServer/maxRequestsInflight",
        1200,
    ),
    (
        "kubeAPIServer.maxMutatingRequestsInflight",
        "/kubeAPIServer/maxMutatingRequestsInflight",
        600,
    ),
    (
        "kubeControllerManager.concurrentDeploymentSyncs",
        "/kubeControllerManager/concurrentDeploymentSyncs",
        10,
    ),
    (
        "kubeControllerManager.concurrentEndpointSyncs",
        "/kubeControllerManager/concurrentEndpointSyncs",
        10,
    ),
    (
        "kubeControllerManager.concurrentReplicasetSyncs",
        "/kubeControllerManager/concurrentReplicasetSyncs",
        10,
    ),
    (
        "kubeControllerManager.kubeAPIQPS",
        "/kubeControllerManager/kubeAPIQPS",
        100,
    ),
    (
        "kubeControllerManager.kubeAPIBurst",
        "/kubeControllerManager/kubeAPIBurst",
        150,
    ),
];

fn limits(cluster: &ClusterFacts, found: &mut RuleFindings) {
    found.lacking(&cluster.name, cluster.lacks_groups());
    let nodes = cluster.most_nodes();
    if nodes <= 500 {
        return;
    }
    for (field, pointer, least) in ADVISED {
        let number = cluster.spec(pointer).and_then(|v| {
            v.as_f64()
                .or_else(|| v.as_str().and_then(|t| t.parse().ok()))
        });
        let low = number.is_none_or(|n| n < f64::from(least));
        if low {
            let now = number.map_or_else(|| "not set".to_owned(), |n| format!("{n}"));
            found.add(
                &cluster.name,
                cluster.subject(),
                cluster.pos(),
                format!(
                    "may have {nodes} nodes, and {field} is {now}; {least} and more are advised"
                ),
            );
        }
    }
}
