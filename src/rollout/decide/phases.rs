//! The groups of a cluster in their order: control plane, the rest, what is retired. Never acts.

use super::{control_plane, fallback, group};
use crate::kops;
use crate::rollout::progress::{GroupProgress, GroupState};
use crate::rollout::reason::{self, Reason};
use crate::rollout::round::{
    ClusterContext, DecisionBuilder, Mode, RoundContext, budget, group_context,
};
use crate::rollout::schedule::{GroupTask, Task};

/// Groups that go through their change together.
pub(crate) struct PhaseTurn {
    /// Their places among the groups of the cluster.
    groups: Vec<usize>,
    /// One after the other, and only while the rest of the control plane is healthy.
    one_at_a_time: bool,
}

/// In the order of the table of roles, then what is retired, in the opposite order and only when everything that takes its place is there.
pub(crate) fn phases(groups: &[GroupTask]) -> impl Iterator<Item = PhaseTurn> {
    let of = move |retired: bool, phase: kops::Phase| {
        let one_at_a_time = phase == kops::Phase::ControlPlane;
        let mine = |g: &GroupTask| {
            matches!(g.task, Task::Retire { .. }) == retired && g.role.rules().phase == Some(phase)
        };
        PhaseTurn {
            groups: groups
                .iter()
                .enumerate()
                .filter(|(_, g)| mine(g))
                .map(|(n, _)| n)
                .collect(),
            one_at_a_time,
        }
    };
    let forward = kops::Phase::FORWARD;
    forward
        .into_iter()
        .map(move |phase| of(false, phase))
        .chain(forward.into_iter().rev().map(move |phase| of(true, phase)))
}

impl PhaseTurn {
    /// Whether anything of it is unfinished.
    pub(crate) fn turn(
        &self,
        round: &RoundContext<'_>,
        sight: &ClusterContext<'_>,
        tasks: &[GroupTask],
        mode: Mode,
        out: &mut DecisionBuilder<'_>,
    ) -> bool {
        let mine = self.groups.iter().filter_map(|n| tasks.get(*n));
        match (self.one_at_a_time, mode) {
            (false, _) => side_by_side(round, sight, mine, mode, out),
            (true, Mode::Forward) => one_at_a_time(round, sight, mine, mode, out),
            (true, Mode::Undo | Mode::Cleanup) => {
                one_at_a_time(round, sight, mine.rev(), mode, out)
            }
        }
    }
}

/// The first unfinished group only, and only while the other groups of the control plane are healthy. Whether any is unfinished.
fn one_at_a_time<'t>(
    round: &RoundContext<'_>,
    sight: &ClusterContext<'_>,
    tasks: impl Iterator<Item = &'t GroupTask>,
    mode: Mode,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let open = |task: &GroupTask| {
        sight
            .progress
            .groups
            .get(&task.asg)
            .is_some_and(|g| g.state != GroupState::Done)
    };
    let Some(task) = tasks.into_iter().find(|task| open(task)) else {
        return false;
    };
    let Some(group) = sight.progress.groups.get(&task.asg) else {
        return false;
    };
    // Who cannot be seen is not sick: that is another thing to say, and to mend.
    if let Some(why) = sight
        .nodes
        .unknown()
        .filter(|_| group.outstanding.drains.is_empty())
    {
        out.wait_cluster(&sight.run.cluster, reason::unseen(why), None);
        return true;
    }
    // A drain that has begun goes on: stopping half-way helps no pod.
    if let Some(fault) =
        control_plane::fault(sight, Some(&task.asg)).filter(|_| group.outstanding.drains.is_empty())
    {
        out.wait_cluster(&sight.run.cluster, Reason::ControlPlane { fault }, None);
        return true;
    }
    let mut budget = budget(round, sight);
    group::turn(
        &group_context(round, sight, task, group, mode),
        &mut budget,
        out,
    );
    true
}

/// All groups, in the cluster's budgets. Whether any is unfinished.
pub(crate) fn side_by_side<'t>(
    round: &RoundContext<'_>,
    sight: &ClusterContext<'_>,
    tasks: impl Iterator<Item = &'t GroupTask>,
    mode: Mode,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    if fallback::opened(sight.run, sight.progress, mode, out) {
        return true;
    }
    let mut budget = budget(round, sight);
    let mut open: Vec<(&GroupTask, &GroupProgress)> = tasks
        .filter_map(|task| Some((task, sight.progress.groups.get(&task.asg)?)))
        .filter(|(_, g)| g.state != GroupState::Done)
        .filter(|(_, g)| !sight.is_closing || !g.outstanding.drains.is_empty())
        .collect();
    // The group that has the longest way to go is served first: were the first by name always first, the last would be left with
    // all of theirs when the others are done, and go through it one after the other with most of the budget unused.
    open.sort_by_key(|(task, group)| std::cmp::Reverse(rounds_left(task, group)));
    for (task, group) in &open {
        group::turn(
            &group_context(round, sight, task, group, mode),
            &mut budget,
            out,
        );
    }
    !open.is_empty()
}

/// How many exchanges, one after the other, a group has before it; one that has not begun comes first.
fn rounds_left(task: &GroupTask, group: &GroupProgress) -> u32 {
    if group.state == GroupState::Waiting {
        return u32::MAX;
    }
    let (rolling, size) = (&task.rolling, group.instances);
    let at_once = rolling
        .max_surge
        .surge_of(size)
        .saturating_add(rolling.max_unavailable.unavailable_of(size))
        .max(1);
    size.saturating_sub(group.ended).div_ceil(at_once)
}
