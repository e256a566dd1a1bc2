//! The effect of a change of git as markdown for the comment of a pull request, within the size that hosts of git take. No diff is cut.

use super::super::field;
use super::super::markdown::{MARKDOWN_LIMIT, escape, longest_run};
use super::super::plan_text::fields;
use super::super::style::Style;
use super::super::wording::count;
use super::Compared;
use super::fold::{Block, blocks};
use super::item::{diff, heading, words};
use super::summary::Numbers;
use crate::fleet::Stage;
use crate::impact::Impact;

/// Bytes kept back for the lines that say how much was left out.
const RESERVE: usize = 400;

const CLOSE: &str = "</details>\n";

/// The effect as a comment: the summary, then each set of clusters folded away. At most [`MARKDOWN_LIMIT`] bytes: a diff, or a change, that does not fit
/// is left out whole and counted.
pub fn diff_markdown(impact: &Impact, stages: &[Stage], compared: &Compared) -> String {
    let (since, until) = (escape(&compared.since), escape(&compared.until));
    if impact.is_empty() {
        return format!(
            "**no difference** between {since} and {until} in {}\n",
            count(impact.compared, "cluster")
        );
    }
    let mut comment = Comment {
        out: format!("### Effect on clusters: {since} → {until}\n\n"),
        diffs: 0,
        changes: 0,
    };
    comment.out.extend(
        Numbers::of(impact)
            .lines()
            .iter()
            .map(|line| format!("- {line}\n")),
    );
    comment.out.push('\n');
    if !impact.settings.is_empty() {
        comment.settings(&fields(
            &field::document_lines(&impact.settings),
            false,
            Style::default(),
        ));
    }
    comment.blocks(&blocks(impact, stages));
    comment.end()
}

/// A comment that grows as long as there is room.
struct Comment {
    out: String,
    /// Diffs left out.
    diffs: usize,
    /// Changes left out.
    changes: usize,
}

/// A change as it will stand in the comment.
struct Piece {
    words: String,
    /// Empty when it has none, or no room.
    diff: String,
}

impl Comment {
    fn room(&self) -> usize {
        MARKDOWN_LIMIT.saturating_sub(self.out.len() + RESERVE)
    }

    /// What changes comes before how its text looks: diffs get the room that all the words leave.
    fn blocks(&mut self, blocks: &[Block<'_>]) {
        let mut room = self.room();
        let mut chosen = Vec::new();
        for block in blocks {
            let open = open(&heading(block, Style::default()));
            let (pieces, used) = self.words(block, room.saturating_sub(open.len() + CLOSE.len()));
            if !pieces.is_empty() {
                room = room.saturating_sub(open.len() + used + CLOSE.len());
                chosen.push((open, pieces));
            }
        }
        for (open, pieces) in chosen {
            self.out.push_str(&open);
            for Piece { words, diff } in pieces {
                self.out.push_str(&words);
                if diff.len() <= room {
                    room -= diff.len();
                    self.out.push_str(&diff);
                } else {
                    self.diffs += 1;
                }
            }
            self.out.push_str(CLOSE);
        }
    }

    /// The changes of a block whose words fit, and how much room they take.
    fn words(&mut self, block: &Block<'_>, room: usize) -> (Vec<Piece>, usize) {
        let (mut pieces, mut used) = (Vec::new(), 0);
        for item in &block.items {
            let words = fenced("text", &words(block, item, Style::default()));
            if used + words.len() <= room {
                used += words.len();
                let diff = item
                    .sample
                    .map(|sample| fenced("diff", &diff(&sample, Style::default())))
                    .unwrap_or_default();
                pieces.push(Piece { words, diff });
            } else {
                self.changes += item.names.len() * block.clusters.len();
            }
        }
        (pieces, used)
    }

    fn settings(&mut self, lines: &[String]) {
        let item = format!(
            "{}{}{CLOSE}",
            open("fleet.yaml: how changes are rolled out"),
            fenced("text", lines)
        );
        if item.len() <= self.room() {
            self.out.push_str(&item);
        } else {
            self.changes += lines.len();
        }
    }

    fn end(mut self) -> String {
        let parts = [(self.changes, "change"), (self.diffs, "diff")];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, noun)| count(n, noun))
            .collect();
        if !parts.is_empty() {
            let parts = parts.join(" and ");
            self.out.push_str(&format!("\n**{parts} left out here for size**: `kfleet diff` as text or JSON has all of them.\n"));
        }
        self.out
    }
}

fn open(heading: &str) -> String {
    format!("<details><summary>{}</summary>\n\n", escape(heading))
}

/// A block of code whose fence is longer than any in it.
fn fenced(language: &str, lines: &[String]) -> String {
    let text = lines.join("\n");
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    format!("{fence}{language}\n{text}\n{fence}\n\n")
}
