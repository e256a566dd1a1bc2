//! A drain that does not end: it is asked for again, set aside, forced or failed, as its policy says. Never acts.

use std::collections::{BTreeMap, BTreeSet};

use super::replacement::Replacement;
use crate::fleet::OnTimeout;
use crate::model::{
    Hold, InstanceId, LeavingPod, Node, NodeEffect, NodeName, PodBlock, PodRef, PodRefusal,
    RefusalKind, Span, Timestamp,
};
use crate::rollout::event::{Event, GroupEvent};
use crate::rollout::progress::{Cordoned, Drain};
use crate::rollout::reason::{
    Advice, DrainReason, HeldPods, LingeringPod, OverdueDrain, RefusedPods,
};
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
        let why = self.what_drains(name, node);
        out.wait(self.view, why, Some(until));
    }

    /// What a drain waits for, with the first pod that is refused or held.
    fn what_drains(&self, name: &NodeName, node: &Node) -> DrainReason {
        let refused = node.refused.first().map(|first| {
            let first = first.clone();
            Box::new(RefusedPods { first, more: 0 })
        });
        let held = self.held(node);
        let held = held.first().filter(|_| refused.is_none());
        DrainReason::Drains {
            node: name.clone(),
            pods: node.evictable_pods,
            refused,
            held: held
                .and_then(|block| held_pods(&[*block]).pop())
                .map(Box::new),
        }
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
        let on_timeout = self.view.task.rolling.drain.on_timeout;
        match (on_timeout, &drain.node) {
            // It was uncordoned to be set aside: pods come to it again, and none of them is asked to go.
            (OnTimeout::Skip | OnTimeout::Force, _)
                if drain.cordoned == Cordoned::No && !node.cordoned =>
            {
                return self.skip(id, drain, node, out);
            }
            // A person gave it back while its pods were waited for.
            (OnTimeout::Wait | OnTimeout::Force, Some(name)) if !node.cordoned => {
                let (node, instance) = (name.clone(), node.instance.clone());
                return out.node_step(self.view, NodeEffect::Cordon { node, instance });
            }
            (OnTimeout::Skip | OnTimeout::Force | OnTimeout::Wait | OnTimeout::Stop, _) => {}
        }
        // A pod that was told to go has its grace, however short the patience with those who were not.
        if let Some(until) = self.all_leave_by(node) {
            let why = DrainReason::DrainInGrace {
                node: drain.node.clone(),
                pods: node.leaving_pods,
                until,
            };
            return out.wait(self.view, why, Some(until + AFTER_GRACE));
        }
        match (on_timeout, &drain.node) {
            // A right, a webhook or a policy is no fault of the version that is rolled out.
            (OnTimeout::Stop, _) if is_for_a_person(node) => {
                out.stuck(self.view, self.overdue(id, drain, node), advice(node));
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
    pub(crate) fn overdue(&self, id: &InstanceId, drain: &Drain, node: &Node) -> DrainReason {
        let refused: BTreeSet<&str> = node.refused.iter().map(|r| r.uid.as_str()).collect();
        let silent = |b: &&PodBlock| !refused.contains(b.uid.as_str());
        let held: Vec<&PodBlock> = self.held(node).into_iter().filter(silent).collect();
        let (lingering, more_lingering) = lingering(&node.leaving, self.view.now);
        let drain = OverdueDrain {
            instance: id.clone(),
            node: drain.node.clone(),
            since: drain.since,
            timeout: self.view.task.rolling.drain.timeout,
            refused: refused_pods(&node.refused),
            held: held_pods(&held),
            lingering,
            more_lingering,
            left: node.evictable_pods,
            leaving: node.leaving_pods,
        };
        DrainReason::DrainOverdue {
            drain: Box::new(drain),
        }
    }

    pub(crate) fn skip(
        &self,
        id: &InstanceId,
        drain: &Drain,
        node: &Node,
        out: &mut DecisionBuilder<'_>,
    ) {
        match (&drain.node, drain.cordoned) {
            // How long a person takes is not known: the node works on until then.
            (Some(name), Cordoned::ByUs) => {
                let (node, instance) = (name.clone(), id.clone());
                out.node_step(self.view, NodeEffect::Uncordon { node, instance })
            }
            _ if self.view.group.set_aside.contains(id) => {
                out.stuck(self.view, self.overdue(id, drain, node), advice(node));
            }
            _ => out.records.push(Event::Group(
                self.view.cluster.clone(),
                self.view.task.asg.clone(),
                GroupEvent::SetAside {
                    instance: id.clone(),
                    why: self.overdue(id, drain, node).into(),
                },
            )),
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
            let why = DrainReason::Forces {
                node: name.clone(),
                pods: pods.iter().map(|p| p.pod.clone()).collect(),
            };
            out.wait(self.view, why, Some(self.view.now + ASK_AGAIN));
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
        let others = i64::try_from(self.view.group.outstanding.drains.len()).unwrap_or(i64::MAX);
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
        if !is_let_go_by_budgets(node) && held.is_empty() || self.view.waited(drain.since) > last {
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

/// Whether pods stay that no budget holds and the API has not refused: asked once more, they go.
fn is_let_go_by_budgets(node: &Node) -> bool {
    let staying = node.evictable_pods.saturating_sub(node.leaving_pods);
    usize::try_from(staying).unwrap_or(usize::MAX) > node.blocked.len().max(node.refused.len())
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
fn advice(node: &Node) -> Advice {
    Advice::FreePods {
        refused: node.refused.iter().map(|r| r.answer.kind()).collect(),
        finalizers: node.leaving.iter().any(|pod| !pod.finalizers.is_empty()),
    }
}

/// Names of pods in one reason.
const SHOWN: usize = 3;

/// What the API said to evictions: one pod of each owner and kind of answer, and how many more.
fn refused_pods(refused: &[PodRefusal]) -> Vec<RefusedPods> {
    let mut together: BTreeMap<(RefusalKind, Option<&str>), Vec<&PodRefusal>> = BTreeMap::new();
    for refusal in refused {
        together
            .entry((refusal.answer.kind(), refusal.owner.as_deref()))
            .or_default()
            .push(refusal);
    }
    let one = |of: Vec<&PodRefusal>| {
        let first = (*of.first()?).clone();
        let more = of.len() - 1;
        Some(RefusedPods { first, more })
    };
    together.into_values().filter_map(one).collect()
}

/// Pods that were told to go and are still there when their grace is over, with what holds them; and how many more.
fn lingering(leaving: &[LeavingPod], now: Timestamp) -> (Vec<LingeringPod>, usize) {
    let late: Vec<&LeavingPod> = leaving.iter().filter(|pod| pod.ends_by <= now).collect();
    let pod = |pod: &&LeavingPod| LingeringPod {
        pod: pod.pod.clone(),
        ends_by: pod.ends_by,
        finalizers: pod.finalizers.iter().cloned().collect(),
    };
    let shown = late.iter().take(SHOWN).map(pod).collect();
    (shown, late.len().saturating_sub(SHOWN))
}

/// Pods that are held, those of one owner and one reason together.
fn held_pods(held: &[&PodBlock]) -> Vec<HeldPods> {
    let mut together: BTreeMap<(&Hold, Option<&str>), Vec<&str>> = BTreeMap::new();
    for block in held {
        together
            .entry((&block.hold, block.owner.as_deref()))
            .or_default()
            .push(&block.pod);
    }
    let one = |((hold, owner), pods): ((&Hold, Option<&str>), Vec<&str>)| HeldPods {
        more: pods.len().saturating_sub(SHOWN),
        pods: pods.into_iter().take(SHOWN).map(str::to_owned).collect(),
        owner: owner.map(str::to_owned),
        hold: hold.clone(),
    };
    together.into_iter().map(one).collect()
}
