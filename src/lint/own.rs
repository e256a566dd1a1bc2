//! A team's own rules: read from their files, each with what a rule has. Reads no files itself; how they are evaluated is in `own_rule`.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::id::{RuleId, Severity};
use super::own_rule::{Over, OwnRule};
use super::rule::{Rule, RuleCheck};
use super::rules::{UnknownRule, rules};

/// The folder of a fleet in which they lie.
pub const POLICIES: &str = "policies";

/// A rule as it stands in its file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnRuleFile {
    id: String,
    title: String,
    severity: Severity,
    over: Over,
    /// Where it applies; none: everywhere.
    #[serde(default)]
    when: Option<String>,
    /// What has to be true.
    check: String,
    /// What is wrong where it is not.
    what: String,
    /// The field of a group's `spec` that a finding points at; none: the document.
    #[serde(default)]
    at: Option<String>,
    #[serde(default)]
    story: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    fix: String,
}

/// The rules of a team.
#[derive(Clone, Debug, Default)]
pub struct OwnRules {
    rules: Vec<Rule>,
}

/// What is wrong with a file of rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnRuleError {
    /// It is no list of rules.
    #[error("{file}: {why}")]
    Form {
        file: String,
        /// In the parser's words.
        why: String,
    },
    /// Its id is none.
    #[error("{file}: `{id}` is not an id: 3 to 16 capital letters, digits and `-`, a letter first")]
    Id { file: String, id: String },
    /// Another rule has its id.
    #[error("{file}: there is a rule {id} already")]
    Twice { file: String, id: String },
    /// An expression of it is not CEL.
    #[error("{file}: {id}, `{key}`: {why}")]
    Expression {
        file: String,
        id: String,
        /// `check` or `when`.
        key: &'static str,
        /// In the parser's words.
        why: String,
    },
}

impl OwnRules {
    /// Reads files of rules, each with its name.
    ///
    /// # Errors
    /// When one of them is not a list of rules, or a rule is not what it should be.
    pub fn read(files: &[(String, String)]) -> Result<OwnRules, OwnRuleError> {
        let mut known: BTreeSet<String> = rules().iter().map(|r| r.id.to_string()).collect();
        let mut own = Vec::new();
        for (file, text) in files {
            let written: Vec<OwnRuleFile> =
                serde_yaml::from_str(text).map_err(|e| OwnRuleError::Form {
                    file: file.clone(),
                    why: e.to_string(),
                })?;
            for rule in written {
                let (file, id) = (file.clone(), rule.id.clone());
                if !is_id(&id) {
                    return Err(OwnRuleError::Id { file, id });
                }
                if !known.insert(id.to_ascii_uppercase()) {
                    return Err(OwnRuleError::Twice { file, id });
                }
                own.push(rule.compiled(&file)?);
            }
        }
        own.sort_by_key(|r| r.id);
        Ok(OwnRules { rules: own })
    }

    /// Those that kfleet brings, and these.
    pub fn with_built_in(&self) -> Vec<Rule> {
        rules().iter().chain(&self.rules).copied().collect()
    }

    /// The rule of this id, in any letter case, one that kfleet brings or one of these.
    ///
    /// # Errors
    /// When no rule has this id.
    pub fn rule_id(&self, text: &str) -> Result<RuleId, UnknownRule> {
        super::rules::rule_id(text).or_else(|unknown| {
            let mut ids = self.rules.iter().map(|r| r.id);
            ids.find(|id| id.as_str().eq_ignore_ascii_case(text))
                .ok_or(unknown)
        })
    }
}

fn is_id(id: &str) -> bool {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
    (3..=16).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_uppercase())
        && id.chars().all(is_part)
}

impl OwnRuleFile {
    fn compiled(self, file: &str) -> Result<Rule, OwnRuleError> {
        let id = self.id.clone();
        let own = OwnRule::new(
            self.over,
            (self.when.as_deref(), &self.check),
            self.what,
            self.at,
        )
        .map_err(|(key, why)| OwnRuleError::Expression {
            file: file.to_owned(),
            id,
            key,
            why,
        })?;
        // A rule is data that is there as long as the program is; a fleet's own are read once.
        let kept = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
        Ok(Rule {
            id: RuleId(kept(self.id)),
            title: kept(self.title),
            severity: self.severity,
            reads: self.over.reads(),
            story: kept(self.story),
            source: kept(self.source),
            fix: kept(self.fix),
            check: RuleCheck::Own(Box::leak(Box::new(own))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<OwnRules, OwnRuleError> {
        OwnRules::read(&[("policies/a.yaml".to_owned(), text.to_owned())])
    }

    fn rule(id: &str, check: &str) -> String {
        format!(
            "- {{id: {id}, title: t, severity: error, over: cluster, check: '{check}', what: w}}\n"
        )
    }

    #[test]
    fn what_is_no_rule_is_refused_with_its_place() {
        assert!(read(&rule("ACME-1", "true")).is_ok());
        let why = |text: &str| read(text).unwrap_err().to_string();
        for (text, part) in [
            ("id: x", "policies/a.yaml: "),
            (rule("L01", "true").as_str(), "there is a rule L01 already"),
            (rule("acme", "true").as_str(), "is not an id"),
            (rule("ACME", "1 +").as_str(), "ACME, `check`: "),
            (rule("ACME", &"(".repeat(50)).as_str(), "nested deeper"),
            (rule("ACME", &"!".repeat(50)).as_str(), "nested deeper"),
            (rule("ACME", &"1 + ".repeat(600)).as_str(), "longer than"),
            ("- {id: ACME, colour: red}", "policies/a.yaml: "),
        ] {
            assert!(why(text).contains(part), "{text}: {}", why(text));
        }
        let twice = rule("ACME", "true") + &rule("ACME", "true");
        assert!(why(&twice).contains("there is a rule ACME already"));
    }
}
