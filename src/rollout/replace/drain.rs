//! Draining the instances that have to go, and ending them: one step of each drain a round, new ones within every limit. Never acts.

use std::collections::{BTreeMap, BTreeSet};

use super::super::gate::Readiness;
use super::super::next::{Budget, Out};
use super::super::{Cordoned, Drain, Event, twin};
use super::{Work, is_detached, missing, present};
use crate::fleet::OnTimeout;
use crate::kops::Role;
use crate::model::{
    CloudEffect, Hold, Instance, InstanceId, Lifecycle, Node, NodeEffect, NodeName, PodBlock,
    PodRef, Span, Timestamp,
};

/// Once a drain is past its time, what is refused is asked for again this often.
const ASK_AGAIN: Span = Span::from_secs(60);

/// What is left to account for while terminations are handed out in one round.
struct Left {
    surge: usize,
    in_group: usize,
}

impl Work<'_> {
    pub(super) fn drains(&self, proven: bool, budget: &mut Budget, out: &mut Out<'_>) {
        let mut left = Left {
            surge: usize::try_from(self.surge).unwrap_or(usize::MAX),
            in_group: self
                .victims
                .iter()
                .filter(|id| !is_detached(self.live, id))
                .count(),
        };
        for (id, drain) in &self.view.group.drains {
            self.go_on(id, drain, &mut left, budget, out);
        }
        self.begin(proven, budget, out);
    }

    /// One drain's next step.
    fn go_on(
        &self,
        id: &InstanceId,
        drain: &Drain,
        left: &mut Left,
        budget: &mut Budget,
        out: &mut Out<'_>,
    ) {
        let Some((name, node)) = self.view.nodes.of(id) else {
            return self.terminate(id, left, budget, out);
        };
        if drain.node.as_ref() != Some(name) {
            // It registered only after the drain began: what is done to the node has to be booked on it.
            return out.records.push(self.started(id, Some(name.clone())));
        }
        let policy = self.view.task.rolling.drain;
        if node.evictable_pods > 0 && self.view.waited(drain.since) > policy.timeout {
            return self.timed_out(id, drain, node, budget, out);
        }
        // A node that somebody gave back in the meantime takes pods again: it is ours to cordon once more.
        if drain.cordoned == Cordoned::No || !node.cordoned {
            out.node_step(self.view, NodeEffect::Cordon { node: name.clone() });
        } else if node.evictable_pods > 0 {
            self.ask(
                drain,
                name,
                node,
                Span::ZERO,
                drain.since + policy.timeout,
                out,
            );
        } else {
            self.terminate(id, left, budget, out);
        }
    }

    /// Asks for evictions again once `pause` is over. What is on its way out already has its grace period.
    fn ask(
        &self,
        drain: &Drain,
        name: &NodeName,
        node: &Node,
        pause: Span,
        until: Timestamp,
        out: &mut Out<'_>,
    ) {
        let due = drain
            .asked_at
            .is_none_or(|at| self.view.now.since(at) >= pause);
        if due && node.evictable_pods > node.leaving_pods {
            out.node_step(
                self.view,
                NodeEffect::Evict {
                    node: name.clone(),
                    policy: self.view.task.rolling.drain.eviction,
                },
            );
        }
        let blocked = self
            .held(node)
            .first()
            .map(|b| format!(", held: {b}"))
            .unwrap_or_default();
        out.wait(
            self.view,
            format!("{name} drains, {} pods left{blocked}", node.evictable_pods),
            Some(until),
        );
    }

    /// What stands in the way under the drain's policy.
    fn held<'n>(&self, node: &'n Node) -> Vec<&'n PodBlock> {
        node.blocked
            .iter()
            .filter(|b| self.view.task.rolling.drain.eviction.holds(&b.hold))
            .collect()
    }

    fn timed_out(
        &self,
        id: &InstanceId,
        drain: &Drain,
        node: &Node,
        budget: &mut Budget,
        out: &mut Out<'_>,
    ) {
        match (self.view.task.rolling.drain.on_timeout, &drain.node) {
            (OnTimeout::Stop, _) => out.failed(self.view, self.overdue(id, drain, node)),
            (OnTimeout::Wait, Some(name)) => {
                self.ask(drain, name, node, ASK_AGAIN, self.view.now + ASK_AGAIN, out)
            }
            (OnTimeout::Force, Some(name)) => self.force(id, drain, name, node, budget, out),
            (OnTimeout::Skip, _) | (OnTimeout::Wait | OnTimeout::Force, None) => {
                self.skip(id, drain, node, out)
            }
        }
    }

    /// What holds the drain, by name: node, pods, their owners, their budgets, and since when.
    fn overdue(&self, id: &InstanceId, drain: &Drain, node: &Node) -> String {
        let held = match listed(&self.held(node)) {
            none if none.is_empty() => format!(
                "{} pods are left, {} of them on their way out",
                node.evictable_pods, node.leaving_pods
            ),
            held => format!("held: {held}"),
        };
        format!(
            "the drain of {} ({id}), begun at {}, did not end within {}: {held}",
            drain.node.as_ref().map_or("a node", |n| n.as_str()),
            drain.since,
            self.view.task.rolling.drain.timeout
        )
    }

    fn skip(&self, id: &InstanceId, drain: &Drain, node: &Node, out: &mut Out<'_>) {
        match (&drain.node, drain.cordoned) {
            // Nobody knows how long a person takes: the node works on until then.
            (Some(name), Cordoned::ByUs) => {
                out.node_step(self.view, NodeEffect::Uncordon { node: name.clone() })
            }
            _ if self.view.group.set_aside.contains(id) => {
                let advice = "free the pods (raise replicas or the budget), then `kfleet rollout resume`; or `kfleet rollout abort`";
                out.stuck(self.view, self.overdue(id, drain, node), advice);
            }
            _ => out.records.push(Event::SetAside {
                cluster: self.view.cluster.clone(),
                group: self.view.task.asg.clone(),
                instance: id.clone(),
                why: self.overdue(id, drain, node),
            }),
        }
    }

    /// Deletes pods that budgets hold: never a young one, none with a young sibling, and of one owner one at a time. Where
    /// none may go, it waits for them to grow old; where that does not help either, the node is set aside.
    fn force(
        &self,
        id: &InstanceId,
        drain: &Drain,
        name: &NodeName,
        node: &Node,
        budget: &mut Budget,
        out: &mut Out<'_>,
    ) {
        let policy = self.view.task.rolling.drain;
        let mut held: Vec<&PodBlock> = node
            .blocked
            .iter()
            .filter(|b| matches!(b.hold, Hold::Budget(_)))
            .collect();
        held.sort_by_key(|b| (b.started_at, b.pod.clone()));
        let mut pods = BTreeSet::new();
        for block in &held {
            let youngest = block
                .sibling_started_at
                .map_or(block.started_at, |s| s.max(block.started_at));
            let owner = block.owner.clone().unwrap_or_else(|| block.pod.clone());
            if self.view.now.since(youngest) >= policy.min_pod_age && budget.forced.insert(owner) {
                pods.insert(PodRef {
                    pod: block.pod.clone(),
                    uid: block.uid.clone(),
                });
            }
        }
        if !pods.is_empty() {
            let names: Vec<&str> = pods.iter().map(|p| p.pod.as_str()).collect();
            out.wait(
                self.view,
                format!("{name} drains, deletes by force: {}", names.join(", ")),
                Some(self.view.now + ASK_AGAIN),
            );
            return out.node_step(
                self.view,
                NodeEffect::Delete {
                    node: name.clone(),
                    pods,
                },
            );
        }
        // Once every pod had the time to be replaced one after the other, and to grow old, patience is over.
        let each = policy.min_pod_age.millis().saturating_mul(
            i64::try_from(held.len())
                .unwrap_or(i64::MAX)
                .saturating_add(1),
        );
        let last = Span::from_millis(
            policy
                .timeout
                .millis()
                .saturating_mul(2)
                .saturating_add(each),
        );
        if held.is_empty() || self.view.waited(drain.since) > last {
            return self.skip(id, drain, node, out);
        }
        self.ask(drain, name, node, ASK_AGAIN, self.view.now + ASK_AGAIN, out);
    }

    /// Ends an instance that is drained, once there is a place for it in the rate's window.
    fn terminate(&self, id: &InstanceId, left: &mut Left, budget: &mut Budget, out: &mut Out<'_>) {
        if budget.ends == 0 {
            return out.wait(
                self.view,
                format!("{id} is drained and ends when the cluster's disruption rate allows it"),
                budget.rate_back,
            );
        }
        budget.ends -= 1;
        let detached = is_detached(self.live, id);
        let decrement = !detached && (self.retiring || left.surge >= left.in_group);
        if !detached {
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
    fn begin(&self, proven: bool, budget: &mut Budget, out: &mut Out<'_>) {
        let group = self.view.group;
        let mut ready: BTreeSet<&InstanceId> = self
            .ready()
            .filter(|id| !group.drains.contains_key(*id))
            .collect();
        let mut running = group.drains.len();
        let set_aside_only = self
            .victims
            .iter()
            .all(|id| group.set_aside.contains(id) || group.drains.contains_key(id));
        for (id, instance) in self.ordered() {
            let waits =
                group.drains.contains_key(id) || (group.set_aside.contains(id) && !set_aside_only);
            if waits || !self.canary_allows(proven, running) {
                continue;
            }
            // However many stand in: no more at a time than with its own surge.
            let apart = self.view.group.borrowed.is_some() || self.view.group.lending;
            if apart && running >= usize::try_from(self.parallel()).unwrap_or(1) {
                break;
            }
            let works = ready.contains(id);
            let begun = running - group.drains.len();
            if !self.enough(
                ready.len().saturating_sub(usize::from(works)),
                begun,
                instance,
                works,
            ) {
                continue;
            }
            // Where nothing is added a drained node is missing, and shall not be for longer than it has to.
            if (if self.may_surge() > 0 {
                budget.ahead
            } else {
                budget.rate
            }) == 0
            {
                out.wait(
                    self.view,
                    "the cluster's disruption rate is used up".into(),
                    budget.rate_back,
                );
                break;
            }
            (budget.rate, budget.ahead) = (
                budget.rate.saturating_sub(1),
                budget.ahead.saturating_sub(1),
            );
            running += 1;
            ready.remove(id);
            let node = self.view.nodes.of(id).map(|(name, _)| name.clone());
            out.records.push(self.started(id, node));
        }
    }

    fn started(&self, id: &InstanceId, node: Option<NodeName>) -> Event {
        Event::DrainStarted {
            cluster: self.view.cluster.clone(),
            group: self.view.task.asg.clone(),
            instance: id.clone(),
            node,
        }
    }

    /// Whether `left` working instances are enough once this one is drained too.
    fn enough(&self, left: usize, begun: usize, instance: &Instance, works: bool) -> bool {
        if self.retiring {
            return self.view.group.drains.len() + begun
                < usize::try_from(self.parallel()).unwrap_or(1);
        }
        // An instance that does no work is no loss, yet what looks like many of them may be a network that is down: no more
        // of them at a time than of others, and only when what replaced the last one works. A detached one does work.
        if !works && instance.lifecycle != Lifecycle::Detached {
            return self.view.group.drains.len() + begun + self.coming()
                < usize::try_from(self.parallel()).unwrap_or(1);
        }
        let rolling = &self.view.task.rolling;
        let surges = self.may_surge() > 0;
        let allowed = |size: u32| match self.view.task.role {
            Role::ControlPlane => 1,
            Role::ApiServer | Role::Node | Role::Bastion if surges => {
                rolling.max_unavailable.unavailable_of(size)
            }
            // Nothing can be replaced where nothing may be missing and nothing may be added. Source: kops, rolling-update settings.
            Role::ApiServer | Role::Node | Role::Bastion => {
                rolling.max_unavailable.unavailable_of(size).max(1)
            }
        };
        let least = |size: u32| size.saturating_sub(allowed(size));
        let own = self.live.desired.saturating_sub(self.out);
        let at_least = least(self.base()).max(twin::owed(self.view, least(own)));
        let stand_ins = usize::try_from(twin::stand_ins(self.view)).unwrap_or(0);
        left.saturating_add(stand_ins) >= usize::try_from(at_least).unwrap_or(usize::MAX)
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
        if self.view.task.role == Role::ControlPlane {
            1
        } else {
            surge.saturating_add(missing).max(1)
        }
    }

    /// Replacements that are not at work yet.
    fn coming(&self) -> usize {
        let stays = present(self.live)
            .filter(|(id, i)| i.launched_at >= self.since() && !self.victims.contains(*id));
        missing(self.live)
            + stays
                .filter(|(id, i)| self.view.nodes.readiness(id, i) != Readiness::Ready)
                .count()
    }

    /// Before the canary is proven nothing of the rest goes. Where less can be added than has to be proven, the canary
    /// itself takes instances' places.
    fn canary_allows(&self, proven: bool, running: usize) -> bool {
        let coming = self.surge_limit(false).saturating_sub(self.used());
        let new = present(self.live)
            .filter(|(id, _)| !self.outdated.contains(*id))
            .count()
            + missing(self.live)
            + running;
        // Where the twin's instances take over, nothing unproven does.
        proven
            || twin::stand_ins(self.view) > 0
            || new.saturating_add(usize::try_from(coming).unwrap_or(usize::MAX))
                < self.canary_size()
    }
}

/// Pods that are held, those of one owner and one reason together: `web/api-1, web/api-2 and 3 more (of StatefulSet web/api) by disruption budget web/api`.
fn listed(held: &[&PodBlock]) -> String {
    const SHOWN: usize = 3;
    let mut together: BTreeMap<(&Hold, Option<&str>), Vec<&str>> = BTreeMap::new();
    for block in held {
        together
            .entry((&block.hold, block.owner.as_deref()))
            .or_default()
            .push(&block.pod);
    }
    let one = |((hold, owner), pods): ((&Hold, Option<&str>), Vec<&str>)| {
        let more = if pods.len() > SHOWN {
            format!(" and {} more", pods.len() - SHOWN)
        } else {
            String::new()
        };
        let owner = owner.map(|o| format!(" (of {o})")).unwrap_or_default();
        format!(
            "{}{more}{owner} by {hold}",
            pods.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ")
        )
    };
    together.into_iter().map(one).collect::<Vec<_>>().join("; ")
}
