//! Draining the instances that have to go, and ending them: one step of each drain a round, new ones within every limit. Never acts.

use std::collections::BTreeSet;

use super::super::gate::Readiness;
use super::super::next::{Budget, Out};
use super::super::{Cordoned, Drain, Event};
use super::{Work, is_detached, missing, present};
use crate::fleet::OnTimeout;
use crate::kops::Role;
use crate::model::{CloudEffect, Instance, InstanceId, Lifecycle, NodeEffect, NodeName};

/// What is left to account for while terminations are handed out in one round.
struct Left {
    surge: usize,
    in_group: usize,
}

impl Work<'_> {
    pub(super) fn drains(&self, proven: bool, budget: &mut Budget, out: &mut Out<'_>) {
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
        if drain.node.as_ref() != Some(name) {
            // It registered only after the drain began: what is done to the node has to be booked on it.
            return out.records.push(self.started(id, Some(name.clone())));
        }
        let policy = self.view.task.rolling.drain;
        if node.evictable_pods > 0 && self.view.waited(drain.since) > policy.timeout {
            return self.timed_out(id, drain, policy.on_timeout, node, out);
        }
        if drain.cordoned == Cordoned::No {
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
        match (on_timeout, &drain.node, drain.cordoned) {
            (OnTimeout::Stop, _, _) => out.failed(self.view, why),
            // Nobody knows how long a person takes: the node works on until then.
            (OnTimeout::Skip, Some(node), Cordoned::ByUs) => out.node_step(self.view, NodeEffect::Uncordon { node: node.clone() }),
            (OnTimeout::Skip, _, _) if self.view.group.set_aside.contains(id) => {
                out.stuck(self.view, why, "free the pods (raise replicas or the budget), then `kfleet rollout resume`; or `kfleet rollout abort`");
            }
            (OnTimeout::Skip, _, _) => {
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
            let begun = running - group.drains.len();
            if !self.enough(ready.len().saturating_sub(usize::from(works)), begun, instance, works) {
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
            out.records.push(self.started(id, node));
        }
    }

    fn started(&self, id: &InstanceId, node: Option<NodeName>) -> Event {
        Event::DrainStarted { cluster: self.view.cluster.clone(), group: self.view.task.asg.clone(), instance: id.clone(), node }
    }

    /// Whether `left` working instances are enough once this one is drained too.
    fn enough(&self, left: usize, begun: usize, instance: &Instance, works: bool) -> bool {
        if self.retiring {
            return self.view.group.drains.len() + begun < usize::try_from(self.parallel()).unwrap_or(1);
        }
        // An instance that does no work is no loss, yet what looks like many of them may be a network that is down: no more
        // of them at a time than of others, and only when what replaced the last one works. A detached one does work.
        if !works && instance.lifecycle != Lifecycle::Detached {
            return self.view.group.drains.len() + begun + self.coming() < usize::try_from(self.parallel()).unwrap_or(1);
        }
        let rolling = &self.view.task.rolling;
        let surges = self.may_surge() > 0;
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
        let (surge, missing) = (self.may_surge(), self.view.task.rolling.max_unavailable.unavailable_of(self.live.desired));
        if self.view.task.role == Role::ControlPlane { 1 } else { surge.saturating_add(missing).max(1) }
    }

    /// Replacements that are not at work yet.
    fn coming(&self) -> usize {
        let stays = present(self.live).filter(|(id, i)| i.launched_at >= self.since() && !self.victims.contains(*id));
        missing(self.live) + stays.filter(|(id, i)| self.view.nodes.readiness(id, i) != Readiness::Ready).count()
    }

    /// Before the canary is proven nothing of the rest goes. Where less can be added than has to be proven, the canary
    /// itself takes instances' places.
    fn canary_allows(&self, proven: bool, running: usize) -> bool {
        let coming = self.surge_limit(false).saturating_sub(self.used());
        let new = present(self.live).filter(|(id, _)| !self.outdated.contains(*id)).count() + missing(self.live) + running;
        proven || new.saturating_add(usize::try_from(coming).unwrap_or(usize::MAX)) < self.canary_size()
    }
}
