//! The rule of room: never more at once than there was room for when the wave began. Counts what is in the books; judges, decides nothing.

use crate::model::{CloudEffect, ClusterName, Effect};
use crate::plan::room::RoomLimit;
use crate::rollout::progress::{ClusterProgress, ClusterState, Direction, GroupProgress, Progress};

/// What an effect would break of it.
pub(super) fn broken(progress: &Progress, cluster: &ClusterName, effect: &Effect) -> Vec<String> {
    let (Some(limit), Effect::Cloud(effect)) = (progress.room_limit(cluster), effect) else {
        return Vec::new();
    };
    let more = if let CloudEffect::SetDesired { from, to, .. } = effect {
        to.saturating_sub(*from)
    } else {
        u32::from(matches!(effect, CloudEffect::Detach { .. }))
    };
    if more == 0 {
        return Vec::new();
    }
    let mut broken = Vec::new();
    broken.extend(of_cluster(progress, limit, cluster, more));
    broken.extend(of_region(progress, limit, cluster));
    broken
}

fn of_cluster(
    progress: &Progress,
    limit: &RoomLimit,
    cluster: &ClusterName,
    more: u32,
) -> Option<String> {
    let most = limit.surge.get(cluster)?;
    let out = out(progress.clusters.get(cluster)?).saturating_add(more);
    (out > *most).then(|| format!("{cluster} surges by {out}, and its account had room for {most}"))
}

/// No more clusters at work than there is room for together.
fn of_region(progress: &Progress, limit: &RoomLimit, cluster: &ClusterName) -> Option<String> {
    let others = limit.surge.keys().filter(|name| *name != cluster);
    let at_work = others.filter(|name| {
        let found = progress.clusters.get(*name);
        found.is_some_and(|c| is_at_work(progress, c))
    });
    let together = at_work.count().saturating_add(1);
    (together > limit.at_once).then(|| {
        format!(
            "{together} clusters of account {} in {} surge together, and there was room for {}",
            limit.account, limit.region, limit.at_once
        )
    })
}

fn is_at_work(progress: &Progress, cluster: &ClusterProgress) -> bool {
    match progress.direction {
        Direction::Forward => cluster.state == ClusterState::Rolling,
        // What is given back was there already.
        Direction::Back(_) | Direction::Aborting => false,
    }
}

/// Instances of ours beyond what the cluster's groups have: those of an autoscaler's doing aside, which the books do not have.
fn out(cluster: &ClusterProgress) -> u32 {
    let of = |group: &GroupProgress| {
        let detached = u32::try_from(group.detached.len()).unwrap_or(u32::MAX);
        group.surge.saturating_add(detached)
    };
    cluster.groups.values().map(of).fold(0, u32::saturating_add)
}
