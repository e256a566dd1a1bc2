//! Which rendered lines a var produces: those that change when its value does. Pure; renders once more with the value changed.

use serde_json::{Number, Value as Json};
use similar::{Algorithm, DiffOp, capture_diff_slices};

/// The scope with every leaf at or below the dotted `path` changed to another value of its type; none when there is nothing there.
pub(super) fn changed(scope: &Json, path: &str) -> Option<Json> {
    let mut copy = scope.clone();
    let keys = keys(scope, path)?;
    change(
        keys.iter()
            .try_fold(&mut copy, |value, key| value.get_mut(key))?,
    );
    Some(copy)
}

/// The keys that a dotted path names; a key may itself have dots, as labels do.
fn keys(value: &Json, path: &str) -> Option<Vec<String>> {
    let map = value.as_object()?;
    if map.contains_key(path) {
        return Some(vec![path.to_owned()]);
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let (key, rest) = (path.get(..dot)?, path.get(dot + 1..)?);
        Some([vec![key.to_owned()], keys(map.get(key)?, rest)?].concat())
    })
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
    let whole = n
        .as_i64()
        .map(|i| Number::from(i.checked_add(1).unwrap_or(0)));
    let real = || n.as_f64().and_then(|f| Number::from_f64(f + 1.0));
    whole.or_else(real).unwrap_or_else(|| Number::from(0))
}

/// The lines (from 1) of `before` that `after` does not have.
pub(super) fn lines(before: &str, after: &str) -> Vec<u32> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let gone = |op: DiffOp| match op {
        DiffOp::Equal { .. } | DiffOp::Insert { .. } => 0..0,
        DiffOp::Delete {
            old_index, old_len, ..
        }
        | DiffOp::Replace {
            old_index, old_len, ..
        } => old_index..old_index + old_len,
    };
    let ops = capture_diff_slices(Algorithm::Myers, &old, &new);
    ops.into_iter()
        .flat_map(gone)
        .filter_map(|i| u32::try_from(i + 1).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_reach_keys_with_dots() {
        let scope = json!({"a": {"b": {"c": 1}, "k8s.io/x": 2, "b.d": {"e": 3}}, "a.b": 4});
        let show = |path: &str| keys(&scope, path).map(|k| k.join(" ")).unwrap_or_default();
        for (path, expected) in [
            ("a.b", "a.b"),
            ("a.b.c", "a b c"),
            ("a.k8s.io/x", "a k8s.io/x"),
            ("a.b.d.e", "a b.d e"),
            ("a.b.x", ""),
            ("", ""),
        ] {
            assert_eq!(show(path), expected, "{path}");
        }
        assert_eq!(changed(&scope, "a.k8s.io/x").unwrap()["a"]["k8s.io/x"], 3);
    }
}
