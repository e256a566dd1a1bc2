//! What is no longer wanted is released: drains, taints, protection, surge that never arrived. Never acts.

use std::collections::{BTreeMap, BTreeSet};

use super::super::standing::SETTLED;
use super::replacement::Replacement;
use crate::model::{CloudEffect, InstanceId, NodeEffect, NodeName};
use crate::rollout::event::{Event, GroupEvent};
use crate::rollout::progress::Cordoned;
use crate::rollout::reason::{self, GroupReason};
use crate::rollout::round::{DecisionBuilder, is_capacity, missing};

impl<'a> Replacement<'a> {
    /// Drains that are no longer wanted, instances that went by themselves, and surge that never arrived.
    pub(crate) fn given_back(&self, out: &mut DecisionBuilder<'_>) -> bool {
        if self.is_surge_settling(out) {
            return true;
        }
        let mut any = self.surge_taken(out);
        any |= self.drains_ended(out);
        any |= self.untaints(out);
        any |= self.unmarks(out);
        any |= self.unkeeps(out);
        any |= self.unprotects(out);
        any || self.surge_ended(out)
    }

    /// A surge that is not to be seen yet has not been taken by others: a look soon after a call of ours may still show what was before it.
    fn is_surge_settling(&self, out: &mut DecisionBuilder<'_>) -> bool {
        let shown_by = self.view.group.sized_at.map(|at| at + SETTLED);
        let until = shown_by.filter(|until| *until > self.view.now);
        let (true, Some(until)) = (self.out < self.view.group.outstanding.surge, until) else {
            return false;
        };
        let why = GroupReason::SizeSettles {
            desired: self.live.desired,
        };
        out.wait(self.view, why, Some(until));
        true
    }

    /// Surge that others took is no longer the rollout's to release.
    fn surge_taken(&self, out: &mut DecisionBuilder<'_>) -> bool {
        let is_taken = self.out < self.view.group.outstanding.surge;
        if is_taken {
            let (cluster, group) = (self.view.cluster.clone(), self.view.task.asg.clone());
            out.records.push(Event::Group(
                cluster,
                group,
                GroupEvent::SurgeTaken { left: self.out },
            ));
        }
        is_taken
    }

    /// Drains whose instance is gone, or is not to be replaced any more.
    fn drains_ended(&self, out: &mut DecisionBuilder<'_>) -> bool {
        let group = self.view.group;
        let gone = |id: &&InstanceId| {
            self.live
                .instances
                .get(*id)
                .is_none_or(|i| i.lifecycle.rules().is_leaving)
        };
        let mut any = false;
        for id in group
            .outstanding
            .detached
            .iter()
            .chain(group.outstanding.drains.keys())
            .filter(gone)
            .collect::<BTreeSet<_>>()
        {
            out.records.push(self.abandoned(id));
            any = true;
        }
        for (id, drain) in group
            .outstanding
            .drains
            .iter()
            .filter(|(id, _)| !gone(id) && !self.to_replace.contains(*id))
        {
            match (&drain.node, drain.cordoned) {
                (Some(node), Cordoned::ByUs) => {
                    let (node, instance) = (node.clone(), (*id).clone());
                    out.node_step(self.view, NodeEffect::Uncordon { node, instance })
                }
                (Some(_), Cordoned::No | Cordoned::ByOthers) | (None, _) => {
                    out.records.push(self.abandoned(id))
                }
            }
            any = true;
        }
        any
    }

    /// Surge that nothing needs any more is given up.
    fn surge_ended(&self, out: &mut DecisionBuilder<'_>) -> bool {
        let in_group = self
            .outdated
            .iter()
            .filter(|id| is_capacity(self.live, id))
            .count();
        // A group that borrows leaves the cluster's surge to the one that stands in.
        let in_use = if self.view.group.capacity.borrowed.is_some() {
            0
        } else {
            in_group
        };
        let excess = usize::try_from(self.surge)
            .unwrap_or(usize::MAX)
            .saturating_sub(in_use)
            .min(missing(self.live));
        if excess > 0 {
            let (from, excess) = (self.live.desired, u32::try_from(excess).unwrap_or(u32::MAX));
            out.step(
                self.view,
                CloudEffect::SetDesired {
                    group: self.view.task.asg.clone(),
                    from,
                    to: from.saturating_sub(excess),
                    launch: None,
                },
            );
        }
        excess > 0
    }

    /// Nodes that stay take everything again.
    pub(crate) fn untaints(&self, out: &mut DecisionBuilder<'_>) -> bool {
        let tainted = &self.view.group.outstanding.tainted;
        if let Some(why) = self.view.nodes.unknown().filter(|_| {
            let marked = !tainted.is_empty() || !self.view.group.outstanding.kept.is_empty();
            marked && self.to_replace.is_empty()
        }) {
            out.wait(self.view, reason::unseen(why), None);
            return true;
        }
        // A node of that name that is another instance now has nothing of ours.
        let stays = |(name, instance): &(&NodeName, &InstanceId)| {
            let node = self.view.nodes.named(name);
            node.is_some_and(|node| node.instance == **instance)
                && !self.to_replace.contains(*instance)
        };
        let nodes: BTreeMap<NodeName, InstanceId> = tainted
            .iter()
            .filter(stays)
            .map(|(name, instance)| (name.clone(), instance.clone()))
            .collect();
        if nodes.is_empty() {
            return false;
        }
        out.node_step(self.view, NodeEffect::Untaint { nodes });
        true
    }
}
