//! Nodes that cannot tell any more what runs on them: a kubelet that is dead, a Node object that was deleted, marks that nothing answers for. Never acts.

use super::replacement::Replacement;
use crate::model::{InstanceId, NodeEffect, NodeMark, Span, Timestamp};
use crate::rollout::progress::Drain;
use crate::rollout::reason::DrainReason;
use crate::rollout::round::{DecisionBuilder, Mode, present};

/// Added to a grace that cannot be watched: containers end, and the API is told.
const MARGIN: Span = Span::from_secs(60);

impl Replacement<'_> {
    /// Why a node that is gone from the API in its drain may not be empty, and until when: what was known of its pods counts until their grace is
    /// over, and its kubelet goes on ending them.
    pub(crate) fn may_still_run(
        &self,
        id: &InstanceId,
        drain: &Drain,
    ) -> Option<(DrainReason, Timestamp)> {
        let name = drain.node.as_ref()?;
        let last = drain.asked_at.unwrap_or(drain.since).max(drain.since);
        let until = last + drain.grace + MARGIN;
        if drain.grace.is_zero() || self.view.now >= until {
            return None;
        }
        let why = DrainReason::MayStillRun {
            instance: id.clone(),
            node: name.clone(),
            pods: self.view.nodes.orphans(name),
        };
        Some((why, until))
    }

    /// On the way back, and to a stop: marks of ours on nodes that stay, and that no book accounts for, are taken back too. The node says itself
    /// what was done to it.
    pub(crate) fn unmarks(&self, out: &mut DecisionBuilder<'_>) -> bool {
        if self.view.mode == Mode::Forward {
            return false;
        }
        let group = self.view.group;
        let stays = present(self.live).filter(|(id, _)| {
            !self.to_replace.contains(*id) && !group.outstanding.drains.contains_key(*id)
        });
        let mut any = false;
        for (id, _) in stays {
            any |= self.unmark(id, out);
        }
        any
    }

    /// Takes the cordon and the taint of ours from one node that stays. Whether it had any.
    fn unmark(&self, id: &InstanceId, out: &mut DecisionBuilder<'_>) -> bool {
        let Some((name, node)) = self.view.nodes.of(id) else {
            return false;
        };
        let mut any = false;
        let cordon = [NodeMark::Cordoned, NodeMark::OutOfLoadBalancers];
        let (node_name, instance) = (name.clone(), id.clone());
        if cordon.iter().any(|mark| node.ours.contains(mark)) {
            any = true;
            out.node_step(
                self.view,
                NodeEffect::Uncordon {
                    node: node_name.clone(),
                    instance: instance.clone(),
                },
            );
        }
        if node.ours.contains(&NodeMark::Tainted)
            && !self.view.group.outstanding.tainted.contains_key(name)
        {
            any = true;
            let nodes = [(node_name, instance)].into();
            out.node_step(self.view, NodeEffect::Untaint { nodes });
        }
        any
    }
}
