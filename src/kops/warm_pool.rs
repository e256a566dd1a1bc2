//! Warm pools as manifests say them, in Cluster and InstanceGroup, and the rules about them.

use super::cluster::WrittenWarmPool;
use super::error::Problems;
use super::releases::{Subject, ended};
use super::role::Role;
use super::view::View;
use crate::model::KopsVersion;

/// A warm pool as written.
pub(super) fn read(view: View<'_>, problems: &mut Problems) -> Option<WrittenWarmPool> {
    view.is_present().then(|| WrittenWarmPool {
        min_size: view.count("minSize", problems),
        max_size: view.count("maxSize", problems),
        hook: view.bool("enableLifecycleHook"),
        hook_timeout: view.count("lifecycleHookTimeout", problems),
    })
}

/// The cluster's warm pool: the default of its worker groups.
pub(super) fn of_cluster(view: View<'_>, problems: &mut Problems) -> Option<WrittenWarmPool> {
    let pool = read(view, problems)?;
    check_sizes(view, pool.min_size.unwrap_or(0), pool.max_size, problems);
    Some(pool)
}

/// The rules of a warm pool that is on.
pub(super) fn check(spec: View<'_>, role: Role, kops: KopsVersion, problems: &mut Problems) {
    let pos = spec.at("warmPool");
    if !matches!(role, Role::Node | Role::ApiServer) {
        problems.error(
            pos,
            format!("a group of role {} cannot have a warm pool", role.as_str()),
        );
    }
    if spec.text("maxPrice").is_some() {
        problems.error(pos, "a group with `maxPrice` cannot have a warm pool");
    }
    let excluded = ended(Subject::WarmPoolWithoutMixed, kops, None).is_none();
    if excluded && spec.has("mixedInstancesPolicy") {
        problems.error(
            pos,
            format!("a group with `mixedInstancesPolicy` cannot have a warm pool before kops 1.34, and this is kops {kops}"),
        );
    }
}

/// The sizes of a warm pool with what it has from the cluster, also of one that is off. Source of the seconds: Amazon EC2 Auto Scaling API,
/// PutLifecycleHook, HeartbeatTimeout.
pub(super) fn check_sizes(
    view: View<'_>,
    min_size: u32,
    max_size: Option<u32>,
    problems: &mut Problems,
) {
    if let Some(max) = max_size.filter(|max| *max < min_size) {
        let at = if view.has("maxSize") {
            "maxSize"
        } else {
            "minSize"
        };
        problems.error(
            view.at(at),
            format!("`warmPool.minSize` is {min_size}, above `warmPool.maxSize` {max}"),
        );
    }
    if view
        .int("lifecycleHookTimeout")
        .is_some_and(|seconds| !(30..=7_200).contains(&seconds))
    {
        problems.error(
            view.at("lifecycleHookTimeout"),
            "`warmPool.lifecycleHookTimeout` must be from 30 to 7200 seconds",
        );
    }
}
