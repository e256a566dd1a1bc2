//! Two values of one canonical form → the fields that differ. Knows identities of list items; decides nothing about effects.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldChange {
    /// Its path, in the names of the document: `launchTemplate.LaunchTemplateData.ImageId`, `autoScalingGroup.Tags[Owner].Value`.
    pub field: String,
    /// As found; none: absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Json>,
    /// As wanted; none: to be removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Json>,
}

/// The keys by which an item of a list is the same item, whatever its position.
const IDENTITIES: [&str; 6] = ["Key", "DeviceName", "ResourceType", "name", "key", "id"];

/// Every field in which `to` differs from `from`, in the order of the path.
pub fn fields(from: &Json, to: &Json) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    walk(String::new(), Some(from), Some(to), &mut changes);
    changes
}

fn walk(path: String, from: Option<&Json>, to: Option<&Json>, out: &mut Vec<FieldChange>) {
    match (from, to) {
        (Some(a), Some(b)) if a == b => {}
        (Some(Json::Object(a)), Some(Json::Object(b))) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                walk(join(&path, key), a.get(key), b.get(key), out);
            }
        }
        (Some(Json::Array(a)), Some(Json::Array(b))) => match identity(a, b) {
            Some(id) => walk_items(&path, id, a, b, out),
            None => out.push(change(path, from, to)),
        },
        _ => out.push(change(path, from, to)),
    }
}

fn walk_items(path: &str, id: &str, a: &[Json], b: &[Json], out: &mut Vec<FieldChange>) {
    let name = |item: &Json| item.get(id).and_then(Json::as_str).map(str::to_owned);
    let names: BTreeSet<String> = a.iter().chain(b).filter_map(name).collect();
    let before = out.len();
    for item in &names {
        let find = |list: &'_ [Json]| list.iter().position(|i| name(i).as_deref() == Some(item));
        let (x, y) = (find(a).and_then(|i| a.get(i)), find(b).and_then(|i| b.get(i)));
        walk(format!("{path}[{item}]"), x, y, out);
    }
    // The same items in another order: that is a difference of the list itself, and only then.
    if out.len() == before {
        out.push(change(path.to_owned(), Some(&Json::Array(a.to_vec())), Some(&Json::Array(b.to_vec()))));
    }
}

/// The key that identifies every item of both lists, each once.
fn identity(a: &[Json], b: &[Json]) -> Option<&'static str> {
    IDENTITIES.into_iter().find(|id| {
        let unique = |list: &[Json]| {
            let names: Option<BTreeSet<&str>> = list.iter().map(|i| i.get(id).and_then(Json::as_str)).collect();
            names.is_some_and(|n| n.len() == list.len())
        };
        !(a.is_empty() && b.is_empty()) && unique(a) && unique(b)
    })
}

fn change(field: String, from: Option<&Json>, to: Option<&Json>) -> FieldChange {
    FieldChange { field, from: from.cloned(), to: to.cloned() }
}

fn join(path: &str, key: &str) -> String {
    match (path.is_empty(), key.contains(['.', '[', '/'])) {
        (true, _) => key.to_owned(),
        (false, false) => format!("{path}.{key}"),
        (false, true) => format!("{path}[{key}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, to: &str) -> String {
        let read = |t: &str| serde_json::from_str::<Json>(t).unwrap();
        fields(&read(from), &read(to))
            .iter()
            .map(|c| format!("{}: {} -> {}", c.field, text(c.from.as_ref()), text(c.to.as_ref())))
            .collect::<Vec<_>>()
            .join("; ")
    }

    fn text(value: Option<&Json>) -> String {
        value.map_or("-".into(), Json::to_string)
    }

    #[test]
    fn differences_name_the_deepest_field() {
        for (from, to, expected) in [
            (r#"{"a":1,"b":{"c":2}}"#, r#"{"b":{"c":2},"a":1}"#, ""),
            (r#"{"a":1,"b":{"c":2}}"#, r#"{"a":1,"b":{"c":3,"d":4}}"#, "b.c: 2 -> 3; b.d: - -> 4"),
            (r#"{"l":[1,2]}"#, r#"{"l":[2,1]}"#, "l: [1,2] -> [2,1]"),
            (
                r#"{"t":[{"Key":"a","Value":"1"},{"Key":"b","Value":"2"}]}"#,
                r#"{"t":[{"Key":"b","Value":"3"}]}"#,
                "t[a]: {\"Key\":\"a\",\"Value\":\"1\"} -> -; t[b].Value: \"2\" -> \"3\"",
            ),
            (
                r#"{"t":[{"name":"a"},{"name":"b"}]}"#,
                r#"{"t":[{"name":"b"},{"name":"a"}]}"#,
                "t: [{\"name\":\"a\"},{\"name\":\"b\"}] -> [{\"name\":\"b\"},{\"name\":\"a\"}]",
            ),
            (r#"{"m":{"k8s.io/x":"1"}}"#, r#"{"m":{"k8s.io/x":"2"}}"#, "m[k8s.io/x]: \"1\" -> \"2\""),
        ] {
            assert_eq!(check(from, to), expected);
        }
    }
}
