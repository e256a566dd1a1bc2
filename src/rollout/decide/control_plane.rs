//! The proof of a control plane, the same whichever way a rollout goes: before the next instance goes, every other one has its node Ready,
//! its components and critical pods at work, and its etcd members healthy and counted. Never acts.

use std::collections::BTreeSet;

use super::validate::missing_components;
use crate::model::{AsgName, InstanceId, LiveCluster, LiveGroup, Node, NodeName};
use crate::rollout::reason::PlaneFault;
use crate::rollout::round::{ClusterContext, GroupContext, NodeView, Readiness};
use crate::rollout::schedule::ClusterRun;

/// What is wrong with the control plane, the group `except` aside: the first thing, with names.
pub(crate) fn fault(sight: &ClusterContext<'_>, except: Option<&AsgName>) -> Option<PlaneFault> {
    Planes::of_cluster(sight).fault(except)
}

/// What is wrong with the instances of the group's own that stay: those of `outdated` go anyway.
pub(crate) fn own_fault(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    outdated: &BTreeSet<InstanceId>,
) -> Option<PlaneFault> {
    if !view.task.role.rules().proves_control_plane {
        return None;
    }
    first_sick(view.nodes, live, outdated)
}

/// Why this instance of a control plane may not go now: what it leaves behind is not whole. Every member of etcd but its own has to be healthy,
/// those on instances that go later among them: one that is missing already and one that goes are two.
/// Source: etcd FAQ, "What is failure tolerance?"; kops, `pkg/validation/validate_cluster.go`, which counts critical pods only.
pub(crate) fn fault_without(view: &GroupContext<'_>, going: &InstanceId) -> Option<PlaneFault> {
    if !view.task.role.rules().proves_control_plane {
        return None;
    }
    let planes = Planes::of_group(view)?;
    planes
        .fault(Some(&view.task.asg))
        .or_else(|| planes.etcd(Some(going)))
}

/// Members of etcd that should be there and are not healthy, counted over the whole control plane.
pub(crate) fn etcd_fault(sight: &ClusterContext<'_>) -> Option<PlaneFault> {
    Planes::of_cluster(sight).etcd(None)
}

/// The control plane of a cluster, and what is known of it.
struct Planes<'a> {
    run: &'a ClusterRun,
    live: &'a LiveCluster,
    nodes: &'a NodeView<'a>,
}

impl<'a> Planes<'a> {
    fn of_cluster(sight: &'a ClusterContext<'_>) -> Self {
        Planes {
            run: sight.run,
            live: sight.live,
            nodes: &sight.nodes,
        }
    }

    fn of_group(view: &'a GroupContext<'_>) -> Option<Self> {
        Some(Planes {
            run: view.rollout.cluster(view.cluster)?,
            live: view.live_cluster,
            nodes: view.nodes,
        })
    }

    fn groups(&self) -> impl Iterator<Item = (&'a AsgName, &'a LiveGroup)> {
        let planes = self.run.roles.iter();
        planes
            .filter(|(_, role)| role.rules().proves_control_plane)
            .filter_map(|(name, _)| Some((name, &**self.live.groups.get(name)?)))
    }

    fn fault(&self, except: Option<&AsgName>) -> Option<PlaneFault> {
        self.groups()
            .filter(|(name, _)| Some(*name) != except)
            .find_map(|(name, group)| {
                self.incomplete(name, group)
                    .or_else(|| first_sick(self.nodes, group, &BTreeSet::new()))
                    .or_else(|| self.etcd_in(name, group, None))
            })
    }

    fn incomplete(&self, name: &AsgName, group: &LiveGroup) -> Option<PlaneFault> {
        let role = *self.run.roles.get(name)?;
        let ready = group
            .instances
            .iter()
            .filter(|(id, i)| self.nodes.readiness(role, id, i) == Readiness::Ready)
            .count();
        let wanted = usize::try_from(group.desired).unwrap_or(usize::MAX);
        (ready < wanted).then(|| PlaneFault::NotReady {
            group: name.clone(),
            ready,
            wanted,
        })
    }

    fn etcd(&self, without: Option<&InstanceId>) -> Option<PlaneFault> {
        self.groups()
            .find_map(|(name, group)| self.etcd_in(name, group, without))
    }

    /// Members of etcd that the group should have and that are not healthy; the one on the instance `without` is counted neither way.
    fn etcd_in(
        &self,
        name: &AsgName,
        group: &LiveGroup,
        without: Option<&InstanceId>,
    ) -> Option<PlaneFault> {
        if !self.nodes.asked() {
            return None;
        }
        let members: Vec<&InstanceId> = capacity_of(group, without);
        // An instance that is missing altogether has no member either.
        let goes = without.is_some_and(|id| group.instances.contains_key(id));
        let size = group.desired.saturating_sub(u32::from(goes));
        self.run.etcd.iter().find_map(|(cluster, by_group)| {
            let all = by_group.get(name).copied().unwrap_or(0);
            let wanted = all.min(size);
            let healthy = self.healthy_members(&members, cluster);
            (healthy < wanted).then(|| PlaneFault::Etcd {
                etcd: cluster.clone(),
                group: name.clone(),
                healthy,
                wanted,
                others: goes,
            })
        })
    }

    fn healthy_members(&self, instances: &[&InstanceId], etcd: &str) -> u32 {
        let healthy = instances
            .iter()
            .filter_map(|id| self.nodes.of(id))
            .filter(|(_, node)| node.etcd.get(etcd) == Some(&true));
        u32::try_from(healthy.count()).unwrap_or(u32::MAX)
    }
}

/// The instances that count, one of them aside.
fn capacity_of<'g>(group: &'g LiveGroup, without: Option<&InstanceId>) -> Vec<&'g InstanceId> {
    group
        .instances
        .iter()
        .filter(|(id, i)| i.lifecycle.rules().is_capacity && Some(*id) != without)
        .map(|(id, _)| id)
        .collect()
}

/// Nodes of the group's instances that count, those of `aside` not among them.
fn nodes<'a>(
    nodes: &NodeView<'a>,
    group: &LiveGroup,
    aside: &BTreeSet<InstanceId>,
) -> Vec<(&'a NodeName, &'a Node)> {
    group
        .instances
        .iter()
        .filter(|(id, i)| i.lifecycle.rules().is_capacity && !aside.contains(*id))
        .filter_map(|(id, _)| nodes.of(id))
        .collect()
}

fn first_sick(
    view: &NodeView<'_>,
    group: &LiveGroup,
    aside: &BTreeSet<InstanceId>,
) -> Option<PlaneFault> {
    nodes(view, group, aside)
        .into_iter()
        .find_map(|(name, node)| {
            let missing = missing_components(node);
            if !missing.is_empty() {
                let node = name.clone();
                return Some(PlaneFault::NoComponents { node, missing });
            }
            node.sick.first().map(|pod| PlaneFault::CriticalPod {
                node: name.clone(),
                pod: pod.clone(),
            })
        })
}
