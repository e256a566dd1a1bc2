//! The AutoScalingGroup of a group. What AWS fills in by itself (health check, cooldown, ...) is left to it, as kops does.

use std::collections::BTreeMap;

use super::{balancing, mixed, names, pools};
use crate::kops::{Cluster, InstanceGroup, Subnet};
use crate::model::{AsgName, AutoScalingGroup, Tag, TagText};

/// Builds the AutoScalingGroup.
pub(super) fn auto_scaling_group(
    cluster: &Cluster,
    group: &InstanceGroup,
    name: AsgName,
    tags: &BTreeMap<TagText, TagText>,
) -> AutoScalingGroup {
    let subnet = |s| subnet_id(s, cluster);
    let tag = |(key, value): (&TagText, &TagText)| Tag {
        key: key.clone(),
        value: value.clone(),
        propagate_at_launch: true,
    };
    AutoScalingGroup {
        auto_scaling_group_name: name,
        min_size: group.min_size,
        max_size: group.max_size,
        vpc_zone_identifier: group.subnets.iter().map(subnet).collect(),
        new_instances_protected_from_scale_in: group.instance_protection,
        tags: tags.iter().map(tag).collect::<Vec<_>>().into(),
        enabled_metrics: pools::metrics(cluster, group),
        mixed_instances_policy: mixed::policy(group),
        max_instance_lifetime: group.max_instance_lifetime,
        suspended_processes: group.suspend_processes.iter().cloned().collect(),
        load_balancer_names: balancing::classic(cluster, group),
        target_group_arns: balancing::target_groups(cluster, group),
        capacity_rebalance: group.capacity_rebalance,
        warm_pool: pools::warm_pool(group),
    }
}

/// The id where the manifest has one, else the name that kops gives.
fn subnet_id(s: &Subnet, cluster: &Cluster) -> String {
    s.id.clone()
        .unwrap_or_else(|| names::subnet(&s.name, &cluster.name))
}
