//! Two texts → the lines that differ, with a few around them. Knows nothing of what they mean.

use serde::{Serialize, Serializer};
use similar::{ChangeTag, TextDiff};

/// Unchanged lines shown around a difference.
const CONTEXT: usize = 3;

/// Lines that differ, close to each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hunk {
    /// The line of the first of them in the old text, from 1.
    pub before: usize,
    /// The line of the first of them in the new text, from 1.
    pub after: usize,
    /// The lines, unchanged ones among them.
    pub lines: Vec<Line>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which text has it.
    pub sign: Sign,
    /// The line, without its end.
    pub text: String,
}

/// Which of two texts has a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// It stands in both texts.
    Same,
    /// The old one.
    Removed,
    /// The new one.
    Added,
}

impl Sign {
    /// As diffs write it.
    pub fn mark(self) -> char {
        match self {
            Sign::Same => ' ',
            Sign::Removed => '-',
            Sign::Added => '+',
        }
    }
}

impl Serialize for Line {
    /// As in a diff: the sign, then the line.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}{}", self.sign.mark(), self.text))
    }
}

/// What differs between two texts whose first lines have these numbers.
pub(super) fn hunks(before: (&str, usize), after: (&str, usize)) -> Vec<Hunk> {
    let diff = TextDiff::from_lines(before.0, after.0);
    let mut hunks = Vec::new();
    for ops in diff.grouped_ops(CONTEXT) {
        let Some(first) = ops.first() else { continue };
        let (old, new) = (first.old_range().start, first.new_range().start);
        let changes = ops.iter().flat_map(|op| diff.iter_changes(op));
        let lines = changes.map(|change| Line {
            sign: match change.tag() {
                ChangeTag::Equal => Sign::Same,
                ChangeTag::Delete => Sign::Removed,
                ChangeTag::Insert => Sign::Added,
            },
            text: change.value().trim_end_matches(['\n', '\r']).to_owned(),
        });
        hunks.push(Hunk {
            before: before.1 + old,
            after: after.1 + new,
            lines: lines.collect(),
        });
    }
    hunks
}

/// How alike two texts are: 1 for equal, 0 for nothing in common.
pub(super) fn likeness(a: &str, b: &str) -> f64 {
    f64::from(TextDiff::from_lines(a, b).ratio())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, after: &str) -> String {
        let show = |hunk: Hunk| {
            let lines: String = hunk
                .lines
                .iter()
                .map(|l| format!("{}{}\n", l.sign.mark(), l.text))
                .collect();
            format!("@@ {} {}\n{lines}", hunk.before, hunk.after)
        };
        hunks((before, 10), (after, 20))
            .into_iter()
            .map(show)
            .collect()
    }

    #[test]
    fn lines_that_differ_are_shown_with_their_surroundings() {
        assert_eq!(check("a\nb\n", "a\nb\n"), "");
        assert_eq!(
            check("a\nb\nc\nd\ne\nf\n", "a\nb\nc\nd\ne\ng\n"),
            "@@ 12 22\n c\n d\n e\n-f\n+g\n"
        );
        assert_eq!(check("", "a\nb\n"), "@@ 10 20\n+a\n+b\n");
        let long = |first: &str, last: &str| format!("{first}\n1\n2\n3\n4\n5\n6\n7\n8\n{last}\n");
        assert_eq!(
            check(&long("a", "x"), &long("b", "y")),
            "@@ 10 20\n-a\n+b\n 1\n 2\n 3\n@@ 16 26\n 6\n 7\n 8\n-x\n+y\n"
        );
    }
}
