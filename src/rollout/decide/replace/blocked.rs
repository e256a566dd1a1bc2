//! A drain that does not end: it is asked for again, set aside, forced or failed, as its policy says. Never acts.

use std::collections::{BTreeMap, BTreeSet};

use super::replacement::Replacement;
use crate::fleet::OnTimeout;
use crate::model::{
    Hold, InstanceId, LeavingPod, Node, NodeEffect, NodeName, PodBlock, PodRef, PodRefusal,
    RefusalKind, Span, Timestamp,
};
use crate::rollout::event::Event;
use crate::rollout::progress::{Cordoned, Drain};
use crate::rollout::round::{Budget, DecisionBuilder};

/// Once a drain is past its time, what is refused is asked for again this often.
const ASK_AGAIN: Span = Span::from_secs(60);

/// A pod whose grace is over is gone a moment later, unless something holds it.
const AFTER_GRACE: Span = Span::from_secs(30);

impl Replacement<'_> {
    /// Asks for evictions again once `pause` is over. What is on its way out already has its grace period, and what the API refused has its own
    /// pause.
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
        if due && self.has_someone_to_ask(node) {
            out.node_step(
                self.view,
                NodeEffect::Evict {
                    node: name.clone(),
                    instance: node.instance.clone(),
                    policy: self.view.task.rolling.drain.eviction,
                },
            );
        }
        let held = self.held(node);
        let blocked = node
            .refused
            .first()
            .map(|refusal| format!(", the API refuses {refusal}"))
            .or_else(|| held.first().map(|b| format!(", held: {b}")))
            .unwrap_or_default();
        out.wait(
            self.view,
            format!("{name} drains, {} pods left{blocked}", node.evictable_pods),
            Some(until),
        );
    }

    /// Whether a pod is left that was not told to go, and is not in the pause after a refusal.
    fn has_someone_to_ask(&self, node: &Node) -> bool {
        let staying = node.evictable_pods.saturating_sub(node.leaving_pods);
        let pausing = node.refused.iter().filter(|r| r.ask_at > self.view.now);
        usize::try_from(staying).unwrap_or(usize::MAX) > pausing.count()
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
        // Whoever was told to go has its grace, however short the patience with those who were not.
        if let Some(until) = self.all_leave_by(node) {
            let why = format!(
                "{} drains, {} pods are in their grace until {until}",
                drain.node.as_ref().map_or("a node", |n| n.as_str()),
                node.leaving_pods
            );
            return out.wait(self.view, why, Some(until + AFTER_GRACE));
        }
        match (self.view.task.rolling.drain.on_timeout, &drain.node) {
            // A right, a webhook or a policy is no fault of the version that is rolled out.
            (OnTimeout::Stop, _) if is_for_a_person(node) => {
                out.stuck(self.view, self.overdue(id, drain, node), &advice(node));
            }
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

    /// When the last pod is gone, where all that is left is on its way out and in its grace.
    fn all_leave_by(&self, node: &Node) -> Option<Timestamp> {
        let last = node.leaving.iter().map(|pod| pod.ends_by).max()?;
        let all = node.leaving_pods >= node.evictable_pods;
        (all && self.view.now < last + AFTER_GRACE).then_some(last)
    }

    /// What holds the drain, by name: node, pods, their owners, their budgets, what the API said, and since when.
    pub(crate) fn overdue(&self, id: &InstanceId, drain: &Drain, node: &Node) -> String {
        let refused: BTreeSet<&str> = node.refused.iter().map(|r| r.uid.as_str()).collect();
        let mut parts = answers(&node.refused);
        let silent = |b: &&PodBlock| !refused.contains(b.uid.as_str());
        let held = listed(
            &self
                .held(node)
                .into_iter()
                .filter(silent)
                .collect::<Vec<_>>(),
        );
        parts.extend(
            Some(held)
                .filter(|h| !h.is_empty())
                .map(|h| format!("held: {h}")),
        );
        parts.extend(lingering(&node.leaving, self.view.now));
        if parts.is_empty() {
            parts.push(format!(
                "{} pods are left, {} of them on their way out",
                node.evictable_pods, node.leaving_pods
            ));
        }
        format!(
            "the drain of {} ({id}), begun at {}, did not end within {}: {}",
            drain.node.as_ref().map_or("a node", |n| n.as_str()),
            drain.since,
            self.view.task.rolling.drain.timeout,
            parts.join("; ")
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
                let (node, instance) = (name.clone(), id.clone());
                out.node_step(self.view, NodeEffect::Uncordon { node, instance })
            }
            _ if self.view.group.set_aside.contains(id) => {
                out.stuck(self.view, self.overdue(id, drain, node), &advice(node));
            }
            _ => out.records.push(Event::SetAside {
                cluster: self.view.cluster.clone(),
                group: self.view.task.asg.clone(),
                instance: id.clone(),
                why: self.overdue(id, drain, node),
            }),
        }
    }

    /// Deletes pods that budgets hold: never a young one, none with a young sibling or with one that is on its way out, and of one owner one at
    /// a time. Where none may go, it waits for them to grow old; where that does not help either, the node is set aside.
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
        let mut held: Vec<&PodBlock> = node.blocked.iter().filter(|b| b.hold.is_budget()).collect();
        held.sort_by_key(|b| (b.started_at, b.pod.clone()));
        let pods = self.may_be_forced(&held, budget);
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
                    instance: node.instance.clone(),
                    pods,
                },
            );
        }
        // Once every pod had the time to be replaced one after the other, and to grow old, patience is over.
        let each = policy
            .min_pod_age
            .millis()
            .saturating_add(node.grace.millis())
            .saturating_add(ASK_AGAIN.millis());
        let others = i64::try_from(self.view.group.drains.len()).unwrap_or(i64::MAX);
        let pods = i64::from(drain.pods)
            .max(i64::try_from(held.len()).unwrap_or(i64::MAX))
            .saturating_add(1);
        let each = each.saturating_mul(pods).saturating_mul(others.max(1));
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

    fn may_be_forced(&self, held: &[&PodBlock], budget: &mut Budget) -> BTreeSet<PodRef> {
        let policy = self.view.task.rolling.drain;
        let mut pods = BTreeSet::new();
        for block in held.iter().filter(|b| b.siblings_leaving == 0) {
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
        pods
    }
}

/// Whether nothing but a right, a webhook or the like holds the drain: what only a person can put right, and the version rolled out has not done.
fn is_for_a_person(node: &Node) -> bool {
    let staying = node.evictable_pods.saturating_sub(node.leaving_pods);
    let persons = node
        .refused
        .iter()
        .filter(|r| r.answer.kind().is_for_a_person());
    staying > 0 && persons.count() >= usize::try_from(staying).unwrap_or(usize::MAX)
}

/// What a person can do, by what the API said.
fn advice(node: &Node) -> String {
    let kinds: BTreeSet<RefusalKind> = node.refused.iter().map(|r| r.answer.kind()).collect();
    let mut what: Vec<&str> = kinds.into_iter().map(RefusalKind::advice).collect();
    if node.leaving.iter().any(|pod| !pod.finalizers.is_empty()) {
        what.push("see why whoever put the finalizers on the pods does not remove them");
    }
    if what.is_empty() {
        what.push("free the pods (raise replicas or the budget)");
    }
    format!(
        "{}; then `kfleet rollout resume`, or `kfleet rollout abort`",
        what.join("; ")
    )
}

/// What the API said to evictions: one pod of each owner and kind of answer, and how many more.
fn answers(refused: &[PodRefusal]) -> Vec<String> {
    let mut together: BTreeMap<(RefusalKind, Option<&str>), Vec<&PodRefusal>> = BTreeMap::new();
    for refusal in refused {
        together
            .entry((refusal.answer.kind(), refusal.owner.as_deref()))
            .or_default()
            .push(refusal);
    }
    let one = |of: Vec<&PodRefusal>| {
        let first = of.first()?;
        let more = match of.len() - 1 {
            0 => String::new(),
            n => format!(", and {n} more of its pods alike"),
        };
        Some(format!("the API refuses {first}{more}"))
    };
    together.into_values().filter_map(one).collect()
}

/// Pods that were told to go and are still there when their grace is over, with what holds them.
fn lingering(leaving: &[LeavingPod], now: Timestamp) -> Option<String> {
    const SHOWN: usize = 3;
    let late: Vec<&LeavingPod> = leaving.iter().filter(|pod| pod.ends_by <= now).collect();
    let shown: Vec<String> = late
        .iter()
        .take(SHOWN)
        .map(|pod| {
            let by = if pod.finalizers.is_empty() {
                ", and nothing says what holds it".to_owned()
            } else {
                let names: Vec<&str> = pod.finalizers.iter().map(String::as_str).collect();
                format!(", held by finalizers: {}", names.join(", "))
            };
            format!("{} was to be gone by {}{by}", pod.pod, pod.ends_by)
        })
        .collect();
    let more = match late.len().saturating_sub(SHOWN) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    (!shown.is_empty()).then(|| format!("{}{more}", shown.join("; ")))
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
