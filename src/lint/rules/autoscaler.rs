//! L01 to L07, L11, L12, L14, L15, L19, L21: whether cluster-autoscaler can do with the groups what people expect of it.

use std::collections::BTreeMap;

use crate::desired::AutoscalerFinding as Seen;
use crate::lint::facts::{
    ClusterFacts, GroupFacts, NO_ARGUMENTS, NODE_TAG, containers, taint_text,
};
use crate::lint::finding::RuleFindings;
use crate::lint::rule::{Rule, RuleCheck, RuleId, Severity};
use crate::model::{GroupName, LiveCluster};

const README: &str = "cluster-autoscaler, cloudprovider/aws/README.md";

pub(super) const RULES: [Rule; 12] = [
    Rule {
        id: RuleId("L01"),
        title: "every group of workers carries the autoscaler's discovery tags, and those of no other cluster",
        severity: Severity::Error,
        reads: "cloudLabels of every group; kops' add-on `clusterAutoscaler`; the Deployment of cluster-autoscaler",
        story: "Auto-discovery takes a group only when all listed tags are on it. A group without them stays at the size it was made with; a group with another cluster's tag is scaled by that cluster's autoscaler.",
        source: README,
        fix: "write the tags with `autoscaler_labels` in the template, for every group of workers and for no other",
        check: RuleCheck::Cluster(discovery),
    },
    Rule {
        id: RuleId("L02"),
        title: "node-template labels say what the nodes will carry",
        severity: Severity::Error,
        reads: "nodeLabels and cloudLabels of groups that are scaled",
        story: "At zero instances the autoscaler knows a node only from its group's tags. Where they differ from the labels that kubelet sets, a pod with a node selector never starts a node, or starts one it cannot use.",
        source: "cluster-autoscaler issues 511, 2418, 3802, 4998",
        fix: "derive the tags from nodeLabels (`autoscaler_labels` does)",
        check: RuleCheck::Workers(labels),
    },
    Rule {
        id: RuleId("L03"),
        title: "node-template taints say what the nodes will carry, as `value:Effect`",
        severity: Severity::Error,
        reads: "taints and cloudLabels of groups that are scaled",
        story: "A taint that the tags do not tell lets the autoscaler start nodes that the waiting pod does not tolerate: nodes come, stay empty, go, and come again. A quote inside the value makes another taint of it.",
        source: "cluster-autoscaler issues 2418, 2434",
        fix: "derive the tags from taints (`autoscaler_labels` does)",
        check: RuleCheck::Workers(taints),
    },
    Rule {
        id: RuleId("L07"),
        title: "every priority matches a group, and every scaled group has a priority",
        severity: Severity::Error,
        reads: "the ConfigMap `cluster-autoscaler-priority-expander`, or `clusterAutoscaler` of the cluster; the names of the AutoScalingGroups",
        story: "The priority expander never takes a group that no pattern matches while another would do, and one text that cannot be read stops every scale-up.",
        source: "cluster-autoscaler issues 3735, 2768, 3711, pull request 5246",
        fix: "anchor the patterns at the names of AutoScalingGroups, one pattern for every group, in kube-system",
        check: RuleCheck::Cluster(priorities),
    },
    Rule {
        id: RuleId("L11"),
        title: "AZRebalance is suspended in a scaled group of several zones, or a termination handler drains",
        severity: Severity::Warning,
        reads: "suspendProcesses and subnets of groups that are scaled; `nodeTerminationHandler` of the cluster",
        story: "The autoscaler and AZRebalance work against each other: one removes a node, the other starts one in another zone and ends a third, with no drain.",
        source: "cluster-autoscaler issue 1744; aws-node-termination-handler issue 95",
        fix: "`suspendProcesses: [AZRebalance]` in the group, or nodeTerminationHandler in queue mode. Which of the two is for a person to say, so `--fix` writes neither",
        check: RuleCheck::Workers(rebalance),
    },
    Rule {
        id: RuleId("L12"),
        title: "no capacity rebalancing in a group that the autoscaler scales",
        severity: Severity::Warning,
        reads: "capacityRebalance of groups that are scaled",
        story: "The replacement that AWS starts raises the desired capacity, which the autoscaler then takes for load: groups churn for hours.",
        source: "aws-node-termination-handler issue 141",
        fix: "leave `capacityRebalance` out and let the termination handler drain on the interruption itself",
        check: RuleCheck::Workers(capacity_rebalance),
    },
    Rule {
        id: RuleId("L14"),
        title: "groups that are to be balanced carry the same labels",
        severity: Severity::Warning,
        reads: "nodeLabels, taints and types of groups that are scaled; the arguments of cluster-autoscaler's Deployment",
        story: "`--balance-similar-node-groups` compares labels, zone and host name aside. One label that differs, and the groups are not similar: the whole load lands in one zone.",
        source: "cluster-autoscaler issues 3092, 3515, 5381",
        fix: "give groups of one pool the same labels, or name the label in `--balancing-ignore-label`",
        check: RuleCheck::Cluster(balanced),
    },
    Rule {
        id: RuleId("L15"),
        title: "the live desired capacity lies between minSize and maxSize",
        severity: Severity::Warning,
        reads: "minSize and maxSize of every group; the desired capacity that is live",
        story: "A maximum below what runs ends instances with no drain; a minimum above it starts some.",
        source: "Amazon EC2 Auto Scaling, UpdateAutoScalingGroup",
        fix: "put minSize and maxSize around what runs; where a group is to shrink, `--allow-shrink` drains what has to go",
        check: RuleCheck::Live(
            desired_fits,
            "the live state: `kfleet lint --live` reads it, and `kfleet plan` compares them",
        ),
    },
    Rule {
        id: RuleId("L19"),
        title: "a group that can be empty says its ephemeral storage when pods ask for some",
        severity: Severity::Warning,
        reads: "workloads that request ephemeral storage; cloudLabels of groups that can be empty",
        story: "At zero instances the autoscaler knows of no ephemeral storage. A pod that requests some never starts the first node.",
        source: README,
        fix: "add the tag `k8s.io/cluster-autoscaler/node-template/resources/ephemeral-storage` with the root volume's size, less what the system takes. How much that is no manifest says, so `--fix` writes none",
        check: RuleCheck::Cluster(ephemeral_storage),
    },
    Rule {
        id: RuleId("L21"),
        title: "no `eks:nodegroup-name` tag on a group",
        severity: Severity::Error,
        reads: "tags of groups of workers",
        story: "The autoscaler asks EKS about a group with that tag, once for every look; for a group that is not of EKS the calls fail and eat the account's rate.",
        source: README,
        fix: "remove the tag",
        check: RuleCheck::Workers(eks_tag),
    },
    Rule {
        id: RuleId("L05"),
        title: "a spot group can go down to zero",
        severity: Severity::Warning,
        reads: "minSize of spot groups that are scaled",
        story: "When AWS has no capacity, the autoscaler gives up by setting the desired capacity back to what runs. Below the minimum that call fails, for ever, and the on-demand fallback never gets its turn.",
        source: "cluster-autoscaler issues 5038, 6645, 9043",
        fix: "`minSize: 0`, and what must always run in the on-demand fallback",
        check: RuleCheck::Workers(spot_minimum),
    },
    Rule {
        id: RuleId("L06"),
        title: "every spot group has an on-demand fallback for the same pods, taken later",
        severity: Severity::Error,
        reads: "nodeLabels and taints of groups that are scaled, less those that only say how an instance is bought; the priorities of the expander",
        story: "When spot is refused in every pool, pods wait until it is back, unless an on-demand group takes them. It must carry the same labels and taints, and a lower priority.",
        source: "cluster-autoscaler issues 3241, 4438, 2075",
        fix: "add an on-demand group with the same labels and taints, minSize 0, and a priority below the spot group's",
        check: RuleCheck::Cluster(fallback),
    },
];

/// The group that a finding is about, where it is about one that is not discovered.
fn undiscovered(seen: &Seen) -> Option<&GroupName> {
    match seen {
        Seen::NotDiscovered { group, .. }
        | Seen::NoWorkers { group }
        | Seen::SwitchedOff { group }
        | Seen::OtherCluster { group, .. } => Some(group),
        Seen::Namespace { .. }
        | Seen::TwoExpanders
        | Seen::Unreadable { .. }
        | Seen::NoPattern { .. }
        | Seen::MatchesNothing { .. }
        | Seen::NoPriority { .. }
        | Seen::NegativePriority { .. }
        | Seen::NoPatterns { .. }
        | Seen::SeveralPriorities { .. }
        | Seen::UnknownType { .. }
        | Seen::ByAttributes { .. }
        | Seen::TaintForm { .. } => None,
    }
}

fn discovery(cluster: &ClusterFacts, found: &mut RuleFindings) {
    if let Some(needs) = cluster.lacks_autoscaler() {
        return found.needs(Some(&cluster.name), needs);
    }
    for seen in &cluster.autoscaler.findings {
        let Some(group) = undiscovered(seen) else {
            continue;
        };
        let Some(facts) = cluster.groups().find(|g| g.group.name == *group) else {
            continue;
        };
        // A group of one size is not meant to be scaled.
        let is_fixed = facts.group.min_size == facts.group.max_size;
        if is_fixed && matches!(seen, Seen::NotDiscovered { .. }) {
            continue;
        }
        found.add(
            &cluster.name,
            facts.subject(),
            facts.at("cloudLabels"),
            without_group(&seen.to_string()),
        );
    }
}

fn priorities(cluster: &ClusterFacts, found: &mut RuleFindings) {
    if cluster.autoscaler.expander.is_none() {
        return found.needs(
            Some(&cluster.name),
            "the priority expander's ConfigMap among the manifests",
        );
    }
    for seen in &cluster.autoscaler.findings {
        match seen {
            Seen::Namespace { .. }
            | Seen::TwoExpanders
            | Seen::Unreadable { .. }
            | Seen::NoPattern { .. }
            | Seen::MatchesNothing { .. }
            | Seen::NegativePriority { .. }
            | Seen::NoPatterns { .. }
            | Seen::SeveralPriorities { .. }
            | Seen::NoPriority { .. } => {
                found_in_map(cluster, seen, found);
            }
            Seen::NotDiscovered { .. }
            | Seen::NoWorkers { .. }
            | Seen::SwitchedOff { .. }
            | Seen::OtherCluster { .. }
            | Seen::UnknownType { .. }
            | Seen::ByAttributes { .. }
            | Seen::TaintForm { .. } => {}
        }
    }
}

/// A finding about the priority expander's ConfigMap.
fn found_in_map(cluster: &ClusterFacts, seen: &Seen, found: &mut RuleFindings) {
    let map = cluster.objects().find(|o| {
        o.kind == "ConfigMap" && o.name.as_deref() == Some("cluster-autoscaler-priority-expander")
    });
    found.add(
        &cluster.name,
        map.map_or_else(|| cluster.subject(), crate::kops::ManifestObject::key),
        map.map(|o| o.pos),
        seen.to_string(),
    );
}

/// The text of a finding without the group that is named beside it.
fn without_group(text: &str) -> String {
    match text.split_once(": ") {
        Some((head, rest)) if head.starts_with("group ") => rest.to_owned(),
        Some(_) | None => text.to_owned(),
    }
}

fn tagged<'a>(group: &GroupFacts<'a>, kind: &str) -> BTreeMap<&'a str, &'a str> {
    let prefix = format!("{NODE_TAG}{kind}/");
    group
        .tags()
        .filter_map(|(k, v)| Some((k.strip_prefix(prefix.as_str())?, v)))
        .collect()
}

/// Whether cluster-autoscaler scales a group; where nothing says so, that is what a rule about it needs.
fn is_scaled(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) -> bool {
    if let Some(needs) = cluster.lacks_autoscaler() {
        found.needs(Some(&cluster.name), needs);
        return false;
    }
    group.scaled
}

fn labels(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) {
    if !is_scaled(cluster, group, found) {
        return;
    }
    let tags = tagged(group, "label");
    // Labels that kops writes by itself are known to it and to kubelet alike; what counts is what a person wrote.
    let written = &group.group.node_labels;
    for (key, value) in written {
        let problem = match tags.get(key.as_str()) {
            None => format!("the node label {key} has no node-template tag"),
            Some(tag) if tag != value => {
                format!("the node label {key} is `{value}` and its tag says `{tag}`")
            }
            Some(_) => continue,
        };
        found.add(
            &cluster.name,
            group.subject(),
            group.at("nodeLabels"),
            problem,
        );
    }
    let of_kops = |key: &str| {
        key.contains("kops.k8s.io/")
            || key.starts_with("node-role.kubernetes.io/")
            || key.starts_with("kubernetes.io/role")
    };
    for key in tags
        .keys()
        .filter(|k| !written.contains_key(**k) && !of_kops(k))
    {
        found.add(
            &cluster.name,
            group.subject(),
            group.at("cloudLabels"),
            format!("a tag promises the node label {key}, and nodeLabels has none"),
        );
    }
}

fn taints(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) {
    if !is_scaled(cluster, group, found) {
        return;
    }
    let tags = tagged(group, "taint");
    let mut add = |field: &str, what: String| {
        found.add(&cluster.name, group.subject(), group.at(field), what);
    };
    for taint in &group.group.taints {
        let Some(effect) = taint.effect.as_deref() else {
            continue;
        };
        let expected = format!("{}:{effect}", taint.value.as_deref().unwrap_or_default());
        match tags.get(taint.key.as_str()) {
            None => add(
                "taints",
                format!("the taint {} has no node-template tag", taint_text(taint)),
            ),
            Some(tag) if *tag != expected => add(
                "cloudLabels",
                format!(
                    "the taint {} has the tag `{tag}`; it must be `{expected}`",
                    taint_text(taint)
                ),
            ),
            Some(_) => {}
        }
    }
    let has = |key: &str| group.group.taints.iter().any(|t| t.key == key);
    for key in tags.keys().filter(|k| !has(k)) {
        add(
            "cloudLabels",
            format!("a tag promises the taint {key}, and taints has none"),
        );
    }
}

fn drains_by_queue(cluster: &ClusterFacts) -> bool {
    cluster.manifests.cluster.termination_queue.is_some()
}

fn rebalance(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) {
    let suspended = group
        .group
        .suspend_processes
        .iter()
        .any(|p| p == "AZRebalance");
    let is_scaled = is_scaled(cluster, group, found);
    if is_scaled && group.zones().len() > 1 && !suspended && !drains_by_queue(cluster) {
        found.add(
            &cluster.name,
            group.subject(),
            group.at("suspendProcesses"),
            format!(
                "spans {} zones, AZRebalance is not suspended, and no termination handler drains what it ends",
                group.zones().len()
            ),
        );
    }
}

fn capacity_rebalance(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) {
    if is_scaled(cluster, group, found) && group.group.capacity_rebalance == Some(true) {
        found.add(
            &cluster.name,
            group.subject(),
            group.at("capacityRebalance"),
            "has capacityRebalance, and the autoscaler scales it".into(),
        );
    }
}

fn balanced(cluster: &ClusterFacts, found: &mut RuleFindings) {
    match cluster.balancing() {
        None => found.needs(Some(&cluster.name), NO_ARGUMENTS),
        Some(balancing) if balancing.is_on => {
            let ignored: Vec<&str> = balancing.ignored.iter().map(String::as_str).collect();
            unbalanced(cluster, &ignored, found);
        }
        Some(_) => {}
    }
}

/// Groups of the same shape that differ in a label which is not ignored.
fn unbalanced(cluster: &ClusterFacts, ignored: &[&str], found: &mut RuleFindings) {
    let shape = |g: &GroupFacts<'_>| {
        let types: Vec<String> = g.types().into_iter().map(str::to_owned).collect();
        (types, g.is_spot(), taints_of(g))
    };
    let groups: Vec<GroupFacts<'_>> = cluster.workers().filter(|g| g.scaled).collect();
    for (index, one) in groups.iter().enumerate() {
        for other in groups
            .iter()
            .skip(index + 1)
            .filter(|o| shape(o) == shape(one))
        {
            let differing: Vec<&str> = differing_labels(one, other)
                .into_iter()
                .filter(|k| !ignored.contains(k))
                .collect();
            // Groups of one zone each are meant to be balanced; groups over the same zones are pools of their own.
            if !differing.is_empty() && one.zones().is_disjoint(&other.zones()) {
                found.add(
                    &cluster.name,
                    other.subject(),
                    other.at("nodeLabels"),
                    format!(
                        "differs from {} in the label{} {}, so the two are not balanced",
                        one.group.name,
                        if differing.len() == 1 { "" } else { "s" },
                        differing.join(", ")
                    ),
                );
            }
        }
    }
}

fn taints_of(group: &GroupFacts<'_>) -> Vec<String> {
    let mut taints: Vec<String> = group.group.taints.iter().map(taint_text).collect();
    taints.sort();
    taints
}

fn differing_labels<'a>(one: &GroupFacts<'a>, other: &GroupFacts<'a>) -> Vec<&'a str> {
    let (a, b) = (&one.group.node_labels, &other.group.node_labels);
    let keys: std::collections::BTreeSet<&str> =
        a.keys().chain(b.keys()).map(String::as_str).collect();
    keys.into_iter()
        .filter(|k| a.get(*k) != b.get(*k) && !k.contains("topology.") && !k.ends_with("hostname"))
        .collect()
}

fn ephemeral_storage(cluster: &ClusterFacts, found: &mut RuleFindings) {
    let mut workloads = cluster.workloads().peekable();
    if workloads.peek().is_none() {
        return found.needs(Some(&cluster.name), "workloads among the manifests");
    }
    if let Some(needs) = cluster.lacks_autoscaler() {
        return found.needs(Some(&cluster.name), needs);
    }
    let asks = workloads.any(|(_, pod)| {
        containers(pod).any(|c| c.pointer("/resources/requests/ephemeral-storage").is_some())
    });
    if !asks {
        return;
    }
    for group in cluster
        .workers()
        .filter(|g| g.scaled && g.group.min_size == 0)
    {
        if !tagged(&group, "resources").contains_key("ephemeral-storage") {
            found.add(
                &cluster.name,
                group.subject(),
                group.at("cloudLabels"),
                "can be empty and has no ephemeral-storage tag, and pods of this cluster request some".into(),
            );
        }
    }
}

fn eks_tag(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) {
    if group.tags().any(|(k, _)| k == "eks:nodegroup-name") {
        found.add(
            &cluster.name,
            group.subject(),
            group.at("cloudLabels"),
            "has the tag eks:nodegroup-name".into(),
        );
    }
}

fn spot_minimum(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) {
    if is_scaled(cluster, group, found) && group.is_spot() && group.group.min_size > 0 {
        found.add(
            &cluster.name,
            group.subject(),
            group.at("minSize"),
            format!("is spot with minSize {}", group.group.min_size),
        );
    }
}

fn fallback(cluster: &ClusterFacts, found: &mut RuleFindings) {
    found.lacking(&cluster.name, cluster.lacks_groups());
    if let Some(needs) = cluster.lacks_autoscaler() {
        return found.needs(Some(&cluster.name), needs);
    }
    let priority = |g: &GroupFacts<'_>| {
        let asg = &g.definition.auto_scaling_group.auto_scaling_group_name;
        cluster.autoscaler.expander.as_ref()?.priority_of(asg)
    };
    for spot in cluster.workers().filter(|g| g.scaled && g.is_spot()) {
        let mut same = cluster
            .workers()
            .filter(|g| g.scaled && !g.is_spot() && g.workload() == spot.workload())
            .peekable();
        if same.peek().is_none() {
            without_fallback(cluster, &spot, found);
            continue;
        }
        let Some(own) = priority(&spot) else {
            continue;
        };
        if !same.any(|g| priority(&g).is_some_and(|p| p < own)) {
            found.add(
                &cluster.name,
                spot.subject(),
                Some(spot.group.pos),
                format!("its on-demand fallback has no priority below {own}, so on-demand is taken first"),
            );
        }
    }
}

fn without_fallback(cluster: &ClusterFacts, spot: &GroupFacts<'_>, found: &mut RuleFindings) {
    found.add(
        &cluster.name,
        spot.subject(),
        spot.at("nodeLabels"),
        "is spot, and no on-demand group has its labels and taints".into(),
    );
}

/// What the manifest's sizes make of what runs.
fn desired_fits(cluster: &ClusterFacts, live: &LiveCluster, found: &mut RuleFindings) {
    for group in cluster.groups() {
        let name = &group.definition.auto_scaling_group.auto_scaling_group_name;
        let Some(runs) = live.groups.get(name) else {
            continue;
        };
        let (min, max) = (group.group.min_size, group.group.max_size);
        let (field, what) = match runs.desired {
            n if n < min => (
                "minSize",
                format!("minSize {min} starts instances: {n} are wanted now"),
            ),
            n if n > max => (
                "maxSize",
                format!("maxSize {max} ends instances: {n} are wanted now"),
            ),
            _ => continue,
        };
        found.add(&cluster.name, group.subject(), group.at(field), what);
    }
}
