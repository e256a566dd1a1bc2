//! Layers of vars and their merge, in which every leaf still knows where it was set and what it overrode. Reads no files.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::yaml::{Node, Pos, Value};

/// The vars of a cluster, layer by layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vars {
    /// Lowest first: a later layer wins. A file that several clusters read is there once.
    pub layers: Vec<Arc<Layer>>,
}

/// One file of vars.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Relative to the fleet, e.g. `vars/defaults.yaml`.
    pub path: String,
    /// What it holds: a mapping, or null when the file is empty.
    pub node: Node,
}

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The layer's file.
    pub path: String,
    /// Where in it.
    pub pos: Pos,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.path, self.pos.line)
    }
}

/// A value of an earlier layer that a later one replaced.
#[derive(Clone, Debug, PartialEq)]
pub struct Overridden {
    /// Where it stood.
    pub origin: Origin,
    /// What it was.
    pub value: Json,
}

/// A value of all layers together.
#[derive(Clone, Debug, PartialEq)]
pub struct MergedValue {
    pub value: Merged,
    /// The layer that set it; for a mapping, the first one that did.
    pub origin: Origin,
    /// What it replaced, lowest layer first.
    pub overrode: Vec<Overridden>,
}

/// What stands at a [`MergedValue`].
#[derive(Clone, Debug, PartialEq)]
pub enum Merged {
    /// A scalar or a list: replaced as a whole.
    Leaf(Json),
    /// A mapping: merged key by key, in the order in which keys first appeared.
    Map(Vec<(String, MergedValue)>),
}

impl Vars {
    /// All layers as one mapping.
    pub fn merged(&self) -> MergedValue {
        let none = Origin {
            path: String::new(),
            pos: Pos { line: 1, column: 1 },
        };
        let mut root = MergedValue {
            value: Merged::Map(Vec::new()),
            origin: none,
            overrode: Vec::new(),
        };
        for (i, layer) in self.layers.iter().filter(|l| !l.node.is_null()).enumerate() {
            if i == 0 {
                root.origin = Origin {
                    path: layer.path.clone(),
                    pos: layer.node.pos,
                };
            }
            root.overlay(&layer.path, &layer.node);
        }
        root
    }

    /// All layers as one JSON object: [`Vars::merged`] without where anything came from.
    pub fn to_json(&self) -> Json {
        let mut root = Plain {
            value: PlainValue::Map(Vec::new()),
            replaced_a_map: false,
        };
        for layer in self.layers.iter().filter(|l| !l.node.is_null()) {
            root.overlay(&layer.node);
        }
        root.to_json()
    }
}

/// A [`MergedValue`] without origins.
struct Plain<'n> {
    value: PlainValue<'n>,
    /// Whether it replaced a mapping at any time.
    replaced_a_map: bool,
}

enum PlainValue<'n> {
    Leaf(&'n Node),
    Map(Vec<(&'n str, Plain<'n>)>),
}

impl<'n> Plain<'n> {
    fn new(node: &'n Node) -> Self {
        let value = match &node.value {
            Value::Map(entries) => PlainValue::Map(
                entries
                    .iter()
                    .map(|(k, v)| (k.text.as_str(), Plain::new(v)))
                    .collect(),
            ),
            Value::Scalar(_) | Value::List(_) => PlainValue::Leaf(node),
        };
        Plain {
            value,
            replaced_a_map: false,
        }
    }

    fn overlay(&mut self, node: &'n Node) {
        match (&mut self.value, &node.value) {
            (PlainValue::Map(mine), Value::Map(theirs)) => {
                for (key, value) in theirs {
                    match mine.iter_mut().find(|(k, _)| *k == key.text) {
                        Some((_, existing)) => existing.overlay(value),
                        None => mine.push((&key.text, Plain::new(value))),
                    }
                }
            }
            (
                PlainValue::Map(_) | PlainValue::Leaf(_),
                Value::Map(_) | Value::Scalar(_) | Value::List(_),
            ) => {
                let was_map = matches!(self.value, PlainValue::Map(_));
                *self = Plain {
                    replaced_a_map: self.replaced_a_map || was_map,
                    ..Plain::new(node)
                };
            }
        }
    }

    /// As [`MergedValue::is_unset`].
    fn is_unset(&self) -> bool {
        self.replaced_a_map && matches!(self.value, PlainValue::Leaf(node) if node.is_null())
    }

    fn to_json(&self) -> Json {
        match &self.value {
            PlainValue::Leaf(node) => node.to_json(),
            PlainValue::Map(entries) => Json::Object(
                entries
                    .iter()
                    .filter(|(_, v)| !v.is_unset())
                    .map(|(k, v)| ((*k).to_owned(), v.to_json()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }
}

impl MergedValue {
    fn new(path: &str, node: &Node) -> Self {
        let origin = Origin {
            path: path.to_owned(),
            pos: node.pos,
        };
        let value = match &node.value {
            Value::Map(entries) => Merged::Map(
                entries
                    .iter()
                    .map(|(k, v)| (k.text.clone(), MergedValue::new(path, v)))
                    .collect(),
            ),
            Value::Scalar(_) | Value::List(_) => Merged::Leaf(node.to_json()),
        };
        MergedValue {
            value,
            origin,
            overrode: Vec::new(),
        }
    }

    fn overlay(&mut self, path: &str, node: &Node) {
        match (&mut self.value, &node.value) {
            (Merged::Map(mine), Value::Map(theirs)) => {
                for (key, value) in theirs {
                    match mine.iter_mut().find(|(k, _)| *k == key.text) {
                        Some((_, existing)) => existing.overlay(path, value),
                        None => mine.push((key.text.clone(), MergedValue::new(path, value))),
                    }
                }
            }
            (
                Merged::Map(_) | Merged::Leaf(_),
                Value::Map(_) | Value::Scalar(_) | Value::List(_),
            ) => {
                let mut next = MergedValue::new(path, node);
                next.overrode = std::mem::take(&mut self.overrode);
                next.overrode.push(Overridden {
                    origin: self.origin.clone(),
                    value: self.to_json(),
                });
                *self = next;
            }
        }
    }

    /// Whether a later layer said `null` to a mapping of an earlier one: the mapping is not there then (a pool that one cluster has not).
    pub fn is_unset(&self) -> bool {
        matches!(self.value, Merged::Leaf(Json::Null))
            && self.overrode.iter().any(|o| o.value.is_object())
    }

    /// The value without origins; what is unset is left out.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Merged::Leaf(value) => value.clone(),
            Merged::Map(entries) => Json::Object(
                entries
                    .iter()
                    .filter(|(_, v)| !v.is_unset())
                    .map(|(k, v)| (k.clone(), v.to_json()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// The value under `key`, when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&MergedValue> {
        self.entries()
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v)
    }

    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[(String, MergedValue)] {
        match &self.value {
            Merged::Map(entries) => entries,
            Merged::Leaf(_) => &[],
        }
    }

    /// The value reached by following keys.
    pub fn at<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&MergedValue> {
        path.into_iter().try_fold(self, |value, key| value.get(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Schema, parse_one};

    /// One line a leaf: `path = value  origin  (overrode origin value …)`.
    fn show(layers: &[&str]) -> String {
        let layers = layers
            .iter()
            .zip(["a", "b", "c"])
            .map(|(text, path)| Layer {
                path: path.into(),
                node: parse_one(text, Schema::Core).unwrap(),
            })
            .map(Arc::new);
        let merged = Vars {
            layers: layers.collect(),
        }
        .merged();
        let mut out = String::new();
        walk(&merged, "", &mut out);
        out
    }

    fn walk(value: &MergedValue, path: &str, out: &mut String) {
        let over: String = value
            .overrode
            .iter()
            .map(|o| format!(" <- {} {}", o.origin, o.value))
            .collect();
        match &value.value {
            Merged::Leaf(json) => {
                out.push_str(&format!("{path} = {json} {}{over}\n", value.origin))
            }
            Merged::Map(entries) => {
                if !over.is_empty() {
                    out.push_str(&format!("{path} {}{over}\n", value.origin));
                }
                entries
                    .iter()
                    .for_each(|(k, v)| walk(v, &format!("{path}/{k}"), out));
            }
        }
    }

    #[test]
    fn null_takes_an_inherited_mapping_away() {
        let of = |layers: &[&str]| {
            let layers = layers.iter().map(|text| {
                Arc::new(Layer {
                    path: "a".into(),
                    node: parse_one(text, Schema::Core).unwrap(),
                })
            });
            Vars {
                layers: layers.collect(),
            }
            .to_json()
            .to_string()
        };
        let pools = "pools: {spot: {min: 1}, web: {min: 2}}";
        assert_eq!(
            of(&[pools, "pools: {spot: null}"]),
            r#"{"pools":{"web":{"min":2}}}"#
        );
        assert_eq!(
            of(&[pools, "pools: {spot: null}", "pools: {spot: {min: 3}}"]),
            r#"{"pools":{"spot":{"min":3},"web":{"min":2}}}"#
        );
        assert_eq!(of(&["team: a", "team: null"]), r#"{"team":null}"#);
        assert_eq!(of(&["team: null"]), r#"{"team":null}"#);
    }

    proptest::proptest! {
        #[test]
        fn vars_are_the_same_with_and_without_origins(texts in proptest::collection::vec("(a|b): (1|null|\\[1\\]|\\{(a|b): (1|null|\\{a: (1|null)\\})\\})", 1..6)) {
            let layer = |text: &String| Arc::new(Layer {
                path: "a".into(),
                node: parse_one(text, Schema::Core).unwrap(),
            });
            let vars = Vars { layers: texts.iter().map(layer).collect() };
            let (plain, merged) = (vars.to_json().to_string(), vars.merged().to_json().to_string());
            proptest::prop_assert_eq!(plain, merged, "{:?}", texts);
        }
    }

    #[test]
    fn maps_merge_and_all_else_is_replaced() {
        let cases: [(&[&str], &str); 5] = [
            (
                &["x: 1\ny: {a: 1, b: [1, 2]}\n", "y:\n  b: [3]\n  c: 4\n"],
                "/x = 1 a:1\n/y/a = 1 a:2\n/y/b = [3] b:2 <- a:2 [1,2]\n/y/c = 4 b:3\n",
            ),
            (&["x: 1", "x: 2", "x: 3"], "/x = 3 c:1 <- a:1 1 <- b:1 2\n"),
            (
                &["x: {a: 1}", "x: 2", "x: {b: 1}"],
                "/x c:1 <- a:1 {\"a\":1} <- b:1 2\n/x/b = 1 c:1\n",
            ),
            (
                &["x: {a: 1}", "x: null"],
                "/x = null b:1 <- a:1 {\"a\":1}\n",
            ),
            (&["", "x: 1", ""], "/x = 1 b:1\n"),
        ];
        for (layers, expected) in cases {
            assert_eq!(show(layers), expected, "{layers:?}");
        }
    }
}
