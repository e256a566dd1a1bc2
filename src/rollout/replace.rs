//! Replacing the instances of one group: surge or detach, canary, drain, terminate, give back. One round at a time, from live state; never acts.
//!
//! Capacity first: a new instance is in service, with a Ready node, before an old one is drained. The surge is raised
//! once, held while instances are exchanged under it, and given back by the last terminations, which lower desired
//! capacity with them. Where a group stands at its maximum, an instance is detached instead: the group then launches
//! its replacement while the old one still works. Control-plane groups do neither: one instance, one at a time.

use std::collections::{BTreeMap, BTreeSet};

use super::gate::{self, GateOutcome, Readiness};
use super::group::{Mode, View, late, present};
use super::next::{Budget, Out};
use super::{Drain, Event, GroupState, Scope};
use crate::fleet::OnTimeout;
use crate::kops::Role;
use crate::model::{ActivityStatus, CloudEffect, Definition, Instance, InstanceId, Lifecycle, LiveGroup, NodeEffect};

/// Instances that run something else than `to`, those on their way out aside.
pub(super) fn outdated(live: &LiveGroup, to: &Definition) -> BTreeSet<InstanceId> {
    let wanted = &to.launch_template.launch_template_data;
    let good: BTreeSet<u64> = live.versions.iter().filter(|(_, v)| v.data.clone().canonical() == *wanted).map(|(n, _)| *n).collect();
    present(live).filter(|(_, i)| i.version.is_none_or(|v| !good.contains(&v))).map(|(id, _)| id.clone()).collect()
}

/// The next round of replacing whatever does not run `to`.
pub(super) fn replace(view: &View<'_>, live: &LiveGroup, outdated: BTreeSet<InstanceId>, budget: &mut Budget, out: &mut Out<'_>) {
    let work = Work::new(view, live, outdated);
    if work.given_back(out) || work.finished(out) {
        return;
    }
    if work.eyes_closed(out) || work.too_late(out) || work.suspends(out) {
        return;
    }
    let proven = work.canary(out);
    work.surge(proven, budget, out);
    work.drains(proven, budget, out);
    work.explain(out);
}

/// Only what is open is given back: drains of instances that may stay, surge, detached instances, suspended processes.
pub(super) fn heal(view: &View<'_>, budget: &mut Budget, out: &mut Out<'_>) {
    match view.live {
        Some(live) => replace(view, live, BTreeSet::new(), budget, out),
        None => out.done(view),
    }
}

/// Every instance of a group that is being retired is drained and ends.
pub(super) fn empty(view: &View<'_>, live: &LiveGroup, budget: &mut Budget, out: &mut Out<'_>) {
    let all = present(live).map(|(id, _)| id.clone()).collect();
    let work = Work { retiring: true, ..Work::new(view, live, all) };
    if work.eyes_closed(out) {
        return;
    }
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
    /// Our surge, as far as it can still be out: an autoscaler that went down to the minimum has taken some of it back already.
    surge: u32,
    retiring: bool,
}

impl<'a> Work<'a> {
    fn new(view: &'a View<'a>, live: &'a LiveGroup, outdated: BTreeSet<InstanceId>) -> Self {
        let mut victims = outdated.clone();
        victims
            .extend(view.group.detached.iter().filter(|id| live.instances.get(*id).is_some_and(|i| i.lifecycle != Lifecycle::Terminating)).cloned());
        let in_group = outdated.iter().filter(|id| !is_detached(live, id)).count();
        let surge = view.group.surge.min(live.desired.saturating_sub(live.group.min_size));
        let surplus = usize::try_from(surge).unwrap_or(usize::MAX).saturating_sub(in_group).saturating_sub(missing(live));
        let mut newest: Vec<(&InstanceId, &Instance)> =
            present(live).filter(|(id, i)| !victims.contains(*id) && i.lifecycle != Lifecycle::Detached).collect();
        newest.sort_by_key(|(id, i)| (std::cmp::Reverse(i.launched_at), (*id).clone()));
        let surplus: Vec<InstanceId> = newest.into_iter().take(surplus).map(|(id, _)| id.clone()).collect();
        victims.extend(surplus);
        Work { view, live, outdated, victims, surge, retiring: false }
    }

    /// Drains that are no longer wanted, instances that went by themselves, and surge that never arrived.
    fn given_back(&self, out: &mut Out<'_>) -> bool {
        let group = self.view.group;
        let gone = |id: &&InstanceId| self.live.instances.get(*id).is_none_or(|i| i.lifecycle == Lifecycle::Terminating);
        let mut any = false;
        for id in group.detached.iter().chain(group.drains.keys()).filter(gone).collect::<BTreeSet<_>>() {
            out.records.push(self.abandoned(id));
            any = true;
        }
        for (id, drain) in group.drains.iter().filter(|(id, _)| !gone(id) && !self.victims.contains(*id)) {
            match (&drain.node, drain.cordoned) {
                (Some(node), true) => out.node_step(self.view, NodeEffect::Uncordon { node: node.clone() }),
                (Some(_) | None, false) | (None, true) => out.records.push(self.abandoned(id)),
            }
            any = true;
        }
        let in_group = self.outdated.iter().filter(|id| !is_detached(self.live, id)).count();
        let excess = usize::try_from(self.surge).unwrap_or(usize::MAX).saturating_sub(in_group).min(missing(self.live));
        if !any && excess > 0 {
            let (from, excess) = (self.live.desired, u32::try_from(excess).unwrap_or(u32::MAX));
            out.step(self.view, CloudEffect::SetDesired { group: self.view.task.asg.clone(), from, to: from.saturating_sub(excess) });
            any = true;
        }
        any
    }

    fn abandoned(&self, id: &InstanceId) -> Event {
        Event::DrainAbandoned { cluster: self.view.cluster.clone(), group: self.view.task.asg.clone(), instance: id.clone() }
    }

    /// Nothing left to exchange: processes resume, a canary still has to be proven, then the group is done.
    fn finished(&self, out: &mut Out<'_>) -> bool {
        let group = self.view.group;
        if !self.victims.is_empty() || self.surge > 0 || !group.drains.is_empty() {
            return false;
        }
        if !group.suspended.is_empty() {
            out.step(self.view, CloudEffect::Resume { group: self.view.task.asg.clone(), processes: group.suspended.clone() });
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
            let refused = gate::refused(self.live, self.since()).map(|m| format!(": {m}")).unwrap_or_default();
            out.wait(self.view, format!("{} of {} instances launched{refused}", present(self.live).count(), self.live.desired), None);
            return true;
        }
        let new = present(self.live).filter(|(_, i)| i.launched_at >= self.since());
        let coming = new.filter(|(id, i)| self.view.nodes.readiness(id, i) != Readiness::Ready).count();
        if coming > 0 {
            out.wait(self.view, format!("{coming} new instances are not Ready yet"), None);
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
            out.wait(self.view, format!("the Kubernetes API does not answer: {why}"), None);
            return true;
        }
        false
    }

    fn since(&self) -> crate::model::Timestamp {
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
        let patience = self.view.task.rolling.ready_timeout;
        let last_launch = self.live.activities.iter().rposition(|a| a.status == ActivityStatus::Successful).map_or(0, |i| i + 1);
        let refused = self
            .live
            .activities
            .get(last_launch..)
            .unwrap_or_default()
            .iter()
            .find(|a| a.at >= self.since() && a.status == ActivityStatus::NoCapacity);
        match refused {
            Some(first) if missing(self.live) > 0 && self.view.now.since(first.at) > patience => {
                out.failed(self.view, format!("no replacement could be launched for {}: {}", self.view.now.since(first.at), first.message));
                true
            }
            Some(_) | None => false,
        }
    }

    /// AWS moves instances between zones on its own, undrained; not while we are at it. (An AZRebalance that somebody else suspended is not ours to resume.)
    fn suspends(&self, out: &mut Out<'_>) -> bool {
        const PROCESS: &str = "AZRebalance";
        let zones = self.live.group.vpc_zone_identifier.len();
        let done = self.view.group.suspended.contains(PROCESS) || self.live.suspended.contains(PROCESS);
        if zones < 2 || done || self.view.mode == Mode::Heal || self.retiring {
            return false;
        }
        out.step(self.view, CloudEffect::Suspend { group: self.view.task.asg.clone(), processes: BTreeSet::from([PROCESS.to_owned()]) });
        true
    }

    /// Whether the canary is proven; moves it on if it can.
    fn canary(&self, out: &mut Out<'_>) -> bool {
        let (group, rolling) = (self.view.group, &self.view.task.rolling);
        if group.canary_proven || rolling.canary == 0 || self.view.mode != Mode::Forward || group.instances == 0 {
            return true;
        }
        let up = self.ready().filter(|id| !self.outdated.contains(*id)).count();
        let wanted = usize::try_from(rolling.canary.min(group.instances)).unwrap_or(usize::MAX);
        if up < wanted {
            return false;
        }
        let Some(since) = group.canary_up else {
            out.records.push(Event::CanaryUp { cluster: self.view.cluster.clone(), group: self.view.task.asg.clone() });
            return false;
        };
        let baked = since + rolling.bake;
        if self.view.now < baked {
            out.wait(self.view, "canary bakes".into(), Some(baked));
            return false;
        }
        let scope = Scope::Canary(self.view.task.asg.clone());
        match gate::all(&self.view.asked(scope, vec![&self.view.task.asg], self.since(), baked), out) {
            GateOutcome::Pass(evidence) => {
                out.records.push(Event::CanaryProven { cluster: self.view.cluster.clone(), group: self.view.task.asg.clone(), evidence });
            }
            GateOutcome::Wait(why) => out.wait(self.view, why, None),
            GateOutcome::Fail(why) => out.failed(self.view, why),
        }
        false
    }

    fn ready(&self) -> impl Iterator<Item = &'a InstanceId> {
        let (view, live) = (self.view, self.live);
        live.instances.iter().filter(|(id, i)| view.nodes.readiness(id, i) == Readiness::Ready).map(|(id, _)| id)
    }

    /// Capacity that the group has to keep: what the autoscaler asked for, our surge taken off.
    fn base(&self) -> u32 {
        self.live.desired.saturating_sub(self.surge)
    }

    fn surge_limit(&self, proven: bool) -> u32 {
        if self.view.task.role == Role::ControlPlane || self.retiring || self.view.mode == Mode::Heal {
            return 0;
        }
        let limit = self.view.task.rolling.max_surge.surge_of(self.base()).min(u32::try_from(self.outdated.len()).unwrap_or(u32::MAX));
        if proven { limit } else { limit.min(self.view.task.rolling.canary) }
    }

    fn surge(&self, proven: bool, budget: &mut Budget, out: &mut Out<'_>) {
        let group = self.view.group;
        let used = self.surge + u32::try_from(group.detached.len()).unwrap_or(u32::MAX);
        let wanted = self.surge_limit(proven).saturating_sub(used).min(budget.surge);
        // Asking for more while what was asked for is refused would only pile up.
        if wanted == 0 || (missing(self.live) > 0 && gate::refused(self.live, self.since()).is_some()) {
            return;
        }
        let headroom = self.live.group.max_size.saturating_sub(self.live.desired);
        let asg = self.view.task.asg.clone();
        if headroom > 0 {
            let more = wanted.min(headroom);
            budget.surge = budget.surge.saturating_sub(more);
            return out.step(self.view, CloudEffect::SetDesired { group: asg, from: self.live.desired, to: self.live.desired + more });
        }
        let candidates = self.ordered();
        let next =
            candidates.iter().find(|(id, i)| i.lifecycle == Lifecycle::InService && self.outdated.contains(*id) && !group.drains.contains_key(*id));
        if let Some((id, _)) = next {
            budget.surge = budget.surge.saturating_sub(1);
            out.step(self.view, CloudEffect::Detach { group: asg, instance: (*id).clone() });
        }
    }

    /// Victims in the order in which they go: detached ones, then those that do not work, then the oldest; those set aside come last.
    fn ordered(&self) -> Vec<(&'a InstanceId, &'a Instance)> {
        let mut all: Vec<_> = self.live.instances.iter().filter(|(id, _)| self.victims.contains(*id)).collect();
        all.sort_by_key(|(id, i)| {
            let works = self.view.nodes.readiness(id, i) == Readiness::Ready;
            (self.view.group.set_aside.contains(*id), i.lifecycle != Lifecycle::Detached, works, i.launched_at, (*id).clone())
        });
        all
    }

    fn drains(&self, proven: bool, budget: &mut Budget, out: &mut Out<'_>) {
        let mut left = Left {
            surge: usize::try_from(self.surge).unwrap_or(usize::MAX),
            in_group: self.victims.iter().filter(|id| !is_detached(self.live, id)).count(),
        };
        for (id, drain) in &self.view.group.drains {
            self.go_on(id, drain, &mut left, out);
        }
        self.begin(proven, budget, out);
    }

    /// One drain's next step.
    fn go_on(&self, id: &InstanceId, drain: &Drain, left: &mut Left, out: &mut Out<'_>) {
        let Some((name, node)) = self.view.nodes.of(id) else {
            return self.terminate(id, left, out);
        };
        let policy = self.view.task.rolling.drain;
        if node.evictable_pods > 0 && self.view.now.since(drain.since) > policy.timeout {
            return self.timed_out(id, drain, policy.on_timeout, node, out);
        }
        if !drain.cordoned {
            out.node_step(self.view, NodeEffect::Cordon { node: name.clone() });
        } else if node.evictable_pods > 0 {
            out.node_step(self.view, NodeEffect::Evict { node: name.clone() });
            let blocked = node.blocked.first().map(|b| format!(", {} held by {}", b.pod, b.budget)).unwrap_or_default();
            out.wait(self.view, format!("{name} drains, {} pods left{blocked}", node.evictable_pods), Some(drain.since + policy.timeout));
        } else {
            self.terminate(id, left, out);
        }
    }

    fn timed_out(&self, id: &InstanceId, drain: &Drain, on_timeout: OnTimeout, node: &crate::model::Node, out: &mut Out<'_>) {
        let held: Vec<String> = node.blocked.iter().map(|b| format!("{} by {}", b.pod, b.budget)).collect();
        let held = if held.is_empty() { format!("{} pods are left", node.evictable_pods) } else { format!("held: {}", held.join(", ")) };
        let why = format!(
            "the drain of {} ({id}) did not end within {}: {held}",
            drain.node.as_ref().map_or("a node", |n| n.as_str()),
            self.view.task.rolling.drain.timeout
        );
        match (on_timeout, &drain.node) {
            (OnTimeout::Stop, _) => out.failed(self.view, why),
            (OnTimeout::Skip, _) if self.view.group.set_aside.contains(id) => {
                out.stuck(self.view, why, "free the pods (raise replicas or the budget), then `kfleet rollout resume`; or `kfleet rollout abort`");
            }
            (OnTimeout::Skip, Some(node)) if drain.cordoned => out.node_step(self.view, NodeEffect::Uncordon { node: node.clone() }),
            (OnTimeout::Skip, _) => {
                out.records.push(Event::SetAside {
                    cluster: self.view.cluster.clone(),
                    group: self.view.task.asg.clone(),
                    instance: id.clone(),
                    why,
                });
            }
        }
    }

    fn terminate(&self, id: &InstanceId, left: &mut Left, out: &mut Out<'_>) {
        let detached = is_detached(self.live, id);
        let decrement = !detached && (self.retiring || left.surge >= left.in_group);
        if !detached {
            left.in_group = left.in_group.saturating_sub(1);
        }
        if decrement {
            left.surge = left.surge.saturating_sub(1);
        }
        out.step(self.view, CloudEffect::Terminate { group: self.view.task.asg.clone(), instance: id.clone(), decrement });
    }

    /// New drains, as many as capacity, rate and the canary allow.
    fn begin(&self, proven: bool, budget: &mut Budget, out: &mut Out<'_>) {
        let group = self.view.group;
        let mut ready: BTreeSet<&InstanceId> = self.ready().filter(|id| !group.drains.contains_key(*id)).collect();
        let mut running = group.drains.len();
        let set_aside_only = self.victims.iter().all(|id| group.set_aside.contains(id) || group.drains.contains_key(id));
        for (id, instance) in self.ordered() {
            let waits = group.drains.contains_key(id) || (group.set_aside.contains(id) && !set_aside_only);
            if waits || !self.canary_allows(proven, running) {
                continue;
            }
            let works = ready.contains(id);
            if !self.enough(ready.len().saturating_sub(usize::from(works)), instance, works) {
                continue;
            }
            if budget.rate == 0 {
                out.wait(self.view, "the cluster's disruption rate is used up".into(), budget.rate_back);
                break;
            }
            budget.rate -= 1;
            running += 1;
            ready.remove(id);
            let node = self.view.nodes.of(id).map(|(name, _)| name.clone());
            out.records.push(Event::DrainStarted {
                cluster: self.view.cluster.clone(),
                group: self.view.task.asg.clone(),
                instance: id.clone(),
                node,
            });
        }
    }

    /// Whether `left` working instances are enough once this one is drained too.
    fn enough(&self, left: usize, instance: &Instance, works: bool) -> bool {
        if self.retiring {
            return self.view.group.drains.len() < usize::try_from(self.parallel()).unwrap_or(1);
        }
        // An instance that does no work is no loss. A detached one still works, and waits for its replacement.
        if !works && instance.lifecycle != Lifecycle::Detached {
            return true;
        }
        let rolling = &self.view.task.rolling;
        let surges = self.view.task.role != Role::ControlPlane && rolling.max_surge.surge_of(self.base()) > 0;
        let allowed = match self.view.task.role {
            Role::ControlPlane => 1,
            Role::ApiServer | Role::Node | Role::Bastion if surges => rolling.max_unavailable.unavailable_of(self.base()),
            // Nothing can be replaced where nothing may be missing and nothing may be added. Source: kops, rolling-update settings.
            Role::ApiServer | Role::Node | Role::Bastion => rolling.max_unavailable.unavailable_of(self.base()).max(1),
        };
        let at_least = self.base().saturating_sub(allowed);
        left >= usize::try_from(at_least).unwrap_or(usize::MAX)
    }

    fn parallel(&self) -> u32 {
        let rolling = &self.view.task.rolling;
        (rolling.max_surge.surge_of(self.live.desired) + rolling.max_unavailable.unavailable_of(self.live.desired)).max(1)
    }

    /// Before the canary is proven nothing of the rest goes. Where nothing can be added, the canary itself has to take an instance's place.
    fn canary_allows(&self, proven: bool, running: usize) -> bool {
        if proven {
            return true;
        }
        let new = present(self.live).filter(|(id, _)| !self.outdated.contains(*id)).count();
        let canary = usize::try_from(self.view.task.rolling.canary).unwrap_or(usize::MAX);
        let adds = self.surge_limit(true) > 0;
        !adds && missing(self.live) == 0 && running + new < canary
    }

    fn explain(&self, out: &mut Out<'_>) {
        let refused = gate::refused(self.live, self.since()).filter(|_| missing(self.live) > 0).map(|m| format!("; {m}")).unwrap_or_default();
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        for (id, i) in present(self.live).filter(|(id, _)| !self.victims.contains(*id)) {
            if let Readiness::NotYet(what) = self.view.nodes.readiness(id, i) {
                *states.entry(what).or_default() += 1;
            }
        }
        let coming: Vec<String> = states.into_iter().map(|(what, n)| format!(", {n} new {what}")).collect();
        out.wait(self.view, format!("{} left to replace{}{refused}", self.victims.len(), coming.concat()), None);
    }
}

/// What is left to account for while terminations are handed out in one round.
struct Left {
    surge: usize,
    in_group: usize,
}

fn is_detached(live: &LiveGroup, id: &InstanceId) -> bool {
    live.instances.get(id).is_some_and(|i| i.lifecycle == Lifecycle::Detached)
}

/// Instances wanted that are not there, not even launching.
fn missing(live: &LiveGroup) -> usize {
    let here = present(live).filter(|(_, i)| matches!(i.lifecycle, Lifecycle::Pending | Lifecycle::InService)).count();
    usize::try_from(live.desired).unwrap_or(usize::MAX).saturating_sub(here)
}
