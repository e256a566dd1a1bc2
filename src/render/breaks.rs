//! Line breaks behind tags. A tag on a line of its own takes its line break along; one that ends a line with text in it would glue the next line
//! to that text, so there the line break is kept. The text keeps its length: places in it stay true.

use std::ops::Range;

use super::trace::tag_length;

/// What a tag ends a line of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// Blanks, comments and commands.
    Nothing,
    /// Something that is printed.
    Text,
}

/// The text in which tags that end a line with text keep the line break: `%}` becomes `+%}` in the room of the blank before it.
///
/// # Errors
/// The place of a tag that has no blank there.
pub(super) fn kept(text: &str) -> Result<String, Range<usize>> {
    let mut out = String::with_capacity(text.len());
    let mut before = Before::Nothing;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|r| !r.is_empty()) {
        let tag = if rest.starts_with('{') {
            tag_length(rest)
        } else {
            None
        };
        let Some(length) = tag else {
            let c = rest.chars().next().unwrap_or_default();
            if c == '\n' {
                before = Before::Nothing;
            } else if !c.is_whitespace() {
                before = Before::Text;
            }
            out.push(c);
            at += c.len_utf8();
            continue;
        };
        let source = rest.get(..length).unwrap_or_default();
        let command = !source.starts_with("{{");
        let ends_line = rest
            .get(length..)
            .is_some_and(|r| r.starts_with(['\n', '\r']));
        if command && ends_line && before == Before::Text {
            out.push_str(&keeping(source).ok_or(at..at + length)?);
        } else {
            out.push_str(source);
        }
        if source.starts_with("{{") || source.contains("endraw") {
            before = Before::Text;
        }
        at += length;
    }
    Ok(out)
}

/// The tag with a `+` before its end; as it is when it says itself what becomes of the line break. None: there is no room.
fn keeping(tag: &str) -> Option<String> {
    let close = tag.len().checked_sub(2)?;
    let (inside, end) = tag.split_at_checked(close)?;
    if inside.ends_with(['-', '+']) {
        return Some(tag.to_owned());
    }
    let shorter = inside.strip_suffix(' ')?;
    Some(format!("{shorter}+{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_text_keeps_its_break() {
        for (text, expected) in [
            (
                "{% if x %}\na\n{% endif %}\n",
                "{% if x %}\na\n{% endif %}\n",
            ),
            ("a{% if x %}b{% endif %}\n", "a{% if x %}b{% endif+%}\n"),
            ("a: {% if x %}\n  b\n", "a: {% if x+%}\n  b\n"),
            ("a {# note #}\nb\n", "a {# note+#}\nb\n"),
            ("{{ a }}{% endif %}\r\n", "{{ a }}{% endif+%}\r\n"),
            ("  {% if x %}{# c #}\n", "  {% if x %}{# c #}\n"),
            (
                "a{% endif -%}\nb{% endif +%}\n",
                "a{% endif -%}\nb{% endif +%}\n",
            ),
            ("a{% endif %} b\n", "a{% endif %} b\n"),
            ("a{% endif %}", "a{% endif %}"),
            (
                "{% raw %}{{ x }}{% endraw %}\n",
                "{% raw %}{{ x }}{% endraw %}\n",
            ),
        ] {
            assert_eq!(kept(text).as_deref(), Ok(expected), "{text:?}");
        }
        assert_eq!(kept("a{%endif%}\n"), Err(1..10));
    }
}
