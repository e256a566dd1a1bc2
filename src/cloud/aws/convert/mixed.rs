//! A mixed instances policy as AWS describes it → ours.

use aws_sdk_autoscaling::types as sdk;

use super::{Foreign, Strange, note, note_text, optional};
use crate::model::{
    InstanceRequirements, InstancesDistribution, MixedInstancesPolicy, Override, Range,
};

/// The SDK's policy in ours; what has no field here is strange.
pub(super) fn policy(policy: &sdk::MixedInstancesPolicy) -> Result<MixedInstancesPolicy, Strange> {
    let distribution = policy
        .instances_distribution()
        .map(distribution)
        .transpose()?;
    let overrides = policy
        .launch_template()
        .map(sdk::LaunchTemplate::overrides)
        .unwrap_or_default();
    Ok(MixedInstancesPolicy {
        instances_distribution: distribution.unwrap_or_default(),
        overrides: overrides.iter().map(one).collect(),
    })
}

fn distribution(given: &sdk::InstancesDistribution) -> Result<InstancesDistribution, Strange> {
    let cheapest = given
        .spot_allocation_strategy()
        .is_none_or(|s| s == "lowest-price");
    Ok(InstancesDistribution {
        on_demand_allocation_strategy: given.on_demand_allocation_strategy.clone(),
        on_demand_base_capacity: optional(given.on_demand_base_capacity, "OnDemandBaseCapacity")?,
        on_demand_percentage_above_base_capacity: optional(
            given.on_demand_percentage_above_base_capacity,
            "OnDemandPercentageAboveBaseCapacity",
        )?,
        spot_allocation_strategy: given.spot_allocation_strategy.clone(),
        // Pools count with one strategy only; with others AWS shows what it likes.
        spot_instance_pools: optional(
            given.spot_instance_pools.filter(|_| cheapest),
            "SpotInstancePools",
        )?,
        spot_max_price: given.spot_max_price.clone(),
    })
}

fn one(given: &sdk::LaunchTemplateOverrides) -> Override {
    Override {
        instance_type: given.instance_type.clone(),
        instance_requirements: given.instance_requirements().map(requirements),
    }
}

fn requirements(given: &sdk::InstanceRequirements) -> InstanceRequirements {
    let range = |min: Option<i32>, max: Option<i32>| Range {
        min: min.map(i64::from),
        max: max.map(i64::from),
    };
    let cpu = given.v_cpu_count();
    let memory = given.memory_mib();
    InstanceRequirements {
        v_cpu_count: range(cpu.and_then(|c| c.min), cpu.and_then(|c| c.max)),
        memory_mib: range(memory.and_then(|m| m.min), memory.and_then(|m| m.max)),
        // AWS's default. Source: AWS API reference, InstanceRequirements.
        burstable_performance: given
            .burstable_performance()
            .map_or("excluded", |b| b.as_str())
            .to_owned(),
        excluded_instance_types: given.excluded_instance_types().to_vec(),
    }
}

/// What of a policy is set and not ours.
pub(super) fn foreign(policy: &sdk::MixedInstancesPolicy) -> Foreign {
    let mut foreign = Foreign::new();
    let segments = policy
        .instances_distribution()
        .and_then(|d| d.distribution_segments.as_ref())
        .filter(|s| !s.is_empty());
    note(
        &mut foreign,
        "MixedInstancesPolicy.InstancesDistribution.DistributionSegments",
        segments,
    );
    let overrides = policy
        .launch_template()
        .map(sdk::LaunchTemplate::overrides)
        .unwrap_or_default();
    for (index, given) in overrides.iter().enumerate() {
        let name = given
            .instance_type()
            .map_or_else(|| index.to_string(), str::to_owned);
        let at = |field: &str| format!("MixedInstancesPolicy.Overrides[{name}].{field}");
        // Every type weighs one unless said otherwise.
        note_text(
            &mut foreign,
            &at("WeightedCapacity"),
            given.weighted_capacity().filter(|w| *w != "1"),
        );
        note(
            &mut foreign,
            &at("LaunchTemplateSpecification"),
            given
                .launch_template_specification()
                .map(|t| t.launch_template_name().unwrap_or_default()),
        );
        note_text(&mut foreign, &at("ImageId"), given.image_id());
        for (field, set) in given
            .instance_requirements()
            .map(other_requirements)
            .unwrap_or_default()
        {
            if set {
                foreign.insert(at(&format!("InstanceRequirements.{field}")), "set".into());
            }
        }
    }
    foreign
}

/// Requirements that definitions have no word for, and whether each is set.
fn other_requirements(given: &sdk::InstanceRequirements) -> Vec<(&'static str, bool)> {
    [of_the_machine(given), of_devices(given)].concat()
}

fn is_default(text: Option<&str>, default: &str) -> bool {
    text.is_none_or(|t| t == default)
}

/// Of its processors, its price and its generation.
fn of_the_machine(given: &sdk::InstanceRequirements) -> Vec<(&'static str, bool)> {
    vec![
        ("CpuManufacturers", !given.cpu_manufacturers().is_empty()),
        (
            "MemoryGiBPerVCpu",
            given
                .memory_gib_per_v_cpu()
                .is_some_and(|r| r.min.is_some() || r.max.is_some()),
        ),
        (
            "InstanceGenerations",
            !given.instance_generations().is_empty(),
        ),
        (
            "SpotMaxPricePercentageOverLowestPrice",
            given
                .spot_max_price_percentage_over_lowest_price
                .is_some_and(|p| p != 100),
        ),
        (
            "MaxSpotPriceAsPercentageOfOptimalOnDemandPrice",
            given
                .max_spot_price_as_percentage_of_optimal_on_demand_price
                .is_some(),
        ),
        (
            "OnDemandMaxPricePercentageOverLowestPrice",
            given
                .on_demand_max_price_percentage_over_lowest_price
                .is_some_and(|p| p != 20),
        ),
        (
            "BareMetal",
            !is_default(given.bare_metal().map(|b| b.as_str()), "excluded"),
        ),
        (
            "RequireHibernateSupport",
            given.require_hibernate_support == Some(true),
        ),
        (
            "NetworkInterfaceCount",
            given
                .network_interface_count()
                .is_some_and(|r| r.min.is_some() || r.max.is_some()),
        ),
    ]
}

/// The same of its disks, its network and its accelerators.
fn of_devices(given: &sdk::InstanceRequirements) -> Vec<(&'static str, bool)> {
    vec![
        (
            "LocalStorage",
            !is_default(given.local_storage().map(|s| s.as_str()), "included"),
        ),
        (
            "LocalStorageTypes",
            !given.local_storage_types().is_empty() && given.local_storage_types().len() < 2,
        ),
        (
            "TotalLocalStorageGB",
            given
                .total_local_storage_gb()
                .is_some_and(|r| r.min.is_some() || r.max.is_some()),
        ),
        (
            "BaselineEbsBandwidthMbps",
            given
                .baseline_ebs_bandwidth_mbps()
                .is_some_and(|r| r.min.is_some() || r.max.is_some()),
        ),
        ("AcceleratorTypes", !given.accelerator_types().is_empty()),
        (
            "AcceleratorCount",
            given
                .accelerator_count()
                .is_some_and(|r| r.min.is_some_and(|m| m != 0) || r.max.is_some()),
        ),
        (
            "AcceleratorManufacturers",
            !given.accelerator_manufacturers().is_empty(),
        ),
        ("AcceleratorNames", !given.accelerator_names().is_empty()),
        (
            "AcceleratorTotalMemoryMiB",
            given
                .accelerator_total_memory_mib()
                .is_some_and(|r| r.min.is_some() || r.max.is_some()),
        ),
        (
            "NetworkBandwidthGbps",
            given
                .network_bandwidth_gbps()
                .is_some_and(|r| r.min.is_some() || r.max.is_some()),
        ),
        (
            "AllowedInstanceTypes",
            !given.allowed_instance_types().is_empty(),
        ),
        (
            "BaselinePerformanceFactors",
            given.baseline_performance_factors().is_some(),
        ),
    ]
}
