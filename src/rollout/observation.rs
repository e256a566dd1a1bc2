//! What a rollout did to the capacity of the groups it rolled: a fold over looks at them. Looks at what it is given, makes no calls.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    AsgName, ClusterName, InstanceId, Lifecycle, Live, LiveCluster, LiveGroup, Nodes, Timestamp,
};
use crate::rollout::breach::Breach;
use crate::rollout::progress::{GroupProgress, GroupState, Progress};
use crate::rollout::schedule::{GroupTask, Rollout, Task};

/// What was seen on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// Groups, from the moment that they began to be rolled.
    pub groups: BTreeMap<AsgName, GroupObservation>,
    /// The most surge of each cluster at once, over all its groups.
    pub surge: BTreeMap<ClusterName, u32>,
    /// Calls of the cloud and the clusters, by their kind.
    pub calls: BTreeMap<String, u64>,
    /// How far pods moved from node to node, by cluster.
    pub moves: BTreeMap<ClusterName, PodMoves>,
    /// Rules that were broken.
    pub broken: BTreeSet<Breach>,
}

/// How often pods were made anew on another node. Once is what a roll needs; each time more is a restart for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodMoves {
    /// Pods that moved at all.
    pub pods: u32,
    /// Moves of all of them.
    pub moves: u32,
    /// The most moves of one pod.
    pub most: u32,
}

impl PodMoves {
    /// Adds a pod that moved so often.
    pub fn add(&mut self, times: u32) {
        self.pods = self.pods.saturating_add(u32::from(times > 0));
        self.moves = self.moves.saturating_add(times);
        self.most = self.most.max(times);
    }
}

/// What was seen of a group while it was rolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupObservation {
    pub cluster: ClusterName,
    /// It is on its way out: that nothing is left of it is wanted.
    pub retires: bool,
    /// Instances at work and wanted when it began.
    pub first: ObservedStep,
    /// The moment at which most was missing.
    pub worst: ObservedStep,
    /// The fewest instances at work in each zone that had any.
    pub zones: BTreeMap<String, u32>,
    /// The most surge: raised capacity and detached instances.
    pub surge: u32,
    /// Each change of what was at work and what was wanted.
    pub steps: Vec<ObservedStep>,
}

/// Instances of a group at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObservedStep {
    /// When it was looked at.
    pub at: Timestamp,
    /// In service, with a Ready node that is not cordoned.
    pub healthy: u32,
    /// Desired capacity, without our surge.
    pub wanted: u32,
}

impl ObservedStep {
    fn missing(self) -> u32 {
        self.wanted.saturating_sub(self.healthy)
    }
}

impl Observation {
    /// Adds a look.
    pub fn look(&mut self, rollout: &Rollout, progress: &Progress, live: &Live) {
        for (name, found) in &live.clusters {
            let (Some(run), Some(cluster)) = (rollout.cluster(name), progress.clusters.get(name))
            else {
                continue;
            };
            let extra = cluster.groups.values().map(|g| g.outstanding.extra());
            let all = extra.fold(0, u32::saturating_add);
            let most = self.surge.entry(name.clone()).or_default();
            *most = all.max(*most);
            for task in &run.groups {
                let (Some(group), Some(live_group)) =
                    (cluster.groups.get(&task.asg), found.groups.get(&task.asg))
                else {
                    continue;
                };
                let rolled = is_observed(task, group);
                if rolled {
                    let retires = matches!(task.task, Task::Retire { .. });
                    self.group(
                        name,
                        &task.asg,
                        retires,
                        group.outstanding.extra(),
                        step(live, found, live_group, group),
                    );
                }
            }
        }
    }

    fn group(
        &mut self,
        cluster: &ClusterName,
        asg: &AsgName,
        retires: bool,
        surge: u32,
        (step, zones): (ObservedStep, BTreeMap<String, u32>),
    ) {
        let seen = self
            .groups
            .entry(asg.clone())
            .or_insert_with(|| GroupObservation {
                cluster: cluster.clone(),
                retires,
                first: step,
                worst: step,
                zones: zones.clone(),
                surge: 0,
                steps: vec![step],
            });
        seen.surge = seen.surge.max(surge);
        if step.missing() > seen.worst.missing() {
            seen.worst = step;
        }
        for (zone, least) in &mut seen.zones {
            *least = (*least).min(zones.get(zone).copied().unwrap_or(0));
        }
        if seen
            .steps
            .last()
            .is_none_or(|last| (last.healthy, last.wanted) != (step.healthy, step.wanted))
        {
            seen.steps.push(step);
        }
    }
}

/// Groups that are rolled; one that is created has nothing to lose.
fn is_observed(task: &GroupTask, group: &GroupProgress) -> bool {
    matches!(group.state, GroupState::Rolling(_)) && !matches!(task.task, Task::Create { .. })
}

fn step(
    live: &Live,
    cluster: &LiveCluster,
    group: &LiveGroup,
    progress: &GroupProgress,
) -> (ObservedStep, BTreeMap<String, u32>) {
    let mut zones: BTreeMap<String, u32> = BTreeMap::new();
    for (id, instance) in group
        .instances
        .iter()
        .filter(|(_, i)| matches!(i.lifecycle, Lifecycle::InService | Lifecycle::Detached))
    {
        let Some(works) = is_working(&cluster.nodes, id) else {
            continue;
        };
        *zones.entry(instance.zone.clone()).or_default() += u32::from(works);
    }
    let surge = progress
        .outstanding
        .surge
        .min(group.desired.saturating_sub(group.group.min_size));
    (
        ObservedStep {
            at: live.read_at,
            healthy: zones.values().sum(),
            wanted: group.desired.saturating_sub(surge),
        },
        zones,
    )
}

/// Whether the node of an instance works; none where that is not known.
fn is_working(nodes: &Nodes, instance: &InstanceId) -> Option<bool> {
    Some(match nodes {
        Nodes::Known(nodes) => nodes
            .nodes
            .values()
            .any(|n| n.instance == *instance && n.ready && !n.cordoned),
        Nodes::NotAsked => true,
        Nodes::Unknown(_) => return None,
    })
}
