//! Comparisons, `not`, `index` and `len`: Go's own, with Go's rules on kinds.

use std::cmp::Ordering;

use super::super::call::{CallArguments, Entry, Result, Running, Trouble};
use super::super::fault::Limit;
use super::super::format::{self, MAX_DEPTH};
use super::super::value::{IntType, Value};

pub(super) const TABLE: &[Entry] = &[
    ("not", "a", not),
    ("eq", "aa*", eq),
    ("ne", "aa", ne),
    ("lt", "aa", lt),
    ("le", "aa", le),
    ("gt", "aa", gt),
    ("ge", "aa", ge),
    ("index", "aa*", index),
    ("len", "a", len),
    ("deepEqual", "aa", deep_equal),
];

type Compared<T> = std::result::Result<T, Trouble>;

fn not(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    Ok(Value::Bool(!a.any(0).is_true()))
}

fn eq(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    if a.count() < 2 {
        return Err("missing argument for comparison".into());
    }
    for other in a.from(1) {
        if equal(a.any(0), other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn ne(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    Ok(Value::Bool(!equal(a.any(0), a.any(1))?))
}

/// What Go can compare at all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Whole,
    Float,
    Complex,
    Text,
    Other,
}

fn kind(value: &Value) -> Kind {
    match value {
        Value::Bool(_) => Kind::Bool,
        Value::Int(..) | Value::Duration(_) => Kind::Whole,
        Value::Float(_) => Kind::Float,
        Value::Complex(..) => Kind::Complex,
        Value::Text(_) => Kind::Text,
        Value::Absent
        | Value::Nil
        | Value::List(_)
        | Value::Map(_)
        | Value::Time(_)
        | Value::Version(_) => Kind::Other,
    }
}

fn incompatible(a: &Value, b: &Value) -> Trouble {
    format!(
        "incompatible types for comparison: {} and {}",
        a.type_name(),
        b.type_name()
    )
    .into()
}

fn equal(a: &Value, b: &Value) -> Compared<bool> {
    if a.is_nil() || b.is_nil() {
        return Ok(a.is_nil() && b.is_nil());
    }
    if kind(a) != kind(b) {
        return Err(incompatible(a, b));
    }
    #[expect(clippy::float_cmp, reason = "as Go compares")]
    match (a, b) {
        (Value::Bool(x), Value::Bool(y)) => Ok(x == y),
        (Value::Int(x, _) | Value::Duration(x), Value::Int(y, _) | Value::Duration(y)) => {
            Ok(x == y)
        }
        (Value::Float(x), Value::Float(y)) => Ok(x == y),
        (Value::Complex(x, u), Value::Complex(y, v)) => Ok(x == y && u == v),
        (Value::Text(x), Value::Text(y)) => Ok(x == y),
        (Value::Time(x), Value::Time(y)) => Ok(x == y),
        (Value::Version(x), Value::Version(y)) => Ok(std::rc::Rc::ptr_eq(x, y)),
        (Value::List(_) | Value::Map(_), _) => {
            Err(format!("non-comparable type: {}", a.type_name()).into())
        }
        (_, other) => Err(format!("non-comparable type: {}", other.type_name()).into()),
    }
}

fn order(a: &Value, b: &Value) -> Compared<Option<Ordering>> {
    let invalid = || Err("invalid type for comparison".into());
    if matches!(kind(a), Kind::Other) || matches!(kind(b), Kind::Other) {
        return invalid();
    }
    if kind(a) != kind(b) {
        return Err(incompatible(a, b));
    }
    match (a, b) {
        (Value::Int(x, _) | Value::Duration(x), Value::Int(y, _) | Value::Duration(y)) => {
            Ok(Some(x.cmp(y)))
        }
        (Value::Float(x), Value::Float(y)) => Ok(x.partial_cmp(y)),
        (Value::Text(x), Value::Text(y)) => Ok(Some(x.as_bytes().cmp(y.as_bytes()))),
        _ => invalid(),
    }
}

fn lt(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    Ok(Value::Bool(
        order(a.any(0), a.any(1))? == Some(Ordering::Less),
    ))
}

fn le(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let order = order(a.any(0), a.any(1))?;
    Ok(Value::Bool(matches!(
        order,
        Some(Ordering::Less | Ordering::Equal)
    )))
}

fn gt(running: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let le = le(running, a)?;
    Ok(Value::Bool(!le.is_true()))
}

fn ge(running: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let lt = lt(running, a)?;
    Ok(Value::Bool(!lt.is_true()))
}

fn index(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let mut item = a.any(0).clone();
    if item.is_nil() {
        return Err("index of untyped nil".into());
    }
    for key in a.from(1) {
        item = match &item {
            Value::Absent | Value::Nil => return Err("index of nil pointer".into()),
            Value::List(list) => {
                let at = position(key, list.items().len())?;
                list.items().get(at).cloned().unwrap_or(Value::Nil)
            }
            Value::Text(text) => {
                let at = position(key, text.len())?;
                let byte = text.as_bytes().get(at).copied().unwrap_or_default();
                Value::Int(i64::from(byte), IntType::Byte)
            }
            Value::Map(map) => match key {
                Value::Text(key) => {
                    let missing = if map.of_text() {
                        Value::text("")
                    } else {
                        Value::Nil
                    };
                    map.get(key).unwrap_or(missing)
                }
                Value::Absent | Value::Nil => {
                    return Err("value is nil; should be of type string".into());
                }
                key => {
                    return Err(
                        format!("value has type {}; should be string", key.type_name()).into(),
                    );
                }
            },
            Value::Bool(_)
            | Value::Int(..)
            | Value::Float(_)
            | Value::Complex(..)
            | Value::Time(_)
            | Value::Duration(_)
            | Value::Version(_) => {
                return Err(format!("can't index item of type {}", item.type_name()).into());
            }
        };
    }
    Ok(item)
}

fn position(key: &Value, length: usize) -> Compared<usize> {
    let at = match key {
        Value::Int(n, _) | Value::Duration(n) => *n,
        Value::Absent | Value::Nil => return Err("cannot index slice/array with nil".into()),
        key => {
            return Err(format!("cannot index slice/array with type {}", key.type_name()).into());
        }
    };
    usize::try_from(at)
        .ok()
        .filter(|n| *n < length)
        .ok_or_else(|| Trouble::Said(format!("index out of range: {at}")))
}

fn len(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    match a.any(0) {
        Value::Text(text) => Ok(Value::count(text.len())),
        Value::List(list) => Ok(Value::count(list.items().len())),
        Value::Map(map) => Ok(Value::count(map.len())),
        Value::Absent | Value::Nil => Err("len of nil pointer".into()),
        other => Err(format!("len of type {}", other.type_name()).into()),
    }
}

fn deep_equal(running: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    Ok(Value::Bool(same(running, a.any(0), a.any(1), 0)?))
}

/// `reflect.DeepEqual`.
pub(super) fn same(
    running: &mut Running<'_>,
    a: &Value,
    b: &Value,
    depth: usize,
) -> Compared<bool> {
    running.spend(1)?;
    if depth > MAX_DEPTH {
        return Err(Trouble::TooMuch(Limit::Depth));
    }
    if a.type_name() != b.type_name() {
        return Ok(false);
    }
    match (a, b) {
        (Value::List(x), Value::List(y)) => {
            if x.items().len() != y.items().len() {
                return Ok(false);
            }
            for (p, q) in x.items().iter().zip(y.items()) {
                if !same(running, p, q, depth + 1)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Map(x), Value::Map(y)) => {
            if x.len() != y.len() {
                return Ok(false);
            }
            for ((j, p), (k, q)) in x.entries().iter().zip(y.entries().iter()) {
                if j != k || !same(running, p, q, depth + 1)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Version(x), Value::Version(y)) => Ok(x == y),
        (Value::Absent | Value::Nil, Value::Absent | Value::Nil) => Ok(true),
        (x, y) => equal(x, y),
    }
}

/// The text of a value, as Sprig makes one of anything.
pub(super) fn text_of(value: &Value) -> Compared<String> {
    Ok(match value {
        Value::Text(text) => text.to_string(),
        value => format::plain(value)?,
    })
}
