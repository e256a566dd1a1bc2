//! What will stand in the way of drains, from what the Kubernetes API shows beforehand. Makes no calls.

use std::collections::{BTreeMap, BTreeSet};

use super::{DrainBlocker, LaunchBlocker};
use crate::model::{
    ActivityStatus, Eviction, Foretold, Hold, InstanceId, LiveGroup, NodeName, PodBlock, Seen,
};

/// Why no replacement can come into a group now, as far as AWS shows it.
pub fn launch_blockers(live: &LiveGroup) -> Vec<LaunchBlocker> {
    let suspended = live
        .suspended
        .contains("Launch")
        .then_some(LaunchBlocker::LaunchSuspended);
    let last = live
        .activities
        .iter()
        .rev()
        .find(|a| a.status != ActivityStatus::InProgress);
    let refused = last
        .filter(|a| {
            matches!(
                a.status,
                ActivityStatus::NoCapacity | ActivityStatus::Failed
            )
        })
        .map(|a| LaunchBlocker::LaunchRefused {
            at: a.at,
            message: a.message.clone(),
        });
    suspended.into_iter().chain(refused).collect()
}

/// What will stand in the way of draining these instances: everything at once, sorted.
pub fn drain_blockers(
    seen: &Seen,
    instances: &BTreeSet<&InstanceId>,
    policy: Eviction,
) -> BTreeSet<DrainBlocker> {
    let nodes = || {
        let all = seen.nodes.iter();
        all.filter(|(_, n)| instances.contains(&n.instance))
    };
    let blocks = nodes().flat_map(|(name, node)| node.blocked.iter().map(move |b| (name, b)));
    let blocks: Vec<(&NodeName, &PodBlock)> =
        blocks.filter(|(_, b)| policy.holds(&b.hold)).collect();
    let mut found: BTreeSet<DrainBlocker> = blocks
        .iter()
        .filter_map(|(node, block)| of_pod(node, block))
        .collect();
    found.extend(budgets(blocks.iter().map(|(_, block)| *block)));
    let drained: BTreeSet<&NodeName> = nodes().map(|(name, _)| name).collect();
    found.extend(foretold(seen, &drained));
    found.extend(seen.denied.iter().map(|right| DrainBlocker::NoRight {
        right: right.clone(),
    }));
    found
}

/// What the API would answer to an eviction from these nodes.
fn foretold(seen: &Seen, drained: &BTreeSet<&NodeName>) -> Vec<DrainBlocker> {
    let here = |f: &&Foretold| f.nodes.iter().any(|n| drained.contains(n));
    let blockers = seen.foretold.iter().filter(here).map(|f| {
        let of = f.of.clone();
        match f.answer.clone() {
            Some(answer) => DrainBlocker::Refused { of, answer },
            None => DrainBlocker::Unanswered { of },
        }
    });
    blockers.collect()
}

/// What one pod says by itself: the pods that one budget holds are counted together.
fn of_pod(node: &NodeName, block: &PodBlock) -> Option<DrainBlocker> {
    let (node, pod) = (node.clone(), block.pod.clone());
    match &block.hold {
        Hold::Budget(_) => None,
        Hold::UnprocessedBudget(budget) => Some(DrainBlocker::UnprocessedBudget {
            budget: budget.clone(),
        }),
        Hold::ManyBudgets(budgets) => Some(DrainBlocker::ManyBudgets {
            of: block.owner.clone().unwrap_or(pod),
            budgets: budgets.clone(),
        }),
        Hold::NoController => Some(DrainBlocker::NoController { node, pod }),
        Hold::EmptyDir => Some(DrainBlocker::EmptyDir { node, pod }),
    }
}

fn budgets<'b>(blocks: impl Iterator<Item = &'b PodBlock>) -> impl Iterator<Item = DrainBlocker> {
    let mut held: BTreeMap<String, (usize, BTreeSet<String>)> = BTreeMap::new();
    for block in blocks {
        if let Hold::Budget(budget) = &block.hold {
            let (pods, owners) = held.entry(budget.clone()).or_default();
            *pods += 1;
            owners.extend(block.owner.clone());
        }
    }
    held.into_iter()
        .map(|(budget, (pods, owners))| DrainBlocker::Budget {
            budget,
            pods,
            owners,
        })
}
