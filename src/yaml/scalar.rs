//! What a plain scalar means to YAML 1.1 and to YAML 1.2 readers, and where the two part. No parsing of structure.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::{Schema, float};

/// Why a plain scalar is read differently by different readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambiguity {
    /// `yes`, `no`, `on`, `off`, `y`, `n`: a boolean in YAML 1.1, a string in YAML 1.2.
    Boolean,
    /// `017`, `0o17`, `0b11`: octal or binary to some, decimal or a string to others.
    Radix,
    /// `1_000`: a number to YAML 1.1, a string to YAML 1.2.
    Underscore,
    /// `12:30`, `1:30:00`: a base-60 number to YAML 1.1.
    Sexagesimal,
    /// `2024-01-02`: a date to some YAML 1.1 readers.
    Date,
    /// `=` and a bare `<<` value: special to YAML 1.1.
    Special,
}

impl Ambiguity {
    /// The reason, as the end of a sentence that begins with the scalar.
    pub fn reason(self) -> &'static str {
        match self {
            Ambiguity::Boolean => {
                "is a boolean to YAML 1.1 readers such as kops, and a string to YAML 1.2"
            }
            Ambiguity::Radix => {
                "is octal, hexadecimal or binary to some readers, and decimal or a string to others"
            }
            Ambiguity::Underscore => {
                "is a number to YAML 1.1 readers such as kops, and a string to YAML 1.2"
            }
            Ambiguity::Sexagesimal => {
                "is a base-60 number to some YAML 1.1 readers, and a string to others"
            }
            Ambiguity::Date => "is a date to some YAML 1.1 readers, and a string to others",
            Ambiguity::Special => "has a special meaning to YAML 1.1 readers",
        }
    }
}

/// Why readers would disagree on the plain scalar `text`; none when they agree.
///
/// Source: the same scalars read by sigs.k8s.io/yaml, PyYAML and YAML 1.2 readers.
pub fn ambiguity(text: &str) -> Option<Ambiguity> {
    const BOOLEANS: [&str; 6] = ["yes", "no", "on", "off", "y", "n"];
    if text.len() <= 3 && BOOLEANS.iter().any(|b| b.eq_ignore_ascii_case(text)) {
        return Some(Ambiguity::Boolean);
    }
    if matches!(text, "=" | "<<") {
        return Some(Ambiguity::Special);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if radix_like(digits) {
        return Some(Ambiguity::Radix);
    }
    if digits.contains('_') && number_like(&digits.replace('_', "")) {
        return Some(Ambiguity::Underscore);
    }
    if sexagesimal(digits) {
        return Some(Ambiguity::Sexagesimal);
    }
    date(text).then_some(Ambiguity::Date)
}

fn radix_like(digits: &str) -> bool {
    let Some(rest) = digits.strip_prefix('0') else {
        return false;
    };
    let mut chars = rest.chars();
    match chars.next() {
        None | Some('.' | 'e' | 'E') => false,
        // The radix prefixes: readers disagree on all of them but lower-case hexadecimal.
        Some('b' | 'B' | 'o' | 'O' | 'x' | 'X') => {
            let tail = chars.as_str();
            let clean_hex = rest.starts_with('x') && !tail.contains('_');
            !tail.is_empty()
                && tail.chars().all(|c| c.is_ascii_hexdigit() || c == '_')
                && !clean_hex
        }
        Some(_) => rest.chars().all(|c| c.is_ascii_digit() || c == '_'),
    }
}

fn number_like(text: &str) -> bool {
    !text.is_empty()
        && (text.parse::<f64>().is_ok()
            || text.get(2..).is_some_and(|t| {
                text.starts_with("0x") && t.chars().all(|c| c.is_ascii_hexdigit())
            }))
}

fn sexagesimal(digits: &str) -> bool {
    let mut parts = digits.split(':');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let whole = |p: &str| !p.is_empty() && p.chars().all(|c| c.is_ascii_digit() || c == '_');
    let sixty = |p: &str| p.len() <= 2 && whole(p) && p.parse::<u8>().is_ok_and(|n| n < 60);
    let last_ok = |p: &str| {
        p.split_once('.')
            .map_or_else(|| sixty(p), |(whole, _)| sixty(whole))
    };
    !rest.is_empty()
        && whole(first)
        && rest.iter().take(rest.len() - 1).all(|p| sixty(p))
        && rest.last().is_some_and(|p| last_ok(p))
}

fn date(text: &str) -> bool {
    let head: String = text.chars().take(10).collect();
    let mut parts = head.split('-');
    let number = |p: Option<&str>, max: usize| {
        p.is_some_and(|p| !p.is_empty() && p.len() <= max && p.chars().all(|c| c.is_ascii_digit()))
    };
    let year = parts.next();
    year.is_some_and(|y| y.len() == 4) && number(year, 4) && number(parts.next(), 2) && {
        let day: Option<String> = parts
            .next()
            .map(|d| d.chars().take_while(char::is_ascii_digit).collect());
        number(day.as_deref(), 2)
    }
}

/// The typed value of a plain scalar under `schema`.
pub(super) fn resolve(text: &str, schema: Schema) -> Json {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Json::Null,
        "true" | "True" | "TRUE" => return Json::Bool(true),
        "false" | "False" | "FALSE" => return Json::Bool(false),
        _ => {}
    }
    if schema == Schema::Kops
        && let Some(value) = resolve_kops(text)
    {
        return value;
    }
    // Most scalars are words, and no number begins like one.
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
        return Json::String(text.to_owned());
    }
    integer(text, schema)
        .or_else(|| real(text))
        .unwrap_or_else(|| Json::String(text.to_owned()))
}

/// Whether the plain scalar `text` is this very string under both schemas.
pub(super) fn is_string(text: &str) -> bool {
    if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | '~')) {
        let is_text = |schema| matches!(resolve(text, schema), Json::String(_));
        return is_text(Schema::Core) && is_text(Schema::Kops);
    }
    const WORDS: [&str; 10] = [
        "", "null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE",
    ];
    !WORDS.contains(&text) && resolve_kops(text).is_none()
}

fn resolve_kops(text: &str) -> Option<Json> {
    let is_one_of = |words: &[&str]| words.iter().any(|w| w.eq_ignore_ascii_case(text));
    if text.len() <= 3 && is_one_of(&["yes", "on", "y"]) {
        return Some(Json::Bool(true));
    }
    if text.len() <= 3 && is_one_of(&["no", "off", "n"]) {
        return Some(Json::Bool(false));
    }
    let (sign, digits) = text
        .strip_prefix('-')
        .map_or((1, text.strip_prefix('+').unwrap_or(text)), |d| (-1, d));
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let clean = digits.replace('_', "");
    let lower = clean.to_ascii_lowercase();
    let octal = || {
        lower
            .strip_prefix('0')
            .filter(|d| !d.is_empty() && d.chars().all(|c| ('0'..='7').contains(&c)))
            .and_then(|d| i64::from_str_radix(d, 8).ok())
    };
    let value = radix(&lower, "0x", 16)
        .or_else(|| radix(&lower, "0o", 8))
        .or_else(|| radix(&lower, "0b", 2))
        .or_else(octal)?;
    Some(Json::from(sign * value))
}

fn radix(lower: &str, prefix: &str, base: u32) -> Option<i64> {
    lower
        .strip_prefix(prefix)
        .and_then(|d| i64::from_str_radix(d, base).ok())
}

fn integer(text: &str, schema: Schema) -> Option<Json> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok().map(Json::from);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return u64::from_str_radix(octal, 8).ok().map(Json::from);
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let clean = match schema {
        Schema::Kops => Cow::Owned(text.replace('_', "")),
        Schema::Core => Cow::Borrowed(text),
    };
    let digits = clean.trim_start_matches(['-', '+']);
    if !digits.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let clean = clean.trim_start_matches('+');
    clean
        .parse::<i64>()
        .map(Json::from)
        .or_else(|_| clean.parse::<u64>().map(Json::from))
        .ok()
}

fn real(text: &str) -> Option<Json> {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let shape = body.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && body.chars().any(|c| c.is_ascii_digit())
        && body
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    let value = text
        .parse::<f64>()
        .ok()
        .filter(|v| shape && v.is_finite())?;
    Some(float(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_disagree_on_exactly_these() {
        for text in [
            "yes",
            "No",
            "ON",
            "y",
            "n",
            "off",
            "017",
            "08",
            "0o17",
            "0b11",
            "0X1F",
            "1_000",
            "12:30",
            "12:30:45",
            "2024-01-02",
            "=",
            "012345678901",
            "0x_1",
        ] {
            assert!(ambiguity(text).is_some(), "{text} should be ambiguous");
        }
        for text in [
            "true",
            "null",
            "0",
            "10",
            "1.5",
            "0.5",
            "0x1F",
            "1e3",
            "nodes",
            "a:b",
            "10.0.0.0/16",
            "1.30.2",
            "v1",
            "4x_32Gb",
            "64Gi",
            "-",
            "on-demand",
            "1a",
            "100m",
            "80:http",
        ] {
            assert_eq!(ambiguity(text), None, "{text} should not be ambiguous");
        }
    }

    #[test]
    fn strings_are_told_as_they_are_resolved() {
        let words = [
            "", "~", "~x", "null", "Null", "nUll", "true", "TRUE", "tRUE", "false", "yes", "yEs",
            "No", "on", "OFF", "y", "N", "nodes", "0", "-", "-1", "+1", ".5", ".", "..", "0x1F",
            "0xg", "017", "08", "1_000", "_1", "1e3", "1e", "12:30", "4x_32Gb", "1.30.2", "é",
            "0o7",
        ];
        for text in words {
            let is_text = |schema| resolve(text, schema) == Json::String(text.to_owned());
            let both = is_text(Schema::Core) && is_text(Schema::Kops);
            assert_eq!(is_string(text), both, "{text}");
        }
    }

    #[test]
    fn kops_reads_yaml_1_1_and_we_can_do_the_same() {
        let read = |t| resolve(t, Schema::Kops).to_string();
        assert_eq!(
            [
                "yes", "n", "017", "0o17", "0x10", "1_000", "08", "1e3", "12:30"
            ]
            .map(read),
            [
                "true",
                "false",
                "15",
                "15",
                "16",
                "1000",
                "8",
                "1000.0",
                "\"12:30\""
            ]
        );
    }

    #[test]
    fn other_readers_know_yaml_1_2() {
        let core = |t| resolve(t, Schema::Core).to_string();
        assert_eq!(
            ["yes", "n", "1_000", "12:30", "~", "-3", "1.10"].map(core),
            [
                "\"yes\"",
                "\"n\"",
                "\"1_000\"",
                "\"12:30\"",
                "null",
                "-3",
                "1.1"
            ]
        );
    }
}
