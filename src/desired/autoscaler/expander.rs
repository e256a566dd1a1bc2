//! The priority expander's ConfigMap: the one in the manifests, else the one kops writes; and whether it does what it says.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;

use super::compiled::Compiled;
use super::re2::{self, NoRegex};
use super::{AutoscalerFinding, priorities};
use crate::kops::{InstanceGroup, Manifests, PriorityExpander, Role};
use crate::model::AsgName;

/// The only name that cluster-autoscaler looks for.
const NAME: &str = "cluster-autoscaler-priority-expander";
/// Where cluster-autoscaler runs, and looks.
const NAMESPACE: &str = "kube-system";

/// The priorities of groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Expander {
    /// Who writes the ConfigMap.
    pub source: ExpanderSource,
    /// `data.priorities` of the ConfigMap.
    pub text: String,
    /// The same, the highest first.
    pub priorities: Vec<Priority>,
}

/// Who writes the ConfigMap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ExpanderSource {
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
    /// The priority in which a group is: the highest whose patterns match it, of those that count.
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
            .filter(|priority| *priority >= LEAST)
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
    findings: &mut Vec<AutoscalerFinding>,
) -> Option<Expander> {
    let written = written(manifests, findings);
    let generated = priority_expander(manifests);
    if written.is_some() && generated.is_some() {
        findings.push(AutoscalerFinding::TwoExpanders);
    }
    let (source, text) = written
        .map(|t| (ExpanderSource::Manifests, t))
        .or_else(|| generated.map(|t| (ExpanderSource::Kops, t)))?;
    let names: Vec<&AsgName> = scaled
        .iter()
        .map(|c| &c.definition.auto_scaling_group.auto_scaling_group_name)
        .collect();
    let minor = autoscaler_minor(manifests);
    let priorities: Vec<Priority> = match priorities::read(&text) {
        Ok(entries) => {
            let mut refused = false;
            let mut checked: Vec<Priority> = Vec::new();
            for (priority, patterns) in entries {
                checked.push(check(
                    priority,
                    patterns,
                    &names,
                    minor,
                    &mut refused,
                    findings,
                ));
            }
            if refused {
                // One pattern that does not compile, and none of the text counts.
                for pattern in checked.iter_mut().flat_map(|p| &mut p.patterns) {
                    pattern.matches.clear();
                }
                return Some(Expander {
                    source,
                    text,
                    priorities: checked,
                });
            }
            checked
        }
        Err(problem) => {
            findings.push(AutoscalerFinding::Unreadable {
                problem: format!("{problem}; {}", without_priorities(minor)),
            });
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
    if minor.is_none_or(|m| m < ORDERED) {
        overlaps(&expander, &names, minor, findings);
    }
    let without = names
        .into_iter()
        .filter(|asg| expander.priority_of(asg).is_none());
    findings.extend(without.map(|asg| AutoscalerFinding::NoPriority { asg: asg.clone() }));
    Some(expander)
}

/// The release of cluster-autoscaler since which a priorities text that cannot be read is as good as none. Source: kubernetes/autoscaler#5246.
const FORGIVING: u32 = 26;
/// The release since which a group that several priorities match has the highest of them; before, any one. Source: the history of `priority.go`.
const ORDERED: u32 = 24;

/// N of cluster-autoscaler 1.N: of the add-on's image, else that of the cluster's Kubernetes, as kops takes it.
fn autoscaler_minor(manifests: &Manifests) -> Option<u32> {
    let spec = manifests.cluster.value.get("spec")?;
    let image = spec
        .pointer("/clusterAutoscaler/image")
        .and_then(Json::as_str)
        .and_then(|image| image.rsplit(':').next());
    let version = image.or_else(|| spec.get("kubernetesVersion").and_then(Json::as_str))?;
    let mut parts = version.trim_start_matches('v').split('.');
    (parts.next() == Some("1"))
        .then(|| parts.next()?.parse().ok())
        .flatten()
}

/// What cluster-autoscaler does without priorities, by its release.
fn without_priorities(minor: Option<u32>) -> &'static str {
    match minor {
        Some(minor) if minor < FORGIVING => "this cluster-autoscaler then scales up nothing at all",
        Some(_) => "cluster-autoscaler then takes any group, as if there were no priorities",
        None => "cluster-autoscaler then takes any group, and before 1.26 scales up nothing at all",
    }
}

/// Groups that more than one priority matches, where the release does not take the highest of them.
fn overlaps(
    expander: &Expander,
    names: &[&AsgName],
    minor: Option<u32>,
    findings: &mut Vec<AutoscalerFinding>,
) {
    // Of a release that is not known, the one that behaves is taken.
    if minor.is_none() {
        return;
    }
    for asg in names {
        let matching: Vec<i64> = expander
            .priorities
            .iter()
            .filter(|p| {
                p.patterns
                    .iter()
                    .any(|pattern| pattern.matches.contains(asg))
            })
            .map(|p| p.priority)
            .collect();
        if matching.len() > 1 {
            findings.push(AutoscalerFinding::SeveralPriorities {
                asg: (*asg).clone(),
                priorities: matching,
            });
        }
    }
}

/// `data.priorities` of the ConfigMap in the manifests.
fn written(manifests: &Manifests, findings: &mut Vec<AutoscalerFinding>) -> Option<String> {
    let named =
        |o: &&crate::kops::ManifestObject| o.kind == "ConfigMap" && o.name.as_deref() == Some(NAME);
    let right = |o: &&crate::kops::ManifestObject| o.namespace.as_deref() == Some(NAMESPACE);
    let all = manifests.others.iter().filter(named);
    let config_map = all.clone().find(right).or_else(|| all.clone().next())?;
    if !right(&config_map) {
        findings.push(AutoscalerFinding::Namespace {
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
        findings.push(AutoscalerFinding::Unreadable {
            problem: "it has no text under `data.priorities`".into(),
        });
    }
    text.map(str::to_owned)
}

/// A pattern of a priority, checked.
fn check(
    priority: i64,
    patterns: Vec<String>,
    names: &[&AsgName],
    minor: Option<u32>,
    refused: &mut bool,
    findings: &mut Vec<AutoscalerFinding>,
) -> Priority {
    if priority < LEAST {
        findings.push(AutoscalerFinding::NegativePriority { priority });
    }
    if patterns.is_empty() {
        findings.push(AutoscalerFinding::NoPatterns { priority });
    }
    let mut matches = |pattern: String| {
        let found: Vec<AsgName> = match re2::compile(&pattern) {
            Ok(regex) => names
                .iter()
                .filter(|name| regex.is_match(name.as_str()))
                .map(|name| (*name).clone())
                .collect(),
            Err(error) => {
                let problem = match &error {
                    NoRegex::Refused(_) => {
                        *refused = true;
                        format!("{error}; {}", without_priorities(minor))
                    }
                    NoRegex::Unknown(_) => error.to_string(),
                };
                findings.push(AutoscalerFinding::NoPattern {
                    priority,
                    pattern: pattern.clone(),
                    problem,
                });
                return Pattern {
                    pattern,
                    matches: Vec::new(),
                };
            }
        };
        if found.is_empty() {
            findings.push(AutoscalerFinding::MatchesNothing {
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

/// The least priority whose groups are ever chosen: the search for the highest begins at -1.
const LEAST: i64 = -1;
