//! What gates said, and what they will be asked. Asks none.

use std::collections::BTreeMap;

use super::page::{GateAnswer, GateSection, HtmlTone};
use crate::fleet::{GateAt, GateKind, GateSpec};
use crate::model::{ClusterName, Timestamp};
use crate::report::reason::{evidence, ground_text, reason_text};
use crate::report::wording::{clock, group, plain, span};
use crate::rollout::{ClusterEvent, Event, Evidence, GroupEvent, Reason, Record, Scope, Verdict};

/// What a gate was asked about, its name, and how grave what it said is.
type AnswerKey = (String, String, u8);

/// Answers by cluster, in the order of names.
#[derive(Default)]
struct Answers<'r> {
    of: BTreeMap<&'r ClusterName, BTreeMap<AnswerKey, GateAnswer>>,
}

/// What gates said in a rollout: the last word of each, and every failure.
pub(super) fn of_records(records: &[Record]) -> Vec<GateSection> {
    let mut answers = Answers::default();
    records.iter().for_each(|record| answers.hear(record));
    let sections = answers.of.into_iter().map(|(cluster, answers)| {
        let answers: Vec<GateAnswer> = answers.into_values().collect();
        GateSection {
            cluster: cluster.to_string(),
            in_short: in_short(&answers),
            answers,
        }
    });
    sections.collect()
}

fn in_short(answers: &[GateAnswer]) -> String {
    let of = |verdict: &'static str| {
        let n = answers.iter().filter(|a| a.verdict == verdict).count();
        (n > 0).then(|| format!("{n} {verdict}"))
    };
    let parts: Vec<String> = ["failed", "waits", "passed"]
        .into_iter()
        .filter_map(of)
        .collect();
    parts.join(", ")
}

const WHOLE: &str = "the cluster";

fn canary(asg: &crate::model::AsgName, cluster: &ClusterName) -> String {
    format!("canary of {}", group(asg, cluster))
}

impl<'r> Answers<'r> {
    fn hear(&mut self, record: &'r Record) {
        let at = record.at;
        match &record.event {
            Event::Group(cluster, asg, GroupEvent::CanaryProven { evidence }) => {
                self.proven(cluster, &canary(asg, cluster), evidence, at);
            }
            Event::Cluster(cluster, ClusterEvent::Verified { evidence, .. }) => {
                self.proven(cluster, WHOLE, evidence, at);
            }
            Event::Cluster(
                cluster,
                ClusterEvent::Answered {
                    scope,
                    gate,
                    verdict,
                },
            ) => {
                let about = match scope {
                    Scope::Canary(asg) => canary(asg, cluster),
                    Scope::Cluster => WHOLE.to_owned(),
                };
                let (grave, said) = match verdict {
                    Verdict::Pass(ground) => (2, ground_text(ground)),
                    Verdict::Wait(ground) => (1, ground_text(ground)),
                    Verdict::Fail(ground) => (0, ground_text(ground)),
                };
                self.add(cluster, (about, gate.clone(), grave), said, at);
            }
            Event::Cluster(cluster, ClusterEvent::Failed { group: asg, why }) => {
                let about = asg
                    .as_ref()
                    .map_or(WHOLE.to_owned(), |asg| canary(asg, cluster));
                self.failed(cluster, about, why, at);
            }
            Event::Rollout(_)
            | Event::Stage(..)
            | Event::Cluster(..)
            | Event::Group(..)
            | Event::Hook(..)
            | Event::Step(..) => {}
        }
    }

    fn proven(&mut self, cluster: &'r ClusterName, about: &str, said: &[Evidence], at: Timestamp) {
        for one in said {
            let gate = match one {
                Evidence::Gate { gate, .. } => gate.clone(),
                Evidence::NothingChanges | Evidence::BeforeDeletion | Evidence::Words(_) => {
                    continue;
                }
            };
            let text = evidence(one);
            let text = text
                .strip_prefix(&format!("{gate}: "))
                .unwrap_or(&text)
                .to_owned();
            self.add(cluster, (about.to_owned(), gate, 2), text, at);
        }
    }

    fn failed(&mut self, cluster: &'r ClusterName, about: String, why: &Reason, at: Timestamp) {
        if let Reason::GateFailed { gate, .. } | Reason::GateOverdue { gate, .. } = why {
            self.add(cluster, (about, gate.clone(), 0), reason_text(why), at);
        }
    }

    /// A pass ends the waiting before it; a failure stays, whatever follows.
    fn add(&mut self, cluster: &'r ClusterName, key: AnswerKey, said: String, at: Timestamp) {
        let (about, gate, grave) = key;
        let answers = self.of.entry(cluster).or_default();
        answers.remove(&(about.clone(), gate.clone(), 1));
        let (tone, verdict) = match grave {
            0 => (HtmlTone::Bad, "failed"),
            1 => (HtmlTone::Change, "waits"),
            _ => (HtmlTone::Good, "passed"),
        };
        let answer = GateAnswer {
            about: about.clone(),
            gate: gate.clone(),
            tone,
            verdict,
            evidence: plain(&said),
            at: clock(at),
        };
        answers.insert((about, gate, grave), answer);
    }
}

/// What will be asked of each cluster that is rolled.
pub(super) fn of_plan(gates: &[GateSpec]) -> Vec<GateSection> {
    let answer = |gate: &GateSpec| GateAnswer {
        about: match gate.at {
            Some(GateAt::Canary) => "each canary".into(),
            Some(GateAt::Cluster) => WHOLE.into(),
            None => "each canary, and the cluster".into(),
        },
        gate: gate.name.clone(),
        tone: HtmlTone::Change,
        verdict: "to be asked",
        evidence: plain(&question(&gate.kind)),
        at: format!("for at most {}", span(gate.deadline)),
    };
    let answers: Vec<GateAnswer> = gates.iter().map(answer).collect();
    if answers.is_empty() {
        return Vec::new();
    }
    vec![GateSection {
        cluster: "every cluster that is rolled".into(),
        in_short: format!("{} gates", answers.len()),
        answers,
    }]
}

/// What a gate looks at. Arguments, headers and the query of an address are left out: they may be secret.
fn question(kind: &GateKind) -> String {
    match kind {
        GateKind::Asg => {
            "every group has in service what is wanted, no scaling activity failed since the change"
                .into()
        }
        GateKind::Kubernetes => "every instance has a Ready node, and critical pods run".into(),
        GateKind::Kops => "kops validates the cluster, where it is the engine".into(),
        GateKind::Command(words) => {
            format!(
                "the command {} ends with 0",
                words.first().map_or("", String::as_str)
            )
        }
        GateKind::Http(gate) => format!("{} answers {}", bare(&gate.url), gate.status),
        GateKind::Promql(gate) => {
            let bound = |word: &str, bound: Option<f64>| bound.map(|b| format!(" {word} {b}"));
            format!(
                "{} is within its bounds:{}{}",
                gate.query,
                bound("at least", gate.min.map(f64::from)).unwrap_or_default(),
                bound("at most", gate.max.map(f64::from)).unwrap_or_default()
            )
        }
    }
}

fn bare(url: &str) -> &str {
    let url = url.split(['?', '#']).next().unwrap_or(url);
    // A password may stand before the host.
    url.rsplit_once('@').map_or(url, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::Ground;

    #[test]
    fn a_failure_of_a_gate_is_not_hidden_by_what_follows() {
        let cluster: ClusterName = "a.k8s.foo.bar".parse().unwrap();
        let record = |seq: u64, verdict: Verdict| Record {
            seq,
            at: Timestamp::from_millis(i64::try_from(seq).unwrap()),
            event: Event::Cluster(
                cluster.clone(),
                ClusterEvent::Answered {
                    scope: Scope::Cluster,
                    gate: "smoke".into(),
                    verdict,
                },
            ),
        };
        let words = |text: &str| Ground::Words(text.into());
        let records = [
            record(1, Verdict::Wait(words("not yet"))),
            record(2, Verdict::Fail(words("no"))),
            record(3, Verdict::Wait(words("again"))),
            record(4, Verdict::Pass(words("yes"))),
        ];
        let sections = of_records(&records);
        let said: Vec<(&str, &str)> = sections[0]
            .answers
            .iter()
            .map(|a| (a.verdict, a.evidence.as_str()))
            .collect();
        assert_eq!(said, [("failed", "no"), ("passed", "yes")]);
        assert_eq!(sections[0].in_short, "1 failed, 1 passed");
    }

    #[test]
    fn an_address_is_told_without_what_may_be_secret() {
        assert_eq!(
            bare("https://u:p@shop.foo.bar/healthz?token=x"),
            "shop.foo.bar/healthz"
        );
        let kind = GateKind::Command(vec!["./smoke.sh".into(), "--token=x".into()]);
        assert_eq!(question(&kind), "the command ./smoke.sh ends with 0");
    }
}
