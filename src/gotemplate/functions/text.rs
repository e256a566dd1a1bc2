//! Functions on texts: trimming, cutting, replacing, splitting, indenting.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::call::{CallArguments, Entry, Result, Running, Trouble};
use super::super::fault::Limit;
use super::super::limits;
use super::super::numbers::quote;
use super::super::value::{List, Map, Value};
use super::bounds::{cut, sized};
use super::compare::text_of;

pub(super) const TABLE: &[Entry] = &[
    ("trim", "s", |_, a| {
        Ok(Value::text(a.text(0).trim_matches(is_space)))
    }),
    ("trimAll", "ss", |_, a| {
        Ok(Value::text(
            a.text(1).trim_matches(|c| a.text(0).contains(c)),
        ))
    }),
    ("trimall", "ss", |_, a| {
        Ok(Value::text(
            a.text(1).trim_matches(|c| a.text(0).contains(c)),
        ))
    }),
    ("trimPrefix", "ss", |_, a| {
        Ok(Value::text(
            a.text(1).strip_prefix(a.text(0)).unwrap_or(a.text(1)),
        ))
    }),
    ("trimSuffix", "ss", |_, a| {
        Ok(Value::text(
            a.text(1).strip_suffix(a.text(0)).unwrap_or(a.text(1)),
        ))
    }),
    ("contains", "ss", |_, a| {
        Ok(Value::Bool(a.text(1).contains(a.text(0))))
    }),
    ("hasPrefix", "ss", |_, a| {
        Ok(Value::Bool(a.text(1).starts_with(a.text(0))))
    }),
    ("hasSuffix", "ss", |_, a| {
        Ok(Value::Bool(a.text(1).ends_with(a.text(0))))
    }),
    ("upper", "s", |_, a| {
        Ok(Value::text(a.text(0).to_uppercase()))
    }),
    ("lower", "s", |_, a| {
        Ok(Value::text(a.text(0).to_lowercase()))
    }),
    ("repeat", "is", repeat),
    ("replace", "sss", replace),
    ("substr", "iis", substr),
    ("trunc", "is", trunc),
    ("quote", "a*", |_, a| quoted(a, |t| quote(t, false))),
    ("squote", "a*", |_, a| quoted(a, |t| format!("'{t}'"))),
    ("cat", "a*", cat),
    ("indent", "is", |_, a| indented(a, false)),
    ("nindent", "is", |_, a| indented(a, true)),
    ("split", "ss", |_, a| {
        numbered(
            a.text(1).split(a.text(0)).map(str::to_owned),
            a.text(0),
            a.text(1),
        )
    }),
    ("splitn", "sis", splitn),
    ("splitList", "ss", split_list),
    ("plural", "ssi", |_, a| {
        Ok(a.any(if a.number(2) == 1 { 0 } else { 1 }).clone())
    }),
];

/// Blanks to `strings.TrimSpace`.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace()
}

fn repeat(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let Ok(count) = usize::try_from(a.number(0)) else {
        return Err("strings: negative Repeat count".into());
    };
    sized(count.saturating_mul(a.text(1).len()))?;
    Ok(Value::text(a.text(1).repeat(count)))
}

fn replace(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let (old, new, text) = (a.text(0), a.text(1), a.text(2));
    let growth = text.matches(old).count().saturating_mul(new.len());
    sized(text.len().saturating_add(growth))?;
    Ok(Value::text(text.replace(old, new)))
}

fn substr(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let text = a.text(2);
    let start = usize::try_from(a.number(0)).unwrap_or(0);
    let end = usize::try_from(a.number(1)).ok();
    if a.number(0) < 0 {
        let Some(end) = end else {
            return Err("slice bounds out of range".into());
        };
        return Ok(Value::text(cut(text, 0, end)?));
    }
    let end = end.filter(|e| *e <= text.len()).unwrap_or(text.len());
    Ok(Value::text(cut(text, start, end)?))
}

fn trunc(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let text = a.text(1);
    let size = usize::try_from(a.number(0).unsigned_abs()).unwrap_or(usize::MAX);
    if size >= text.len() {
        return Ok(Value::text(text));
    }
    Ok(Value::text(if a.number(0) < 0 {
        cut(text, text.len() - size, text.len())?
    } else {
        cut(text, 0, size)?
    }))
}

fn quoted(a: CallArguments<'_>, quote: impl Fn(&str) -> String) -> Result {
    let values = a.from(0).iter().filter(|v| !v.is_nil());
    let words: std::result::Result<Vec<String>, Trouble> =
        values.map(|v| Ok(quote(&text_of(v)?))).collect();
    let text = words?.join(" ");
    sized(text.len())?;
    Ok(Value::text(text))
}

fn cat(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let values = a.from(0).iter().filter(|v| !v.is_nil());
    let words: std::result::Result<Vec<String>, Trouble> = values.map(text_of).collect();
    let text = words?.join(" ");
    sized(text.len())?;
    Ok(Value::text(text))
}

fn indented(a: CallArguments<'_>, line: bool) -> Result {
    let Ok(count) = usize::try_from(a.number(0)) else {
        return Err("strings: negative Repeat count".into());
    };
    let text = a.text(1);
    let lines = text.matches('\n').count() + 1;
    sized(text.len().saturating_add(lines.saturating_mul(count)))?;
    let pad = " ".repeat(count);
    let start = if line { "\n" } else { "" };
    Ok(Value::text(format!(
        "{start}{pad}{}",
        text.replace('\n', &format!("\n{pad}"))
    )))
}

/// Go splits at an empty separator into characters, without empty ends.
fn parts(separator: &str, text: &str) -> Vec<String> {
    if separator.is_empty() {
        text.chars().map(String::from).collect()
    } else {
        text.split(separator).map(str::to_owned).collect()
    }
}

fn numbered(pieces: impl Iterator<Item = String>, separator: &str, text: &str) -> Result {
    let pieces: Vec<String> = if separator.is_empty() {
        parts(separator, text)
    } else {
        pieces.collect()
    };
    if pieces.len() > limits::ITEMS {
        return Err(Trouble::TooMuch(Limit::Size));
    }
    let entries: BTreeMap<Arc<str>, Value> = pieces
        .into_iter()
        .enumerate()
        .map(|(i, p)| (Arc::from(format!("_{i}")), Value::text(p)))
        .collect();
    Ok(Value::Map(Map::of_texts(entries)))
}

fn splitn(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let (separator, text) = (a.text(0), a.text(2));
    match usize::try_from(a.number(1)) {
        Ok(0) => Ok(Value::Map(Map::of_texts(BTreeMap::new()))),
        Ok(count) if separator.is_empty() => {
            let mut pieces = parts(separator, text);
            let rest = pieces.split_off(count.saturating_sub(1).min(pieces.len()));
            if !rest.is_empty() {
                pieces.push(rest.concat());
            }
            numbered(pieces.into_iter(), " ", text)
        }
        Ok(count) => numbered(
            text.splitn(count, separator).map(str::to_owned),
            separator,
            text,
        ),
        Err(_) => numbered(text.split(separator).map(str::to_owned), separator, text),
    }
}

fn split_list(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let pieces = parts(a.text(0), a.text(1));
    if pieces.len() > limits::ITEMS {
        return Err(Trouble::TooMuch(Limit::Size));
    }
    Ok(Value::List(List::texts(pieces)))
}
