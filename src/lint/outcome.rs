//! Everything that came of the rules: what is wrong, what is accepted, what could not be checked. Decides nothing.

use std::collections::BTreeSet;

use serde::Serialize;

use super::date::Date;
use super::finding::{Finding, NotChecked};
use super::id::{RuleId, Severity};
use super::settings::{LintSettings, Waiver};

/// A finding that was accepted, with the reason, until a day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waived {
    pub finding: Finding,
    /// Why it is accepted.
    pub reason: String,
    /// The last day on which it is.
    pub until: Date,
}

/// Everything that came of the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// How many rules there are.
    pub rules: usize,
    /// Rules that the fleet switched off.
    pub switched_off: BTreeSet<RuleId>,
    /// What is wrong and not waived.
    pub findings: Vec<Finding>,
    /// What is wrong and accepted.
    pub waived: Vec<Waived>,
    /// What could not be checked.
    pub not_checked: Vec<NotChecked>,
    /// Waivers whose last day has passed.
    pub expired: Vec<Waiver>,
}

impl Report {
    /// How many findings are at least this severe.
    pub fn count_at_least(&self, severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|f| f.severity >= severity)
            .count()
    }
}

/// Waivers that cover nothing of a report: what they were for is mended, or they name something wrong.
pub fn unused_waivers<'s>(settings: &'s LintSettings, report: &Report) -> Vec<&'s Waiver> {
    let used = |w: &Waiver| report.waived.iter().any(|done| w.covers(&done.finding));
    settings
        .waivers
        .iter()
        .filter(|w| !used(w) && !report.expired.contains(w))
        .collect()
}
