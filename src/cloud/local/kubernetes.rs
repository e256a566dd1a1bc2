//! The Kubernetes side of a group: nodes, the pods on them and their disruption budgets. Pods stay within their group, as by a node selector.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::chance::{between, draw};
use super::faults::Faults;
use super::groups::{Group, Outcome, done};
use crate::model::{Applied, InstanceId, Lifecycle, Node, NodeEffect, NodeName, PodBlock, Span, Timestamp};

/// Pods that share a disruption budget which allows one disruption at a time.
const PODS_PER_BUDGET: u32 = 8;

/// How long an evicted pod needs until it is ready elsewhere and its budget allows the next one.
const RECOVERY: Span = Span::from_secs(20);

/// The node of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SimNode {
    pub(super) name: NodeName,
    pub(super) ready: bool,
    pub(super) cordoned: bool,
    pub(super) pods: Vec<Pod>,
}

/// A pod that a drain has to evict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pod {
    /// Which of the group's pods it is.
    pub(super) number: u32,
    /// How often it has been made anew: an evicted pod comes back under another name.
    pub(super) generation: u32,
}

/// The pods that belong on a group's nodes. They are never fewer than they were: a pod that finds no place waits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Workload {
    /// Nodes' worth of pods asked for; follows the capacity that users and autoscaler want, not a rollout's surge.
    pub(super) nodes: u32,
    /// Nodes' worth of pods made so far.
    pub(super) made: u32,
    /// Pods made so far.
    pub(super) pods: u32,
    /// Pods without a node.
    pub(super) waiting: Vec<Pod>,
    /// When each exhausted budget allows the next eviction.
    pub(super) budgets: BTreeMap<u32, Timestamp>,
}

impl Group {
    /// Makes the pods that the asked-for nodes bring: up to 10 a node, up to 2 on a control plane.
    pub(super) fn grow_workload(&mut self) {
        let control_plane = ["k8s.io/role/control-plane", "k8s.io/role/master"].iter().any(|role| self.tag(role).is_some());
        let most = if control_plane { 2 } else { 10 };
        while self.workload.made < self.workload.nodes {
            let fresh = between(self.salt, "pods", self.workload.made.into(), 0, most);
            let numbers = self.workload.pods..self.workload.pods.saturating_add(fresh);
            self.workload.waiting.extend(numbers.map(|number| Pod { number, generation: 0 }));
            self.workload.pods = self.workload.pods.saturating_add(fresh);
            self.workload.made = self.workload.made.saturating_add(1);
        }
    }

    /// Puts waiting pods on nodes, up to a fair share of each. Called when a node turns Ready.
    pub(super) fn place_waiting(&mut self) {
        let share = usize::try_from(self.workload.pods.div_ceil(self.workload.nodes.max(1))).unwrap_or(usize::MAX).saturating_add(1);
        for pod in std::mem::take(&mut self.workload.waiting) {
            self.place(pod, share);
        }
    }

    /// Puts a pod on the schedulable node with the fewest pods, if one has fewer than `limit`; else it waits.
    fn place(&mut self, pod: Pod, limit: usize) {
        let open = self.machines.values_mut().filter(|m| m.lifecycle != Lifecycle::Terminating).filter_map(|m| m.node.as_mut());
        let open = open.filter(|n| n.ready && !n.cordoned && n.pods.len() < limit);
        match open.min_by(|a, b| (a.pods.len(), &a.name).cmp(&(b.pods.len(), &b.name))) {
            Some(node) => node.pods.push(pod),
            None => self.workload.waiting.push(pod),
        }
    }

    /// Makes a pod anew elsewhere.
    pub(super) fn displace(&mut self, pod: Pod) {
        self.place(Pod { number: pod.number, generation: pod.generation.saturating_add(1) }, usize::MAX);
    }

    /// Takes all pods of a node away and makes them anew elsewhere, budgets or not.
    pub(super) fn empty(&mut self, instance: &InstanceId) {
        let pods = self.node_mut(instance).map(|n| std::mem::take(&mut n.pods)).unwrap_or_default();
        // Its own node is no place for them: the caller has cordoned it, or taken it away.
        pods.into_iter().for_each(|pod| self.displace(pod));
    }

    pub(super) fn node_mut(&mut self, instance: &InstanceId) -> Option<&mut SimNode> {
        self.machines.get_mut(instance).and_then(|m| m.node.as_mut())
    }

    /// The instance behind a node.
    pub(super) fn instance_of(&self, node: &NodeName) -> Option<InstanceId> {
        self.machines.iter().find(|(_, m)| m.node.as_ref().is_some_and(|n| n.name == *node)).map(|(id, _)| id.clone())
    }

    /// Carries out an effect on the node of an instance.
    pub(super) fn act(&mut self, instance: &InstanceId, effect: &NodeEffect, now: Timestamp, faults: &Faults) -> Outcome {
        match effect {
            NodeEffect::Cordon { .. } => self.cordon(instance, true),
            NodeEffect::Uncordon { .. } => self.cordon(instance, false),
            NodeEffect::Evict { .. } => self.evict(instance, now, faults),
        }
    }

    fn cordon(&mut self, instance: &InstanceId, cordoned: bool) -> Outcome {
        match self.node_mut(instance) {
            Some(node) if node.cordoned != cordoned => {
                node.cordoned = cordoned;
                done()
            }
            Some(_) | None => Outcome::Unchanged(Applied::Already),
        }
    }

    /// Evicts what the budgets allow now; [`Applied::Already`] when there is nothing left to evict.
    fn evict(&mut self, instance: &InstanceId, now: Timestamp, faults: &Faults) -> Outcome {
        let mut pods = self.node_mut(instance).map(|n| n.pods.clone()).unwrap_or_default();
        if pods.is_empty() {
            return Outcome::Unchanged(Applied::Already);
        }
        pods.sort_unstable();
        let mut evicted = Vec::new();
        for pod in pods {
            if !self.is_blocked(pod, now, faults) {
                self.workload.budgets.insert(budget(pod), now + RECOVERY);
                evicted.push(pod);
            }
        }
        if evicted.is_empty() {
            return Outcome::Unchanged(Applied::Done);
        }
        if let Some(node) = self.node_mut(instance) {
            node.pods.retain(|pod| !evicted.contains(pod));
        }
        evicted.into_iter().for_each(|pod| self.displace(pod));
        done()
    }

    /// Whether a budget refuses the eviction of a pod now.
    pub(super) fn is_blocked(&self, pod: Pod, now: Timestamp, faults: &Faults) -> bool {
        self.workload.budgets.get(&budget(pod)).is_some_and(|free| now < *free) || faults.stuck_drain(&self.names())
    }

    /// Its nodes, as the Kubernetes API shows them.
    pub(super) fn nodes(&self, now: Timestamp, faults: &Faults) -> impl Iterator<Item = (NodeName, Node)> {
        let of = move |(id, machine): (&InstanceId, &super::capacity::Machine)| {
            let node = machine.node.as_ref()?;
            let blocked = node.pods.iter().filter(|pod| self.is_blocked(**pod, now, faults)).map(|pod| self.block(*pod));
            let mut blocked: Vec<PodBlock> = blocked.collect();
            blocked.sort();
            let evictable_pods = u32::try_from(node.pods.len()).unwrap_or(u32::MAX);
            Some((node.name.clone(), Node { instance: id.clone(), ready: node.ready, cordoned: node.cordoned, evictable_pods, blocked }))
        };
        self.machines.iter().filter_map(of).collect::<Vec<_>>().into_iter()
    }

    fn block(&self, pod: Pod) -> PodBlock {
        let name = self.name().as_str();
        let (group, number) = (name.split('.').next().unwrap_or(name), budget(pod));
        let suffix = draw(self.salt, "pod", (u64::from(pod.number) << 32) | u64::from(pod.generation)) >> 44;
        PodBlock { pod: format!("default/{group}-app-{number}-{suffix:05x}"), budget: format!("default/{group}-app-{number}") }
    }
}

fn budget(pod: Pod) -> u32 {
    pod.number / PODS_PER_BUDGET
}

/// The name of an instance's node: forty bits of its id, so that two nodes of a cluster never share one.
pub(super) fn node_name(instance: &InstanceId) -> Option<NodeName> {
    let bits = super::chance::salt(0, &[instance.as_str()]);
    let byte = |shift: u32| (bits >> shift) & 0xff;
    NodeName::new(format!("ip-10-{}-{}-{}-{:04x}", byte(40), byte(32), byte(24), bits & 0xffff)).ok()
}
