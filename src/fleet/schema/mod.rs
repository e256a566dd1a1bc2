//! JSON Schemas: those of `fleet.yaml` and of cluster files for editors, and `vars/schema.json`, with which a fleet checks its own vars. Reads no files.
//!
//! Of draft 2020-12 this knows what people use for settings. A keyword that it does not know is an error: a rule that nobody checks is worse than none.

mod check;
mod compile;
mod own;
mod rule;

#[cfg(test)]
mod tests;

pub use own::{CLUSTER_SCHEMA, FLEET_SCHEMA};
pub use rule::{JsonSchema, SchemaError, SchemaFault};

use serde_json::Value as Json;

use crate::yaml::{Schema as Yaml, parse_one};

impl JsonSchema {
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
    pub fn check(&self, value: &Json) -> Vec<SchemaFault> {
        check::check(self, value)
    }
}
