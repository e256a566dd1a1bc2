//! A look at a mapping by field name, absent and null alike. Types are checked by `schema`, so a wrong one reads as absent here.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::error::Problems;
use super::values::whole;
use crate::yaml::{Node, Pos, Scalar, Value};

/// A mapping that may be absent.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    node: Option<&'a Node>,
    /// Where the mapping stands, or the nearest thing around it that does.
    pub(super) pos: Pos,
}

impl<'a> View<'a> {
    pub(super) fn new(node: &'a Node) -> Self {
        View {
            node: Some(node),
            pos: node.pos,
        }
    }

    pub(super) fn get(self, key: &str) -> Option<&'a Node> {
        self.node.and_then(|n| n.get(key)).filter(|n| !n.is_null())
    }

    /// Whether the field is there and not null.
    pub(super) fn has(self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Whether this mapping itself is there.
    pub(super) fn is_present(self) -> bool {
        self.node.is_some_and(|n| !n.is_null())
    }

    /// Where the field's value stands; the mapping's place when there is none.
    pub(super) fn at(self, key: &str) -> Pos {
        self.get(key).map_or(self.pos, |n| n.pos)
    }

    /// Where each field of the mapping stands.
    pub(super) fn places(self) -> BTreeMap<String, Pos> {
        self.node
            .map(Node::entries)
            .unwrap_or_default()
            .iter()
            .map(|(k, v)| (k.text.clone(), v.pos))
            .collect()
    }

    pub(super) fn sub(self, key: &str) -> View<'a> {
        View {
            node: self.get(key),
            pos: self.at(key),
        }
    }

    pub(super) fn list(self, key: &str) -> impl Iterator<Item = View<'a>> {
        self.get(key)
            .map(Node::items)
            .unwrap_or_default()
            .iter()
            .map(View::new)
    }

    pub(super) fn str(self, key: &str) -> Option<&'a str> {
        self.get(key).and_then(Node::as_str)
    }

    /// A string that is not empty: to kops, an empty one is an absent one.
    pub(super) fn text(self, key: &str) -> Option<&'a str> {
        self.str(key).filter(|s| !s.is_empty())
    }

    pub(super) fn owned(self, key: &str) -> Option<String> {
        self.text(key).map(str::to_owned)
    }

    pub(super) fn bool(self, key: &str) -> Option<bool> {
        scalar(self.get(key)?).and_then(Json::as_bool)
    }

    pub(super) fn int(self, key: &str) -> Option<i64> {
        integer(self.get(key)?)
    }

    /// A count; a negative one (or one beyond 32 bits) is an error.
    pub(super) fn count(self, key: &str, problems: &mut Problems) -> Option<u32> {
        let value = self.int(key)?;
        if let Ok(count) = u32::try_from(value) {
            return Some(count);
        }
        let what = if value < 0 {
            "must not be negative"
        } else {
            "is too large"
        };
        problems.error(self.at(key), format!("`{key}` {what}"));
        None
    }

    pub(super) fn strings(self, key: &str) -> Vec<String> {
        self.items(key)
            .into_iter()
            .map(|(s, _)| s.to_owned())
            .collect()
    }

    /// The strings of a list with their places.
    pub(super) fn items(self, key: &str) -> Vec<(&'a str, Pos)> {
        let nodes = self.get(key).map(Node::items).unwrap_or_default();
        nodes
            .iter()
            .filter_map(|n| n.as_str().map(|s| (s, n.pos)))
            .collect()
    }

    pub(super) fn map(self, key: &str) -> BTreeMap<String, String> {
        self.pairs(key)
            .into_iter()
            .map(|(k, v, _)| (k.to_owned(), v.to_owned()))
            .collect()
    }

    /// Key, value and the key's place of a map of strings.
    pub(super) fn pairs(self, key: &str) -> Vec<(&'a str, &'a str, Pos)> {
        let entries = self.get(key).map(Node::entries).unwrap_or_default();
        entries
            .iter()
            .map(|(k, v)| (k.text.as_str(), v.as_str().unwrap_or_default(), k.pos))
            .collect()
    }
}

/// The value of a scalar.
pub(super) fn scalar(node: &Node) -> Option<&Json> {
    match &node.value {
        Value::Scalar(Scalar { value, .. }) => Some(value),
        Value::List(_) | Value::Map(_) => None,
    }
}

/// A whole number, also when written as `1e3`, which JSON readers take for one.
pub(super) fn integer(node: &Node) -> Option<i64> {
    let value = scalar(node)?;
    value.as_i64().or_else(|| value.as_f64().and_then(whole))
}
