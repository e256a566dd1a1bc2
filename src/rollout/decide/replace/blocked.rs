//! A drain that does not end: it is asked for again, set aside, forced or failed, as its policy says. Never acts.

use std::collections::{BTreeMap, BTreeSet};

use super::replacement::Replacement;
use crate::fleet::OnTimeout;
use crate::model::{
    Hold, InstanceId, Node, NodeEffect, NodeName, PodBlock, PodRef, Span, Timestamp,
};
use crate::rollout::event::Event;
use crate::rollout::progress::{Cordoned, Drain};
use crate::rollout::round::{Budget, DecisionBuilder};

/// Once a drain is past its time, what is refused is asked for again this often.
const ASK_AGAIN: Span = Span::from_secs(60);

impl Replacement<'_> {
    /// Asks for evictions again once `pause` is over. What is on its way out already has its grace period.
    pub(crate) fn ask(
        &self,
        drain: &Drain,
        name: &NodeName,
        node: &Node,
        pause: Span,
        until: Timestamp,
        out: &mut DecisionBuilder<'_>,
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
    pub(crate) fn held<'n>(&self, node: &'n Node) -> Vec<&'n PodBlock> {
        node.blocked
            .iter()
            .filter(|b| self.view.task.rolling.drain.eviction.holds(&b.hold))
            .collect()
    }

    pub(crate) fn timed_out(
        &self,
        id: &InstanceId,
        drain: &Drain,
        node: &Node,
        budget: &mut Budget,
        out: &mut DecisionBuilder<'_>,
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
    pub(crate) fn overdue(&self, id: &InstanceId, drain: &Drain, node: &Node) -> String {
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

    pub(crate) fn skip(
        &self,
        id: &InstanceId,
        drain: &Drain,
        node: &Node,
        out: &mut DecisionBuilder<'_>,
    ) {
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
    pub(crate) fn force(
        &self,
        id: &InstanceId,
        drain: &Drain,
        name: &NodeName,
        node: &Node,
        budget: &mut Budget,
        out: &mut DecisionBuilder<'_>,
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
