//! A group that AWS refuses capacity, and its on-demand twin, whose instances stand in: who lends, how much is needed, how much works. Never acts.
//!
//! The twin is changed first, if it is changed at all; then it lends when everything else of the cluster is done or lacks
//! capacity too. It grows while its borrower borrows, and never shrinks below what the borrower lacks, whichever way it goes.

use crate::kops::Role;
use crate::model::{AsgName, LiveGroup};
use crate::rollout::event::{Event, GroupEvent};
use crate::rollout::progress::{ClusterProgress, GroupProgress, GroupState};
use crate::rollout::reason::NoLoan;
use crate::rollout::round::{
    DecisionBuilder, GroupContext, Mode, Readiness, outdated, outstanding_surge, present,
};
use crate::rollout::schedule::{ClusterRun, GroupTask, Task};

/// The other one of the two.
struct Other<'a> {
    task: &'a GroupTask,
    group: &'a GroupProgress,
    live: &'a LiveGroup,
}

fn other<'a>(view: &GroupContext<'a>, name: &AsgName) -> Option<Other<'a>> {
    let run = view.rollout.cluster(view.cluster)?;
    let task = run.groups.iter().find(|g| g.asg == *name)?;
    Some(Other {
        task,
        group: view.progress.groups.get(name)?,
        live: view.live_cluster.groups.get(name)?,
    })
}

/// Instances at work that are not being drained.
fn works(view: &GroupContext<'_>, role: Role, live: &LiveGroup, group: &GroupProgress) -> u32 {
    let there = live.instances.iter().filter(|(id, i)| {
        view.nodes.readiness(role, id, i) == Readiness::Ready
            && !group.outstanding.drains.contains_key(*id)
    });
    u32::try_from(there.count()).unwrap_or(u32::MAX)
}

/// Capacity that a group has to keep: our surge taken off.
fn base(live: &LiveGroup, group: &GroupProgress) -> u32 {
    live.desired
        .saturating_sub(outstanding_surge(group.outstanding.surge, live))
}

/// Whether the twin of the group can lend at all; why not.
pub(crate) fn may_lend<'a>(view: &GroupContext<'a>) -> Result<&'a AsgName, NoLoan> {
    let Some(name) = &view.task.twin else {
        return Err(NoLoan::NoTwin);
    };
    let Some(twin) = other(view, name) else {
        return Err(NoLoan::TwinGone { twin: name.clone() });
    };
    let budget = view
        .rollout
        .cluster(view.cluster)
        .map_or(0, |run| run.rolling.cluster_surge);
    match twin.live.group.max_size {
        _ if budget == 0 => Err(NoLoan::NoSurge),
        max if twin.live.desired >= max => Err(NoLoan::TwinFull {
            twin: name.clone(),
            max,
        }),
        _ => Ok(name),
    }
}

/// A twin of which capacity is wanted takes it up: not before everything else is done, or lacks capacity too.
pub(crate) fn opened(
    run: &ClusterRun,
    progress: &ClusterProgress,
    mode: Mode,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    if mode != Mode::Forward {
        return false;
    }
    let of = |name: &AsgName| progress.groups.get(name);
    let over = |g: &GroupTask| {
        let retired = matches!(g.task, Task::Retire { .. });
        retired
            || of(&g.asg).is_some_and(|p| {
                p.state == GroupState::Done || p.capacity.lending || p.capacity.missing.is_some()
            })
    };
    let all = run.groups.iter().all(over);
    let lenders = run
        .groups
        .iter()
        .filter_map(|g| Some((g, g.lends.as_ref()?)));
    let wanted = lenders.filter(|(twin, to)| {
        of(&twin.asg).is_some_and(|p| p.state == GroupState::Done)
            && of(to).is_some_and(|p| p.capacity.borrowed.is_some() && p.state != GroupState::Done)
    });
    let mut any = false;
    for (twin, to) in wanted.filter(|_| all) {
        out.records.push(Event::Group(
            run.cluster.clone(),
            twin.asg.clone(),
            GroupEvent::Lending { to: to.clone() },
        ));
        any = true;
    }
    any
}

/// What the twin lends: how much of its surge has to stay, and how much there should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loan {
    /// Of its surge, what has to stay.
    pub(crate) keep: u32,
    /// What is wanted of it now; none: it is not asked for more.
    pub(crate) target: Option<u32>,
}

/// What the group of `view`, a twin, lends; `surge` of it is out there.
pub(crate) fn loan(view: &GroupContext<'_>, surge: u32, most: u32) -> Loan {
    let Some(borrower) = view
        .task
        .lends
        .as_ref()
        .filter(|_| view.group.capacity.lending)
        .and_then(|name| other(view, name))
    else {
        return Loan::default();
    };
    let size = base(borrower.live, borrower.group);
    let gap = size.saturating_sub(works(
        view,
        borrower.task.role,
        borrower.live,
        borrower.group,
    ));
    let borrows = view.mode == Mode::Forward
        && borrower.group.capacity.borrowed.is_some()
        && borrower.group.state != GroupState::Done;
    if !borrows {
        return Loan {
            keep: surge.min(gap),
            target: None,
        };
    }
    let next = match &borrower.task.task {
        Task::Update {
            to, replace: true, ..
        } => {
            let left = outdated(borrower.live, to, borrower.task.rolling.standby)
                .into_iter()
                .filter(|id| !borrower.group.outstanding.drains.contains_key(id))
                .count();
            let step = borrower
                .task
                .rolling
                .max_surge
                .surge_of(size)
                .min(most)
                .max(1);
            u32::try_from(left).unwrap_or(u32::MAX).min(step)
        }
        Task::Update { .. } | Task::Create { .. } | Task::Retire { .. } => 0,
    };
    Loan {
        keep: surge,
        target: Some(gap.saturating_add(next)),
    }
}

/// How many instances of the group of `view`, a twin that has lent, have to work on for the other one's sake, whichever way it
/// goes: what the other one lacks beyond what it may lack, on top of the `own` that it needs itself.
pub(crate) fn owed(view: &GroupContext<'_>, own: u32) -> u32 {
    let Some(borrower) = view
        .task
        .lends
        .as_ref()
        .filter(|_| view.group.capacity.lending)
        .and_then(|name| other(view, name))
    else {
        return 0;
    };
    let size = base(borrower.live, borrower.group);
    let lacks = size.saturating_sub(works(
        view,
        borrower.task.role,
        borrower.live,
        borrower.group,
    ));
    let may_lack = borrower.task.rolling.max_unavailable.unavailable_of(size);
    own.saturating_add(lacks.saturating_sub(may_lack))
}

/// Instances of the twin that stand in for some of this group: Ready, and more than the twin keeps for itself.
pub(crate) fn fallback_instances(view: &GroupContext<'_>) -> u32 {
    let borrows = view.group.capacity.borrowed.is_some() && view.mode == Mode::Forward;
    let Some(twin) = view
        .task
        .twin
        .as_ref()
        .filter(|_| borrows)
        .and_then(|name| other(view, name))
        .filter(|t| t.group.capacity.lending)
    else {
        return 0;
    };
    let lent = outstanding_surge(twin.group.outstanding.surge, twin.live);
    works(view, twin.task.role, twin.live, twin.group)
        .saturating_sub(base(twin.live, twin.group))
        .min(lent)
}

/// Whether the twin of the group has not begun to lend: something else of the cluster comes first.
pub(crate) fn comes_later<'a>(view: &GroupContext<'a>) -> Option<&'a AsgName> {
    let name = view
        .task
        .twin
        .as_ref()
        .filter(|_| view.group.capacity.borrowed.is_some() && view.mode == Mode::Forward)?;
    view.progress
        .groups
        .get(name)
        .is_some_and(|twin| !twin.capacity.lending)
        .then_some(name)
}

/// Whether AWS launched an instance of the group since it began to borrow.
pub(crate) fn launched(view: &GroupContext<'_>, live: &LiveGroup) -> bool {
    view.group
        .capacity
        .borrowed
        .is_none_or(|since| present(live).any(|(_, i)| i.launched_at >= since))
}
