//! The rules that no effect of a rollout may break, asked just before it: an onlooker's view, apart from what decides. Judges; decides nothing.

use super::{Direction, GroupProgress, GroupTask, Progress, Rollout, StageRun, Task};
use crate::fleet::Amount;
use crate::kops::Role;
use crate::model::{
    CloudEffect, ClusterName, Effect, Instance, InstanceId, Lifecycle, LiveCluster, LiveGroup, Node, NodeEffect, NodeName, Nodes, Timestamp,
};

/// The rules that an effect would break; empty when it may be.
pub fn broken_rules(
    rollout: &Rollout,
    progress: &Progress,
    cluster: &ClusterName,
    effect: &Effect,
    live: &LiveCluster,
    now: Timestamp,
) -> Vec<String> {
    let eye = Eye { rollout, progress, cluster, live, now };
    let mut broken = eye.order();
    if let Effect::Cloud(effect) = effect {
        broken.extend(eye.cloud(effect));
    } else if let Effect::Node(NodeEffect::Cordon { node }) = effect {
        broken.extend(eye.cordon(node));
    }
    broken
}

struct Eye<'a> {
    rollout: &'a Rollout,
    progress: &'a Progress,
    cluster: &'a ClusterName,
    live: &'a LiveCluster,
    now: Timestamp,
}

impl Eye<'_> {
    /// Stages before the cluster's have passed.
    fn order(&self) -> Vec<String> {
        let holds = |s: &&StageRun| s.waves.iter().flat_map(|w| &w.clusters).any(|c| c.cluster == *self.cluster);
        let before = self.rollout.stages.iter().take_while(|s| !holds(s));
        let lacking = before.filter(|s| s.changes() && !self.progress.stages_passed.contains(&s.name));
        lacking.map(|s| format!("{} is touched before stage {} has passed", self.cluster, s.name)).collect()
    }

    fn cloud(&self, effect: &CloudEffect) -> Option<String> {
        let run = self.rollout.cluster(self.cluster)?;
        let Some(task) = run.groups.iter().find(|g| g.asg == *effect.group()) else {
            return Some(format!("{} is no group of the plan", effect.group()));
        };
        let (group, progress) = (self.live.groups.get(&task.asg)?, self.group(task)?);
        if let CloudEffect::Terminate { instance, .. } = effect {
            self.terminate(task, group, instance)
        } else if let CloudEffect::SetDesired { from, to, .. } = effect {
            let (least, most) = (group.group.min_size, group.group.max_size);
            let outside = from != to && !(least..=most).contains(to);
            let said = outside.then(|| format!("{} would get desired capacity {to}, outside {least}..{most}", task.asg));
            said.or_else(|| self.surge(task, group, progress, to.saturating_sub(from.saturating_add(progress.taken))))
        } else if let CloudEffect::Detach { .. } = effect {
            self.surge(task, group, progress, 1)
        } else {
            None
        }
    }

    fn group(&self, task: &GroupTask) -> Option<&GroupProgress> {
        self.progress.clusters.get(self.cluster)?.groups.get(&task.asg)
    }

    fn surge(&self, task: &GroupTask, group: &LiveGroup, progress: &GroupProgress, more: u32) -> Option<String> {
        if more == 0 {
            return None;
        }
        let out = |g: &GroupProgress, live: Option<&LiveGroup>| {
            let there = live.map_or(g.surge, |l| g.surge.min(l.desired.saturating_sub(l.group.min_size)));
            there.saturating_add(u32::try_from(g.detached.len()).unwrap_or(u32::MAX))
        };
        let here = out(progress, Some(group)).saturating_add(more);
        let run = self.rollout.cluster(self.cluster)?;
        let groups = self.progress.clusters.get(self.cluster)?.groups.iter();
        let all = groups.map(|(name, g)| out(g, self.live.groups.get(name))).fold(more, u32::saturating_add);
        match task.rolling.max_surge {
            _ if task.role == Role::ControlPlane => Some(format!("{}, a control plane, is surged", task.asg)),
            // What stands in for another group is bounded by the cluster's surge and the group's maximum.
            Amount::Count(most) if here > most && !progress.lending => Some(format!("{} surges by {here} of at most {most}", task.asg)),
            _ if all > run.rolling.cluster_surge => Some(format!("{} surges by {all} of at most {}", self.cluster, run.rolling.cluster_surge)),
            Amount::Count(_) | Amount::Percent(_) => None,
        }
    }

    fn terminate(&self, task: &GroupTask, group: &LiveGroup, instance: &InstanceId) -> Option<String> {
        let run = self.rollout.cluster(self.cluster)?;
        let rate = run.rolling.rate;
        let ended = &self.progress.clusters.get(self.cluster)?.disruptions;
        let recent = ended.iter().filter(|at| **at + rate.per > self.now).count();
        if recent >= usize::try_from(rate.instances).unwrap_or(usize::MAX) {
            return Some(format!("{} ends more than {} instances within {}", self.cluster, rate.instances, rate.per));
        }
        let ends = group.instances.get(instance).is_none_or(|i| i.lifecycle == Lifecycle::Terminating);
        let node = self.node(instance)?;
        (!ends && (!node.cordoned || node.evictable_pods > 0)).then(|| format!("{instance} of {} ends without being drained", task.asg))
    }

    fn node(&self, instance: &InstanceId) -> Option<&Node> {
        let Nodes::Known(nodes) = &self.live.nodes else { return None };
        nodes.nodes.values().find(|n| n.instance == *instance)
    }

    fn works(&self, id: &InstanceId, instance: &Instance) -> bool {
        let drained = self.progress.clusters.get(self.cluster).is_some_and(|c| c.groups.values().any(|g| g.drains.contains_key(id)));
        let there = matches!(instance.lifecycle, Lifecycle::InService | Lifecycle::Detached);
        there && self.node(id).is_some_and(|n| n.ready && !(n.cordoned && drained))
    }

    /// Capacity before an instance goes: enough others work.
    fn cordon(&self, node: &NodeName) -> Option<String> {
        let Nodes::Known(nodes) = &self.live.nodes else { return Some(format!("{node} is cordoned blindly")) };
        let found = nodes.nodes.get(node)?;
        let run = self.rollout.cluster(self.cluster)?;
        let (name, group) = self.live.groups.iter().find(|(_, g)| g.instances.contains_key(&found.instance))?;
        let Some(task) = run.groups.iter().find(|g| g.asg == *name) else { return Some(format!("{node} is of no group of the plan")) };
        let instance = group.instances.get(&found.instance)?;
        if task.role == Role::ControlPlane
            && let Some(sick) = self.sick_control_plane(&found.instance)
        {
            return Some(format!("{node}, of the control plane, is drained while {sick} does not work"));
        }
        let retires = match (&task.task, &self.progress.direction) {
            (Task::Retire { .. }, _) | (Task::Create { .. }, Direction::Back(_)) => true,
            (Task::Create { .. } | Task::Update { .. }, _) => false,
        };
        if retires || !self.works(&found.instance, instance) {
            return None;
        }
        let left = group.instances.iter().filter(|(id, i)| **id != found.instance && self.works(id, i)).count();
        let ours = self.group(task)?.surge.min(group.desired.saturating_sub(group.group.min_size));
        let base = group.desired.saturating_sub(ours);
        let surges = task.role != Role::ControlPlane && task.rolling.max_surge.surge_of(base).min(run.rolling.cluster_surge) > 0;
        let missing = task.rolling.max_unavailable.unavailable_of(base).max(u32::from(!surges));
        let missing = if task.role == Role::ControlPlane { 1 } else { missing };
        let left = left.saturating_add(self.stand_ins(task));
        let least = usize::try_from(base.saturating_sub(missing)).unwrap_or(usize::MAX);
        (left < least).then(|| format!("{name} keeps only {left} of {base} at work, {missing} may be missing"))
    }

    /// What works of the on-demand twin beyond its own capacity.
    fn stand_ins(&self, task: &GroupTask) -> usize {
        let of = |name| Some((self.live.groups.get(name)?, self.progress.clusters.get(self.cluster)?.groups.get(name)?));
        let Some((live, twin)) = task.twin.as_ref().and_then(of).filter(|(_, twin)| twin.lending) else { return 0 };
        let lent = twin.surge.min(live.desired.saturating_sub(live.group.min_size));
        let working = live.instances.iter().filter(|(id, i)| self.works(id, i)).count();
        let own = usize::try_from(live.desired.saturating_sub(lent)).unwrap_or(usize::MAX);
        working.saturating_sub(own).min(usize::try_from(lent).unwrap_or(0))
    }

    fn sick_control_plane(&self, except: &InstanceId) -> Option<String> {
        let run = self.rollout.cluster(self.cluster)?;
        let planes = run.roles.iter().filter(|(_, role)| **role == Role::ControlPlane);
        let there = planes.filter_map(|(name, _)| Some((name, self.live.groups.get(name)?)));
        let wanted = |g: &LiveGroup| usize::try_from(g.desired).unwrap_or(usize::MAX);
        let mut others = there.filter(|(_, group)| !group.instances.contains_key(except));
        others.find(|(_, g)| g.instances.iter().filter(|(id, i)| self.works(id, i)).count() < wanted(g)).map(|(name, _)| name.to_string())
    }
}
