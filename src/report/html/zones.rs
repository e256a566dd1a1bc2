//! Instances of the groups that are rolled, zone by zone. Counts what it is given.

use std::collections::{BTreeMap, BTreeSet};

use super::page::ZoneSection;
use crate::model::{ClusterName, Instance, InstanceId, Live, LiveGroup};
use crate::plan::{GroupChange, Plan};
use crate::report::wording::group;
use crate::rollout::{Event, GroupEvent, Observation, Record};

/// What stands beside a rollout's numbers.
pub(super) const OF_ROLLOUT: &str =
    "Instances of each group in each zone when it began to be rolled.";
/// What stands beside a rehearsal's numbers.
pub(super) const OF_REHEARSAL: &str = "Instances of each group in each zone when it began to be rolled, and the fewest at work in that zone at any time.";
/// What stands beside a plan's numbers.
pub(super) const OF_PLAN: &str = "Instances of the groups that change, in each zone when the plan was made, and how many of them are replaced or ended.";

type Sections = BTreeMap<ClusterName, Vec<(String, Vec<(String, String)>)>>;

fn sections(found: Sections) -> Vec<ZoneSection> {
    let section = |(cluster, groups): (ClusterName, _)| ZoneSection {
        cluster: cluster.to_string(),
        groups,
    };
    found.into_iter().map(section).collect()
}

/// From the records of a rollout, and what was seen of it in a rehearsal.
pub(super) fn of_records(records: &[Record], seen: Option<&Observation>) -> Vec<ZoneSection> {
    let mut found = Sections::new();
    let mut known = BTreeSet::new();
    for record in records {
        let Event::Group(cluster, asg, GroupEvent::Started { zones, .. }) = &record.event else {
            continue;
        };
        // On the way back it begins once more.
        if zones.is_empty() || !known.insert((cluster, asg)) {
            continue;
        }
        let seen = seen
            .and_then(|seen| seen.groups.get(asg))
            .filter(|seen| !seen.retires);
        let least = |zone: &str| seen.and_then(|seen| seen.zones.get(zone));
        let zones = zones.iter().map(|(zone, n)| {
            let text = match least(zone) {
                Some(least) => format!("{n}, fewest at work {least}"),
                None => n.to_string(),
            };
            (zone.clone(), text)
        });
        let zones: Vec<(String, String)> = zones.collect();
        let groups = found.entry(cluster.clone()).or_default();
        groups.push((group(asg, cluster).to_owned(), zones));
    }
    sections(found)
}

/// From what was live when a plan was made.
pub(super) fn of_plan(plan: &Plan, live: &Live) -> Vec<ZoneSection> {
    let mut found = Sections::new();
    for (cluster, changes) in &plan.clusters {
        let Some(seen) = live.clusters.get(cluster) else {
            continue;
        };
        for (asg, change) in &changes.groups {
            let zones = seen.groups.get(asg).map(|live| zones(live, change));
            if let Some(zones) = zones.filter(|zones| !zones.is_empty()) {
                let groups = found.entry(cluster.clone()).or_default();
                groups.push((group(asg, cluster).to_owned(), zones));
            }
        }
    }
    sections(found)
}

fn zones(live: &LiveGroup, change: &GroupChange) -> Vec<(String, String)> {
    let mut zones: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (id, Instance { zone, .. }) in &live.instances {
        let (all, go) = zones.entry(zone).or_default();
        *all += 1;
        *go += usize::from(goes(change, id));
    }
    let text = |(zone, (all, go)): (&str, (usize, usize))| {
        let text = if go == 0 {
            all.to_string()
        } else {
            format!("{all}, {go} go")
        };
        (zone.to_owned(), text)
    };
    zones.into_iter().map(text).collect()
}

fn goes(change: &GroupChange, id: &InstanceId) -> bool {
    match change {
        GroupChange::Create { .. } => false,
        GroupChange::Update { replace, .. } => replace.contains_key(id),
        GroupChange::Retire { instances, .. } => instances.contains(id),
    }
}
