//! Typed manifests → definitions: what kops makes of every group on AWS, offline. Looks nothing up, compares nothing, applies no AWS defaults.
//!
//! One file a theme: `names`, `tags`, `group` (AutoScalingGroup), `template` (launch template), `volumes`, `mixed`, `pools` (warm pool, hooks,
//! metrics), `balancing`. `cluster` holds the desired state of a whole cluster for the stages after this one.

mod balancing;
mod cluster;
mod group;
mod mixed;
mod names;
mod pools;
mod tags;
mod template;
mod volumes;

pub use cluster::{DesiredCluster, DesiredGroup, GroupExtras};

use std::collections::BTreeMap;

use crate::kops::{Cluster, InstanceGroup, Manifests, Role};
use crate::model::{AsgName, Definition, GroupName, NameError};

/// Manifests that are valid one by one and still make no definitions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DesiredError {
    /// The name of the group's AutoScalingGroup breaks AWS's rules.
    #[error("group {group}: {error}")]
    Name {
        /// The group.
        group: GroupName,
        /// Why.
        error: NameError,
    },
    /// Two groups would share an AutoScalingGroup.
    #[error("the groups {first} and {second} would both be the AutoScalingGroup {name}")]
    SameName {
        /// One.
        first: GroupName,
        /// The other.
        second: GroupName,
        /// The name.
        name: AsgName,
    },
    /// Something was said about a group that is not there.
    #[error("the manifests have no group {0}")]
    NoSuchGroup(GroupName),
}

/// The definitions of all groups, sorted by group name, lists in canonical order.
///
/// # Errors
/// When names clash or are too long for AWS.
pub fn compile(manifests: &Manifests) -> Result<Vec<Definition>, DesiredError> {
    // kops takes APIServer groups only under the feature flag that also labels control planes.
    let api_server_nodes = manifests.groups.iter().any(|g| g.role == Role::ApiServer);
    let mut names: BTreeMap<AsgName, &GroupName> = BTreeMap::new();
    let mut definitions = Vec::new();
    for group in &manifests.groups {
        let definition = definition(&manifests.cluster, group, api_server_nodes)?;
        let name = &definition.auto_scaling_group.auto_scaling_group_name;
        if let Some(first) = names.insert(name.clone(), &group.name) {
            return Err(DesiredError::SameName { first: first.clone(), second: group.name.clone(), name: name.clone() });
        }
        definitions.push(definition);
    }
    definitions.sort_by(|a, b| a.instance_group.cmp(&b.instance_group));
    Ok(definitions)
}

fn definition(cluster: &Cluster, group: &InstanceGroup, api_server_nodes: bool) -> Result<Definition, DesiredError> {
    let name = names::group(&group.name, group.role, &cluster.name).map_err(|error| DesiredError::Name { group: group.name.clone(), error })?;
    let tags = tags::tags(cluster, group, &name, api_server_nodes);
    Ok(Definition {
        instance_group: group.name.clone(),
        auto_scaling_group: group::auto_scaling_group(cluster, group, name.clone(), &tags),
        launch_template: template::launch_template(cluster, group, name, &tags),
        lifecycle_hooks: pools::hooks(cluster, group),
    })
}

/// The form that `compile --format json` prints: the definitions without lifecycle hooks.
pub fn print_form(definitions: &[Definition]) -> serde_json::Value {
    let plain = |d: &Definition| Definition { lifecycle_hooks: BTreeMap::new(), ..d.clone() };
    // Our own structs with string keys always serialise.
    serde_json::to_value(definitions.iter().map(plain).collect::<Vec<_>>()).unwrap_or_default()
}
