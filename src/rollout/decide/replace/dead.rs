//! Nodes whose kubelet does not answer: their instance is ended with pods on them that no kubelet ends. Once AWS no longer has the instance the node
//! gets the taint by which Kubernetes ends such pods itself and lets go of their volumes. Never acts.
//!
//! Source: Kubernetes, "Node Shutdowns", non-graceful node shutdown: the taint is for nodes that are proven to be off, and is taken back when the
//! pods have gone.

use super::replacement::Replacement;
use crate::model::{InstanceId, Node, NodeEffect, NodeMark, NodeName};
use crate::rollout::event::{Event, GroupEvent};
use crate::rollout::progress::DeadNode;
use crate::rollout::reason::{self, Advice, DrainReason};
use crate::rollout::round::{DecisionBuilder, Mode};

impl Replacement<'_> {
    /// Whether a node that is about to end has pods which no kubelet will end, and that is not in the books yet.
    pub(crate) fn is_dead_now(
        &self,
        id: &InstanceId,
        name: &NodeName,
        node: &Node,
        out: &mut DecisionBuilder<'_>,
    ) -> bool {
        let news = node.silent_since.is_some()
            && node.evictable_pods > 0
            && !self.view.group.outstanding.dead.contains_key(name);
        if news {
            out.records.push(Event::Group(
                self.view.cluster.clone(),
                self.view.task.asg.clone(),
                GroupEvent::DeadNode {
                    instance: id.clone(),
                    node: name.clone(),
                    pods: node.evictable_pods,
                },
            ));
        }
        news
    }

    /// The next step with each dead node whose drain is over. Whether there are any.
    pub(crate) fn dead_nodes(&self, out: &mut DecisionBuilder<'_>) -> bool {
        let group = self.view.group;
        let over = |dead: &DeadNode| !group.outstanding.drains.contains_key(&dead.instance);
        let mut any = false;
        for (name, dead) in group.outstanding.dead.iter().filter(|(_, dead)| over(dead)) {
            any = true;
            match self.view.nodes.unknown() {
                Some(unseen) => out.wait(self.view, reason::unseen(unseen), None),
                None => self.dead_node(name, dead, out),
            }
        }
        any
    }

    fn dead_node(&self, name: &NodeName, dead: &DeadNode, out: &mut DecisionBuilder<'_>) {
        let found = self.view.nodes.named(name);
        let Some(node) = found.filter(|node| node.instance == dead.instance) else {
            return self.dead_node_ended(name, out);
        };
        let (node_name, instance) = (name.clone(), dead.instance.clone());
        let marked = dead.marked || node.ours.contains(&NodeMark::OutOfService);
        // A kubelet that is back ends its pods itself; a stop only restores.
        let over = node.evictable_pods == 0
            || node.silent_since.is_none()
            || self.view.mode == Mode::Cleanup;
        if over && marked {
            out.node_step(
                self.view,
                NodeEffect::BackInService {
                    node: node_name,
                    instance,
                },
            );
        } else if over {
            self.dead_node_ended(name, out);
        } else if self.has_instance(&dead.instance) {
            let why = DrainReason::DeadNodeRuns {
                node: node_name,
                pods: node.evictable_pods,
            };
            out.wait(self.view, why, None);
        } else if !dead.ended {
            let why = DrainReason::DeadNodeElsewhere {
                node: node_name,
                instance,
            };
            out.wait_for_others(self.view, why, Advice::SeeInEc2);
        } else if !marked {
            out.node_step(
                self.view,
                NodeEffect::OutOfService {
                    node: node_name,
                    instance,
                },
            );
        } else {
            self.wait_for_pods(name, dead, node, out);
        }
    }

    fn wait_for_pods(
        &self,
        name: &NodeName,
        dead: &DeadNode,
        node: &Node,
        out: &mut DecisionBuilder<'_>,
    ) {
        let why = DrainReason::OutOfService {
            node: name.clone(),
            pods: node.evictable_pods,
        };
        let until = dead.since + self.view.task.rolling.drain.timeout;
        if self.view.now < until {
            return out.wait(self.view, why, Some(until));
        }
        out.wait_for_others(self.view, why, Advice::SeePodsOutOfService);
    }

    /// Whether AWS still has the instance, in any group of the cluster.
    fn has_instance(&self, instance: &InstanceId) -> bool {
        let mut groups = self.view.live_cluster.groups.values();
        groups.any(|group| group.instances.contains_key(instance))
    }

    fn dead_node_ended(&self, name: &NodeName, out: &mut DecisionBuilder<'_>) {
        out.records.push(Event::Group(
            self.view.cluster.clone(),
            self.view.task.asg.clone(),
            GroupEvent::DeadNodeEnded { node: name.clone() },
        ));
    }
}
