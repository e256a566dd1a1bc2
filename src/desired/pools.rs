//! Warm pool, lifecycle hooks and group metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use crate::kops::{Cluster, InstanceGroup, Subject, ended};
use crate::model::{EnabledMetrics, LifecycleHook, Shared, WarmPool};

const METRICS: [&str; 8] = [
    "GroupDesiredCapacity",
    "GroupInServiceInstances",
    "GroupMaxSize",
    "GroupMinSize",
    "GroupPendingInstances",
    "GroupStandbyInstances",
    "GroupTerminatingInstances",
    "GroupTotalInstances",
];

const WARM_METRICS: [&str; 8] = [
    "GroupAndWarmPoolDesiredCapacity",
    "GroupAndWarmPoolTotalCapacity",
    "WarmPoolDesiredCapacity",
    "WarmPoolMinSize",
    "WarmPoolPendingCapacity",
    "WarmPoolTerminatingCapacity",
    "WarmPoolTotalCapacity",
    "WarmPoolWarmedCapacity",
];

/// The same for all groups: a fleet has thousands.
static PLAIN: OnceLock<Shared<BTreeSet<String>>> = OnceLock::new();
static WARM: OnceLock<Shared<BTreeSet<String>>> = OnceLock::new();

/// The metrics kops switches on.
pub(super) fn metrics(cluster: &Cluster, group: &InstanceGroup) -> EnabledMetrics {
    let measured = ended(Subject::UnmeasuredWarmPools, cluster.kops, None).is_some();
    let of = |more: &[&str]| {
        let names = METRICS.iter().chain(more);
        Shared::from(names.map(|m| (*m).to_owned()).collect::<BTreeSet<_>>())
    };
    let metrics = if measured && group.warm_pool.is_some() {
        WARM.get_or_init(|| of(&WARM_METRICS))
    } else {
        PLAIN.get_or_init(|| of(&[]))
    };
    EnabledMetrics {
        granularity: "1Minute".into(),
        metrics: metrics.clone(),
    }
}

/// The warm pool, when it is on.
pub(super) fn warm_pool(group: &InstanceGroup) -> Option<WarmPool> {
    let pool = group.warm_pool?;
    Some(WarmPool {
        min_size: pool.min_size,
        max_group_prepared_capacity: pool.max_size.map_or(-1, i64::from),
    })
}

/// Hooks: one that tells the node termination handler's queue, one that holds a new instance until it is warm.
pub(super) fn hooks(cluster: &Cluster, group: &InstanceGroup) -> BTreeMap<String, LifecycleHook> {
    let mut hooks = BTreeMap::new();
    if cluster.termination_queue.is_some() {
        hooks.insert(
            format!("{}-NTHLifecycleHook", group.name),
            hook("CONTINUE", 300, "autoscaling:EC2_INSTANCE_TERMINATING"),
        );
    }
    if let Some(timeout) = group.warm_pool.and_then(|p| p.hook_timeout) {
        hooks.insert(
            "kops-warmpool".into(),
            hook("ABANDON", timeout, "autoscaling:EC2_INSTANCE_LAUNCHING"),
        );
    }
    hooks
}

fn hook(result: &str, timeout: u32, transition: &str) -> LifecycleHook {
    LifecycleHook {
        default_result: result.into(),
        heartbeat_timeout: timeout,
        lifecycle_transition: transition.into(),
    }
}
