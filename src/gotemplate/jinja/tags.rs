//! The tags of a Go template, in their order, and how each is written in Jinja: its delimiters and what becomes of the blanks around it. Knows no words.

use std::ops::Range;

use super::super::lex::{TokenKind, tokens};
use super::construct::JinjaStyle;

/// A tag, with its delimiters.
#[derive(Clone, Debug)]
pub(super) struct JinjaTag {
    pub(super) range: Range<usize>,
    /// It takes the blanks before it away.
    left: bool,
    /// It takes the blanks behind it away.
    right: bool,
    /// The tag before it takes all away that is between them.
    joined: bool,
    /// What stands in it.
    pub(super) inside: String,
}

/// All tags but comments.
pub(super) fn all(text: &str) -> Vec<JinjaTag> {
    let mut found = Vec::new();
    let mut open = None;
    for token in tokens(text) {
        if token.kind == TokenKind::Open {
            open = Some(token.range.start);
        }
        if token.kind != TokenKind::Close {
            continue;
        }
        let Some(start) = open.take() else { continue };
        let rest = text.get(token.range.start..).unwrap_or_default();
        let end = token.range.start + rest.find("}}").map_or(rest.len(), |at| at + 2);
        let whole = text.get(start..end).unwrap_or_default();
        let (left, right) = (whole.starts_with("{{- "), whole.ends_with(" -}}"));
        let joined = found.last().is_some_and(|before: &JinjaTag| {
            let between = text.get(before.range.end..start).unwrap_or_default();
            before.right && between.trim().is_empty()
        });
        let inside = whole
            .trim_start_matches("{{")
            .trim_end_matches("}}")
            .trim_start_matches("- ")
            .trim_end_matches(" -")
            .trim();
        found.push(JinjaTag {
            range: start..end,
            left,
            right,
            joined,
            inside: inside.to_owned(),
        });
    }
    found
}

impl JinjaTag {
    /// Its first word.
    pub(super) fn word(&self) -> &str {
        self.inside.split_whitespace().next().unwrap_or_default()
    }

    /// Whether it goes on with another condition.
    pub(super) fn chains(&self) -> bool {
        let mut words = self.inside.split_whitespace();
        words.next() == Some("else") && words.next().is_some()
    }

    /// Something that is printed.
    pub(super) fn printed(&self, expression: &str) -> String {
        let open = if self.left { "{{-" } else { "{{" };
        let close = if self.right { "-}}" } else { "}}" };
        format!("{open} {expression} {close}")
    }

    /// A command. Jinja lets the line of a command that stands alone vanish; a sign of its own keeps what Go would keep.
    pub(super) fn command(&self, words: &str, text: &str, style: JinjaStyle) -> String {
        let before = text.get(..self.range.start).unwrap_or_default();
        let before = before.rsplit('\n').next().unwrap_or_default();
        let after = text.get(self.range.end..).unwrap_or_default();
        let ends_line = after.is_empty() || after.starts_with(['\n', '\r']);
        let alone = ends_line && before.trim().is_empty() && !self.joined;
        let (left, right) = match style {
            JinjaStyle::Exact => (
                if self.left { "-" } else { "+" },
                if self.right { "-" } else { "+" },
            ),
            JinjaStyle::Plain if alone && !self.right => ("", ""),
            JinjaStyle::Plain => {
                let indents = !before.is_empty() && before.trim().is_empty();
                let left = match (self.left, indents) {
                    (true, _) => "-",
                    (false, true) => "+",
                    (false, false) => "",
                };
                let keeps = ends_line && (self.left || self.joined);
                let right = match (self.right, keeps) {
                    (true, _) => "-",
                    (false, true) => "+",
                    (false, false) => "",
                };
                (left, right)
            }
        };
        format!("{{%{left} {words} {right}%}}")
    }
}

/// What stands between tags: comments as Jinja has them, and what would be a tag there as text.
pub(super) fn between(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        let Some(end) = rest.get(at..).and_then(|r| r.find("}}")) else {
            break;
        };
        out.push_str(&plain(rest.get(..at).unwrap_or_default()));
        let comment = rest.get(at..at + end + 2).unwrap_or_default();
        let words = comment
            .trim_matches(['{', '}', '-', ' '])
            .trim_start_matches("/*")
            .trim_end_matches("*/")
            .replace("#}", "# }");
        let left = if comment.starts_with("{{-") { "-" } else { "" };
        let right = if comment.ends_with("-}}") { "-" } else { "" };
        out.push_str(&format!("{{#{left} {} {right}#}}", words.trim()));
        rest = rest.get(at + end + 2..).unwrap_or_default();
    }
    out.push_str(&plain(rest));
    out
}

fn plain(text: &str) -> String {
    text.replace("{%", r#"{{ "{%" }}"#)
        .replace("{#", r##"{{ "{#" }}"##)
}
