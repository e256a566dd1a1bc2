//! Plain questions about the instances of one group: which are there, which are outdated, how many are missing.

use std::collections::{BTreeMap, BTreeSet};

use crate::fleet::Standby;
use crate::model::{Definition, Health, InstanceId, Lifecycle, LiveGroup};
pub(crate) use crate::rollout::progress::SETTLED;

/// Instances that run something else than `to`, those on their way out aside, and by policy those in Standby.
pub(crate) fn outdated(
    live: &LiveGroup,
    to: &Definition,
    standby: Standby,
) -> BTreeSet<InstanceId> {
    let wanted = &to.launch_template.launch_template_data;
    let good: BTreeSet<u64> = live
        .versions
        .iter()
        .filter(|(_, v)| v.data.is(wanted))
        .map(|(n, _)| *n)
        .collect();
    present(live)
        .filter(|(_, i)| i.lifecycle != Lifecycle::Standby || standby == Standby::End)
        .filter(|(_, i)| i.version.is_none_or(|v| !good.contains(&v)))
        .map(|(id, _)| id.clone())
        .collect()
}

/// Instances that are not on their way out.
pub(crate) fn present(
    live: &LiveGroup,
) -> impl Iterator<Item = (&InstanceId, &crate::model::Instance)> {
    live.instances
        .iter()
        .filter(|(_, i)| !i.lifecycle.rules().is_leaving)
}

/// How many instances that count towards desired capacity are in each zone.
pub(crate) fn by_zone(live: &LiveGroup) -> BTreeMap<String, u32> {
    let mut zones = BTreeMap::new();
    for (_, instance) in present(live).filter(|(_, i)| i.lifecycle.rules().is_capacity) {
        *zones.entry(instance.zone.clone()).or_default() += 1;
    }
    zones
}

/// Our surge, as far as it can still be out: an autoscaler that went down to the minimum has taken some of it back already.
pub(crate) fn outstanding_surge(surge: u32, live: &LiveGroup) -> u32 {
    surge.min(live.desired.saturating_sub(live.group.min_size))
}

/// Whether it takes desired capacity with it when it goes.
pub(crate) fn is_capacity(live: &LiveGroup, id: &InstanceId) -> bool {
    live.instances
        .get(id)
        .is_some_and(|i| i.lifecycle.rules().is_capacity)
}

/// Instances wanted that are not there, not even launching.
pub(crate) fn missing(live: &LiveGroup) -> usize {
    let here = present(live)
        .filter(|(_, i)| i.lifecycle.rules().is_capacity)
        .count();
    usize::try_from(live.desired)
        .unwrap_or(usize::MAX)
        .saturating_sub(here)
}

/// Instances taking traffic.
pub(crate) fn in_service(group: &LiveGroup) -> u32 {
    let count = group
        .instances
        .values()
        .filter(|i| i.lifecycle == Lifecycle::InService && i.health == Health::Healthy)
        .count();
    u32::try_from(count).unwrap_or(u32::MAX)
}
