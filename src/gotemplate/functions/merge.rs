//! `merge` and `mergeOverwrite`: the first map is filled from the others, and changes for everybody who has it.

use super::super::call::{CallArguments, Entry, Result, Running, Trouble};
use super::super::fault::Limit;
use super::super::format::MAX_DEPTH;
use super::super::value::{Map, Value};
use super::convert::is_empty;

pub(super) const TABLE: &[Entry] = &[
    ("merge", "mm*", |running, a| all(running, a, false)),
    ("mustMerge", "mm*", |running, a| all(running, a, false)),
    ("mergeOverwrite", "mm*", |running, a| all(running, a, true)),
    ("mustMergeOverwrite", "mm*", |running, a| {
        all(running, a, true)
    }),
];

fn all(running: &mut Running<'_>, a: CallArguments<'_>, overwrite: bool) -> Result {
    let Value::Map(into) = a.any(0) else {
        return Err("assignment to entry in nil map".into());
    };
    for from in a.from(1) {
        if let Value::Map(from) = from {
            merge(running, into, from, overwrite, 0)?;
        }
    }
    Ok(a.any(0).clone())
}

fn merge(
    running: &mut Running<'_>,
    into: &Map,
    from: &Map,
    overwrite: bool,
    depth: usize,
) -> std::result::Result<(), Trouble> {
    if depth > MAX_DEPTH {
        return Err(Trouble::TooMuch(Limit::Depth));
    }
    if into.same(from) {
        return Ok(());
    }
    for (key, new) in from.entries() {
        running.spend(1)?;
        let old = into.get(&key);
        let vacant = old.as_ref().is_none_or(is_empty);
        match (&old, &new) {
            (_, Value::Absent | Value::Nil) => {
                if overwrite {
                    into.set(&key, Value::Nil);
                }
            }
            (Some(Value::Map(old)), Value::Map(new)) if !vacant => {
                merge(running, old, new, overwrite, depth + 1)?;
            }
            (_, Value::Map(_)) => {
                if vacant {
                    into.set(&key, new);
                }
            }
            (_, Value::List(_)) => {
                if vacant || overwrite && !is_empty(&new) {
                    into.set(&key, new);
                }
            }
            _ => {
                if vacant || overwrite {
                    into.set(&key, new);
                }
            }
        }
    }
    Ok(())
}
