//! Replacing the instances of one group: surge or detach, canary, drain, terminate, give back. One round at a time, from live state; never acts.
//!
//! Capacity first: a new instance is in service, with a Ready node, before an old one is drained. The surge is raised
//! once, held while instances are exchanged under it, and given back by the last terminations, which lower desired
//! capacity with them. Where a group stands at its maximum, an instance is detached instead: the group then launches
//! its replacement while the old one still works. Control-plane groups do neither: one instance, one at a time.

mod drain;
mod protect;

use std::collections::{BTreeMap, BTreeSet};

use super::capacity::{self, Answer};
use super::gate::Readiness;
use super::group::{Mode, View, late, present};
use super::next::{Budget, Out};
use super::twin::Loan;
use super::{Cordoned, Event, GroupState, canary, refresh, twin};
use crate::kops::Role;
use crate::model::{
    CloudEffect, Definition, Instance, InstanceId, LaunchTemplateData, Lifecycle, LiveGroup,
    NodeEffect, NodeName, Timestamp,
};

/// Instances that run something else than `to`, those on their way out aside.
pub(super) fn outdated(live: &LiveGroup, to: &Definition) -> BTreeSet<InstanceId> {
    let wanted = &to.launch_template.launch_template_data;
    // Asked for every group in every round: what differs in its image needs no canonical form to differ.
    let is_wanted = |data: &LaunchTemplateData| {
        data.image_id == wanted.image_id && (data == wanted || data.clone().canonical() == *wanted)
    };
    let good: BTreeSet<u64> = live
        .versions
        .iter()
        .filter(|(_, v)| is_wanted(&v.data))
        .map(|(n, _)| *n)
        .collect();
    present(live)
        .filter(|(_, i)| i.version.is_none_or(|v| !good.contains(&v)))
        .map(|(id, _)| id.clone())
        .collect()
}

/// The next round of replacing whatever does not run `to`.
pub(super) fn replace(
    view: &View<'_>,
    live: &LiveGroup,
    outdated: BTreeSet<InstanceId>,
    budget: &mut Budget,
    out: &mut Out<'_>,
) {
    let work = Work::new(view, live, outdated, budget);
    if work.given_back(out) || work.finished(out) {
        return;
    }
    if work.eyes_closed(out) || work.too_late(out) || work.suspends(out) {
        return;
    }
    let proven = work.canary(out);
    work.taints(proven, out);
    work.protects(out);
    work.surge(proven, budget, out);
    work.drains(proven, budget, out);
    work.explain(out);
}

/// Only what is open is given back: drains of instances that may stay, surge, detached instances, suspended processes.
pub(super) fn heal(view: &View<'_>, budget: &mut Budget, out: &mut Out<'_>) {
    match view.live {
        Some(live) if refresh::cancelled(view, live, out) => {}
        Some(live) => replace(view, live, BTreeSet::new(), budget, out),
        None => out.done(view),
    }
}

/// Every instance of a group that is being retired is drained and ends.
pub(super) fn empty(view: &View<'_>, live: &LiveGroup, budget: &mut Budget, out: &mut Out<'_>) {
    let all = present(live).map(|(id, _)| id.clone()).collect();
    let work = Work {
        retiring: true,
        ..Work::new(view, live, all, budget)
    };
    if work.eyes_closed(out) {
        return;
    }
    work.taints(true, out);
    work.drains(true, budget, out);
    work.explain(out);
}

/// One round's view of the instances of a group.
struct Work<'a> {
    view: &'a View<'a>,
    live: &'a LiveGroup,
    outdated: BTreeSet<InstanceId>,
    /// Everything that has to go: outdated ones, detached ones, and new ones that only the surge brought.
    victims: BTreeSet<InstanceId>,
    /// Our surge, as far as it is still out there.
    out: u32,
    /// What of it can be given back: all but what stands in for another group.
    surge: u32,
    loan: Loan,
    /// The most surge that the cluster ever allows.
    most: u32,
    retiring: bool,
}

impl<'a> Work<'a> {
    fn new(
        view: &'a View<'a>,
        live: &'a LiveGroup,
        outdated: BTreeSet<InstanceId>,
        budget: &Budget,
    ) -> Self {
        let mut victims = outdated.clone();
        victims.extend(
            view.group
                .detached
                .iter()
                .filter(|id| {
                    live.instances
                        .get(*id)
                        .is_some_and(|i| i.lifecycle != Lifecycle::Terminating)
                })
                .cloned(),
        );
        let in_group = outdated.iter().filter(|id| !is_detached(live, id)).count();
        let there = out_there(view.group.surge, live);
        let loan = twin::loan(view, there, budget.most);
        let surge = there.saturating_sub(loan.keep);
        let surplus = usize::try_from(surge)
            .unwrap_or(usize::MAX)
            .saturating_sub(in_group)
            .saturating_sub(missing(live));
        let mut newest: Vec<(&InstanceId, &Instance)> = present(live)
            .filter(|(id, i)| !victims.contains(*id) && i.lifecycle != Lifecycle::Detached)
            .collect();
        // One that is drained already stays the one to go, whatever is launched in the meantime.
        newest.sort_by_key(|(id, i)| {
            (
                !view.group.drains.contains_key(*id),
                std::cmp::Reverse(i.launched_at),
                (*id).clone(),
            )
        });
        let surplus: Vec<InstanceId> = newest
            .into_iter()
            .take(surplus)
            .map(|(id, _)| id.clone())
            .collect();
        victims.extend(surplus);
        Work {
            view,
            live,
            outdated,
            victims,
            out: there,
            surge,
            loan,
            most: budget.most,
            retiring: false,
        }
    }

    /// Drains that are no longer wanted, instances that went by themselves, and surge that never arrived.
    fn given_back(&self, out: &mut Out<'_>) -> bool {
        let group = self.view.group;
        let gone = |id: &&InstanceId| {
            self.live
                .instances
                .get(*id)
                .is_none_or(|i| i.lifecycle == Lifecycle::Terminating)
        };
        let mut any = false;
        if self.out < group.surge {
            let (cluster, group) = (self.view.cluster.clone(), self.view.task.asg.clone());
            out.records.push(Event::SurgeTaken {
                cluster,
                group,
                left: self.out,
            });
            any = true;
        }
        for id in group
            .detached
            .iter()
            .chain(group.drains.keys())
            .filter(gone)
            .collect::<BTreeSet<_>>()
        {
            out.records.push(self.abandoned(id));
            any = true;
        }
        for (id, drain) in group
            .drains
            .iter()
            .filter(|(id, _)| !gone(id) && !self.victims.contains(*id))
        {
            match (&drain.node, drain.cordoned) {
                (Some(node), Cordoned::ByUs) => {
                    out.node_step(self.view, NodeEffect::Uncordon { node: node.clone() })
                }
                (Some(_), Cordoned::No | Cordoned::ByOthers) | (None, _) => {
                    out.records.push(self.abandoned(id))
                }
            }
            any = true;
        }
        any |= self.untaints(out);
        any |= self.unprotects(out);
        let in_group = self
            .outdated
            .iter()
            .filter(|id| !is_detached(self.live, id))
            .count();
        // Whoever borrows leaves the cluster's surge to the one that stands in.
        let in_use = if self.view.group.borrowed.is_some() {
            0
        } else {
            in_group
        };
        let excess = usize::try_from(self.surge)
            .unwrap_or(usize::MAX)
            .saturating_sub(in_use)
            .min(missing(self.live));
        if !any && excess > 0 {
            let (from, excess) = (self.live.desired, u32::try_from(excess).unwrap_or(u32::MAX));
            out.step(
                self.view,
                CloudEffect::SetDesired {
                    group: self.view.task.asg.clone(),
                    from,
                    to: from.saturating_sub(excess),
                },
            );
            any = true;
        }
        any
    }

    /// Old nodes take nothing new where there is another place, so that a pod does not move from one of them to the next.
    /// Only once the canary is proven: until then the old ones are the better place. Source: kops, rolling update.
    fn taints(&self, proven: bool, out: &mut Out<'_>) {
        if !proven || self.view.mode == Mode::Heal {
            return;
        }
        let old = self.outdated.iter().filter_map(|id| self.view.nodes.of(id));
        let bare =
            old.filter(|(name, node)| !node.tainted && !self.view.group.tainted.contains(*name));
        let nodes: BTreeSet<NodeName> = bare.map(|(name, _)| name.clone()).collect();
        if !nodes.is_empty() {
            out.node_step(self.view, NodeEffect::Taint { nodes });
        }
    }

    /// Nodes that stay take everything again.
    fn untaints(&self, out: &mut Out<'_>) -> bool {
        let tainted = &self.view.group.tainted;
        if let Some(why) = self
            .view
            .nodes
            .unknown()
            .filter(|_| !tainted.is_empty() && self.victims.is_empty())
        {
            out.wait(
                self.view,
                format!("the Kubernetes API does not answer: {why}"),
                None,
            );
            return true;
        }
        let stays = |name: &&NodeName| {
            self.view
                .nodes
                .named(name)
                .is_some_and(|node| !self.victims.contains(&node.instance))
        };
        let nodes: BTreeSet<NodeName> = tainted.iter().filter(stays).cloned().collect();
        if nodes.is_empty() {
            return false;
        }
        out.node_step(self.view, NodeEffect::Untaint { nodes });
        true
    }

    fn abandoned(&self, id: &InstanceId) -> Event {
        Event::DrainAbandoned {
            cluster: self.view.cluster.clone(),
            group: self.view.task.asg.clone(),
            instance: id.clone(),
        }
    }

    /// Nothing left to exchange: processes resume, a canary still has to be proven, then the group is done.
    fn finished(&self, out: &mut Out<'_>) -> bool {
        let group = self.view.group;
        if !self.victims.is_empty()
            || self.out > 0
            || self.loan.target.is_some()
            || !group.drains.is_empty()
        {
            return false;
        }
        if !group.suspended.is_empty() {
            out.step(
                self.view,
                CloudEffect::Resume {
                    group: self.view.task.asg.clone(),
                    processes: group.suspended.clone(),
                },
            );
            return true;
        }
        if self.view.mode == Mode::Heal {
            out.done(self.view);
            return true;
        }
        if self.too_late(out) {
            return true;
        }
        if group.instances > 0 && missing(self.live) > 0 {
            let (refused, until) = self.refused(": ");
            out.wait(
                self.view,
                format!(
                    "{} of {} instances launched{refused}",
                    present(self.live).count(),
                    self.live.desired
                ),
                until,
            );
            return true;
        }
        let new = present(self.live).filter(|(_, i)| i.launched_at >= self.since());
        let coming = new
            .filter(|(id, i)| self.view.nodes.readiness(id, i) != Readiness::Ready)
            .count();
        if coming > 0 {
            out.wait(
                self.view,
                format!("{coming} new instances are not Ready yet"),
                self.refused("").1,
            );
        } else if self.canary(out) {
            out.done(self.view);
        }
        true
    }

    /// Without eyes on the nodes nothing is drained.
    fn eyes_closed(&self, out: &mut Out<'_>) -> bool {
        if !self.view.nodes.asked() {
            out.stuck(
                self.view,
                "no Kubernetes access is configured, so nothing can be drained".into(),
                "set `kubernetes.context` in the cluster's file",
            );
            return true;
        }
        if let Some(why) = self.view.nodes.unknown() {
            out.wait(
                self.view,
                format!("the Kubernetes API does not answer: {why}"),
                None,
            );
            return true;
        }
        false
    }

    fn since(&self) -> Timestamp {
        match self.view.group.state {
            GroupState::Rolling(since) => since,
            GroupState::Waiting | GroupState::Done => self.view.now,
        }
    }

    /// A replacement that does not become Ready, or cannot be launched, in its time.
    fn too_late(&self, out: &mut Out<'_>) -> bool {
        if self.view.mode == Mode::Heal {
            return false;
        }
        if let Some(why) = late(self.view, self.live, &self.victims, self.since()) {
            out.failed(self.view, why);
            return true;
        }
        if missing(self.live) == 0 {
            return false;
        }
        match capacity::answer(self.view, self.live, self.since()) {
            Answer::GoOn | Answer::Hold => false,
            Answer::Borrow(twin, why) => {
                let (cluster, group) = (self.view.cluster.clone(), self.view.task.asg.clone());
                out.records.push(Event::Borrowed {
                    cluster,
                    group,
                    twin,
                    why,
                });
                true
            }
            Answer::Fail(why) => {
                out.failed(self.view, why);
                true
            }
        }
    }

    /// What AWS refuses while instances are missing, in words, and until when waiting for it is nobody's fault: until what it launches
    /// at last is there, for which it has the time of every launch.
    fn refused(&self, before: &str) -> (String, Option<Timestamp>) {
        let missing = missing(self.live) > 0;
        let text = capacity::refusal(self.live, self.since())
            .filter(|_| missing)
            .map(|r| format!("{before}{}", r.text()));
        (
            text.unwrap_or_default(),
            capacity::held_until(self.view, self.live, self.since()),
        )
    }

    /// AWS moves instances between zones on its own, undrained; not while we are at it. (An AZRebalance that somebody else suspended is not ours to resume.)
    fn suspends(&self, out: &mut Out<'_>) -> bool {
        const PROCESS: &str = "AZRebalance";
        let zones = self.live.group.vpc_zone_identifier.len();
        let done =
            self.view.group.suspended.contains(PROCESS) || self.live.suspended.contains(PROCESS);
        if zones < 2 || done || self.view.mode == Mode::Heal || self.retiring {
            return false;
        }
        out.step(
            self.view,
            CloudEffect::Suspend {
                group: self.view.task.asg.clone(),
                processes: BTreeSet::from([PROCESS.to_owned()]),
            },
        );
        true
    }

    /// Whether the canary is proven; moves it on if it can.
    fn canary(&self, out: &mut Out<'_>) -> bool {
        let (group, wanted) = (self.view.group, self.canary_size());
        if group.canary_proven || wanted == 0 || self.view.mode != Mode::Forward {
            return true;
        }
        let new: Vec<&InstanceId> = self
            .ready()
            .filter(|id| !self.outdated.contains(*id))
            .collect();
        match group.canary_up {
            None if new.len() < wanted => {}
            None => canary::up(self.view, self.live, &self.outdated, out),
            Some(since) => match canary::at_work(self.view, new.into_iter()) {
                baking if baking < wanted => canary::lost(self.view, baking, wanted, out),
                _ => canary::bakes(self.view, self.since(), since, out),
            },
        }
        false
    }

    /// New instances that have to be proven before the rest: as many as the policy says, and never more than the group has.
    fn canary_size(&self) -> usize {
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

    fn ready(&self) -> impl Iterator<Item = &'a InstanceId> {
        let (view, live) = (self.view, self.live);
        live.instances
            .iter()
            .filter(|(id, i)| view.nodes.readiness(id, i) == Readiness::Ready)
            .map(|(id, _)| id)
    }

    /// Capacity that the group has to keep: what the autoscaler asked for, our surge taken off.
    fn base(&self) -> u32 {
        self.live.desired.saturating_sub(self.surge)
    }

    fn surge_limit(&self, proven: bool) -> u32 {
        if self.retiring || self.view.mode == Mode::Heal || self.view.group.borrowed.is_some() {
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
    fn may_surge(&self) -> u32 {
        if self.view.task.role == Role::ControlPlane {
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
    fn used(&self) -> u32 {
        self.surge
            .saturating_add(u32::try_from(self.view.group.detached.len()).unwrap_or(u32::MAX))
    }

    fn surge(&self, proven: bool, budget: &mut Budget, out: &mut Out<'_>) {
        let group = self.view.group;
        let wanted = match self.loan.target {
            Some(target) => target.saturating_sub(self.out),
            None => self.surge_limit(proven).saturating_sub(self.used()),
        };
        let wanted = wanted.min(budget.surge);
        // Asking for more while what was asked for is refused would only pile up.
        if wanted == 0
            || (missing(self.live) > 0 && capacity::refusal(self.live, self.since()).is_some())
        {
            return;
        }
        let headroom = self.live.group.max_size.saturating_sub(self.live.desired);
        let asg = self.view.task.asg.clone();
        if headroom > 0 {
            let more = wanted.min(headroom);
            budget.surge = budget.surge.saturating_sub(more);
            return out.step(
                self.view,
                CloudEffect::SetDesired {
                    group: asg,
                    from: self.live.desired,
                    to: self.live.desired + more,
                },
            );
        }
        let candidates = self.ordered();
        let next = candidates.iter().find(|(id, i)| {
            i.lifecycle == Lifecycle::InService
                && self.outdated.contains(*id)
                && !group.drains.contains_key(*id)
        });
        if let Some((id, _)) = next {
            budget.surge = budget.surge.saturating_sub(1);
            out.step(
                self.view,
                CloudEffect::Detach {
                    group: asg,
                    instance: (*id).clone(),
                },
            );
        }
    }

    /// Victims in the order in which they go: detached ones, then those that do not work, then the oldest; those set aside come last.
    fn ordered(&self) -> Vec<(&'a InstanceId, &'a Instance)> {
        let mut all: Vec<_> = self
            .live
            .instances
            .iter()
            .filter(|(id, _)| self.victims.contains(*id))
            .collect();
        all.sort_by_key(|(id, i)| {
            let works = self.view.nodes.readiness(id, i) == Readiness::Ready;
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

    fn explain(&self, out: &mut Out<'_>) {
        let (refused, until) = self.refused("; ");
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        for (id, i) in present(self.live).filter(|(id, _)| !self.victims.contains(*id)) {
            if let Readiness::NotYet(what) = self.view.nodes.readiness(id, i) {
                *states.entry(what).or_default() += 1;
            }
        }
        if self.loan.keep > 0 {
            let of = self
                .view
                .task
                .lends
                .as_ref()
                .map_or("another group", |name| name.as_str());
            out.wait(
                self.view,
                format!(
                    "{} more than its own stand in for {of}{refused}",
                    self.loan.keep
                ),
                until,
            );
            return;
        }
        if let Some(twin) = twin::comes_later(self.view) {
            let why = format!("{twin} stands in for it when all else is done{refused}");
            return out.wait(self.view, why, Some(self.view.now + capacity::AGAIN));
        }
        let coming: Vec<String> = states
            .into_iter()
            .map(|(what, n)| format!(", {n} new {what}"))
            .collect();
        out.wait(
            self.view,
            format!(
                "{} left to replace{}{refused}",
                self.victims.len(),
                coming.concat()
            ),
            until,
        );
    }
}

/// Our surge, as far as it can still be out: an autoscaler that went down to the minimum has taken some of it back already.
pub(super) fn out_there(surge: u32, live: &LiveGroup) -> u32 {
    surge.min(live.desired.saturating_sub(live.group.min_size))
}

fn is_detached(live: &LiveGroup, id: &InstanceId) -> bool {
    live.instances
        .get(id)
        .is_some_and(|i| i.lifecycle == Lifecycle::Detached)
}

/// Instances wanted that are not there, not even launching.
pub(super) fn missing(live: &LiveGroup) -> usize {
    let here = present(live)
        .filter(|(_, i)| matches!(i.lifecycle, Lifecycle::Pending | Lifecycle::InService))
        .count();
    usize::try_from(live.desired)
        .unwrap_or(usize::MAX)
        .saturating_sub(here)
}
