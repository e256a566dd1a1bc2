//! Values by the types of kops' fields: what kops writes back of them, with what is empty left out. Knows no defaults.

use serde_json::{Map, Value as Json};

use super::super::schema;
use super::super::values::whole;
use super::scalars;

/// Mappings that say something by being there, though they are empty; `*`: every field of that section.
const SAYS_SOMETHING: [(&str, &str); 5] = [
    ("Cluster", "warmPool"),
    ("Cluster.api", "loadBalancer"),
    ("Cluster.networking", "*"),
    ("Cluster.target", "terraform"),
    ("InstanceGroup", "warmPool"),
];

/// A mapping of a section of the table, as kops writes it back.
pub(super) fn section(name: &str, value: &Json) -> Json {
    let Json::Object(fields) = value else {
        return value.clone();
    };
    let mut out = Map::new();
    for (key, value) in sorted(fields) {
        // What the table does not know is kept: kops would have dropped it from what it wrote, so it means something to this kops.
        let kind = schema::kind(name, key)
            .or_else(|| schema::kind(name, "*"))
            .unwrap_or("any");
        let written = field(kind, value).filter(|v| !is_empty(v) || says_something(name, key));
        out.extend(written.map(|v| (key.clone(), v)));
    }
    Json::Object(out)
}

fn says_something(section: &str, field: &str) -> bool {
    let untyped = schema::kind(section, field) == Some("any")
        && !matches!(
            (section, field),
            ("Cluster", "authentication" | "authorization")
        );
    untyped
        || SAYS_SOMETHING
            .iter()
            .any(|(s, f)| *s == section && (*f == field || *f == "*"))
}

/// A field's value; none: kops leaves it out.
fn field(kind: &str, value: &Json) -> Option<Json> {
    let value = item(kind, value)?;
    // A zero that stands for itself is kept where kops can tell it from none: `*T`, and all types that are mappings of their own to kops.
    let zero = match kind {
        "string" => value == "",
        "bool" => value == false,
        "int" => value.as_i64() == Some(0),
        "strings" | "map" => is_empty(&value),
        _ => value.as_array().is_some_and(Vec::is_empty),
    };
    (!zero).then_some(value)
}

/// A value that stands for itself, as in a list.
fn item(kind: &str, value: &Json) -> Option<Json> {
    if value.is_null() {
        return None;
    }
    let kind = kind.trim_start_matches('*');
    if let Some(name) = kind.strip_prefix('@') {
        return Some(section(name, value));
    }
    if let (Some(kind), Json::Array(items)) = (kind.strip_prefix("[]"), value) {
        return Some(items.iter().filter_map(|i| item(kind, i)).collect());
    }
    Some(match (kind, value) {
        ("int" | "int-or-percent", Json::Number(n)) => n
            .as_f64()
            .and_then(whole)
            .map_or_else(|| value.clone(), Json::from),
        ("quantity", Json::Number(n)) => quantity(&n.to_string(), value),
        ("quantity", Json::String(text)) => quantity(text, value),
        ("duration", Json::String(text)) => {
            scalars::duration(text).map_or_else(|| value.clone(), Json::from)
        }
        ("any", _) => any(value)?,
        (_, _) => plain(value)?,
    })
}

fn quantity(text: &str, written: &Json) -> Json {
    scalars::quantity(text).map_or_else(|| written.clone(), Json::from)
}

/// A value whose type the table does not say: no nulls, no empty texts or lists. An empty mapping may say something, as `rbac: {}` does.
fn any(value: &Json) -> Option<Json> {
    match value {
        Json::Null => None,
        Json::String(text) if text.is_empty() => None,
        Json::Array(items) if items.is_empty() => None,
        Json::Array(items) => Some(items.iter().filter_map(any).collect()),
        Json::Object(fields) => Some(
            sorted(fields)
                .into_iter()
                .filter_map(|(k, v)| Some((k.clone(), any(v)?)))
                .collect::<Map<_, _>>()
                .into(),
        ),
        Json::Bool(_) | Json::Number(_) | Json::String(_) => Some(value.clone()),
    }
}

/// A value with the keys of every mapping sorted, and without nulls; none: it is null.
pub(super) fn plain(value: &Json) -> Option<Json> {
    match value {
        Json::Null => None,
        Json::Array(items) => Some(
            items
                .iter()
                .map(|i| plain(i).unwrap_or(Json::Null))
                .collect(),
        ),
        Json::Object(fields) => Some(
            sorted(fields)
                .into_iter()
                .filter_map(|(k, v)| Some((k.clone(), plain(v)?)))
                .collect::<Map<_, _>>()
                .into(),
        ),
        Json::Bool(_) | Json::Number(_) | Json::String(_) => Some(value.clone()),
    }
}

fn is_empty(value: &Json) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

/// The stored side of a section with the wanted spelling of every quantity that is the same.
pub(super) fn aligned(name: &str, wanted: &Json, stored: &Json) -> Json {
    let (Json::Object(wanted), Json::Object(fields)) = (wanted, stored) else {
        return stored.clone();
    };
    let one = |(key, value): (&String, &Json)| {
        let aligned = match (schema::kind(name, key), wanted.get(key)) {
            (Some(kind), Some(wanted)) => aligned_item(kind, wanted, value),
            (_, _) => value.clone(),
        };
        (key.clone(), aligned)
    };
    Json::Object(fields.iter().map(one).collect())
}

fn aligned_item(kind: &str, wanted: &Json, stored: &Json) -> Json {
    let kind = kind.trim_start_matches('*');
    if let Some(name) = kind.strip_prefix('@') {
        return aligned(name, wanted, stored);
    }
    match (kind.strip_prefix("[]"), wanted, stored) {
        // Without an own look at what makes two items one, those in the same place are compared: kops keeps the order.
        (Some(kind), Json::Array(wanted), Json::Array(items)) => {
            let mut wanted = wanted.iter();
            items
                .iter()
                .map(|i| {
                    wanted
                        .next()
                        .map_or_else(|| i.clone(), |w| aligned_item(kind, w, i))
                })
                .collect()
        }
        (None, Json::String(a), Json::String(b))
            if kind == "quantity" && scalars::same_quantity(a, b) =>
        {
            wanted.clone()
        }
        (_, _, _) => stored.clone(),
    }
}

/// The fields of a mapping, by name.
pub(super) fn sorted(fields: &Map<String, Json>) -> std::collections::BTreeMap<&String, &Json> {
    fields.iter().collect()
}
