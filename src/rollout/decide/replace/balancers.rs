//! Load balancers of Services that send to a drained node: its instance is ended when they no longer do, or their time is over. Never acts.
//!
//! The node is out of them since it was cordoned; a target that is taken out has connections for a while. What could not be asked counts as sending.

use std::collections::BTreeSet;

use super::left::has_waited;
use super::replacement::Replacement;
use crate::model::{InstanceId, Node, NodeName, Traffic};
use crate::rollout::event::GroupEvent;
use crate::rollout::progress::Drain;
use crate::rollout::reason::DrainReason;
use crate::rollout::round::DecisionBuilder;

impl Replacement<'_> {
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
        let (balancers, unread) = match node.traffic_to_wait_for() {
            _ if has_waited(drain.balancers, limit) => return false,
            None | Some(Traffic::NotAsked) => return false,
            Some(Traffic::From(balancers)) => (balancers.clone(), None),
            Some(Traffic::Unknown(why)) => (BTreeSet::new(), Some(why.clone())),
        };
        let why = DrainReason::BalancersSend {
            node: name.clone(),
            balancers: balancers.clone(),
            unread: unread.clone(),
        };
        let event = |over| GroupEvent::BalancersAwaited {
            instance: id.clone(),
            balancers,
            unread,
            over,
        };
        self.awaits((drain.balancers, limit), why, event, out);
        true
    }
}
