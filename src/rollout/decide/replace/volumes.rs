//! Volumes of evicted pods that are still attached to a drained node: its instance is ended when they have left it, or their time is over. Never acts.
//!
//! Only volumes of pods that the drain had to wait for hold it, and of those only such as one node alone can have: what was left attached long
//! ago, what stays with a DaemonSet and what many nodes share keeps no pod waiting.

use super::left::has_waited;
use super::replacement::Replacement;
use crate::model::{InstanceId, Node, NodeName};
use crate::rollout::event::GroupEvent;
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
        if volumes.is_empty() || has_waited(drain.volumes, limit) {
            return false;
        }
        let why = DrainReason::VolumesAttached {
            node: name.clone(),
            volumes: volumes.clone(),
        };
        let event = |over| GroupEvent::VolumesAwaited {
            instance: id.clone(),
            volumes,
            over,
        };
        self.awaits((drain.volumes, limit), why, event, out);
        true
    }
}
