//! What cluster-autoscaler sees of a cluster, from the same definitions that are applied, so that the two cannot drift. Asks no cloud, runs nothing.
//!
//! `discovery`: which groups it takes for its own; `expander`: which one it grows first; `nodes`: what it takes a node of a group for while
//! there is none. Source of its rules: cluster-autoscaler's AWS provider and priority expander; of kops' add-on: kops 1.37.

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
pub use expander::{Expander, Pattern, Priority, Source, priority_expander};
pub use finding::Finding;
pub use nodes::NodeGroup;

use super::{DesiredError, compile};
use crate::kops::{InstanceGroup, Manifests};
use crate::model::{ClusterName, Definition, GroupName};

/// What every tag for cluster-autoscaler begins with.
const TAG: &str = "k8s.io/cluster-autoscaler/";
/// What the tags begin with that describe a node.
const NODE_TAG: &str = "k8s.io/cluster-autoscaler/node-template/";

/// Everything cluster-autoscaler sees of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Autoscaler {
    /// The cluster.
    pub cluster: ClusterName,
    /// How it finds its groups.
    pub discovery: Discovery,
    /// The priorities of groups, when there are any.
    pub expander: Option<Expander>,
    /// Groups of workers, sorted by name.
    pub groups: Vec<NodeGroup>,
    /// What will not work as it looks.
    pub findings: Vec<Finding>,
}

/// A group with its definition.
#[derive(Clone, Copy, Debug)]
struct Compiled<'a> {
    group: &'a InstanceGroup,
    definition: &'a Definition,
}

impl Compiled<'_> {
    /// The tags of its AutoScalingGroup.
    fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.definition
            .auto_scaling_group
            .tags
            .iter()
            .map(|t| (t.key.as_str(), t.value.as_str()))
    }

    fn has_tag(&self, key: &str) -> bool {
        self.tags().any(|(k, _)| k == key)
    }
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
