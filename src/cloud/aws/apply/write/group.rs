//! The parts of an AutoScalingGroup as Auto Scaling is told about them.

use aws_sdk_autoscaling::types as sdk;

use super::{TooMuch, list, number, optional};
use crate::cloud::aws::convert::group::TemplateReference;
use crate::model::{
    AsgName, InstanceRequirements, InstancesDistribution, LifecycleHook, MixedInstancesPolicy,
    Override, Tag,
};

impl TemplateReference {
    /// A template by its name, whatever its version.
    pub(in crate::cloud::aws::apply) fn named(name: &AsgName) -> Self {
        TemplateReference {
            id: None,
            name: Some(name.to_string()),
            version: None,
        }
    }

    /// The same template at a number.
    #[must_use]
    pub(in crate::cloud::aws::apply) fn at(&self, version: u64) -> Self {
        TemplateReference {
            version: Some(version.to_string()),
            ..self.clone()
        }
    }

    /// As a request names it: by id where it is known, as the API refuses both at once.
    pub(in crate::cloud::aws::apply) fn specification(&self) -> sdk::LaunchTemplateSpecification {
        let TemplateReference { id, name, version } = self;
        let name = if id.is_some() { None } else { name.clone() };
        sdk::LaunchTemplateSpecification::builder()
            .set_launch_template_id(id.clone())
            .set_launch_template_name(name)
            .set_version(version.clone())
            .build()
    }
}

/// A policy that launches from `template`. Everything is written out, as AWS keeps the old value of what is left out;
/// `replaces` is whether there are overrides now that an empty list has to take away.
pub(in crate::cloud::aws::apply) fn policy(
    policy: &MixedInstancesPolicy,
    template: &TemplateReference,
    replaces: bool,
) -> Result<sdk::MixedInstancesPolicy, TooMuch> {
    let MixedInstancesPolicy {
        instances_distribution,
        overrides,
    } = policy;
    let overrides: Vec<_> = overrides.iter().map(entry).collect::<Result<_, _>>()?;
    let overrides = if overrides.is_empty() && !replaces {
        None
    } else {
        Some(overrides)
    };
    let template = sdk::LaunchTemplate::builder()
        .launch_template_specification(template.specification())
        .set_overrides(overrides)
        .build();
    Ok(sdk::MixedInstancesPolicy::builder()
        .launch_template(template)
        .instances_distribution(distribution(instances_distribution)?)
        .build())
}

/// The policy that a group has, said again with its template at another version: nothing that we do not know of gets lost.
pub(in crate::cloud::aws::apply) fn repeated(
    found: &sdk::MixedInstancesPolicy,
    template: &TemplateReference,
) -> sdk::MixedInstancesPolicy {
    let mut policy = found.clone();
    let mut inner = policy
        .launch_template
        .take()
        .unwrap_or_else(|| sdk::LaunchTemplate::builder().build());
    inner.launch_template_specification = Some(template.specification());
    for entry in inner.overrides.iter_mut().flatten() {
        if let Some(spec) = entry
            .launch_template_specification
            .as_mut()
            .filter(|spec| spec.launch_template_id.is_some())
        {
            spec.launch_template_name = None;
        }
    }
    policy.launch_template = Some(inner);
    policy
}

fn distribution(
    distribution: &InstancesDistribution,
) -> Result<sdk::InstancesDistribution, TooMuch> {
    let InstancesDistribution {
        on_demand_allocation_strategy,
        on_demand_base_capacity,
        on_demand_percentage_above_base_capacity,
        spot_allocation_strategy,
        spot_instance_pools,
        spot_max_price,
    } = distribution;
    Ok(sdk::InstancesDistribution::builder()
        .set_on_demand_allocation_strategy(on_demand_allocation_strategy.clone())
        .set_on_demand_base_capacity(optional("OnDemandBaseCapacity", *on_demand_base_capacity)?)
        .set_on_demand_percentage_above_base_capacity(optional(
            "OnDemandPercentageAboveBaseCapacity",
            *on_demand_percentage_above_base_capacity,
        )?)
        .set_spot_allocation_strategy(spot_allocation_strategy.clone())
        .set_spot_instance_pools(optional("SpotInstancePools", *spot_instance_pools)?)
        .set_spot_max_price(spot_max_price.clone())
        .build())
}

fn entry(entry: &Override) -> Result<sdk::LaunchTemplateOverrides, TooMuch> {
    let Override {
        instance_type,
        instance_requirements,
    } = entry;
    Ok(sdk::LaunchTemplateOverrides::builder()
        .set_instance_type(instance_type.clone())
        .set_instance_requirements(
            instance_requirements
                .as_ref()
                .map(requirements)
                .transpose()?,
        )
        .build())
}

fn requirements(requirements: &InstanceRequirements) -> Result<sdk::InstanceRequirements, TooMuch> {
    let InstanceRequirements {
        v_cpu_count,
        memory_mib,
        burstable_performance,
        excluded_instance_types,
    } = requirements;
    let cpus = sdk::VCpuCountRequest::builder()
        .set_min(optional("VCpuCount", v_cpu_count.min)?)
        .set_max(optional("VCpuCount", v_cpu_count.max)?)
        .build();
    let memory = sdk::MemoryMiBRequest::builder()
        .set_min(optional("MemoryMiB", memory_mib.min)?)
        .set_max(optional("MemoryMiB", memory_mib.max)?)
        .build();
    Ok(sdk::InstanceRequirements::builder()
        .v_cpu_count(cpus)
        .memory_mib(memory)
        .burstable_performance(burstable_performance.as_str().into())
        .set_excluded_instance_types(list(excluded_instance_types.clone()))
        .build())
}

/// A tag of a group.
pub(in crate::cloud::aws::apply) fn tag(group: &AsgName, tag: &Tag) -> sdk::Tag {
    let Tag {
        key,
        value,
        propagate_at_launch,
    } = tag;
    sdk::Tag::builder()
        .resource_id(group.as_str())
        .resource_type("auto-scaling-group")
        .key(key.as_str())
        .value(value.as_str())
        .propagate_at_launch(*propagate_at_launch)
        .build()
}

/// A tag of a group, by its key alone.
pub(in crate::cloud::aws::apply) fn key(group: &AsgName, tag: &Tag) -> sdk::Tag {
    sdk::Tag::builder()
        .resource_id(group.as_str())
        .resource_type("auto-scaling-group")
        .key(tag.key.as_str())
        .build()
}

/// A hook as a new group is given it.
pub(in crate::cloud::aws::apply) fn hook(
    name: &str,
    hook: &LifecycleHook,
) -> Result<sdk::LifecycleHookSpecification, TooMuch> {
    let LifecycleHook {
        default_result,
        heartbeat_timeout,
        lifecycle_transition,
    } = hook;
    Ok(sdk::LifecycleHookSpecification::builder()
        .lifecycle_hook_name(name)
        .default_result(default_result)
        .heartbeat_timeout(number("HeartbeatTimeout", *heartbeat_timeout)?)
        .lifecycle_transition(lifecycle_transition)
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::aws::convert;
    use crate::model::AutoScalingGroup;
    use serde_json::json;

    /// What is written is what is read: policies and tags, each field alone and all at once.
    #[test]
    fn what_is_written_reads_back_equal() {
        let requirements = json!({
            "VCpuCount": {"Min": 2, "Max": 8}, "MemoryMiB": {"Max": 4500}, "BurstablePerformance": "included", "ExcludedInstanceTypes": ["t2.*"],
        });
        let distribution = json!({
            "OnDemandAllocationStrategy": "lowest-price", "OnDemandBaseCapacity": 1, "OnDemandPercentageAboveBaseCapacity": 20,
            "SpotAllocationStrategy": "lowest-price", "SpotInstancePools": 3, "SpotMaxPrice": "0.5",
        });
        let overrides = [
            json!([]),
            json!([{"InstanceType": "m5.large"}, {"InstanceType": "a1.large"}]),
            json!([{"InstanceRequirements": requirements}]),
        ];
        let mut distributions = vec![json!({}), distribution.clone()];
        distributions.extend(
            distribution
                .as_object()
                .unwrap()
                .iter()
                .map(|(key, value)| json!({key.as_str(): value})),
        );
        for (distribution, overrides) in distributions
            .iter()
            .flat_map(|d| overrides.iter().map(move |o| (d, o)))
        {
            let group = json!({
                "AutoScalingGroupName": "a.b", "MinSize": 0, "MaxSize": 9, "VPCZoneIdentifier": [], "NewInstancesProtectedFromScaleIn": true,
                "Tags": [{"Key": "k", "Value": "", "PropagateAtLaunch": false}], "EnabledMetrics": {"Granularity": "1Minute", "Metrics": []},
                "MixedInstancesPolicy": {"InstancesDistribution": distribution, "Overrides": overrides},
            });
            let ours: AutoScalingGroup = serde_json::from_value(group).unwrap();
            let ours = ours.canonical();
            let template = TemplateReference::named(&ours.auto_scaling_group_name).at(7);
            let theirs = sdk::AutoScalingGroup::builder()
                .auto_scaling_group_name("a.b")
                .min_size(0)
                .max_size(9)
                .new_instances_protected_from_scale_in(true)
                .mixed_instances_policy(
                    policy(
                        ours.mixed_instances_policy.as_ref().unwrap(),
                        &template,
                        false,
                    )
                    .unwrap(),
                )
                .tags(
                    sdk::TagDescription::builder()
                        .key("k")
                        .value("")
                        .propagate_at_launch(false)
                        .build(),
                )
                .build();
            assert_eq!(convert::group::fields(&theirs).unwrap(), ours);
            assert_eq!(convert::group::template(&theirs), Some(template.clone()));
            let again = repeated(theirs.mixed_instances_policy().unwrap(), &template);
            assert_eq!(
                Some(&again),
                theirs.mixed_instances_policy(),
                "said again it is the same"
            );
        }
    }

    #[test]
    fn a_template_is_named_once() {
        let both = TemplateReference {
            id: Some("lt-1".into()),
            name: Some("a".into()),
            version: Some("$Latest".into()),
        };
        let spec = both.at(4).specification();
        assert_eq!(
            (
                spec.launch_template_id(),
                spec.launch_template_name(),
                spec.version()
            ),
            (Some("lt-1"), None, Some("4"))
        );
    }
}
