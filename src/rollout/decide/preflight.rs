//! Before the first change of a cluster: which cluster it is, what it is like now, and what will stand in the way of its drains, all at once.

use std::collections::{BTreeMap, BTreeSet};

use super::validate::{self, Failure, Limits};
use crate::fleet::Preflight;
use crate::model::{InstanceId, LeavingPod, Nodes, Seen, Timestamp};
use crate::plan::{drain_blockers, launch_blockers};
use crate::rollout::event::Event;
use crate::rollout::round::{
    ClusterContext, DecisionBuilder, RoundContext, outdated, present, staying,
};
use crate::rollout::schedule::{GroupTask, Task};

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
            out.wait_cluster(&sight.run.cluster, why.to_string(), None);
            false
        }
        // Neither its uid nor one of its nodes says that this is the cluster: whatever has no node would be ended undrained.
        Nodes::Known(seen) if seen.nodes.is_empty() && !drained.is_empty() => {
            no_node(round, sight, out);
            false
        }
        Nodes::Known(seen) => {
            let begun = !untouched(sight);
            if let Some(why) = no_way_back(sight).filter(|_| !begun) {
                let advice =
                    "make the plan anew; where it cannot, pin the group to a version that exists";
                out.stuck_cluster(&sight.run.cluster, why, advice);
                return false;
            }
            let policy = sight.run.rolling.drain;
            let mut findings = launches(sight);
            let failing = already(round, sight, seen, &mut findings);
            if !drained.is_empty() {
                findings.extend(drain_blockers(seen, &drained, policy.eviction));
            }
            // A journal of an earlier version may be in the middle of it: there is no stopping before it begins.
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
            let unready_of = validate::unready(&seen.unready, round.now);
            out.records.push(Event::Preflight {
                cluster,
                uid,
                unready: unready_of.values().sum(),
                unready_of,
                failing,
                findings,
            });
            false
        }
    }
}

/// Waited for as long as an instance may take to become a node; then a person has to see where the context leads.
fn no_node(round: &RoundContext<'_>, sight: &ClusterContext<'_>, out: &mut DecisionBuilder<'_>) {
    let why = "the Kubernetes API has not one node, so it is not known to be this cluster's";
    let waited = round.now.since(sight.progress.moved_at);
    if waited > sight.run.rolling.ready_timeout && untouched(sight) {
        let why = format!("nothing was touched: {why}");
        let advice =
            "see to which cluster the kubeconfig's context leads, then `kfleet rollout resume`";
        out.stuck_cluster(&sight.run.cluster, why, advice);
    } else {
        out.wait_cluster(&sight.run.cluster, why.into(), None);
    }
}

fn untouched(sight: &ClusterContext<'_>) -> bool {
    !sight.progress.groups.values().any(|g| g.touched)
}

/// What a gate would refuse already now, named among the findings: how often for each node, or owner of pods. Source: kops validates first.
fn already(
    round: &RoundContext<'_>,
    sight: &ClusterContext<'_>,
    seen: &Seen,
    findings: &mut Vec<String>,
) -> BTreeMap<String, u32> {
    let limits = Limits {
        roles: &sight.run.roles,
        groups: &staying(sight.run).collect(),
    };
    let patience = sight.run.rolling.ready_timeout;
    let dead = seen.nodes.values().filter(|n| n.silent_since.is_some());
    let dead: BTreeSet<&str> = dead.map(|n| n.instance.as_str()).collect();
    let instances = sight.live.groups.values().flat_map(|g| g.instances.keys());
    let instances: BTreeSet<&str> = instances.map(InstanceId::as_str).collect();
    // An instance may only be about to start; a pod that starts has less time.
    let late = |f: &Failure| {
        let subject = f.subject.as_deref().unwrap_or_default();
        let patience = if instances.contains(subject) {
            patience
        } else {
            validate::START
        };
        dead.contains(subject) || f.since.is_some_and(|s| round.now.since(s) > patience)
    };
    let mut failing: BTreeMap<String, u32> = BTreeMap::new();
    for failure in validate::failures(sight.live, seen, limits) {
        if let Some(subject) = failure.subject.clone().filter(|_| late(&failure)) {
            *failing.entry(subject).or_default() += 1;
            findings.push(format!("not well already now: {}", failure.what));
        }
    }
    for (name, node) in &seen.nodes {
        let said = node.leaving.iter().map(|pod| leaving(pod, round.now));
        findings.extend(said);
        if let Some((other, _)) = sight
            .nodes
            .of(&node.instance)
            .filter(|(its, _)| *its != name)
        {
            let instance = &node.instance;
            findings.push(format!(
                "nodes {other} and {name} both say that they are {instance}: {name} is not counted"
            ));
        }
    }
    failing
}

fn leaving(pod: &LeavingPod, now: Timestamp) -> String {
    let by = if pod.finalizers.is_empty() {
        String::new()
    } else {
        let names: Vec<&str> = pod.finalizers.iter().map(String::as_str).collect();
        format!(", finalizers: {}", names.join(", "))
    };
    let when = if pod.ends_by > now {
        "has its grace"
    } else {
        "was to be gone"
    };
    format!(
        "{} is on its way out already, {when} until {}{by}",
        pod.pod, pod.ends_by
    )
}

/// A group whose launch template version is gone, to which a rollback would take it.
fn no_way_back(sight: &ClusterContext<'_>) -> Option<String> {
    let lacks = |task: &GroupTask| match &task.task {
        Task::Update { from_version, .. } if *from_version > 0 => {
            let live = sight.live.groups.get(&task.asg)?;
            (!live.versions.contains_key(from_version)).then_some(*from_version)
        }
        Task::Update { .. } | Task::Create { .. } | Task::Retire { .. } => None,
    };
    let found = sight.run.groups.iter();
    found
        .filter_map(|task| Some((&task.asg, lacks(task)?)))
        .map(|(asg, version)| {
            format!(
                "nothing was touched; version {version} of the launch template of {asg}, to which a rollback would go, is gone"
            )
        })
        .next()
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
    // A bastion never becomes a node.
    for task in sight.run.groups.iter().filter(|t| t.role.rules().is_node) {
        let Some(live) = sight.live.groups.get(&task.asg) else {
            continue;
        };
        match &task.task {
            Task::Update {
                to, replace: true, ..
            } => {
                let outdated = outdated(live, to, task.rolling.standby);
                drained.extend(live.instances.keys().filter(|id| outdated.contains(*id)));
            }
            Task::Retire { .. } => drained.extend(present(live).map(|(id, _)| id)),
            Task::Update { replace: false, .. } | Task::Create { .. } => {}
        }
    }
    drained
}
