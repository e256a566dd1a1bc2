//! An AutoScalingGroup as AWS describes it → ours.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::types as sdk;

use super::mixed;
use super::{Foreign, Strange, count, needed, note, note_text, optional};
use crate::model::{AsgName, AutoScalingGroup, EnabledMetrics, LifecycleHook, Tag, WarmPool};

/// How a group, or an instance, refers to a launch template, as AWS says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cloud::aws) struct TemplateReference {
    /// `lt-…`.
    pub(in crate::cloud::aws) id: Option<String>,
    pub(in crate::cloud::aws) name: Option<String>,
    /// A number, `$Latest` or `$Default`; nothing means `$Default`.
    pub(in crate::cloud::aws) version: Option<String>,
}

impl TemplateReference {
    pub(in crate::cloud::aws) fn of(given: &sdk::LaunchTemplateSpecification) -> TemplateReference {
        TemplateReference {
            id: given.launch_template_id.clone(),
            name: given.launch_template_name.clone(),
            version: given.version.clone(),
        }
    }
}

/// The launch template of a group, in its mixed policy or not; none: it has a launch configuration.
pub(in crate::cloud::aws) fn template(group: &sdk::AutoScalingGroup) -> Option<TemplateReference> {
    // The policy counts where both are shown.
    let mixed = group
        .mixed_instances_policy()
        .and_then(|p| p.launch_template())
        .and_then(|t| t.launch_template_specification());
    mixed.or(group.launch_template()).map(TemplateReference::of)
}

/// The fields we own, ids as AWS gives them, in canonical form.
///
/// # Errors
/// When something is missing that AWS never leaves out.
pub(in crate::cloud::aws) fn fields(
    group: &sdk::AutoScalingGroup,
) -> Result<AutoScalingGroup, Strange> {
    let name = needed(group.auto_scaling_group_name(), "AutoScalingGroupName")?;
    let fields = AutoScalingGroup {
        auto_scaling_group_name: AsgName::new(name).map_err(|e| Strange {
            what: e.to_string(),
        })?,
        min_size: count(group.min_size, "MinSize")?,
        max_size: count(group.max_size, "MaxSize")?,
        vpc_zone_identifier: split(group.vpc_zone_identifier()),
        new_instances_protected_from_scale_in: group
            .new_instances_protected_from_scale_in
            .unwrap_or(false),
        tags: group
            .tags()
            .iter()
            .filter_map(tag)
            .collect::<Vec<_>>()
            .into(),
        enabled_metrics: metrics(group.enabled_metrics()),
        mixed_instances_policy: group
            .mixed_instances_policy()
            .map(mixed::policy)
            .transpose()?,
        max_instance_lifetime: optional(group.max_instance_lifetime, "MaxInstanceLifetime")?,
        suspended_processes: suspended(group),
        load_balancer_names: group.load_balancer_names().iter().cloned().collect(),
        target_group_arns: group.target_group_arns().iter().cloned().collect(),
        capacity_rebalance: group.capacity_rebalance,
        warm_pool: warm_pool(group)?,
    };
    Ok(fields.canonical())
}

/// Desired capacity.
pub(in crate::cloud::aws) fn desired(group: &sdk::AutoScalingGroup) -> Result<u32, Strange> {
    count(group.desired_capacity, "DesiredCapacity")
}

/// The value of a tag.
pub(in crate::cloud::aws) fn tag_value<'a>(
    group: &'a sdk::AutoScalingGroup,
    key: &str,
) -> Option<&'a str> {
    group
        .tags()
        .iter()
        .find(|t| t.key() == Some(key))
        .map(|t| t.value().unwrap_or_default())
}

/// The name of a hook, and the hook.
pub(in crate::cloud::aws) fn hook(
    hook: &sdk::LifecycleHook,
) -> Result<(String, LifecycleHook), Strange> {
    let name = needed(hook.lifecycle_hook_name.clone(), "LifecycleHookName")?;
    let ours = LifecycleHook {
        default_result: hook
            .default_result
            .clone()
            .unwrap_or_else(|| "ABANDON".into()),
        // AWS's default, an hour. Source: AWS API reference, PutLifecycleHook.
        heartbeat_timeout: optional(hook.heartbeat_timeout, "HeartbeatTimeout")?.unwrap_or(3_600),
        lifecycle_transition: needed(hook.lifecycle_transition.clone(), "LifecycleTransition")?,
    };
    Ok((name, ours))
}

/// What of a hook is set and not ours.
pub(in crate::cloud::aws) fn foreign_hook(hook: &sdk::LifecycleHook) -> Foreign {
    let name = hook.lifecycle_hook_name().unwrap_or_default();
    let mut foreign = Foreign::new();
    note_text(
        &mut foreign,
        &format!("LifecycleHooks[{name}].NotificationTargetARN"),
        hook.notification_target_arn(),
    );
    note_text(
        &mut foreign,
        &format!("LifecycleHooks[{name}].NotificationMetadata"),
        hook.notification_metadata(),
    );
    foreign
}

fn split(list: Option<&str>) -> BTreeSet<String> {
    list.unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|s| !s.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Tags of AWS's own have no owner.
fn tag(tag: &sdk::TagDescription) -> Option<Tag> {
    let key = tag.key().filter(|k| !k.starts_with("aws:"))?;
    Some(Tag {
        key: key.into(),
        value: tag.value().unwrap_or_default().into(),
        propagate_at_launch: tag.propagate_at_launch.unwrap_or(false),
    })
}

fn metrics(enabled: &[sdk::EnabledMetric]) -> EnabledMetrics {
    let granularity = enabled
        .iter()
        .find_map(|m| m.granularity.clone())
        .unwrap_or_else(|| "1Minute".into());
    EnabledMetrics {
        granularity,
        metrics: enabled
            .iter()
            .filter_map(|m| m.metric.clone())
            .collect::<BTreeSet<_>>()
            .into(),
    }
}

/// One that is being deleted does not count.
fn warm_pool(group: &sdk::AutoScalingGroup) -> Result<Option<WarmPool>, Strange> {
    let Some(pool) = group.warm_pool_configuration() else {
        return Ok(None);
    };
    if pool.status() == Some(&sdk::WarmPoolStatus::PendingDelete) {
        return Ok(None);
    }
    let most = i64::from(pool.max_group_prepared_capacity.unwrap_or(-1));
    Ok(Some(WarmPool {
        min_size: optional(pool.min_size, "WarmPool.MinSize")?.unwrap_or(0),
        max_group_prepared_capacity: most,
    }))
}

fn suspended(group: &sdk::AutoScalingGroup) -> BTreeSet<String> {
    let processes = group.suspended_processes().iter();
    processes.filter_map(|p| p.process_name.clone()).collect()
}

/// What is set on a group and not ours, where it is another thing than what AWS sets by itself.
/// Source of those defaults: AWS API reference, CreateAutoScalingGroup; kops sets none of these.
pub(in crate::cloud::aws) fn foreign(group: &sdk::AutoScalingGroup) -> Foreign {
    let mut foreign = Foreign::new();
    foreign_health(group, &mut foreign);
    foreign_scaling(group, &mut foreign);
    foreign_zones(group, &mut foreign);
    foreign_ending(group, &mut foreign);
    foreign_traffic(group, &mut foreign);
    foreign_warm_pool(group, &mut foreign);
    let mixed = group.mixed_instances_policy().map(mixed::foreign);
    foreign.extend(mixed.unwrap_or_default());
    foreign
}

/// How AWS tells that an instance is healthy, and when.
fn foreign_health(group: &sdk::AutoScalingGroup, out: &mut Foreign) {
    note_text(
        out,
        "HealthCheckType",
        group.health_check_type().filter(|t| *t != "EC2"),
    );
    // 0 through the API, 300 through the console and through kops of old.
    note(
        out,
        "HealthCheckGracePeriod",
        group
            .health_check_grace_period
            .filter(|s| !matches!(s, 0 | 300)),
    );
    note(
        out,
        "DefaultInstanceWarmup",
        group.default_instance_warmup.filter(|s| *s >= 0),
    );
    let maintenance = group.instance_maintenance_policy();
    let set = |percent: Option<i32>| percent.is_some_and(|p| p >= 0);
    note(
        out,
        "InstanceMaintenancePolicy",
        maintenance.filter(|p| set(p.min_healthy_percentage) || set(p.max_healthy_percentage)),
    );
}

/// How its size is counted and changed, and as whom.
fn foreign_scaling(group: &sdk::AutoScalingGroup, out: &mut Foreign) {
    note(
        out,
        "DefaultCooldown",
        group.default_cooldown.filter(|s| *s != 300),
    );
    note_text(
        out,
        "DesiredCapacityType",
        group.desired_capacity_type().filter(|t| *t != "units"),
    );
    note_text(
        out,
        "ServiceLinkedRoleARN",
        group
            .service_linked_role_arn()
            .filter(|a| !a.ends_with("/AWSServiceRoleForAutoScaling")),
    );
    note_text(out, "Context", group.context());
}

/// Where its instances are placed.
fn foreign_zones(group: &sdk::AutoScalingGroup, out: &mut Foreign) {
    note_text(out, "PlacementGroup", group.placement_group());
    let distribution = group
        .availability_zone_distribution()
        .and_then(|d| d.capacity_distribution_strategy());
    note_text(
        out,
        "AvailabilityZoneDistribution",
        distribution
            .map(|s| s.as_str())
            .filter(|s| *s != "balanced-best-effort"),
    );
    let shift = group
        .availability_zone_impairment_policy()
        .and_then(|p| p.zonal_shift_enabled)
        .filter(|on| *on);
    note(out, "AvailabilityZoneImpairmentPolicy", shift);
    let reservation = group
        .capacity_reservation_specification()
        .and_then(|s| s.capacity_reservation_preference());
    note_text(
        out,
        "CapacityReservationSpecification",
        reservation.map(|p| p.as_str()).filter(|p| *p != "default"),
    );
}

/// Which instance ends first, and whether the group may be deleted.
fn foreign_ending(group: &sdk::AutoScalingGroup, out: &mut Foreign) {
    let policies = group.termination_policies();
    note(
        out,
        "TerminationPolicies",
        (!policies.is_empty() && policies != ["Default"]).then_some(policies),
    );
    note_text(
        out,
        "DeletionProtection",
        group
            .deletion_protection()
            .map(|p| p.as_str())
            .filter(|p| *p != "none"),
    );
}

/// Sources of traffic that are neither a load balancer nor a target group that the group names itself.
fn foreign_traffic(group: &sdk::AutoScalingGroup, out: &mut Foreign) {
    let known: BTreeSet<&str> = group
        .load_balancer_names()
        .iter()
        .chain(group.target_group_arns())
        .map(String::as_str)
        .collect();
    let sources: Vec<&str> = group
        .traffic_sources()
        .iter()
        .filter_map(|s| s.identifier())
        .filter(|i| !known.contains(i))
        .collect();
    note(
        out,
        "TrafficSources",
        (!sources.is_empty()).then_some(sources),
    );
}

fn foreign_warm_pool(group: &sdk::AutoScalingGroup, out: &mut Foreign) {
    let pool = group.warm_pool_configuration();
    note(
        out,
        "WarmPool.InstanceReusePolicy",
        pool.and_then(|p| p.instance_reuse_policy()),
    );
    let state = pool.and_then(|p| p.pool_state());
    note_text(
        out,
        "WarmPool.PoolState",
        state.map(|s| s.as_str()).filter(|s| *s != "Stopped"),
    );
}

/// Every tag that says whose a group is.
pub(in crate::cloud::aws) fn owners(group: &sdk::AutoScalingGroup) -> BTreeMap<&str, &str> {
    let owner = |t: &'_ sdk::TagDescription| {
        t.key()
            .is_some_and(|k| k == "KubernetesCluster" || k.starts_with("kubernetes.io/cluster/"))
    };
    group
        .tags()
        .iter()
        .filter(|t| owner(t))
        .filter_map(|t| Some((t.key()?, t.value().unwrap_or_default())))
        .collect()
}
