//! Typed manifests → definitions: what kops makes of every group on AWS, offline. Looks nothing up, compares nothing, applies no AWS defaults.
//!
//! One file a theme: `names`, `tags`, `group` (AutoScalingGroup), `template` (launch template), `volumes`, `mixed`, `pools` (warm pool, hooks,
//! metrics), `balancing`, `autoscaler` (what cluster-autoscaler sees). `cluster` holds the desired state of a whole cluster for the stages after this one.

mod autoscaler;
mod balancing;
mod cluster;
mod group;
mod limits;
mod mixed;
mod names;
mod pools;
mod tags;
mod template;
mod volumes;

pub use autoscaler::{
    Autoscaler, AutoscalerFinding, Discovery, Expander, ExpanderSource, NodeGroup, Pattern,
    Priority, autoscaler, priority_expander,
};
pub use cluster::{DesiredCluster, DesiredGroup, GroupExtras, beside_definition, of_definition};
pub use names::{security_groups, target_groups};
pub use volumes::instance_store;

use std::collections::BTreeMap;

use crate::kops::{Cluster, InstanceGroup, KopsErrors, Manifests, Role};
use crate::model::{AsgName, Definition, GroupName, Hooks, NameError, TagText};

/// Manifests that are valid one by one and still make no definitions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DesiredError {
    /// The name of the group's AutoScalingGroup breaks AWS's rules.
    #[error("group {group}: {error}")]
    Name {
        group: GroupName,
        /// Why it is not a name.
        error: NameError,
    },
    /// Two groups would share an AutoScalingGroup.
    #[error("the groups {first} and {second} would both be the AutoScalingGroup {name}")]
    SameName {
        /// The group that is named so already.
        first: GroupName,
        /// The other.
        second: GroupName,
        name: AsgName,
    },
    /// Something was said about a group that is not there.
    #[error("the manifests have no group {0}")]
    NoSuchGroup(GroupName),
    /// AWS would refuse what some groups become.
    #[error("{0}")]
    Refused(KopsErrors),
    /// The user data of a group is too large.
    #[error("group {group}: its user data has {bytes} bytes, and AWS takes 16384 before base64")]
    UserData {
        group: GroupName,
        /// What it has.
        bytes: usize,
    },
}

/// The definitions of all groups as the kops makes them that the manifests were read for, sorted by group name, lists in canonical order.
///
/// # Errors
/// When names clash, and everything that AWS would refuse of the groups.
pub fn compile(manifests: &Manifests) -> Result<Vec<Definition>, DesiredError> {
    // kops takes APIServer groups only under the feature flag that also labels control planes.
    let api_server_nodes = manifests.groups.iter().any(|g| g.role == Role::ApiServer);
    let kops = tags::TaggingKops {
        version: manifests.kops,
        api_server_nodes,
    };
    let mut names: BTreeMap<AsgName, &GroupName> = BTreeMap::new();
    let mut definitions = Vec::new();
    let mut refused = Vec::new();
    for group in &manifests.groups {
        let definition = definition(&manifests.cluster, group, kops)?;
        refused.extend(limits::faults(group, &definition));
        let name = &definition.auto_scaling_group.auto_scaling_group_name;
        if let Some(first) = names.insert(name.clone(), &group.name) {
            return Err(DesiredError::SameName {
                first: first.clone(),
                second: group.name.clone(),
                name: name.clone(),
            });
        }
        definitions.push(definition);
    }
    if !refused.is_empty() {
        refused.sort_by_key(|e| e.pos);
        return Err(DesiredError::Refused(KopsErrors(refused)));
    }
    definitions.sort_by(|a, b| a.instance_group.cmp(&b.instance_group));
    Ok(definitions)
}

fn definition(
    cluster: &Cluster,
    group: &InstanceGroup,
    kops: tags::TaggingKops,
) -> Result<Definition, DesiredError> {
    let name = names::group(&group.name, group.role, &cluster.name).map_err(|error| {
        DesiredError::Name {
            group: group.name.clone(),
            error,
        }
    })?;
    let tags = tags::tags(cluster, group, &name, kops);
    let tags: BTreeMap<TagText, TagText> = tags
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    Ok(Definition {
        instance_group: group.name.clone(),
        auto_scaling_group: group::auto_scaling_group(cluster, group, name.clone(), &tags),
        launch_template: template::launch_template(cluster, group, name, tags),
        lifecycle_hooks: Hooks::Known(pools::hooks(cluster, group).into()),
    })
}

/// The form that `compile --format json` prints: the definitions without lifecycle hooks.
pub fn print_form(definitions: &[Definition]) -> serde_json::Value {
    let plain = |d: &Definition| Definition {
        lifecycle_hooks: Hooks::default(),
        ..d.clone()
    };
    // Our own structs with string keys always serialise.
    serde_json::to_value(definitions.iter().map(plain).collect::<Vec<_>>()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kops, yaml};

    const MANIFESTS: &str = "\
apiVersion: kops.k8s.io/v1alpha2
kind: Cluster
metadata: {name: c.example.com}
spec:
  cloudProvider: aws
  kubernetesVersion: 1.34.0
  containerd: {nvidiaGPU: {enabled: true}}
  etcdClusters: [{name: main, etcdMembers: [{name: a, instanceGroup: cp}]}]
  subnets: [{name: a, type: Public, zone: eu-west-3a}]
---
apiVersion: kops.k8s.io/v1alpha2
kind: InstanceGroup
metadata: {name: cp, labels: {kops.k8s.io/cluster: c.example.com}}
spec: {role: Master, image: i, machineType: m5.large, subnets: [a]}
---
apiVersion: kops.k8s.io/v1alpha2
kind: InstanceGroup
metadata: {name: gpu, labels: {kops.k8s.io/cluster: c.example.com}}
spec: {role: Node, image: i, machineType: g5.xlarge, subnets: [a], taints: [a:NoSchedule, 'b=:NoSchedule', c=d:NoSchedule]}
";

    #[test]
    fn taints_without_a_value_become_tags_since_1_36() {
        let documents = yaml::parse(MANIFESTS, yaml::Schema::Kops).unwrap();
        let taints = |version: &str| {
            let target = kops::KopsTarget {
                version: version.parse().unwrap(),
                ..kops::KopsTarget::default()
            };
            let manifests = kops::read_for(&documents, &target).unwrap();
            let definitions = compile(&manifests).unwrap();
            let tags = definitions.last().unwrap().auto_scaling_group.tags.clone();
            let taint = |tag: &crate::model::Tag| {
                tag.key
                    .strip_prefix("k8s.io/cluster-autoscaler/node-template/taint/")
                    .map(|k| format!("{k}={}", tag.value))
            };
            tags.iter().filter_map(taint).collect::<Vec<_>>().join(" ")
        };
        let all = "a=:NoSchedule b=:NoSchedule c=d:NoSchedule nvidia.com/gpu=:NoSchedule";
        assert_eq!(
            [taints("1.35"), taints("1.36")],
            ["b=:NoSchedule c=d:NoSchedule", all]
        );
    }
}
