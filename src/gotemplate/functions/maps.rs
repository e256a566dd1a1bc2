//! Functions on maps. `set` and `unset` change the map itself, for everybody who has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::call::{CallArguments, Entry, Result, Running, Trouble};
use super::super::fault::Limit;
use super::super::format::MAX_DEPTH;
use super::super::value::{List, Map, Value};
use super::compare::text_of;

pub(super) const TABLE: &[Entry] = &[
    ("dict", "a*", dict),
    ("get", "ms", |_, a| {
        Ok(map(a.any(0))
            .get(a.text(1))
            .unwrap_or_else(|| Value::text("")))
    }),
    ("set", "msa", set),
    ("unset", "ms", unset),
    ("hasKey", "ms", |_, a| {
        Ok(Value::Bool(map(a.any(0)).has(a.text(1))))
    }),
    ("pluck", "sm*", pluck),
    ("keys", "m*", keys),
    ("values", "m", |_, a| {
        Ok(Value::List(List::new(
            map(a.any(0))
                .entries()
                .into_iter()
                .map(|(_, v)| v)
                .collect(),
        )))
    }),
    ("pick", "ms*", pick),
    ("omit", "ms*", omit),
    ("dig", "a*", dig),
    ("deepCopy", "a", |running, a| copy(running, a.any(0), 0)),
    ("mustDeepCopy", "a", |running, a| copy(running, a.any(0), 0)),
];

/// The map, or an empty one for null.
pub(super) fn map(value: &Value) -> Map {
    match value {
        Value::Map(map) => map.clone(),
        _ => Map::new(BTreeMap::new()),
    }
}

fn dict(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let mut entries = BTreeMap::new();
    for pair in a.from(0).chunks(2) {
        if let Some(key) = pair.first() {
            let value = pair.get(1).cloned().unwrap_or_else(|| Value::text(""));
            entries.insert(Arc::from(text_of(key)?), value);
        }
    }
    Ok(Value::Map(Map::new(entries)))
}

fn set(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let Value::Map(map) = a.any(0) else {
        return Err("assignment to entry in nil map".into());
    };
    map.set(a.text(1), a.any(2).clone());
    Ok(a.any(0).clone())
}

fn unset(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    map(a.any(0)).unset(a.text(1));
    Ok(a.any(0).clone())
}

fn pluck(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let found = a.from(1).iter().filter_map(|m| map(m).get(a.text(0)));
    Ok(Value::List(List::new(found.collect())))
}

/// In their order, which the original leaves to chance.
fn keys(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let all = a.from(0).iter().flat_map(|m| map(m).entries());
    Ok(Value::List(List::texts(all.map(|(k, _)| k))))
}

fn names(a: CallArguments<'_>) -> Vec<Arc<str>> {
    let texts = a.from(1).iter().filter_map(|v| match v {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    });
    texts.collect()
}

fn pick(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let from = map(a.any(0));
    let picked = names(a)
        .into_iter()
        .filter_map(|k| Some((k.clone(), from.get(&k)?)));
    Ok(Value::Map(Map::new(picked.collect())))
}

fn omit(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let names = names(a);
    let kept = map(a.any(0))
        .entries()
        .into_iter()
        .filter(|(k, _)| !names.contains(k));
    Ok(Value::Map(Map::new(kept.collect())))
}

fn dig(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let Some(last) = a.count().checked_sub(1).filter(|n| *n >= 2) else {
        return Err("dig needs at least three arguments".into());
    };
    let default = a.any(last - 1);
    let mut here = a.any(last).clone();
    for key in a.from(0).iter().take(last - 1) {
        let (Value::Map(map), Value::Text(key)) = (&here, key) else {
            return Err(format!(
                "dig looks into maps by text, and this is {}",
                here.type_name()
            )
            .into());
        };
        match map.get(key) {
            Some(next) => here = next,
            None => return Ok(default.clone()),
        }
    }
    Ok(here)
}

/// A copy that shares nothing.
pub(super) fn copy(running: &mut Running<'_>, value: &Value, depth: usize) -> Result {
    running.spend(1)?;
    if depth > MAX_DEPTH {
        return Err(Trouble::TooMuch(Limit::Depth));
    }
    match value {
        Value::List(list) => {
            let items: std::result::Result<Vec<Value>, Trouble> = list
                .items()
                .iter()
                .map(|v| copy(running, v, depth + 1))
                .collect();
            Ok(Value::List(List::of(list.item_type(), items?)))
        }
        Value::Map(map) => {
            let mut entries = BTreeMap::new();
            for (key, item) in map.entries() {
                entries.insert(key, copy(running, &item, depth + 1)?);
            }
            Ok(Value::Map(if map.of_text() {
                Map::of_texts(entries)
            } else {
                Map::new(entries)
            }))
        }
        other => Ok(other.clone()),
    }
}
