//! The rules that no effect of a rollout may break, asked just before it: an onlooker's view, apart from what decides. Judges; decides nothing.

mod beside;
mod by_kops;
mod control_plane;
mod hooks;
mod left;
mod order;
mod others;
mod pinned;
mod records;
mod room;
mod steps;

pub use records::broken_by_record;

use std::ops::Deref;

use super::breach::{Breach, GroupBreach, InstanceBreach, NodeBreach, PlaneLack};
use super::progress::{Direction, GroupProgress, Progress};
use super::round::with_made;
use super::schedule::{ClusterRun, GroupTask, Rollout, Task};
use crate::fleet::{Amount, ZonePolicy};
use crate::kops::Role;
use crate::model::{
    AsgName, CloudEffect, ClusterName, Effect, Health, Instance, InstanceId, Lifecycle,
    LiveCluster, LiveGroup, Node, NodeEffect, NodeName, Nodes, Timestamp,
};

/// The rules that an effect would break; empty when it may be. `live` may be a look that is taken only when a rule asks for it.
pub fn broken_rules(
    rollout: &Rollout,
    progress: &Progress,
    cluster: &ClusterName,
    effect: &Effect,
    live: &impl Deref<Target = LiveCluster>,
    now: Timestamp,
) -> Vec<Breach> {
    let by_kops = rollout.cluster(cluster).filter(|run| run.kops.is_some());
    let made = by_kops.map(|run| (&run.cluster, &**live));
    let known = with_made(rollout, progress, made.into_iter());
    let rollout = &*known;
    let checker = InvariantChecker {
        rollout,
        progress,
        cluster,
        live,
        now,
    };
    let mut broken = order::broken(rollout, progress, cluster, now);
    broken.extend(others::broken(
        rollout, progress, cluster, effect, live, now,
    ));
    broken.extend(room::broken(progress, cluster, effect, live));
    broken.extend(steps::broken(rollout, progress, cluster, effect, live, now));
    match effect {
        Effect::Cloud(effect) => broken.extend(checker.cloud(effect)),
        Effect::Kops(_) => broken.extend(by_kops::broken(rollout, progress, cluster, effect)),
        Effect::Node(NodeEffect::Cordon { node, .. }) => broken.extend(checker.cordon(node)),
        Effect::Node(NodeEffect::Taint { nodes, .. }) => {
            broken.extend(nodes.keys().filter_map(|node| checker.taint(node)));
        }
        Effect::Node(
            NodeEffect::Uncordon { .. }
            | NodeEffect::Evict { .. }
            | NodeEffect::Delete { .. }
            | NodeEffect::Untaint { .. }
            | NodeEffect::OutOfService { .. }
            | NodeEffect::BackInService { .. }
            | NodeEffect::KeepFromAutoscaler { .. }
            | NodeEffect::ReleaseToAutoscaler { .. },
        ) => {}
    }
    broken
}

struct InvariantChecker<'a, L> {
    rollout: &'a Rollout,
    progress: &'a Progress,
    cluster: &'a ClusterName,
    live: &'a L,
    now: Timestamp,
}

impl<L: Deref<Target = LiveCluster>> InvariantChecker<'_, L> {
    fn cloud(&self, effect: &CloudEffect) -> Option<Breach> {
        let run = self.rollout.cluster(self.cluster)?;
        let Some(task) = run.groups.iter().find(|g| g.asg == *effect.group()) else {
            return Some(
                GroupBreach::GroupNotPlanned {
                    group: effect.group().clone(),
                }
                .into(),
            );
        };
        let (group, progress) = (self.live.groups.get(&task.asg)?, self.group(&task.asg)?);
        if let Some(broken) = self.planes_at_once(task) {
            return Some(broken);
        }
        if let CloudEffect::Terminate { instance, .. } = effect {
            self.terminate(task, group, instance)
        } else if let CloudEffect::SetDesired { from, to, .. } = effect {
            let (min, max) = (group.group.min_size, group.group.max_size);
            let outside = from != to && !(min..=max).contains(to);
            let said = outside.then(|| {
                GroupBreach::DesiredOutside {
                    group: task.asg.clone(),
                    to: *to,
                    min,
                    max,
                }
                .into()
            });
            said.or_else(|| {
                self.surge(
                    task,
                    group,
                    progress,
                    to.saturating_sub(from.saturating_add(progress.taken)),
                )
            })
        } else if let CloudEffect::Detach { .. } = effect {
            self.surge(task, group, progress, 1)
        } else {
            None
        }
    }

    fn group(&self, name: &AsgName) -> Option<&GroupProgress> {
        self.progress.clusters.get(self.cluster)?.groups.get(name)
    }

    /// One instance of the control plane at a time.
    fn planes_at_once(&self, task: &GroupTask) -> Option<Breach> {
        let planes = self
            .rollout
            .cluster(self.cluster)?
            .groups
            .iter()
            .filter(|g| g.role == Role::ControlPlane);
        let drains: usize = planes
            .filter_map(|g| self.group(&g.asg))
            .map(|g| g.outstanding.drains.len())
            .sum();
        (task.role == Role::ControlPlane && drains > 1).then(|| {
            InstanceBreach::ControlPlanesDrained {
                cluster: self.cluster.clone(),
                instances: drains,
            }
            .into()
        })
    }

    fn surge(
        &self,
        task: &GroupTask,
        group: &LiveGroup,
        progress: &GroupProgress,
        more: u32,
    ) -> Option<Breach> {
        if more == 0 {
            return None;
        }
        let out = |g: &GroupProgress, live: Option<&LiveGroup>| {
            let there = live.map_or(g.outstanding.surge, |l| {
                g.outstanding
                    .surge
                    .min(l.desired.saturating_sub(l.group.min_size))
            });
            there.saturating_add(u32::try_from(g.outstanding.detached.len()).unwrap_or(u32::MAX))
        };
        let here = out(progress, Some(group)).saturating_add(more);
        let run = self.rollout.cluster(self.cluster)?;
        let groups = self.progress.clusters.get(self.cluster)?.groups.iter();
        let all = groups
            .map(|(name, g)| out(g, self.live.groups.get(name).map(|g| &**g)))
            .fold(more, u32::saturating_add);
        match task.rolling.max_surge {
            _ if task.role == Role::ControlPlane => Some(
                GroupBreach::ControlPlaneSurged {
                    group: task.asg.clone(),
                }
                .into(),
            ),
            // What stands in for another group is bounded by the cluster's surge and the group's maximum.
            Amount::Count(most) if here > most && !progress.capacity.lending => Some(
                GroupBreach::GroupSurge {
                    group: task.asg.clone(),
                    surge: here,
                    most,
                }
                .into(),
            ),
            _ if all > run.rolling.cluster_surge => Some(
                GroupBreach::ClusterSurge {
                    cluster: self.cluster.clone(),
                    surge: all,
                    most: run.rolling.cluster_surge,
                }
                .into(),
            ),
            Amount::Count(_) | Amount::Percent(_) => None,
        }
    }

    fn terminate(
        &self,
        task: &GroupTask,
        group: &LiveGroup,
        instance: &InstanceId,
    ) -> Option<Breach> {
        let run = self.rollout.cluster(self.cluster)?;
        let rate = run.rolling.rate;
        let ended = &self.progress.clusters.get(self.cluster)?.disruptions;
        let recent = ended.iter().filter(|at| **at + rate.per > self.now).count();
        if recent >= usize::try_from(rate.instances).unwrap_or(usize::MAX) {
            return Some(
                InstanceBreach::TooFast {
                    cluster: self.cluster.clone(),
                    instances: rate.instances,
                    per: rate.per,
                }
                .into(),
            );
        }
        // A bastion has nothing to drain.
        if task.role == Role::Bastion {
            return None;
        }
        let ends = group
            .instances
            .get(instance)
            .is_none_or(|i| i.lifecycle == Lifecycle::Terminating);
        let node = self.node(instance)?;
        let retires = matches!(
            (&task.task, &self.progress.direction),
            (Task::Retire { .. }, _) | (Task::Create { .. }, Direction::Back(_))
        );
        if task.role == Role::ControlPlane
            && !ends
            && !retires
            && let Nodes::Known(seen) = &self.live.nodes
            && let Some(lack) = control_plane::lost_members(run, self.live, seen, instance)
        {
            return Some(
                InstanceBreach::ControlPlaneEnds {
                    instance: instance.clone(),
                    lack,
                }
                .into(),
            );
        }
        let left =
            node.pods_to_wait_for(self.now) > 0 && !task.rolling.drain.gives_up(node, self.now);
        if !ends && (!node.cordoned || left) {
            let (instance, group) = (instance.clone(), task.asg.clone());
            return Some(InstanceBreach::NotDrained { instance, group }.into());
        }
        let volumes = self.volumes_held(task, instance, node);
        if !ends && !volumes.is_empty() {
            let instance = instance.clone();
            return Some(InstanceBreach::VolumesHeld { instance, volumes }.into());
        }
        self.balancers_send(task, instance, node)
            .filter(|_| !ends)
            .map(Into::into)
    }

    fn node(&self, instance: &InstanceId) -> Option<&Node> {
        let Nodes::Known(nodes) = &self.live.nodes else {
            return None;
        };
        nodes
            .nodes
            .values()
            .map(|n| &**n)
            .find(|n| n.instance == *instance)
    }

    fn works(&self, id: &InstanceId, instance: &Instance) -> bool {
        let drained = self.progress.clusters.get(self.cluster).is_some_and(|c| {
            c.groups
                .values()
                .any(|g| g.outstanding.drains.contains_key(id))
        });
        let there = matches!(
            instance.lifecycle,
            Lifecycle::InService | Lifecycle::Detached
        );
        // A bastion is at work when it is in service: it has no node.
        let group = self
            .live
            .groups
            .iter()
            .find(|(_, g)| g.instances.contains_key(id));
        let is_node = self.rollout.cluster(self.cluster).is_none_or(|run| {
            group.and_then(|(name, _)| run.roles.get(name)) != Some(&Role::Bastion)
        });
        // What AWS calls unhealthy it ends by itself, whatever its node says.
        there
            && instance.health == Health::Healthy
            && (!is_node
                || self
                    .node(id)
                    .is_some_and(|n| n.ready && !(n.cordoned && drained)))
    }

    /// Capacity before an instance goes: enough others work.
    fn cordon(&self, node: &NodeName) -> Option<Breach> {
        let Nodes::Known(nodes) = &self.live.nodes else {
            return Some(NodeBreach::CordonUnseen { node: node.clone() }.into());
        };
        let found = nodes.nodes.get(node)?;
        let run = self.rollout.cluster(self.cluster)?;
        let (name, group) = self
            .live
            .groups
            .iter()
            .find(|(_, g)| g.instances.contains_key(&found.instance))?;
        let Some(task) = run.groups.iter().find(|g| g.asg == *name) else {
            return Some(NodeBreach::NodeNotPlanned { node: node.clone() }.into());
        };
        let instance = group.instances.get(&found.instance)?;
        if task.role == Role::ControlPlane
            && let Some(lack) = self.sick_control_plane(&found.instance)
        {
            let node = node.clone();
            return Some(InstanceBreach::ControlPlaneDrained { node, lack }.into());
        }
        let retires = match (&task.task, &self.progress.direction) {
            (Task::Retire { .. }, _) | (Task::Create { .. }, Direction::Back(_)) => true,
            (Task::Create { .. } | Task::Update { .. }, _) => false,
        };
        if retires || !self.works(&found.instance, instance) {
            return None;
        }
        let left = count(
            group
                .instances
                .iter()
                .filter(|(id, i)| **id != found.instance && self.works(id, i)),
        );
        let (_, base) = self.sizes(name);
        let surges = task.role != Role::ControlPlane
            && task
                .rolling
                .max_surge
                .surge_of(base)
                .min(run.rolling.cluster_surge)
                > 0;
        let missing = task
            .rolling
            .max_unavailable
            .unavailable_of(base)
            .max(u32::from(!surges));
        let missing = if task.role == Role::ControlPlane {
            1
        } else {
            missing
        };
        if let Some(broken) = self.loan(run, task, left.saturating_sub(base), missing) {
            return Some(broken);
        }
        if let Some(broken) = self.zone(task, group, &found.instance, instance) {
            return Some(broken);
        }
        let left = left.saturating_add(self.stand_ins(task));
        (left < base.saturating_sub(missing)).then(|| {
            let group = name.clone();
            InstanceBreach::TooFewAtWork {
                group,
                left,
                base,
                missing,
            }
            .into()
        })
    }

    /// No zone of a group has fewer at work than when it began, but for what may be missing and what others took; unless AWS cannot be told
    /// where to launch, or launches in place of a detached one.
    fn zone(
        &self,
        task: &GroupTask,
        live: &LiveGroup,
        id: &InstanceId,
        instance: &Instance,
    ) -> Option<Breach> {
        let group = self.group(&task.asg)?;
        let fields = &live.group;
        let mixed = fields
            .mixed_instances_policy
            .as_ref()
            .is_some_and(|p| p.instances_distribution.market().is_none());
        let (base, surges) = {
            let (_, base) = self.sizes(&task.asg);
            let most = self.rollout.cluster(self.cluster)?.rolling.cluster_surge;
            let surge = task.rolling.max_surge.surge_of(base).min(most);
            (base, surge > 0 && task.role.rules().may_surge)
        };
        let exempt = task.rolling.zones == ZonePolicy::Any
            || instance.lifecycle == Lifecycle::Detached
            || self.progress.direction == Direction::Aborting
            || group.placement.not_offered.is_some()
            || group.capacity.borrowed.is_some()
            || (self.progress.direction != Direction::Forward
                && !group.placement.refused.is_empty())
            || group.capacity.lending
            || mixed
            || fields.warm_pool.is_some()
            || fields.vpc_zone_identifier.len() < 2
            || !surges;
        if exempt {
            return None;
        }
        let lacking = |without: bool| {
            let at_work = |zone: &str| {
                count(live.instances.iter().filter(|(other, i)| {
                    i.zone == zone && !(without && *other == id) && self.works(other, i)
                }))
            };
            let zones = group.placement.before.iter();
            zones
                .map(|(zone, n)| n.saturating_sub(at_work(zone)))
                .fold(0, u32::saturating_add)
        };
        let total = group
            .placement
            .before
            .values()
            .copied()
            .fold(0, u32::saturating_add);
        let missing = task.rolling.max_unavailable.unavailable_of(base);
        let allowed = missing.saturating_add(total.saturating_sub(base));
        (lacking(true) > allowed.max(lacking(false))).then(|| {
            InstanceBreach::ZoneShort {
                group: task.asg.clone(),
                zone: instance.zone.clone(),
            }
            .into()
        })
    }

    /// What stands in for another group, `more` than the twin's own, goes only when that one has its own.
    fn loan(&self, run: &ClusterRun, task: &GroupTask, more: u32, missing: u32) -> Option<Breach> {
        // Before it lends, a twin changes its own instances like any other group.
        let of = task
            .lends
            .as_ref()
            .filter(|_| self.group(&task.asg).is_some_and(|g| g.capacity.lending))?;
        let borrower = run.groups.iter().find(|g| g.asg == *of)?;
        let (works, own) = self.sizes(of);
        let may = borrower
            .rolling
            .max_unavailable
            .unavailable_of(own)
            .saturating_add(missing);
        let broken = works.saturating_add(more) < own.saturating_sub(may);
        broken.then(|| {
            InstanceBreach::FallbackReleased {
                group: task.asg.clone(),
                lends_to: of.clone(),
                working: works,
                own,
            }
            .into()
        })
    }

    /// What works of the on-demand twin beyond its own capacity.
    fn stand_ins(&self, task: &GroupTask) -> u32 {
        let Some(name) = task
            .twin
            .as_ref()
            .filter(|name| self.group(name).is_some_and(|twin| twin.capacity.lending))
        else {
            return 0;
        };
        let (working, own) = self.sizes(name);
        working.saturating_sub(own)
    }

    /// How many instances of a group work, and how many it has to keep: our surge, as far as it is out there, taken off.
    fn sizes(&self, name: &AsgName) -> (u32, u32) {
        let Some(group) = self.live.groups.get(name) else {
            return (0, 0);
        };
        let works = count(group.instances.iter().filter(|(id, i)| self.works(id, i)));
        let surge = self
            .group(name)
            .map_or(0, |g| g.outstanding.surge)
            .saturating_add(self.unbooked(name, group.desired));
        let own = group
            .desired
            .saturating_sub(surge.min(group.desired.saturating_sub(group.group.min_size)));
        (works, own.min(self.room(name)))
    }

    /// What a group has to come down to on the way there, where the operator has allowed that.
    fn room(&self, name: &AsgName) -> u32 {
        let run = self.rollout.cluster(self.cluster);
        let task = run.and_then(|r| r.groups.iter().find(|g| g.asg == *name));
        match task.filter(|t| t.shrink && self.progress.direction == Direction::Forward) {
            Some(GroupTask {
                task: Task::Update { to, .. },
                ..
            }) => to.auto_scaling_group.max_size,
            Some(_) | None => u32::MAX,
        }
    }

    /// Surge that was asked for, is not booked yet (its answer is on its way, or lost), and is out there as it looks. Launches of one round
    /// count on those before them, which may not have come: no more than desired capacity stands above where the first of them began.
    fn unbooked(&self, name: &AsgName, desired: u32) -> u32 {
        let asked = self
            .progress
            .open
            .values()
            .filter(|i| i.cluster == *self.cluster && i.group == *name);
        let more = asked.filter_map(|i| match &i.effect {
            Effect::Cloud(CloudEffect::SetDesired { from, to, .. }) if to > from => {
                Some((*from, to - from))
            }
            Effect::Cloud(_) | Effect::Node(_) | Effect::Kops(_) => None,
        });
        let (lowest, sum) = more.fold((desired, 0u32), |(lowest, sum), (from, more)| {
            (lowest.min(from), sum.saturating_add(more))
        });
        sum.min(desired.saturating_sub(lowest))
    }

    /// Only nodes of groups that are changed.
    fn taint(&self, node: &NodeName) -> Option<Breach> {
        let Nodes::Known(nodes) = &self.live.nodes else {
            return Some(NodeBreach::TaintUnseen { node: node.clone() }.into());
        };
        let found = nodes.nodes.get(node)?;
        let (name, _) = self
            .live
            .groups
            .iter()
            .find(|(_, g)| g.instances.contains_key(&found.instance))?;
        let planned = self
            .rollout
            .cluster(self.cluster)?
            .groups
            .iter()
            .any(|g| g.asg == *name);
        (!planned).then(|| NodeBreach::NodeNotPlanned { node: node.clone() }.into())
    }

    fn sick_control_plane(&self, except: &InstanceId) -> Option<PlaneLack> {
        let run = self.rollout.cluster(self.cluster)?;
        let planes = run
            .roles
            .iter()
            .filter(|(_, role)| **role == Role::ControlPlane);
        let there = planes.filter_map(|(name, _)| Some((name, self.live.groups.get(name)?)));
        let wanted = |g: &LiveGroup| usize::try_from(g.desired).unwrap_or(usize::MAX);
        if let Some(lack) = control_plane::unproven(run, self.progress, self.live, except) {
            return Some(lack);
        }
        let mut others = there.filter(|(_, group)| !group.instances.contains_key(except));
        others
            .find(|(_, g)| {
                g.instances
                    .iter()
                    .filter(|(id, i)| self.works(id, i))
                    .count()
                    < wanted(g)
            })
            .map(|(name, _)| PlaneLack::PlaneGroupShort {
                group: name.clone(),
            })
    }
}

fn count<T>(of: impl Iterator<Item = T>) -> u32 {
    u32::try_from(of.count()).unwrap_or(u32::MAX)
}
