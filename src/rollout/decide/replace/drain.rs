//! Draining the instances that have to go, and ending them: one step of each drain a round, new ones within every limit. Never acts.

use std::collections::BTreeSet;

use super::super::{control_plane, fallback};
use super::replacement::Replacement;
use crate::model::{
    CloudEffect, Instance, InstanceId, LeavesBy, Lifecycle, NodeEffect, NodeName, Span,
};
use crate::rollout::event::{Event, GroupEvent};
use crate::rollout::progress::{Cordoned, Drain};
use crate::rollout::reason::{Advice, DrainReason, Reason};
use crate::rollout::round::{Budget, DecisionBuilder, is_capacity, missing, present};

/// What is left to account for while terminations are handed out in one round.
struct Left {
    surge: usize,
    in_group: usize,
}

/// What bounds the drains of a group until its canary is proven.
#[derive(Clone, Copy)]
pub(crate) struct CanaryBounds {
    pub(crate) proven: bool,
    /// Surge that the cluster and the account left for this group when the round came to it.
    pub(crate) may_come: u32,
}

impl Replacement<'_> {
    pub(crate) fn drains(
        &self,
        canary: CanaryBounds,
        budget: &mut Budget,
        out: &mut DecisionBuilder<'_>,
    ) {
        let mut left = Left {
            surge: usize::try_from(self.surge).unwrap_or(usize::MAX),
            in_group: self
                .to_replace
                .iter()
                .filter(|id| is_capacity(self.live, id))
                .count(),
        };
        for (id, drain) in &self.view.group.outstanding.drains {
            self.go_on(id, drain, &mut left, budget, out);
        }
        self.begin(canary, budget, out);
    }

    /// One drain's next step.
    fn go_on(
        &self,
        id: &InstanceId,
        drain: &Drain,
        left: &mut Left,
        budget: &mut Budget,
        out: &mut DecisionBuilder<'_>,
    ) {
        let Some((name, node)) = self.view.drained_node(id) else {
            return match self.may_still_run(id, drain) {
                Some((why, until)) => out.wait(self.view, why, Some(until)),
                None => self.terminate(id, left, budget, out),
            };
        };
        if drain.node.as_ref() != Some(name) {
            // It registered only after the drain began: what is done to the node has to be booked on it.
            return out.records.push(self.started(id));
        }
        if let Some(who) = node.leaves_by {
            return self.left_to(who, name, out);
        }
        let policy = self.view.task.rolling.drain;
        let pods = match policy.gives_up(node, self.view.now) {
            true => 0,
            false => node.pods_to_wait_for(self.view.now),
        };
        if pods > 0 && self.view.waited(drain.since) > policy.timeout {
            return self.timed_out(id, drain, node, budget, out);
        }
        // A node that was uncordoned in the meantime takes pods again: it is ours to cordon once more.
        if drain.cordoned == Cordoned::No || !node.cordoned {
            let (node, instance) = (name.clone(), node.instance.clone());
            out.node_step(self.view, NodeEffect::Cordon { node, instance });
        } else if pods > 0 {
            self.ask(
                drain,
                name,
                node,
                Span::ZERO,
                drain.since + policy.timeout,
                out,
            );
        } else if self.waits_for_what_is_left(id, drain, name, node, out) {
            // Its pods would wait for their volumes elsewhere, and connections through it would be cut.
        } else if self.is_dead_now(id, name, node, out) {
            // What is left on it is in the books before its instance ends.
        } else {
            self.terminate(id, left, budget, out);
        }
    }

    /// Two that empty one node at the same time count on each other's pods: it is left to the one that has marked it.
    fn left_to(&self, who: LeavesBy, name: &NodeName, out: &mut DecisionBuilder<'_>) {
        let why = DrainReason::LeftTo {
            node: name.clone(),
            by: who,
        };
        out.wait_for_others(self.view, why, Advice::SeeNodeEnds);
    }

    /// Ends an instance that is drained, once there is a place for it in the rate's window.
    fn terminate(
        &self,
        id: &InstanceId,
        left: &mut Left,
        budget: &mut Budget,
        out: &mut DecisionBuilder<'_>,
    ) {
        // What was whole when its drain began may not be any more, and what ends does not come back.
        if let Some(fault) = control_plane::fault_without(self.view, id).filter(|_| !self.retiring)
        {
            let instance = id.clone();
            let why = Reason::DrainedControlPlane { instance, fault };
            return out.wait(self.view, why, None);
        }
        if budget.ends == 0 {
            let instance = id.clone();
            let why = DrainReason::RateHoldsEnd { instance };
            return out.wait(self.view, why, budget.rate_back);
        }
        let is_capacity = is_capacity(self.live, id);
        // Its replacement was launched beside it; AWS would launch another one, wherever it likes.
        let replaced = self.keeps_zones() && left.surge > 0;
        let decrement = is_capacity && (self.retiring || replaced || left.surge >= left.in_group);
        // A new one goes for the surge that it takes up, which an old one of this round has given up: the next look keeps it.
        if is_capacity && !decrement && !self.outdated.contains(id) {
            return;
        }
        budget.ends -= 1;
        if is_capacity {
            left.in_group = left.in_group.saturating_sub(1);
        }
        if decrement {
            left.surge = left.surge.saturating_sub(1);
        }
        out.step(
            self.view,
            CloudEffect::Terminate {
                group: self.view.task.asg.clone(),
                instance: id.clone(),
                decrement,
            },
        );
    }

    /// New drains, as many as capacity, rate and the canary allow.
    fn begin(&self, canary: CanaryBounds, budget: &mut Budget, out: &mut DecisionBuilder<'_>) {
        let group = self.view.group;
        if let Some(fault) = control_plane::own_fault(self.view, self.live, &self.outdated)
            .filter(|_| !self.retiring)
        {
            return out.wait(self.view, Reason::ControlPlane { fault }, None);
        }
        let mut ready: BTreeSet<&InstanceId> = self
            .ready()
            .filter(|id| !group.outstanding.drains.contains_key(*id))
            .collect();
        let mut running = group.outstanding.drains.len();
        let set_aside_only =
            self.to_replace.iter().all(|id| {
                group.set_aside.contains(id) || group.outstanding.drains.contains_key(id)
            }) || self.set_aside_holds_surge(canary.proven);
        for (id, instance) in self.ordered() {
            let waits = group.outstanding.drains.contains_key(id)
                || instance.lifecycle.rules().goes_first
                || (group.set_aside.contains(id) && !set_aside_only);
            if waits || !self.canary_allows(canary, running) {
                continue;
            }
            if let Some((name, node)) = self.view.drained_node(id)
                && let Some(who) = node.leaves_by
            {
                self.left_to(who, name, out);
                continue;
            }
            if let Some(fault) =
                control_plane::fault_without(self.view, id).filter(|_| !self.retiring)
            {
                // The one that is sick itself may go: what is left then is whole.
                let instance = id.clone();
                let why = Reason::ControlPlaneWithout { instance, fault };
                out.wait(self.view, why, None);
                continue;
            }
            if running >= self.most_at_once() {
                break;
            }
            let works = ready.contains(id);
            let begun = running - group.outstanding.drains.len();
            let left = ready.len().saturating_sub(usize::from(works));
            if !self.zone_is_kept(id, instance, &ready)
                || !self.enough(left, begun, instance, works)
            {
                continue;
            }
            // Where nothing is added a drained node is missing, and shall not be for longer than it has to.
            if (if self.may_surge() > 0 {
                budget.ahead
            } else {
                budget.rate
            }) == 0
            {
                out.wait(self.view, DrainReason::RateHoldsDrain, budget.rate_back);
                break;
            }
            (budget.rate, budget.ahead) = (
                budget.rate.saturating_sub(1),
                budget.ahead.saturating_sub(1),
            );
            running += 1;
            ready.remove(id);
            out.records.push(self.started(id));
        }
    }

    /// Whether detached instances that were set aside take up the whole surge: nothing else can move before they are gone.
    fn set_aside_holds_surge(&self, proven: bool) -> bool {
        let group = self.view.group;
        let aside = |id: &InstanceId| group.set_aside.contains(id);
        !group.outstanding.detached.is_empty()
            && group.outstanding.detached.iter().all(aside)
            && group.outstanding.drains.is_empty()
            && self.surge_limit(proven) <= self.used()
    }

    pub(crate) fn started(&self, id: &InstanceId) -> Event {
        let node = self.view.drained_node(id);
        Event::Group(
            self.view.cluster.clone(),
            self.view.task.asg.clone(),
            GroupEvent::DrainStarted {
                instance: id.clone(),
                node: node.map(|(name, _)| name.clone()),
                pods: node.map_or(0, |(_, node)| node.evictable_pods),
                grace: node.map_or(Span::ZERO, |(_, node)| node.grace),
                claims: node
                    .map(|(_, node)| node.volumes.claims.clone())
                    .unwrap_or_default(),
            },
        )
    }

    /// Whether `left` working instances are enough once this one is drained too.
    fn enough(&self, left: usize, begun: usize, instance: &Instance, works: bool) -> bool {
        if self.retiring {
            return self.view.group.outstanding.drains.len() + begun
                < usize::try_from(self.parallel()).unwrap_or(1);
        }
        // An instance that does no work is no loss, yet what looks like many of them may be a network that is down: no more
        // of them at a time than of others, and only when what replaced the last one works. A detached one does work.
        if !works && instance.lifecycle != Lifecycle::Detached {
            return self.view.group.outstanding.drains.len() + begun + self.coming()
                < usize::try_from(self.parallel()).unwrap_or(1);
        }
        let rolling = &self.view.task.rolling;
        let surges = self.may_surge() > 0;
        let role = self.view.task.role.rules();
        let allowed = |size: u32| match (role.proves_control_plane, surges) {
            (true, _) => 1,
            (false, true) => rolling.max_unavailable.unavailable_of(size),
            // Nothing can be replaced where nothing may be missing and nothing may be added. Source: kops, rolling-update settings.
            (false, false) => rolling.max_unavailable.unavailable_of(size).max(1),
        };
        let least = |size: u32| size.saturating_sub(allowed(size));
        let own = self.live.desired.saturating_sub(self.out);
        let at_least = least(self.base()).max(fallback::owed(self.view, least(own)));
        let fallback_instances =
            usize::try_from(fallback::fallback_instances(self.view)).unwrap_or(0);
        left.saturating_add(fallback_instances) >= usize::try_from(at_least).unwrap_or(usize::MAX)
    }

    fn parallel(&self) -> u32 {
        let (surge, missing) = (
            self.may_surge(),
            self.view
                .task
                .rolling
                .max_unavailable
                .unavailable_of(self.live.desired),
        );
        if self.view.task.role.rules().proves_control_plane {
            1
        } else {
            surge.saturating_add(missing).max(1)
        }
    }

    /// However many stand in, or were added by others (an instance refresh of theirs, say): no more at a time than surge and unavailability.
    fn most_at_once(&self) -> usize {
        let group = self.view.group;
        let apart = group.capacity.borrowed.is_some() || group.capacity.lending || self.excess > 0;
        let (rolling, size) = (&self.view.task.rolling, self.live.desired);
        let most = rolling
            .max_surge
            .surge_of(size)
            .saturating_add(rolling.max_unavailable.unavailable_of(size));
        let most = if apart { self.parallel() } else { most.max(1) };
        usize::try_from(most).unwrap_or(1)
    }

    /// Replacements that are not at work yet.
    fn coming(&self) -> usize {
        let stays = present(self.live)
            .filter(|(id, i)| i.launched_at >= self.since() && !self.to_replace.contains(*id));
        missing(self.live)
            + stays
                .filter(|(id, i)| self.view.readiness(id, i).is_coming())
                .count()
    }

    /// Before the canary is proven nothing of the rest goes. Where less can be added than has to be proven, by the group's own bounds or because
    /// other groups of the cluster have taken it, the canary itself takes instances' places: two that waited for each other would stand still.
    fn canary_allows(&self, canary: CanaryBounds, running: usize) -> bool {
        let CanaryBounds { proven, may_come } = canary;
        let coming = self.surge_limit(false).saturating_sub(self.used());
        let coming = coming.min(may_come);
        let new = present(self.live)
            .filter(|(_, i)| i.lifecycle.rules().is_capacity)
            .filter(|(id, _)| !self.outdated.contains(*id))
            .count()
            + missing(self.live)
            + running;
        // Where the twin's instances take over, nothing unproven does.
        proven
            || fallback::fallback_instances(self.view) > 0
            || new.saturating_add(usize::try_from(coming).unwrap_or(usize::MAX))
                < self.canary_size()
    }
}
