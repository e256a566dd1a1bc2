//! Where a rollout, a cluster, a group stands, in words that the live view, `status` and the summaries share. Lays nothing out.

use super::wording::{clock, count, span};
use crate::model::{Span, StageName, Timestamp};
use crate::rollout::{
    ClusterRun, ClusterState, Direction, Ending, GroupProgress, GroupState, GroupTask, Progress,
    Rollout, StageRun, Task, WaveRun,
};

/// The stage and wave that are at work: the first that did not pass. No wave: all passed, the stage itself soaks.
pub(super) struct Position<'r> {
    pub(super) stage: &'r StageRun,
    pub(super) wave: Option<(usize, &'r WaveRun)>,
}

pub(super) fn position<'r>(rollout: &'r Rollout, progress: &Progress) -> Option<Position<'r>> {
    let stage = rollout
        .stages
        .iter()
        .find(|s| !progress.stages_passed.contains(&s.name))?;
    let wave = stage
        .waves
        .iter()
        .enumerate()
        .find(|(i, _)| !progress.waves_passed.contains(&(stage.name.clone(), *i)));
    Some(Position { stage, wave })
}

/// How the rollout as a whole stands.
pub(super) fn state(rollout: &Rollout, progress: &Progress, now: Timestamp) -> String {
    if let Some(ending) = progress.ending {
        return match ending {
            Ending::Finished => "finished".into(),
            Ending::RolledBack => "rolled back".into(),
            Ending::Aborted => "aborted".into(),
        };
    }
    if progress.stuck.is_some() {
        return "STUCK until a person acts".into();
    }
    if progress.held {
        return "FAILED and held until a person decides".into();
    }
    if progress.rollback_asked.is_some() {
        return "rollback comes next".into();
    }
    match &progress.direction {
        Direction::Back(_) => "rolling back".into(),
        Direction::Aborting => "aborting".into(),
        Direction::Forward if progress.failure.is_some() => "failed, rollback comes next".into(),
        Direction::Forward => match approval_wanted(rollout, progress, now) {
            Some(stage) => format!("waits for approval of stage {stage}"),
            None => "going forward".into(),
        },
    }
}

/// The stage that waits for a person now.
pub(super) fn approval_wanted<'r>(
    rollout: &'r Rollout,
    progress: &Progress,
    now: Timestamp,
) -> Option<&'r StageName> {
    if progress.ending.is_some()
        || progress.direction != Direction::Forward
        || progress.failure.is_some()
    {
        return None;
    }
    let stage = position(rollout, progress)?.stage;
    (unapproved(stage, progress, now)).then_some(&stage.name)
}

/// A person still has to approve before the stage starts.
pub(super) fn unapproved(stage: &StageRun, progress: &Progress, now: Timestamp) -> bool {
    let approved = progress
        .approvals
        .get(&stage.name)
        .is_some_and(|(_, expires)| *expires > now);
    stage.approval && stage.changes() && !approved && !progress.stages_started.contains(&stage.name)
}

/// How a cluster stands.
pub(super) fn cluster_state(run: &ClusterRun, progress: &Progress) -> &'static str {
    let state = progress.clusters.get(&run.cluster).map(|c| c.state);
    match &progress.direction {
        Direction::Back(clusters)
            if clusters.contains(&run.cluster) && state != Some(ClusterState::Restored) =>
        {
            return "being rolled back";
        }
        Direction::Back(_) | Direction::Aborting if state == Some(ClusterState::Waiting) => {
            return "not reached";
        }
        Direction::Back(_) | Direction::Aborting | Direction::Forward => {}
    }
    match state {
        Some(ClusterState::Waiting) | None if !run.changes() => "waiting, nothing to change",
        Some(ClusterState::Waiting) | None => "waiting",
        Some(ClusterState::Rolling) => "rolling",
        Some(ClusterState::Checking(_)) => "groups done, waiting for gates",
        Some(ClusterState::Verified(_)) if !run.changes() => "verified, nothing to change",
        Some(ClusterState::Verified(_)) => "verified",
        Some(ClusterState::Restored) => "restored to what ran before",
    }
}

/// Since when the cluster has run the release, once verified.
pub(super) fn verified_since(run: &ClusterRun, progress: &Progress) -> Option<Timestamp> {
    match progress.clusters.get(&run.cluster)?.state {
        ClusterState::Verified(since) => Some(since),
        ClusterState::Waiting
        | ClusterState::Rolling
        | ClusterState::Checking(_)
        | ClusterState::Restored => None,
    }
}

/// When the last of these clusters has soaked; none while one of them is not verified.
pub(super) fn soaked_at<'r>(
    clusters: impl IntoIterator<Item = &'r ClusterRun>,
    soak: Span,
    progress: &Progress,
) -> Option<Timestamp> {
    let since: Option<Vec<Timestamp>> = clusters
        .into_iter()
        .map(|run| verified_since(run, progress))
        .collect();
    since?.into_iter().max().map(|last| last + soak)
}

/// `soaks until 2026-01-05 09:00:00Z (30m left)`; none when that is over.
pub(super) fn soak_words(until: Timestamp, now: Timestamp) -> Option<String> {
    (until > now).then(|| {
        format!(
            "soaks until {} ({} left)",
            clock(until),
            span(until.since(now))
        )
    })
}

/// The counts of a group: instances, and everything of ours that is out there now.
pub(super) fn group_counts(
    task: &GroupTask,
    group: &GroupProgress,
    direction: &Direction,
) -> String {
    let mut parts = vec![instances(task, group, direction)];
    let mut add = |n: usize, what: &str| {
        if n > 0 {
            parts.push(format!("{what} {n}"));
        }
    };
    let out = &group.outstanding;
    add(usize::try_from(out.surge).unwrap_or(usize::MAX), "surge");
    add(out.detached.len(), "detached");
    add(out.drains.len(), "draining");
    add(group.set_aside.len(), "set aside");
    if !out.suspended.is_empty() {
        let suspended: Vec<&str> = out.suspended.iter().map(String::as_str).collect();
        parts.push(format!("suspended {}", suspended.join(" ")));
    }
    parts.join(", ")
}

fn instances(task: &GroupTask, group: &GroupProgress, direction: &Direction) -> String {
    let counts = format!("{}/{}", group.ended, group.instances.max(group.ended));
    let waits = group.state == GroupState::Waiting;
    match (direction, &task.task) {
        // Until it begins anew, the counts are those of the other way.
        (Direction::Back(_), _) if waits => "waits to be brought back".into(),
        (Direction::Forward, Task::Create { .. }) => "being created".into(),
        (Direction::Forward, Task::Retire { .. }) => format!("{counts} ended"),
        (Direction::Forward, Task::Update { .. }) | (Direction::Back(_), _)
            if group.instances == 0 && group.ended == 0 =>
        {
            "changing in place".into()
        }
        (Direction::Forward, Task::Update { .. }) => format!("{counts} replaced"),
        (Direction::Back(_), _) => format!("{counts} replaced back"),
        (Direction::Aborting, _) => format!("giving back, {counts} had been replaced"),
    }
}

/// Since when a group is at work.
pub(super) fn rolling_since(group: &GroupProgress) -> Option<Timestamp> {
    match group.state {
        GroupState::Rolling(since) => Some(since),
        GroupState::Waiting | GroupState::Done => None,
    }
}

/// The time the rest of a group will take at its own pace so far; none before the first instance ended.
pub(super) fn eta(group: &GroupProgress, now: Timestamp) -> Option<Span> {
    let since = rolling_since(group)?;
    let left = i64::from(group.instances.saturating_sub(group.ended));
    let each = now
        .since(since)
        .millis()
        .checked_div(i64::from(group.ended))?;
    Some(Span::from_millis(each.saturating_mul(left)))
}

/// Whether a group is at work, half-way, or has something of ours left out there.
pub(super) fn unfinished(group: &GroupProgress, progress: &Progress) -> bool {
    (group.touched && group.state != GroupState::Done && progress.ending.is_none())
        || !group.outstanding.is_empty()
}

/// How many of the clusters that count are where they should be: `2 of 3 clusters verified`, or `1 of 1 cluster restored` on the way back.
pub(super) fn achieved(rollout: &Rollout, progress: &Progress) -> String {
    let (word, clusters): (&str, Vec<&ClusterRun>) = match &progress.direction {
        Direction::Back(back) => (
            "restored",
            rollout
                .clusters()
                .filter(|c| back.contains(&c.cluster))
                .collect(),
        ),
        Direction::Forward | Direction::Aborting => ("verified", changing(rollout).collect()),
    };
    let there =
        clusters.iter().filter(
            |run| match progress.clusters.get(&run.cluster).map(|c| c.state) {
                Some(ClusterState::Verified(_)) => word == "verified",
                Some(ClusterState::Restored) => word == "restored",
                Some(ClusterState::Waiting | ClusterState::Rolling | ClusterState::Checking(_))
                | None => false,
            },
        );
    format!(
        "{} of {} {word}",
        there.count(),
        count(clusters.len(), "cluster")
    )
}

/// The clusters that something is changed in.
pub(super) fn changing(rollout: &Rollout) -> impl Iterator<Item = &ClusterRun> {
    rollout.clusters().filter(|c| c.changes())
}
