//! Rendered line → line of the template that made it, by rendering once more with marks in the text. Says nothing rather than something wrong.

use std::collections::BTreeMap;

/// Opens a mark; the line number follows in decimal.
const OPEN: char = '\u{f0000}';
/// Closes a mark.
const CLOSE: char = '\u{f0001}';

/// A line of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedLine {
    /// The template's file.
    pub template: String,
    /// The line in it, from 1. For text that came out of a snippet or a function, the line that called it.
    pub line: u32,
}

/// Where the lines of a rendered text come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace(BTreeMap<u32, TracedLine>);

impl Trace {
    /// The origin of a line of the rendered text (from 1).
    pub fn line(&self, line: u32) -> Option<&TracedLine> {
        self.0.get(&line)
    }

    pub(super) fn add(&mut self, template: &str, first_line: u32, lines: Vec<u32>) {
        self.0.extend((first_line..).zip(lines).map(|(at, line)| {
            (
                at,
                TracedLine {
                    template: template.to_owned(),
                    line,
                },
            )
        }));
    }
}

/// The template's text with a mark before the first thing each line prints; none when the text holds marks already.
pub(super) fn mark(text: &str) -> Option<String> {
    if text.contains([OPEN, CLOSE]) {
        return None;
    }
    let mut out = String::new();
    let mut rest = text;
    let (mut line, mut marked) = (1, false);
    while let Some(c) = rest.chars().next() {
        let tag = if c == '{' { tag_length(rest) } else { None };
        // A tag that prints is text; before one that trims or commands, a mark would stand in its way.
        let prints = tag.is_none() || rest.starts_with("{{") && !rest.starts_with("{{-");
        if prints && !marked && !c.is_whitespace() {
            out.push_str(&format!("{OPEN}{line}{CLOSE}"));
            marked = true;
        }
        let taken = rest.get(..tag.unwrap_or(c.len_utf8()))?;
        out.push_str(taken);
        let breaks = taken.matches('\n').count();
        if breaks > 0 {
            line += breaks;
            marked = false;
        }
        rest = rest.get(taken.len()..)?;
    }
    Some(out)
}

/// Where a tag of more than `limit` bytes begins. One that is not closed reaches to the end.
pub(super) fn long_tag(text: &str, limit: usize) -> Option<usize> {
    let mut at = 0;
    while let Some(open) = text.get(at..).and_then(|t| t.find('{')) {
        let start = at + open;
        let rest = text.get(start..).unwrap_or_default();
        let opens = rest.starts_with("{{") || rest.starts_with("{%");
        let length = tag_length(rest);
        // A raw block is long and harmless: only its first tag counts.
        let counted = if rest.starts_with("{%") {
            rest.find("%}").map_or(rest.len(), |i| i + 2)
        } else {
            length.unwrap_or(rest.len())
        };
        if opens && counted > limit {
            return Some(start);
        }
        at = start + length.unwrap_or(1);
    }
    None
}

/// The length of the tag that `text` begins with, delimiters included; a raw block is one tag. None when it begins with none.
pub(super) fn tag_length(text: &str) -> Option<usize> {
    let close = match text.get(..2)? {
        "{{" => "}}",
        "{%" => "%}",
        "{#" => return text.find("#}").map(|i| i + 2),
        _ => return None,
    };
    let mut quote = None;
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(2) {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if text.get(i..).is_some_and(|t| t.starts_with(close)) => {
                let end = i + 2;
                let inside = text.get(2..i)?.trim_matches(['-', '+', ' ']);
                return if close == "%}" && inside == "raw" {
                    raw_length(text, end)
                } else {
                    Some(end)
                };
            }
            None => {}
        }
    }
    None
}

fn raw_length(text: &str, from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let open = at + text.get(at..)?.find("{%")?;
        let end = open + text.get(open..)?.find("%}")? + 2;
        if text.get(open + 2..end - 2)?.trim_matches(['-', '+', ' ']) == "endraw" {
            return Some(end);
        }
        at = open + 2;
    }
}

/// The text without marks, and the template line of each of its lines.
pub(super) fn unmark(marked: &str) -> (String, Vec<u32>) {
    let mut lines = Vec::new();
    let mut plain = String::new();
    let mut current = 1;
    for rendered in marked.split_inclusive('\n') {
        let mut first = None;
        for (i, part) in rendered.split(OPEN).enumerate() {
            match part.split_once(CLOSE) {
                Some((number, text)) if i > 0 => {
                    current = number.parse().unwrap_or(current);
                    first.get_or_insert(current);
                    plain.push_str(text);
                }
                Some(_) | None => plain.push_str(part),
            }
        }
        lines.push(first.unwrap_or(current));
    }
    (plain, lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stand_where_they_change_nothing() {
        let show = |text: &str| mark(text).unwrap().replace(OPEN, "<").replace(CLOSE, ">");
        let cases = [
            ("a\n  b\n\nc", "<1>a\n  <2>b\n\n<4>c"),
            ("  {{ x }}: y\n", "  <1>{{ x }}: y\n"),
            (
                "{% if x %}\n  a\n{% endif %}\n",
                "{% if x %}\n  <2>a\n{% endif %}\n",
            ),
            ("{% if x %}a{% endif %}\n", "{% if x %}<1>a{% endif %}\n"),
            ("  {{- x }}b\n", "  {{- x }}<1>b\n"),
            ("{# a\n b #}\nc\n", "{# a\n b #}\n<3>c\n"),
            (
                "{{ \"%}}\" ~ '}}' }}x\n{{ a\n}}\n",
                "<1>{{ \"%}}\" ~ '}}' }}x\n<2>{{ a\n}}\n",
            ),
            (
                "{% raw %}\n{{ x }}\n{% endraw %}\nb\n",
                "{% raw %}\n{{ x }}\n{% endraw %}\n<4>b\n",
            ),
            ("{ a: {b} }\n{{ open", "<1>{ a: {b} }\n<2>{{ open"),
        ];
        for (text, expected) in cases {
            assert_eq!(show(text), expected);
        }
        assert_eq!(mark("\u{f0000}"), None);
    }
}
