//! Functions on the words of a text: case, wrapping, abbreviation.

use super::super::call::{Entry, Result, Trouble};
use super::super::value::Value;
use super::bounds::{cut, sized};

pub(super) const TABLE: &[Entry] = &[
    ("title", "s", |_, a| {
        Ok(Value::text(by_word(a.text(0), |c| {
            c.to_uppercase().collect()
        })))
    }),
    ("untitle", "s", |_, a| {
        Ok(Value::text(by_blank(a.text(0), |c| {
            c.to_lowercase().collect()
        })))
    }),
    ("nospace", "s", |_, a| {
        Ok(Value::text(
            a.text(0).split_whitespace().collect::<String>(),
        ))
    }),
    ("initials", "s", |_, a| {
        let words = a.text(0).split_whitespace();
        Ok(Value::text(
            words.filter_map(|w| w.chars().next()).collect::<String>(),
        ))
    }),
    ("swapcase", "s", |_, a| Ok(Value::text(swapped(a.text(0))))),
    ("camelcase", "s", |_, a| Ok(Value::text(pascal(a.text(0))))),
    ("snakecase", "s", |_, a| {
        Ok(Value::text(joined(a.text(0), '_')))
    }),
    ("kebabcase", "s", |_, a| {
        Ok(Value::text(joined(a.text(0), '-')))
    }),
    ("abbrev", "is", |_, a| {
        Ok(Value::text(abbreviated(a.text(1), 0, a.number(0))?))
    }),
    ("abbrevboth", "iis", |_, a| {
        let (left, right) = (a.number(0), a.number(1));
        if right < 4 || left > 0 && right < 7 {
            return Ok(a.any(2).clone());
        }
        Ok(Value::text(abbreviated(a.text(2), left, right)?))
    }),
    ("wrap", "is", |_, a| {
        wrapped(a.text(1), a.number(0), "\n", false)
    }),
    ("wrapWith", "iss", |_, a| {
        wrapped(a.text(2), a.number(0), a.text(1), true)
    }),
];

/// The first letter of every word, changed: words begin behind what is no letter, digit, `_` or `'`.
fn by_word(text: &str, change: impl Fn(char) -> String) -> String {
    let mut inside = false;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if inside {
            out.push(c);
        } else {
            out.push_str(&change(c));
        }
        inside = c.is_alphanumeric() || c == '_' || c == '\'';
    }
    out
}

fn by_blank(text: &str, change: impl Fn(char) -> String) -> String {
    let mut start = true;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if start && !c.is_whitespace() {
            out.push_str(&change(c));
        } else {
            out.push(c);
        }
        start = c.is_whitespace();
    }
    out
}

fn swapped(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let other: Vec<char> = if c.is_uppercase() {
                c.to_lowercase().collect()
            } else {
                c.to_uppercase().collect()
            };
            other
        })
        .collect()
}

fn is_connector(c: char) -> bool {
    matches!(c, '-' | '_') || c.is_whitespace()
}

/// `some_words` as `SomeWords`; connectors at the start stay.
fn pascal(text: &str) -> String {
    let start = text.find(|c| !is_connector(c)).unwrap_or(text.len());
    let (lead, rest) = text.split_at(start);
    let mut out = String::from(lead);
    let mut up = true;
    for c in rest.chars() {
        if is_connector(c) {
            up = true;
        } else if up {
            out.extend(c.to_uppercase());
            up = false;
        } else {
            out.push(c);
        }
    }
    out
}

/// `FirstName` as `first_name`: words part where case rises, and at connectors.
fn joined(text: &str, with: char) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len() + 4);
    for (index, c) in chars.iter().enumerate() {
        if is_connector(*c) {
            out.push(with);
            continue;
        }
        let before = index.checked_sub(1).and_then(|i| chars.get(i));
        let after = chars.get(index + 1);
        let rises = c.is_uppercase()
            && before.is_some_and(|b| {
                b.is_lowercase()
                    || b.is_numeric()
                    || b.is_uppercase() && after.is_some_and(|a| a.is_lowercase())
            });
        if rises && !out.ends_with(with) {
            out.push(with);
        }
        out.extend(c.to_lowercase());
    }
    out
}

fn abbreviated(text: &str, offset: i64, width: i64) -> std::result::Result<String, Trouble> {
    const MARK: &str = "...";
    let (Ok(offset), Some(width)) = (
        usize::try_from(offset.max(0)),
        usize::try_from(width).ok().filter(|w| *w >= 4),
    ) else {
        return Ok(text.to_owned());
    };
    if text.len() <= width {
        return Ok(text.to_owned());
    }
    let shown = width - MARK.len();
    let offset = offset.min(text.len()).min(text.len() - shown);
    if offset <= 4 {
        return Ok(format!("{}{MARK}", cut(text, 0, shown)?));
    }
    if width < 7 {
        return Ok(text.to_owned());
    }
    if offset + shown < text.len() {
        let rest = abbreviated(
            cut(text, offset, text.len())?,
            0,
            i64::try_from(shown).unwrap_or(i64::MAX),
        )?;
        return Ok(format!("{MARK}{rest}"));
    }
    Ok(format!(
        "{MARK}{}",
        cut(text, text.len() - shown, text.len())?
    ))
}

fn wrapped(text: &str, width: i64, line: &str, long: bool) -> Result {
    let width = usize::try_from(width).unwrap_or(1).max(1);
    let line = if line.is_empty() { "\n" } else { line };
    sized(
        text.len()
            .saturating_add((text.len() / width).saturating_mul(line.len()))
            .saturating_add(text.matches(' ').count().saturating_mul(line.len())),
    )?;
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while text.len() - at > width {
        let rest = cut(text, at, text.len())?;
        if rest.starts_with(' ') {
            at += 1;
            continue;
        }
        let Some((end, skip)) = line_end(rest, width, long) else {
            break;
        };
        out.push_str(cut(rest, 0, end)?);
        out.push_str(line);
        at += end + skip;
    }
    out.push_str(cut(text, at, text.len())?);
    Ok(Value::text(out))
}

/// Where a line ends, and how much is left out behind it; none where no blank is left and long words stay whole.
fn line_end(rest: &str, width: usize, long: bool) -> Option<(usize, usize)> {
    let bytes = rest.as_bytes();
    let blank = |c: &u8| *c == b' ';
    let last = bytes.get(..=width).and_then(|b| b.iter().rposition(blank));
    match last {
        Some(at) => Some((at, 1)),
        None if long => Some((width, 0)),
        None => {
            let next = bytes.iter().skip(width).position(blank)?;
            Some((width + next, 1))
        }
    }
}
