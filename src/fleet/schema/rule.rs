//! A compiled schema, as data, and what breaks it.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::Value as Json;

use crate::yaml::Pos;

/// A compiled schema.
#[derive(Clone, Debug)]
pub struct JsonSchema {
    pub(super) root: SchemaRule,
    pub(super) definitions: BTreeMap<String, SchemaRule>,
}

/// A schema that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pos}: {message}")]
pub struct SchemaError {
    /// Where in the schema.
    pub pos: Pos,
    /// What is wrong there.
    pub message: String,
    /// What to write instead, when that can be said.
    pub hint: Option<String>,
}

/// A value that breaks a rule. Never says the value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SchemaFault {
    /// Keys and indexes that lead to the value.
    pub path: Vec<String>,
    /// The rule, as what has to be so.
    pub message: String,
    /// What was probably meant.
    pub near: Option<String>,
    /// The value is of another type than the rule is about.
    pub other_type: bool,
}

/// What one place of a schema says.
#[derive(Clone, Debug)]
pub(super) enum SchemaRule {
    /// `true`, `false`.
    Always(bool),
    /// A mapping of keywords.
    Keywords(Box<Keywords>),
}

/// A mapping of keywords; what is not there allows everything.
#[derive(Clone, Debug, Default)]
pub(super) struct Keywords {
    pub(super) types: Option<Vec<Type>>,
    pub(super) one_of_values: Option<Vec<Json>>,
    pub(super) constant: Option<Json>,
    pub(super) properties: BTreeMap<String, SchemaRule>,
    pub(super) patterns: Vec<(Regex, SchemaRule)>,
    pub(super) additional: Option<SchemaRule>,
    pub(super) required: Vec<String>,
    pub(super) items: Option<SchemaRule>,
    pub(super) min_items: Option<usize>,
    pub(super) max_items: Option<usize>,
    pub(super) unique_items: bool,
    pub(super) minimum: Option<f64>,
    pub(super) maximum: Option<f64>,
    pub(super) exclusive_minimum: Option<f64>,
    pub(super) exclusive_maximum: Option<f64>,
    pub(super) min_length: Option<usize>,
    pub(super) max_length: Option<usize>,
    pub(super) pattern: Option<Regex>,
    pub(super) all: Vec<SchemaRule>,
    pub(super) any: Vec<SchemaRule>,
    pub(super) one: Vec<SchemaRule>,
    pub(super) reference: Option<String>,
}

/// A type of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}
