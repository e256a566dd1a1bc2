//! What a rule found, and what it could not check. Decides nothing.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Date, RuleId, Severity, Waiver};
use crate::model::ClusterName;
use crate::yaml::Pos;

/// A place where a rule is broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The cluster.
    pub cluster: ClusterName,
    /// Where its document, or the field, stands in the rendered manifests; none for what is missing altogether.
    pub pos: Option<Pos>,
    /// The rule.
    pub rule: RuleId,
    /// The rule's severity, or the level that the fleet gives it.
    pub severity: Severity,
    /// The document, as `Kind/name`.
    pub subject: String,
    /// What is wrong, with the values that make it so.
    pub what: String,
}

/// A rule that lacks what it needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotChecked {
    /// The rule.
    pub rule: RuleId,
    /// The cluster; none: the whole fleet.
    pub cluster: Option<ClusterName>,
    /// What it would need.
    pub needs: &'static str,
}

/// A finding that somebody accepted, with the reason, until a day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waived {
    /// The finding.
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

/// Collects what one rule finds.
pub(super) struct Found {
    rule: RuleId,
    severity: Severity,
    pub(super) findings: Vec<Finding>,
    pub(super) not_checked: Vec<NotChecked>,
}

impl Found {
    pub(super) fn new(rule: RuleId, severity: Severity) -> Self {
        Found {
            rule,
            severity,
            findings: Vec::new(),
            not_checked: Vec::new(),
        }
    }

    pub(super) fn add(
        &mut self,
        cluster: &ClusterName,
        subject: String,
        pos: Option<Pos>,
        what: String,
    ) {
        self.findings.push(Finding {
            cluster: cluster.clone(),
            pos,
            rule: self.rule,
            severity: self.severity,
            subject,
            what,
        });
    }

    pub(super) fn needs(&mut self, cluster: Option<&ClusterName>, needs: &'static str) {
        self.not_checked.push(NotChecked {
            rule: self.rule,
            cluster: cluster.cloned(),
            needs,
        });
    }
}
