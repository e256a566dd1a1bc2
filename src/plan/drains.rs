//! What will stand in the way of drains, from what the Kubernetes API shows beforehand. Asks nobody.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    ActivityStatus, AsgName, Eviction, Hold, InstanceId, LiveGroup, NodeName, Seen,
};

/// Why no replacement can come into a group now, as far as AWS shows it.
pub fn launch_blockers(name: &AsgName, live: &LiveGroup) -> Vec<String> {
    let suspended = live
        .suspended
        .contains("Launch")
        .then(|| format!("{name}: no replacement can launch: its process Launch is suspended"));
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
        .map(|a| {
            format!(
                "{name}: the last launch was refused at {}: {}",
                a.at, a.message
            )
        });
    suspended.into_iter().chain(refused).collect()
}

/// What will stand in the way of draining these instances: everything at once, sorted.
pub fn drain_blockers(
    seen: &Seen,
    instances: &BTreeSet<&InstanceId>,
    policy: Eviction,
) -> Vec<String> {
    let mut budgets: BTreeMap<&str, (usize, BTreeSet<&str>)> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for (name, node) in seen
        .nodes
        .iter()
        .filter(|(_, n)| instances.contains(&n.instance))
    {
        for block in node.blocked.iter().filter(|b| policy.holds(&b.hold)) {
            match &block.hold {
                Hold::Budget(budget) => {
                    let (pods, owners) = budgets.entry(budget).or_default();
                    *pods += 1;
                    owners.extend(block.owner.as_deref());
                }
                Hold::UnprocessedBudget(budget) => drop(found.insert(format!(
                    "nobody has processed the newest form of disruption budget {budget}: until then it allows nothing"
                ))),
                Hold::ManyBudgets(_) => {
                    let of = block.owner.as_ref().unwrap_or(&block.pod);
                    found.insert(format!("pods of {of} are held by {}", block.hold));
                }
                Hold::NoController => drop(found.insert(format!(
                    "{name}: {} is kept: nobody would make it anew",
                    block.pod
                ))),
                Hold::EmptyDir => drop(found.insert(format!(
                    "{name}: {} is kept: it has data in an emptyDir",
                    block.pod
                ))),
            }
        }
    }
    let drained = |name: &NodeName| {
        let node = seen.nodes.get(name);
        node.is_some_and(|n| instances.contains(&n.instance))
    };
    let foretold = seen.foretold.iter().filter(|f| f.nodes.iter().any(drained));
    found.extend(foretold.map(|f| match &f.answer {
        Some(answer) => {
            let advice = answer.kind().advice();
            format!("pods of {} may not be evicted: {answer}: {advice}", f.of)
        }
        None => format!(
            "whether pods of {} may be evicted is not known: the API did not say so in time",
            f.of
        ),
    }));
    found.extend(
        seen.denied
            .iter()
            .map(|what| format!("the caller may not {what}")),
    );
    found.extend(budgets.into_iter().map(|(budget, (pods, owners))| {
        let of = owners.into_iter().collect::<Vec<_>>().join(", ");
        let of = if of.is_empty() {
            of
        } else {
            format!(" (of {of})")
        };
        format!(
            "disruption budget {budget} allows no disruption now: it holds {pods} {}{of}",
            if pods == 1 { "pod" } else { "pods" }
        )
    }));
    found.into_iter().collect()
}
