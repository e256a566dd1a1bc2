//! The verdicts of gates over live state. Three-valued, and what is not known is never a pass. Asks nobody.

use std::collections::BTreeMap;

use super::next::{Check, Out};
use super::{ClusterProgress, Scope, Verdict};
use crate::fleet::{GateKind, GateSpec};
use crate::model::{
    ActivityStatus, AsgName, ClusterName, Health, Instance, InstanceId, Lifecycle, LiveCluster, LiveGroup, Node, NodeName, Nodes, Span, Timestamp,
};

/// The nodes of a cluster by instance.
pub(super) struct NodeView<'a> {
    nodes: &'a Nodes,
    by_instance: BTreeMap<&'a InstanceId, (&'a NodeName, &'a Node)>,
}

/// Whether an instance can take work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// In service, and its node is Ready.
    Ready,
    /// Not yet.
    NotYet(&'static str),
    /// The Kubernetes API does not answer.
    Unknown(String),
}

impl<'a> NodeView<'a> {
    pub(super) fn new(nodes: &'a Nodes) -> Self {
        let by_instance = match nodes {
            Nodes::Known(nodes) => nodes.iter().map(|(name, node)| (&node.instance, (name, node))).collect(),
            Nodes::NotAsked | Nodes::Unknown(_) => BTreeMap::new(),
        };
        NodeView { nodes, by_instance }
    }

    pub(super) fn of(&self, instance: &InstanceId) -> Option<(&'a NodeName, &'a Node)> {
        self.by_instance.get(instance).copied()
    }

    pub(super) fn unknown(&self) -> Option<&'a str> {
        match self.nodes {
            Nodes::Unknown(why) => Some(why),
            Nodes::NotAsked | Nodes::Known(_) => None,
        }
    }

    pub(super) fn asked(&self) -> bool {
        !matches!(self.nodes, Nodes::NotAsked)
    }

    /// Whether the instance can take work: in service, healthy, and with a Ready node where nodes are looked at.
    pub(super) fn readiness(&self, id: &InstanceId, instance: &Instance) -> Readiness {
        if instance.lifecycle != Lifecycle::InService || instance.health != Health::Healthy {
            return Readiness::NotYet("is not in service");
        }
        match self.nodes {
            Nodes::NotAsked => Readiness::Ready,
            Nodes::Unknown(why) => Readiness::Unknown(why.clone()),
            Nodes::Known(_) => match self.of(id) {
                None => Readiness::NotYet("has no node yet"),
                Some((_, node)) if !node.ready => Readiness::NotYet("has a node that is not Ready"),
                Some(_) => Readiness::Ready,
            },
        }
    }
}

/// What the gates are asked about.
pub(super) struct Asked<'a> {
    pub(super) gates: &'a [GateSpec],
    pub(super) cluster: &'a ClusterName,
    pub(super) progress: &'a ClusterProgress,
    pub(super) live: &'a LiveCluster,
    pub(super) now: Timestamp,
    pub(super) scope: Scope,
    /// Groups it is about.
    pub(super) groups: Vec<&'a AsgName>,
    /// Failures before this moment are not this rollout's.
    pub(super) since: Timestamp,
    /// Deadlines count from here.
    pub(super) deadline_from: Timestamp,
    /// How long a new instance may take to become Ready.
    pub(super) patience: Span,
}

/// What all gates together say.
pub(super) enum GateOutcome {
    /// All pass; what each said.
    Pass(Vec<String>),
    /// At least one waits, none fails; until when it may.
    Wait(String, Timestamp),
    /// One fails, or has waited beyond its deadline.
    Fail(String),
}

/// A gate that said "wait" is asked again after this long.
const ASK_AGAIN: Span = Span::from_secs(30);

/// All gates, in their order, up to the first that does not pass.
pub(super) fn all(asked: &Asked<'_>, out: &mut Out<'_>) -> GateOutcome {
    let mut evidence = Vec::new();
    for gate in asked.gates {
        match one(gate, asked, out) {
            Verdict::Pass(why) => evidence.push(format!("{}: {why}", gate.name)),
            Verdict::Fail(why) => return GateOutcome::Fail(format!("gate `{}` failed: {why}", gate.name)),
            Verdict::Wait(why) if asked.now.since(asked.deadline_from) > gate.deadline => {
                return GateOutcome::Fail(format!("gate `{}` still waits after {}: {why}", gate.name, gate.deadline));
            }
            Verdict::Wait(why) => return GateOutcome::Wait(format!("gate `{}` waits: {why}", gate.name), asked.deadline_from + gate.deadline),
        }
    }
    GateOutcome::Pass(evidence)
}

fn one(gate: &GateSpec, asked: &Asked<'_>, out: &mut Out<'_>) -> Verdict {
    match &gate.kind {
        GateKind::Asg => asg(asked.live, asked.groups.iter().copied(), asked.since),
        GateKind::Kubernetes => kubernetes(asked.live, asked.groups.iter().copied(), asked.since, asked.patience, asked.now),
        GateKind::Command(command) => {
            let answer = asked.progress.answers.get(&(asked.scope.clone(), gate.name.clone())).filter(|(at, _)| *at >= asked.deadline_from);
            match answer {
                Some((_, verdict @ (Verdict::Pass(_) | Verdict::Fail(_)))) => verdict.clone(),
                Some((at, verdict @ Verdict::Wait(_))) if asked.now.since(*at) < ASK_AGAIN => verdict.clone(),
                Some((_, Verdict::Wait(_))) | None => {
                    out.checks.push(Check {
                        cluster: asked.cluster.clone(),
                        scope: asked.scope.clone(),
                        gate: gate.name.clone(),
                        command: command.clone(),
                    });
                    Verdict::Wait("it is being asked".into())
                }
            }
        }
    }
}

/// In service = wanted in every group named, no failed scaling activity since `since`.
pub(super) fn asg<'a>(live: &LiveCluster, groups: impl IntoIterator<Item = &'a AsgName>, since: Timestamp) -> Verdict {
    let mut total = 0;
    for name in groups {
        let Some(group) = live.groups.get(name) else { return Verdict::Fail(format!("{name} does not exist")) };
        if let Some(activity) = group.activities.iter().find(|a| a.at >= since && matches!(a.status, ActivityStatus::Failed)) {
            return Verdict::Fail(format!("{name}: a scaling activity failed: {}", activity.message));
        }
        let serving = in_service(group);
        if serving < group.desired {
            let why = refused(group, since).map(|m| format!(" ({m})")).unwrap_or_default();
            return Verdict::Wait(format!("{name}: {serving} of {} instances in service{why}", group.desired));
        }
        total += serving;
    }
    Verdict::Pass(format!("{total} instances in service, as wanted"))
}

/// Every instance in service of the groups named has a Ready node. One that has not gets time from its launch, or from
/// `since`: a node that turned bad may come back, or be replaced.
pub(super) fn kubernetes<'a>(
    live: &LiveCluster,
    groups: impl IntoIterator<Item = &'a AsgName>,
    since: Timestamp,
    patience: Span,
    now: Timestamp,
) -> Verdict {
    let nodes = NodeView::new(&live.nodes);
    if !nodes.asked() {
        return Verdict::Fail("no Kubernetes access is configured for this cluster, so its nodes cannot be seen".into());
    }
    let mut total = 0;
    for name in groups {
        let Some(group) = live.groups.get(name) else { return Verdict::Fail(format!("{name} does not exist")) };
        for (id, instance) in group.instances.iter().filter(|(_, i)| i.lifecycle == Lifecycle::InService) {
            match nodes.readiness(id, instance) {
                Readiness::Ready => total += 1,
                Readiness::Unknown(why) => return Verdict::Wait(format!("the Kubernetes API does not answer: {why}")),
                Readiness::NotYet(what) => {
                    let age = now.since(instance.launched_at);
                    let text = format!("{name}: {id} {what} ({age} after launch)");
                    return if now.since(instance.launched_at.max(since)) > patience { Verdict::Fail(text) } else { Verdict::Wait(text) };
                }
            }
        }
    }
    Verdict::Pass(format!("{total} nodes Ready"))
}

/// Instances taking traffic.
pub(super) fn in_service(group: &LiveGroup) -> u32 {
    let count = group.instances.values().filter(|i| i.lifecycle == Lifecycle::InService && i.health == Health::Healthy).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The newest refusal for want of capacity since `since`, unless a launch has succeeded after it.
pub(super) fn refused(group: &LiveGroup, since: Timestamp) -> Option<&str> {
    let last =
        group.activities.iter().rev().find(|a| a.at >= since && matches!(a.status, ActivityStatus::NoCapacity | ActivityStatus::Successful))?;
    (last.status == ActivityStatus::NoCapacity).then_some(last.message.as_str())
}
