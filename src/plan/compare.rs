//! Two values of one canonical form → the fields that differ. Knows identities of list items; decides nothing about effects.

use std::collections::{BTreeMap, BTreeSet};

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

/// The keys by which an item of a list is the same item, whatever its position: AWS's own, then those of kops and Kubernetes.
const IDENTITIES: [&str; 12] = [
    "Key",
    "DeviceName",
    "ResourceType",
    "InstanceType",
    "name",
    "key",
    "id",
    "device",
    "mountPath",
    "containerPort",
    "port",
    "ip",
];

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
            Some(id) => walk_items(&path, |item| id.of(item), a, b, out),
            None if a.iter().chain(b).all(Json::is_object) => walk_objects(&path, a, b, out),
            None => out.push(change(path, from, to)),
        },
        _ => out.push(change(path, from, to)),
    }
}

fn walk_items(
    path: &str,
    split: impl Fn(&Json) -> Option<(String, Json)>,
    a: &[Json],
    b: &[Json],
    out: &mut Vec<FieldChange>,
) {
    let named = |list: &[Json]| {
        list.iter()
            .filter_map(&split)
            .collect::<BTreeMap<String, Json>>()
    };
    let (old, new) = (named(a), named(b));
    let before = out.len();
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        walk(format!("{path}[{name}]"), old.get(name), new.get(name), out);
    }
    // The same items in another order: that is a difference of the list itself, and only then.
    if out.len() == before {
        out.push(change(
            path.to_owned(),
            Some(&Json::Array(a.to_vec())),
            Some(&Json::Array(b.to_vec())),
        ));
    }
}

/// Objects without an identity: equal ones are the same, and of the rest one that is alone on both sides is the same one changed.
fn walk_objects(path: &str, a: &[Json], b: &[Json], out: &mut Vec<FieldChange>) {
    let (old, new) = (without(a, b), without(b, a));
    match (old.as_slice(), new.as_slice()) {
        ([(_, x)], [(i, y)]) => walk(format!("{path}[{i}]"), Some(x), Some(y), out),
        ([], []) => out.push(change(
            path.to_owned(),
            Some(&Json::Array(a.to_vec())),
            Some(&Json::Array(b.to_vec())),
        )),
        (old, new) => {
            out.extend(
                old.iter()
                    .map(|(i, x)| change(format!("{path}[{i}]"), Some(x), None)),
            );
            out.extend(
                new.iter()
                    .map(|(i, y)| change(format!("{path}[{i}]"), None, Some(y))),
            );
        }
    }
}

/// The items (with their index) that `list` has and `other` has not, each as often as it has more of it.
fn without<'a>(list: &'a [Json], other: &[Json]) -> Vec<(usize, &'a Json)> {
    let mut left: Vec<&Json> = other.iter().collect();
    let mut rest = Vec::new();
    for (i, item) in list.iter().enumerate() {
        match left.iter().position(|o| *o == item) {
            Some(at) => drop(left.swap_remove(at)),
            None => rest.push((i, item)),
        }
    }
    rest
}

/// What makes an item of a list the same item.
#[derive(Clone, Copy, Debug)]
enum Identity {
    /// The value under this key.
    Under(&'static str),
    /// The part of a text before its `=`, as in sysctls and taints; the rest is its value.
    BeforeEquals,
}

impl Identity {
    /// The name of an item, and what it is beside its name.
    fn of(self, item: &Json) -> Option<(String, Json)> {
        match self {
            Identity::Under(key) => match item.get(key)? {
                Json::String(name) => Some((name.clone(), item.clone())),
                Json::Number(name) => Some((name.to_string(), item.clone())),
                Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
            },
            Identity::BeforeEquals => item
                .as_str()
                .and_then(|text| text.split_once('='))
                .map(|(name, value)| (name.to_owned(), Json::from(value))),
        }
    }

    fn is_unique_in(self, list: &[Json]) -> bool {
        let names: Option<BTreeSet<String>> = list
            .iter()
            .map(|item| self.of(item).map(|(name, _)| name))
            .collect();
        names.is_some_and(|n| n.len() == list.len())
    }
}

/// What identifies every item of both lists, each once.
fn identity(a: &[Json], b: &[Json]) -> Option<Identity> {
    let all = IDENTITIES
        .into_iter()
        .map(Identity::Under)
        .chain([Identity::BeforeEquals]);
    all.into_iter()
        .find(|id| !(a.is_empty() && b.is_empty()) && id.is_unique_in(a) && id.is_unique_in(b))
}

fn change(field: String, from: Option<&Json>, to: Option<&Json>) -> FieldChange {
    FieldChange {
        field,
        from: from.cloned(),
        to: to.cloned(),
    }
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
            .map(|c| {
                format!(
                    "{}: {} -> {}",
                    c.field,
                    text(c.from.as_ref()),
                    text(c.to.as_ref())
                )
            })
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
            (
                r#"{"a":1,"b":{"c":2}}"#,
                r#"{"a":1,"b":{"c":3,"d":4}}"#,
                "b.c: 2 -> 3; b.d: - -> 4",
            ),
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
            (
                r#"{"t":["a=1:NoSchedule","b=2"]}"#,
                r#"{"t":["b=2","a=1:NoExecute","c=3"]}"#,
                "t[a]: \"1:NoSchedule\" -> \"1:NoExecute\"; t[c]: - -> \"3\"",
            ),
            (
                r#"{"t":["a=1:NoSchedule","a=1:NoExecute"]}"#,
                r#"{"t":["a=1:NoSchedule"]}"#,
                "t: [\"a=1:NoSchedule\",\"a=1:NoExecute\"] -> [\"a=1:NoSchedule\"]",
            ),
            (
                r#"{"p":[{"port":1,"x":1},{"port":2}]}"#,
                r#"{"p":[{"port":2},{"port":1}]}"#,
                "p[1].x: 1 -> -",
            ),
            (
                r#"{"p":[{"v":1},{"v":2}]}"#,
                r#"{"p":[{"v":2},{"v":3}]}"#,
                "p[1].v: 1 -> 3",
            ),
            (
                r#"{"p":[{"v":1},{"v":1}]}"#,
                r#"{"p":[{"v":1}]}"#,
                "p[1]: {\"v\":1} -> -",
            ),
            (
                r#"{"p":[{"v":1},{"v":2}]}"#,
                r#"{"p":[{"v":2},{"v":1}]}"#,
                "p: [{\"v\":1},{\"v\":2}] -> [{\"v\":2},{\"v\":1}]",
            ),
            (
                r#"{"m":{"k8s.io/x":"1"}}"#,
                r#"{"m":{"k8s.io/x":"2"}}"#,
                "m[k8s.io/x]: \"1\" -> \"2\"",
            ),
        ] {
            assert_eq!(check(from, to), expected);
        }
    }
}
