//! Findings of lint that keep a plan from being rolled out → lines, by rule, the worst first. A fleet with hundreds of them still gets a plan that
//! can be read: some of each rule are shown, the rest is counted.

use std::collections::{BTreeMap, BTreeSet};

use super::style::{Style, Tone};
use super::wording::{count, list, plain};
use crate::lint::{Date, Finding, RuleId, Severity};
use crate::model::ClusterName;

/// Faults of one rule that are shown.
const SHOWN_OF_A_RULE: usize = 3;

/// Rules of which faults are shown. More than that is not read in a terminal.
const SHOWN_RULES: usize = 5;

/// Places of one fault that are named.
const NAMED_PLACES: usize = 3;

/// Why a rollout does not begin.
pub fn blocked_by_lint(findings: &[Finding]) -> String {
    let faults = shortened(&by_rule(findings), findings.len());
    format!(
        "lint does not let this be rolled out: {}",
        faults.join("; ")
    )
}

/// A line for each fault that is shown.
pub(super) fn blocking_lines(findings: &[Finding], style: Style) -> Vec<String> {
    let head = style.paint(Tone::Bad, "lint blocks a rollout:");
    let rules = by_rule(findings);
    let faults = if style.full {
        rules
            .iter()
            .flat_map(|(rule, faults)| texts(*rule, faults, usize::MAX))
            .collect()
    } else {
        shortened(&rules, findings.len())
    };
    faults
        .iter()
        .map(|fault| format!("{head} {fault}"))
        .collect()
}

/// What is wrong, when its waiver ended, and where.
type Faults<'f> = BTreeMap<(&'f str, Option<Date>), Vec<&'f Finding>>;

/// Each rule with its faults, the worst first: each fault once, with all places where it was found.
fn by_rule(findings: &[Finding]) -> Vec<((Severity, RuleId), Faults<'_>)> {
    let mut rules: BTreeMap<(Severity, RuleId), Faults<'_>> = BTreeMap::new();
    for finding in findings {
        let faults = rules.entry((finding.severity, finding.rule)).or_default();
        let fault = (finding.what.as_str(), finding.waiver_ended);
        faults.entry(fault).or_default().push(finding);
    }
    rules.into_iter().rev().collect()
}

/// Some of each rule, and how many more there are.
fn shortened(rules: &[((Severity, RuleId), Faults<'_>)], findings: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for ((severity, rule), faults) in rules.iter().take(SHOWN_RULES) {
        lines.extend(texts((*severity, *rule), faults, NAMED_PLACES).take(SHOWN_OF_A_RULE));
        let left: Vec<&Finding> = faults
            .values()
            .skip(SHOWN_OF_A_RULE)
            .flatten()
            .copied()
            .collect();
        if !left.is_empty() {
            let said = format!("{rule} {}: {}", severity.as_str(), and_more(&left));
            lines.push(said);
        }
    }
    let left = rules.iter().skip(SHOWN_RULES);
    let others: Vec<String> = left
        .map(|((_, rule), faults)| {
            let found: usize = faults.values().map(Vec::len).sum();
            format!("{rule} ({found})")
        })
        .collect();
    if !others.is_empty() {
        let more = count(others.len(), "more rule");
        lines.push(format!("{more}: {}", others.join(", ")));
    }
    let is_long = |faults: &Faults<'_>| {
        faults.len() > SHOWN_OF_A_RULE || faults.values().any(|found| found.len() > NAMED_PLACES)
    };
    let is_shortened = !others.is_empty() || rules.iter().any(|(_, faults)| is_long(faults));
    if is_shortened {
        lines.push(format!(
            "{} in all, of {}; `kfleet lint` shows each of them",
            count(findings, "finding"),
            count(rules.len(), "rule")
        ));
    }
    lines
}

fn and_more(left: &[&Finding]) -> String {
    let clusters: BTreeSet<&ClusterName> = left.iter().map(|f| &f.cluster).collect();
    format!(
        "{} in {}",
        count(left.len(), "more finding"),
        count(clusters.len(), "cluster")
    )
}

fn texts<'f>(
    (severity, rule): (Severity, RuleId),
    faults: &'f Faults<'_>,
    named: usize,
) -> impl Iterator<Item = String> + 'f {
    faults.iter().map(move |((what, ended), found)| {
        let ended = ended.map_or(String::new(), |day| format!(" (its waiver ended on {day})"));
        format!(
            "{rule} {}: {}: {}{ended}",
            severity.as_str(),
            plain(what),
            list(found.iter().map(|finding| place(finding)), named)
        )
    })
}

fn place(finding: &Finding) -> String {
    let Finding {
        cluster,
        others: _,
        pos: _,
        rule: _,
        severity: _,
        subject,
        what: _,
        waiver_ended: _,
    } = finding;
    if *subject == format!("Cluster/{cluster}") {
        cluster.to_string()
    } else {
        format!("{} of {cluster}", plain(subject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::rules;

    fn findings(of_rules: usize, of_each: usize) -> Vec<Finding> {
        let cluster = |n: usize| ClusterName::try_from(format!("prod-{n}.k8s.foo.bar")).unwrap();
        let rules = rules().iter().take(of_rules);
        rules
            .flat_map(|rule| {
                (0..of_each).map(move |n| Finding {
                    cluster: cluster(n % 4),
                    others: Default::default(),
                    pos: None,
                    rule: rule.id,
                    severity: Severity::Error,
                    subject: format!("InstanceGroup/pool-{n}"),
                    what: format!("fault {n:03}"),
                    waiver_ended: None,
                })
            })
            .collect()
    }

    #[test]
    fn few_findings_are_shown_each() {
        let few = findings(1, 3);
        let lines = blocking_lines(&few, Style::default());
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines.iter().all(|line| !line.contains("more")), "{lines:?}");
    }

    #[test]
    fn very_many_findings_are_counted_by_rule() {
        let many = findings(12, 200);
        let lines = blocking_lines(&many, Style::default());
        // Three and a count for each of five rules, the other rules, and the sum.
        assert_eq!(lines.len(), 5 * 4 + 2, "{lines:?}");
        let is_said = |part: &str| lines.iter().any(|line| line.ends_with(part));
        assert!(is_said(": 197 more findings in 4 clusters"), "{lines:?}");
        assert!(
            lines.iter().any(|line| line.contains("7 more rules: ")),
            "{lines:?}"
        );
        assert!(
            is_said("2400 findings in all, of 12 rules; `kfleet lint` shows each of them"),
            "{lines:?}"
        );
        assert!(blocked_by_lint(&many).len() < 3_000);
    }

    #[test]
    fn all_findings_are_shown_on_request() {
        let full = Style {
            full: true,
            ..Style::default()
        };
        let lines = blocking_lines(&findings(12, 200), full);
        assert_eq!(lines.len(), 2400);
    }
}
