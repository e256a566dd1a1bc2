//! The priority expander's ConfigMap: the one in the manifests, else the one kops writes; and whether it does what it says.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde::Serialize;
use serde_json::Value as Json;

use super::{Compiled, Finding};
use crate::kops::{InstanceGroup, Manifests, PriorityExpander, Role};
use crate::model::AsgName;
use crate::yaml::{self, Node};

/// The only name that cluster-autoscaler looks for.
const NAME: &str = "cluster-autoscaler-priority-expander";
/// Where cluster-autoscaler runs, and looks.
const NAMESPACE: &str = "kube-system";

/// The priorities of groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Expander {
    /// Who writes the ConfigMap.
    pub source: Source,
    /// `data.priorities` of the ConfigMap.
    pub text: String,
    /// The same, the highest first.
    pub priorities: Vec<Priority>,
}

/// Who writes the ConfigMap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// It is one of the manifests.
    Manifests,
    /// kops, for its own add-on.
    Kops,
}

/// A priority and its patterns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Priority {
    /// The higher, the sooner.
    pub priority: i64,
    /// Regular expressions, found anywhere in the name of an AutoScalingGroup.
    pub patterns: Vec<Pattern>,
}

/// A pattern and what it matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pattern {
    /// As written.
    pub pattern: String,
    /// The groups it matches.
    pub matches: Vec<AsgName>,
}

impl Expander {
    /// The priority in which a group is: the highest whose patterns match it.
    pub fn priority_of(&self, asg: &AsgName) -> Option<i64> {
        let matching = |p: &&Priority| {
            p.patterns
                .iter()
                .any(|pattern| pattern.matches.contains(asg))
        };
        self.priorities
            .iter()
            .filter(matching)
            .map(|p| p.priority)
            .max()
    }
}

/// `data.priorities` as kops writes it for its cluster-autoscaler add-on; none: kops writes none.
///
/// Priorities are sorted as strings, and only groups that say something about `autoscale` are in it: so does kops.
pub fn priority_expander(manifests: &Manifests) -> Option<String> {
    let entries = match manifests.cluster.autoscaler.as_ref()?.priorities.as_ref()? {
        PriorityExpander::Custom(entries) => entries.clone(),
        PriorityExpander::Groups => {
            let mut entries: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for group in manifests.groups.iter().filter(|g| has_entry(g)) {
                entries
                    .entry(group.autoscale_priority.to_string())
                    .or_default()
                    .push(format!("{}.{}", group.name, manifests.cluster.name));
            }
            entries
        }
    };
    let lines = entries.iter().flat_map(|(priority, names)| {
        std::iter::once(format!("{priority}:")).chain(names.iter().map(|n| format!("- {n}")))
    });
    Some(lines.collect::<Vec<_>>().join("\n"))
}

fn has_entry(group: &InstanceGroup) -> bool {
    group.role == Role::Node && group.autoscale.is_some()
}

/// The priorities in force, checked against the groups that are scaled.
pub(super) fn expander(
    manifests: &Manifests,
    scaled: &[Compiled<'_>],
    findings: &mut Vec<Finding>,
) -> Option<Expander> {
    let written = written(manifests, findings);
    let generated = priority_expander(manifests);
    if written.is_some() && generated.is_some() {
        findings.push(Finding::TwoExpanders);
    }
    let (source, text) = written
        .map(|t| (Source::Manifests, t))
        .or_else(|| generated.map(|t| (Source::Kops, t)))?;
    let names: Vec<&AsgName> = scaled
        .iter()
        .map(|c| &c.definition.auto_scaling_group.auto_scaling_group_name)
        .collect();
    let priorities = match read(&text) {
        Ok(entries) => entries
            .into_iter()
            .map(|(priority, patterns)| check(priority, patterns, &names, findings))
            .collect(),
        Err(problem) => {
            findings.push(Finding::Unreadable { problem });
            return Some(Expander {
                source,
                text,
                priorities: Vec::new(),
            });
        }
    };
    let expander = Expander {
        source,
        text,
        priorities,
    };
    let without = names
        .into_iter()
        .filter(|asg| expander.priority_of(asg).is_none());
    findings.extend(without.map(|asg| Finding::NoPriority { asg: asg.clone() }));
    Some(expander)
}

/// `data.priorities` of the ConfigMap in the manifests.
fn written(manifests: &Manifests, findings: &mut Vec<Finding>) -> Option<String> {
    let named = |o: &&crate::kops::Object| o.kind == "ConfigMap" && o.name.as_deref() == Some(NAME);
    let right = |o: &&crate::kops::Object| o.namespace.as_deref() == Some(NAMESPACE);
    let all = manifests.others.iter().filter(named);
    let config_map = all.clone().find(right).or_else(|| all.clone().next())?;
    if !right(&config_map) {
        findings.push(Finding::Namespace {
            namespace: config_map
                .namespace
                .clone()
                .unwrap_or_else(|| "default".into()),
        });
    }
    let text = config_map
        .value
        .pointer("/data/priorities")
        .and_then(Json::as_str);
    if text.is_none() {
        findings.push(Finding::Unreadable {
            problem: "it has no text under `data.priorities`".into(),
        });
    }
    text.map(str::to_owned)
}

/// Patterns by priority, the highest first. cluster-autoscaler refuses the whole text for one fault.
fn read(text: &str) -> Result<Vec<(i64, Vec<String>)>, String> {
    let root = yaml::parse_one(text, yaml::Schema::Core)
        .map_err(|e| format!("`data.priorities`, line {}", e.to_string().trim()))?;
    if root.entries().is_empty() {
        return Err(
            "`data.priorities` must be a mapping of priorities to lists of patterns".into(),
        );
    }
    let mut entries: Vec<(i64, Vec<String>)> = Vec::new();
    for (key, node) in root.entries() {
        let priority = key.text.parse().map_err(|_| {
            format!(
                "`data.priorities`: the priority `{}` is no whole number",
                key.text
            )
        })?;
        entries.push((
            priority,
            patterns(node).ok_or_else(|| {
                format!("`data.priorities`: priority {priority} must be a list of texts")
            })?,
        ));
    }
    entries.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
    Ok(entries)
}

fn patterns(node: &Node) -> Option<Vec<String>> {
    let texts: Vec<String> = node
        .items()
        .iter()
        .filter_map(Node::as_str)
        .map(str::to_owned)
        .collect();
    (!texts.is_empty() && texts.len() == node.items().len()).then_some(texts)
}

fn check(
    priority: i64,
    patterns: Vec<String>,
    names: &[&AsgName],
    findings: &mut Vec<Finding>,
) -> Priority {
    let mut matches = |pattern: String| {
        let found: Vec<AsgName> = match Regex::new(&pattern) {
            Ok(regex) => names
                .iter()
                .filter(|name| regex.is_match(name.as_str()))
                .map(|name| (*name).clone())
                .collect(),
            Err(error) => {
                findings.push(Finding::NoPattern {
                    priority,
                    pattern: pattern.clone(),
                    problem: error.to_string(),
                });
                return Pattern {
                    pattern,
                    matches: Vec::new(),
                };
            }
        };
        if found.is_empty() {
            findings.push(Finding::MatchesNothing {
                priority,
                pattern: pattern.clone(),
            });
        }
        Pattern {
            pattern,
            matches: found,
        }
    };
    Priority {
        priority,
        patterns: patterns.into_iter().map(&mut matches).collect(),
    }
}
