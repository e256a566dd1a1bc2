//! How scalars are written: quotes wherever readers could disagree, several lines as a block. Knows no structure.

use serde_json::Value as Json;

use super::scalar::{ambiguity, is_string};

/// A scalar (or an empty container) on one line, quoted where needed.
pub fn emit_scalar(value: &Json) -> String {
    match value {
        Json::Null => "null".into(),
        Json::Bool(b) => b.to_string(),
        Json::Number(n) => n.to_string(),
        Json::String(s) => {
            let mut out = String::new();
            word(&mut out, s);
            out
        }
        Json::Array(_) => "[]".into(),
        Json::Object(_) => "{}".into(),
    }
}

/// A whole number as every reader writes it.
pub(super) fn whole_number(key: &str) -> bool {
    key.parse::<i64>().is_ok_and(|n| n.to_string() == key)
}

/// A string on its own lines where it has several, else on this one.
pub(super) fn text(out: &mut String, text: &str, indent: usize) {
    if block_safe(text) {
        block(out, text, indent);
    } else {
        word(out, text);
        out.push('\n');
    }
}

fn block(out: &mut String, text: &str, indent: usize) {
    out.push_str(if text.ends_with('\n') { "|\n" } else { "|-\n" });
    for line in text.lines() {
        if !line.is_empty() {
            pad(out, indent);
            out.push_str(line);
        }
        out.push('\n');
    }
}

/// Only texts that a literal block carries without an indentation indicator or a keep marker, and that every reader takes.
fn block_safe(text: &str) -> bool {
    text.contains('\n')
        && !text.ends_with("\n\n")
        && text
            .trim_end_matches('\n')
            .lines()
            .last()
            .is_some_and(|l| !l.is_empty())
        && text
            .lines()
            .next()
            .is_some_and(|l| !l.is_empty() && !l.starts_with([' ', '\t']))
        && text.lines().all(|l| l.is_empty() || !l.trim().is_empty())
        && text.chars().all(|c| c == '\n' || c == '\t' || printable(c))
}

fn printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..='\u{1fffd}')
        && !matches!(c, '\u{2028}' | '\u{2029}')
}

/// A string on one line, quoted where readers could take it for something else.
pub(super) fn word(out: &mut String, text: &str) {
    if plain_safe(text) {
        out.push_str(text);
    } else {
        quoted(out, text);
    }
}

/// Plain only where every reader agrees that it is this very string.
fn plain_safe(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    let first_ok = first.is_ascii_alphanumeric() || b"/._$(".contains(first);
    first_ok
        && !matches!(last, b' ' | b':')
        && bytes.len() <= 1_000
        && bytes
            .iter()
            .all(|b| SAFE.get(usize::from(*b)) == Some(&true))
        && !text.contains(": ")
        && ambiguity(text).is_none()
        && !odd_number(text)
        && is_string(text)
}

/// The bytes that a plain scalar may have anywhere.
const SAFE: [bool; 128] = {
    let mut safe = [false; 128];
    let mut byte = 0_u8;
    while byte < 128 {
        let other = matches!(
            byte,
            b'/' | b'.'
                | b'_'
                | b'-'
                | b'+'
                | b'='
                | b'@'
                | b':'
                | b' '
                | b'('
                | b')'
                | b'$'
                | b';'
                | b'<'
                | b'~'
                | b'^'
        );
        #[expect(
            clippy::indexing_slicing,
            reason = "below 128, and checked when it is compiled"
        )]
        {
            safe[byte as usize] = byte.is_ascii_alphanumeric() || other;
        }
        byte += 1;
    }
    safe
};

/// Words that begin like a number are quoted unless they plainly are none: readers differ on `.inf`, `1e400`, `0._5` and their like.
fn odd_number(text: &str) -> bool {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    body.starts_with('.') && body.len() > 1 && !body.starts_with("./") && !body.starts_with("..")
        || body.starts_with(|c: char| c.is_ascii_digit())
            && body.chars().all(|c| {
                c.is_ascii_hexdigit()
                    || matches!(
                        c,
                        '.' | '_'
                            | ':'
                            | '-'
                            | '+'
                            | 'x'
                            | 'X'
                            | 'o'
                            | 'O'
                            | 'T'
                            | 'Z'
                            | 't'
                            | 'z'
                            | ' '
                    )
            })
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if printable(c) => out.push(c),
            c if u32::from(c) <= 0xff => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if u32::from(c) <= 0xffff => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
}

pub(super) fn pad(out: &mut String, indent: usize) {
    const BLANKS: &str = "                                ";
    match BLANKS.get(..indent) {
        Some(blanks) => out.push_str(blanks),
        None => out.extend(std::iter::repeat_n(' ', indent)),
    }
}
