//! Regular expressions with Go's syntax.

use regex_lite::Regex;

use super::super::call::{CallArguments, Entry, Result, Running, Trouble};
use super::super::value::{List, Value};
use super::bounds::sized;

pub(super) const TABLE: &[Entry] = &[
    ("regexMatch", "ss", |_, a| {
        Ok(Value::Bool(compiled(a.text(0))?.is_match(a.text(1))))
    }),
    ("mustRegexMatch", "ss", |_, a| {
        Ok(Value::Bool(compiled(a.text(0))?.is_match(a.text(1))))
    }),
    ("regexFind", "ss", find),
    ("mustRegexFind", "ss", find),
    ("regexFindAll", "ssi", find_all),
    ("mustRegexFindAll", "ssi", find_all),
    ("regexSplit", "ssi", split),
    ("mustRegexSplit", "ssi", split),
    ("regexReplaceAll", "sss", |_, a| replaced(a, true)),
    ("mustRegexReplaceAll", "sss", |_, a| replaced(a, true)),
    ("regexReplaceAllLiteral", "sss", |_, a| replaced(a, false)),
    ("mustRegexReplaceAllLiteral", "sss", |_, a| {
        replaced(a, false)
    }),
    ("regexQuoteMeta", "s", |_, a| {
        Ok(Value::text(literal(a.text(0))))
    }),
];

fn compiled(pattern: &str) -> std::result::Result<Regex, Trouble> {
    Regex::new(&translated(pattern))
        .map_err(|e| Trouble::Said(format!("error parsing regexp: {e}")))
}

/// `\Q…\E` is Go's alone; the rest of its syntax is shared.
fn translated(pattern: &str) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find('\\') {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at..).unwrap_or_default();
        if let Some(quoted) = rest.strip_prefix("\\Q") {
            let (inside, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
            out.push_str(&literal(inside));
            rest = after;
        } else {
            let length = 1 + rest.chars().nth(1).map_or(0, char::len_utf8);
            out.push_str(rest.get(..length).unwrap_or_default());
            rest = rest.get(length..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn find(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let pattern = compiled(a.text(0))?;
    Ok(Value::text(
        pattern.find(a.text(1)).map_or("", |m| m.as_str()),
    ))
}

/// At most so many; all of them when that is negative.
fn limit(n: i64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// The matches, as Go finds them: an empty one right behind another does not count.
fn matches(pattern: &Regex, text: &str) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for m in pattern.find_iter(text) {
        let behind = found.last().is_some_and(|(_, end)| *end == m.start());
        if !(m.range().is_empty() && behind) {
            found.push((m.start(), m.end()));
        }
    }
    found
}

fn find_all(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let pattern = compiled(a.text(0))?;
    let text = a.text(1);
    let found = matches(&pattern, text).into_iter().take(limit(a.number(2)));
    Ok(Value::List(List::texts(
        found.filter_map(|(s, e)| text.get(s..e)),
    )))
}

fn split(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let pattern = compiled(a.text(0))?;
    let (text, most) = (a.text(1), limit(a.number(2)));
    if most == 0 {
        return Ok(Value::List(List::texts(Vec::<String>::new())));
    }
    if !a.text(0).is_empty() && text.is_empty() {
        return Ok(Value::List(List::texts([""])));
    }
    let mut pieces = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for (start, stop) in matches(&pattern, text) {
        if pieces.len() + 1 >= most {
            break;
        }
        end = start;
        if stop != 0 {
            pieces.push(text.get(begin..end).unwrap_or_default());
        }
        begin = stop;
    }
    if end != text.len() {
        pieces.push(text.get(begin..).unwrap_or_default());
    }
    Ok(Value::List(List::texts(pieces)))
}

fn replaced(a: CallArguments<'_>, expand: bool) -> Result {
    let pattern = compiled(a.text(0))?;
    let (text, with) = (a.text(1), a.text(2));
    let mut out = String::new();
    let mut last = 0;
    for captures in pattern.captures_iter(text) {
        let Some(whole) = captures.get(0) else {
            continue;
        };
        if whole.range().is_empty() && whole.start() == last && last > 0 {
            continue;
        }
        out.push_str(text.get(last..whole.start()).unwrap_or_default());
        if expand {
            expanded(with, &captures, &mut out);
        } else {
            out.push_str(with);
        }
        sized(out.len())?;
        last = whole.end();
    }
    out.push_str(text.get(last..).unwrap_or_default());
    sized(out.len())?;
    Ok(Value::text(out))
}

/// `$1`, `${name}` and `$$` of a replacement.
fn expanded(with: &str, captures: &regex_lite::Captures<'_>, out: &mut String) {
    let mut rest = with;
    while let Some(at) = rest.find('$') {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let (name, after) = group_name(rest);
        let braces_open = rest.starts_with('{') && !rest.contains('}');
        if name.is_empty() || braces_open {
            out.push('$');
            continue;
        }
        let group = match name.parse::<usize>() {
            Ok(number) => captures.get(number),
            Err(_) => captures.name(name),
        };
        out.push_str(group.map_or("", |m| m.as_str()));
        rest = after;
    }
    out.push_str(rest);
}

/// The name, or number, of a group behind a `$`, and what follows it.
fn group_name(rest: &str) -> (&str, &str) {
    match rest.strip_prefix('{') {
        Some(inside) => inside.split_once('}').unwrap_or(("", "")),
        None => {
            let end = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            rest.split_at(end)
        }
    }
}
