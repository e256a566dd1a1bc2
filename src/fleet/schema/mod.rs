//! JSON Schemas: those of `fleet.yaml` and of cluster files for editors, and `vars/schema.json`, with which a fleet checks its own vars. Reads no files.
//!
//! Of draft 2020-12 this knows what people use for settings. A keyword that it does not know is an error: a rule that nobody checks is worse than none.

mod check;
mod compile;
mod own;

#[cfg(test)]
mod tests;

pub use own::{CLUSTER_SCHEMA, FLEET_SCHEMA};

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::Value as Json;

use super::vars::{MergedValue, Vars};
use super::{Cluster, FleetError, Place};
use crate::model::ClusterName;
use crate::yaml::{Pos, Schema as Yaml, parse_one};

/// The schema of a fleet's vars.
pub const VARS_SCHEMA: &str = "vars/schema.json";

/// A compiled schema.
#[derive(Clone, Debug)]
pub struct Schema {
    root: Rule,
    definitions: BTreeMap<String, Rule>,
}

/// A schema that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pos}: {message}")]
pub struct SchemaError {
    /// Where in the schema.
    pub pos: Pos,
    /// Why.
    pub message: String,
    /// What to write instead, when that can be said.
    pub hint: Option<String>,
}

/// A value that breaks a rule. Never says the value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
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
enum Rule {
    /// `true`, `false`.
    Always(bool),
    /// A mapping of keywords.
    Keywords(Box<Keywords>),
}

/// A mapping of keywords; what is not there allows everything.
#[derive(Clone, Debug, Default)]
struct Keywords {
    types: Option<Vec<Type>>,
    one_of_values: Option<Vec<Json>>,
    constant: Option<Json>,
    properties: BTreeMap<String, Rule>,
    patterns: Vec<(Regex, Rule)>,
    additional: Option<Rule>,
    required: Vec<String>,
    items: Option<Rule>,
    min_items: Option<usize>,
    max_items: Option<usize>,
    unique_items: bool,
    minimum: Option<f64>,
    maximum: Option<f64>,
    exclusive_minimum: Option<f64>,
    exclusive_maximum: Option<f64>,
    min_length: Option<usize>,
    max_length: Option<usize>,
    pattern: Option<Regex>,
    all: Vec<Rule>,
    any: Vec<Rule>,
    one: Vec<Rule>,
    reference: Option<String>,
}

/// A type of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

impl Schema {
    /// Reads a schema. JSON is YAML, so places are known.
    ///
    /// # Errors
    /// The first thing in it that is no schema, or that is not known here.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        let node = parse_one(text, Yaml::Core).map_err(|e| SchemaError {
            pos: e.pos,
            message: e.message,
            hint: None,
        })?;
        compile::schema(&node)
    }

    /// Everything in `value` that breaks a rule, by path.
    pub fn check(&self, value: &Json) -> Vec<Fault> {
        check::check(self, value)
    }
}

/// A rule that the vars of some clusters break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VarFault {
    /// Where the value was set.
    pub place: Place,
    /// Its dotted path.
    pub path: String,
    /// The rule.
    pub message: String,
    /// What was probably meant.
    pub near: Option<String>,
    /// The clusters.
    pub clusters: Vec<ClusterName>,
}

impl std::fmt::Display for VarFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let VarFault {
            place,
            path,
            message,
            clusters,
            ..
        } = self;
        let of = match clusters.as_slice() {
            [one] => one.to_string(),
            [one, two] => format!("{one} and {two}"),
            [one, rest @ ..] => format!("{one} and {} more", rest.len()),
            [] => String::new(),
        };
        let what = if path.is_empty() {
            "vars".to_owned()
        } else {
            format!("`{path}`")
        };
        write!(f, "{place}: {what} {message} (of {of})")
    }
}

/// Checks the vars of every cluster with the text of [`VARS_SCHEMA`].
pub(super) fn check_vars(
    text: &str,
    clusters: &BTreeMap<ClusterName, Cluster>,
) -> Result<(), FleetError> {
    let schema = Schema::parse(text).map_err(|error| FleetError::VarsSchema {
        place: Place {
            file: VARS_SCHEMA.into(),
            pos: Some(error.pos),
        },
        message: error.message,
        hint: error.hint,
    })?;
    let mut faults: Vec<VarFault> = Vec::new();
    for cluster in clusters.values() {
        let merged = cluster.vars.merged();
        for fault in schema.check(&merged.to_json()) {
            let place = place(&cluster.vars, &merged, &fault.path);
            let path = fault.path.join(".");
            match faults
                .iter_mut()
                .find(|f| f.place == place && f.path == path && f.message == fault.message)
            {
                Some(same) => same.clusters.push(cluster.name.clone()),
                None => faults.push(VarFault {
                    place,
                    path,
                    message: fault.message,
                    near: fault.near,
                    clusters: vec![cluster.name.clone()],
                }),
            }
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(FleetError::Vars(faults))
    }
}

/// Where the value at `path` was set, or the nearest thing around it.
fn place(vars: &Vars, merged: &MergedValue, path: &[String]) -> Place {
    let mut value = merged;
    for key in path {
        match value.get(key) {
            Some(next) => value = next,
            None => break,
        }
    }
    let origin = &value.origin;
    // Inside a list the layer itself knows more than the merged value.
    let mut pos = origin.pos;
    let mut node = vars
        .layers
        .iter()
        .find(|layer| layer.path == origin.path)
        .map(|layer| &layer.node);
    for key in path {
        node = node.and_then(|n| n.at([key.as_str()]));
        if let Some(node) = node {
            pos = node.pos;
        }
    }
    Place {
        file: origin.path.clone(),
        pos: Some(pos),
    }
}
