//! How kops cuts a text into documents, which is not how YAML does: at lines that are exactly `---`, and of each section it reads the first document.
//!
//! Source: kops, `util/pkg/text` (split at `\n---\n`, CRLF made LF before); every section is decoded as one document, so what comes after
//! `--- # spot` or `...` is dropped without a word, and a section of comments alone is refused.

use super::Pos;

/// A place where kops and a YAML parser part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OddSection {
    /// A line that begins a document for YAML and not for kops: what follows is dropped.
    Separator,
    /// `...` ends a document for YAML; what follows without `---` is dropped.
    End,
    /// A section with comments at most, which kops refuses.
    Empty,
    /// A directive (`%YAML`), which kops does not read as such.
    Directive,
}

impl OddSection {
    /// What it means to kops, as a sentence without its end.
    pub fn reason(self) -> &'static str {
        match self {
            OddSection::Separator => {
                "kops takes only `---` alone on a line for a separator, and drops the document that begins here"
            }
            OddSection::End => {
                "kops reads nothing after `...`, and drops what follows up to the next `---`"
            }
            OddSection::Empty => {
                "there is no document in this section, only comments at most: kops refuses such a file"
            }
            OddSection::Directive => "kops knows no YAML directives, and refuses such a file",
        }
    }
}

/// A line of a text, as far as documents are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line<'t> {
    /// `---`, and what stands behind it.
    Marker(&'t str),
    /// `...`
    End,
    /// `%YAML 1.2`
    Directive,
    /// Nothing or a comment.
    Blank,
    /// Anything else.
    Content,
}

/// Markers stand at the beginning of a line, also inside of quotes and block scalars: YAML knows nothing else there.
fn line(text: &str) -> Line<'_> {
    let text = text.trim_end_matches(['\n', '\r']);
    if let Some(rest) = text.strip_prefix("---")
        && (rest.is_empty() || rest.starts_with([' ', '\t']))
    {
        return Line::Marker(rest);
    }
    if let Some(rest) = text.strip_prefix("...")
        && (rest.is_empty() || rest.starts_with([' ', '\t']))
    {
        return Line::End;
    }
    let trimmed = text.trim_start();
    if text.starts_with('%') {
        Line::Directive
    } else if trimmed.is_empty() || trimmed.starts_with('#') {
        Line::Blank
    } else {
        Line::Content
    }
}

/// Where kops would read another set of documents than YAML does.
pub fn odd_sections(text: &str) -> Vec<(Pos, OddSection)> {
    let mut found = Vec::new();
    let mut seen = Seen::default();
    for (number, raw) in (1..).zip(text.split_inclusive('\n')) {
        let pos = Pos {
            line: number,
            column: 1,
        };
        match line(raw) {
            Line::Marker(rest) => {
                if seen.any_line && !seen.content && rest.is_empty() {
                    found.push((seen.from, OddSection::Empty));
                }
                // Before the first document there is nothing to separate, whatever stands on the line.
                if !rest.is_empty() && (seen.before || seen.content) {
                    found.push((pos, OddSection::Separator));
                }
                seen = Seen {
                    from: pos,
                    any_line: true,
                    content: rest.trim_start().starts_with(|c| c != '#'),
                    ended: false,
                    before: seen.before || seen.content,
                };
            }
            Line::End => seen.ended = true,
            Line::Directive if !seen.content => found.push((pos, OddSection::Directive)),
            Line::Directive | Line::Content => {
                if seen.ended {
                    found.push((pos, OddSection::End));
                    seen.ended = false;
                }
                seen.content = true;
                seen.any_line = true;
            }
            Line::Blank => seen.any_line = seen.any_line || !raw.trim().is_empty(),
        }
    }
    if seen.any_line && !seen.content {
        found.push((seen.from, OddSection::Empty));
    }
    found
}

/// What a section has shown so far.
struct Seen {
    from: Pos,
    any_line: bool,
    content: bool,
    /// `...` was there, and nothing after it yet.
    ended: bool,
    /// There is a document before this section.
    before: bool,
}

impl Default for Seen {
    fn default() -> Self {
        Seen {
            from: Pos { line: 1, column: 1 },
            any_line: false,
            content: false,
            ended: false,
            before: false,
        }
    }
}

/// A text in which kops reads the documents that YAML does, and the line of the original (from 0) for each of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Separated {
    pub text: String,
    /// The original's line, from 0, of each line.
    pub lines: Vec<usize>,
}

/// The same documents with separators that are exactly `---`: what stands behind one moves to a line of its own, a separator that would leave
/// a section of comments goes, so that these belong to the document that follows (or, at the end, to the one before).
pub fn separated(text: &str) -> Separated {
    let mut sections: Vec<Section<'_>> = vec![Section::default()];
    let mut ended = false;
    for (number, raw) in text.split_inclusive('\n').enumerate() {
        match line(raw) {
            Line::Marker(rest) => {
                sections.push(Section {
                    marker: Some(number),
                    ..Section::default()
                });
                ended = false;
                let rest = rest.trim();
                if let (false, Some(section)) = (rest.is_empty(), sections.last_mut()) {
                    section.content = !rest.starts_with('#');
                    section.lines.push((number, rest, "\n"));
                }
            }
            Line::End => ended = true,
            kind @ (Line::Directive | Line::Blank | Line::Content) => {
                if ended && kind != Line::Blank {
                    sections.push(Section {
                        marker: Some(number),
                        ..Section::default()
                    });
                    ended = false;
                }
                if let Some(section) = sections.last_mut() {
                    section.content |= kind != Line::Blank;
                    section.lines.push((number, raw, ""));
                }
            }
        }
    }
    assemble(sections)
}

#[derive(Default)]
struct Section<'t> {
    /// The line of the separator before it.
    marker: Option<usize>,
    /// The number, text and what is added to the text.
    lines: Vec<(usize, &'t str, &'static str)>,
    /// Whether it holds a document.
    content: bool,
}

fn assemble(sections: Vec<Section<'_>>) -> Separated {
    let mut out = Separated {
        text: String::new(),
        lines: Vec::new(),
    };
    // Whether a document was written since the last separator.
    let mut document = false;
    let leading = sections
        .get(1)
        .is_some_and(|s| s.marker == Some(0) && sections.iter().any(|s| s.content));
    if leading {
        out.text.push_str("---\n");
        out.lines.push(0);
    }
    let mut waiting: Vec<(usize, &str, &'static str)> = Vec::new();
    for section in sections {
        if !section.content {
            waiting.extend(section.lines);
            continue;
        }
        if document {
            out.text.push_str("---\n");
            out.lines.push(section.marker.unwrap_or_default());
        }
        document = true;
        for (number, text, added) in waiting.drain(..).chain(section.lines) {
            out.text.push_str(text);
            out.text.push_str(added);
            out.lines.push(number);
        }
        if !out.text.ends_with('\n') {
            out.text.push('\n');
        }
    }
    for (number, text, added) in waiting {
        out.text.push_str(text);
        out.text.push_str(added);
        out.lines.push(number);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odd(text: &str) -> String {
        odd_sections(text)
            .into_iter()
            .map(|(pos, odd)| format!("{}{odd:?}", pos.line))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn what_kops_drops_or_refuses_is_found() {
        for (text, expected) in [
            ("a: 1\n---\nb: 2\n", ""),
            ("---\na: 1\n---\nb: 2\n", ""),
            ("--- # first\na: 1\n", ""),
            ("a: 1\n--- # spot\nb: 2\n", "2Separator"),
            ("a: 1\n--- \nb: 2\n", "2Separator"),
            ("a: 1\n---\t\nb: 2\n", "2Separator"),
            ("a: 1\r\n---\r\nb: 2\r\n", ""),
            ("# head\n---\na: 1\n", "1Empty"),
            ("a: 1\n---\n# tail\n", "2Empty"),
            ("a: 1\n---\n", "2Empty"),
            ("a: 1\n---\n---\nb: 2\n", "2Empty"),
            ("a: 1\n...\nb: 2\n", "3End"),
            ("a: 1\n...\n---\nb: 2\n", ""),
            ("%YAML 1.2\n---\na: 1\n", "1Directive"),
            ("a: |\n  ---\n  # x\nb: '--- #'\n", ""),
            ("# comments alone\n", "1Empty"),
            ("", ""),
        ] {
            assert_eq!(odd(text), expected, "{text:?}");
        }
    }

    #[test]
    fn separators_are_made_plain_and_empty_sections_go() {
        for (text, expected, lines) in [
            ("a: 1\n---\nb: 2\n", "a: 1\n---\nb: 2\n", "0 1 2"),
            ("---\na: 1\n", "---\na: 1\n", "0 1"),
            (
                "a: 1\n--- # spot\nb: 2\n",
                "a: 1\n---\n# spot\nb: 2\n",
                "0 1 1 2",
            ),
            ("a: 1\n---  \nb: 2\n", "a: 1\n---\nb: 2\n", "0 1 2"),
            ("a: 1\n--- {b: 2}\n", "a: 1\n---\n{b: 2}\n", "0 1 1"),
            ("# head\n---\na: 1\n", "# head\na: 1\n", "0 2"),
            ("a: 1\n---\n# tail\n", "a: 1\n# tail\n", "0 2"),
            (
                "a: 1\n---\n# mid\n---\nb: 2\n",
                "a: 1\n---\n# mid\nb: 2\n",
                "0 3 2 4",
            ),
            ("a: 1\n---\n---\nb: 2\n", "a: 1\n---\nb: 2\n", "0 2 3"),
            ("a: 1\n---\n", "a: 1\n", "0"),
            ("a: 1\n...\nb: 2\n", "a: 1\n---\nb: 2\n", "0 2 2"),
            ("a: 1\n...\n---\nb: 2\n", "a: 1\n---\nb: 2\n", "0 2 3"),
            ("# alone\n", "# alone\n", "0"),
        ] {
            let made = separated(text);
            let numbers: Vec<String> = made.lines.iter().map(ToString::to_string).collect();
            assert_eq!(
                (made.text.as_str(), numbers.join(" ")),
                (expected, lines.to_owned()),
                "{text:?}"
            );
            let odd = odd_sections(&made.text);
            assert!(odd.is_empty() || text == "# alone\n", "{text:?}: {odd:?}");
        }
    }
}
