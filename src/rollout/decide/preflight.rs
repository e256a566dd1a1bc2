//! Before the first change of a cluster: which cluster it is, what it is like now, and what will stand in the way of its drains, all at once.

use std::collections::BTreeSet;

use super::validate;
use crate::fleet::Preflight;
use crate::model::{InstanceId, Nodes};
use crate::plan::{drain_blockers, launch_blockers};
use crate::rollout::event::Event;
use crate::rollout::round::{ClusterContext, DecisionBuilder, RoundContext, outdated, present};
use crate::rollout::schedule::Task;

/// Whether the cluster was looked at, or need not be. Nothing is touched that would have to be drained blindly.
pub(crate) fn done(
    round: &RoundContext<'_>,
    sight: &ClusterContext<'_>,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    if sight.progress.before.is_some() {
        return true;
    }
    let drained = drained(sight);
    match &sight.live.nodes {
        Nodes::NotAsked => true,
        Nodes::Unknown(_) if drained.is_empty() => true,
        Nodes::Unknown(why) => {
            out.wait_cluster(
                &sight.run.cluster,
                format!("the Kubernetes API does not answer: {why}"),
                None,
            );
            false
        }
        Nodes::Known(seen) => {
            let policy = sight.run.rolling.drain;
            let mut findings = launches(sight);
            if !drained.is_empty() {
                findings.extend(drain_blockers(seen, &drained, policy.eviction));
            }
            // A journal of an earlier version may be in the middle of it: there is no stopping before it begins.
            let begun = sight.progress.groups.values().any(|g| g.touched);
            let stops = policy.preflight == Preflight::Stop || !seen.denied.is_empty();
            if !findings.is_empty() && stops && !begun {
                let why = format!(
                    "nothing was touched; in the way of drains: {}",
                    findings.join("; ")
                );
                let advice = "put it right (rights of the caller, replicas, budgets), then `kfleet rollout resume`; or `kfleet rollout abort`";
                out.stuck_cluster(&sight.run.cluster, why, advice);
                return false;
            }
            let (cluster, uid) = (sight.run.cluster.clone(), seen.uid.clone());
            out.records.push(Event::Preflight {
                cluster,
                uid,
                unready: validate::unready(seen, round.now),
                findings,
            });
            false
        }
    }
}

/// Groups whose replacements cannot launch.
fn launches(sight: &ClusterContext<'_>) -> Vec<String> {
    let replaced = sight
        .run
        .groups
        .iter()
        .filter(|t| matches!(t.task, Task::Update { replace: true, .. }));
    replaced
        .filter_map(|t| Some(launch_blockers(&t.asg, sight.live.groups.get(&t.asg)?)))
        .flatten()
        .collect()
}

/// Instances that the rollout drains, as far as they are there now.
fn drained<'a>(sight: &ClusterContext<'a>) -> BTreeSet<&'a InstanceId> {
    let mut drained = BTreeSet::new();
    for task in &sight.run.groups {
        let Some(live) = sight.live.groups.get(&task.asg) else {
            continue;
        };
        match &task.task {
            Task::Update {
                to, replace: true, ..
            } => {
                let outdated = outdated(live, to);
                drained.extend(live.instances.keys().filter(|id| outdated.contains(*id)));
            }
            Task::Retire { .. } => drained.extend(present(live).map(|(id, _)| id)),
            Task::Update { replace: false, .. } | Task::Create { .. } => {}
        }
    }
    drained
}
