//! What is left at a drained node once its pods are gone, each kind with a time of its own: its instance ends when nothing is, or that time is over.

use super::replacement::Replacement;
use crate::model::{InstanceId, Node, NodeName, Span};
use crate::rollout::event::{Event, GroupEvent};
use crate::rollout::progress::{Awaited, Drain};
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

    /// Waits for one kind until its time is over. It is in the books before it is waited for, and before it no longer is.
    pub(super) fn awaits(
        &self,
        (awaited, limit): (Option<Awaited>, Span),
        why: DrainReason,
        event: impl FnOnce(bool) -> GroupEvent,
        out: &mut DecisionBuilder<'_>,
    ) {
        let until = awaited.map(|a| a.since + limit);
        match until.filter(|until| self.view.now < *until) {
            Some(until) => out.wait(self.view, why, Some(until)),
            None => {
                let (cluster, group) = (self.view.cluster.clone(), self.view.task.asg.clone());
                let event = event(until.is_some());
                out.records.push(Event::Group(cluster, group, event));
            }
        }
    }
}

/// Whether the time of a kind is over, or it has none.
pub(super) fn has_waited(awaited: Option<Awaited>, limit: Span) -> bool {
    awaited.is_some_and(|a| a.over) || limit == Span::ZERO
}
