//! What is done to the node of a simulated instance: its condition, its marks and taints. Moves no pods elsewhere.

use super::state::{RefusedPod, SimNode, SimulatedPod};
use crate::model::{NodeMark, OldNodes, Refusal, Timestamp};

impl SimNode {
    /// Its condition Ready changes. A kubelet that is back ends what was left to be ended.
    pub(super) fn turn(&mut self, ready: bool, now: Timestamp) {
        if self.ready != ready {
            (self.ready, self.unready_since) = (ready, (!ready).then_some(now));
        }
        if ready {
            let left = self.leaving.iter_mut().filter(|l| l.gone.is_none());
            left.for_each(|l| l.gone = Some(now));
        }
    }

    /// When the next pod in its grace period is gone.
    pub(super) fn next_gone(&self) -> Option<Timestamp> {
        self.leaving.iter().filter_map(|l| l.gone).min()
    }

    pub(super) fn cordon(&mut self, now: Timestamp) {
        if !self.cordoned {
            self.cordoned = true;
            self.marks.insert(NodeMark::Cordoned);
        }
        self.out_since.get_or_insert(now);
        self.marks
            .extend([NodeMark::OutOfLoadBalancers, NodeMark::KeptFromAutoscaler]);
    }

    /// Takes back what is marked as ours; a node without any marks was cordoned by one who leaves none.
    pub(super) fn uncordon(&mut self) {
        let marked = [
            NodeMark::Cordoned,
            NodeMark::OutOfLoadBalancers,
            NodeMark::KeptFromAutoscaler,
        ]
        .iter()
        .any(|m| self.marks.contains(m));
        self.cordoned &= marked && !self.marks.contains(&NodeMark::Cordoned);
        self.out_since = None;
        self.marks.retain(|m| *m == NodeMark::Tainted);
    }

    pub(super) fn taint(&mut self, old_nodes: OldNodes) {
        let closes = old_nodes == OldNodes::Avoid;
        if !self.tainted || (closes && !self.closed) {
            self.marks.insert(NodeMark::Tainted);
        }
        self.tainted = true;
        self.closed |= closes;
    }

    pub(super) fn untaint(&mut self) {
        let ours = self.marks.remove(&NodeMark::Tainted);
        self.tainted &= !ours;
        self.closed &= !ours;
    }

    /// The collector of pods ends what is on its way out there, and so do the volumes: in Kubernetes within seconds, here at once.
    /// Source: Kubernetes, `pkg/controller/podgc`, pods on nodes with the taint out-of-service.
    pub(super) fn put_out_of_service(&mut self) {
        self.marks.insert(NodeMark::OutOfService);
        self.leaving.clear();
    }

    pub(super) fn put_back_in_service(&mut self) {
        self.marks.remove(&NodeMark::OutOfService);
    }

    pub(super) fn keep(&mut self) {
        self.marks.insert(NodeMark::KeptFromAutoscaler);
    }

    /// A node that is being drained keeps the mark that the drain needs.
    pub(super) fn release(&mut self) {
        if !self.marks.contains(&NodeMark::Cordoned)
            && !self.marks.contains(&NodeMark::OutOfLoadBalancers)
        {
            self.marks.remove(&NodeMark::KeptFromAutoscaler);
        }
    }
}

/// The same answer as before counts one up, another one begins anew.
pub(super) fn refused_again(
    before: Option<&RefusedPod>,
    pod: &SimulatedPod,
    answer: &Refusal,
    now: Timestamp,
) -> RefusedPod {
    let same = before.filter(|r| r.answer == *answer);
    let (since, times) = same.map_or((now, 1), |r| (r.since, r.times.saturating_add(1)));
    RefusedPod {
        pod: *pod,
        answer: answer.clone(),
        since,
        times,
        ask_at: now + answer.pause(times, None),
    }
}
