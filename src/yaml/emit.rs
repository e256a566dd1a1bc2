//! The writer: block style, two spaces, lists not indented under their key (as kops writes), quotes wherever readers could disagree.

use serde_json::Value as Json;

use super::Schema;
use super::scalar::{ambiguity, resolve};

/// The value as a YAML document, ending in a newline. Key order is kept.
pub fn emit(value: &Json) -> String {
    document(value, Keys::Strings)
}

/// As [`emit`], with keys that are whole numbers written as numbers: a reader that wants numbers takes no strings for them
/// (cluster-autoscaler's priorities), and one that wants strings takes both.
pub fn emit_with_number_keys(value: &Json) -> String {
    document(value, Keys::Numbers)
}

/// What a key such as `10` is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    Strings,
    Numbers,
}

fn document(value: &Json, keys: Keys) -> String {
    let mut out = String::new();
    match value {
        Json::Array(items) if !items.is_empty() => list(&mut out, items, 0, keys),
        Json::Object(map) if !map.is_empty() => mapping(&mut out, map, 0, keys),
        Json::Null
        | Json::Bool(_)
        | Json::Number(_)
        | Json::String(_)
        | Json::Array(_)
        | Json::Object(_) => {
            out.push_str(&emit_scalar(value));
            out.push('\n');
        }
    }
    out
}

/// A scalar (or an empty container) on one line, quoted where needed.
pub fn emit_scalar(value: &Json) -> String {
    match value {
        Json::Null => "null".into(),
        Json::Bool(b) => b.to_string(),
        Json::Number(n) => n.to_string(),
        Json::String(s) => string(s),
        Json::Array(_) => "[]".into(),
        Json::Object(_) => "{}".into(),
    }
}

fn list(out: &mut String, items: &[Json], indent: usize, keys: Keys) {
    for item in items {
        pad(out, indent);
        out.push_str("- ");
        match item {
            Json::Object(map) if !map.is_empty() => {
                let mut inner = String::new();
                mapping(&mut inner, map, indent + 2, keys);
                out.push_str(inner.trim_start_matches(' '));
            }
            Json::Array(inner_items) if !inner_items.is_empty() => {
                let mut inner = String::new();
                list(&mut inner, inner_items, indent + 2, keys);
                out.push_str(inner.trim_start_matches(' '));
            }
            Json::Null
            | Json::Bool(_)
            | Json::Number(_)
            | Json::String(_)
            | Json::Array(_)
            | Json::Object(_) => leaf(out, item, indent),
        }
    }
}

fn mapping(out: &mut String, map: &serde_json::Map<String, Json>, indent: usize, keys: Keys) {
    for (key, value) in map {
        pad(out, indent);
        if keys == Keys::Numbers && whole_number(key) {
            out.push_str(key);
        } else {
            out.push_str(&string(key));
        }
        out.push(':');
        match value {
            Json::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                mapping(out, inner, indent + 2, keys);
            }
            Json::Array(items) if !items.is_empty() => {
                out.push('\n');
                list(out, items, indent, keys);
            }
            Json::Null
            | Json::Bool(_)
            | Json::Number(_)
            | Json::String(_)
            | Json::Array(_)
            | Json::Object(_) => {
                out.push(' ');
                leaf(out, value, indent);
            }
        }
    }
}

/// A whole number as every reader writes it.
fn whole_number(key: &str) -> bool {
    key.parse::<i64>().is_ok_and(|n| n.to_string() == key)
}

fn leaf(out: &mut String, value: &Json, indent: usize) {
    match value {
        Json::String(s) if block_safe(s) => block(out, s, indent + 2),
        Json::Null
        | Json::Bool(_)
        | Json::Number(_)
        | Json::String(_)
        | Json::Array(_)
        | Json::Object(_) => {
            out.push_str(&emit_scalar(value));
            out.push('\n');
        }
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

fn string(text: &str) -> String {
    if plain_safe(text) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// Plain only where every reader agrees that it is this very string.
fn plain_safe(text: &str) -> bool {
    let first_ok = text.starts_with(|c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '$' | '(')
    });
    let last_ok = text.ends_with(|c: char| !matches!(c, ' ' | ':'));
    first_ok
        && last_ok
        && text.len() <= 1_000
        && text.chars().all(|c| {
            c.is_ascii_alphanumeric()
                || matches!(
                    c,
                    '/' | '.'
                        | '_'
                        | '-'
                        | '+'
                        | '='
                        | '@'
                        | ':'
                        | ' '
                        | '('
                        | ')'
                        | '$'
                        | ';'
                        | '<'
                        | '~'
                        | '^'
                )
        })
        && !text.contains(": ")
        && ambiguity(text).is_none()
        && !odd_number(text)
        && matches!(resolve(text, Schema::Core), Json::String(_))
        && matches!(resolve(text, Schema::Kops), Json::String(_))
}

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

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
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
    out
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse_one;
    use serde_json::json;

    #[test]
    fn looks_like_what_kops_writes() {
        let value = json!({"a": "x", "yes": "no", "list": [{"k": "v", "l": [1, "2"]}, [true], []], "text": "one\ntwo\n", "e": {}, "n": null});
        assert_eq!(
            emit(&value),
            "a: x\n\"yes\": \"no\"\nlist:\n- k: v\n  l:\n  - 1\n  - \"2\"\n- - true\n- []\ntext: |\n  one\n  two\ne: {}\n\"n\": null\n"
        );
    }

    proptest::proptest! {
        #[test]
        fn every_string_reads_back_as_itself_under_both_schemas(text in "[-yn0-9oxeE_:., a-c#'\"\\[\\]{}&*!|>%@`~\t\n\\\\é\u{85}\u{2028}]{0,12}") {
            for value in [json!(text), json!({"k": text}), json!([text]), json!({text.clone(): 1})] {
                for schema in [Schema::Core, Schema::Kops] {
                    let back = parse_one(&emit(&value), schema).map(|n| n.to_json());
                    proptest::prop_assert_eq!(back.as_ref(), Ok(&value), "{}", emit(&value));
                }
            }
        }
    }
}
