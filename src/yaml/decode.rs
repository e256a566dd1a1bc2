//! A tree → a typed value, by serde: every fault with its place, and all of them, not the first one. Knows no files.

use std::collections::BTreeSet;

use serde::de::{
    self, Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};
use serde_json::Value as Json;

use super::{Key, Node, Pos, Scalar, Value};

/// A fault of a value, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeFault {
    /// The key or value that is wrong; the mapping where something is missing.
    pub pos: Pos,
    /// What is wrong there.
    pub kind: DecodeFaultKind,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeFaultKind {
    /// A key that has no meaning there.
    UnknownKey {
        key: String,
        /// The keys there are.
        known: Vec<String>,
    },
    /// A key that is not there. The place is the mapping's.
    MissingKey(String),
    /// A value of another type or form: what it is, and what is expected.
    WrongType {
        /// What it is.
        found: String,
        /// What is expected.
        expected: String,
    },
    /// Anything else, in the words of the type that refuses it.
    Other(String),
}

/// The typed value of a tree.
///
/// # Errors
/// Every fault that can be found: what is wrong is left out and the rest read again, as long as that leads anywhere.
pub fn decode<T: DeserializeOwned>(root: &Node) -> Result<T, Vec<DecodeFault>> {
    let mut tree = root.clone();
    let mut faults: Vec<DecodeFault> = Vec::new();
    // Keys that were taken away, by the place of their mapping: that they are missing is no fault of its own.
    let mut taken: BTreeSet<(Pos, String)> = BTreeSet::new();
    loop {
        let error = match T::deserialize(&tree) {
            Ok(value) if faults.is_empty() => return Ok(value),
            Ok(_) => break,
            Err(error) => error,
        };
        let pos = error.pos.unwrap_or(tree.pos);
        let follows = matches!(&error.kind, DecodeFaultKind::MissingKey(key) if taken.contains(&(pos, key.clone())));
        if !follows {
            faults.push(DecodeFault {
                pos,
                kind: error.kind,
            });
        }
        match remove(&mut tree, &error.path) {
            Some(hole) => taken.extend(hole),
            None => break,
        }
    }
    faults.sort_by_key(|fault| fault.pos);
    Err(faults)
}

/// Takes away what a path leads to. Inner: the mapping and the key, when it was in a mapping. None: there is nothing to take away.
fn remove(root: &mut Node, path: &[usize]) -> Option<Option<(Pos, String)>> {
    let (last, way) = path.split_last()?;
    let mut node = root;
    for step in way {
        node = match &mut node.value {
            Value::List(items) => items.get_mut(*step)?,
            Value::Map(entries) => entries.get_mut(*step).map(|(_, value)| value)?,
            Value::Scalar(_) => return None,
        };
    }
    match &mut node.value {
        Value::List(items) if *last < items.len() => {
            items.remove(*last);
            Some(None)
        }
        Value::Map(entries) if *last < entries.len() => {
            let (key, _) = entries.remove(*last);
            Some(Some((node.pos, key.text)))
        }
        Value::List(_) | Value::Map(_) | Value::Scalar(_) => None,
    }
}

/// The first fault that a type finds in a [`Node`]. On its way out it learns where it is.
#[derive(Clone, Debug)]
pub struct DecodeError {
    pos: Option<Pos>,
    /// Indexes of items and entries that lead to the value, from the root.
    path: Vec<usize>,
    kind: DecodeFaultKind,
}

impl DecodeError {
    fn new(kind: DecodeFaultKind) -> Self {
        DecodeError {
            pos: None,
            path: Vec::new(),
            kind,
        }
    }

    /// As one of what a variant holds: the enum is wrong as a whole.
    fn held(mut self, pos: Pos) -> Self {
        self.pos.get_or_insert(pos);
        self.path.clear();
        self
    }

    /// As one that came out of item or entry `index`, whose place is `pos`.
    fn within(mut self, index: usize, pos: Pos) -> Self {
        self.pos.get_or_insert(pos);
        self.path.insert(0, index);
        self
    }
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.kind)
    }
}

impl std::fmt::Display for DecodeFaultKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DecodeFaultKind::UnknownKey { key, .. } => write!(f, "unknown key `{key}`"),
            DecodeFaultKind::MissingKey(key) => write!(f, "missing key `{key}`"),
            DecodeFaultKind::WrongType { found, expected } => {
                write!(f, "invalid type: {found}, expected {expected}")
            }
            DecodeFaultKind::Other(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<M: std::fmt::Display>(message: M) -> Self {
        DecodeError::new(DecodeFaultKind::Other(message.to_string()))
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        DecodeError::new(DecodeFaultKind::WrongType {
            found: found.to_string(),
            expected: words(expected),
        })
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        DecodeError::new(DecodeFaultKind::UnknownKey {
            key: key.to_owned(),
            known: known.iter().map(|k| (*k).to_owned()).collect(),
        })
    }

    fn missing_field(key: &'static str) -> Self {
        DecodeError::new(DecodeFaultKind::MissingKey(key.to_owned()))
    }
}

/// serde's names for types, in words of people who write YAML.
fn words(expected: &dyn de::Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" | "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping".to_owned(),
        _ if text.starts_with("struct ") => "a mapping".to_owned(),
        _ => text,
    }
}

/// A node as serde reads it; an error knows its place. [`decode`] finds all of them.
impl<'de> Deserializer<'de> for &Node {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.value {
            Value::Scalar(Scalar { value, .. }) => scalar(value, visitor),
            Value::List(items) => visitor.visit_seq(Items { items, next: 0 }),
            Value::Map(entries) => visitor.visit_map(Entries { entries, next: 0 }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match &self.value {
            Value::Map(entries) if entries.len() == 1 => visitor.visit_enum(Variant {
                node: self,
                entry: entries.first(),
            }),
            Value::Scalar(_) | Value::List(_) | Value::Map(_) => visitor.visit_enum(Variant {
                node: self,
                entry: None,
            }),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

fn scalar<'de, V: Visitor<'de>>(value: &Json, visitor: V) -> Result<V::Value, DecodeError> {
    match value {
        Json::Null => visitor.visit_unit(),
        Json::Bool(b) => visitor.visit_bool(*b),
        Json::Number(n) => match (n.as_u64(), n.as_i64(), n.as_f64()) {
            (Some(n), _, _) => visitor.visit_u64(n),
            (None, Some(n), _) => visitor.visit_i64(n),
            (None, None, n) => visitor.visit_f64(n.unwrap_or(f64::NAN)),
        },
        Json::String(text) => visitor.visit_str(text),
        // A scalar of a tree is neither.
        Json::Array(_) | Json::Object(_) => visitor.visit_unit(),
    }
}

struct Items<'n> {
    items: &'n [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let index = self.next;
        let Some(node) = self.items.get(index) else {
            return Ok(None);
        };
        self.next += 1;
        seed.deserialize(node)
            .map(Some)
            .map_err(|e| e.within(index, node.pos))
    }
}

struct Entries<'n> {
    entries: &'n [(Key, Node)],
    next: usize,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        let Some((key, _)) = self.entries.get(self.next) else {
            return Ok(None);
        };
        let reader = de::value::StrDeserializer::<DecodeError>::new(&key.text);
        seed.deserialize(reader)
            .map(Some)
            .map_err(|e| e.within(self.next, key.pos))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, DecodeError> {
        let index = self.next;
        self.next += 1;
        let Some((_, node)) = self.entries.get(index) else {
            return Err(de::Error::custom("a value without a key"));
        };
        seed.deserialize(node)
            .map_err(|e| e.within(index, node.pos))
    }
}

/// A variant of an enum: its name, or a mapping of its name to what it holds.
struct Variant<'n> {
    node: &'n Node,
    entry: Option<&'n (Key, Node)>,
}

impl<'de, 'n> EnumAccess<'de> for Variant<'n> {
    type Error = DecodeError;
    type Variant = Held<'n>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Held<'n>), DecodeError> {
        match self.entry {
            Some((key, node)) => {
                let reader = de::value::StrDeserializer::<DecodeError>::new(&key.text);
                let name = seed.deserialize(reader).map_err(|e| e.held(key.pos))?;
                Ok((name, Held(Some(node))))
            }
            None => Ok((seed.deserialize(self.node)?, Held(None))),
        }
    }
}

/// What a variant holds.
struct Held<'n>(Option<&'n Node>);

impl<'de> VariantAccess<'de> for Held<'_> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        match self.0 {
            None => Ok(()),
            Some(node) => <()>::deserialize(node).map_err(|e| e.held(node.pos)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, DecodeError> {
        match self.0 {
            Some(node) => seed.deserialize(node).map_err(|e| e.held(node.pos)),
            None => Err(de::Error::custom("this needs a value")),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.held(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.held(visitor)
    }
}

impl Held<'_> {
    fn held<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Some(node) => node.deserialize_any(visitor).map_err(|e| e.held(node.pos)),
            None => Err(de::Error::custom("this needs a value")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::yaml::{Schema, parse_one};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Whole {
        name: String,
        count: Option<u32>,
        #[serde(default)]
        parts: Vec<Part>,
        #[serde(default)]
        by_name: BTreeMap<String, f64>,
        kind: Option<Kind>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Part {
        size: u32,
        on: Option<bool>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    #[expect(dead_code, reason = "only read")]
    enum Kind {
        Plain,
        Sized(u32),
        Named { name: String },
    }

    fn read(text: &str) -> String {
        match decode::<Whole>(&parse_one(text, Schema::Core).unwrap()) {
            Ok(value) => format!("{value:?}"),
            Err(faults) => faults
                .iter()
                .map(|f| format!("{} {}", f.pos, f.kind))
                .collect::<Vec<_>>()
                .join("\n"),
        }
    }

    #[test]
    fn values_are_read() {
        assert_eq!(
            read(
                "name: x\ncount: 3\nparts: [{size: 1, on: true}]\nby_name: {a: 1, b: 2.5}\nkind: {sized: 4}\n"
            ),
            "Whole { name: \"x\", count: Some(3), parts: [Part { size: 1, on: Some(true) }], by_name: {\"a\": 1.0, \"b\": 2.5}, kind: Some(Sized(4)) }"
        );
        assert!(read("name: x\nkind: plain\ncount: null\n").contains("count: None"));
        assert!(read("name: x\nkind: {named: {name: y}}\n").contains("Named { name: \"y\" }"));
    }

    #[test]
    fn every_fault_is_found_with_its_place() {
        assert_eq!(
            read(
                "nme: x\ncount: many\nparts:\n- {size: 1, of: 2}\n- {on: yes}\n- 7\n- {size: -1}\nby_name: {a: b}\nkind: {sized: x}\n"
            ),
            "1:1 unknown key `nme`\n1:1 missing key `name`\n2:8 invalid type: string \"many\", expected a whole number\n4:13 unknown key `of`\n5:3 missing key `size`\n\
             5:8 invalid type: string \"yes\", expected a boolean\n6:3 invalid type: integer `7`, expected a mapping\n7:10 invalid value: integer `-1`, expected u32\n\
             8:14 invalid type: string \"b\", expected a number\n9:15 invalid type: string \"x\", expected a whole number"
        );
    }

    #[test]
    fn what_is_wrong_is_not_missing_too() {
        assert_eq!(
            read("name: 3\n"),
            "1:7 invalid type: integer `3`, expected a string"
        );
        assert_eq!(
            read("name: x\nparts: [{size: x}]\n"),
            "2:16 invalid type: string \"x\", expected a whole number"
        );
    }
}
