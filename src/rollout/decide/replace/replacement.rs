//! One round's view of the instances of a group: which have to go, how much surge is out, what is allowed. Only questions.

use std::collections::BTreeSet;

use super::super::fallback::Loan;
use super::super::{capacity, fallback, sizes};
use crate::model::{Instance, InstanceId, LeavesBy, Lifecycle, LiveGroup, Timestamp};
use crate::rollout::event::{Event, GroupEvent};
use crate::rollout::progress::GroupState;
use crate::rollout::reason::NoCapacity;
use crate::rollout::round::{
    Budget, GroupContext, Mode, Readiness, SETTLED, is_capacity, missing, outstanding_surge,
    present,
};

/// One round's view of the instances of a group.
pub(crate) struct Replacement<'a> {
    pub(crate) view: &'a GroupContext<'a>,
    pub(crate) live: &'a LiveGroup,
    pub(crate) outdated: BTreeSet<InstanceId>,
    /// Everything that has to go: outdated ones, detached ones, and new ones that only the surge brought.
    pub(crate) to_replace: BTreeSet<InstanceId>,
    /// Our surge, as far as it is still out there.
    pub(crate) out: u32,
    /// What of it can be released: all but what stands in for another group.
    pub(crate) surge: u32,
    /// What of that is more than a lower maximum has room for.
    pub(crate) excess: u32,
    pub(crate) loan: Loan,
    /// The most surge that the cluster ever allows.
    pub(crate) most: u32,
    pub(crate) retiring: bool,
}

impl<'a> Replacement<'a> {
    pub(crate) fn new(
        view: &'a GroupContext<'a>,
        live: &'a LiveGroup,
        outdated: BTreeSet<InstanceId>,
        budget: &Budget,
    ) -> Self {
        let mut to_replace = outdated.clone();
        to_replace.extend(
            view.group
                .outstanding
                .detached
                .iter()
                .filter(|id| {
                    live.instances
                        .get(*id)
                        .is_some_and(|i| !i.lifecycle.rules().is_leaving)
                })
                .cloned(),
        );
        let in_group = outdated.iter().filter(|id| is_capacity(live, id)).count();
        let there = outstanding_surge(view.group.outstanding.surge, live);
        let loan = fallback::loan(view, there, budget.most_of(&view.task.asg));
        // What a lower maximum has no room for goes like a surge: drained, by the last terminations.
        let excess = sizes::excess(view, live, there);
        let surge = there.saturating_sub(loan.keep).saturating_add(excess);
        let surplus = usize::try_from(surge)
            .unwrap_or(usize::MAX)
            .saturating_sub(in_group)
            .saturating_sub(missing(live));
        let mut newest: Vec<(&InstanceId, &Instance)> = present(live)
            .filter(|(id, i)| !to_replace.contains(*id) && i.lifecycle.rules().is_capacity)
            .collect();
        // One that is drained already stays the one to go, whatever is launched in the meantime.
        newest.sort_by_key(|(id, i)| {
            (
                !view.group.outstanding.drains.contains_key(*id),
                std::cmp::Reverse(i.launched_at),
                (*id).clone(),
            )
        });
        let surplus: Vec<InstanceId> = newest
            .into_iter()
            .take(surplus)
            .map(|(id, _)| id.clone())
            .collect();
        to_replace.extend(surplus);
        let mut work = Replacement {
            view,
            live,
            outdated,
            to_replace,
            out: there,
            surge,
            excess,
            loan,
            most: budget.most_of(&view.task.asg),
            retiring: false,
        };
        let misplaced = work.misplaced();
        work.to_replace.extend(misplaced);
        work
    }

    pub(crate) fn since(&self) -> Timestamp {
        match self.view.group.state {
            GroupState::Rolling(since) => since,
            GroupState::Waiting | GroupState::Done => self.view.now,
        }
    }

    /// What AWS refuses while instances are missing, in words, and until when waiting for it is not a failure: until what it launches
    /// at last is there, for which it has the time of every launch.
    pub(crate) fn refused(&self) -> (Option<NoCapacity>, Option<Timestamp>) {
        let refused = capacity::refusal(self.view, self.live, self.since())
            .filter(|_| capacity::is_short(self.view, self.live))
            .map(|r| r.found());
        (
            refused,
            capacity::held_until(self.view, self.live, self.since()),
        )
    }

    /// New instances that have to be proven before the rest: as many as the policy says, and never more than the group has.
    pub(crate) fn canary_size(&self) -> usize {
        let (group, canary) = (self.view.group, self.view.task.rolling.canary);
        // Nothing to replace when it began, and nothing now: there is nothing to prove.
        if group.instances == 0 && group.ended == 0 && self.outdated.is_empty() {
            return 0;
        }
        let size = usize::try_from(self.live.desired)
            .unwrap_or(usize::MAX)
            .max(self.outdated.len());
        usize::try_from(canary).unwrap_or(usize::MAX).min(size)
    }

    pub(crate) fn ready(&self) -> impl Iterator<Item = &'a InstanceId> {
        let (view, live) = (self.view, self.live);
        live.instances
            .iter()
            .filter(|(id, i)| view.readiness(id, i) == Readiness::Ready)
            .map(|(id, _)| id)
    }

    /// Capacity that the group has to keep: what the autoscaler asked for, our surge taken off.
    pub(crate) fn base(&self) -> u32 {
        let leaving = self.taken_by_autoscaler();
        self.desired()
            .saturating_sub(self.surge)
            .saturating_sub(leaving)
    }

    /// Desired capacity, as a look shows it that is old enough to know of our own last call: an older one knows the surge neither there nor in
    /// what it is taken off from.
    fn desired(&self) -> u32 {
        let group = self.view.group;
        let is_settling = group
            .sized_at
            .is_some_and(|at| self.view.now < at + SETTLED);
        let raised = group.sized_to.filter(|_| is_settling);
        self.live.desired.max(raised.unwrap_or(0))
    }

    /// Nodes that the autoscaler is ending: desired capacity goes with them, so they are not missed. What AWS takes is: the group launches
    /// another in its place.
    fn taken_by_autoscaler(&self) -> u32 {
        let nodes = present(self.live)
            .filter(|(id, _)| self.view.nodes.leaves_by(id) == Some(LeavesBy::Autoscaler));
        u32::try_from(nodes.count()).unwrap_or(u32::MAX)
    }

    pub(crate) fn surge_limit(&self, proven: bool) -> u32 {
        if self.retiring
            || self.view.mode == Mode::Cleanup
            || self.view.group.capacity.borrowed.is_some()
        {
            return 0;
        }
        let limit = self
            .may_surge()
            .min(u32::try_from(self.outdated.len()).unwrap_or(u32::MAX));
        if proven {
            limit
        } else {
            limit.min(self.view.task.rolling.canary)
        }
    }

    /// The surge that group and cluster allow, whatever is used of it now.
    pub(crate) fn may_surge(&self) -> u32 {
        if !self.view.task.role.rules().may_surge {
            0
        } else {
            self.view
                .task
                .rolling
                .max_surge
                .surge_of(self.base())
                .min(self.most)
        }
    }

    /// What of the surge is in use: raised capacity and detached instances.
    pub(crate) fn used(&self) -> u32 {
        self.surge.saturating_add(
            u32::try_from(self.view.group.outstanding.detached.len()).unwrap_or(u32::MAX),
        )
    }

    /// Victims in the order in which they go: detached ones, then those that do not work, then the oldest; those set aside come last.
    pub(crate) fn ordered(&self) -> Vec<(&'a InstanceId, &'a Instance)> {
        let mut all: Vec<_> = self
            .live
            .instances
            .iter()
            .filter(|(id, _)| self.to_replace.contains(*id))
            .collect();
        all.sort_by_key(|(id, i)| {
            let works = self.view.readiness(id, i) == Readiness::Ready;
            (
                self.view.group.set_aside.contains(*id),
                i.lifecycle != Lifecycle::Detached,
                works,
                i.launched_at,
                (*id).clone(),
            )
        });
        all
    }

    pub(crate) fn abandoned(&self, id: &InstanceId) -> Event {
        Event::Group(
            self.view.cluster.clone(),
            self.view.task.asg.clone(),
            GroupEvent::DrainAbandoned {
                instance: id.clone(),
            },
        )
    }
}
