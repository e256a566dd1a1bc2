//! Go template syntax in a template of this fleet: people bring it from kops, Helm and Terraform. Knows only what such tags look like.

/// What to write instead.
pub(super) const HINT: &str = "this is Go template syntax; here it is {{ nodes.min }}, {% if spot %} ... {% elif %} ... {% else %} ... {% endif %}, {% for zone in zones %} ... {% endfor %}, {{ min | default(3) }}, {{ name | quote }}, {{ include(\"image\") }}, {% set min = 3 %} and {# a comment #}";

/// Words that begin a command in Go.
const COMMANDS: [&str; 10] = [
    "if", "else", "end", "range", "with", "define", "template", "block", "break", "continue",
];

/// Words between two operands here; anything else between two operands is a call as Go writes it.
const OPERATORS: [&str; 7] = ["and", "or", "not", "in", "is", "if", "else"];

/// The first tag of a line that is written as Go would have it.
pub(super) fn tag(line: &str) -> Option<&str> {
    let mut rest = line;
    while let Some(open) = rest.find("{{") {
        let tail = rest.get(open..)?;
        let end = tail.find("}}").map_or(tail.len(), |i| i + 2);
        let tag = tail.get(..end)?;
        if is_go(inside(tag)) {
            return Some(tag);
        }
        rest = tail.get(end..)?;
    }
    None
}

fn inside(tag: &str) -> &str {
    let inner = tag.strip_prefix("{{").unwrap_or(tag);
    let inner = inner.strip_suffix("}}").unwrap_or(inner);
    inner.trim_start_matches('-').trim_end_matches('-').trim()
}

fn is_go(inner: &str) -> bool {
    if inner.starts_with("/*") {
        return true;
    }
    let words = words(inner);
    let first = words.first().copied().unwrap_or_default();
    // `if` inside of an expression has something before it.
    if COMMANDS.contains(&first) {
        return true;
    }
    words.iter().any(|word| is_field(word)) || inner.contains(":=") || calls(&words)
}

/// `.nodes.min`, `$min`, `.`: a value as Go writes it.
fn is_field(word: &str) -> bool {
    let rest = word.trim_start_matches('(');
    match rest.chars().next() {
        Some('$') => true,
        Some('.') => !rest
            .get(1..)
            .unwrap_or_default()
            .starts_with(|c: char| c.is_ascii_digit()),
        Some(_) | None => false,
    }
}

/// Two operands side by side: `default 3 x`, `include "image"`, `x | default 3`.
fn calls(words: &[&str]) -> bool {
    let name = |word: &&str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
            && !OPERATORS.contains(word)
    };
    let operand = |word: &&str| {
        name(word)
            || word.starts_with(['"', '\'', '`', '('])
            || word.starts_with(|c: char| c.is_ascii_digit())
    };
    words
        .iter()
        .zip(words.iter().skip(1))
        .any(|(left, right)| name(left) && operand(right))
}

/// The words of an expression; what stands in quotes is one.
fn words(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = None;
    let mut quote = None;
    for (i, c) in text.char_indices() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c.is_whitespace() => {
                if let Some(from) = start.take() {
                    found.extend(text.get(from..i));
                }
                continue;
            }
            None if matches!(c, '"' | '\'' | '`') => quote = Some(c),
            None => {}
        }
        start.get_or_insert(i);
    }
    if let Some(from) = start {
        found.extend(text.get(from..));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_is_told_from_what_is_written_here() {
        for line in [
            "minSize: {{ .nodes.min }}",
            "{{ if .spot }}",
            "{{- range .zones }}",
            "{{ end }}",
            "{{- else -}}",
            "{{ with .x }}",
            "{{ define \"x\" }}",
            "minSize: {{ $min }}",
            "{{ $min := 3 }}",
            "minSize: {{ default 3 .min }}",
            "minSize: {{ default 3 min }}",
            "minSize: {{ .min | default 3 }}",
            "minSize: {{ min | default 3 }}",
            "image: {{ include \"image\" . }}",
            "x: {{ template \"x\" . }}",
            "x: {{ printf \"%s-a\" name }}",
            "x: {{ quote name }}",
            "x: {{ name | quote | indent 4 }}",
            "{{/* a comment */}}",
            "{{- /* a comment */ -}}",
            "a: {{ fine }} b: {{ .x }}",
            "x: {{ index .zones 0 }}",
            "x: {{ (index .zones 0) }}",
        ] {
            assert!(tag(line).is_some(), "{line}");
        }
        for line in [
            "minSize: {{ nodes.min }}",
            "{{ a if b else c }}",
            "{{ not a and b or c }}",
            "{{ x | default(3) }}",
            "{{ include(\"image\") }}",
            "{{ a ~ \" if .x \" ~ b }}",
            "{{ .5 + x }}",
            "{{ zones[0] }}",
            "{{ x is defined }}",
            "{{ x in y }}",
            "{{- x -}}",
            "{{ a + b }}",
            "no tag",
        ] {
            assert_eq!(tag(line), None, "{line}");
        }
    }
}
