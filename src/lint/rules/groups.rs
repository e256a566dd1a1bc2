//! L08 to L10, L16, L17, S01, S03 to S05, S11: what a group of workers is made of.

use std::collections::{BTreeMap, BTreeSet};

use crate::fleet::{Amount, Rolling};
use crate::lint::facts::{ClusterFacts, FleetWide, GroupFacts};
use crate::lint::finding::RuleFindings;
use crate::lint::rule::{Rule, RuleCheck, RuleId, Severity};

/// Types below which a spot group has too few pools to choose from, and families.
pub(super) const LEAST_TYPES: usize = 5;
const LEAST_FAMILIES: usize = 2;
/// Types over all spot groups of one application.
const LEAST_TYPES_OF_APPLICATION: usize = 10;
/// What a rule about groups that are full needs.
const NO_DESIRED: &str =
    "the desired capacity of a group that is rolled by a quarter: `kfleet lint --live` reads it";
/// Spot and on-demand groups of one application.
const MOST_GROUPS: usize = 4;

pub(super) const RULES: [Rule; 10] = [
    Rule {
        id: RuleId("L08"),
        title: "a spot group has several instance types of several families",
        severity: Severity::Warning,
        reads: "machineType and mixedInstancesPolicy of spot groups",
        story: "Every type in every zone is a pool of its own that can run dry. Two types are two chances; nine types in three zones are twenty-seven.",
        source: "AWS, Best practices for Amazon EC2 Spot: be flexible about instance types and Availability Zones",
        fix: "add types of the same size: the -a, -n, -d and -i variants, and the generations beside it",
        check: RuleCheck::Workers(few_types),
    },
    Rule {
        id: RuleId("L09"),
        title: "spot is allocated by price and capacity, and pools are only set for lowest-price",
        severity: Severity::Warning,
        reads: "mixedInstancesPolicy of spot groups",
        story: "`lowest-price` puts the whole group into the pool that everybody wants, and it is interrupted at once; `capacity-optimized` looks at interruptions and at no price. `spotInstancePools` with any other strategy is refused by AWS.",
        source: "AWS, Allocation strategies for Spot Instances; InstancesDistribution",
        fix: "`spotAllocationStrategy: price-capacity-optimized`, and no `spotInstancePools`",
        check: RuleCheck::Workers(strategy),
    },
    Rule {
        id: RuleId("L10"),
        title: "a group spans every zone of the cluster, or stands in one on purpose",
        severity: Severity::Note,
        reads: "subnets of groups of workers, with the zones of the cluster",
        story: "A zone that a group leaves out is capacity it cannot get, and a zone that is lost takes more of it.",
        source: "AWS, Best practices for Amazon EC2 Spot",
        fix: "name all the subnets, or make one group a zone where volumes ask for it",
        check: RuleCheck::Cluster(zones),
    },
    Rule {
        id: RuleId("L16"),
        title: "no maximum price for spot",
        severity: Severity::Warning,
        reads: "maxPrice of groups of workers",
        story: "A price below on-demand does not save money, it adds interruptions: the price moves slowly, and instances end when it passes the mark.",
        source: "AWS, Best practices for Amazon EC2 Spot: do not set a maximum price",
        fix: "remove `maxPrice`",
        check: RuleCheck::Workers(max_price),
    },
    Rule {
        id: RuleId("L17"),
        title: "settings that kops shows as changed again and again",
        severity: Severity::Note,
        reads: "maxInstanceLifetime and capacityRebalance of groups of workers",
        story: "kops compares `maxInstanceLifetime` and `capacityRebalance` so that a difference stays after every update; and a lifetime ends instances on its own day, not on yours.",
        source: "kops, upup/pkg/fi/cloudup/awstasks/autoscalinggroup.go",
        fix: "leave them out and roll nodes with a rollout",
        check: RuleCheck::Workers(perpetual),
    },
    Rule {
        id: RuleId("S01"),
        title: "at most four groups for the same pods",
        severity: Severity::Warning,
        reads: "nodeLabels, taints and types of groups of workers",
        story: "Two spot groups and their two fallbacks are what the autoscaler handles well. With more, balancing and failover between them become a matter of luck.",
        source: "teams that run such fleets",
        fix: "put more types into fewer groups",
        check: RuleCheck::Cluster(many_groups),
    },
    Rule {
        id: RuleId("S03"),
        title: "the spot groups of one application have ten instance types together",
        severity: Severity::Warning,
        reads: "mixedInstancesPolicy of spot groups, by their label `app`, `application` or `workload`",
        story: "Below that, one bad day of one family is a bad day of the application.",
        source: "AWS, Best practices for Amazon EC2 Spot",
        fix: "add types, or a second spot group of another size",
        check: RuleCheck::Cluster(types_of_application),
    },
    Rule {
        id: RuleId("S04"),
        title: "admin groups and control planes are on-demand, admin groups in two zones",
        severity: Severity::Error,
        reads: "name, labels, subnets and mixedInstancesPolicy of groups of workers; how control planes are bought",
        story: "CoreDNS, the autoscaler and the ingress on spot: an interruption takes away what would have started its replacement. A control plane on spot takes its member of etcd with it, and two in one hour take the API.",
        source: "teams that run such fleets",
        fix: "on-demand, in at least two zones",
        check: RuleCheck::Cluster(on_demand),
    },
    Rule {
        id: RuleId("S05"),
        title: "a dedicated group has both a taint and a matching label",
        severity: Severity::Error,
        reads: "taints and nodeLabels of groups of workers",
        story: "A taint alone keeps others out and lets its own pods go elsewhere; a label alone lets everybody in.",
        source: "Kubernetes, Taints and Tolerations: dedicated nodes",
        fix: "a taint `dedicated=NAME:NoSchedule`, and a node label that no other group carries, best with the same value",
        check: RuleCheck::Workers(dedicated),
    },
    Rule {
        id: RuleId("S11"),
        title: "a group that is large, or near its maximum, is not rolled by a quarter at a time",
        severity: Severity::Warning,
        reads: "rollingUpdate, minSize and maxSize of groups of workers; `rolling` of fleet.yaml where a group says nothing, its max_surge up to cluster_surge; the desired capacity with `--live`",
        story: "25% of a hundred nodes are twenty-five at once: their pods come back together, and what they depend on falls over. A smaller group is as badly off where it is full. Compared are: maxSize with 20; and, up to 20, what the percentage of maxSize comes to (two nodes or more) with maxSize less minSize, or less the desired capacity that is live where that is known and larger: where less is left, neither the surge nor the pods of the nodes that go have room.",
        source: "teams that run such fleets; kops, rolling-update settings: how percentages are rounded",
        fix: "write `maxSurge` and `maxUnavailable`, or max_surge and max_unavailable of fleet.yaml, as counts",
        check: RuleCheck::Around(by_the_quarter),
    },
];

/// `m6i` of `m6i.xlarge`.
fn family(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn counted(types: usize) -> String {
    format!("{types} instance type{}", if types == 1 { "" } else { "s" })
}

fn few_types(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) {
    // By attributes AWS takes every type that fits.
    let types = group.types();
    if !group.is_spot() || types.is_empty() {
        return;
    }
    let families: BTreeSet<&str> = types.iter().map(|t| family(t)).collect();
    if types.len() < LEAST_TYPES || families.len() < LEAST_FAMILIES {
        found.add(
            &cluster.name,
            group.subject(),
            group.at("mixedInstancesPolicy"),
            format!(
                "is spot with {} of {} famil{}; {LEAST_TYPES} types of {LEAST_FAMILIES} families are the least that is advised",
                counted(types.len()),
                families.len(),
                if families.len() == 1 { "y" } else { "ies" }
            ),
        );
    }
}

fn strategy(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) {
    let policy = &group.definition.auto_scaling_group.mixed_instances_policy;
    let Some(distribution) = policy.as_ref().map(|p| &p.instances_distribution) else {
        return;
    };
    if !group.is_spot() {
        return;
    }
    // AWS's default for a policy that says nothing.
    let strategy = distribution
        .spot_allocation_strategy
        .as_deref()
        .unwrap_or("lowest-price");
    let mut add = |what: String| {
        found.add(
            &cluster.name,
            group.subject(),
            group.at("mixedInstancesPolicy"),
            what,
        );
    };
    if strategy != "price-capacity-optimized" {
        add(format!("allocates spot by {strategy}"));
    }
    if distribution.spot_instance_pools.is_some_and(|n| n > 0) && strategy != "lowest-price" {
        add(format!("sets spotInstancePools with {strategy}"));
    }
}

/// A group of one zone is meant to be one of several; a group of two of three zones is rarely meant.
fn zones(cluster: &ClusterFacts, found: &mut RuleFindings) {
    found.lacking(&cluster.name, cluster.lacks_groups());
    let all = cluster.zones();
    let mut covered: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let groups: Vec<GroupFacts<'_>> = cluster.workers().collect();
    for group in &groups {
        covered
            .entry(format!("{} {}", group.workload_key(), group.is_spot()))
            .or_default()
            .extend(group.zones());
    }
    for group in &groups {
        let together = covered.get(&format!("{} {}", group.workload_key(), group.is_spot()));
        let missing: Vec<&str> = all
            .iter()
            .filter(|z| together.is_none_or(|t| !t.contains(*z)))
            .copied()
            .collect();
        // A group in a single zone is meant to be there: for a volume, or as one of several.
        if !missing.is_empty() && group.zones().len() > 1 {
            found.add(
                &cluster.name,
                group.subject(),
                group.at("subnets"),
                format!("is not in {}", missing.join(", ")),
            );
        }
    }
}

fn max_price(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) {
    if group.group.spot.max_price.is_some() {
        found.add(
            &cluster.name,
            group.subject(),
            group.at("maxPrice"),
            "sets a maximum price".into(),
        );
    }
}

fn perpetual(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) {
    let set = [
        (
            "maxInstanceLifetime",
            group.group.max_instance_lifetime.is_some(),
        ),
        (
            "capacityRebalance",
            group.group.capacity_rebalance == Some(true),
        ),
    ];
    for (field, _) in set.iter().filter(|(_, set)| *set) {
        found.add(
            &cluster.name,
            group.subject(),
            group.at(field),
            format!("sets {field}"),
        );
    }
}

fn by_workload<'a>(cluster: &'a ClusterFacts) -> BTreeMap<String, Vec<GroupFacts<'a>>> {
    let mut by: BTreeMap<String, Vec<GroupFacts<'a>>> = BTreeMap::new();
    for group in cluster.workers() {
        by.entry(application(&group)).or_default().push(group);
    }
    by
}

/// The application of a group: its label of that name, else everything that pods can ask for.
fn application(group: &GroupFacts<'_>) -> String {
    application_label(group).unwrap_or_else(|| group.workload_key())
}

fn application_label(group: &GroupFacts<'_>) -> Option<String> {
    let named = |key: &str| {
        let last = key.rsplit('/').next().unwrap_or(key);
        matches!(last, "app" | "application" | "workload")
    };
    let label = group.group.node_labels.iter().find(|(k, _)| named(k));
    label.map(|(k, v)| format!("{k}={v}"))
}

fn many_groups(cluster: &ClusterFacts, found: &mut RuleFindings) {
    found.lacking(&cluster.name, cluster.lacks_groups());
    for (key, groups) in by_workload(cluster) {
        // One group a zone counts once: that is how volumes want it.
        let shapes: BTreeSet<(Vec<&str>, bool)> =
            groups.iter().map(|g| (g.types(), g.is_spot())).collect();
        if shapes.len() > MOST_GROUPS {
            let names: Vec<&str> = groups.iter().map(|g| g.group.name.as_str()).collect();
            found.add(
                &cluster.name,
                cluster.subject(),
                cluster.pos(),
                format!(
                    "{} groups for the same pods ({}): {}",
                    shapes.len(),
                    if key.is_empty() { "no label" } else { &key },
                    names.join(", ")
                ),
            );
        }
    }
}

fn types_of_application(cluster: &ClusterFacts, found: &mut RuleFindings) {
    found.lacking(&cluster.name, cluster.lacks_groups());
    let mut by: BTreeMap<String, Vec<GroupFacts<'_>>> = BTreeMap::new();
    for group in cluster.workers() {
        // Where no label names the application, the cluster is taken for one.
        by.entry(application_label(&group).unwrap_or_default())
            .or_default()
            .push(group);
    }
    for (key, groups) in by {
        let spot: Vec<&GroupFacts<'_>> = groups.iter().filter(|g| g.is_spot()).collect();
        let by_attributes = spot.iter().any(|g| g.types().is_empty());
        let types: BTreeSet<&str> = spot.iter().flat_map(|g| g.types()).collect();
        if !spot.is_empty() && !by_attributes && types.len() < LEAST_TYPES_OF_APPLICATION {
            let names: Vec<&str> = spot.iter().map(|g| g.group.name.as_str()).collect();
            found.add(
                &cluster.name,
                spot.first().map_or_else(|| cluster.subject(), |g| g.subject()),
                spot.first().map(|g| g.group.pos),
                format!(
                    "{} over the spot groups of {}: {}; at least {LEAST_TYPES_OF_APPLICATION} are advised",
                    counted(types.len()),
                    if key.is_empty() { "the cluster" } else { &key },
                    names.join(", ")
                ),
            );
        }
    }
}

fn on_demand(cluster: &ClusterFacts, found: &mut RuleFindings) {
    for plane in cluster.control_planes().filter(GroupFacts::is_spot) {
        found.add(
            &cluster.name,
            plane.subject(),
            Some(plane.group.pos),
            "is a control plane on spot".into(),
        );
    }
    for group in cluster.workers() {
        admin(cluster, &group, found);
    }
}

fn admin(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) {
    let is_admin = |text: &str| matches!(text, "admin" | "infra" | "system");
    let labelled = group.group.node_labels.iter().any(|(k, v)| {
        let last = k.rsplit('/').next().unwrap_or(k);
        is_admin(v) && matches!(last, "pool" | "role" | "dedicated" | "group" | "purpose")
    });
    let named = group
        .group
        .name
        .as_str()
        .split(['-', '.', '_'])
        .any(is_admin);
    if !labelled && !named {
        return;
    }
    let mut add = |field: &str, what: String| {
        found.add(&cluster.name, group.subject(), group.at(field), what);
    };
    if group.is_spot() {
        add("mixedInstancesPolicy", "is an admin group on spot".into());
    }
    if group.zones().len() == 1 && cluster.zones().len() > 1 {
        add("subnets", "is an admin group in a single zone".into());
    }
}

fn dedicated(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) {
    let labels = &group.group.node_labels;
    for taint in group.group.taints.iter().filter(|t| is_dedicated(&t.key)) {
        // By a label that no group without the taint carries pods find these nodes, whatever its value is.
        let open = |key: &String, value: &String| {
            let mut others = cluster
                .workers()
                .filter(|g| !g.group.taints.contains(taint));
            others.any(|g| g.group.node_labels.get(key) == Some(value))
        };
        let is_found = labels.iter().any(|(key, value)| {
            Some(value.as_str()) == taint.value.as_deref() || !open(key, value)
        });
        if !is_found {
            found.add(
                &cluster.name,
                group.subject(),
                group.at("taints"),
                format!(
                    "is tainted {}={} and has no label that only such groups carry",
                    taint.key,
                    taint.value.as_deref().unwrap_or_default()
                ),
            );
        }
    }
    for (key, value) in labels.iter().filter(|(k, _)| is_dedicated(k)) {
        let tainted = |t: &crate::kops::Taint| t.value.as_deref() == Some(value.as_str());
        if !group.group.taints.iter().any(tainted) {
            found.add(
                &cluster.name,
                group.subject(),
                group.at("nodeLabels"),
                format!("is labelled {key}={value} and has no taint of that value"),
            );
        }
    }
}

fn is_dedicated(key: &str) -> bool {
    let last = key.rsplit('/').next().unwrap_or(key);
    matches!(last, "dedicated")
}

fn by_the_quarter(cluster: &ClusterFacts, around: FleetWide<'_>, found: &mut RuleFindings) {
    found.lacking(&cluster.name, cluster.lacks_groups());
    let live = around.live.and_then(|l| l.get(&cluster.name));
    for group in cluster.workers() {
        let name = &group.definition.auto_scaling_group.auto_scaling_group_name;
        let runs = live.and_then(|l| Some(l.groups.get(name)?.desired));
        for share in shares(&group, around.rolling) {
            too_much(cluster, &group, (runs, share), found);
        }
    }
}

/// What a percentage comes to in a group that has as many nodes as it may.
struct RolledShare {
    said: String,
    percent: u32,
    nodes: u32,
}

/// A group's own percentages, and those of the fleet where it has no word of its own.
fn shares(group: &GroupFacts<'_>, rolling: &Rolling) -> Vec<RolledShare> {
    let most = group.group.max_size;
    let own = &group.group.rolling_update;
    let share = |field: &str, amount: Amount, nodes: u32| match amount {
        Amount::Count(_) => None,
        Amount::Percent(percent) => Some(RolledShare {
            said: format!("{field} is {percent}%"),
            percent,
            nodes,
        }),
    };
    let surge = match own.max_surge {
        Some(amount) => share("maxSurge", amount, amount.surge_of(most)),
        None => share(
            "max_surge of fleet.yaml",
            rolling.max_surge,
            rolling.max_surge.surge_of(most),
        )
        .map(|surge| bounded(surge, rolling.cluster_surge, most)),
    };
    let unavailable = match own.max_unavailable {
        Some(amount) => share("maxUnavailable", amount, amount.unavailable_of(most)),
        None => share(
            "max_unavailable of fleet.yaml",
            rolling.max_unavailable,
            rolling.max_unavailable.unavailable_of(most),
        ),
    };
    surge.into_iter().chain(unavailable).collect()
}

/// What is left of a surge where a cluster has no more of it.
fn bounded(share: RolledShare, cluster_surge: u32, most: u32) -> RolledShare {
    if share.nodes <= cluster_surge {
        return share;
    }
    RolledShare {
        percent: cluster_surge.saturating_mul(100) / most.max(1),
        nodes: cluster_surge,
        said: share.said,
    }
}

fn too_much(
    cluster: &ClusterFacts,
    group: &GroupFacts<'_>,
    (runs, share): (Option<u32>, RolledShare),
    found: &mut RuleFindings,
) {
    const LARGE: u32 = 20;
    const QUARTER: u32 = 25;
    let RolledShare {
        said,
        percent,
        nodes,
    } = share;
    let most = group.group.max_size;
    let wants = group.group.min_size.max(runs.unwrap_or_default());
    if percent < QUARTER || (most <= LARGE && nodes < 2) {
        return;
    }
    let has = if most > LARGE {
        format!("can have {most} nodes")
    } else if most.saturating_sub(wants) < nodes {
        format!("wants {wants} of at most {most} nodes")
    } else {
        return found.lacking(&cluster.name, runs.is_none().then_some(NO_DESIRED));
    };
    found.add(
        &cluster.name,
        group.subject(),
        group.at("rollingUpdate"),
        format!("{has}, and {said}: {nodes} at once"),
    );
}
