//! JSON Schemas: those of `fleet.yaml` and of cluster files for editors, and `vars/schema.json`, with which a fleet checks its own vars. Reads no files.
//!
//! Of draft 2020-12 this knows what people use for settings. A keyword that it does not know is an error: a rule that is not checked is worse than no rule.

mod check;
mod compile;
mod own;
mod rule;

#[cfg(test)]
mod tests;

pub use own::{CLUSTER_SCHEMA, FLEET_SCHEMA};
pub use rule::{JsonSchema, SchemaError, SchemaFault};

use serde_json::Value as Json;

use crate::yaml::{Schema as Yaml, YamlError, parse_one};

impl JsonSchema {
    /// Reads a schema. JSON is YAML, so places are known.
    ///
    /// # Errors
    /// Everything in it that is not a schema, or that is not supported here; a text that is not YAML has one fault.
    pub fn parse(text: &str) -> Result<Self, Vec<SchemaError>> {
        let not_yaml = |e: YamlError| SchemaError {
            pos: e.pos,
            message: e.message,
            hint: None,
        };
        let node = parse_one(text, Yaml::Core).map_err(|e| vec![not_yaml(e)])?;
        compile::schema(&node)
    }

    /// Everything in `value` that breaks a rule, by path.
    pub fn check(&self, value: &Json) -> Vec<SchemaFault> {
        check::check(self, value)
    }
}
