//! The mixed instances policy: as written, nothing defaulted but the spot price, which kops always sends.

use crate::kops::{InstanceGroup, MixedPolicy, Requirements};
use crate::model::{
    InstanceRequirements, InstancesDistribution, MixedInstancesPolicy, Override, Range,
};

/// The policy of a group that has one. An empty price is AWS's way to say "the on-demand price".
pub(super) fn policy(group: &InstanceGroup) -> Option<MixedInstancesPolicy> {
    let mixed = group.mixed.as_ref()?;
    Some(MixedInstancesPolicy {
        instances_distribution: InstancesDistribution {
            on_demand_allocation_strategy: mixed.on_demand_allocation_strategy.clone(),
            on_demand_base_capacity: mixed.on_demand_base,
            on_demand_percentage_above_base_capacity: mixed.on_demand_above_base,
            spot_allocation_strategy: mixed.spot_allocation_strategy.clone(),
            spot_instance_pools: mixed.spot_instance_pools,
            spot_max_price: Some(group.spot.max_price.clone().unwrap_or_default()),
        },
        overrides: overrides(mixed),
    })
}

fn overrides(mixed: &MixedPolicy) -> Vec<Override> {
    let types = mixed.instances.iter().map(|t| Override {
        instance_type: Some(t.clone()),
        instance_requirements: None,
    });
    let attributes = mixed.requirements.iter().map(|r| Override {
        instance_type: None,
        instance_requirements: Some(requirements(r)),
    });
    types.chain(attributes).collect()
}

fn requirements(given: &Requirements) -> InstanceRequirements {
    // Without a block kops sends a least of 0, which AWS insists on; a block without `min` has none.
    let range = |block: Option<(Option<i64>, Option<i64>)>| match block {
        None => Range {
            min: Some(0),
            max: None,
        },
        Some((min, max)) => Range { min, max },
    };
    InstanceRequirements {
        v_cpu_count: range(given.cpu),
        memory_mib: range(given.memory),
        burstable_performance: "included".into(),
        excluded_instance_types: given.excluded.clone(),
    }
}
