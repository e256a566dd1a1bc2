//! The schemas of our own files, as data. Their names and forms are those of the parent's `file` module; a test compares the two.

/// JSON Schema of `fleet.yaml`.
pub const FLEET_SCHEMA: &str = include_str!("fleet.json");

/// JSON Schema of `clusters/NAME.yaml`.
pub const CLUSTER_SCHEMA: &str = include_str!("cluster.json");
