//! Load balancers of Services that send to a drained node: its instance is ended when they no longer do, or their time is over. Never acts.
//!
//! The node is out of them since it was cordoned; a target that is taken out has connections for a while. What could not be asked counts as sending.

use std::collections::BTreeSet;

use super::replacement::Replacement;
use crate::model::{InstanceId, Node, NodeName, Span, Traffic};
use crate::rollout::event::{Event, GroupEvent};
use crate::rollout::progress::Drain;
use crate::rollout::reason::DrainReason;
use crate::rollout::round::DecisionBuilder;

impl Replacement<'_> {
    /// Whether the end of an instance waits for volumes or for load balancers: for both at a time.
    pub(crate) fn waits_for_what_is_left(
        &self,
        id: &InstanceId,
        drain: &Drain,
        name: &NodeName,
        node: &Node,
        out: &mut DecisionBuilder<'_>,
    ) -> bool {
        let volumes = self.waits_for_volumes(id, drain, name, node, out);
        let balancers = self.waits_for_balancers(id, drain, name, node, out);
        volumes || balancers
    }

    /// Whether the end of an instance waits for load balancers.
    pub(crate) fn waits_for_balancers(
        &self,
        id: &InstanceId,
        drain: &Drain,
        name: &NodeName,
        node: &Node,
        out: &mut DecisionBuilder<'_>,
    ) -> bool {
        let limit = self.view.task.rolling.drain.balancers;
        let over = drain.balancers.is_some_and(|b| b.over);
        let (balancers, unread) = match node.traffic_to_wait_for() {
            _ if over || limit == Span::ZERO => return false,
            None | Some(Traffic::NotAsked) => return false,
            Some(Traffic::From(balancers)) => (balancers.clone(), None),
            Some(Traffic::Unknown(why)) => (BTreeSet::new(), Some(why.clone())),
        };
        let until = drain.balancers.map(|b| b.since + limit);
        match until.filter(|until| self.view.now < *until) {
            Some(until) => {
                let why = DrainReason::BalancersSend {
                    node: name.clone(),
                    balancers,
                    unread,
                };
                out.wait(self.view, why, Some(until));
            }
            // It is in the books before it is waited for, and before it is no longer.
            None => {
                let over = until.is_some();
                let event = GroupEvent::BalancersAwaited {
                    instance: id.clone(),
                    balancers,
                    unread,
                    over,
                };
                let (cluster, group) = (self.view.cluster.clone(), self.view.task.asg.clone());
                out.records.push(Event::Group(cluster, group, event));
            }
        }
        true
    }
}
