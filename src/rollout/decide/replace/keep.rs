//! New nodes are kept from the autoscaler, from the moment that they are there until nothing old is left that they stand in for: to it they
//! look idle, and what it takes, canary or surge, would have to be launched again. Never acts.

use std::collections::BTreeMap;

use super::replacement::Replacement;
use crate::kops::Role;
use crate::model::{InstanceId, NodeEffect, NodeMark, NodeName};
use crate::rollout::round::{DecisionBuilder, Mode, present};

impl Replacement<'_> {
    /// Marks the nodes that stay, while there is something that they stand in for.
    pub(crate) fn keeps(&self, out: &mut DecisionBuilder<'_>) {
        if !self.is_exchanging() || self.view.task.role != Role::Node {
            return;
        }
        let stays = present(self.live).filter(|(id, _)| !self.to_replace.contains(*id));
        let bare = stays
            .filter_map(|(id, _)| Some((id, self.view.nodes.of(id)?)))
            .filter(|(_, (name, node))| {
                !node.ours.contains(&NodeMark::KeptFromAutoscaler)
                    && !self.view.group.kept.contains_key(*name)
            });
        let nodes: BTreeMap<NodeName, InstanceId> = bare
            .map(|(id, (name, _))| (name.clone(), id.clone()))
            .collect();
        if !nodes.is_empty() {
            out.node_step(self.view, NodeEffect::KeepFromAutoscaler { nodes });
        }
    }

    /// Gives them to the autoscaler again. Whether there were any.
    pub(crate) fn unkeeps(&self, out: &mut DecisionBuilder<'_>) -> bool {
        if self.is_exchanging() {
            return false;
        }
        let there = |(name, instance): &(&NodeName, &InstanceId)| {
            let node = self.view.nodes.named(name);
            node.is_some_and(|node| node.instance == **instance)
        };
        let kept = self.view.group.kept.iter().filter(there);
        let nodes: BTreeMap<NodeName, InstanceId> = kept
            .map(|(name, instance)| (name.clone(), instance.clone()))
            .collect();
        let any = !nodes.is_empty();
        if any {
            out.node_step(self.view, NodeEffect::ReleaseToAutoscaler { nodes });
        }
        any
    }

    /// Whether old instances are left, or the new ones have to be proven.
    fn is_exchanging(&self) -> bool {
        let proven = self.view.group.canary_proven
            || self.view.mode != Mode::Forward
            || self.canary_size() == 0;
        self.view.mode != Mode::Cleanup && (!self.outdated.is_empty() || !proven)
    }
}
