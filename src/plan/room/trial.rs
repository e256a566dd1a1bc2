//! Launches that are tried before a roll without being done. Groups of a cluster that launch alike are tried once. Makes no calls.
//!
//! Image, profile, key pair, security groups and subnet are what a launch is refused for whatever the capacity; no smaller surge helps.
//! Source: EC2 API reference, RunInstances, `DryRun`.

use std::collections::{BTreeMap, BTreeSet};

use super::need::{ClusterNeed, GroupNeed};
use crate::model::{AsgName, RegionRoom, Trial, TrialLaunch};

/// What a launch may be refused for.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Alike<'a> {
    image: &'a str,
    profile: &'a str,
    key: Option<&'a str>,
    security_groups: BTreeSet<&'a str>,
    subnets: &'a BTreeSet<String>,
    is_spot: bool,
}

fn alike(group: &GroupNeed) -> Option<Alike<'_>> {
    let data = group.launch.as_ref()?;
    let interfaces = data.network_interfaces.iter();
    Some(Alike {
        image: &data.image_id,
        profile: &data.iam_instance_profile.name,
        key: data.key_name.as_deref(),
        security_groups: interfaces
            .flat_map(|i| i.groups.iter().map(String::as_str))
            .collect(),
        subnets: &group.subnets,
        is_spot: data.instance_market_options.is_some(),
    })
}

/// The groups of a cluster, those together that launch alike.
fn together(need: &ClusterNeed) -> impl Iterator<Item = Vec<&GroupNeed>> {
    let mut all: BTreeMap<Alike<'_>, Vec<&GroupNeed>> = BTreeMap::new();
    for group in &need.groups {
        if let Some(alike) = alike(group) {
            all.entry(alike).or_default().push(group);
        }
    }
    all.into_values()
}

/// What is tried for a cluster, by the group that is tried. A group without a subnet of its own is not: a launch names one.
pub(super) fn launches(need: &ClusterNeed) -> BTreeMap<AsgName, TrialLaunch> {
    let tried = together(need).filter_map(|groups| {
        let group = groups.into_iter().min_by_key(|g| &g.group)?;
        let mut data = group.launch.as_deref()?.clone();
        // One that names attributes, or lists types, launches one of those.
        if let Some(first) = group.types.first() {
            data.instance_type.clone_from(first);
        }
        let launch = TrialLaunch {
            cluster: need.cluster.clone(),
            data,
            subnet: group.subnets.first()?.clone(),
        };
        (!launch.data.instance_type.is_empty()).then(|| (group.group.clone(), launch))
    });
    tried.collect()
}

/// What AWS would refuse a group, in its words.
pub(super) fn refusals<'f>(
    need: &ClusterNeed,
    facts: &'f RegionRoom,
) -> BTreeMap<AsgName, &'f str> {
    let mut found = BTreeMap::new();
    for groups in together(need) {
        let said = groups.iter().find_map(|g| facts.launches.get(&g.group));
        let Some(Trial::Refused(why)) = said.and_then(|reading| reading.known()) else {
            continue;
        };
        found.extend(groups.iter().map(|g| (g.group.clone(), why.as_str())));
    }
    found
}
