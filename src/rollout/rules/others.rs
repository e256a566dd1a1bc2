//! The rules that keep a rollout safe when others act too, and on its way out: whose version is pinned, how much is launched and ended, a maximum
//! that ends nothing, an abort that only restores, a deletion that comes last. Judges; decides nothing.

use std::ops::Deref;

use super::pinned::pinned;
use crate::model::{
    CloudEffect, ClusterName, Effect, Health, InstanceId, LiveCluster, LiveGroup, NodeEffect,
    NodeName, Nodes, Timestamp,
};
use crate::rollout::breach::{Breach, GroupBreach, InstanceBreach, NodeBreach};
use crate::rollout::decide::bound;
use crate::rollout::progress::{ClusterState, Direction, GroupProgress, GroupState, Progress};
use crate::rollout::schedule::{GroupTask, Rollout, Task};

struct Judged<'a> {
    rollout: &'a Rollout,
    progress: &'a Progress,
    cluster: &'a ClusterName,
    live: &'a LiveCluster,
    now: Timestamp,
}

/// What an effect would break of these rules.
pub(super) fn broken(
    rollout: &Rollout,
    progress: &Progress,
    cluster: &ClusterName,
    effect: &Effect,
    live: &impl Deref<Target = LiveCluster>,
    now: Timestamp,
) -> Vec<Breach> {
    let judged = Judged {
        rollout,
        progress,
        cluster,
        live,
        now,
    };
    let found = match effect {
        Effect::Cloud(effect) => judged.cloud(effect),
        Effect::Node(effect) => judged.node(effect),
        Effect::Kops(_) => None,
    };
    found.into_iter().collect()
}

impl<'a> Judged<'a> {
    fn cloud(&self, effect: &CloudEffect) -> Option<Breach> {
        let task = self.task(effect.group())?;
        let group = self.group(task)?;
        if self.progress.direction == Direction::Aborting && !gives_back(task, effect) {
            return Some(
                GroupBreach::AbortChanges {
                    group: task.asg.clone(),
                }
                .into(),
            );
        }
        match effect {
            CloudEffect::UpdateGroup { from, to, .. } => {
                let (live, most) = (
                    self.live.groups.get(&task.asg)?,
                    to.auto_scaling_group.max_size,
                );
                // Where it finds another maximum than it expects, the call touches nothing.
                let is_taken = live.group.max_size == from.auto_scaling_group.max_size;
                (is_taken && most < live.desired && most < live.group.max_size).then(|| {
                    GroupBreach::MaximumBelowDesired {
                        group: task.asg.clone(),
                        max: most,
                        desired: live.desired,
                    }
                    .into()
                })
            }
            CloudEffect::Terminate {
                instance,
                decrement,
                ..
            } => self
                .bounded(task, group, 0, 1)
                .or_else(|| self.pin(task, group))
                .or_else(|| self.own(task, group, instance, *decrement)),
            CloudEffect::SetDesired { from, to, .. } => {
                let more = to.saturating_sub(*from);
                // What a retired group had comes back at once.
                let refills = more <= group.taken;
                (more > 0 && !refills)
                    .then(|| self.bounded(task, group, more, 0))
                    .flatten()
            }
            CloudEffect::Detach { .. } => self
                .bounded(task, group, 1, 0)
                .or_else(|| self.pin(task, group)),
            CloudEffect::DeleteGroup { .. } => self.last(task),
            CloudEffect::CreateTemplateVersion { .. }
            | CloudEffect::CreateGroup { .. }
            | CloudEffect::PinVersion { .. }
            | CloudEffect::Suspend { .. }
            | CloudEffect::Resume { .. }
            | CloudEffect::PruneVersions { .. }
            | CloudEffect::Protect { .. }
            | CloudEffect::StartRefresh { .. }
            | CloudEffect::CancelRefresh { .. }
            | CloudEffect::RollbackRefresh { .. } => None,
        }
    }

    fn node(&self, effect: &NodeEffect) -> Option<Breach> {
        let aborts = self.progress.direction == Direction::Aborting;
        match effect {
            NodeEffect::Taint { .. }
            | NodeEffect::KeepFromAutoscaler { .. }
            | NodeEffect::OutOfService { .. }
                if aborts =>
            {
                Some(NodeBreach::AbortMarks.into())
            }
            NodeEffect::Cordon { node, .. } | NodeEffect::Evict { node, .. }
                if self.leaves(node) =>
            {
                Some(NodeBreach::EndedByOthers { node: node.clone() }.into())
            }
            NodeEffect::Cordon { node, .. } => {
                let (task, group) = self.of_node(node)?;
                self.pin(task, group)
            }
            NodeEffect::Uncordon { .. }
            | NodeEffect::Evict { .. }
            | NodeEffect::Delete { .. }
            | NodeEffect::Taint { .. }
            | NodeEffect::Untaint { .. }
            | NodeEffect::OutOfService { .. }
            | NodeEffect::BackInService { .. }
            | NodeEffect::KeepFromAutoscaler { .. }
            | NodeEffect::ReleaseToAutoscaler { .. } => None,
        }
    }

    fn leaves(&self, node: &NodeName) -> bool {
        let Nodes::Known(seen) = &self.live.nodes else {
            return false;
        };
        seen.nodes.get(node).is_some_and(|n| n.leaves_by.is_some())
    }

    fn task(&self, asg: &crate::model::AsgName) -> Option<&'a GroupTask> {
        let run = self.rollout.cluster(self.cluster)?;
        run.groups.iter().find(|g| g.asg == *asg)
    }

    fn group(&self, task: &GroupTask) -> Option<&'a GroupProgress> {
        self.progress
            .clusters
            .get(self.cluster)?
            .groups
            .get(&task.asg)
    }

    fn of_node(&self, node: &crate::model::NodeName) -> Option<(&'a GroupTask, &'a GroupProgress)> {
        let crate::model::Nodes::Known(seen) = &self.live.nodes else {
            return None;
        };
        let instance = &seen.nodes.get(node)?.instance;
        let mut groups = self.live.groups.iter();
        let (name, _) = groups.find(|(_, g)| g.instances.contains_key(instance))?;
        let task = self.task(name)?;
        Some((task, self.group(task)?))
    }

    /// Nothing old goes while the group would launch something that the rollout has not pinned.
    fn pin(&self, task: &GroupTask, group: &GroupProgress) -> Option<Breach> {
        let pinned = pinned(&self.progress.direction, task, group)?;
        let is = self.live.groups.get(&task.asg)?.version.number();
        (is != pinned).then(|| {
            GroupBreach::OtherVersionPinned {
                group: task.asg.clone(),
                launches: is,
                pinned,
            }
            .into()
        })
    }

    /// An instance of the version that we pinned is not replaced; only what is one too many goes.
    fn own(
        &self,
        task: &GroupTask,
        group: &GroupProgress,
        instance: &InstanceId,
        decrement: bool,
    ) -> Option<Breach> {
        let pinned = pinned(&self.progress.direction, task, group)?;
        let live: &LiveGroup = self.live.groups.get(&task.asg)?;
        let found = live.instances.get(instance)?;
        // One whose node is not Ready does no work, and one that AWS calls unhealthy is ended by it: a single one of those is repaired.
        let works = is_ready(&self.live.nodes, instance);
        let works = works && found.health == Health::Healthy;
        let ours = works
            && found.version == Some(pinned)
            && !group.outstanding.detached.contains(instance);
        (ours && !decrement).then(|| {
            InstanceBreach::PinnedReplaced {
                instance: instance.clone(),
                group: task.asg.clone(),
                version: pinned,
            }
            .into()
        })
    }

    fn bounded(
        &self,
        task: &GroupTask,
        group: &GroupProgress,
        launches: u32,
        terminations: u32,
    ) -> Option<Breach> {
        if self.progress.direction == Direction::Aborting {
            return None;
        }
        let groups = &self.progress.clusters.get(self.cluster)?.groups;
        let size = |task: &GroupTask| groups.get(&task.asg).map_or(0, |g| g.instances);
        // Drains that had begun when the bound was met may end.
        let under_way = u32::try_from(group.outstanding.drains.len()).unwrap_or(u32::MAX);
        let most = bound(self.rollout, task, size)
            .saturating_add(under_way)
            .saturating_add(launches.saturating_sub(1));
        let spent = group.spent;
        let (launches, terminations) =
            (spent.launches + launches, spent.terminations + terminations);
        (launches > most || terminations > most).then(|| {
            GroupBreach::TooManyReplacements {
                group: task.asg.clone(),
                launches,
                terminations,
                most,
            }
            .into()
        })
    }

    /// On the way there a group is deleted when its cluster's gates have had their say, and its new groups a bake.
    fn last(&self, task: &GroupTask) -> Option<Breach> {
        if self.progress.direction != Direction::Forward {
            return None;
        }
        let cluster = self.progress.clusters.get(self.cluster)?;
        let bake = self.rollout.cluster(self.cluster)?.rolling.bake;
        let ripe = matches!(cluster.state, ClusterState::Checking(since) if since + bake <= self.now)
            && cluster.groups.values().all(|g| g.state == GroupState::Done);
        (!ripe).then(|| {
            GroupBreach::DeletedEarly {
                group: task.asg.clone(),
            }
            .into()
        })
    }
}

/// Whether the node of an instance is Ready; it counts as Ready where that is not known.
fn is_ready(nodes: &Nodes, instance: &InstanceId) -> bool {
    match nodes {
        Nodes::Known(seen) => seen
            .nodes
            .values()
            .any(|n| n.instance == *instance && n.ready),
        Nodes::NotAsked | Nodes::Unknown(_) => true,
    }
}

/// Whether the effect only restores what is open.
fn gives_back(task: &GroupTask, effect: &CloudEffect) -> bool {
    match effect {
        CloudEffect::SetDesired { from, to, .. } => to < from,
        CloudEffect::Protect { protect, .. } => !protect,
        // Back to what all its instances run.
        CloudEffect::PinVersion { to, .. } => {
            matches!(&task.task, Task::Update { from_version, .. } if from_version == to)
        }
        CloudEffect::Resume { .. }
        | CloudEffect::CancelRefresh { .. }
        | CloudEffect::RollbackRefresh { .. }
        | CloudEffect::Terminate { .. } => true,
        CloudEffect::CreateTemplateVersion { .. }
        | CloudEffect::CreateGroup { .. }
        | CloudEffect::UpdateGroup { .. }
        | CloudEffect::Suspend { .. }
        | CloudEffect::Detach { .. }
        | CloudEffect::DeleteGroup { .. }
        | CloudEffect::PruneVersions { .. }
        | CloudEffect::StartRefresh { .. } => false,
    }
}
