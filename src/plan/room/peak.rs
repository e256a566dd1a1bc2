//! What is used up at the same time at most, thing by thing: of the clusters that roll together, those that ask for most. Reads nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::need::{ClusterNeed, GroupNeed};
use crate::model::{AsgName, ClusterName, Quota, QuotaRoom, Reading, RegionRoom, SubnetRoom};

/// Something of which there may be too little.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Resource {
    /// Free addresses of a subnet.
    Addresses {
        /// Its id.
        subnet: String,
        /// Its availability zone.
        zone: String,
    },
    /// vCPUs of a limit.
    Vcpus(Quota),
}

/// How much of something is asked for at the same time, and how much there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoomLine {
    /// Addresses of a subnet, or a quota of the account.
    pub resource: Resource,
    /// The most that is asked for at the same time.
    pub peak: u64,
    /// What is asked for at the least: by one cluster after the other, with a surge of 1.
    pub least: u64,
    /// What there may be at all, where AWS sets that.
    pub limit: Option<u64>,
    /// What is left of it; none: not known.
    pub room: Option<u64>,
    /// Why that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// Clusters that ask for it.
    pub clusters: BTreeSet<ClusterName>,
}

impl RoomLine {
    /// How much is missing.
    pub fn lacks(&self) -> u64 {
        self.room.map_or(0, |room| self.peak.saturating_sub(room))
    }

    /// Enough, and less than as much again would be left.
    pub fn is_tight(&self) -> bool {
        self.peak > 0
            && self.lacks() == 0
            && self
                .room
                .is_some_and(|room| room < self.peak.saturating_mul(2))
    }
}

/// Most instances of a cluster at the same time beyond those it has, of the groups that ask for something: where that is less than its surge.
pub(super) type Caps = BTreeMap<(ClusterName, Resource), u32>;

/// What of each thing each cluster asks for, when no more of its surge is out than its caps allow.
pub(super) fn asked_for(
    needs: &[&ClusterNeed],
    facts: &RegionRoom,
    caps: &Caps,
) -> BTreeMap<Resource, BTreeMap<ClusterName, u64>> {
    let mut asked: BTreeMap<Resource, BTreeMap<ClusterName, u64>> = BTreeMap::new();
    for need in needs {
        for (resource, wants) in wants(need, facts) {
            let key = (need.cluster.clone(), resource);
            let cap = caps.get(&key).copied().unwrap_or(u32::MAX);
            let (_, resource) = key;
            let amount = most(&wants, cap.min(need.surge));
            if amount > 0 {
                let of = asked.entry(resource).or_default();
                of.insert(need.cluster.clone(), amount);
            }
        }
    }
    asked
}

/// The most at the same time, when no more than `at_once` clusters are rolled together.
pub(super) fn peak(amounts: &BTreeMap<ClusterName, u64>, at_once: usize) -> u64 {
    let mut amounts: Vec<u64> = amounts.values().copied().collect();
    amounts.sort_unstable_by(|a, b| b.cmp(a));
    amounts
        .into_iter()
        .take(at_once)
        .fold(0, u64::saturating_add)
}

/// What one group asks of something.
struct Want<'g> {
    group: &'g AsgName,
    /// Of each instance.
    each: u64,
    /// Instances that go again, of the cluster's surge.
    surge: u32,
    /// Instances that stay.
    stays: u32,
}

/// The most of it with so much surge: the instances that take most are counted first.
fn most(wants: &[Want<'_>], cap: u32) -> u64 {
    let mut wants: Vec<&Want<'_>> = wants.iter().collect();
    wants.sort_by_key(|want| std::cmp::Reverse(want.each));
    let mut left = cap;
    let mut amount = 0_u64;
    for want in wants {
        let surge = want.surge.min(left);
        left -= surge;
        let instances = u64::from(surge).saturating_add(u64::from(want.stays));
        amount = amount.saturating_add(instances.saturating_mul(want.each));
    }
    amount
}

/// The groups of a cluster whose surge takes something, and how much of it all of them together would be.
pub(super) fn surging(
    need: &ClusterNeed,
    facts: &RegionRoom,
    resource: &Resource,
) -> (BTreeSet<AsgName>, u32) {
    let wants = wants(need, facts).remove(resource).unwrap_or_default();
    let surging = wants.iter().filter(|want| want.surge > 0);
    let all = surging.clone().map(|want| want.surge);
    let all = all.fold(0, u32::saturating_add).min(need.surge);
    (surging.map(|want| want.group.clone()).collect(), all)
}

fn wants<'g>(need: &'g ClusterNeed, facts: &RegionRoom) -> BTreeMap<Resource, Vec<Want<'g>>> {
    let mut all: BTreeMap<Resource, Vec<Want<'g>>> = BTreeMap::new();
    for group in &need.groups {
        for (quota, vcpus) in group.vcpus().0 {
            all.entry(Resource::Vcpus(quota)).or_default().push(Want {
                group: &group.group,
                each: vcpus.into(),
                surge: group.surge,
                stays: group.stays,
            });
        }
        let subnets = subnets(need, group, facts);
        let zones = u32::try_from(subnets.len()).unwrap_or(u32::MAX).max(1);
        for subnet in subnets {
            let is_asked = !group.keeps_zones
                || group
                    .old_zones
                    .as_ref()
                    .is_none_or(|zones| zones.contains(&subnet.zone));
            let resource = Resource::Addresses {
                subnet: subnet.id.clone(),
                zone: subnet.zone.clone(),
            };
            all.entry(resource).or_default().push(Want {
                group: &group.group,
                each: group.addresses.into(),
                surge: if is_asked { group.surge } else { 0 },
                // AWS spreads what a group begins with over its zones.
                stays: group.stays.div_ceil(zones),
            });
        }
    }
    all
}

fn subnets<'f>(
    need: &ClusterNeed,
    group: &GroupNeed,
    facts: &'f RegionRoom,
) -> Vec<&'f SubnetRoom> {
    let known = facts.subnets.known().and_then(|s| s.get(&need.cluster));
    let names = group.subnets.iter();
    names
        .filter_map(|name| known.and_then(|k| k.get(name)))
        .collect()
}

/// Free addresses by the id of a subnet.
fn free(facts: &RegionRoom) -> BTreeMap<&str, u32> {
    let subnets = facts.subnets.known().into_iter();
    subnets
        .flat_map(|clusters| clusters.values().flat_map(BTreeMap::values))
        .map(|subnet| (subnet.id.as_str(), subnet.free))
        .collect()
}

/// Limit and what is left of it, or why that is not known.
fn vcpus(reading: Option<&Reading<QuotaRoom>>) -> (Option<u64>, Option<u64>, Option<String>) {
    match reading {
        Some(Reading::Known(q)) => (Some(q.limit.into()), Some(q.free().into()), None),
        Some(Reading::Unknown(why)) => (None, None, Some(why.clone())),
        None => (None, None, Some("it was not asked for".to_owned())),
    }
}

/// What is asked of each thing by one cluster after the other, with a surge of 1.
fn least(
    needs: &[&ClusterNeed],
    facts: &RegionRoom,
    asked: &BTreeMap<Resource, BTreeMap<ClusterName, u64>>,
) -> BTreeMap<Resource, u64> {
    let keys = asked.iter().flat_map(|(resource, amounts)| {
        let clusters = amounts.keys();
        clusters.map(move |name| (name.clone(), resource.clone()))
    });
    let ones: Caps = keys.map(|key| (key, 1)).collect();
    let asked = asked_for(needs, facts, &ones).into_iter();
    asked
        .map(|(resource, amounts)| (resource, peak(&amounts, 1)))
        .collect()
}

/// A line for each thing that is asked for, with what there is of it.
pub(super) fn lines(
    needs: &[&ClusterNeed],
    facts: &RegionRoom,
    caps: &Caps,
    at_once: usize,
) -> Vec<RoomLine> {
    let free = free(facts);
    let asked = asked_for(needs, facts, caps);
    let least = least(needs, facts, &asked);
    asked
        .into_iter()
        .map(|(resource, amounts)| {
            let (limit, room, unknown) = match &resource {
                Resource::Addresses { subnet, .. } => {
                    (None, free.get(subnet.as_str()).map(|f| u64::from(*f)), None)
                }
                Resource::Vcpus(quota) => vcpus(facts.quotas.get(quota)),
            };
            RoomLine {
                peak: peak(&amounts, at_once),
                least: least.get(&resource).copied().unwrap_or(0),
                clusters: amounts.into_keys().collect(),
                resource,
                limit,
                room,
                unknown,
            }
        })
        .collect()
}
