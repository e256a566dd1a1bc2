//! L13, L18, S12, S15, S20 to S23, S25, S26: what the other documents of a cluster do to its groups, and the groups to them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::kops::ManifestObject;
use crate::lint::facts::{ClusterFacts, GroupFacts, NO_ARGUMENTS, containers, is_autoscaler};
use crate::lint::finding::RuleFindings;
use crate::lint::rule::{Rule, RuleCheck, RuleId, Severity};

const NO_WORKLOADS: &str = "workloads among the manifests";

pub(super) const RULES: [Rule; 10] = [
    Rule {
        id: RuleId("L13"),
        title: "pods with volumes have a group in each zone, and such groups are balanced",
        severity: Severity::Warning,
        reads: "workloads that claim volumes; subnets of groups that are scaled; `clusterAutoscaler` of the cluster, or the arguments of cluster-autoscaler's Deployment",
        story: "A volume stays in its zone. A group over all zones starts the new node anywhere, and the pod waits for ever. Groups of one zone each that nobody balances grow in one of them: so do the volumes, and the zone that is lost has them all.",
        source: "cluster-autoscaler, cloudprovider/aws/README.md, \"Common Notes and Gotchas\"",
        fix: "one group a zone for such pods, and `--balance-similar-node-groups`, or `clusterAutoscaler.balanceSimilarNodeGroups: true`",
        check: RuleCheck::Cluster(volumes),
    },
    Rule {
        id: RuleId("L18"),
        title: "labels and annotations of every document are strings",
        severity: Severity::Error,
        reads: "labels and annotations of every document that is neither the cluster nor a group",
        story: "`true` and `1` without quotes are no strings; the API server refuses the document, after others of the file were applied.",
        source: "kubernetes issue 23251",
        fix: "quote the value",
        check: RuleCheck::Cluster(strings),
    },
    Rule {
        id: RuleId("S12"),
        title: "autoscalers of user-facing clusters wait half an hour before they scale down",
        severity: Severity::Note,
        reads: "kubeControllerManager of the cluster; HorizontalPodAutoscalers",
        story: "Traffic comes in waves of minutes. Pods that go between two waves come back cold in the next, and nodes with them.",
        source: "teams that run such fleets; Kubernetes, kube-controller-manager --horizontal-pod-autoscaler-downscale-stabilization",
        fix: "`kubeControllerManager.horizontalPodAutoscalerDownscaleStabilization: 30m`, or `behavior.scaleDown.stabilizationWindowSeconds: 1800`",
        check: RuleCheck::Cluster(stabilisation),
    },
    Rule {
        id: RuleId("S15"),
        title: "a pause pod that keeps room is as large as the largest pod",
        severity: Severity::Warning,
        reads: "requests of workloads; those whose image is `pause` keep room",
        story: "Overprovisioning that a large pod cannot use leaves that pod waiting for a node, which is what it was paid to prevent.",
        source: "teams that run such fleets; cluster-autoscaler FAQ, overprovisioning",
        fix: "request at least what the largest pod requests",
        check: RuleCheck::Cluster(pause_pods),
    },
    Rule {
        id: RuleId("S20"),
        title: "what runs on spot alone is spread over zones and may lose a pod at a time",
        severity: Severity::Warning,
        reads: "nodeSelector, replicas and spreading of workloads; nodeLabels of groups of workers",
        story: "An interruption takes a pool, and a pool is a zone: replicas that stand together go together.",
        source: "AWS, Best practices for Amazon EC2 Spot; Kubernetes, Pod Topology Spread Constraints",
        fix: "`topologySpreadConstraints` by zone, and a PodDisruptionBudget that allows one",
        check: RuleCheck::Cluster(spread),
    },
    Rule {
        id: RuleId("S21"),
        title: "overprovisioning has the lowest priority, and the autoscaler is above everything it evicts",
        severity: Severity::Error,
        reads: "PriorityClasses; priorityClassName of cluster-autoscaler",
        story: "A pause pod that cannot be preempted never gives its room to another pod; below cluster-autoscaler's cutoff of -10 it starts no node either.",
        source: "cluster-autoscaler FAQ, expendable-pods-priority-cutoff",
        fix: "a negative value not below -10 for overprovisioning, system-cluster-critical for the autoscaler",
        check: RuleCheck::Cluster(priorities),
    },
    Rule {
        id: RuleId("S22"),
        title: "dnsConfig is understood by the resolver of the image",
        severity: Severity::Warning,
        reads: "dnsConfig and image of workloads",
        story: "musl knows neither `single-request-reopen` nor more than `ndots`, `timeout` and `attempts`; five search domains and ndots 5 turn each lookup into eleven.",
        source: "musl, Functional differences from glibc: name resolver",
        fix: "`ndots: 2`, and no other option where images are Alpine's",
        check: RuleCheck::Cluster(dns),
    },
    Rule {
        id: RuleId("S23"),
        title: "DaemonSets request what they are limited to",
        severity: Severity::Note,
        reads: "requests and limits of DaemonSets",
        story: "A DaemonSet that may use more than it asks for is the first to be killed on the fullest node, on every node at once.",
        source: "Kubernetes, Node-pressure eviction; teams that run such fleets",
        fix: "equal requests and limits of memory",
        check: RuleCheck::Cluster(daemon_sets),
    },
    Rule {
        id: RuleId("S25"),
        title: "there is a way back from the on-demand fallback",
        severity: Severity::Note,
        reads: "groups of workers; the names of workloads",
        story: "Pods that fell back to on-demand stay there until they are moved: the bill shows it in the next month.",
        source: "teams that run such fleets",
        fix: "a descheduler (or a drain job) that evicts pods from fallback nodes while spot has room",
        check: RuleCheck::Cluster(way_back),
    },
    Rule {
        id: RuleId("S26"),
        title: "no agent on every node polls the API server for metadata",
        severity: Severity::Warning,
        reads: "variables of the containers of DaemonSets",
        story: "An agent that lists all pods from each of five hundred nodes is five hundred times the load of one that does not.",
        source: "Datadog, Cluster Agent for Kubernetes: what it takes off the API server; published postmortems of monitoring agents",
        fix: "collect metadata tags through one cluster agent, or from the local kubelet",
        check: RuleCheck::Cluster(agents),
    },
];

fn volumes(cluster: &ClusterFacts, found: &mut RuleFindings) {
    found.lacking(&cluster.name, cluster.lacks_groups());
    let mut workloads = cluster.workloads().peekable();
    if workloads.peek().is_none() {
        return found.needs(Some(&cluster.name), NO_WORKLOADS);
    }
    if let Some(needs) = cluster.lacks_autoscaler() {
        return found.needs(Some(&cluster.name), needs);
    }
    let with: Vec<String> = workloads
        .filter(|(o, pod)| claims(o, pod))
        .map(|(o, _)| o.key())
        .collect();
    let zonal = cluster.workers().any(|g| g.scaled && g.zones().len() == 1);
    let Some(first) = with.first() else { return };
    if zonal {
        balanced(cluster, found);
    } else if cluster.zones().len() > 1 {
        found.add(
            &cluster.name,
            first.clone(),
            cluster.objects().find(|o| o.key() == *first).map(|o| o.pos),
            "claims volumes, and no scaled group is in one zone only".into(),
        );
    }
}

/// Whether groups for the same pods, each in one zone, are kept at one size.
fn balanced(cluster: &ClusterFacts, found: &mut RuleFindings) {
    let mut zones: BTreeMap<(String, bool), BTreeSet<&str>> = BTreeMap::new();
    let is_zonal = |g: &GroupFacts<'_>| g.scaled && g.zones().len() == 1;
    for group in cluster.workers().filter(is_zonal) {
        let pool = (group.workload_key(), group.is_spot());
        zones.entry(pool).or_default().extend(group.zones());
    }
    let most = zones.values().map(BTreeSet::len).max().unwrap_or_default();
    if most < 2 {
        return;
    }
    match cluster.balancing() {
        None => found.needs(Some(&cluster.name), NO_ARGUMENTS),
        Some(balancing) if !balancing.is_on => found.add(
            &cluster.name,
            balancing.subject,
            balancing.pos,
            format!("does not balance similar groups, and pods with volumes have one in each of {most} zones"),
        ),
        Some(_) => {}
    }
}

/// Whether a workload claims volumes.
fn claims(o: &ManifestObject, pod: &Json) -> bool {
    o.value.pointer("/spec/volumeClaimTemplates").is_some()
        || pod
            .get("volumes")
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
            .any(|v| v.get("persistentVolumeClaim").is_some())
}

fn strings(cluster: &ClusterFacts, found: &mut RuleFindings) {
    if cluster.objects().next().is_none() {
        return found.needs(
            Some(&cluster.name),
            "documents beside the cluster and its groups",
        );
    }
    for object in cluster.objects() {
        for (what, pointer) in [
            ("label", "/metadata/labels"),
            ("annotation", "/metadata/annotations"),
        ] {
            let map = object.value.pointer(pointer).and_then(Json::as_object);
            for (key, _) in map.into_iter().flatten().filter(|(_, v)| !v.is_string()) {
                found.add(
                    &cluster.name,
                    object.key(),
                    Some(object.pos),
                    format!("the {what} {key} is not a string"),
                );
            }
        }
    }
}

/// Seconds of a Go duration of hours, minutes and seconds.
fn seconds(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut number = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let unit = match c {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        number.clear();
    }
    number.is_empty().then_some(total)
}

fn stabilisation(cluster: &ClusterFacts, found: &mut RuleFindings) {
    const HALF_AN_HOUR: u64 = 1800;
    let scalers: Vec<&ManifestObject> = cluster
        .objects()
        .filter(|o| o.kind == "HorizontalPodAutoscaler")
        .collect();
    let of_cluster = cluster
        .spec("/kubeControllerManager/horizontalPodAutoscalerDownscaleStabilization")
        .and_then(Json::as_str)
        .and_then(seconds);
    if scalers.is_empty() && of_cluster.is_none() {
        return found.needs(
            Some(&cluster.name),
            "a HorizontalPodAutoscaler among the manifests, or the controller manager's setting",
        );
    }
    if let Some(short) = of_cluster.filter(|s| *s < HALF_AN_HOUR) {
        found.add(
            &cluster.name,
            cluster.subject(),
            cluster.pos(),
            format!("scales pods down after {short} seconds"),
        );
    }
    for scaler in scalers {
        let own = scaler
            .value
            .pointer("/spec/behavior/scaleDown/stabilizationWindowSeconds")
            .and_then(Json::as_u64);
        // Kubernetes's own default is 300 seconds.
        let window = own.or(of_cluster).unwrap_or(300);
        if window < HALF_AN_HOUR {
            found.add(
                &cluster.name,
                scaler.key(),
                Some(scaler.pos),
                format!("scales down after {window} seconds"),
            );
        }
    }
}

/// A Kubernetes quantity in thousandths.
fn quantity(text: &str) -> Option<u128> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
    let thousandths = whole.parse::<u128>().ok()? * 1000 + fraction.parse::<u128>().ok()?;
    let factor: u128 = match unit {
        "" => 1,
        "m" => return Some(thousandths / 1000),
        "k" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return None,
    };
    thousandths.checked_mul(factor)
}

fn request(pod: &Json, resource: &str) -> u128 {
    containers(pod)
        .filter_map(|c| c.pointer("/resources/requests")?.get(resource))
        .filter_map(|v| {
            v.as_str()
                .map(str::to_owned)
                .or_else(|| v.as_number().map(ToString::to_string))
        })
        .filter_map(|text| quantity(&text))
        .sum()
}

fn is_pause(pod: &Json) -> bool {
    containers(pod).any(|c| {
        c.get("image").and_then(Json::as_str).is_some_and(|i| {
            i.contains("/pause:") || i.starts_with("pause:") || i.contains("/pause@")
        })
    })
}

fn pause_pods(cluster: &ClusterFacts, found: &mut RuleFindings) {
    let (pause, others) = pause_and_others(cluster);
    if pause.is_empty() || others.is_empty() {
        return found.needs(
            Some(&cluster.name),
            "pause pods and the pods they keep room for among the manifests",
        );
    }
    for resource in ["cpu", "memory"] {
        let largest = others.iter().max_by_key(|(_, pod)| request(pod, resource));
        let Some((largest, pod)) = largest else {
            continue;
        };
        let wanted = request(pod, resource);
        if pause.iter().all(|(_, pod)| request(pod, resource) < wanted)
            && let Some((object, _)) = pause.first()
        {
            found.add(
                &cluster.name,
                object.key(),
                Some(object.pos),
                format!("requests less {resource} than {}", largest.key()),
            );
        }
    }
}

/// Workloads with the specs of their pods.
type Specs<'c> = Vec<(&'c ManifestObject, &'c Json)>;

/// Pods that keep room, and the workloads they keep it for.
fn pause_and_others(cluster: &ClusterFacts) -> (Specs<'_>, Specs<'_>) {
    let all = cluster.workloads();
    let (pause, mut others): (Vec<_>, Vec<_>) = all.partition(|(_, pod)| is_pause(pod));
    others.retain(|(o, _)| o.kind != "DaemonSet");
    (pause, others)
}

/// Labels of spot nodes, or of the others.
fn labels_of(cluster: &ClusterFacts, spot: bool) -> BTreeSet<(&str, &str)> {
    let groups = cluster.workers().filter(|g| g.is_spot() == spot);
    groups
        .flat_map(|g| g.group.node_labels.iter())
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect()
}

fn spread(cluster: &ClusterFacts, found: &mut RuleFindings) {
    found.lacking(&cluster.name, cluster.lacks_groups());
    let (spot, on_demand) = (labels_of(cluster, true), labels_of(cluster, false));
    let mut workloads = cluster.workloads().peekable();
    if workloads.peek().is_none() {
        return found.needs(Some(&cluster.name), NO_WORKLOADS);
    }
    for (object, pod) in
        workloads.filter(|(o, _)| matches!(o.kind.as_str(), "Deployment" | "StatefulSet"))
    {
        let selector = pod.get("nodeSelector").and_then(Json::as_object);
        let only_spot = selector.into_iter().flatten().any(|(k, v)| {
            let pair = (k.as_str(), v.as_str().unwrap_or_default());
            spot.contains(&pair) && !on_demand.contains(&pair)
        });
        let replicas = object.value.pointer("/spec/replicas");
        let replicas = replicas.and_then(Json::as_u64).unwrap_or(1);
        let spreads = pod.get("topologySpreadConstraints").is_some()
            || pod.pointer("/affinity/podAntiAffinity").is_some();
        if only_spot && replicas > 1 && !spreads {
            found.add(
                &cluster.name,
                object.key(),
                Some(object.pos),
                format!("runs {replicas} pods on spot alone and does not spread them"),
            );
        }
    }
}

fn priorities(cluster: &ClusterFacts, found: &mut RuleFindings) {
    let classes: BTreeMap<&str, (&ManifestObject, i64)> = cluster
        .objects()
        .filter(|o| o.kind == "PriorityClass")
        .filter_map(|o| Some((o.name.as_deref()?, (o, o.value.get("value")?.as_i64()?))))
        .collect();
    if classes.is_empty() {
        return found.needs(Some(&cluster.name), "PriorityClasses among the manifests");
    }
    let overprovisioning = |name: &str| {
        name.contains("overprovision") || name.contains("pause") || name.contains("placeholder")
    };
    let others = classes
        .iter()
        .filter(|(name, _)| !overprovisioning(name))
        .map(|(_, (_, value))| *value);
    let least = others.min().unwrap_or(0).min(0);
    for (_, (object, value)) in classes.iter().filter(|(name, _)| overprovisioning(name)) {
        let mut add = |what: String| {
            found.add(&cluster.name, object.key(), Some(object.pos), what);
        };
        // Pods without a class have priority 0.
        if *value >= 0 || *value > least {
            add(format!(
                "has the value {value}, so pods of another class are not let in for it"
            ));
        } else if *value < -10 {
            add(format!(
                "has the value {value}, below the autoscaler's cutoff of -10: it starts no node"
            ));
        }
    }
    for (object, pod) in cluster.workloads().filter(|(o, _)| is_autoscaler(o)) {
        let class = pod.get("priorityClassName").and_then(Json::as_str);
        let critical = class.is_some_and(|c| c.starts_with("system-"));
        let own = class.and_then(|c| classes.get(c)).map(|(_, v)| *v);
        let highest = classes.values().map(|(_, v)| *v).max().unwrap_or(0);
        if !critical && own.is_none_or(|v| v < highest) {
            found.add(
                &cluster.name,
                object.key(),
                Some(object.pos),
                "has a lower priority than pods it starts nodes for".into(),
            );
        }
    }
}

fn dns(cluster: &ClusterFacts, found: &mut RuleFindings) {
    if cluster.workloads().next().is_none() {
        return found.needs(Some(&cluster.name), NO_WORKLOADS);
    }
    for (object, pod) in cluster.workloads() {
        let Some(config) = pod.get("dnsConfig") else {
            continue;
        };
        let options = config.get("options").and_then(Json::as_array);
        let musl = containers(pod).any(|c| {
            c.get("image")
                .and_then(Json::as_str)
                .is_some_and(|i| i.contains("alpine") || i.contains("musl"))
        });
        if musl {
            musl_options(cluster, object, options, found);
        }
        let search = config
            .get("searches")
            .and_then(Json::as_array)
            .map_or(0, Vec::len);
        // The kubelet adds three of its own; older resolvers take six.
        if search > 3 {
            found.add(
                &cluster.name,
                object.key(),
                Some(object.pos),
                format!("adds {search} search domains to the cluster's three"),
            );
        }
    }
}

/// Options that the resolver of musl does not know.
fn musl_options(
    cluster: &ClusterFacts,
    object: &ManifestObject,
    options: Option<&Vec<Json>>,
    found: &mut RuleFindings,
) {
    for option in options.into_iter().flatten() {
        let name = option
            .get("name")
            .and_then(Json::as_str)
            .unwrap_or_default();
        if !matches!(name, "ndots" | "timeout" | "attempts") {
            found.add(
                &cluster.name,
                object.key(),
                Some(object.pos),
                format!(
                    "sets the DNS option {name}, which the resolver of its image does not know"
                ),
            );
        }
    }
}

fn daemon_sets(cluster: &ClusterFacts, found: &mut RuleFindings) {
    if cluster.workloads().next().is_none() {
        return found.needs(Some(&cluster.name), NO_WORKLOADS);
    }
    for (object, pod) in cluster.workloads().filter(|(o, _)| o.kind == "DaemonSet") {
        let unequal = containers(pod).any(|c| {
            let of = |kind: &str| c.pointer(&format!("/resources/{kind}/memory"));
            of("limits").is_none() || of("limits") != of("requests")
        });
        if unequal {
            found.add(
                &cluster.name,
                object.key(),
                Some(object.pos),
                "requests other memory than its limit".into(),
            );
        }
    }
}

fn way_back(cluster: &ClusterFacts, found: &mut RuleFindings) {
    found.lacking(&cluster.name, cluster.lacks_groups());
    let fallback = cluster.workers().any(|spot| {
        spot.is_spot()
            && cluster
                .workers()
                .any(|g| !g.is_spot() && g.workload() == spot.workload())
    });
    if !fallback {
        return;
    }
    let mut workloads = cluster.workloads().peekable();
    if workloads.peek().is_none() {
        return found.needs(Some(&cluster.name), NO_WORKLOADS);
    }
    let moves = |o: &ManifestObject| {
        o.name.as_deref().is_some_and(|n| {
            n.contains("descheduler") || n.contains("draino") || n.contains("rescheduler")
        })
    };
    if !workloads.any(|(o, _)| moves(o)) {
        found.add(
            &cluster.name,
            cluster.subject(),
            cluster.pos(),
            "has on-demand fallbacks, and nothing that moves pods back to spot".into(),
        );
    }
}

fn agents(cluster: &ClusterFacts, found: &mut RuleFindings) {
    if cluster.workloads().next().is_none() {
        return found.needs(Some(&cluster.name), NO_WORKLOADS);
    }
    const POLLS: [(&str, &str); 3] = [
        ("DD_COLLECT_KUBERNETES_EVENTS", "true"),
        ("DD_LEADER_ELECTION", "true"),
        ("DD_KUBERNETES_COLLECT_METADATA_TAGS", "true"),
    ];
    for (object, pod) in cluster.workloads().filter(|(o, _)| o.kind == "DaemonSet") {
        let variables: Vec<(&str, &str)> = containers(pod)
            .filter_map(|c| c.get("env")?.as_array())
            .flatten()
            .filter_map(|v| Some((v.get("name")?.as_str()?, v.get("value")?.as_str()?)))
            .collect();
        let through = variables
            .iter()
            .any(|(k, v)| *k == "DD_CLUSTER_AGENT_ENABLED" && *v == "true");
        for (name, _) in variables
            .iter()
            .filter(|pair| POLLS.contains(pair) && !through)
        {
            found.add(
                &cluster.name,
                object.key(),
                Some(object.pos),
                format!("sets {name} on every node"),
            );
        }
    }
}
