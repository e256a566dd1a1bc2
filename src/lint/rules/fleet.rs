//! L20, L22, S13, S14, S18, S24: what only shows when clusters are held against each other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::desired::Discovery;
use crate::lint::facts::{BY_ATTRIBUTES, ClusterFacts, FleetFacts, GroupFacts};
use crate::lint::finding::RuleFindings;
use crate::lint::rule::{Rule, RuleCheck, RuleId, Severity};
use crate::model::ClusterName;

pub(super) const RULES: [Rule; 6] = [
    Rule {
        id: RuleId("L20"),
        title: "no group answers to another cluster's discovery tags, and every name can stand in a label and a pattern",
        severity: Severity::Error,
        reads: "the name and the tags of every group, with the discovery tags of all clusters of the account and region",
        story: "Two autoscalers that find the same group scale it against each other; the one that cannot see its nodes removes them as dead. A name that is longer than a label's value keeps nodes from registering; one with signs that mean something in a pattern is missed by the priority expander.",
        source: "cluster-autoscaler, cloudprovider/aws/README.md; pull request 3781; Kubernetes, Labels and Selectors: syntax",
        fix: "discover by two tags, the second with the cluster's name, and give no group another cluster's; name groups with at most 63 letters, digits and `-`",
        check: RuleCheck::Fleet(other_discovery),
    },
    Rule {
        id: RuleId("L22"),
        title: "an account's region has room for its AutoScalingGroups",
        severity: Severity::Warning,
        reads: "how many groups the clusters of an account and region have together",
        story: "At the quota (500 unless raised) the next CreateAutoScalingGroup fails, in the middle of a rollout.",
        source: "AWS, Quotas for Amazon EC2 Auto Scaling",
        fix: "ask AWS for a higher quota before you need it, or have fewer groups",
        check: RuleCheck::Fleet(many),
    },
    Rule {
        id: RuleId("S13"),
        title: "what exists in prod exists in a staging cluster",
        severity: Severity::Warning,
        reads: "role, purchase, taints and GPUs of the groups of prod, with those of staging",
        story: "A staging that has no group of that kind cannot fail, and so cannot protect: the first to meet the fault is prod.",
        source: "teams that run such fleets",
        fix: "a small group of the same shape in one staging cluster",
        check: RuleCheck::Fleet(shape),
    },
    Rule {
        id: RuleId("S14"),
        title: "Kubernetes versions move one minor at a time, staging first",
        severity: Severity::Error,
        reads: "kubernetesVersion of prod and of staging clusters; no group has one of its own",
        story: "kubelet, API server and controllers are only tested against their neighbours; what prod runs and staging does not is tested by users. That within a cluster the control plane goes before the nodes no manifest can break, nor say: kops takes the kubelet of every group from the one kubernetesVersion of its Cluster, and an image brings none. kfleet's plan keeps that order: control planes before nodes on the way forward, after them on the way back.",
        source: "Kubernetes, Version Skew Policy; kops, ClusterSpec and InstanceGroupSpec",
        fix: "raise staging by one minor version, let it soak, then prod",
        check: RuleCheck::Fleet(versions),
    },
    Rule {
        id: RuleId("S18"),
        title: "networks do not overlap, and subnets lie in their network",
        severity: Severity::Error,
        reads: "networkCIDR, additionalNetworkCIDRs, networkID and subnets of all clusters; a peering connection or transit gateway in additionalRoutes, or in egress, of a subnet",
        story: "Two networks with the same addresses can never be peered, and the day they must be is a bad day to find out. Clusters of one account are held against each other, and those of several accounts whose subnets have routes to the same `pcx-` or `tgw-`. Peers that no route of a manifest names are not known: there only a shared account is taken for it.",
        source: "AWS, VPC peering: overlapping CIDR blocks; kops, additionalRoutes of subnets",
        fix: "a network of its own for every cluster",
        check: RuleCheck::Fleet(networks),
    },
    Rule {
        id: RuleId("S24"),
        title: "clusters of different accounts do not bid for the same spot families in one region",
        severity: Severity::Note,
        reads: "types of the spot groups of all clusters, by region and account",
        story: "Zone names differ between accounts and pools do not: a scale-up in one account was the interruption in the other.",
        source: "AWS, AZ IDs for your resources; teams that run such fleets",
        fix: "spread families over accounts, or accept it with a waiver",
        check: RuleCheck::Fleet(same_pools),
    },
];

fn all(fleet: &FleetFacts) -> impl Iterator<Item = &ClusterFacts> {
    fleet.clusters.iter().map(AsRef::as_ref)
}

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
        let looked_for = discoveries(clusters);
        let by_tag = by_rarest_tag(&looked_for);
        for cluster in clusters {
            for group in cluster.groups() {
                unfit_name(cluster, &group, found);
                claimed(cluster, &group, &by_tag, found);
            }
        }
    }
}

/// What clusters look for, each set of tags once, with those that look for it.
type Discoveries<'f> = BTreeMap<BTreeSet<&'f str>, Vec<&'f ClusterName>>;

fn discoveries<'f>(clusters: &[&'f ClusterFacts]) -> Discoveries<'f> {
    let mut all = Discoveries::new();
    for cluster in clusters {
        if let Discovery::Tags { tags, .. } = &cluster.autoscaler.discovery
            && !tags.is_empty()
        {
            let tags = tags.iter().map(String::as_str).collect();
            all.entry(tags).or_default().push(&cluster.name);
        }
    }
    all
}

/// Sets of tags, each under the one of its tags that fewest sets have: a group is then held against the few that it can answer to.
type ByTag<'d, 'f> = BTreeMap<&'f str, Vec<(&'d BTreeSet<&'f str>, &'d [&'f ClusterName])>>;

fn by_rarest_tag<'d, 'f>(looked_for: &'d Discoveries<'f>) -> ByTag<'d, 'f> {
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    for tag in looked_for.keys().flatten() {
        *uses.entry(tag).or_default() += 1;
    }
    let mut by = ByTag::new();
    for (tags, clusters) in looked_for {
        if let Some(tag) = tags.iter().min_by_key(|tag| uses.get(*tag)) {
            by.entry(*tag)
                .or_default()
                .push((tags, clusters.as_slice()));
        }
    }
    by
}

/// Says so where a group carries all the tags that another cluster looks for.
fn claimed(
    cluster: &ClusterFacts,
    group: &GroupFacts<'_>,
    by_tag: &ByTag<'_, '_>,
    found: &mut RuleFindings,
) {
    let carried: BTreeSet<&str> = group.tags().map(|(key, _)| key).collect();
    let sets = carried.iter().filter_map(|tag| by_tag.get(tag)).flatten();
    let mut others: Vec<&ClusterName> = sets
        .filter(|(tags, _)| tags.is_subset(&carried))
        .flat_map(|(_, clusters)| clusters.iter().copied())
        .filter(|name| **name != cluster.name)
        .collect();
    if !others.is_empty() {
        others.sort();
        found.add(
            &cluster.name,
            group.subject(),
            group.at("cloudLabels"),
            format!("carries all the discovery tags of {}", first_few(others)),
        );
    }
}

/// kops writes a group's name into the label `kops.k8s.io/instancegroup`, whose value has 63 characters at most; patterns are regular expressions.
fn unfit_name(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) {
    const LONGEST: usize = 63;
    let name = group.group.name.as_str();
    let mut add = |what: String| {
        found.add(&cluster.name, group.subject(), Some(group.group.pos), what);
    };
    if name.len() > LONGEST {
        add(format!(
            "its name has {} characters; a label's value has {LONGEST} at most",
            name.len()
        ));
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if !name.chars().all(is_plain) {
        add("its name has signs that mean something in a pattern".into());
    }
}

/// `a, b, c and 4 more`: a finding is read by a person, and the count says how far it goes.
fn first_few(names: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    const NAMED: usize = 3;
    let mut names = names.into_iter();
    let first: Vec<String> = names.by_ref().take(NAMED).map(|n| n.to_string()).collect();
    match names.count() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
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
fn kinds(cluster: &ClusterFacts) -> BTreeMap<String, GroupFacts<'_>> {
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
            (kind, g)
        })
        .collect()
}

fn shape(fleet: &FleetFacts, found: &mut RuleFindings) {
    let staging: Vec<&ClusterFacts> = all(fleet).filter(|c| is_staging(c)).collect();
    let prod: Vec<&ClusterFacts> = all(fleet).filter(|c| is_prod(c)).collect();
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
                group.subject(),
                Some(group.group.pos),
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
    let staging = all(fleet).filter(|c| is_staging(c));
    let Some(staging) = staging.filter_map(minor).max() else {
        return found.needs(None, "a staging cluster with a kubernetesVersion");
    };
    if !fleet.clusters.iter().any(|c| is_prod(c)) {
        return found.needs(None, "a cluster of a prod environment");
    }
    for cluster in fleet.clusters.iter().filter(|c| is_prod(c)) {
        let Some(own) = minor(cluster) else {
            found.needs(Some(&cluster.name), "a kubernetesVersion");
            continue;
        };
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
    let mut by_account: BTreeMap<&str, Vec<Network<'_>>> = BTreeMap::new();
    let mut by_link: BTreeMap<&str, Vec<Network<'_>>> = BTreeMap::new();
    for cluster in &fleet.clusters {
        outside(cluster, found);
        let blocks = blocks(cluster, found);
        for link in links(cluster) {
            by_link.entry(link).or_default().extend(&blocks);
        }
        let of_account = by_account.entry(cluster.account.as_str()).or_default();
        of_account.extend(blocks);
    }
    for networks in by_account.into_values() {
        by_holder(networks, |set| overlapping(set, None, found));
    }
    for (link, networks) in by_link {
        by_holder(networks, |set| overlapping(set, Some(link), found));
    }
}

/// Blocks of addresses lie in one another or apart: the first of those that overlap holds all of them.
fn by_holder(mut networks: Vec<Network<'_>>, mut each: impl FnMut(&[Network<'_>])) {
    networks.sort_by_key(|n| (n.first, Reverse(n.last), &n.cluster.name));
    let mut rest = networks.as_slice();
    while let Some(holder) = rest.first() {
        let (set, apart) = rest.split_at(rest.partition_point(|n| n.first <= holder.last));
        each(set);
        rest = apart;
    }
}

/// The addresses of a cluster, or a further block of them.
#[derive(Clone, Copy)]
struct Network<'f> {
    first: u32,
    last: u32,
    cluster: &'f ClusterFacts,
    /// One of additionalNetworkCIDRs.
    further: Option<&'f str>,
}

impl Network<'_> {
    /// Clusters of one VPC share its addresses on purpose.
    fn is_shared_with(&self, other: &Network<'_>) -> bool {
        let id = self.cluster.spec("/networkID");
        let is_itself = self.cluster.name == other.cluster.name;
        is_itself || (id.is_some() && id == other.cluster.spec("/networkID"))
    }

    fn text(&self) -> String {
        match self.further {
            None => self.cluster.name.to_string(),
            Some(cidr) => format!("{} ({cidr} of additionalNetworkCIDRs)", self.cluster.name),
        }
    }
}

/// Every block of a cluster's network.
fn blocks<'f>(cluster: &'f ClusterFacts, found: &mut RuleFindings) -> Vec<Network<'f>> {
    let of = |further: Option<&'f str>, (first, last): (u32, u32)| Network {
        first,
        last,
        cluster,
        further,
    };
    let mut all: Vec<Network<'f>> = network(cluster).map(|b| of(None, b)).into_iter().collect();
    if all.is_empty() {
        found.needs(Some(&cluster.name), "a networkCIDR");
    }
    for text in further_blocks(cluster) {
        match block(text) {
            Some(block) => all.push(of(Some(text), block)),
            None => found.needs(
                Some(&cluster.name),
                "additionalNetworkCIDRs that are IPv4 blocks",
            ),
        }
    }
    all
}

fn further_blocks(cluster: &ClusterFacts) -> impl Iterator<Item = &str> {
    let written = cluster.spec("/additionalNetworkCIDRs");
    let list = written.and_then(|v| v.as_array()).into_iter().flatten();
    list.filter_map(|v| v.as_str())
}

/// What connects its network with others, as routes of its subnets name it. Source: kops, `additionalRoutes` and `egress`.
fn links(cluster: &ClusterFacts) -> BTreeSet<&str> {
    let subnets = cluster.spec("/subnets").and_then(|v| v.as_array());
    let targets = subnets.into_iter().flatten().flat_map(|subnet| {
        let routes = subnet.get("additionalRoutes").and_then(|v| v.as_array());
        let routes = routes.into_iter().flatten();
        let targets = routes.filter_map(|r| r.get("target")?.as_str());
        targets.chain(subnet.get("egress").and_then(|v| v.as_str()))
    });
    let is_link = |target: &&str| target.starts_with("pcx-") || target.starts_with("tgw-");
    targets.filter(is_link).collect()
}

/// One finding for all that overlap, at the cluster whose network holds the others'. `link`: what connects them; none: their account.
fn overlapping(set: &[Network<'_>], link: Option<&str>, found: &mut RuleFindings) {
    let Some((holder, held)) = set.split_first() else {
        return;
    };
    let cluster = holder.cluster;
    let counts = |n: &&Network<'_>| {
        // What shares an account too is found there.
        let is_new = link.is_none() || n.cluster.account != cluster.account;
        is_new && !n.is_shared_with(holder)
    };
    let others: Vec<&Network<'_>> = held.iter().filter(counts).collect();
    if others.is_empty() {
        return;
    }
    let texts: BTreeSet<String> = others.iter().map(|n| n.text()).collect();
    let names = others.iter().map(|n| n.cluster.name.clone()).collect();
    let own = match holder.further {
        None => "its network".to_owned(),
        Some(cidr) => format!("its network ({cidr} of additionalNetworkCIDRs)"),
    };
    let why = match link {
        None => "in the same account".to_owned(),
        Some(link) => format!("and both have routes to {link}"),
    };
    found.add_shared(
        (&cluster.name, names),
        cluster.subject(),
        cluster.pos(),
        format!("{own} overlaps that of {}, {why}", first_few(texts)),
    );
}

fn outside(cluster: &ClusterFacts, found: &mut RuleFindings) {
    let Some(own) = network(cluster) else { return };
    // Further blocks of the network belong to it too.
    let more: Vec<(u32, u32)> = further_blocks(cluster)
        .filter_map(block)
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

/// For one family in one region: the accounts that bid for it, each with its first cluster that does.
type Bidders<'f> = BTreeMap<&'f str, &'f ClusterFacts>;

/// Accounts that bid for the same, and for what.
type SharedFamilies<'f> = (Bidders<'f>, Vec<String>);

fn same_pools(fleet: &FleetFacts, found: &mut RuleFindings) {
    let mut by: BTreeMap<(&str, String), Bidders<'_>> = BTreeMap::new();
    for cluster in &fleet.clusters {
        let mut spot = cluster.workers().filter(GroupFacts::is_spot);
        if spot.any(|g| g.types().is_empty()) {
            found.needs(Some(&cluster.name), BY_ATTRIBUTES);
        }
        for family in families(cluster) {
            let bidders = by.entry((cluster.region.as_str(), family)).or_default();
            bidders.entry(cluster.account.as_str()).or_insert(cluster);
        }
    }
    // Families that the same accounts bid for are one finding: a fleet of many clusters would say it a hundred times.
    let mut sets: BTreeMap<(&str, Vec<&str>), SharedFamilies<'_>> = BTreeMap::new();
    for ((region, family), bidders) in by {
        if bidders.len() > 1 {
            let accounts = bidders.keys().copied().collect();
            let set = sets.entry((region, accounts));
            set.or_insert((bidders, Vec::new())).1.push(family);
        }
    }
    for ((region, _), (bidders, families)) in sets {
        let mut clusters = bidders.into_values();
        let Some(first) = clusters.next() else {
            continue;
        };
        let others: Vec<&ClusterFacts> = clusters.collect();
        let named = others
            .iter()
            .map(|c| format!("{} of account {}", c.name, c.account));
        found.add_shared(
            (&first.name, others.iter().map(|c| c.name.clone()).collect()),
            first.subject(),
            first.pos(),
            format!(
                "bids for spot of {} in {region}, as others do: {}",
                families.join(", "),
                first_few(named)
            ),
        );
    }
}

/// The families of instance types that its spot groups may have.
fn families(cluster: &ClusterFacts) -> BTreeSet<String> {
    let spot = cluster.workers().filter(GroupFacts::is_spot);
    spot.flat_map(|g| g.types())
        .filter_map(|t| t.split('.').next().map(str::to_owned))
        .collect()
}
