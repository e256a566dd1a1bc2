//! The verdicts of all gates about a canary or a cluster. Three-valued, and what is not known is never a pass. Makes no calls.

use std::collections::BTreeMap;

use super::health::{self, NodesAsked};
use super::validate::Limits;
use crate::fleet::{Amount, GateAt, GateKind, GateSpec, HttpGate, PromqlGate};
use crate::kops::Role;
use crate::model::{AsgName, ClusterName, GroupName, LiveCluster, Nodes, Span, Timestamp};
use crate::rollout::build::BUILT_IN_NODES;
use crate::rollout::event::{ClusterEvent, Event, Scope, Verdict};
use crate::rollout::progress::{Answer, ClusterProgress};
use crate::rollout::reason::{Evidence, Ground, Reason};
use crate::rollout::round::{Check, DecisionBuilder, GroupContext, Question};

/// What the gates are asked about.
pub(crate) struct Asked<'a> {
    pub(crate) gates: &'a [GateSpec],
    pub(crate) cluster: &'a ClusterName,
    pub(crate) progress: &'a ClusterProgress,
    pub(crate) live: &'a LiveCluster,
    pub(crate) now: Timestamp,
    pub(crate) scope: Scope,
    /// The InstanceGroup of a canary.
    pub(crate) name: Option<&'a GroupName>,
    /// Roles of all groups of the cluster.
    pub(crate) roles: &'a BTreeMap<AsgName, Role>,
    /// Groups it is about.
    pub(crate) groups: Vec<&'a AsgName>,
    /// Failures before this moment are not this rollout's.
    pub(crate) since: Timestamp,
    /// Deadlines count from here.
    pub(crate) deadline_from: Timestamp,
    /// How long a new instance may take to become Ready.
    pub(crate) patience: Span,
    /// How many nodes of a group it may lose on any day.
    pub(crate) tolerance: Amount,
    /// kops is the cluster's engine.
    pub(crate) by_kops: bool,
    /// Only what can be seen of the cluster itself is asked, not what the fleet measures elsewhere.
    pub(crate) only_health: bool,
}

/// What all gates together say.
pub(crate) enum GateOutcome {
    /// All pass; what each said.
    Pass(Vec<Evidence>),
    /// At least one waits, none fails; until when it may.
    Wait(Reason, Timestamp),
    /// One fails, or has waited beyond its deadline.
    Fail(Reason),
}

/// A gate that said "wait" is asked again after this long.
const ASK_AGAIN: Span = Span::from_secs(30);

/// All gates of this scope, in their order, up to the first that does not pass.
pub(crate) fn judge_all(asked: &Asked<'_>, out: &mut DecisionBuilder<'_>) -> GateOutcome {
    let mut evidence = Vec::new();
    // A person who takes it up again gives every deadline anew.
    let from = asked.deadline_from.max(asked.progress.resumed_at);
    for gate in asked.gates.iter().filter(|g| asked.concerns(g)) {
        let name = gate.name.clone();
        match judge(gate, asked, out) {
            Verdict::Pass(ground) => evidence.push(Evidence::Gate { gate: name, ground }),
            Verdict::Fail(ground) => {
                return GateOutcome::Fail(Reason::GateFailed { gate: name, ground });
            }
            Verdict::Wait(ground) if asked.now.since(from) > gate.deadline => {
                return GateOutcome::Fail(Reason::GateOverdue {
                    gate: name,
                    deadline: gate.deadline,
                    ground,
                });
            }
            Verdict::Wait(ground) => {
                out.records.extend(long_wait(gate, asked, from, &ground));
                let why = Reason::GateWaits { gate: name, ground };
                return GateOutcome::Wait(why, from + gate.deadline);
            }
        }
    }
    GateOutcome::Pass(evidence)
}

/// A gate over live state that has waited for a while says for what, once, and again when it waits long for something else: a person who reads the
/// lines of a pipeline, or the status of a rollout, sees nothing else of it. Every other gate's answers are records already.
fn long_wait(
    gate: &GateSpec,
    asked: &Asked<'_>,
    from: Timestamp,
    ground: &Ground,
) -> Option<Event> {
    const SILENCE: Span = Span::from_secs(60);
    const MORE: Span = Span::from_secs(300);
    match gate.kind {
        GateKind::Asg | GateKind::Kubernetes => {}
        GateKind::Kops | GateKind::Command(_) | GateKind::Http(_) | GateKind::Promql(_) => {
            return None;
        }
    }
    let key = (asked.scope.clone(), gate.name.clone());
    let verdict = Verdict::Wait(ground.clone());
    let due = match asked.progress.answers.get(&key) {
        None => asked.now.since(from) >= SILENCE,
        Some(last) => last.verdict != verdict && asked.now.since(last.at) >= MORE,
    };
    due.then(|| {
        Event::Cluster(
            asked.cluster.clone(),
            ClusterEvent::Answered {
                scope: key.0,
                gate: key.1,
                verdict,
            },
        )
    })
}

/// While a canary bakes: the gates that want more than one sample are asked already. Why the first of them failed.
pub(crate) fn sampling(asked: &Asked<'_>, out: &mut DecisionBuilder<'_>) -> Option<Reason> {
    let mut failed = None;
    for gate in asked
        .gates
        .iter()
        .filter(|g| g.samples.times > 1 && asked.concerns(g))
    {
        if let Verdict::Fail(ground) = judge(gate, asked, out) {
            failed.get_or_insert(Reason::GateFailed {
                gate: gate.name.clone(),
                ground,
            });
        }
    }
    failed
}

impl Asked<'_> {
    fn concerns(&self, gate: &GateSpec) -> bool {
        // The built-in look at nodes needs a cluster that can be looked at; a gate that the fleet itself asks for fails without.
        if gate.name == BUILT_IN_NODES && matches!(self.live.nodes, Nodes::NotAsked) {
            return false;
        }
        if gate.kind == GateKind::Kops && !self.by_kops {
            return false;
        }
        let is_ours = matches!(
            gate.kind,
            GateKind::Asg | GateKind::Kubernetes | GateKind::Kops
        );
        if self.only_health && !is_ours {
            return false;
        }
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

impl<'a> GroupContext<'a> {
    /// The gates, asked about some groups of this cluster.
    pub(crate) fn asked(
        &self,
        scope: Scope,
        groups: Vec<&'a AsgName>,
        since: Timestamp,
        deadline_from: Timestamp,
    ) -> Asked<'a> {
        Asked {
            gates: &self.rollout.gates,
            cluster: self.cluster,
            progress: self.progress,
            live: self.live_cluster,
            now: self.now,
            scope,
            name: Some(&self.task.name),
            roles: self.roles,
            groups,
            since,
            deadline_from,
            patience: self.task.rolling.ready_timeout,
            tolerance: self.task.rolling.tolerance,
            by_kops: self
                .rollout
                .cluster(self.cluster)
                .is_some_and(|run| run.kops.is_some()),
            only_health: false,
        }
    }
}

fn judge(gate: &GateSpec, asked: &Asked<'_>, out: &mut DecisionBuilder<'_>) -> Verdict {
    let question = match &gate.kind {
        GateKind::Asg => return health::asg(asked.live, asked.groups.iter().copied(), asked.since),
        GateKind::Kubernetes => {
            let nodes = NodesAsked {
                live: asked.live,
                limits: Limits {
                    roles: asked.roles,
                    groups: &asked.groups.iter().copied().collect(),
                },
                since: asked.since,
                patience: asked.patience,
                now: asked.now,
                before: asked.progress.before.as_ref(),
            };
            return health::kubernetes(&nodes, asked.tolerance);
        }
        GateKind::Kops => Question::Kops,
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
            _ => Verdict::Pass(samples(*passes, wanted, why)),
        },
        Some(Answer {
            at,
            verdict: Verdict::Pass(why),
            passes,
        }) if asked.now.since(*at) < gate.samples.every => {
            Verdict::Wait(samples(*passes, wanted, why))
        }
        Some(_) | None => {
            out.checks.push(asked.check(gate, question));
            Verdict::Wait(Ground::BeingAsked)
        }
    }
}

fn samples(passed: u32, wanted: u32, last: &Ground) -> Ground {
    Ground::Samples {
        passed,
        wanted,
        last: Box::new(last.clone()),
    }
}
