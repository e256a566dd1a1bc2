//! Where a var or a document comes from → text, JSON. The values of vars are the answer here, so they are printed. Finds nothing out by itself.

use serde::Serialize;
use serde_json::Value as Json;

use super::wording::{count, plain};

/// Where one value of a cluster comes from, and what it does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ValueStory {
    /// Its dotted path, e.g. `spot_nodes.4x_32Gb.max`.
    pub path: String,
    pub value: Json,
    /// `file:line` that set it.
    pub set_in: String,
    /// What it replaced, the nearest first.
    pub overrode: Vec<Replaced>,
    /// Templates and snippets that read it.
    pub read_by: Vec<String>,
    /// Rendered lines it wrote.
    pub writes: Vec<WrittenLine>,
}

/// A value of an earlier layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replaced {
    /// What it was.
    pub value: Json,
    /// `file:line` that set it.
    pub set_in: String,
}

/// A line of a cluster's `manifests.yaml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WrittenLine {
    /// Its number, from 1.
    pub line: u32,
    pub text: String,
}

/// Where a document comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DocumentStory {
    /// `Kind/name` or `Kind/namespace/name`.
    pub document: String,
    /// The template that made it.
    pub template: String,
    /// Its first and last line in the cluster's `manifests.yaml`.
    pub lines: (u32, u32),
    /// Vars it would not be the same without: path, and `file:line`.
    pub vars: Vec<VarInput>,
    /// Snippets it would not be the same without.
    pub snippets: Vec<String>,
}

/// A var that a document depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VarInput {
    /// Its dotted path.
    pub path: String,
    /// `file:line` that set it.
    pub set_in: String,
}

/// Values for people; `rendered` is the path of the rendered file.
pub fn values_text(stories: &[ValueStory], rendered: &str) -> String {
    let blocks: Vec<String> = stories
        .iter()
        .map(|story| value_text(story, rendered))
        .collect();
    blocks.join("\n")
}

fn value_text(story: &ValueStory, rendered: &str) -> String {
    let mut out = format!("{} = {}\n", plain(&story.path), value(&story.value));
    out.push_str(&format!("  set in     {}\n", plain(&story.set_in)));
    for (i, replaced) in story.overrode.iter().enumerate() {
        let label = if i == 0 { "overrides" } else { "" };
        out.push_str(&format!(
            "  {label:<10} {} of {}\n",
            value(&replaced.value),
            plain(&replaced.set_in)
        ));
    }
    match story.read_by.as_slice() {
        [] => out.push_str("  read by    no template of this cluster\n"),
        readers => out.push_str(&listed("read by", readers)),
    }
    out.push_str(&written_lines(&story.writes, rendered));
    out
}

/// The rendered lines that come of a value.
fn written_lines(lines: &[WrittenLine], rendered: &str) -> String {
    if lines.is_empty() {
        return "  writes     no line by itself\n".into();
    }
    let head = format!(
        "  writes     {} of {rendered}\n",
        count(lines.len(), "line")
    );
    let written = lines
        .iter()
        .map(|l| format!("    {:>5} | {}\n", l.line, plain(&l.text)));
    head + &written.collect::<String>()
}

/// A document for people; `rendered` is the path of the rendered file.
pub fn document_text(story: &DocumentStory, rendered: &str) -> String {
    let (first, last) = story.lines;
    let mut out = format!(
        "{}\n  made by    {}\n  lines      {first} to {last} of {rendered}\n",
        plain(&story.document),
        plain(&story.template)
    );
    let width = story
        .vars
        .iter()
        .map(|v| v.path.chars().count())
        .max()
        .unwrap_or(0);
    let vars: Vec<String> = story
        .vars
        .iter()
        .map(|v| format!("{:<width$}  {}", v.path, v.set_in))
        .collect();
    out.push_str(&listed("vars", &vars));
    out.push_str(&listed("snippets", &story.snippets));
    out
}

fn listed(label: &str, items: &[String]) -> String {
    if items.is_empty() {
        return format!("  {label:<10} none\n");
    }
    items
        .iter()
        .enumerate()
        .map(|(i, item)| {
            format!(
                "  {:<10} {}\n",
                if i == 0 { label } else { "" },
                plain(item)
            )
        })
        .collect()
}

/// As it would be written in one line of YAML, short of quotes.
fn value(value: &Json) -> String {
    match value {
        Json::String(text) if !text.is_empty() => plain(text),
        Json::String(_)
        | Json::Null
        | Json::Bool(_)
        | Json::Number(_)
        | Json::Array(_)
        | Json::Object(_) => plain(&value.to_string()),
    }
}
