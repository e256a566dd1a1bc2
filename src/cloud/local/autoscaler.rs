//! A cluster-autoscaler of a kind: moves desired capacity of the groups that are tagged for it. Does nothing that a rollout asked for.

use super::chance::draw;
use super::faults::Faults;
use super::state::{SimNode, SimulatedGroup};
use crate::model::{InstanceId, Lifecycle, NodeMark, Timestamp};

/// How often it looks at a group, in milliseconds.
const PERIOD: i64 = 600_000;

/// One look in this many ends in a change.
const ODDS: u64 = 5;

impl SimulatedGroup {
    /// When it looks at the group next, strictly after `now`; none for a group that is not its business.
    pub(super) fn next_look(&self, now: Timestamp) -> Option<(Timestamp, u64)> {
        self.tag("k8s.io/role/node")?;
        self.tag("k8s.io/cluster-autoscaler/enabled")?;
        // Every group has its own phase, so that they do not all move at once.
        let phase = i64::try_from(draw(self.salt, "phase", 0) % PERIOD.unsigned_abs()).unwrap_or(0);
        let nth = now
            .millis()
            .saturating_sub(phase)
            .div_euclid(PERIOD)
            .saturating_add(1);
        let at = nth.saturating_mul(PERIOD).saturating_add(phase);
        (at > now.millis()).then(|| (Timestamp::from_millis(at), nth.unsigned_abs()))
    }

    /// Looks: mostly nothing, sometimes one more or one less. Never while an instance starts or a node is cordoned: others are at work.
    pub(super) fn look(&mut self, nth: u64, now: Timestamp, faults: &Faults) {
        let number = draw(self.salt, "look", nth);
        let starting = !self.launching.is_empty()
            || self
                .machines
                .values()
                .any(|m| m.lifecycle == Lifecycle::Pending);
        let cordoned = self
            .machines
            .values()
            .any(|m| m.node.as_ref().is_some_and(|n| n.cordoned));
        if !number.is_multiple_of(ODDS) || starting || cordoned {
            return;
        }
        if (number / ODDS).is_multiple_of(2) {
            self.scale_out(now);
        } else {
            self.scale_in(now, faults);
        }
    }

    pub(super) fn scale_out(&mut self, now: Timestamp) {
        if self.desired < self.fields.max_size {
            self.desired += 1;
            self.workload.nodes = self
                .workload
                .nodes
                .saturating_add(1)
                .min(self.fields.max_size);
            self.settle(now);
        }
    }

    /// Empties the node with the fewest pods and ends its instance, unless a budget is in the way.
    pub(super) fn scale_in(&mut self, now: Timestamp, faults: &Faults) {
        let Some(id) = self.least_used() else { return };
        let pods = self
            .machines
            .get(&id)
            .and_then(|m| m.node.as_ref())
            .map(|n| n.pods.clone())
            .unwrap_or_default();
        let stuck = self.is_stuck(faults);
        if self.desired <= self.fields.min_size
            || pods.iter().any(|pod| self.is_blocked(*pod, now, stuck))
        {
            return;
        }
        self.node_mut(&id)
            .into_iter()
            .for_each(|node| node.cordoned = true);
        self.empty(&id, now);
        self.desired -= 1;
        self.workload.nodes = self
            .workload
            .nodes
            .saturating_sub(1)
            .max(self.fields.min_size);
        self.end(&id, now);
    }

    /// Looks for nodes without pods: one that has had none for as long as the autoscaler waits is removed, unless it is marked against that.
    /// Source: cluster-autoscaler FAQ, "How does scale-down work?" and the annotation `scale-down-disabled`.
    pub(super) fn scan(&mut self, now: Timestamp, faults: &Faults) {
        let Some(unneeded) = faults.idle_scale_down(&self.names()) else {
            return;
        };
        self.note_idle(now);
        let due = |node: &SimNode| {
            node.idle_since
                .is_some_and(|since| now.since(since) >= unneeded)
                && !node.marks.contains(&NodeMark::KeptFromAutoscaler)
        };
        let idle: Vec<InstanceId> = self
            .machines
            .iter()
            .filter(|(_, m)| m.node.as_ref().is_some_and(due))
            .map(|(id, _)| id.clone())
            .collect();
        for id in idle {
            if self.desired <= self.fields.min_size {
                return;
            }
            self.node_mut(&id)
                .into_iter()
                .for_each(|node| node.cordoned = true);
            self.desired -= 1;
            self.end(&id, now);
        }
    }

    /// Since when each node has nothing on it.
    fn note_idle(&mut self, now: Timestamp) {
        for machine in self.machines.values_mut() {
            let serves = machine.lifecycle == Lifecycle::InService;
            for node in machine.node.iter_mut() {
                let idle = serves && node.ready && node.pods.is_empty() && node.leaving.is_empty();
                node.idle_since = idle.then(|| node.idle_since.unwrap_or(now));
            }
        }
    }

    fn least_used(&self) -> Option<InstanceId> {
        let serving = self
            .machines
            .iter()
            .filter(|(_, m)| m.lifecycle == Lifecycle::InService);
        let nodes = serving.filter_map(|(id, m)| {
            m.node
                .as_ref()
                .filter(|n| {
                    n.ready && !n.cordoned && !n.marks.contains(&NodeMark::KeptFromAutoscaler)
                })
                .map(|n| (n.pods.len(), id))
        });
        nodes.min().map(|(_, id)| id.clone())
    }
}
