//! New nodes are kept from the autoscaler, from the moment that they are there until nothing old is left that they stand in for: to it they
//! look idle, and what it takes, canary or surge, would have to be launched again. Never acts.

use std::collections::{BTreeMap, BTreeSet};

use super::replacement::Replacement;
use crate::kops::Role;
use crate::model::{InstanceId, LiveGroup, NodeEffect, NodeMark, NodeName};
use crate::rollout::round::{DecisionBuilder, GroupContext, Mode, present};

/// Marks the nodes of the group that stay (all but `goes`), where it may scale at all. An instance that is being ended already is not kept by a mark.
pub(crate) fn keep(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    goes: &BTreeSet<InstanceId>,
    out: &mut DecisionBuilder<'_>,
) {
    if view.task.role != Role::Node {
        return;
    }
    let stays = present(live).filter(|(id, _)| !goes.contains(*id));
    let bare = stays
        .filter_map(|(id, _)| Some((id, view.nodes.of(id)?)))
        .filter(|(_, (name, node))| {
            node.leaves_by.is_none()
                && !node.ours.contains(&NodeMark::KeptFromAutoscaler)
                && !view.group.outstanding.kept.contains_key(*name)
        });
    let nodes: BTreeMap<NodeName, InstanceId> = bare
        .map(|(id, (name, _))| (name.clone(), id.clone()))
        .collect();
    if !nodes.is_empty() {
        out.node_step(view, NodeEffect::KeepFromAutoscaler { nodes });
    }
}

/// Gives the group's nodes to the autoscaler again. Whether there were any.
pub(crate) fn release(view: &GroupContext<'_>, out: &mut DecisionBuilder<'_>) -> bool {
    let there = |(name, instance): &(&NodeName, &InstanceId)| {
        let node = view.nodes.named(name);
        node.is_some_and(|node| node.instance == **instance)
    };
    let kept = view.group.outstanding.kept.iter().filter(there);
    let nodes: BTreeMap<NodeName, InstanceId> = kept
        .map(|(name, instance)| (name.clone(), instance.clone()))
        .collect();
    let any = !nodes.is_empty();
    if any {
        out.node_step(view, NodeEffect::ReleaseToAutoscaler { nodes });
    }
    any
}

impl Replacement<'_> {
    /// Marks the nodes that stay, while there is something that they stand in for.
    pub(crate) fn keeps(&self, out: &mut DecisionBuilder<'_>) {
        if self.is_exchanging() {
            keep(self.view, self.live, &self.to_replace, out);
        }
    }

    /// Gives them to the autoscaler again. Whether there were any.
    pub(crate) fn unkeeps(&self, out: &mut DecisionBuilder<'_>) -> bool {
        !self.is_exchanging() && release(self.view, out)
    }

    /// Whether old instances are left, or the new ones have to be proven.
    fn is_exchanging(&self) -> bool {
        let proven = self.view.group.canary.is_proven()
            || self.view.mode != Mode::Forward
            || self.canary_size() == 0;
        self.view.mode != Mode::Cleanup && (!self.outdated.is_empty() || !proven)
    }
}
