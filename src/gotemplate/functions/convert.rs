//! Values of one type from values of another, defaults, and questions about types.

use super::super::call::{CallArguments, Entry, Result, Running};
use super::super::literal;
use super::super::numbers;
use super::super::value::{List, Value};
use super::super::version::{self, Version};
use super::compare::text_of;

pub(super) const TABLE: &[Entry] = &[
    ("toString", "a", to_string),
    ("toStrings", "a", to_strings),
    ("int", "a", |_, a| Ok(Value::int(whole(a.any(0))))),
    ("int64", "a", |_, a| Ok(Value::int64(whole(a.any(0))))),
    ("float64", "a", |_, a| Ok(Value::Float(float(a.any(0))))),
    ("atoi", "s", |_, a| {
        Ok(Value::int(a.text(0).parse().unwrap_or(0)))
    }),
    ("toDecimal", "a", to_decimal),
    ("default", "aa*", default),
    ("empty", "a", |_, a| Ok(Value::Bool(is_empty(a.any(0))))),
    ("coalesce", "a*", coalesce),
    ("all", "a*", |_, a| {
        Ok(Value::Bool(!a.from(0).iter().any(is_empty)))
    }),
    ("any", "a*", |_, a| {
        Ok(Value::Bool(a.from(0).iter().any(|v| !is_empty(v))))
    }),
    ("ternary", "aab", ternary),
    ("fail", "s", |_, a| Err(a.text(0).into())),
    ("typeOf", "a", |_, a| Ok(Value::text(a.any(0).type_name()))),
    ("typeIs", "sa", |_, a| {
        Ok(Value::Bool(a.text(0) == a.any(1).type_name()))
    }),
    ("typeIsLike", "sa", |_, a| {
        let of = a.any(1).type_name();
        Ok(Value::Bool(
            a.text(0) == of || Some(a.text(0)) == of.strip_prefix('*'),
        ))
    }),
    ("kindOf", "a", |_, a| Ok(Value::text(a.any(0).kind_name()))),
    ("kindIs", "sa", |_, a| {
        Ok(Value::Bool(a.text(0) == a.any(1).kind_name()))
    }),
    ("hello", "", |_, _| Ok(Value::text("Hello!"))),
    ("semver", "s", semver),
    ("semverCompare", "ss", semver_compare),
];

/// Sprig's `empty`: what `if` takes for false.
pub(super) fn is_empty(value: &Value) -> bool {
    !value.is_true()
}

fn to_string(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    Ok(Value::text(text_of(a.any(0))?))
}

fn to_strings(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    Ok(Value::List(List::texts(texts(a.any(0))?)))
}

/// A list as texts, nulls left out; anything else as a list of one.
pub(super) fn texts(
    value: &Value,
) -> std::result::Result<Vec<String>, super::super::call::Trouble> {
    match value {
        Value::Absent | Value::Nil => Ok(Vec::new()),
        Value::List(list) => {
            let items = list.items().iter().filter(|v| !v.is_nil());
            items.map(text_of).collect()
        }
        value => Ok(vec![text_of(value)?]),
    }
}

/// A whole number from anything; 0 for what is not a number.
pub(super) fn whole(value: &Value) -> i64 {
    match value {
        Value::Int(n, _) | Value::Duration(n) => *n,
        #[expect(clippy::cast_possible_truncation, reason = "towards zero, as Go does")]
        Value::Float(n) => *n as i64,
        Value::Bool(b) => i64::from(*b),
        Value::Text(text) => literal::integer(without_zero_fraction(text)).unwrap_or(0),
        Value::Absent
        | Value::Nil
        | Value::Complex(..)
        | Value::List(_)
        | Value::Map(_)
        | Value::Time(_)
        | Value::Version(_) => 0,
    }
}

/// `1.00` is 1.
fn without_zero_fraction(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() && fraction.chars().all(|c| c == '0') => {
            whole
        }
        Some(_) | None => text,
    }
}

/// A number from anything; 0 for what is not a number.
pub(super) fn float(value: &Value) -> f64 {
    match value {
        Value::Float(n) => *n,
        Value::Text(text) => literal::float(text).unwrap_or(0.0),
        #[expect(clippy::cast_precision_loss, reason = "as Go does")]
        value => whole(value) as f64,
    }
}

fn to_decimal(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let text = text_of(a.any(0))?;
    Ok(Value::int64(i64::from_str_radix(&text, 8).unwrap_or(0)))
}

fn default(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let given = a.any(1);
    Ok(if a.count() < 2 || is_empty(given) {
        a.any(0).clone()
    } else {
        given.clone()
    })
}

fn coalesce(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let first = a.from(0).iter().find(|v| !is_empty(v));
    Ok(first.cloned().unwrap_or(Value::Nil))
}

fn ternary(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    Ok(a.any(if a.any(2).is_true() { 0 } else { 1 }).clone())
}

fn parse_version(text: &str) -> std::result::Result<Version, super::super::call::Trouble> {
    Version::parse(text).ok_or_else(|| "invalid semantic version".into())
}

fn semver(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    Ok(Value::Version(parse_version(a.text(0))?.into()))
}

fn semver_compare(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let version = parse_version(a.text(1))?;
    match version::satisfies(a.text(0), &version) {
        Some(holds) => Ok(Value::Bool(holds)),
        None => Err(format!(
            "improper constraint: {}",
            numbers::quote(a.text(0), false).trim_matches('"')
        )
        .into()),
    }
}
