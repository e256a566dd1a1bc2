//! The vars of every cluster against `vars/schema.json`. Reads no files.

use std::collections::BTreeMap;

use super::schema::{JsonSchema, SchemaError};
use super::vars::{MergedValue, Vars};
use super::{Cluster, FleetError, SourceLocation, VarFault};
use crate::model::ClusterName;

/// The schema of a fleet's vars.
pub const VARS_SCHEMA: &str = "vars/schema.json";

/// Checks the vars of every cluster with the text of [`VARS_SCHEMA`].
pub(super) fn check_vars(
    text: &str,
    clusters: &BTreeMap<ClusterName, Cluster>,
) -> Result<(), FleetError> {
    let schema = JsonSchema::parse(text)
        .map_err(|errors| FleetError::all(errors.into_iter().map(unusable).collect()))?;
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

fn unusable(error: SchemaError) -> FleetError {
    FleetError::VarsSchema {
        place: SourceLocation {
            file: VARS_SCHEMA.into(),
            pos: Some(error.pos),
        },
        message: error.message,
        hint: error.hint,
    }
}

/// Where the value at `path` was set, or the nearest thing around it.
fn place(vars: &Vars, merged: &MergedValue, path: &[String]) -> SourceLocation {
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
    SourceLocation {
        file: origin.path.clone(),
        pos: Some(pos),
    }
}
