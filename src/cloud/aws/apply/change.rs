//! What of a group's own fields has to be written, given how it was found: pure. Each field has to be as it was expected or
//! as it is wanted already, so that a change that broke off in the middle is finished by the second call.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    AutoScalingGroup, EnabledMetrics, LifecycleHook, MixedInstancesPolicy, Tag, WarmPool,
};

/// The most load balancers that one call attaches or detaches. Source: AWS API reference, AttachLoadBalancerTargetGroups.
pub(super) const PER_CALL: usize = 10;

/// What a group and its hooks are, in canonical form, with ids where AWS has ids.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fields {
    pub(super) group: AutoScalingGroup,
    pub(super) hooks: BTreeMap<String, LifecycleHook>,
}

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Write {
    /// Suspend processes.
    Suspend(BTreeSet<String>),
    /// Change fields of the group itself.
    Fields(Box<Changed>),
    /// Create or change tags.
    PutTags(Vec<Tag>),
    DeleteTags(Vec<Tag>),
    /// Create or change a hook.
    PutHook(String, LifecycleHook),
    /// Delete a hook.
    DeleteHook(String),
    /// Attach classic load balancers.
    AttachLoadBalancers(Vec<String>),
    /// Detach classic load balancers.
    DetachLoadBalancers(Vec<String>),
    AttachTargetGroups(Vec<String>),
    DetachTargetGroups(Vec<String>),
    /// Collect these metrics too.
    EnableMetrics(EnabledMetrics),
    /// Collect these no longer.
    DisableMetrics(BTreeSet<String>),
    /// Create or change the warm pool.
    PutWarmPool(WarmPool),
    /// Delete the warm pool with what is in it.
    DeleteWarmPool,
    /// Resume processes.
    Resume(BTreeSet<String>),
}

/// Fields of the group itself; none: stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Changed {
    pub(super) min_size: Option<u32>,
    pub(super) max_size: Option<u32>,
    pub(super) subnets: Option<BTreeSet<String>>,
    pub(super) protected: Option<bool>,
    /// Seconds; 0: for ever. The only way to take it back.
    pub(super) lifetime: Option<u32>,
    pub(super) rebalance: Option<bool>,
    pub(super) policy: Policy,
}

/// What becomes of the mixed instances policy.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Policy {
    /// Stays as it is, or is not there.
    #[default]
    Stays,
    /// Becomes this.
    Mixed(MixedInstancesPolicy),
    /// Goes: the group launches from its template alone.
    Gone,
}

/// The calls that make `found` what is wanted, in order; none when it is. An error says where it is neither as expected nor as wanted.
/// What processes others suspended is theirs.
pub(super) fn writes(found: &Fields, from: &Fields, to: &Fields) -> Result<Vec<Write>, String> {
    let differing = differences(found, from, to);
    if !differing.is_empty() {
        return Err(format!(
            "{} is not as expected: {}",
            found.group.auto_scaling_group_name,
            differing.join(", ")
        ));
    }
    let (is, wanted) = (&found.group, &to.group);
    let gone: BTreeSet<String> = from
        .group
        .suspended_processes
        .difference(&wanted.suspended_processes)
        .cloned()
        .collect();
    let suspend: BTreeSet<String> = wanted
        .suspended_processes
        .difference(&is.suspended_processes)
        .cloned()
        .collect();
    let resume: BTreeSet<String> = is
        .suspended_processes
        .intersection(&gone)
        .cloned()
        .collect();
    let mut out = Vec::new();
    // What keeps instances from being launched or ended wrongly comes before what may launch or end some, what lets go comes last.
    out.extend((!suspend.is_empty()).then_some(Write::Suspend(suspend)));
    out.extend(put_hooks(found, to));
    // AWS takes a policy only where no warm pool is in its way, and a warm pool only where no policy is.
    let (fill, empty) = warm_pool(is.warm_pool.as_ref(), wanted.warm_pool.as_ref());
    out.extend(empty);
    out.extend(changed(is, wanted).map(|fields| Write::Fields(Box::new(fields))));
    out.extend(tags(&is.tags, &wanted.tags));
    out.extend(balancers(
        &is.load_balancer_names,
        &wanted.load_balancer_names,
        Write::AttachLoadBalancers,
        Write::DetachLoadBalancers,
    ));
    out.extend(balancers(
        &is.target_group_arns,
        &wanted.target_group_arns,
        Write::AttachTargetGroups,
        Write::DetachTargetGroups,
    ));
    out.extend(metrics(&is.enabled_metrics, &wanted.enabled_metrics));
    out.extend(fill);
    out.extend(
        found
            .hooks
            .keys()
            .filter(|name| !to.hooks.contains_key(*name))
            .map(|name| Write::DeleteHook(name.clone())),
    );
    out.extend((!resume.is_empty()).then_some(Write::Resume(resume)));
    Ok(out)
}

/// The fields that are neither as expected nor as wanted, with values where they are short.
pub(super) fn differences(found: &Fields, from: &Fields, to: &Fields) -> Vec<String> {
    let AutoScalingGroup {
        auto_scaling_group_name: _,
        min_size,
        max_size,
        vpc_zone_identifier,
        new_instances_protected_from_scale_in,
        tags,
        enabled_metrics,
        mixed_instances_policy,
        max_instance_lifetime: _,
        suspended_processes: _,
        load_balancer_names: _,
        target_group_arns: _,
        capacity_rebalance: _,
        warm_pool: _,
    } = &found.group;
    let (a, b) = (&from.group, &to.group);
    [
        value("MinSize", min_size, &a.min_size, &b.min_size),
        value("MaxSize", max_size, &a.max_size, &b.max_size),
        differs(
            *vpc_zone_identifier == a.vpc_zone_identifier
                || *vpc_zone_identifier == b.vpc_zone_identifier,
            "VPCZoneIdentifier",
        ),
        value(
            "NewInstancesProtectedFromScaleIn",
            new_instances_protected_from_scale_in,
            &a.new_instances_protected_from_scale_in,
            &b.new_instances_protected_from_scale_in,
        ),
        differs(
            fits_by_key(&by_key(tags), &by_key(&a.tags), &by_key(&b.tags)),
            "Tags",
        ),
        differs(
            fits_by_member(
                &enabled_metrics.metrics,
                &a.enabled_metrics.metrics,
                &b.enabled_metrics.metrics,
            ),
            "EnabledMetrics",
        ),
        differs(
            *mixed_instances_policy == a.mixed_instances_policy
                || *mixed_instances_policy == b.mixed_instances_policy,
            "MixedInstancesPolicy",
        ),
    ]
    .into_iter()
    .flatten()
    .chain(later_differences(found, from, to))
    .collect()
}

/// The rest of them: what came to groups later than their sizes and templates.
fn later_differences(found: &Fields, from: &Fields, to: &Fields) -> Vec<String> {
    let (is, a, b) = (&found.group, &from.group, &to.group);
    let shown = |value: Option<u32>| value.map_or_else(|| "not set".to_owned(), |v| v.to_string());
    let flag = |value: Option<bool>| value.unwrap_or(false);
    [
        value(
            "MaxInstanceLifetime",
            &shown(is.max_instance_lifetime),
            &shown(a.max_instance_lifetime),
            &shown(b.max_instance_lifetime),
        ),
        differs(
            kept(
                &is.suspended_processes,
                &a.suspended_processes,
                &b.suspended_processes,
            ),
            "SuspendedProcesses",
        ),
        differs(
            fits_by_member(
                &is.load_balancer_names,
                &a.load_balancer_names,
                &b.load_balancer_names,
            ),
            "LoadBalancerNames",
        ),
        differs(
            fits_by_member(
                &is.target_group_arns,
                &a.target_group_arns,
                &b.target_group_arns,
            ),
            "TargetGroupARNs",
        ),
        value(
            "CapacityRebalance",
            &flag(is.capacity_rebalance),
            &flag(a.capacity_rebalance),
            &flag(b.capacity_rebalance),
        ),
        differs(
            is.warm_pool == a.warm_pool || is.warm_pool == b.warm_pool,
            "WarmPool",
        ),
        differs(
            fits_by_key(&found.hooks, &from.hooks, &to.hooks),
            "lifecycle hooks",
        )
        .map(|text| text.replace("differs", "differ")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn differs(fits: bool, field: &str) -> Option<String> {
    (!fits).then(|| format!("{field} differs"))
}

fn value<T: PartialEq + std::fmt::Display>(
    field: &str,
    is: &T,
    from: &T,
    to: &T,
) -> Option<String> {
    (is != from && is != to).then(|| format!("{field} is {is}, not {from}"))
}

/// Every entry as in one of the two, or absent as in one of the two.
fn fits_by_key<T: PartialEq>(
    is: &BTreeMap<String, T>,
    from: &BTreeMap<String, T>,
    to: &BTreeMap<String, T>,
) -> bool {
    let mut keys = is.keys().chain(from.keys()).chain(to.keys());
    keys.all(|key| is.get(key) == from.get(key) || is.get(key) == to.get(key))
}

/// No member that is in neither, none missing that is in both.
fn fits_by_member(is: &BTreeSet<String>, from: &BTreeSet<String>, to: &BTreeSet<String>) -> bool {
    is.iter()
        .all(|member| from.contains(member) || to.contains(member))
        && kept(is, from, to)
}

/// None missing that is in both.
fn kept(is: &BTreeSet<String>, from: &BTreeSet<String>, to: &BTreeSet<String>) -> bool {
    from.intersection(to).all(|member| is.contains(member))
}

fn by_key(tags: &[Tag]) -> BTreeMap<String, (&str, bool)> {
    tags.iter()
        .map(
            |Tag {
                 key,
                 value,
                 propagate_at_launch,
             }| (key.to_string(), (value.as_str(), *propagate_at_launch)),
        )
        .collect()
}

fn changed(is: &AutoScalingGroup, to: &AutoScalingGroup) -> Option<Changed> {
    let fields = Changed {
        min_size: other(&is.min_size, &to.min_size),
        max_size: other(&is.max_size, &to.max_size),
        subnets: other(&is.vpc_zone_identifier, &to.vpc_zone_identifier),
        protected: other(
            &is.new_instances_protected_from_scale_in,
            &to.new_instances_protected_from_scale_in,
        ),
        lifetime: other(
            &is.max_instance_lifetime.unwrap_or(0),
            &to.max_instance_lifetime.unwrap_or(0),
        ),
        rebalance: other(
            &is.capacity_rebalance.unwrap_or(false),
            &to.capacity_rebalance.unwrap_or(false),
        ),
        policy: match &to.mixed_instances_policy {
            same if *same == is.mixed_instances_policy => Policy::Stays,
            Some(policy) => Policy::Mixed(policy.clone()),
            None => Policy::Gone,
        },
    };
    (fields != Changed::default()).then_some(fields)
}

fn other<T: PartialEq + Clone>(is: &T, to: &T) -> Option<T> {
    (is != to).then(|| to.clone())
}

fn tags(is: &[Tag], to: &[Tag]) -> Vec<Write> {
    let put: Vec<Tag> = to.iter().filter(|tag| !is.contains(tag)).cloned().collect();
    let kept: BTreeSet<&str> = to.iter().map(|t| t.key.as_str()).collect();
    let delete: Vec<Tag> = is
        .iter()
        .filter(|tag| !kept.contains(tag.key.as_str()))
        .cloned()
        .collect();
    [
        (!put.is_empty()).then_some(Write::PutTags(put)),
        (!delete.is_empty()).then_some(Write::DeleteTags(delete)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn put_hooks(found: &Fields, to: &Fields) -> Vec<Write> {
    let new = to
        .hooks
        .iter()
        .filter(|(name, hook)| found.hooks.get(*name) != Some(hook));
    new.map(|(name, hook)| Write::PutHook(name.clone(), hook.clone()))
        .collect()
}

/// New ones are attached before old ones go.
fn balancers(
    is: &BTreeSet<String>,
    to: &BTreeSet<String>,
    attach: fn(Vec<String>) -> Write,
    detach: fn(Vec<String>) -> Write,
) -> Vec<Write> {
    let calls = |names: Vec<&String>, call: fn(Vec<String>) -> Write| {
        names
            .chunks(PER_CALL)
            .map(|some| call(some.iter().map(|n| (*n).clone()).collect()))
            .collect::<Vec<_>>()
    };
    let mut out = calls(to.difference(is).collect(), attach);
    out.extend(calls(is.difference(to).collect(), detach));
    out
}

fn metrics(is: &EnabledMetrics, to: &EnabledMetrics) -> Vec<Write> {
    let enable: BTreeSet<String> = to.metrics.difference(&is.metrics).cloned().collect();
    let disable: BTreeSet<String> = is.metrics.difference(&to.metrics).cloned().collect();
    let enable = (!enable.is_empty()).then(|| {
        Write::EnableMetrics(EnabledMetrics {
            granularity: to.granularity.clone(),
            metrics: enable.into(),
        })
    });
    enable
        .into_iter()
        .chain((!disable.is_empty()).then_some(Write::DisableMetrics(disable)))
        .collect()
}

/// The call that makes or changes the pool, and the one that takes it away: at most one of them.
fn warm_pool(is: Option<&WarmPool>, to: Option<&WarmPool>) -> (Option<Write>, Option<Write>) {
    match (is, to) {
        (is, Some(pool)) if is != Some(pool) => (Some(Write::PutWarmPool(pool.clone())), None),
        (Some(_), None) => (None, Some(Write::DeleteWarmPool)),
        (Some(_) | None, Some(_)) | (None, None) => (None, None),
    }
}

/// What a group is between its creation and the calls that follow it.
pub(super) fn just_created(to: &Fields) -> Fields {
    let mut fields = to.clone();
    fields.hooks.clear();
    let group = &mut fields.group;
    group.suspended_processes.clear();
    group.enabled_metrics.metrics.clear();
    group.warm_pool = None;
    group.load_balancer_names.clear();
    group.target_group_arns.clear();
    fields
}

#[cfg(test)]
mod tests;
