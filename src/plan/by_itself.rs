//! What AWS does by itself once a group's own fields are changed: instances that it starts or ends without kfleet, and without a drain. Decides nothing.
//!
//! Sources: Auto Scaling user guide, "Add Availability Zones", "Replace instances based on maximum instance lifetime", "Suspend and resume
//! Amazon EC2 Auto Scaling processes", "Capacity Rebalancing", "Warm pools", "Attach an Elastic Load Balancing load balancer".

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::{ClusterPlan, Fact, GroupChange, Note, Process, Unplaced, Wanted};
use crate::desired::DesiredCluster;
use crate::fleet::{Amount, Rolling, ZonePolicy};
use crate::model::{AutoScalingGroup, Instance, LiveCluster, LiveGroup, Span, Timestamp, WarmPool};

/// Processes that decide whether a group works.
const DECISIVE: [Process; 6] = [
    Process::Launch,
    Process::Terminate,
    Process::HealthCheck,
    Process::ReplaceUnhealthy,
    Process::AddToLoadBalancer,
    Process::InstanceRefresh,
];

/// Zones of subnets, by the name that kops gives them, and by id.
type Zones = BTreeMap<String, String>;

/// The zones of the subnets that the manifests name.
fn zones(desired: &DesiredCluster) -> Zones {
    let cluster = &desired.cluster;
    let manifest = desired.manifest();
    let subnets = manifest
        .as_ref()
        .and_then(|c| c.pointer("/spec/subnets"))
        .and_then(Json::as_array)
        .into_iter()
        .flatten();
    subnets
        .filter_map(|subnet| {
            let text = |key: &str| subnet.get(key).and_then(Json::as_str);
            let zone = text("zone").or_else(|| text("name"))?;
            // A group is in a shared subnet by its id.
            let known_as = [
                Some(format!("{}.{cluster}", text("name")?)),
                text("id").map(str::to_owned),
            ];
            Some(known_as.into_iter().flatten().map(|n| (n, zone.to_owned())))
        })
        .flatten()
        .collect()
}

/// What AWS does by itself because of the changes, for every group that has one.
pub(super) fn notes(
    plan: &mut ClusterPlan,
    wanted: &Wanted<'_>,
    live: &LiveCluster,
    read_at: Timestamp,
) {
    let zones = zones(wanted.desired);
    let mut said_all = Vec::new();
    for (name, change) in &plan.groups {
        let said = match change {
            GroupChange::Create { to } => of_creation(&to.definition.auto_scaling_group),
            GroupChange::Update { to, replace, .. } => {
                let fields = &to.definition.auto_scaling_group;
                let placed = placed_by_aws(fields, &to.rolling)
                    .filter(|_| !replace.is_empty() && to.role.rules().may_surge);
                let found = live.groups.get(name);
                found
                    .map(|found| of_update(found, fields, &zones, read_at))
                    .into_iter()
                    .flatten()
                    .chain(placed)
                    .collect()
            }
            GroupChange::Retire { .. } => Vec::new(),
        };
        said_all.extend(said.into_iter().map(|what| Note::of(name, what)));
    }
    plan.notes.extend(said_all);
}

/// What follows for a group that is there and gets the fields `to`. `now`: when it was looked at.
fn of_update(live: &LiveGroup, to: &AutoScalingGroup, zones: &Zones, now: Timestamp) -> Vec<Fact> {
    let from = &*live.group;
    let mut out = Vec::new();
    out.extend(lost_zones(live, to, zones));
    out.extend(new_zones(live, to, zones));
    out.extend(lifetime(live, to, now));
    out.extend(processes(from, to));
    out.extend(capacity_rebalance(from, to));
    out.extend(warm_pool(live, to.warm_pool.as_ref()));
    out.extend(balancers(live, to));
    out
}

/// Why AWS cannot be told in which zone to launch into a group whose zones are to be kept. Source: Auto Scaling user guide, "Launch instances
/// synchronously".
fn placed_by_aws(to: &AutoScalingGroup, rolling: &Rolling) -> Option<Fact> {
    let surges = !matches!(rolling.max_surge, Amount::Count(0) | Amount::Percent(0));
    let in_zones = to.vpc_zone_identifier.len() > 1 && surges;
    if rolling.zones == ZonePolicy::Any || !in_zones {
        return None;
    }
    let mixes = to
        .mixed_instances_policy
        .as_ref()
        .is_some_and(|policy| policy.instances_distribution.market().is_none());
    let why = match (mixes, to.warm_pool.is_some()) {
        (true, _) => Unplaced::BothMarkets,
        (false, true) => Unplaced::WarmPool,
        (false, false) => return None,
    };
    Some(Fact::PlacedByAws { why })
}

/// What follows for a group that is made.
fn of_creation(to: &AutoScalingGroup) -> Vec<Fact> {
    suspended(&to.suspended_processes).collect()
}

fn suspended(processes: &BTreeSet<String>) -> impl Iterator<Item = Fact> {
    DECISIVE
        .into_iter()
        .filter(|process| processes.contains(process.name()))
        .map(|process| Fact::Suspended { process })
}

fn is_suspended(group: &AutoScalingGroup, process: Process) -> bool {
    group.suspended_processes.contains(process.name())
}

fn zones_of(group: &AutoScalingGroup, zones: &Zones) -> Option<BTreeSet<String>> {
    group
        .vpc_zone_identifier
        .iter()
        .map(|subnet| zones.get(subnet).cloned())
        .collect()
}

fn members(live: &LiveGroup) -> impl Iterator<Item = &Instance> {
    live.instances
        .values()
        .filter(|i| i.lifecycle.rules().is_capacity)
}

/// Zones in which it has instances and will have no subnet.
fn lost_zones(live: &LiveGroup, to: &AutoScalingGroup, zones: &Zones) -> Option<Fact> {
    if live
        .group
        .vpc_zone_identifier
        .is_subset(&to.vpc_zone_identifier)
    {
        return None;
    }
    let stays = zones_of(to, zones)?;
    let mut gone: BTreeMap<String, usize> = BTreeMap::new();
    for instance in members(live).filter(|i| !stays.contains(&i.zone)) {
        *gone.entry(instance.zone.clone()).or_default() += 1;
    }
    (!gone.is_empty()).then(|| Fact::ZonesLost {
        instances: gone,
        rebalance_suspended: is_suspended(to, Process::AzRebalance),
    })
}

/// Zones in which it had no subnet. One that the manifests no longer name counts by the instances that are in its zone.
fn new_zones(live: &LiveGroup, to: &AutoScalingGroup, zones: &Zones) -> Option<Fact> {
    let from = live.group.vpc_zone_identifier.iter();
    let had: BTreeSet<&String> = from
        .filter_map(|subnet| zones.get(subnet))
        .chain(members(live).map(|i| &i.zone))
        .collect();
    let has = zones_of(to, zones)?;
    let new: BTreeSet<String> = has.into_iter().filter(|zone| !had.contains(zone)).collect();
    (!new.is_empty() && !is_suspended(to, Process::AzRebalance))
        .then_some(Fact::ZonesGained { zones: new })
}

/// A lifetime that is set, or shorter than before. It counts for instances that run already.
fn lifetime(live: &LiveGroup, to: &AutoScalingGroup, now: Timestamp) -> Option<Fact> {
    let seconds = to.max_instance_lifetime.filter(|n| *n > 0)?;
    let before = live.group.max_instance_lifetime.filter(|n| *n > 0);
    if before.is_some_and(|b| b <= seconds) {
        return None;
    }
    let longest = Span::from_secs(i64::from(seconds));
    let older = members(live)
        .filter(|i| now.since(i.launched_at) > longest)
        .count();
    Some(Fact::Lifetime { longest, older })
}

fn processes(from: &AutoScalingGroup, to: &AutoScalingGroup) -> Vec<Fact> {
    let new: BTreeSet<String> = to
        .suspended_processes
        .difference(&from.suspended_processes)
        .cloned()
        .collect();
    let resumed = |process: Process| is_suspended(from, process) && !is_suspended(to, process);
    let mut back = Vec::new();
    back.extend(resumed(Process::AzRebalance).then_some(Process::AzRebalance));
    let healthy = resumed(Process::HealthCheck) || resumed(Process::ReplaceUnhealthy);
    back.extend(healthy.then_some(Process::ReplaceUnhealthy));
    back.extend(resumed(Process::Launch).then_some(Process::Launch));
    back.extend(resumed(Process::Terminate).then_some(Process::Terminate));
    let back = back.into_iter().map(|process| Fact::Resumed { process });
    suspended(&new).chain(back).collect()
}

fn capacity_rebalance(from: &AutoScalingGroup, to: &AutoScalingGroup) -> Option<Fact> {
    (to.capacity_rebalance == Some(true) && from.capacity_rebalance != Some(true))
        .then_some(Fact::CapacityRebalance)
}

fn warm_pool(live: &LiveGroup, to: Option<&WarmPool>) -> Option<Fact> {
    let instances = live
        .instances
        .values()
        .filter(|i| i.lifecycle.rules().goes_first)
        .count();
    match (live.group.warm_pool.as_ref(), to) {
        (Some(_), None) if instances > 0 => Some(Fact::WarmPoolRemoved { instances }),
        (None, Some(pool)) => Some(Fact::WarmPoolMade { min: pool.min_size }),
        (Some(is), Some(pool)) if pool.min_size > is.min_size => {
            Some(Fact::WarmPoolGrown { min: pool.min_size })
        }
        (Some(_) | None, _) => None,
    }
}

/// Load balancers from which all instances are taken at once.
fn balancers(live: &LiveGroup, to: &AutoScalingGroup) -> Option<Fact> {
    let from = &*live.group;
    let balancers: BTreeSet<String> = from
        .load_balancer_names
        .difference(&to.load_balancer_names)
        .chain(from.target_group_arns.difference(&to.target_group_arns))
        .cloned()
        .collect();
    let instances = members(live).count();
    (!balancers.is_empty() && instances > 0).then_some(Fact::BalancersLost {
        instances,
        balancers,
    })
}

#[cfg(test)]
mod tests;
