//! What a rule found, and what it could not check. Decides nothing.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Serialize;

use super::date::Date;
use super::id::{RuleId, Severity};
use crate::model::ClusterName;
use crate::yaml::Pos;

/// A place where a rule is broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub cluster: ClusterName,
    /// Further clusters that it is about, where it is about several at once.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub others: BTreeSet<ClusterName>,
    /// Where its document, or the field, stands in the rendered manifests; none for what is missing altogether.
    pub pos: Option<Pos>,
    pub rule: RuleId,
    /// The rule's severity, or the level that the fleet gives it.
    pub severity: Severity,
    /// The document, as `Kind/name`.
    pub subject: String,
    /// What is wrong, with the values that make it so.
    pub what: String,
    /// The last day of the waiver that accepted it, where that has passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiver_ended: Option<Date>,
}

impl Finding {
    /// Whether a cluster is one of those that it is about.
    pub fn concerns(&self, cluster: &ClusterName) -> bool {
        self.cluster == *cluster || self.others.contains(cluster)
    }
}

/// A rule that lacks what it needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotChecked {
    pub rule: RuleId,
    /// The cluster; none: the whole fleet.
    pub cluster: Option<ClusterName>,
    /// What it would need.
    pub needs: Cow<'static, str>,
}

/// Collects what one rule finds.
#[derive(Clone, Debug)]
pub(super) struct RuleFindings {
    rule: RuleId,
    severity: Severity,
    pub(super) findings: Vec<Finding>,
    pub(super) not_checked: Vec<NotChecked>,
}

impl RuleFindings {
    pub(super) fn new(rule: RuleId, severity: Severity) -> Self {
        RuleFindings {
            rule,
            severity,
            findings: Vec::new(),
            not_checked: Vec::new(),
        }
    }

    /// Adds what the same rule has found elsewhere.
    pub(super) fn add_all(&mut self, others: &RuleFindings) {
        self.findings.extend_from_slice(&others.findings);
        self.not_checked.extend_from_slice(&others.not_checked);
    }

    pub(super) fn add(
        &mut self,
        cluster: &ClusterName,
        subject: String,
        pos: Option<Pos>,
        what: String,
    ) {
        self.add_shared((cluster, BTreeSet::new()), subject, pos, what);
    }

    /// As [`RuleFindings::add`], of a case that is less serious than the rule is, whatever the fleet says of the rule.
    pub(super) fn add_milder(
        &mut self,
        severity: Severity,
        cluster: &ClusterName,
        (subject, pos): (String, Option<Pos>),
        what: String,
    ) {
        self.add(cluster, subject, pos, what);
        if let Some(finding) = self.findings.last_mut() {
            finding.severity = finding.severity.min(severity);
        }
    }

    /// As [`RuleFindings::add`], of a cluster and others together.
    pub(super) fn add_shared(
        &mut self,
        (cluster, others): (&ClusterName, BTreeSet<ClusterName>),
        subject: String,
        pos: Option<Pos>,
        what: String,
    ) {
        self.findings.push(Finding {
            cluster: cluster.clone(),
            others,
            pos,
            rule: self.rule,
            severity: self.severity,
            subject,
            what,
            waiver_ended: None,
        });
    }

    /// As [`RuleFindings::needs`] of a cluster, where something is missing.
    pub(super) fn lacking(
        &mut self,
        cluster: &ClusterName,
        needs: Option<impl Into<Cow<'static, str>>>,
    ) {
        if let Some(needs) = needs {
            self.needs(Some(cluster), needs);
        }
    }

    pub(super) fn needs(
        &mut self,
        cluster: Option<&ClusterName>,
        needs: impl Into<Cow<'static, str>>,
    ) {
        self.not_checked.push(NotChecked {
            rule: self.rule,
            cluster: cluster.cloned(),
            needs: needs.into(),
        });
    }
}
