//! Volumes of evicted pods that are still attached to a drained node: its instance is ended when they have left it, or their time is over. Never acts.
//!
//! Only volumes of pods that the drain had to wait for hold it, and of those only such as one node alone can have: what somebody left attached long
//! ago, what stays with a DaemonSet and what many nodes share keeps no pod waiting.

use super::replacement::Replacement;
use crate::model::{InstanceId, Node, NodeName, Span};
use crate::rollout::event::{Event, GroupEvent};
use crate::rollout::progress::Drain;
use crate::rollout::reason::DrainReason;
use crate::rollout::round::DecisionBuilder;

impl Replacement<'_> {
    /// Whether the end of an instance waits for volumes.
    pub(crate) fn waits_for_volumes(
        &self,
        id: &InstanceId,
        drain: &Drain,
        name: &NodeName,
        node: &Node,
        out: &mut DecisionBuilder<'_>,
    ) -> bool {
        let limit = self.view.task.rolling.drain.volumes;
        let volumes = node.volumes_to_wait_for(&drain.claims);
        let over = drain.volumes.is_some_and(|v| v.over);
        if volumes.is_empty() || over || limit == Span::ZERO {
            return false;
        }
        let until = drain.volumes.map(|v| v.since + limit);
        match until.filter(|until| self.view.now < *until) {
            Some(until) => {
                let node = name.clone();
                let why = DrainReason::VolumesAttached { node, volumes };
                out.wait(self.view, why, Some(until));
            }
            // It is in the books before it is waited for, and before it is no longer.
            None => out.records.push(Event::Group(
                self.view.cluster.clone(),
                self.view.task.asg.clone(),
                GroupEvent::VolumesAwaited {
                    instance: id.clone(),
                    volumes,
                    over: until.is_some(),
                },
            )),
        }
        true
    }
}
