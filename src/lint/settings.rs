//! Levels and waivers of a fleet: which rules count how much, and what is accepted for a while. Parses no files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::date::{Date, DateError};
use super::finding::Finding;
use super::id::{RuleId, Severity};
use super::own::OwnRules;
use super::rule::Rule;
use super::rules::UnknownRule;
use crate::fleet::{LintPolicy, LintWaiver};
use crate::model::ClusterName;

/// How much a rule counts in this fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Not at all.
    Off,
    /// As a note.
    Note,
    /// As a warning.
    Warning,
    /// As an error.
    Error,
}

/// A finding that is accepted for a while, with a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiver {
    pub rule: RuleId,
    /// Where; none: in every cluster.
    pub cluster: Option<ClusterName>,
    /// For which document, as `Kind/name` or the name alone; none: for all.
    pub subject: Option<String>,
    /// Why it is accepted.
    pub reason: String,
    /// The last day on which it is.
    pub until: Date,
}

/// Levels and waivers of a fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LintSettings {
    /// Levels by rule, where they are not the rule's own.
    pub levels: BTreeMap<RuleId, Level>,
    /// What is accepted.
    pub waivers: Vec<Waiver>,
    /// From which severity on a finding blocks a rollout of its cluster; none: none does.
    pub block: Option<Severity>,
}

impl LintSettings {
    /// How much a rule counts; none: it is off.
    pub(super) fn severity(&self, rule: &Rule) -> Option<Severity> {
        match self.levels.get(&rule.id) {
            None => Some(rule.severity),
            Some(level) => level.severity(),
        }
    }

    /// The waiver that covers a finding today.
    pub(super) fn waiver(&self, finding: &Finding, today: Date) -> Option<&Waiver> {
        self.waivers
            .iter()
            .find(|w| w.until >= today && w.covers(finding))
    }

    /// When the last of the waivers that covered a finding ended, where none does today.
    pub(super) fn ended(&self, finding: &Finding, today: Date) -> Option<Date> {
        let ended = self.waivers.iter().filter(|w| w.until < today);
        ended.filter(|w| w.covers(finding)).map(|w| w.until).max()
    }

    /// Waivers whose last day has passed.
    pub(super) fn expired(&self, today: Date) -> Vec<Waiver> {
        self.waivers
            .iter()
            .filter(|w| w.until < today)
            .cloned()
            .collect()
    }
}

impl Waiver {
    pub(super) fn covers(&self, finding: &Finding) -> bool {
        let Waiver {
            rule,
            cluster,
            subject,
            reason: _,
            until: _,
        } = self;
        let named = |s: &String| {
            *s == finding.subject
                || finding
                    .subject
                    .split_once('/')
                    .is_some_and(|(_, name)| name == s)
        };
        *rule == finding.rule
            && cluster.as_ref().is_none_or(|c| *c == finding.cluster)
            && subject.as_ref().is_none_or(named)
    }
}

/// What `fleet.yaml` says of lint and cannot mean.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A rule that there is not.
    #[error("lint: {0}")]
    Rule(#[from] UnknownRule),
    /// A day that there is not.
    #[error("lint, the waiver of {rule}: {error}")]
    Date {
        rule: String,
        /// Why it is not a day.
        error: DateError,
    },
    /// A level that there is not.
    #[error("lint: `{0}` is not a level; off, note, warning and error are")]
    Level(String),
}

impl LintSettings {
    /// What `fleet.yaml` says, its names checked; it may name a team's own rules too.
    ///
    /// # Errors
    /// When it names a rule, a level or a day that there is not.
    pub fn of(policy: &LintPolicy, own: &OwnRules) -> Result<LintSettings, PolicyError> {
        let LintPolicy {
            levels,
            waivers,
            block,
        } = policy;
        let levels = levels
            .iter()
            .map(|(id, level)| Ok((own.rule_id(id)?, Level::parse(level)?)))
            .collect::<Result<_, PolicyError>>()?;
        let waivers = waivers
            .iter()
            .map(|written| waiver(written, own))
            .collect::<Result<_, PolicyError>>()?;
        let block = block.as_deref().map(Level::parse).transpose()?;
        Ok(LintSettings {
            levels,
            waivers,
            block: block.and_then(Level::severity),
        })
    }
}

impl Level {
    /// As findings have it; none: off.
    fn severity(self) -> Option<Severity> {
        match self {
            Level::Off => None,
            Level::Note => Some(Severity::Note),
            Level::Warning => Some(Severity::Warning),
            Level::Error => Some(Severity::Error),
        }
    }

    fn parse(text: &str) -> Result<Level, PolicyError> {
        match text {
            "off" => Ok(Level::Off),
            "note" => Ok(Level::Note),
            "warning" => Ok(Level::Warning),
            "error" => Ok(Level::Error),
            _ => Err(PolicyError::Level(text.to_owned())),
        }
    }
}

fn waiver(written: &LintWaiver, own: &OwnRules) -> Result<Waiver, PolicyError> {
    let LintWaiver {
        rule,
        cluster,
        subject,
        reason,
        until,
    } = written;
    let until = Date::try_from(until.clone()).map_err(|error| PolicyError::Date {
        rule: rule.clone(),
        error,
    })?;
    Ok(Waiver {
        rule: own.rule_id(rule)?,
        cluster: cluster.clone(),
        subject: subject.clone(),
        reason: reason.clone(),
        until,
    })
}
