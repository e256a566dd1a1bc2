//! What became of the Go templates of a fleet → text.

use std::collections::BTreeMap;

use similar::TextDiff;

use super::wording::count;
use crate::model::ClusterName;

/// How a document of the translation compares with that of the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alike {
    /// Byte for byte.
    Identical,
    /// The same values, with other blanks or comments.
    SameMeaning,
    /// Other values.
    Differs,
}

/// What became of one template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateOutcome {
    /// It is translated.
    Translated {
        /// Documents that are the same, byte for byte.
        identical: usize,
        /// Documents that say the same.
        same_meaning: usize,
        /// Documents that differ, and the first difference: its cluster, the text before and now.
        differs: usize,
        /// The first that differs: its cluster, and how.
        first: Option<(ClusterName, String)>,
    },
    /// It is translated, and the translation cannot be rendered: why.
    Fails(String),
    /// It stays in Go: places, and what has no translation there. Of a snippet too.
    Stays(Vec<(String, String)>),
}

impl Default for TemplateOutcome {
    fn default() -> Self {
        TemplateOutcome::Translated {
            identical: 0,
            same_meaning: 0,
            differs: 0,
            first: None,
        }
    }
}

/// Lines of a difference that are shown.
const SHOWN: usize = 24;

impl TemplateOutcome {
    /// Whether its translation can take its place.
    pub fn is_good(&self) -> bool {
        match self {
            TemplateOutcome::Translated { differs, .. } => *differs == 0,
            TemplateOutcome::Fails(_) | TemplateOutcome::Stays(_) => false,
        }
    }

    /// Adds a document of a cluster.
    pub fn add(&mut self, cluster: &ClusterName, alike: Alike, before: &str, after: &str) {
        let TemplateOutcome::Translated {
            identical,
            same_meaning,
            differs,
            first,
        } = self
        else {
            return;
        };
        match alike {
            Alike::Identical => *identical += 1,
            Alike::SameMeaning => *same_meaning += 1,
            Alike::Differs => {
                *differs += 1;
                first.get_or_insert_with(|| (cluster.clone(), difference(before, after)));
            }
        }
    }
}

fn difference(before: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    let text = diff.unified_diff().context_radius(2).to_string();
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines.iter().take(SHOWN);
    let mut out: Vec<String> = shown.map(|line| format!("    {line}")).collect();
    if lines.len() > SHOWN {
        out.push(format!("    … {} more lines", lines.len() - SHOWN));
    }
    out.join("\n")
}

/// Every template with what became of it, by path.
pub fn migration_text(outcomes: &BTreeMap<String, TemplateOutcome>) -> String {
    let mut out = Vec::new();
    for (path, outcome) in outcomes {
        match outcome {
            TemplateOutcome::Translated {
                identical,
                same_meaning,
                differs,
                first,
            } => {
                out.push(format!(
                    "{path}: {} identical, {same_meaning} with the same meaning, {differs} different",
                    count(*identical, "document")
                ));
                if let Some((cluster, difference)) = first {
                    out.push(format!("  {cluster}:\n{difference}"));
                }
            }
            TemplateOutcome::Fails(why) => {
                out.push(format!("{path}: the translation does not render: {why}"));
            }
            TemplateOutcome::Stays(left) => {
                out.push(format!("{path}: stays in Go, as this has no translation:"));
                out.extend(left.iter().map(|(at, what)| format!("  {at}: {what}")));
            }
        }
    }
    out.join("\n") + "\n"
}
