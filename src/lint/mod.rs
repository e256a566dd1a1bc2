//! Rules that production taught, over manifests and definitions → findings. Rules are data with code; asks no cloud, reads no files, waives nothing by itself.
//!
//! `facts`: what a rule can look at; `rule`: what a rule is; `rules`: the rules, one file a theme; `own`: a team's; `settings`: levels and waivers;
//! `report`: what came of it. A rule that lacks the data it needs says so and is counted; it never passes silently.

mod answer;
mod date;
mod facts;
mod finding;
mod id;
mod outcome;
mod own;
mod own_rule;
mod rule;
mod rules;
mod settings;

pub use answer::{FieldAnswer, answers};
pub use date::{Date, DateError};
pub use facts::{ClusterFacts, FleetFacts, FleetWide};
pub use finding::{Finding, NotChecked};
pub use id::{RuleId, Severity};
pub use outcome::{Report, Waived, unused_waivers};
pub use own::{OwnRuleError, OwnRules, POLICIES};
pub use rule::Rule;
pub use rules::{UnknownRule, rule_id, rules};
pub use settings::{Level, LintSettings, PolicyError, Waiver};

use std::collections::BTreeMap;

use finding::RuleFindings;

/// Has the rules that look at no other cluster look at this one, and lets go of what only they look at: a fleet of a thousand clusters does not fit
/// otherwise. The report is then made by the same rules and settings.
pub fn look_ahead(
    rules: &[Rule],
    cluster: &mut ClusterFacts,
    around: FleetWide<'_>,
    settings: &LintSettings,
) {
    let mut looked = BTreeMap::new();
    for rule in rules.iter().filter(|rule| rule.looks_at_one()) {
        if let Some(severity) = settings.severity(rule) {
            let mut found = RuleFindings::new(rule.id, severity);
            rule.look(cluster, around, &mut found);
            looked.insert(rule.id, found);
        }
    }
    cluster.looked = Some(looked);
    cluster.let_go();
}

/// Applies every rule to every cluster; findings sorted by cluster, place and rule.
///
/// `today`: a waiver that has expired by then waives nothing.
pub fn lint(fleet: &FleetFacts, settings: &LintSettings, today: Date) -> Report {
    lint_by(rules(), fleet, settings, today)
}

/// As [`lint`], by these rules.
pub fn lint_by(rules: &[Rule], fleet: &FleetFacts, settings: &LintSettings, today: Date) -> Report {
    let mut report = Report::default();
    for rule in rules {
        let Some(severity) = settings.severity(rule) else {
            report.switched_off.insert(rule.id);
            continue;
        };
        let mut found = RuleFindings::new(rule.id, severity);
        rule.apply(fleet, &mut found);
        for mut finding in found.findings {
            match settings.waiver(&finding, today) {
                Some(waiver) => report.waived.push(Waived {
                    finding,
                    reason: waiver.reason.clone(),
                    until: waiver.until,
                }),
                None => {
                    finding.waiver_ended = settings.ended(&finding, today);
                    report.findings.push(finding);
                }
            }
        }
        report.not_checked.extend(found.not_checked);
    }
    report.rules = rules.len();
    report.expired = settings.expired(today);
    report.findings.sort();
    report.waived.sort();
    report.not_checked.sort();
    report.not_checked.dedup();
    report
}
