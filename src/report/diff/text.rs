//! The effect of a change of git as text for people: the summary last.

use super::super::field;
use super::super::plan_text::fields;
use super::super::style::{Style, Tone};
use super::super::wording::count;
use super::Compared;
use super::fold::{DiffSubject, Sample, blocks};
use super::item::{diff, heading, words};
use super::summary::Numbers;
use crate::fleet::Stage;
use crate::impact::{Impact, Presence};

/// Lines of text of one item that are shown without `full`.
const LINES: usize = 40;
/// The same for a document that comes or goes whole.
const WHOLE: usize = 12;

/// The effect for a terminal or a log. `stages` gives the order of clusters.
pub fn diff_text(impact: &Impact, stages: &[Stage], compared: &Compared, style: Style) -> String {
    if impact.is_empty() {
        return format!(
            "no difference between {} and {}\nlooked at {}\n",
            compared.since,
            compared.until,
            count(impact.compared, "cluster")
        );
    }
    let mut out = Vec::new();
    for block in blocks(impact, stages) {
        out.push(style.paint(Tone::Head, &heading(&block, style)));
        for item in &block.items {
            out.extend(words(&block, item, style));
            let most = match &item.shape.what {
                DiffSubject::Document {
                    presence: Presence::Added | Presence::Removed,
                    ..
                } => WHOLE,
                DiffSubject::Document {
                    presence: Presence::Changed,
                    ..
                }
                | DiffSubject::ClusterAdded(_)
                | DiffSubject::ClusterRemoved(_)
                | DiffSubject::Facts
                | DiffSubject::Layout
                | DiffSubject::Group { .. } => LINES,
            };
            out.extend(
                item.sample
                    .iter()
                    .flat_map(|sample| text(sample, most, style)),
            );
        }
        out.push(String::new());
    }
    if !impact.settings.is_empty() {
        out.push(style.paint(Tone::Head, "fleet.yaml: how changes are rolled out"));
        out.extend(fields(
            &field::document_lines(&impact.settings),
            false,
            style,
        ));
        out.push(String::new());
    }
    out.push(style.paint(Tone::Head, "summary"));
    out.extend(
        Numbers::of(impact)
            .lines()
            .into_iter()
            .map(|line| format!("  {line}")),
    );
    out.push(format!(
        "compared {} with {}",
        compared.since, compared.until
    ));
    format!("{}\n", out.join("\n"))
}

fn text(sample: &Sample<'_>, most: usize, style: Style) -> Vec<String> {
    let lines = diff(sample, style);
    let most = if style.full { usize::MAX } else { most };
    let mut out: Vec<String> = lines
        .iter()
        .take(most)
        .map(|line| format!("      {line}"))
        .collect();
    if let Some(left) = lines.len().checked_sub(most).filter(|n| *n > 0) {
        out.push(format!(
            "      … and {} (--verbose shows all)",
            count(left, "more line")
        ));
    }
    out
}
