//! The verdicts of gates over live state. Three-valued, and what is not known is never a pass. Asks nobody.

use std::collections::BTreeMap;

use super::next::{Check, Out, Question};
use super::validate::{self, Failure, Limits};
use super::{Answer, Before, ClusterProgress, Scope, Verdict, capacity};
use crate::fleet::{GateAt, GateKind, GateSpec, HttpGate, PromqlGate};
use crate::kops::Role;
use crate::model::{
    ActivityStatus, AsgName, ClusterName, GroupName, Health, Instance, InstanceId, Lifecycle,
    LiveCluster, LiveGroup, Node, NodeName, Nodes, Span, Timestamp,
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
            Nodes::Known(seen) => seen
                .nodes
                .iter()
                .map(|(name, node)| (&node.instance, (name, &**node)))
                .collect(),
            Nodes::NotAsked | Nodes::Unknown(_) => BTreeMap::new(),
        };
        NodeView { nodes, by_instance }
    }

    pub(super) fn of(&self, instance: &InstanceId) -> Option<(&'a NodeName, &'a Node)> {
        self.by_instance.get(instance).copied()
    }

    pub(super) fn named(&self, name: &NodeName) -> Option<&'a Node> {
        match self.nodes {
            Nodes::Known(seen) => seen.nodes.get(name).map(|node| &**node),
            Nodes::NotAsked | Nodes::Unknown(_) => None,
        }
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
    /// The InstanceGroup of a canary.
    pub(super) name: Option<&'a GroupName>,
    /// Roles of all groups of the cluster.
    pub(super) roles: &'a BTreeMap<AsgName, Role>,
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

/// All gates of this scope, in their order, up to the first that does not pass.
pub(super) fn all(asked: &Asked<'_>, out: &mut Out<'_>) -> GateOutcome {
    let mut evidence = Vec::new();
    // A person who takes it up again gives every deadline anew.
    let from = asked.deadline_from.max(asked.progress.resumed_at);
    for gate in asked.gates.iter().filter(|g| asked.concerns(g)) {
        match one(gate, asked, out) {
            Verdict::Pass(why) => evidence.push(format!("{}: {why}", gate.name)),
            Verdict::Fail(why) => {
                return GateOutcome::Fail(format!("gate `{}` failed: {why}", gate.name));
            }
            Verdict::Wait(why) if asked.now.since(from) > gate.deadline => {
                return GateOutcome::Fail(format!(
                    "gate `{}` still waits after {}: {why}",
                    gate.name, gate.deadline
                ));
            }
            Verdict::Wait(why) => {
                return GateOutcome::Wait(
                    format!("gate `{}` waits: {why}", gate.name),
                    from + gate.deadline,
                );
            }
        }
    }
    GateOutcome::Pass(evidence)
}

/// While a canary bakes: the gates that want more than one sample are asked already. Why the first of them failed.
pub(super) fn sampling(asked: &Asked<'_>, out: &mut Out<'_>) -> Option<String> {
    let mut failed = None;
    for gate in asked
        .gates
        .iter()
        .filter(|g| g.samples.times > 1 && asked.concerns(g))
    {
        if let Verdict::Fail(why) = one(gate, asked, out) {
            failed.get_or_insert(format!("gate `{}` failed: {why}", gate.name));
        }
    }
    failed
}

impl Asked<'_> {
    fn concerns(&self, gate: &GateSpec) -> bool {
        match (gate.at, &self.scope) {
            (None, _)
            | (Some(GateAt::Canary), Scope::Canary(_))
            | (Some(GateAt::Cluster), Scope::Cluster) => true,
            (Some(GateAt::Canary), Scope::Cluster) | (Some(GateAt::Cluster), Scope::Canary(_)) => {
                false
            }
        }
    }

    fn filled(&self, text: &str) -> String {
        text.replace("{cluster}", self.cluster.as_str())
            .replace("{group}", self.name.map_or("", GroupName::as_str))
    }

    fn check(&self, gate: &GateSpec, question: Question) -> Check {
        Check {
            cluster: self.cluster.clone(),
            scope: self.scope.clone(),
            gate: gate.name.clone(),
            question,
        }
    }
}

fn one(gate: &GateSpec, asked: &Asked<'_>, out: &mut Out<'_>) -> Verdict {
    let question = match &gate.kind {
        GateKind::Asg => return asg(asked.live, asked.groups.iter().copied(), asked.since),
        GateKind::Kubernetes => {
            return kubernetes(&NodesAsked {
                live: asked.live,
                limits: Limits {
                    roles: asked.roles,
                    groups: &asked.groups.iter().copied().collect(),
                },
                since: asked.since,
                patience: asked.patience,
                now: asked.now,
                before: asked.progress.before.as_ref(),
            });
        }
        GateKind::Command(command) => Question::Command(command.clone()),
        GateKind::Http(http) => Question::Http(HttpGate {
            url: asked.filled(&http.url),
            ..(**http).clone()
        }),
        GateKind::Promql(promql) => Question::Promql(PromqlGate {
            url: asked.filled(&promql.url),
            query: asked.filled(&promql.query),
            ..(**promql).clone()
        }),
    };
    let wanted = gate.samples.times;
    let answer = asked
        .progress
        .answers
        .get(&(asked.scope.clone(), gate.name.clone()));
    // One sample is taken at the end of the bake, several all through it.
    match answer.filter(|a| wanted > 1 || a.at >= asked.deadline_from) {
        Some(Answer {
            verdict: verdict @ Verdict::Fail(_),
            ..
        }) => verdict.clone(),
        Some(Answer {
            at,
            verdict: verdict @ Verdict::Wait(_),
            ..
        }) if asked.now.since(*at) < ASK_AGAIN => verdict.clone(),
        Some(Answer {
            verdict: Verdict::Pass(why),
            passes,
            ..
        }) if *passes >= wanted && asked.now >= asked.deadline_from => match wanted {
            1 => Verdict::Pass(why.clone()),
            _ => Verdict::Pass(format!("{passes} samples pass, the last: {why}")),
        },
        Some(Answer {
            at,
            verdict: Verdict::Pass(why),
            passes,
        }) if asked.now.since(*at) < gate.samples.every => Verdict::Wait(format!(
            "{passes} of {wanted} samples passed, the last: {why}"
        )),
        Some(_) | None => {
            out.checks.push(asked.check(gate, question));
            Verdict::Wait("it is being asked".into())
        }
    }
}

/// In service = wanted in every group named, no failed scaling activity since `since`.
pub(super) fn asg<'a>(
    live: &LiveCluster,
    groups: impl IntoIterator<Item = &'a AsgName>,
    since: Timestamp,
) -> Verdict {
    let mut total = 0;
    for name in groups {
        let Some(group) = live.groups.get(name) else {
            return Verdict::Fail(format!("{name} does not exist"));
        };
        if let Some(activity) = group
            .activities
            .iter()
            .find(|a| a.at >= since && matches!(a.status, ActivityStatus::Failed))
        {
            return Verdict::Fail(format!(
                "{name}: a scaling activity failed: {}",
                activity.message
            ));
        }
        let serving = in_service(group);
        if serving < group.desired {
            let why = capacity::refusal(group, since)
                .map(|r| format!(" ({})", r.text()))
                .unwrap_or_default();
            return Verdict::Wait(format!(
                "{name}: {serving} of {} instances in service{why}",
                group.desired
            ));
        }
        total += serving;
    }
    Verdict::Pass(format!("{total} instances in service, as wanted"))
}

/// What the gate on nodes looks at.
pub(super) struct NodesAsked<'a> {
    pub(super) live: &'a LiveCluster,
    pub(super) limits: Limits<'a>,
    /// What is wrong before this moment has its patience from here on.
    pub(super) since: Timestamp,
    pub(super) patience: Span,
    pub(super) now: Timestamp,
    /// What the cluster was like before it was changed.
    pub(super) before: Option<&'a Before>,
}

/// Everything is whole, and no more pods are unready than before the change. What is not gets time from when it began, or
/// from `since`: a node that turned bad may come back, or be replaced.
pub(super) fn kubernetes(asked: &NodesAsked<'_>) -> Verdict {
    const SHOWN: usize = 5;
    let seen =
        match &asked.live.nodes {
            Nodes::NotAsked => return Verdict::Fail(
                "no Kubernetes access is configured for this cluster, so its nodes cannot be seen"
                    .into(),
            ),
            Nodes::Unknown(why) => {
                return Verdict::Wait(format!("the Kubernetes API does not answer: {why}"));
            }
            Nodes::Known(seen) => seen,
        };
    let found = validate::failures(asked.live, seen, asked.limits);
    let age = |f: &Failure| {
        f.since
            .map(|s| format!(" ({} long)", asked.now.since(s)))
            .unwrap_or_default()
    };
    let said = |failures: &[&Failure]| {
        let shown: Vec<String> = failures
            .iter()
            .take(SHOWN)
            .map(|f| format!("{}{}", f.what, age(f)))
            .collect();
        let more = if failures.len() > SHOWN {
            format!("; and {} more", failures.len() - SHOWN)
        } else {
            String::new()
        };
        shown.join("; ") + &more
    };
    let late: Vec<&Failure> = found
        .iter()
        .filter(|f| {
            f.since
                .is_some_and(|s| asked.now.since(s.max(asked.since)) > asked.patience)
        })
        .collect();
    if !late.is_empty() {
        return Verdict::Fail(said(&late));
    }
    if !found.is_empty() {
        return Verdict::Wait(said(&found.iter().collect::<Vec<_>>()));
    }
    let unready = validate::unready(seen, asked.now);
    match asked.before {
        Some(before) if unready > before.unready => Verdict::Wait(format!(
            "{unready} pods are unready, {} were before the change",
            before.unready
        )),
        Some(_) | None => Verdict::Pass(format!(
            "{} nodes, all of these groups Ready; critical pods run, the control plane is whole",
            seen.nodes.len()
        )),
    }
}

/// Instances taking traffic.
pub(super) fn in_service(group: &LiveGroup) -> u32 {
    let count = group
        .instances
        .values()
        .filter(|i| i.lifecycle == Lifecycle::InService && i.health == Health::Healthy)
        .count();
    u32::try_from(count).unwrap_or(u32::MAX)
}
