//! The launch template versions that a rollout needs and did not make, above all those that groups go back to: whether others have deleted one. Never acts.

use std::collections::BTreeSet;

use crate::model::{LiveGroup, Versions};
use crate::rollout::event::{Event, GroupEvent};
use crate::rollout::progress::{
    ClusterState, Direction, GroupProgress, GroupState, Progress, WayBack,
};
use crate::rollout::reason::{Advice, VersionOf, VersionReason};
use crate::rollout::round::{ClusterContext, DecisionBuilder, GroupContext, Mode};
use crate::rollout::schedule::{ClusterRun, GroupTask, Task, VersionSource};

/// The versions that a cluster may still need, by template: a look asks for them again, whatever it knows of them already.
pub fn needed_versions(progress: &Progress, run: &ClusterRun) -> Versions {
    let Some(cluster) = progress.clusters.get(&run.cluster) else {
        return Versions::new();
    };
    let under_way = match &progress.direction {
        Direction::Aborting => cluster.groups.values().any(|g| g.state != GroupState::Done),
        Direction::Back(clusters) => {
            clusters.contains(&run.cluster) && cluster.state == ClusterState::Rolling
        }
        Direction::Forward => matches!(
            cluster.state,
            ClusterState::Rolling | ClusterState::Checking(_)
        ),
    };
    let forward = progress.direction == Direction::Forward;
    let of_group = |task: &GroupTask| {
        let group = cluster.groups.get(&task.asg)?;
        let versions = if forward {
            forward_needs(task, group)
        } else {
            back_needs(task, group)
        };
        (!versions.is_empty()).then(|| (task.asg.clone(), versions))
    };
    run.groups
        .iter()
        .filter(|_| under_way)
        .filter_map(of_group)
        .collect()
}

/// The versions that the groups which a rollout has touched go back to.
pub fn way_back_versions(progress: &Progress, run: &ClusterRun) -> Versions {
    let touched = |task: &&GroupTask| {
        let cluster = progress.clusters.get(&run.cluster);
        cluster.is_some_and(|c| c.groups.get(&task.asg).is_some_and(|g| g.touched))
    };
    let version = |task: &GroupTask| match &task.task {
        Task::Update { from_version, .. } if *from_version > 0 => {
            Some((task.asg.clone(), BTreeSet::from([*from_version])))
        }
        Task::Update { .. } | Task::Create { .. } | Task::Retire { .. } => None,
    };
    run.groups
        .iter()
        .filter(touched)
        .filter_map(version)
        .collect()
}

/// The one before, and one that was there already and is to be pinned.
fn forward_needs(task: &GroupTask, group: &GroupProgress) -> BTreeSet<u64> {
    let Task::Update {
        from_version,
        version,
        ..
    } = &task.task
    else {
        return BTreeSet::new();
    };
    let back = match group.way_back {
        WayBack::There | WayBack::Gone(_) => Some(*from_version),
        WayBack::Renounced(_) => None,
    };
    let found = match version {
        VersionSource::Existing(n) if group.state != GroupState::Done => Some(*n),
        VersionSource::Existing(_) | VersionSource::New(_) => None,
    };
    back.into_iter().chain(found).filter(|n| *n > 0).collect()
}

fn back_needs(task: &GroupTask, group: &GroupProgress) -> BTreeSet<u64> {
    match &task.task {
        // Version 0 stands for none: what only stood in for another group, or was retired, goes back to no other version.
        Task::Update { from_version, .. }
            if group.state != GroupState::Done && *from_version > 0 =>
        {
            BTreeSet::from([*from_version])
        }
        Task::Update { .. } | Task::Create { .. } | Task::Retire { .. } => BTreeSet::new(),
    }
}

/// What a cluster on its way forward may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// All of it.
    Free,
    /// Only what has begun: drains come to their end.
    Closing,
    /// Nothing: a person has to know something first, which is in the decision.
    Nothing,
}

/// A version that a group needs and that is gone.
struct Lost<'a> {
    task: &'a GroupTask,
    group: &'a GroupProgress,
    version: u64,
}

impl Lost<'_> {
    /// Whether it is the one that the group would go back to.
    fn is_way_back(&self) -> bool {
        matches!(&self.task.task, Task::Update { from_version, .. } if *from_version == self.version)
    }
}

/// Whether a version is gone without which the cluster has no way on or no way back.
pub(crate) fn leave(sight: &ClusterContext<'_>, out: &mut DecisionBuilder<'_>) -> Leave {
    let lost: Vec<Lost<'_>> = sight
        .run
        .groups
        .iter()
        .filter_map(|t| lost(sight, t))
        .collect();
    if lost.is_empty() {
        return Leave::Free;
    }
    // What is gone is written down at once, all of it: a person who answers has seen it.
    let news: Vec<Event> = lost
        .iter()
        .filter(|l| l.is_way_back() && l.group.way_back == WayBack::There)
        .map(|l| {
            Event::Group(
                sight.run.cluster.clone(),
                l.task.asg.clone(),
                GroupEvent::WayBackGone { version: l.version },
            )
        })
        .collect();
    if !news.is_empty() {
        out.records.extend(news);
        return Leave::Nothing;
    }
    if sight
        .progress
        .groups
        .values()
        .any(|g| !g.outstanding.drains.is_empty())
    {
        return Leave::Closing;
    }
    let gone = |of: &dyn Fn(&&Lost<'_>) -> bool| -> Vec<VersionOf> {
        let version = |l: &Lost<'_>| VersionOf {
            group: l.task.asg.clone(),
            version: l.version,
        };
        lost.iter().filter(of).map(version).collect()
    };
    let (cluster, ahead) = (&sight.run.cluster, gone(&|l| !l.is_way_back()));
    let back = gone(&|l| l.is_way_back());
    if !ahead.is_empty() {
        let why = VersionReason::VersionsGone { versions: ahead };
        out.stuck_cluster(cluster, why, Advice::VersionsGone);
    } else if !back.is_empty() {
        let why = VersionReason::WayBackGone { versions: back };
        out.stuck_cluster(cluster, why, Advice::WayBackGone);
    }
    Leave::Nothing
}

fn lost<'a>(sight: &ClusterContext<'a>, task: &'a GroupTask) -> Option<Lost<'a>> {
    let gone = sight.live.gone.get(&task.asg)?;
    let group = sight.progress.groups.get(&task.asg)?;
    let needed = forward_needs(task, group);
    let version = *gone.iter().find(|n| needed.contains(n))?;
    Some(Lost {
        task,
        group,
        version,
    })
}

/// Whether a stop has to leave a group at the version that it was pinned to, as the one before is gone; which is written down.
pub(crate) fn stays_ahead(
    view: &GroupContext<'_>,
    version: u64,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let gone = view.live_cluster.gone.get(&view.task.asg);
    let is_gone = gone.is_some_and(|gone| gone.contains(&version));
    if is_gone && view.group.way_back == WayBack::There {
        out.records.push(Event::Group(
            view.cluster.clone(),
            view.task.asg.clone(),
            GroupEvent::WayBackGone { version },
        ));
    }
    is_gone
}

/// Whether the version that a group goes back to is gone: then nothing of it is touched.
pub(crate) fn is_lost(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    version: u64,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let gone = view.live_cluster.gone.get(&view.task.asg);
    let lost = view.mode == Mode::Undo
        && live.version.number() != version
        && gone.is_some_and(|gone| gone.contains(&version));
    if lost {
        let advice = Advice::StaysAt {
            version: live.version.number(),
        };
        out.stuck(view, VersionReason::OwnWayBackGone { version }, advice);
    }
    lost
}
