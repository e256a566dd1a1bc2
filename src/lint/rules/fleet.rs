//! L20, L22, S13, S14, S18, S24: what only shows when clusters are held against each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::Discovery;
use crate::lint::facts::{ClusterFacts, FleetFacts};
use crate::lint::finding::RuleFindings;
use crate::lint::rule::{Rule, RuleCheck, RuleId, Severity};

pub(super) const RULES: [Rule; 6] = [
    Rule {
        id: RuleId("L20"),
        title: "no group answers to another cluster's discovery tags",
        severity: Severity::Error,
        story: "Two autoscalers that find the same group scale it against each other; the one that cannot see its nodes removes them as dead.",
        source: "cluster-autoscaler, cloudprovider/aws/README.md; pull request 3781",
        fix: "discover by two tags, the second with the cluster's name, and give no group another cluster's",
        check: RuleCheck::Fleet(other_discovery),
    },
    Rule {
        id: RuleId("L22"),
        title: "an account's region has room for its AutoScalingGroups",
        severity: Severity::Warning,
        story: "At the quota (500 unless raised) the next CreateAutoScalingGroup fails, in the middle of a rollout.",
        source: "AWS, Quotas for Amazon EC2 Auto Scaling",
        fix: "ask for a higher quota, or fewer groups",
        check: RuleCheck::Fleet(many),
    },
    Rule {
        id: RuleId("S13"),
        title: "what exists in prod exists in a staging cluster",
        severity: Severity::Warning,
        story: "A staging that has no group of that kind cannot fail, and so cannot protect: the first to meet the fault is prod.",
        source: "teams that run such fleets",
        fix: "a small group of the same shape in one staging cluster",
        check: RuleCheck::Fleet(shape),
    },
    Rule {
        id: RuleId("S14"),
        title: "Kubernetes versions move one minor at a time, staging first",
        severity: Severity::Error,
        story: "kubelet, API server and controllers are only tested against their neighbours; what prod runs and staging does not is tested by users.",
        source: "Kubernetes, Version Skew Policy",
        fix: "raise staging by one minor version, let it soak, then prod",
        check: RuleCheck::Fleet(versions),
    },
    Rule {
        id: RuleId("S18"),
        title: "networks do not overlap, and subnets lie in their network",
        severity: Severity::Error,
        story: "Two networks with the same addresses can never be peered, and the day they must be is a bad day to find out.",
        source: "AWS, VPC peering: overlapping CIDR blocks",
        fix: "a network of its own for every cluster",
        check: RuleCheck::Fleet(networks),
    },
    Rule {
        id: RuleId("S24"),
        title: "clusters of different accounts do not bid for the same spot families in one region",
        severity: Severity::Note,
        story: "Zone names differ between accounts and pools do not: a scale-up in one account was the interruption in the other.",
        source: "AWS, AZ IDs for your resources; teams that run such fleets",
        fix: "spread families over accounts, or accept it with a waiver",
        check: RuleCheck::Fleet(same_pools),
    },
];

/// Clusters that share an account and a region.
fn places(fleet: &FleetFacts) -> BTreeMap<(String, String), Vec<&ClusterFacts>> {
    let mut by: BTreeMap<(String, String), Vec<&ClusterFacts>> = BTreeMap::new();
    for cluster in &fleet.clusters {
        by.entry((cluster.account.to_string(), cluster.region.to_string()))
            .or_default()
            .push(cluster);
    }
    by
}

fn other_discovery(fleet: &FleetFacts, found: &mut RuleFindings) {
    for clusters in places(fleet).values() {
        for cluster in clusters {
            for other in clusters.iter().filter(|o| o.name != cluster.name) {
                let Discovery::Tags { tags, .. } = &other.autoscaler.discovery else {
                    continue;
                };
                for group in cluster.groups() {
                    if tags.iter().all(|t| group.tags().any(|(k, _)| k == t)) {
                        found.add(
                            &cluster.name,
                            group.subject(),
                            group.at("cloudLabels"),
                            format!("carries all the discovery tags of {}", other.name),
                        );
                    }
                }
            }
        }
    }
}

fn many(fleet: &FleetFacts, found: &mut RuleFindings) {
    const NEAR: usize = 400;
    for ((account, region), clusters) in places(fleet) {
        let groups: usize = clusters.iter().map(|c| c.groups().count()).sum();
        if groups > NEAR
            && let Some(first) = clusters.first()
        {
            found.add(
                &first.name,
                first.subject(),
                first.pos(),
                format!(
                    "account {account} has {groups} groups in {region}; the default quota is 500"
                ),
            );
        }
    }
}

/// Which environments are prod, by their name: what the rule is about needs two sides.
fn is_prod(cluster: &ClusterFacts) -> bool {
    cluster.environment.starts_with("prod") || cluster.environment == "production"
}

fn is_staging(cluster: &ClusterFacts) -> bool {
    cluster.environment.starts_with("stag")
}

/// What makes a group of a kind: how it is bought, its taints' keys, its architecture.
fn kinds(cluster: &ClusterFacts) -> BTreeMap<String, String> {
    cluster
        .groups()
        .map(|g| {
            let taints: BTreeSet<&str> = g.group.taints.iter().map(|t| t.key.as_str()).collect();
            let gpu = g.known_types().iter().any(|t| t.gpus > 0);
            let kind = format!(
                "{}{}{}{}",
                g.group.role.as_str(),
                if g.is_spot() { ", spot" } else { ", on-demand" },
                if gpu { ", GPU" } else { "" },
                if taints.is_empty() {
                    String::new()
                } else {
                    format!(
                        ", tainted {}",
                        taints.into_iter().collect::<Vec<_>>().join(" ")
                    )
                }
            );
            (kind, g.group.name.to_string())
        })
        .collect()
}

fn shape(fleet: &FleetFacts, found: &mut RuleFindings) {
    let staging: Vec<&ClusterFacts> = fleet.clusters.iter().filter(|c| is_staging(c)).collect();
    let prod: Vec<&ClusterFacts> = fleet.clusters.iter().filter(|c| is_prod(c)).collect();
    if staging.is_empty() || prod.is_empty() {
        return found.needs(None, "clusters of a staging and of a prod environment");
    }
    let there: BTreeSet<String> = staging.iter().flat_map(|c| kinds(c).into_keys()).collect();
    for cluster in prod {
        for (kind, group) in kinds(cluster)
            .into_iter()
            .filter(|(k, _)| !there.contains(k))
        {
            found.add(
                &cluster.name,
                format!("InstanceGroup/{group}"),
                cluster.pos(),
                format!("no staging cluster has a group like this ({kind})"),
            );
        }
    }
}

/// `1.34` of `1.34.2` or `v1.34.2`.
fn minor(cluster: &ClusterFacts) -> Option<(u32, u32)> {
    let text = cluster.spec("/kubernetesVersion")?.as_str()?;
    let mut parts = text.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn versions(fleet: &FleetFacts, found: &mut RuleFindings) {
    let staging = fleet.clusters.iter().filter(|c| is_staging(c));
    let Some(staging) = staging.filter_map(minor).max() else {
        return found.needs(None, "a staging cluster with a kubernetesVersion");
    };
    for cluster in fleet.clusters.iter().filter(|c| is_prod(c)) {
        let Some(own) = minor(cluster) else { continue };
        let mut add = |what: String| {
            found.add(&cluster.name, cluster.subject(), cluster.pos(), what);
        };
        if own > staging {
            add(format!(
                "runs Kubernetes {}.{}, and no staging cluster runs it: the newest there is {}.{}",
                own.0, own.1, staging.0, staging.1
            ));
        } else if own.0 == staging.0 && staging.1 - own.1 > 1 {
            add(format!(
                "runs Kubernetes {}.{}, {} minor versions behind staging's {}.{}",
                own.0,
                own.1,
                staging.1 - own.1,
                staging.0,
                staging.1
            ));
        }
    }
}

/// First and last address of an IPv4 block.
fn block(cidr: &str) -> Option<(u32, u32)> {
    let (address, bits) = cidr.split_once('/')?;
    let bytes: Vec<u8> = address
        .split('.')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let address = u32::from_be_bytes(bytes.try_into().ok()?);
    let bits: u32 = bits.parse().ok().filter(|b| *b <= 32)?;
    let host = u32::MAX.checked_shr(bits).unwrap_or(0);
    Some((address & !host, address | host))
}

fn network(cluster: &ClusterFacts) -> Option<(u32, u32)> {
    block(cluster.spec("/networkCIDR")?.as_str()?)
}

fn networks(fleet: &FleetFacts, found: &mut RuleFindings) {
    for (index, cluster) in fleet.clusters.iter().enumerate() {
        outside(cluster, found);
        let Some(own) = network(cluster) else {
            continue;
        };
        for other in fleet.clusters.iter().skip(index + 1) {
            let Some(theirs) = network(other) else {
                continue;
            };
            let shared = cluster.spec("/networkID").is_some()
                && cluster.spec("/networkID") == other.spec("/networkID");
            let near = cluster.account == other.account;
            if near && !shared && own.0 <= theirs.1 && theirs.0 <= own.1 {
                found.add(
                    &other.name,
                    other.subject(),
                    other.pos(),
                    format!(
                        "its network overlaps that of {}, in the same account",
                        cluster.name
                    ),
                );
            }
        }
    }
}

fn outside(cluster: &ClusterFacts, found: &mut RuleFindings) {
    let Some(own) = network(cluster) else { return };
    // Further blocks of the network belong to it too.
    let more: Vec<(u32, u32)> = cluster
        .spec("/additionalNetworkCIDRs")
        .and_then(|v| v.as_array())
        .into_iter()
        .flatten()
        .filter_map(|v| v.as_str().and_then(block))
        .chain([own])
        .collect();
    let subnets = cluster.spec("/subnets").and_then(|v| v.as_array());
    for subnet in subnets.into_iter().flatten() {
        let text = |field: &str| subnet.get(field).and_then(|v| v.as_str());
        let Some(inner) = text("cidr").and_then(block) else {
            continue;
        };
        if !more.iter().any(|m| m.0 <= inner.0 && inner.1 <= m.1) {
            found.add(
                &cluster.name,
                cluster.subject(),
                cluster.pos(),
                format!(
                    "the subnet {} does not lie in the network",
                    text("name").unwrap_or("?")
                ),
            );
        }
    }
}

fn same_pools(fleet: &FleetFacts, found: &mut RuleFindings) {
    let mut seen: BTreeSet<(String, String, String)> = BTreeSet::new();
    for (index, cluster) in fleet.clusters.iter().enumerate() {
        for other in fleet.clusters.iter().skip(index + 1) {
            if cluster.region != other.region || cluster.account == other.account {
                continue;
            }
            let both: Vec<String> = families(cluster)
                .intersection(&families(other))
                .cloned()
                .collect();
            let key = (
                cluster.region.to_string(),
                cluster.account.to_string(),
                other.account.to_string(),
            );
            // Once for a pair of accounts: a fleet of many clusters would say it a hundred times.
            if !both.is_empty() && seen.insert(key) {
                found.add(
                    &other.name,
                    other.subject(),
                    other.pos(),
                    format!(
                        "bids for spot of {} in {}, as {} of account {} does",
                        both.join(", "),
                        cluster.region,
                        cluster.name,
                        cluster.account
                    ),
                );
            }
        }
    }
}

/// The families of instance types that its spot groups may have.
fn families(cluster: &ClusterFacts) -> BTreeSet<String> {
    let spot = cluster
        .workers()
        .filter(super::super::facts::GroupFacts::is_spot);
    spot.flat_map(|g| g.types())
        .filter_map(|t| t.split('.').next().map(str::to_owned))
        .collect()
}
