//! A plan's clusters as needs, wave by wave. Looks at the plan and at the groups as they are; reads nothing.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;

use super::need::{ClusterNeed, GroupAim, GroupNeed, PodAddresses};
use super::{Outlook, outlook};
use crate::fleet::{OnLack, Strategy};
use crate::model::{AsgName, ClusterName, Live, LiveCluster, RegionRoom, StageName};
use crate::plan::{ClusterPlan, GroupChange, Plan, Policy};

/// The clusters of a wave that a plan changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaveNeed {
    pub stage: StageName,
    /// The wave, from 0.
    pub wave: usize,
    /// Clusters that are rolled at the same time.
    pub at_once: usize,
    /// What happens when there is too little room.
    pub on_lack: OnLack,
    /// What each of them asks for.
    pub clusters: Vec<ClusterNeed>,
}

/// How things stand for a wave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WaveOutlook {
    pub stage: StageName,
    /// The wave, from 0.
    pub wave: usize,
    /// What happens when there is too little room.
    pub on_lack: OnLack,
    /// By account and region.
    pub regions: Vec<Outlook>,
}

/// What each wave of a plan asks for; waves that launch nothing are left out. `document`: the Cluster document of a cluster.
pub fn of_plan(
    plan: &Plan,
    live: &Live,
    document: impl Fn(&ClusterName) -> Option<Json>,
) -> Vec<WaveNeed> {
    waves(&plan.policy, |name| {
        let found = plan.clusters.get(name)?;
        let pods = PodAddresses::of(document(name).as_ref());
        let surge = plan.policy.rolling.cluster_surge;
        Some(cluster(name, found, surge, live, pods))
    })
}

/// The waves of a policy in which something is needed.
pub(super) fn waves(
    policy: &Policy,
    need: impl Fn(&ClusterName) -> Option<ClusterNeed>,
) -> Vec<WaveNeed> {
    let waves = policy.stages.iter().flat_map(|stage| {
        let numbered = stage.waves.iter().enumerate();
        numbered.map(move |(index, wave)| (&stage.name, index, wave))
    });
    let all = waves.map(|(stage, index, wave)| {
        let clusters = wave.clusters.iter().filter_map(&need);
        WaveNeed {
            stage: stage.clone(),
            wave: index,
            at_once: wave.parallel.max(1),
            on_lack: policy.rolling.room.on_lack,
            clusters: clusters.filter(|need| !need.is_empty()).collect(),
        }
    });
    all.filter(|wave| !wave.clusters.is_empty()).collect()
}

/// How things stand for each wave. `facts`: what was read.
pub fn outlooks(waves: &[WaveNeed], facts: &[RegionRoom]) -> Vec<WaveOutlook> {
    let all = waves.iter().map(|wave| WaveOutlook {
        stage: wave.stage.clone(),
        wave: wave.wave,
        on_lack: wave.on_lack,
        regions: outlook(&wave.clusters, wave.at_once, facts),
    });
    all.collect()
}

fn cluster(
    name: &ClusterName,
    plan: &ClusterPlan,
    surge: u32,
    live: &Live,
    pods: PodAddresses,
) -> ClusterNeed {
    let groups = plan.groups.iter().filter_map(|(asg, change)| {
        let (to, replaces) = match change {
            GroupChange::Create { to } => (to, 0),
            GroupChange::Update { to, replace, .. } => {
                let is_replaced =
                    to.replace_instances && to.rolling.strategy != Strategy::OnNextLaunch;
                (to, if is_replaced { replace.len() } else { 0 })
            }
            GroupChange::Retire { .. } => return None,
        };
        let found = live.clusters.get(name).and_then(|c| c.groups.get(asg));
        let is_unread = found.is_none() && matches!(change, GroupChange::Update { .. });
        let aim = GroupAim {
            group: asg,
            to: &to.definition,
            role: to.role,
            rolling: &to.rolling,
            live: found.map(|g| &**g),
            replaces: u32::try_from(replaces).unwrap_or(u32::MAX),
        };
        GroupNeed::of(&aim, pods).filter(|_| !is_unread)
    });
    ClusterNeed {
        cluster: name.clone(),
        account: plan.account.clone(),
        region: plan.region.clone(),
        surge,
        groups: groups.collect(),
        templates: templates(plan, live.clusters.get(name)),
    }
}

/// Launch templates that get another version.
fn templates(plan: &ClusterPlan, live: Option<&LiveCluster>) -> BTreeMap<AsgName, u64> {
    let changed = plan.groups.iter().filter(|(_, change)| {
        matches!(
            change,
            GroupChange::Update {
                existing_version: None,
                ..
            }
        )
    });
    changed
        .filter_map(|(asg, _)| {
            let found = live?.groups.get(asg)?;
            Some((asg.clone(), found.latest_version))
        })
        .collect()
}
