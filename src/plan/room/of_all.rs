//! What it would ask for to replace every instance, wave by wave: for whoever asks before there is a plan. Looks at definitions and groups; reads nothing.

use std::collections::BTreeMap;

use super::need::{ClusterNeed, GroupAim, GroupNeed, PodAddresses};
use super::of_plan::{WaveNeed, waves};
use crate::desired::DesiredCluster;
use crate::fleet::Rolling;
use crate::model::{AsgName, ClusterName, Lifecycle, LiveCluster, LiveGroup, UserData};
use crate::plan::Policy;
use crate::plan::target::{settled, target};

/// What each wave asks for when all instances of these clusters are replaced. Clusters that could not be read in whole are left out.
pub fn of_all(
    policy: &Policy,
    clusters: &BTreeMap<&ClusterName, (&DesiredCluster, &LiveCluster)>,
) -> Vec<WaveNeed> {
    waves(policy, |name| {
        let (desired, live) = clusters.get(name)?;
        let is_read = live.gaps.is_empty();
        is_read.then(|| need(name, desired, live, &policy.rolling))
    })
}

fn need(
    name: &ClusterName,
    desired: &DesiredCluster,
    live: &LiveCluster,
    rolling: &Rolling,
) -> ClusterNeed {
    let pods = PodAddresses::of(desired.manifest().as_ref());
    let groups = desired.groups.iter().filter_map(|(asg, group)| {
        let found = live.groups.get(asg).map(|g| &**g);
        let definition = settled(group, live, None);
        let to = target(definition, group, UserData::CarriedFrom(0), rolling);
        let aim = GroupAim {
            group: asg,
            to: &to.definition,
            role: to.role,
            rolling: &to.rolling,
            live: found,
            replaces: found.map_or(0, there),
        };
        GroupNeed::tried(&aim, pods)
    });
    ClusterNeed {
        cluster: name.clone(),
        account: desired.account.clone(),
        region: desired.region.clone(),
        surge: rolling.cluster_surge,
        groups: groups.collect(),
        templates: templates(desired, live),
    }
}

/// Launch templates that would get another version.
fn templates(desired: &DesiredCluster, live: &LiveCluster) -> BTreeMap<AsgName, u64> {
    let there = desired.groups.keys().filter_map(|asg| {
        let found = live.groups.get(asg)?;
        Some((asg.clone(), found.latest_version))
    });
    there.collect()
}

/// Instances that are there to stay.
fn there(group: &LiveGroup) -> u32 {
    let all = group.instances.values();
    let stay = all.filter(|i| i.lifecycle != Lifecycle::Terminating);
    u32::try_from(stay.count()).unwrap_or(u32::MAX)
}
