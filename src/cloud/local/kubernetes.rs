//! The Kubernetes side of a group: nodes, the pods on them and their disruption budgets. Pods stay within their group, as by a node selector.

use std::collections::{BTreeMap, BTreeSet};

use super::answers::{EffectOutcome, done};
use super::chance::{between, draw, salt};
use super::faults::Faults;
use super::node::refused_again;
use super::state::{
    Attached, Leaving, Machine, RefusedPod, SimNode, SimulatedGroup, SimulatedPod, is_control_plane,
};
use crate::model::{
    Applied, Hold, InstanceId, LeavingPod, Lifecycle, Node, NodeEffect, NodeMark, NodeName,
    PodBlock, PodRef, PodRefusal, Refusal, Shared, SickPod, Span, Timestamp, Traffic, UnreadyPod,
    Volumes,
};
use crate::rollout::COMPONENTS;

/// Pods that share a disruption budget which allows one disruption at a time.
const PODS_PER_BUDGET: u32 = 8;

/// The grace period of pods that say none. Source: Kubernetes API, PodSpec, `terminationGracePeriodSeconds`.
const GRACE: Span = Span::from_secs(30);

/// How long an evicted pod needs until it is ready elsewhere and its budget allows the next one.
const RECOVERY: Span = Span::from_secs(20);

/// How long a volume stays attached to a node that is gone. Source: Kubernetes, attach/detach controller, `maxWaitForUnmountDuration`.
const FORCED: Span = Span::from_secs(360);

/// The etcd clusters of every cluster here, `main` first: each control-plane node has a member of each, Ready with its node.
const ETCD: [&str; 2] = ["main", "events"];

impl SimulatedGroup {
    /// Makes the pods that the asked-for nodes bring: up to 10 a node, up to 2 on a control plane.
    pub(super) fn grow_workload(&mut self, now: Timestamp) {
        let most = if !self.has_nodes() {
            0
        } else if self.is_control_plane() {
            2
        } else {
            10
        };
        while self.workload.made < self.workload.nodes {
            let fresh = between(self.salt, "pods", self.workload.made.into(), 0, most);
            let numbers = self.workload.pods..self.workload.pods.saturating_add(fresh);
            self.workload
                .waiting
                .extend(numbers.map(|number| SimulatedPod {
                    number,
                    generation: 0,
                    made_at: now,
                }));
            self.workload.pods = self.workload.pods.saturating_add(fresh);
            self.workload.made = self.workload.made.saturating_add(1);
        }
    }

    /// Whether its instances become nodes: those of a bastion do not. Source: kops, "Bastion in kops".
    pub(super) fn has_nodes(&self) -> bool {
        self.tag("k8s.io/role/bastion").is_none()
    }

    fn is_control_plane(&self) -> bool {
        is_control_plane(&self.fields)
    }

    /// Puts waiting pods on nodes, up to a fair share of each. Called when a node turns Ready.
    pub(super) fn place_waiting(&mut self) {
        let share = usize::try_from(self.workload.pods.div_ceil(self.workload.nodes.max(1)))
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        for pod in std::mem::take(&mut self.workload.waiting) {
            self.place(pod, share);
        }
    }

    /// Puts a pod on the schedulable node with the fewest pods, if one has fewer than `limit`, one without a taint first; else it waits.
    fn place(&mut self, pod: SimulatedPod, limit: usize) {
        let open = self
            .machines
            .values_mut()
            .filter(|m| m.lifecycle != Lifecycle::Terminating)
            .filter_map(|m| m.node.as_mut());
        let open = open.filter(|n| {
            n.ready && !n.cordoned && !n.closed && n.leaves_by.is_none() && n.pods.len() < limit
        });
        match open.min_by(|a, b| {
            (a.tainted, a.pods.len(), &a.name).cmp(&(b.tainted, b.pods.len(), &b.name))
        }) {
            Some(node) => node.pods.push(pod),
            None => self.workload.waiting.push(pod),
        }
    }

    /// Makes a pod anew elsewhere.
    pub(super) fn displace(&mut self, pod: SimulatedPod, now: Timestamp) {
        self.place(
            SimulatedPod {
                number: pod.number,
                generation: pod.generation.saturating_add(1),
                made_at: now,
            },
            usize::MAX,
        );
    }

    /// Takes all pods of a node away and makes them anew elsewhere, budgets or not.
    pub(super) fn empty(&mut self, instance: &InstanceId, now: Timestamp) {
        let pods = self
            .node_mut(instance)
            .map(|n| std::mem::take(&mut n.pods))
            .unwrap_or_default();
        // Its own node is no place for them: the caller has cordoned it, or taken it away.
        pods.into_iter().for_each(|pod| self.displace(pod, now));
    }

    pub(super) fn node_mut(&mut self, instance: &InstanceId) -> Option<&mut SimNode> {
        self.machines
            .get_mut(instance)
            .or_else(|| self.ghosts.get_mut(instance))
            .and_then(|m| m.node.as_mut())
    }

    /// The instance behind a node.
    pub(super) fn instance_of(&self, node: &NodeName) -> Option<InstanceId> {
        self.machines
            .iter()
            .chain(&self.ghosts)
            .find(|(_, m)| m.node.as_ref().is_some_and(|n| n.name == *node))
            .map(|(id, _)| id.clone())
    }

    /// Carries out an effect on the node of an instance.
    pub(super) fn act(
        &mut self,
        instance: &InstanceId,
        effect: &NodeEffect,
        now: Timestamp,
        faults: &Faults,
    ) -> EffectOutcome {
        match effect {
            NodeEffect::Cordon { .. } => self.change_node(instance, |node| node.cordon(now)),
            NodeEffect::Uncordon { .. } => self.change_node(instance, SimNode::uncordon),
            NodeEffect::Evict { .. } => self.evict(instance, now, faults),
            NodeEffect::Delete { pods, .. } => self.delete(instance, pods, now, faults),
            NodeEffect::Taint { old_nodes, .. } => {
                self.change_node(instance, |node| node.taint(*old_nodes))
            }
            NodeEffect::Untaint { .. } => self.change_node(instance, SimNode::untaint),
            NodeEffect::OutOfService { node, .. }
                if self.node_mut(instance).is_some_and(|n| n.ready) =>
            {
                let what = format!("the kubelet of {node} answers again");
                EffectOutcome::Unchanged(Applied::Moved(what))
            }
            NodeEffect::OutOfService { .. } => {
                self.change_node(instance, SimNode::put_out_of_service)
            }
            NodeEffect::BackInService { .. } => {
                self.change_node(instance, SimNode::put_back_in_service)
            }
            NodeEffect::KeepFromAutoscaler { .. } => self.change_node(instance, SimNode::keep),
            NodeEffect::ReleaseToAutoscaler { .. } => self.change_node(instance, SimNode::release),
        }
    }

    fn change_node(
        &mut self,
        instance: &InstanceId,
        change: impl Fn(&mut SimNode),
    ) -> EffectOutcome {
        let Some(node) = self.node_mut(instance) else {
            return EffectOutcome::Unchanged(Applied::Already);
        };
        let before = node.clone();
        change(node);
        if *node == before {
            EffectOutcome::Unchanged(Applied::Already)
        } else {
            done()
        }
    }

    /// Deletes pods, budgets or not; those that are not here any more are left alone.
    fn delete(
        &mut self,
        instance: &InstanceId,
        pods: &BTreeSet<PodRef>,
        now: Timestamp,
        faults: &Faults,
    ) -> EffectOutcome {
        let here = self
            .node_mut(instance)
            .map(|n| n.pods.clone())
            .unwrap_or_default();
        let gone: Vec<SimulatedPod> = here
            .into_iter()
            .filter(|pod| pods.iter().any(|p| p.uid == pod.uid()))
            .collect();
        if gone.is_empty() {
            return EffectOutcome::Unchanged(Applied::Already);
        }
        self.move_away(instance, &gone, now, faults);
        done()
    }

    /// Takes pods off a node and makes them anew elsewhere. Where grace periods are ordered they stay on the node for that long, and for ever
    /// where its kubelet is dead. Source: Kubernetes documentation, "Pod Lifecycle", termination of pods; "Nodes", graceful node shutdown.
    fn move_away(
        &mut self,
        instance: &InstanceId,
        pods: &[SimulatedPod],
        now: Timestamp,
        faults: &Faults,
    ) {
        let grace = faults.grace(&self.names());
        if let Some(node) = self.node_mut(instance) {
            node.pods.retain(|pod| !pods.contains(pod));
            node.refused.retain(|r| !pods.contains(&r.pod));
            let ends_by = now + grace.unwrap_or(GRACE);
            let stays = grace.is_some();
            let gone = node.ready.then_some(ends_by);
            let leaving = pods.iter().filter(|_| stays).map(|pod| Leaving {
                pod: *pod,
                ends_by,
                gone,
            });
            node.leaving.extend(leaving);
        }
        let volumes = faults.slow_volumes(&self.names());
        let name = self.node_mut(instance).map(|n| n.name.clone());
        for pod in pods {
            let free = now + volumes.unwrap_or(Span::ZERO);
            self.workload.budgets.insert(budget(*pod), free + RECOVERY);
            match name.clone().filter(|_| volumes.is_some()) {
                Some(node) => self.workload.attached.push(Attached {
                    pod: *pod,
                    node,
                    free,
                }),
                None => self.displace(*pod, now),
            }
        }
    }

    /// An instance is gone with volumes attached to it: they are not unmounted any more, and they are taken from it by force.
    pub(super) fn take_volumes(&mut self, machine: &Machine, now: Timestamp) {
        let Some(node) = &machine.node else { return };
        for volume in &mut self.workload.attached {
            if volume.node == node.name && volume.free > now {
                volume.free = volume.free.max(now + FORCED);
                let (budget, back) = (budget(volume.pod), volume.free + RECOVERY);
                self.workload.budgets.insert(budget, back);
            }
        }
    }

    /// Adds to its nodes the volumes that their pods have, and those that are attached still, where volumes take their time.
    pub(super) fn show_volumes(
        &self,
        faults: &Faults,
        nodes: &mut BTreeMap<NodeName, Shared<Node>>,
    ) {
        if faults.slow_volumes(&self.names()).is_none() {
            return;
        }
        let claim = |pod: SimulatedPod| format!("{}-{}", self.app(pod), pod.number);
        let attached = |pod: SimulatedPod| (claim(pod), format!("pv-{}", pod.number));
        for (_, _, node) in self.with_nodes() {
            let Some(shown) = nodes.get_mut(&node.name) else {
                continue;
            };
            let here = node
                .pods
                .iter()
                .copied()
                .chain(node.leaving.iter().map(|l| l.pod));
            let left = self.workload.attached.iter();
            let left = left.filter(|v| v.node == node.name).map(|v| v.pod);
            shown.volumes = Volumes {
                claims: here.clone().map(claim).collect(),
                attached: here.chain(left).map(attached).collect(),
            };
        }
    }

    /// Pods whose volumes have been let go start elsewhere. Source: Kubernetes, attach/detach controller: a volume goes to another node only when it has
    /// left the one before, and is taken from it by force after six minutes (`maxWaitForUnmountDuration`).
    pub(super) fn attach_volumes(&mut self, now: Timestamp) {
        let all = std::mem::take(&mut self.workload.attached);
        let (free, held): (Vec<Attached>, Vec<Attached>) =
            all.into_iter().partition(|volume| volume.free <= now);
        self.workload.attached = held;
        for volume in free {
            self.displace(volume.pod, now);
        }
    }

    /// Evicts what the budgets allow now; [`Applied::Already`] when there is nothing left to evict.
    fn evict(&mut self, instance: &InstanceId, now: Timestamp, faults: &Faults) -> EffectOutcome {
        let mut pods = self
            .node_mut(instance)
            .map(|n| n.pods.clone())
            .unwrap_or_default();
        if pods.is_empty() {
            return EffectOutcome::Unchanged(Applied::Already);
        }
        pods.sort_unstable();
        if let Some(answer) = faults.refused_eviction(&self.names()) {
            return self.refuse(instance, &pods, &answer, now);
        }
        let stuck = self.is_stuck(faults);
        let mut evicted = Vec::new();
        for pod in pods {
            if !self.is_blocked(pod, now, stuck) {
                self.workload.budgets.insert(budget(pod), now + RECOVERY);
                evicted.push(pod);
            }
        }
        if evicted.is_empty() {
            return EffectOutcome::Unchanged(Applied::Done);
        }
        self.move_away(instance, &evicted, now, faults);
        done()
    }

    /// Refuses the evictions that are asked for again by now, and keeps what was said, as the real client does.
    fn refuse(
        &mut self,
        instance: &InstanceId,
        pods: &[SimulatedPod],
        answer: &Refusal,
        now: Timestamp,
    ) -> EffectOutcome {
        let Some(node) = self.node_mut(instance) else {
            return EffectOutcome::Unchanged(Applied::Already);
        };
        let mut changed = false;
        for pod in pods {
            let before = node.refused.iter().find(|r| r.pod == *pod);
            if before.is_some_and(|r| r.ask_at > now) {
                continue;
            }
            let refused = refused_again(before, pod, answer, now);
            node.refused.retain(|r| r.pod != *pod);
            node.refused.push(refused);
            changed = true;
        }
        if changed {
            done()
        } else {
            EffectOutcome::Unchanged(Applied::Done)
        }
    }

    /// Whether a budget refuses the eviction of a pod now.
    pub(super) fn is_blocked(&self, pod: SimulatedPod, now: Timestamp, stuck: bool) -> bool {
        stuck
            || self
                .workload
                .budgets
                .get(&budget(pod))
                .is_some_and(|free| now < *free)
    }

    /// Whether no budget of it ever allows anything.
    pub(super) fn is_stuck(&self, faults: &Faults) -> bool {
        faults.stuck_drain(&self.names())
    }

    /// Whether the eviction of any pod could be refused now.
    pub(super) fn may_refuse(&self, now: Timestamp, faults: &Faults) -> bool {
        self.is_stuck(faults) || self.workload.budgets.values().any(|free| now < *free)
    }

    /// Its nodes, as the Kubernetes API shows them while no eviction is refused.
    pub(super) fn nodes(&self) -> BTreeMap<NodeName, Shared<Node>> {
        self.with_nodes()
            .map(|(id, machine, node)| (node.name.clone(), self.node(id, machine, node).into()))
            .collect()
    }

    /// Adds the pods whose eviction is refused now to its nodes.
    pub(super) fn show_refusals(
        &self,
        now: Timestamp,
        faults: &Faults,
        nodes: &mut BTreeMap<NodeName, Shared<Node>>,
    ) {
        let (stuck, together) = (self.is_stuck(faults), self.by_budget());
        for (_, _, node) in self.with_nodes() {
            let refused = node
                .pods
                .iter()
                .filter(|pod| self.is_blocked(**pod, now, stuck));
            let mut blocked: Vec<PodBlock> =
                refused.map(|pod| self.block(*pod, &together)).collect();
            blocked.sort();
            if let Some(shown) = nodes.get_mut(&node.name).filter(|_| !blocked.is_empty()) {
                shown.blocked = blocked;
            }
        }
    }

    pub(super) fn with_nodes(&self) -> impl Iterator<Item = (&InstanceId, &Machine, &SimNode)> {
        self.machines
            .iter()
            .chain(&self.ghosts)
            .filter_map(|(id, machine)| Some((id, machine, machine.node.as_ref()?)))
    }

    fn node(&self, id: &InstanceId, machine: &Machine, node: &SimNode) -> Node {
        let control_plane = self.is_control_plane();
        let components = if control_plane && node.ready {
            COMPONENTS.map(str::to_owned).into()
        } else {
            BTreeSet::new()
        };
        let sick = sick_pods(machine, node, control_plane);
        Node {
            instance: id.clone(),
            ready: node.ready,
            unready_because: (!node.ready).then(|| {
                if node.unready_since.is_some() {
                    "NodeStatusUnknown: Kubelet stopped posting node status (simulated)".into()
                } else {
                    "KubeletNotReady: it is starting (simulated)".into()
                }
            }),
            unready_since: (!node.ready).then(|| node.unready_since.unwrap_or(machine.launched_at)),
            silent_since: node.unready_since.filter(|_| {
                !node.leaving.is_empty()
                    || node.cordoned
                    || node.marks.contains(&NodeMark::OutOfService)
            }),
            kubelet: "v1.32.0".into(),
            control_plane,
            cordoned: node.cordoned,
            ours: node.marks.clone(),
            tainted: node.tainted,
            leaves_by: node.leaves_by,
            evictable_pods: u32::try_from(node.pods.len().saturating_add(node.leaving.len()))
                .unwrap_or(u32::MAX),
            leaving_pods: u32::try_from(node.leaving.len()).unwrap_or(u32::MAX),
            leaving: node
                .leaving
                .iter()
                .map(|l| LeavingPod {
                    pod: self.pod_name(l.pod),
                    ends_by: l.ends_by,
                    finalizers: BTreeSet::new(),
                })
                .collect(),
            grace: Span::ZERO,
            volumes: Volumes::default(),
            traffic: Traffic::NotAsked,
            refused: node.refused.iter().map(|r| self.refusal(r)).collect(),
            blocked: Vec::new(),
            sick,
            components,
            etcd: if control_plane && node.ready {
                let healthy = |name: &str| !(machine.sick_etcd && name == ETCD[0]);
                ETCD.map(|name| (name.to_owned(), healthy(name))).into()
            } else {
                BTreeMap::new()
            },
        }
    }

    fn refusal(&self, refused: &RefusedPod) -> PodRefusal {
        PodRefusal {
            pod: self.pod_name(refused.pod),
            uid: refused.pod.uid(),
            owner: Some(format!("ReplicaSet {}", self.app(refused.pod))),
            answer: refused.answer.clone(),
            since: refused.since,
            times: refused.times,
            ask_at: refused.ask_at,
        }
    }

    /// Takes the pod of etcd's `main` from its nodes, where that was ordered.
    pub(super) fn hide_members(
        &self,
        faults: &Faults,
        nodes: &mut BTreeMap<NodeName, Shared<Node>>,
    ) {
        if !faults.no_etcd(&self.names()) {
            return;
        }
        for (_, _, node) in self.with_nodes() {
            if let Some(shown) = nodes.get_mut(&node.name) {
                shown.etcd.remove(ETCD[0]);
            }
        }
    }

    /// Pods that have no node and wait for one; those of a group that is wanted empty are no loss.
    pub(super) fn unready_pods(&self) -> impl Iterator<Item = UnreadyPod> {
        let attached = self.workload.attached.iter().map(|v| (&v.pod, false));
        let waiting = self.workload.waiting.iter().map(|pod| (pod, true));
        let waiting = waiting.chain(attached).filter(|_| self.desired > 0);
        waiting.map(|(pod, without_node)| UnreadyPod {
            since: pod.made_at,
            pod: self.pod_name(*pod),
            owner: Some(format!("ReplicaSet {}", self.app(*pod))),
            without_node,
        })
    }

    /// Its pods by the budget that they share.
    fn by_budget(&self) -> BTreeMap<u32, Vec<SimulatedPod>> {
        let mut together: BTreeMap<u32, Vec<SimulatedPod>> = BTreeMap::new();
        let placed = self.with_nodes().flat_map(|(_, _, node)| &node.pods);
        placed
            .chain(&self.workload.waiting)
            .for_each(|pod| together.entry(budget(*pod)).or_default().push(*pod));
        together
    }

    /// Whose pod it is: also the name of its budget.
    fn app(&self, pod: SimulatedPod) -> String {
        let name = self.name().as_str();
        let group = name.split('.').next().unwrap_or(name);
        format!("default/{group}-app-{}", budget(pod))
    }

    fn pod_name(&self, pod: SimulatedPod) -> String {
        let id = (u64::from(pod.number) << 32) | u64::from(pod.generation);
        let suffix = draw(self.salt, "pod", id) >> 44;
        format!("{}-{suffix:05x}", self.app(pod))
    }

    fn block(&self, pod: SimulatedPod, together: &BTreeMap<u32, Vec<SimulatedPod>>) -> PodBlock {
        let siblings = together
            .get(&budget(pod))
            .into_iter()
            .flatten()
            .filter(|p| p.number != pod.number);
        PodBlock {
            pod: self.pod_name(pod),
            uid: pod.uid(),
            hold: Hold::Budget(self.app(pod)),
            owner: Some(format!("ReplicaSet {}", self.app(pod))),
            started_at: pod.made_at,
            sibling_started_at: siblings.map(|p| p.made_at).max(),
            siblings_leaving: 0,
        }
    }
}

/// Critical pods on a Ready node that never turn Ready.
fn sick_pods(machine: &Machine, node: &SimNode, control_plane: bool) -> Vec<SickPod> {
    let sick = |name: &str, owner: String, cluster_critical| SickPod {
        pod: format!("kube-system/{name}-{}", node.name),
        why: format!("container {name} is not ready: CrashLoopBackOff (simulated)"),
        since: machine.launched_at,
        cluster_critical,
        owner: Some(owner),
    };
    let mut pods = Vec::new();
    if machine.sick_etcd && control_plane && node.ready {
        pods.push(sick(
            "etcd-manager-main",
            format!("Node {}", node.name),
            true,
        ));
    }
    if machine.sick_pods && node.ready {
        let owner = "DaemonSet kube-system/calico-node".to_owned();
        pods.push(sick("calico-node", owner, false));
    }
    pods
}

impl SimulatedPod {
    fn uid(self) -> String {
        format!("{}-{}", self.number, self.generation)
    }
}

fn budget(pod: SimulatedPod) -> u32 {
    pod.number / PODS_PER_BUDGET
}

/// The name of an instance's node: forty bits of its id, so that two nodes of a cluster never share one.
pub(super) fn node_name(instance: &InstanceId) -> Option<NodeName> {
    let bits = salt(0, &[instance.as_str()]);
    let byte = |shift: u32| (bits >> shift) & 0xff;
    NodeName::new(format!(
        "ip-10-{}-{}-{}-{:04x}",
        byte(40),
        byte(32),
        byte(24),
        bits & 0xffff
    ))
    .ok()
}
