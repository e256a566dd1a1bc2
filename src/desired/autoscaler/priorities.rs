//! `data.priorities` as cluster-autoscaler reads it: gopkg.in/yaml.v2 into a map of whole numbers to lists of texts. Judges no patterns.
//!
//! What that reader does: a key in quotes is a text and never a number; numbers may be octal (`010`), hexadecimal, binary or with `_`, and a float
//! is cut to a whole number; of two keys with one value the later counts; an empty list is a list; an item may be a number or a boolean, which
//! is then its text. One fault and none of it counts.

use crate::yaml::{self, Key, Node, Scalar, Value};

/// Patterns by priority, the highest first.
///
/// # Errors
/// The first fault, in words.
pub(super) fn read(text: &str) -> Result<Vec<(i64, Vec<String>)>, String> {
    if text.is_empty() {
        return Err("`data.priorities` is empty".into());
    }
    let root = yaml::parse_one(text, yaml::Schema::Core)
        .map_err(|e| format!("`data.priorities`, line {}", e.to_string().trim()))?;
    if !root.is_null() && !matches!(root.value, Value::Map(_)) {
        return Err(
            "`data.priorities` must be a mapping of priorities to lists of patterns".into(),
        );
    }
    let mut entries: Vec<(i64, Vec<String>)> = Vec::new();
    for (key, node) in root.entries() {
        let priority = priority(key)?;
        let patterns = patterns(node).ok_or_else(|| {
            format!("`data.priorities`: priority {priority} must be a list of texts")
        })?;
        entries.retain(|(earlier, _)| *earlier != priority);
        entries.push((priority, patterns));
    }
    entries.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
    Ok(entries)
}

fn priority(key: &Key) -> Result<i64, String> {
    if !key.plain {
        return Err(format!(
            "`data.priorities`: the priority \"{}\" is in quotes, which makes it a text",
            key.text
        ));
    }
    number(&key.text).ok_or_else(|| {
        format!(
            "`data.priorities`: the priority `{}` is no whole number",
            key.text
        )
    })
}

/// A whole number, in the notations that Go has for one.
fn whole(lower: &str) -> Option<i64> {
    let based = |prefix: &str, base| {
        lower
            .strip_prefix(prefix)
            .map(|d| i64::from_str_radix(d, base).ok())
    };
    based("0x", 16)
        .or_else(|| based("0b", 2))
        .or_else(|| based("0o", 8))
        .unwrap_or_else(|| match lower.strip_prefix('0') {
            Some(octal) if !octal.is_empty() && octal.chars().all(|c| c.is_ascii_digit()) => {
                i64::from_str_radix(octal, 8).ok()
            }
            Some(_) | None => lower.parse().ok(),
        })
}

/// A number as Go's `ParseInt` with base 0 reads it, else a float without its fraction.
fn number(text: &str) -> Option<i64> {
    let clean = text.replace('_', "");
    let (negative, digits) = match clean.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, clean.strip_prefix('+').unwrap_or(&clean)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let lower = digits.to_ascii_lowercase();
    let whole = whole(&lower);
    // `09` is no octal number, and then the float 9.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "as Go converts it, in range"
    )]
    let value = whole.or_else(|| {
        let float = lower.parse::<f64>().ok()?;
        (float.abs() < 9e15).then_some(float as i64)
    })?;
    Some(if negative { -value } else { value })
}

/// None: not a list, or one with something in it that is no scalar. Null is a list of none.
fn patterns(node: &Node) -> Option<Vec<String>> {
    if node.is_null() {
        return Some(Vec::new());
    }
    let Value::List(items) = &node.value else {
        return None;
    };
    items
        .iter()
        .map(|item| match &item.value {
            Value::Scalar(Scalar { text, .. }) => Some(text.clone()),
            Value::List(_) | Value::Map(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_read_as_cluster_autoscaler_reads_them() {
        let show = |text: &str| match read(text) {
            Ok(entries) => entries
                .iter()
                .map(|(p, patterns)| format!("{p}={}", patterns.join("|")))
                .collect::<Vec<_>>()
                .join(" "),
            Err(problem) => problem,
        };
        for (text, expected) in [
            ("10:\n- a\n50: [b, c]\n", "50=b|c 10=a"),
            ("010: [a]\n0x10: [b]\n1_0: [c]\n", "16=b 10=c 8=a"),
            ("09: [a]\n1.9: [b]\n1e1: [c]\n", "10=c 9=a 1=b"),
            ("-5: [a]\n", "-5=a"),
            ("10: []\n20:\n", "20= 10="),
            ("10: [a]\n012: [b]\n0b1010: [c]\n", "10=c"),
            ("10: [5, true, '']\n", "10=5|true|"),
            ("{}", ""),
            ("# nothing\n", ""),
            ("", "`data.priorities` is empty"),
            (
                "\"10\": [a]\n",
                "`data.priorities`: the priority \"10\" is in quotes, which makes it a text",
            ),
            (
                "'10': [a]\n",
                "`data.priorities`: the priority \"10\" is in quotes, which makes it a text",
            ),
            (
                "high: [a]\n",
                "`data.priorities`: the priority `high` is no whole number",
            ),
            (
                "10: a\n",
                "`data.priorities`: priority 10 must be a list of texts",
            ),
            (
                "10: [[a]]\n",
                "`data.priorities`: priority 10 must be a list of texts",
            ),
            (
                "- a\n",
                "`data.priorities` must be a mapping of priorities to lists of patterns",
            ),
        ] {
            assert_eq!(show(text), expected, "{text:?}");
        }
    }
}
