//! Which rendered lines a var produces: those that change when its value does. Pure; renders once more with the value changed.

use serde_json::{Number, Value as Json};
use similar::{Algorithm, DiffOp, capture_diff_slices};

/// The scope with every leaf at or below the dotted `path` changed to another value of its type; none when there is nothing there.
pub(super) fn changed(scope: &Json, path: &str) -> Option<Json> {
    let mut copy = scope.clone();
    let pointer: String = path.split('.').map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect();
    change(copy.pointer_mut(&pointer)?);
    Some(copy)
}

fn change(value: &mut Json) {
    match value {
        Json::Null => *value = Json::String("changed".into()),
        Json::Bool(b) => *b = !*b,
        Json::Number(n) => *value = Json::Number(other_number(n)),
        Json::String(s) => s.push('x'),
        Json::Array(items) => items.iter_mut().for_each(change),
        Json::Object(map) => map.values_mut().for_each(change),
    }
}

fn other_number(n: &Number) -> Number {
    let whole = n.as_i64().map(|i| Number::from(i.checked_add(1).unwrap_or(0)));
    let real = || n.as_f64().and_then(|f| Number::from_f64(f + 1.0));
    whole.or_else(real).unwrap_or_else(|| Number::from(0))
}

/// The lines (from 1) of `before` that `after` does not have.
pub(super) fn lines(before: &str, after: &str) -> Vec<u32> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let gone = |op: DiffOp| match op {
        DiffOp::Equal { .. } | DiffOp::Insert { .. } => 0..0,
        DiffOp::Delete { old_index, old_len, .. } | DiffOp::Replace { old_index, old_len, .. } => old_index..old_index + old_len,
    };
    let ops = capture_diff_slices(Algorithm::Myers, &old, &new);
    ops.into_iter().flat_map(gone).filter_map(|i| u32::try_from(i + 1).ok()).collect()
}
