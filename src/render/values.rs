//! Template values ↔ JSON and text, strictly: what has no meaning in YAML is an error, never an empty word. Knows no fleet.

use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{Error, ErrorKind, Output, State};
use serde_json::{Map, Number, Value as Json};

/// Deeper nesting than this is a value that holds itself.
const MAX_DEPTH: usize = 100;

/// An error of a function of ours. The text holds no values.
pub(super) fn fault(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail.into())
}

/// A JSON value for templates.
pub(super) fn from_json(json: &Json) -> Value {
    Value::from(Serde(json))
}

/// The value as JSON.
///
/// # Errors
/// Undefined values (also inside), functions and other things that are no data.
pub(super) fn to_json(value: &Value) -> Result<Json, Error> {
    convert(value, 0)
}

fn convert(value: &Value, depth: usize) -> Result<Json, Error> {
    if depth > MAX_DEPTH {
        return Err(fault(format!(
            "a value is nested more than {MAX_DEPTH} deep"
        )));
    }
    match value.kind() {
        ValueKind::Undefined if depth == 0 => Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::Undefined => Err(fault("a value inside this list or map is undefined")),
        ValueKind::None => Ok(Json::Null),
        ValueKind::Bool => Ok(Json::Bool(value.is_true())),
        ValueKind::Number => number(value),
        ValueKind::String => Ok(Json::String(value.as_str().unwrap_or_default().to_owned())),
        ValueKind::Seq | ValueKind::Iterable => value
            .try_iter()?
            .map(|v| convert(&v, depth + 1))
            .collect::<Result<_, _>>()
            .map(Json::Array),
        ValueKind::Map => convert_map(value, depth),
        kind @ (ValueKind::Bytes | ValueKind::Plain | ValueKind::Invalid | _) => {
            Err(fault(format!("{kind} is no data")))
        }
    }
}

fn convert_map(value: &Value, depth: usize) -> Result<Json, Error> {
    let mut map = Map::new();
    for key in value.try_iter()? {
        map.insert(
            scalar_text(&key)?,
            convert(&value.get_item(&key)?, depth + 1)?,
        );
    }
    Ok(Json::Object(map))
}

fn number(value: &Value) -> Result<Json, Error> {
    let whole = value.is_integer();
    let signed = if whole {
        i64::try_from(value.clone()).ok().map(Number::from)
    } else {
        None
    };
    let unsigned = if whole {
        u64::try_from(value.clone()).ok().map(Number::from)
    } else {
        None
    };
    let found = signed
        .or(unsigned)
        .or_else(|| f64::try_from(value.clone()).ok().and_then(Number::from_f64));
    found
        .map(Json::Number)
        .ok_or_else(|| fault("this number is infinite or not a number"))
}

/// The text of a scalar as YAML would have it: `null`, `true`, `3`, a string as it is.
///
/// # Errors
/// Lists, maps and undefined values.
pub(super) fn scalar_text(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => Ok("null".into()),
        ValueKind::Bool => Ok(if value.is_true() {
            "true".into()
        } else {
            "false".into()
        }),
        ValueKind::Number => number(value).map(|n| n.to_string()),
        ValueKind::String => Ok(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Seq | ValueKind::Iterable => Err(fault(
            "a list cannot be printed as it is; use `| to_yaml`, `| to_json` or `| join(\",\")`",
        )),
        ValueKind::Map => Err(fault(
            "a map cannot be printed as it is; use `| to_yaml` or `| to_json`",
        )),
        kind @ (ValueKind::Bytes | ValueKind::Plain | ValueKind::Invalid | _) => {
            Err(fault(format!("{kind} cannot be printed")))
        }
    }
}

/// What `{{ … }}` prints.
pub(super) fn print(out: &mut Output, _state: &mut State, value: &Value) -> Result<(), Error> {
    // The engine refuses undefined variables itself; what arrives here is an `if` without `else` whose condition is false.
    if value.is_undefined() {
        return Err(fault(
            "this expression has no value here; an `if` without `else`?",
        ));
    }
    let text = scalar_text(value)?;
    out.write_str(&text).map_err(Error::from)
}

/// Whether there is nothing in it: undefined, null, false, zero, an empty text, list or map.
pub(super) fn is_empty(value: &Value) -> bool {
    value.is_undefined() || value.is_none() || !value.is_true()
}
