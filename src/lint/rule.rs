//! What a rule is: data that a person can read, and the function that checks it.

use std::fmt;

use serde::{Serialize, Serializer};

use super::facts::{ClusterFacts, FleetFacts, GroupFacts};
use super::finding::Found;

/// The id of a rule, such as `L05`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleId(pub(super) &'static str);

impl RuleId {
    /// As text.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// The rule of this id, in any letter case.
    ///
    /// # Errors
    /// When there is none.
    pub fn parse(text: &str) -> Result<RuleId, UnknownRule> {
        super::rules()
            .iter()
            .map(|r| r.id)
            .find(|id| id.0.eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownRule(text.to_owned()))
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl Serialize for RuleId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

/// There is no rule of that id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no lint rule `{0}`")]
pub struct UnknownRule(pub String);

/// How bad it is when a rule is broken.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// It has hurt others, under circumstances.
    Warning,
    /// It does not work, or it will take something down.
    Error,
}

impl Severity {
    /// As text.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// A rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// What has to hold, in one line.
    pub title: &'static str,
    /// How bad it is when it does not.
    pub severity: Severity,
    /// Why: what happened to those who broke it.
    pub story: &'static str,
    /// Where that is written down.
    pub source: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// What it looks at.
    pub(super) check: Check,
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Check {
    /// Every group of workers of every cluster.
    Workers(fn(&ClusterFacts, &GroupFacts<'_>, &mut Found)),
    /// Every cluster.
    Cluster(fn(&ClusterFacts, &mut Found)),
    /// The whole fleet.
    Fleet(fn(&FleetFacts, &mut Found)),
    /// Something that manifests do not hold.
    NotFromManifests(&'static str),
}

impl Rule {
    /// Adds what it finds.
    pub(super) fn apply(&self, fleet: &FleetFacts, found: &mut Found) {
        match self.check {
            Check::Workers(check) => {
                for cluster in &fleet.clusters {
                    for group in cluster.workers() {
                        check(cluster, &group, found);
                    }
                }
            }
            Check::Cluster(check) => fleet.clusters.iter().for_each(|c| check(c, found)),
            Check::Fleet(check) => check(fleet, found),
            Check::NotFromManifests(needs) => found.needs(None, needs),
        }
    }
}
