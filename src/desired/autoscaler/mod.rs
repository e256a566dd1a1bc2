//! What cluster-autoscaler sees of a cluster, from the same definitions that are applied, so that the two cannot drift. Asks no cloud, runs nothing.
//!
//! `discovery`: which groups it takes for its own; `expander`: which one it grows first; `nodes`: what it takes a node of a group for while
//! there is none. Source of its rules: cluster-autoscaler's AWS provider and priority expander; of kops' add-on: kops 1.37.

mod compiled;
mod discovery;
mod expander;
mod finding;
mod nodes;
mod priorities;
mod re2;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

pub use discovery::Discovery;
pub use expander::{Expander, ExpanderSource, Pattern, Priority, priority_expander};
pub use finding::AutoscalerFinding;
pub use nodes::NodeGroup;

use compiled::Compiled;

use super::{DesiredError, compile};
use crate::kops::{InstanceGroup, Manifests};
use crate::model::{ClusterName, GroupName};

/// Everything cluster-autoscaler sees of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Autoscaler {
    pub cluster: ClusterName,
    /// How it finds its groups.
    pub discovery: Discovery,
    /// The priorities of groups, when there are any.
    pub expander: Option<Expander>,
    /// Groups of workers, sorted by name.
    pub groups: Vec<NodeGroup>,
    /// What will not work as it looks.
    pub findings: Vec<AutoscalerFinding>,
}

/// Computes what cluster-autoscaler sees.
///
/// # Errors
/// As [`compile`].
pub fn autoscaler(manifests: &Manifests) -> Result<Autoscaler, DesiredError> {
    let definitions = compile(manifests)?;
    let by_name: BTreeMap<&GroupName, &InstanceGroup> =
        manifests.groups.iter().map(|g| (&g.name, g)).collect();
    let pairs = definitions.iter().filter_map(|definition| {
        Some(Compiled {
            group: by_name.get(&definition.instance_group)?,
            definition,
        })
    });
    let compiled: Vec<Compiled<'_>> = pairs.collect();
    let mut findings = Vec::new();
    let discovery = discovery::discovery(&manifests.cluster, &compiled, &mut findings);
    let seen: Vec<Compiled<'_>> = compiled
        .iter()
        .filter(|c| discovery.sees(c))
        .copied()
        .collect();
    let expander = expander::expander(manifests, &seen, &mut findings);
    let groups = nodes::groups(&compiled, &discovery, expander.as_ref(), &mut findings);
    Ok(Autoscaler {
        cluster: manifests.cluster.name.clone(),
        discovery,
        expander,
        groups,
        findings,
    })
}
