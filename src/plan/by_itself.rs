//! What AWS does by itself once a group's own fields are changed: instances that it starts or ends without kfleet, and without a drain. Decides nothing.
//!
//! Sources: Auto Scaling user guide, "Add Availability Zones", "Replace instances based on maximum instance lifetime", "Suspend and resume
//! Amazon EC2 Auto Scaling processes", "Capacity Rebalancing", "Warm pools", "Attach an Elastic Load Balancing load balancer".

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::{ClusterPlan, GroupChange, Wanted};
use crate::desired::DesiredCluster;
use crate::fleet::{Amount, Rolling, ZonePolicy};
use crate::model::{AutoScalingGroup, Instance, LiveCluster, LiveGroup, Span, Timestamp, WarmPool};

/// The process that evens out zones.
const REBALANCE: &str = "AZRebalance";

/// What each suspended process keeps AWS from doing, as far as it decides whether a group works.
const SUSPENDED: [(&str, &str); 6] = [
    (
        "Launch",
        "AWS launches no instance of it, not even in the place of one that ends",
    ),
    (
        "Terminate",
        "AWS ends no instance of it, also none that is unhealthy or too many",
    ),
    (
        "HealthCheck",
        "AWS does not notice that an instance of it is unhealthy",
    ),
    (
        "ReplaceUnhealthy",
        "AWS does not replace unhealthy instances of it",
    ),
    (
        "AddToLoadBalancer",
        "new instances get no traffic from its load balancers",
    ),
    ("InstanceRefresh", "no instance refresh of it can go on"),
];

/// Zones of subnets, by the name that kops gives them.
type Zones = BTreeMap<String, String>;

/// The zones of the subnets that the manifests name.
fn zones(desired: &DesiredCluster) -> Zones {
    let cluster = &desired.cluster;
    let subnets = desired
        .documents
        .get(&format!("Cluster/{cluster}"))
        .and_then(|c| c.pointer("/spec/subnets"))
        .and_then(Json::as_array)
        .into_iter()
        .flatten();
    subnets
        .filter_map(|subnet| {
            let text = |key: &str| subnet.get(key).and_then(Json::as_str);
            Some((
                format!("{}.{cluster}", text("name")?),
                text("zone").or_else(|| text("name"))?.to_owned(),
            ))
        })
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
        said_all.extend(said.into_iter().map(|what| format!("{name}: {what}")));
    }
    plan.notes.extend(said_all);
}

/// What follows for a group that is there and gets the fields `to`. `now`: when it was looked at.
fn of_update(
    live: &LiveGroup,
    to: &AutoScalingGroup,
    zones: &Zones,
    now: Timestamp,
) -> Vec<String> {
    let from = &*live.group;
    let mut out = Vec::new();
    out.extend(lost_zones(live, to, zones));
    out.extend(new_zones(from, to, zones));
    out.extend(lifetime(live, to, now));
    out.extend(processes(from, to));
    out.extend(capacity_rebalance(from, to));
    out.extend(warm_pool(live, to.warm_pool.as_ref()));
    out.extend(balancers(live, to));
    out
}

/// Why AWS cannot be told in which zone to launch into a group whose zones are to be kept. Source: Auto Scaling user guide, "Launch instances
/// synchronously".
fn placed_by_aws(to: &AutoScalingGroup, rolling: &Rolling) -> Option<String> {
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
        (true, _) => "its policy has both on-demand and Spot",
        (false, true) => "it has a warm pool",
        (false, false) => return None,
    };
    Some(format!(
        "AWS places its new instances, as {why}: a zone may have fewer at work for a while than before"
    ))
}

/// What follows for a group that is made.
fn of_creation(to: &AutoScalingGroup) -> Vec<String> {
    suspended(&to.suspended_processes).collect()
}

fn suspended(processes: &BTreeSet<String>) -> impl Iterator<Item = String> {
    SUSPENDED
        .iter()
        .filter(|(process, _)| processes.contains(*process))
        .map(|(process, effect)| format!("while its process {process} is suspended, {effect}"))
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
fn lost_zones(live: &LiveGroup, to: &AutoScalingGroup, zones: &Zones) -> Option<String> {
    if live
        .group
        .vpc_zone_identifier
        .is_subset(&to.vpc_zone_identifier)
    {
        return None;
    }
    let stays = zones_of(to, zones)?;
    let mut gone: BTreeMap<&str, usize> = BTreeMap::new();
    for instance in members(live).filter(|i| !stays.contains(&i.zone)) {
        *gone.entry(&instance.zone).or_default() += 1;
    }
    if gone.is_empty() {
        return None;
    }
    let each: Vec<String> = gone
        .iter()
        .map(|(zone, n)| format!("{} in {zone}", instances(*n)))
        .collect();
    let each = each.join(" and ");
    Some(if to.suspended_processes.contains(REBALANCE) {
        format!(
            "{each} stay where no subnet of the group is left: {REBALANCE} is suspended, and AWS ends them when it is resumed"
        )
    } else {
        format!(
            "AWS ends {each} by itself, without a drain, and launches others in the zones that stay"
        )
    })
}

fn new_zones(from: &AutoScalingGroup, to: &AutoScalingGroup, zones: &Zones) -> Option<String> {
    let (had, has) = (zones_of(from, zones)?, zones_of(to, zones)?);
    let new: Vec<&str> = has.difference(&had).map(String::as_str).collect();
    (!new.is_empty() && !to.suspended_processes.contains(REBALANCE)).then(|| {
        format!(
            "AWS moves instances into {} by itself until the zones are even, and ends those that they replace without a drain",
            new.join(" and ")
        )
    })
}

/// A lifetime that is set, or shorter than before. It counts for instances that run already.
fn lifetime(live: &LiveGroup, to: &AutoScalingGroup, now: Timestamp) -> Option<String> {
    let seconds = to.max_instance_lifetime.filter(|n| *n > 0)?;
    let before = live.group.max_instance_lifetime.filter(|n| *n > 0);
    if before.is_some_and(|b| b <= seconds) {
        return None;
    }
    let longest = Span::from_secs(i64::from(seconds));
    let old = members(live)
        .filter(|i| now.since(i.launched_at) > longest)
        .count();
    Some(format!(
        "AWS replaces every instance that is older than {longest} by itself, without a drain; {} now",
        match old {
            0 => "none is".into(),
            1 => "1 is".into(),
            n => format!("{n} are"),
        }
    ))
}

fn processes(from: &AutoScalingGroup, to: &AutoScalingGroup) -> Vec<String> {
    let new: BTreeSet<String> = to
        .suspended_processes
        .difference(&from.suspended_processes)
        .cloned()
        .collect();
    let resumed = |process: &str| {
        from.suspended_processes.contains(process) && !to.suspended_processes.contains(process)
    };
    let mut out: Vec<String> = suspended(&new).collect();
    if resumed(REBALANCE) {
        out.push(format!("with {REBALANCE} resumed AWS evens out the zones by itself, and ends instances for it without a drain"));
    }
    if resumed("HealthCheck") || resumed("ReplaceUnhealthy") {
        out.push(
            "AWS replaces instances that are unhealthy by itself again, without a drain".into(),
        );
    }
    if resumed("Launch") {
        out.push(
            "with Launch resumed AWS launches at once what is missing to desired capacity".into(),
        );
    }
    if resumed("Terminate") {
        out.push("with Terminate resumed AWS ends at once, without a drain, what there is beyond desired capacity".into());
    }
    out
}

fn capacity_rebalance(from: &AutoScalingGroup, to: &AutoScalingGroup) -> Option<String> {
    (to.capacity_rebalance == Some(true) && from.capacity_rebalance != Some(true)).then(|| {
        "AWS replaces Spot instances that it may take back soon by itself, and ends them without a drain".into()
    })
}

fn warm_pool(live: &LiveGroup, to: Option<&WarmPool>) -> Option<String> {
    let in_pool = live
        .instances
        .values()
        .filter(|i| i.lifecycle.rules().goes_first)
        .count();
    match (live.group.warm_pool.as_ref(), to) {
        (Some(_), None) if in_pool > 0 => Some(format!(
            "AWS ends {} of its warm pool with it",
            instances(in_pool)
        )),
        (None, Some(pool)) => Some(format!(
            "AWS launches at least {} into its warm pool, beside desired capacity",
            instances(usize::try_from(pool.min_size).unwrap_or(usize::MAX))
        )),
        (Some(is), Some(pool)) if pool.min_size > is.min_size => Some(format!(
            "AWS launches more instances into its warm pool, up to at least {}",
            pool.min_size
        )),
        (Some(_) | None, _) => None,
    }
}

/// Load balancers from which all instances are taken at once.
fn balancers(live: &LiveGroup, to: &AutoScalingGroup) -> Option<String> {
    let from = &*live.group;
    let gone: Vec<&str> = from
        .load_balancer_names
        .difference(&to.load_balancer_names)
        .chain(from.target_group_arns.difference(&to.target_group_arns))
        .map(String::as_str)
        .collect();
    let n = members(live).count();
    (!gone.is_empty() && n > 0).then(|| {
        format!(
            "AWS takes all {} out of {} at once",
            instances(n),
            gone.join(", ")
        )
    })
}

fn instances(n: usize) -> String {
    if n == 1 {
        "1 instance".into()
    } else {
        format!("{n} instances")
    }
}

#[cfg(test)]
mod tests;
