//! A group with its definition, and how tags for cluster-autoscaler are named. Source: cluster-autoscaler, AWS provider.

use crate::kops::InstanceGroup;
use crate::model::Definition;

/// What every tag for cluster-autoscaler begins with.
pub(super) const TAG: &str = "k8s.io/cluster-autoscaler/";
/// What the tags begin with that describe a node.
pub(super) const NODE_TAG: &str = "k8s.io/cluster-autoscaler/node-template/";

/// A group with its definition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compiled<'a> {
    pub(super) group: &'a InstanceGroup,
    pub(super) definition: &'a Definition,
}

impl Compiled<'_> {
    /// The tags of its AutoScalingGroup.
    pub(super) fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.definition
            .auto_scaling_group
            .tags
            .iter()
            .map(|t| (t.key.as_str(), t.value.as_str()))
    }

    pub(super) fn has_tag(&self, key: &str) -> bool {
        self.tags().any(|(k, _)| k == key)
    }
}
