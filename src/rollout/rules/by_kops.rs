//! The rules for what kops is asked: documents before groups, and no kubelet newer than the API servers it speaks to. Judges; decides nothing.
//!
//! Source: Kubernetes documentation, "Version Skew Policy": a kubelet must not be newer than kube-apiserver; so what can carry a newer Kubernetes goes
//! to the control plane first, and comes back from it last.

use crate::model::{ClusterName, Effect, KopsEffect, UserData};
use crate::rollout::breach::{Breach, GroupBreach};
use crate::rollout::progress::{Direction, GroupState, Progress};
use crate::rollout::schedule::{ClusterRun, GroupTask, Rollout, Task, VersionSource};

/// What a step would break of these rules.
pub(super) fn broken(
    rollout: &Rollout,
    progress: &Progress,
    cluster: &ClusterName,
    effect: &Effect,
) -> Vec<Breach> {
    let Effect::Kops(effect) = effect else {
        return Vec::new();
    };
    let group = effect.group();
    let run = rollout.cluster(cluster);
    let Some((run, task)) = run.and_then(|r| {
        let task = r.groups.iter().find(|g| g.asg == *group)?;
        Some((r, task))
    }) else {
        let group = group.clone();
        return vec![GroupBreach::GroupNotPlanned { group }.into()];
    };
    if progress.direction == Direction::Aborting {
        let group = group.clone();
        return vec![GroupBreach::AbortChanges { group }.into()];
    }
    match effect {
        KopsEffect::Publish { .. } => Vec::new(),
        KopsEffect::Update { .. } => update(run, progress, task),
    }
}

fn update(run: &ClusterRun, progress: &Progress, task: &GroupTask) -> Vec<Breach> {
    let mut broken = Vec::new();
    let books = progress.clusters.get(&run.cluster);
    let changes = run.kops.as_ref().is_some_and(|k| !k.to.is_empty());
    if changes && books.is_some_and(|c| !c.published) {
        let group = task.asg.clone();
        broken.push(GroupBreach::NotStored { group }.into());
    }
    let forward = progress.direction == Direction::Forward;
    let is_plane = |g: &GroupTask| g.role.rules().proves_control_plane;
    // Forward every control plane comes before any kubelet, on the way back after all of them.
    if is_plane(task) == forward {
        return broken;
    }
    let unfinished = |g: &&GroupTask| {
        let found = books.and_then(|c| c.groups.get(&g.asg));
        let waits = found.is_some_and(|g| g.state != GroupState::Done);
        let counts = if forward {
            is_plane(g) && is_made(g)
        } else {
            !is_plane(g) && found.is_some_and(|g| g.kops_asked)
        };
        counts && waits
    };
    broken.extend(run.groups.iter().filter(unfinished).map(|other| {
        let (group, before) = (task.asg.clone(), other.asg.clone());
        Breach::from(GroupBreach::SkewBroken { group, before })
    }));
    broken
}

fn is_made(task: &GroupTask) -> bool {
    match &task.task {
        Task::Create { user_data, .. } => matches!(user_data, UserData::ByKops { .. }),
        Task::Update { version, .. } => {
            matches!(version, VersionSource::New(UserData::ByKops { .. }))
        }
        Task::Retire { .. } => false,
    }
}
