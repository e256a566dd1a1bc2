//! One value set in the text of a YAML file, or taken out of it, everything else as it stands: comments, order, style. Reads no files.

use serde_json::{Map, Value as Json, json};

use crate::yaml::{self, Node, Schema, Value};

/// The text with the value under these keys; none where that cannot be done by changing little, or would change something else.
pub(super) fn with_value(text: &str, keys: &[String], value: &Json) -> Option<String> {
    let root = yaml::parse_one(text, Schema::Core).ok()?;
    let changed = change(text, &root, keys, value)?;
    let now = yaml::parse_one(&changed, Schema::Core).ok()?;
    let mut expected = root.to_json();
    put(&mut expected, keys, value)?;
    (now.to_json() == expected).then_some(changed)
}

/// The text without the key; none where that cannot be done by taking out just that, or nothing would be left beside it.
pub(super) fn without(text: &str, keys: &[String]) -> Option<String> {
    let root = yaml::parse_one(text, Schema::Core).ok()?;
    let changed = cut(text, &root, keys)?;
    let now = yaml::parse_one(&changed, Schema::Core).ok()?;
    let mut expected = root.to_json();
    let (last, above) = keys.split_last()?;
    let holder = above
        .iter()
        .try_fold(&mut expected, |at, key| at.get_mut(key))?;
    holder.as_object_mut()?.shift_remove(last)?;
    (now.to_json() == expected).then_some(changed)
}

fn cut(text: &str, root: &Node, keys: &[String]) -> Option<String> {
    let (last, above) = keys.split_last()?;
    let holder = above.iter().try_fold(root, |at, key| at.get(key))?;
    let Value::Map(entries) = &holder.value else {
        return None;
    };
    let (key, value) = entries.iter().find(|(key, _)| key.text == *last)?;
    if value.end_line != key.pos.line {
        return None;
    }
    let from = offset(text, key.pos)?;
    let (before, rest) = (text.get(..from)?, text.get(from..)?);
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    if before.get(line..)?.trim().is_empty() && !rest.starts_with(['{', '[']) {
        let end = rest.find('\n').map_or(rest.len(), |end| end + 1);
        return Some(format!("{}{}", text.get(..line)?, rest.get(end..)?));
    }
    let value_from = offset(text, value.pos)?;
    let after = text.get(value_from + scalar_length(text.get(value_from..)?)?..)?;
    Some(match after.trim_start().strip_prefix(',') {
        Some(next) => format!("{before}{}", next.trim_start()),
        None => format!("{}{after}", before.trim_end().strip_suffix(',')?),
    })
}

/// What the file says afterwards.
fn put(at: &mut Json, keys: &[String], value: &Json) -> Option<()> {
    let Some((first, rest)) = keys.split_first() else {
        *at = value.clone();
        return Some(());
    };
    if at.is_null() {
        *at = Json::Object(Map::new());
    }
    put(
        at.as_object_mut()?
            .entry(first.clone())
            .or_insert(Json::Null),
        rest,
        value,
    )
}

fn change(text: &str, root: &Node, keys: &[String], value: &Json) -> Option<String> {
    let mut at = root;
    for (nth, key) in keys.iter().enumerate() {
        match at.get(key) {
            Some(next) => at = next,
            None => return insert(text, at, keys.get(nth..)?, value),
        }
    }
    replace(text, at, value)
}

/// A scalar on one line gives way to another.
fn replace(text: &str, at: &Node, value: &Json) -> Option<String> {
    if !matches!(at.value, Value::Scalar(_)) || at.end_line != at.pos.line {
        return None;
    }
    let from = offset(text, at.pos)?;
    let rest = text.get(from..)?;
    let long = scalar_length(rest)?;
    Some(format!(
        "{}{}{}",
        text.get(..from)?,
        written(value)?,
        rest.get(long..)?
    ))
}

/// How long a scalar is at whose beginning a text begins.
fn scalar_length(rest: &str) -> Option<usize> {
    let line = rest.lines().next()?;
    Some(match line.chars().next()? {
        quote @ ('"' | '\'') => line.get(1..)?.find(quote)? + 2,
        _ => {
            let ends = [
                line.find(','),
                line.find('}'),
                line.find(']'),
                line.find(" #"),
            ];
            let end = ends.into_iter().flatten().min().unwrap_or(line.len());
            line.get(..end)?.trim_end().len()
        }
    })
}

/// Keys that are not there come at the end of the mapping that would hold them.
fn insert(text: &str, at: &Node, keys: &[String], value: &Json) -> Option<String> {
    let from = offset(text, at.pos);
    let is_flow = from
        .and_then(|from| text.get(from..))
        .is_some_and(|rest| rest.starts_with('{'));
    match (&at.value, is_flow) {
        (Value::Map(entries), true) => {
            let after = from? + 1;
            let comma = if entries.is_empty() { "" } else { ", " };
            let new = in_flow(keys, value)?;
            Some(format!(
                "{}{new}{comma}{}",
                text.get(..after)?,
                text.get(after..)?
            ))
        }
        (Value::Map(entries), false) => {
            let (first, _) = entries.first()?;
            let indent = usize::try_from(first.pos.column).ok()?.checked_sub(1)?;
            let last = usize::try_from(at.end_line).ok()?;
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.splice(last..last, in_block(keys, value, indent)?);
            Some(lines.join("\n") + "\n")
        }
        (Value::Scalar(_), _) if at.is_null() && text.trim().is_empty() => {
            Some(in_block(keys, value, 0)?.join("\n") + "\n")
        }
        (Value::Scalar(_) | Value::List(_), _) => None,
    }
}

/// `a: {b: 1}`.
fn in_flow(keys: &[String], value: &Json) -> Option<String> {
    let (first, rest) = keys.split_first()?;
    let key = yaml::emit_scalar(&json!(first));
    Some(if rest.is_empty() {
        format!("{key}: {}", written(value)?)
    } else {
        format!("{key}: {{{}}}", in_flow(rest, value)?)
    })
}

/// A line a key.
fn in_block(keys: &[String], value: &Json, indent: usize) -> Option<Vec<String>> {
    let (last, above) = keys.split_last()?;
    let mut lines = Vec::new();
    for (depth, key) in above.iter().enumerate() {
        let space = " ".repeat(indent + 2 * depth);
        lines.push(format!("{space}{}:", yaml::emit_scalar(&json!(key))));
    }
    let space = " ".repeat(indent + 2 * above.len());
    lines.push(format!(
        "{space}{}: {}",
        yaml::emit_scalar(&json!(last)),
        written(value)?
    ));
    Some(lines)
}

/// A scalar as every reader reads it.
fn written(value: &Json) -> Option<String> {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            Some(yaml::emit_scalar(value))
        }
        Json::Array(_) | Json::Object(_) => None,
    }
}

/// Where a place is, in bytes.
fn offset(text: &str, pos: yaml::Pos) -> Option<usize> {
    let line = usize::try_from(pos.line).ok()?.checked_sub(1)?;
    let column = usize::try_from(pos.column).ok()?.checked_sub(1)?;
    let begin: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(begin..)?;
    let within = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    Some(begin + within.into_iter().nth(column)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str, path: &str, value: &Json) -> Option<String> {
        let keys: Vec<String> = path.split('/').map(str::to_owned).collect();
        with_value(text, &keys, value)
    }

    #[test]
    fn a_value_is_replaced_where_it_stands() {
        let text = "# why\npool:\n  big: {min: 2, max: 80} # many\n  name: \"a, b\"\n";
        let check = |path: &str, value: Json| set(text, path, &value).unwrap();
        assert_eq!(check("pool/big/max", json!(90)), text.replace("80", "90"));
        assert_eq!(
            check("pool/big/min", json!(3)),
            text.replace("min: 2", "min: 3")
        );
        assert_eq!(
            check("pool/name", json!("c")),
            text.replace("\"a, b\"", "c")
        );
        assert_eq!(check("pool/name", json!("no")), text.replace("a, b", "no"));
    }

    #[test]
    fn what_is_not_there_comes_where_it_belongs() {
        let text = "pool:\n  big: {min: 2}\n  small:\n    min: 1\n\n# the end\nimage: x\n";
        let check = |path: &str| set(text, path, &json!(9)).unwrap();
        assert_eq!(
            check("pool/big/max"),
            text.replace("{min: 2}", "{max: 9, min: 2}")
        );
        assert_eq!(
            check("pool/small/max"),
            text.replace("    min: 1\n", "    min: 1\n    max: 9\n")
        );
        assert_eq!(
            check("pool/new/max"),
            text.replace("    min: 1\n", "    min: 1\n  new:\n    max: 9\n")
        );
        assert_eq!(
            check("other"),
            text.replace("image: x\n", "image: x\nother: 9\n")
        );
        assert_eq!(set("", "a/b", &json!(1)).unwrap(), "a:\n  b: 1\n");
    }

    #[test]
    fn a_key_is_taken_out_with_its_line_alone() {
        let text = "# why\npool:\n  big: {min: 2, max: 80} # many\n  price: \"0.1\" # for now\n  name: x\n";
        let cut = |path: &str| {
            let keys: Vec<String> = path.split('/').map(str::to_owned).collect();
            without(text, &keys)
        };
        assert_eq!(
            cut("pool/price").unwrap(),
            text.replace("  price: \"0.1\" # for now\n", "")
        );
        assert_eq!(cut("pool/big/min").unwrap(), text.replace("min: 2, ", ""));
        assert_eq!(cut("pool/big/max").unwrap(), text.replace(", max: 80", ""));
        // More than a line, nothing there, and nothing left beside it.
        for path in ["pool", "pool/none", "none/a"] {
            assert_eq!(cut(path), None, "{path}");
        }
        assert_eq!(without("a: {b: 1}\n", &["a".into(), "b".into()]), None);
        assert_eq!(without("a:\n  b: 1\n", &["a".into(), "b".into()]), None);
    }

    #[test]
    fn what_cannot_be_said_by_a_small_change_is_left_alone() {
        assert_eq!(set("a: |\n  text\n", "a", &json!(1)), None);
        assert_eq!(set("a: 1\n", "a/b", &json!(1)), None);
        assert_eq!(set("a: [1, 2]\n", "a", &json!(1)), None);
        assert_eq!(set("a: 1\n", "b", &json!([1])), None);
        assert_eq!(set("a: [\n", "b", &json!(1)), None);
    }
}
