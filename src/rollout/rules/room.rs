//! The rule of room: never more at once than there was room for when the wave began. Counts what is in the books; judges, decides nothing.

use crate::model::{CloudEffect, ClusterName, Effect, LiveCluster};
use crate::plan::room::{RoomLimit, SurgeLimit};
use crate::rollout::breach::{Breach, GroupBreach};
use crate::rollout::progress::{ClusterProgress, ClusterState, Direction, Progress};

/// What an effect would break of it.
pub(super) fn broken(
    progress: &Progress,
    cluster: &ClusterName,
    effect: &Effect,
    live: &LiveCluster,
) -> Vec<Breach> {
    let (Some(limit), Effect::Cloud(effect)) = (progress.room_limit(cluster), effect) else {
        return Vec::new();
    };
    let more = if let CloudEffect::SetDesired { from, to, .. } = effect {
        to.saturating_sub(*from)
    } else {
        u32::from(matches!(effect, CloudEffect::Detach { .. }))
    };
    let Some(found) = progress.clusters.get(cluster).filter(|_| more > 0) else {
        return Vec::new();
    };
    let limits = progress.surge_limits(cluster).iter();
    let limits = limits.filter(|limit| limit.groups.contains(effect.group()));
    let mut broken: Vec<Breach> = limits
        .filter_map(|limit| of_groups(found, limit, live, more))
        .collect();
    broken.extend(of_region(progress, limit, cluster));
    broken
}

/// Instances of ours beyond what these groups have; what an autoscaler has taken of them is not there any more.
fn of_groups(
    progress: &ClusterProgress,
    limit: &SurgeLimit,
    live: &LiveCluster,
    more: u32,
) -> Option<Breach> {
    let groups = progress.groups.iter();
    let groups = groups.filter(|(name, _)| limit.groups.contains(*name));
    let out = groups
        .map(|(name, group)| {
            let detached = u32::try_from(group.outstanding.detached.len()).unwrap_or(u32::MAX);
            let most = live.groups.get(name);
            let most = most.map_or(u32::MAX, |g| g.desired.saturating_sub(g.group.min_size));
            group.outstanding.surge.min(most).saturating_add(detached)
        })
        .fold(more, u32::saturating_add);
    (out > limit.most).then(|| {
        GroupBreach::RoomSurge {
            groups: limit.groups.clone(),
            surge: out,
            most: limit.most,
        }
        .into()
    })
}

/// No more clusters at work than there is room for together.
fn of_region(progress: &Progress, limit: &RoomLimit, cluster: &ClusterName) -> Option<Breach> {
    let others = limit.clusters.keys().filter(|name| *name != cluster);
    let at_work = others.filter(|name| {
        let found = progress.clusters.get(*name);
        found.is_some_and(|c| is_at_work(progress, c))
    });
    let together = at_work.count().saturating_add(1);
    (together > limit.at_once).then(|| {
        GroupBreach::RoomClusters {
            account: limit.account.clone(),
            region: limit.region.clone(),
            clusters: together,
            most: limit.at_once,
        }
        .into()
    })
}

fn is_at_work(progress: &Progress, cluster: &ClusterProgress) -> bool {
    match progress.direction {
        Direction::Forward => cluster.state == ClusterState::Rolling,
        // What is restored was there already.
        Direction::Back(_) | Direction::Aborting => false,
    }
}
