//! Functions on lists and maps, and the tags that cluster-autoscaler discovers groups by. Maps keep their order.

use minijinja::value::{Kwargs, Rest, Value, ValueKind};
use minijinja::{Environment, Error, State, filters};

use super::super::values::{fault, from_json, scalar_text, to_json};
use super::register::both;
use serde_json::{Map, Value as Json};

/// Longest list a function makes out of nothing.
const MAX_LENGTH: i64 = 100_000;
/// The prefix of the tags. Source: cluster-autoscaler, AWS cloud provider.
const TAG: &str = "k8s.io/cluster-autoscaler";

pub(super) fn add(env: &mut Environment<'static>) {
    both(env, "keys", |map: &Value| {
        entries(map).map(|m| m.into_iter().map(|(k, _)| k).collect::<Vec<_>>())
    });
    both(env, "values", |map: &Value| {
        entries(map).map(|m| m.into_iter().map(|(_, v)| v).collect::<Vec<_>>())
    });
    both(env, "has_key", |map: &Value, key: String| {
        entries(map).map(|m| m.iter().any(|(k, _)| *k == key))
    });
    both(env, "merge", |first: &Value, others: Rest<Value>| {
        merge_all(first, &others, Wins::First)
    });
    both(
        env,
        "merge_overwrite",
        |first: &Value, others: Rest<Value>| merge_all(first, &others, Wins::Last),
    );
    both(env, "dig", dig);
    env.add_function("dict", dict);
    sequences(env);
    env.add_function("int", filters::int);
    env.add_function("float", filters::float);
    env.add_function("autoscaler_labels", autoscaler_labels);
}

fn sequences(env: &mut Environment<'static>) {
    env.add_function("list", |items: Rest<Value>| items.0);
    env.add_function("until", |n: i64| sequence(0, n.saturating_sub(1)));
    env.add_filter("until", |n: i64| sequence(0, n.saturating_sub(1)));
    env.add_function("seq", sequence);
    env.add_filter("uniq", filters::unique);
    env.add_function("uniq", filters::unique);
    env.add_function("sort", filters::sort);
    env.add_function("first", filters::first);
    env.add_function("last", filters::last);
}

fn entries(map: &Value) -> Result<Vec<(String, Value)>, Error> {
    if map.kind() != ValueKind::Map {
        return Err(fault(format!(
            "a map is needed, and this is a {}",
            map.kind()
        )));
    }
    map.try_iter()?
        .map(|key| Ok((scalar_text(&key)?, map.get_item(&key)?)))
        .collect()
}

/// Which of two values under one key stays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wins {
    First,
    Last,
}

fn merge_all(first: &Value, others: &[Value], wins: Wins) -> Result<Value, Error> {
    entries(first)?;
    let mut merged = to_json(first)?;
    for other in others {
        entries(other)?;
        merge(&mut merged, to_json(other)?, wins);
    }
    Ok(from_json(&merged))
}

fn merge(into: &mut Json, from: Json, wins: Wins) {
    match (into, from) {
        (Json::Object(into), Json::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    Some(existing) => merge(existing, value, wins),
                    None => {
                        into.insert(key, value);
                    }
                }
            }
        }
        (into, from) if wins == Wins::Last => *into = from,
        _ => {}
    }
}

/// The value under a dotted path, or the default when any part of the path is missing.
fn dig(map: &Value, path: String, default: Value) -> Result<Value, Error> {
    let mut value = map.clone();
    for key in path.split('.') {
        let next = if value.kind() == ValueKind::Map {
            value.get_item(&Value::from(key))?
        } else {
            Value::UNDEFINED
        };
        if next.is_undefined() || next.is_none() {
            return Ok(default);
        }
        value = next;
    }
    Ok(value)
}

/// `dict("a", 1, "b", 2)`, `dict(a=1, b=2)`, or both.
fn dict(pairs: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let mut map: Vec<(String, Value)> = Vec::new();
    let mut items = pairs.iter();
    while let Some(key) = items.next() {
        if let (0, ValueKind::Map) = (map.len(), key.kind()) {
            map = entries(key)?;
            continue;
        }
        let value = items
            .next()
            .ok_or_else(|| fault("dict needs a value for each key"))?;
        put(&mut map, scalar_text(key)?, value.clone());
    }
    for key in named.args() {
        put(&mut map, key.to_owned(), named.get(key)?);
    }
    named.assert_all_used()?;
    Ok(Value::from_pairs(map))
}

fn put(map: &mut Vec<(String, Value)>, key: String, value: Value) {
    match map.iter_mut().find(|(k, _)| *k == key) {
        Some((_, existing)) => *existing = value,
        None => map.push((key, value)),
    }
}

/// Whole numbers from `first` to `last`, both included.
fn sequence(first: i64, last: i64) -> Result<Vec<i64>, Error> {
    if last.saturating_sub(first) >= MAX_LENGTH {
        return Err(fault(format!("a list of more than {MAX_LENGTH} numbers")));
    }
    Ok((first..=last).collect())
}

/// The cloudLabels that let cluster-autoscaler find a group and know its nodes while there are none.
///
/// `node_labels` is a map; `taints` are texts as kops writes them (`key=value:Effect`) or maps with key, value and effect.
fn autoscaler_labels(
    state: &mut State,
    node_labels: Option<Value>,
    taints: Option<Value>,
) -> Result<Value, Error> {
    let cluster = state
        .lookup("cluster")
        .ok_or_else(|| fault("no cluster in scope"))?
        .get_attr("name")?;
    let mut tags = Map::new();
    let mut tag =
        |key: String, value: String| tags.insert(format!("{TAG}/{key}"), Json::String(value));
    tag("enabled".into(), "true".into());
    tag(scalar_text(&cluster)?, "owned".into());
    for (key, value) in given(node_labels.as_ref()).map_or_else(|| Ok(Vec::new()), entries)? {
        tag(format!("node-template/label/{key}"), scalar_text(&value)?);
    }
    if let Some(taints) = given(taints.as_ref()) {
        for taint in taints.try_iter()? {
            let (key, value, effect) = taint_parts(&taint)?;
            tag(
                format!("node-template/taint/{key}"),
                format!("{value}:{effect}"),
            );
        }
    }
    Ok(from_json(&Json::Object(tags)))
}

fn given(value: Option<&Value>) -> Option<&Value> {
    value.filter(|v| !v.is_none())
}

fn taint_parts(taint: &Value) -> Result<(String, String, String), Error> {
    let wrong =
        || fault("a taint is written key=value:Effect, or as a map with key, value and effect");
    if taint.kind() == ValueKind::Map {
        let part = |key: &str| {
            taint.get_attr(key).and_then(|v| {
                if v.is_undefined() || v.is_none() {
                    Ok(String::new())
                } else {
                    scalar_text(&v)
                }
            })
        };
        let (key, value, effect) = (part("key")?, part("value")?, part("effect")?);
        return if key.is_empty() || effect.is_empty() {
            Err(wrong())
        } else {
            Ok((key, value, effect))
        };
    }
    let text = scalar_text(taint)?;
    let (left, effect) = text.rsplit_once(':').ok_or_else(wrong)?;
    let (key, value) = left.split_once('=').unwrap_or((left, ""));
    if key.is_empty() || !matches!(effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
        return Err(wrong());
    }
    Ok((key.to_owned(), value.to_owned(), effect.to_owned()))
}
