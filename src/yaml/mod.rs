//! YAML text → a tree that knows its positions, and values → YAML text that every reader reads alike. Knows no fleet, no kops, no files.
//!
//! kops reads YAML 1.1 through JSON, editors and linters read YAML 1.2, and most emitters write strings that the
//! two read differently. So reading is explicit about the [`Schema`], every scalar keeps whether it was written
//! plain, and [`emit`] quotes whatever any of the known readers would take for something else than a string.
//!
//! Which reader is for what:
//! - [`parse`], [`parse_one`]: what people write, as a tree with places. Each file is parsed once.
//! - [`decode`]: such a tree as a typed value, with every fault at its place: `fleet.yaml`, `clusters/*.yaml`. It reads a [`Node`] as serde's
//!   `Deserializer`, again without what was found wrong until nothing more is.
//! - Where a fault can say more than serde's "invalid type" (which keywords there are, that a reference leads nowhere, what one key demands of another),
//!   the tree is read by hand: schemas of vars, scenarios, manifests of kops. Positions and completeness are the same.
//! - `serde_json` and `serde_yaml`: what a program wrote (plans, snapshots, journals, answers), which is never mended by hand. A plan is bound to its
//!   hash, and a plan of 1,000 clusters is megabytes that a tree with places would multiply; its faults are named by their path.

mod decode;
mod emit;
mod lenient;
mod read;
mod scalar;
mod sections;
mod words;

pub use decode::{DecodeError, DecodeFault, DecodeFaultKind, decode};
pub use emit::{NoForm, emit, emit_of, emit_with_number_keys};
pub use lenient::{Lenient, Lost, is_text_to_yaml_v2, read_lenient, word_to_yaml_v2};
pub use read::{YamlError, parse, parse_from, parse_one};
pub use scalar::{Ambiguity, ambiguity};
pub use sections::{OddSection, Separated, odd_sections, separated};
pub use words::emit_scalar;

use serde_json::{Map, Number, Value as Json};

/// A place in a text; both counts start at 1, columns count characters.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Pos {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl std::fmt::Display for Pos {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Which rules turn a plain scalar into a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// YAML 1.2 core: `no` is a string, `017` is seventeen written oddly.
    Core,
    /// As kops reads (sigs.k8s.io/yaml, YAML 1.1): `no` is false, `017` is fifteen, `1_000` is a thousand.
    Kops,
}

/// A value with the place where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where the value begins.
    pub pos: Pos,
    /// The last line that belongs to the value.
    pub end_line: u32,
    /// The value itself.
    pub value: Value,
}

/// What stands at a [`Node`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A scalar: its type, the text as written, and whether it was written without quotes.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order written; keys are unique.
    Map(Vec<(Key, Node)>),
}

/// A scalar value.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// The typed value: null, bool, number or string.
    pub value: Json,
    /// The content as written (after unescaping).
    pub text: String,
    /// Written plain: its type was guessed from its text.
    pub plain: bool,
}

/// The key of a mapping entry. Keys that are numbers or booleans keep their text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Where the key begins.
    pub pos: Pos,
    /// The key's text.
    pub text: String,
    /// Written plain.
    pub plain: bool,
}

/// One document of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The root value; a scalar null when the document is empty.
    pub root: Node,
    /// First line of the document (its `---` when it has one).
    pub first_line: u32,
    /// Last line of the document.
    pub last_line: u32,
}

impl Node {
    /// The value under `key`, when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// The key and value under `key`, when this is a mapping that has it.
    pub fn entry(&self, key: &str) -> Option<(&Key, &Node)> {
        self.entries()
            .iter()
            .find(|(k, _)| k.text == key)
            .map(|(k, v)| (k, v))
    }

    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Scalar(_) | Value::List(_) => &[],
        }
    }

    /// The items of a sequence; none for anything else.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            Value::Scalar(_) | Value::Map(_) => &[],
        }
    }

    /// The node reached by following `path` (keys, and indexes for sequences).
    pub fn at<'a>(&'a self, path: impl IntoIterator<Item = &'a str>) -> Option<&'a Node> {
        path.into_iter()
            .try_fold(self, |node, segment| match &node.value {
                Value::Map(_) => node.get(segment),
                Value::List(items) => segment.parse::<usize>().ok().and_then(|i| items.get(i)),
                Value::Scalar(_) => None,
            })
    }

    /// The string, when this is a string scalar.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(Scalar {
                value: Json::String(s),
                ..
            }) => Some(s),
            Value::Scalar(_) | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Whether this is null (or an empty document).
    pub fn is_null(&self) -> bool {
        matches!(
            &self.value,
            Value::Scalar(Scalar {
                value: Json::Null,
                ..
            })
        )
    }

    /// Whether the other value is the same, scalars as written, wherever the two stand.
    pub fn says_the_same(&self, other: &Node) -> bool {
        match (&self.value, &other.value) {
            (Value::Scalar(a), Value::Scalar(b)) => a == b,
            (Value::List(a), Value::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.says_the_same(b))
            }
            (Value::Map(a), Value::Map(b)) => {
                a.len() == b.len()
                    && a.iter().zip(b).all(|((k, v), (l, w))| {
                        (&k.text, k.plain) == (&l.text, l.plain) && v.says_the_same(w)
                    })
            }
            (Value::Scalar(_) | Value::List(_) | Value::Map(_), _) => false,
        }
    }

    /// The same value without positions; key order is kept.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Scalar(scalar) => scalar.value.clone(),
            Value::List(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Map(entries) => Json::Object(
                entries
                    .iter()
                    .map(|(k, v)| (k.text.clone(), v.to_json()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// What a person calls this kind of value.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
            Value::Scalar(Scalar { value, .. }) => match value {
                Json::Null => "null",
                Json::Bool(_) => "a boolean",
                Json::Number(_) => "a number",
                Json::String(_) | Json::Array(_) | Json::Object(_) => "a string",
            },
        }
    }
}

fn float(value: f64) -> Json {
    Number::from_f64(value).map_or(Json::Null, Json::Number)
}
