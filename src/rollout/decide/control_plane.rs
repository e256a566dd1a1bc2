//! The proof of a control plane, the same whichever way a rollout goes: before the next instance goes, every other one has its node Ready,
//! its components and critical pods at work, and its etcd members healthy and counted. Never acts.

use std::collections::BTreeSet;

use super::validate::COMPONENTS;
use crate::model::{AsgName, InstanceId, LiveGroup, Node, NodeName};
use crate::rollout::round::{ClusterContext, GroupContext, NodeView, Readiness};
use crate::rollout::schedule::ClusterRun;

/// What is wrong with the control plane, the group `except` aside: the first thing, with names.
pub(crate) fn fault(sight: &ClusterContext<'_>, except: Option<&AsgName>) -> Option<String> {
    sight
        .run
        .roles
        .iter()
        .filter(|(name, role)| role.rules().proves_control_plane && Some(*name) != except)
        .filter_map(|(name, _)| Some((name, sight.live.groups.get(name)?)))
        .find_map(|(name, group)| {
            incomplete(sight, name, group)
                .or_else(|| first_sick(&sight.nodes, group, &BTreeSet::new()))
                .or_else(|| etcd(sight.run, &sight.nodes, name, group, &BTreeSet::new()))
        })
}

/// What is wrong with the instances of the group's own that stay: those of `outdated` go anyway.
pub(crate) fn own_fault(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    outdated: &BTreeSet<InstanceId>,
) -> Option<String> {
    if !view.task.role.rules().proves_control_plane {
        return None;
    }
    first_sick(view.nodes, live, outdated).or_else(|| {
        let run = view.rollout.cluster(view.cluster)?;
        etcd(run, view.nodes, &view.task.asg, live, outdated)
    })
}

fn incomplete(sight: &ClusterContext<'_>, name: &AsgName, group: &LiveGroup) -> Option<String> {
    let role = *sight.run.roles.get(name)?;
    let ready = group
        .instances
        .iter()
        .filter(|(id, i)| sight.nodes.readiness(role, id, i) == Readiness::Ready)
        .count();
    let wanted = usize::try_from(group.desired).unwrap_or(usize::MAX);
    (ready < wanted).then(|| format!("{name} has {ready} of {wanted} Ready"))
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
) -> Option<String> {
    nodes(view, group, aside)
        .into_iter()
        .find_map(|(name, node)| {
            let missing: Vec<&str> = COMPONENTS
                .into_iter()
                .filter(|c| !node.components.contains(*c))
                .collect();
            if !missing.is_empty() {
                return Some(format!("{name} has no pod of {}", missing.join(", ")));
            }
            node.sick
                .first()
                .map(|pod| format!("on {name} critical pod {pod}"))
        })
}

/// Members of etcd that the group should have and that are not healthy, counted.
fn etcd(
    run: &ClusterRun,
    view: &NodeView<'_>,
    name: &AsgName,
    group: &LiveGroup,
    aside: &BTreeSet<InstanceId>,
) -> Option<String> {
    if !view.asked() {
        return None;
    }
    let counted = nodes(view, group, aside);
    let size = u32::try_from(
        group
            .instances
            .iter()
            .filter(|(id, i)| i.lifecycle.rules().is_capacity && !aside.contains(*id))
            .count(),
    )
    .unwrap_or(u32::MAX);
    run.etcd.iter().find_map(|(cluster, members)| {
        let wanted = members.get(name).copied().unwrap_or(0).min(size);
        let healthy = counted
            .iter()
            .filter(|(_, node)| node.etcd.get(cluster) == Some(&true))
            .count();
        let healthy = u32::try_from(healthy).unwrap_or(u32::MAX);
        (healthy < wanted)
            .then(|| format!("etcd {cluster}: {healthy} of {wanted} members in {name} are healthy"))
    })
}
