//! Functions on lists. Every one makes a new list.

use super::super::call::{CallArguments, Entry, Result, Running, Trouble};
use super::super::fault::Limit;
use super::super::limits;
use super::super::value::{List, ListType, Value};
use super::compare::same;
use super::convert::{is_empty, texts, whole};

pub(super) const TABLE: &[Entry] = &[
    ("list", "a*", |_, a| made(a.from(0).to_vec())),
    ("tuple", "a*", |_, a| made(a.from(0).to_vec())),
    ("first", "a", |_, a| {
        Ok(items("first", a.any(0))?
            .first()
            .cloned()
            .unwrap_or(Value::Nil))
    }),
    ("last", "a", |_, a| {
        Ok(items("last", a.any(0))?
            .last()
            .cloned()
            .unwrap_or(Value::Nil))
    }),
    ("rest", "a", |_, a| {
        made(
            items("rest", a.any(0))?
                .get(1..)
                .unwrap_or_default()
                .to_vec(),
        )
    }),
    ("initial", "a", |_, a| {
        let all = items("initial", a.any(0))?;
        made(
            all.get(..all.len().saturating_sub(1))
                .unwrap_or_default()
                .to_vec(),
        )
    }),
    ("append", "aa", |_, a| {
        made([items("push", a.any(0))?, &[a.any(1).clone()]].concat())
    }),
    ("push", "aa", |_, a| {
        made([items("push", a.any(0))?, &[a.any(1).clone()]].concat())
    }),
    ("prepend", "aa", |_, a| {
        made([&[a.any(1).clone()], items("prepend", a.any(0))?].concat())
    }),
    ("reverse", "a", |_, a| {
        made(items("reverse", a.any(0))?.iter().rev().cloned().collect())
    }),
    ("concat", "a*", concat),
    ("compact", "a", |_, a| {
        made(
            items("compact", a.any(0))?
                .iter()
                .filter(|v| !is_empty(v))
                .cloned()
                .collect(),
        )
    }),
    ("uniq", "a", uniq),
    ("without", "aa*", without),
    ("has", "aa", has),
    ("slice", "aa*", slice),
    ("chunk", "ia", chunk),
    ("sortAlpha", "a", sort_alpha),
    ("join", "sa", join),
    ("mustFirst", "a", |_, a| {
        Ok(items("first", a.any(0))?
            .first()
            .cloned()
            .unwrap_or(Value::Nil))
    }),
    ("mustLast", "a", |_, a| {
        Ok(items("last", a.any(0))?
            .last()
            .cloned()
            .unwrap_or(Value::Nil))
    }),
    ("mustRest", "a", |_, a| {
        made(
            items("rest", a.any(0))?
                .get(1..)
                .unwrap_or_default()
                .to_vec(),
        )
    }),
    ("mustInitial", "a", |_, a| {
        let all = items("initial", a.any(0))?;
        made(
            all.get(..all.len().saturating_sub(1))
                .unwrap_or_default()
                .to_vec(),
        )
    }),
    ("mustAppend", "aa", |_, a| {
        made([items("push", a.any(0))?, &[a.any(1).clone()]].concat())
    }),
    ("mustPush", "aa", |_, a| {
        made([items("push", a.any(0))?, &[a.any(1).clone()]].concat())
    }),
    ("mustPrepend", "aa", |_, a| {
        made([&[a.any(1).clone()], items("prepend", a.any(0))?].concat())
    }),
    ("mustReverse", "a", |_, a| {
        made(items("reverse", a.any(0))?.iter().rev().cloned().collect())
    }),
    ("mustCompact", "a", |_, a| {
        made(
            items("compact", a.any(0))?
                .iter()
                .filter(|v| !is_empty(v))
                .cloned()
                .collect(),
        )
    }),
    ("mustUniq", "a", uniq),
    ("mustWithout", "aa*", without),
    ("mustHas", "aa", has),
    ("mustSlice", "aa*", slice),
    ("mustChunk", "ia", chunk),
];

fn made(items: Vec<Value>) -> Result {
    if items.len() > limits::ITEMS {
        return Err(Trouble::TooMuch(Limit::Size));
    }
    Ok(Value::List(List::new(items)))
}

fn items<'v>(function: &str, value: &'v Value) -> std::result::Result<&'v [Value], Trouble> {
    match value {
        Value::List(list) => Ok(list.items()),
        other => Err(format!("Cannot find {function} on type {}", other.kind_name()).into()),
    }
}

fn concat(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let mut all = Vec::new();
    for list in a.from(0) {
        match list {
            Value::List(list) => all.extend_from_slice(list.items()),
            other => return Err(format!("Cannot concat type {} as list", other.kind_name()).into()),
        }
        if all.len() > limits::ITEMS {
            return Err(Trouble::TooMuch(Limit::Size));
        }
    }
    made(all)
}

fn uniq(running: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let mut kept: Vec<Value> = Vec::new();
    for item in items("uniq", a.any(0))? {
        if !contains(running, &kept, item)? {
            kept.push(item.clone());
        }
    }
    made(kept)
}

fn contains(
    running: &mut Running<'_>,
    list: &[Value],
    wanted: &Value,
) -> std::result::Result<bool, Trouble> {
    for item in list {
        if same(running, item, wanted, 0)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn without(running: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let mut kept = Vec::new();
    for item in items("without", a.any(0))? {
        if !contains(running, a.from(1), item)? {
            kept.push(item.clone());
        }
    }
    made(kept)
}

fn has(running: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    if a.any(1).is_nil() {
        return Ok(Value::Bool(false));
    }
    let list = items("has", a.any(1))?;
    Ok(Value::Bool(contains(running, list, a.any(0))?))
}

fn slice(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let Value::List(list) = a.any(0) else {
        return Err(format!(
            "list should be type of slice or array but {}",
            a.any(0).kind_name()
        )
        .into());
    };
    let length = list.items().len();
    if length == 0 {
        return Ok(Value::Nil);
    }
    let bound = |index: usize, missing: usize| match a.from(1).get(index) {
        Some(value) => usize::try_from(whole(value)).ok(),
        None => Some(missing),
    };
    let part = bound(0, 0)
        .zip(bound(1, length))
        .and_then(|(start, end)| list.items().get(start..end));
    match part {
        Some(part) => Ok(Value::List(List::of(list.item_type(), part.to_vec()))),
        None => Err("slice index out of bounds".into()),
    }
}

fn chunk(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let list = items("chunk", a.any(1))?;
    let Some(size) = usize::try_from(a.number(0)).ok().filter(|n| *n > 0) else {
        return Err("a chunk has at least one item".into());
    };
    let chunks = list
        .chunks(size)
        .map(|part| Value::List(List::new(part.to_vec())));
    Ok(Value::List(List::of(ListType::Lists, chunks.collect())))
}

fn sort_alpha(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let mut words = texts(a.any(0))?;
    if matches!(a.any(0), Value::List(_)) {
        words.sort();
    }
    if a.any(0).is_nil() {
        words.push("<nil>".into());
    }
    Ok(Value::List(List::texts(words)))
}

fn join(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let words = texts(a.any(1))?;
    let length = words.iter().map(String::len).sum::<usize>();
    super::bounds::sized(length.saturating_add(words.len().saturating_mul(a.text(0).len())))?;
    Ok(Value::text(words.join(a.text(0))))
}
