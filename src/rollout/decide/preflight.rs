//! Before the first change of a cluster: which cluster it is, what it is like now, and what will stand in the way of its drains, all at once.

use std::collections::{BTreeMap, BTreeSet};

use super::validate::{self, HealthFailure, Limits};
use crate::fleet::Preflight;
use crate::model::{InstanceId, LeavingPod, Nodes, Seen, Timestamp};
use crate::plan::{drain_blockers, launch_blockers};
use crate::rollout::event::{ClusterEvent, Event};
use crate::rollout::reason::{Advice, PreflightFinding, Reason, VersionOf, VersionReason, unseen};
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
            out.wait_cluster(&sight.run.cluster, unseen(why), None);
            false
        }
        // Neither its uid nor one of its nodes says that this is the cluster: whatever has no node would be ended undrained.
        Nodes::Known(seen) if seen.nodes.is_empty() && !drained.is_empty() => {
            no_node(round, sight, out);
            false
        }
        Nodes::Known(seen) => {
            let begun = !untouched(sight);
            if let Some(version) = no_way_back(sight).filter(|_| !begun) {
                let why = VersionReason::NoWayBack { version };
                out.stuck_cluster(&sight.run.cluster, why, Advice::PlanAnew);
                return false;
            }
            let policy = sight.run.rolling.drain;
            let mut findings = launches(sight);
            let failing = already(round, sight, seen, &mut findings);
            if !drained.is_empty() {
                let drains = drain_blockers(seen, &drained, policy.eviction).into_iter();
                findings.extend(drains.map(|blocker| PreflightFinding::Drain { blocker }));
            }
            // A journal of an earlier version may be in the middle of it: there is no stopping before it begins.
            let stops = policy.preflight == Preflight::Stop || !seen.denied.is_empty();
            if !findings.is_empty() && stops && !begun {
                let why = Reason::InTheWay { findings };
                out.stuck_cluster(&sight.run.cluster, why, Advice::ClearTheWay);
                return false;
            }
            let (cluster, uid) = (sight.run.cluster.clone(), seen.uid.clone());
            let unready_of = validate::unready(&seen.unready, round.now);
            out.records.push(Event::Cluster(
                cluster,
                ClusterEvent::Preflight {
                    uid,
                    unready: unready_of.values().sum(),
                    unready_of,
                    failing,
                    findings,
                },
            ));
            false
        }
    }
}

/// Waited for as long as an instance may take to become a node; then a person has to see where the context leads.
fn no_node(round: &RoundContext<'_>, sight: &ClusterContext<'_>, out: &mut DecisionBuilder<'_>) {
    let waited = round.now.since(sight.progress.moved_at);
    if waited > sight.run.rolling.ready_timeout && untouched(sight) {
        out.stuck_cluster(
            &sight.run.cluster,
            Reason::NoNodes { untouched: true },
            Advice::CheckContext,
        );
    } else {
        out.wait_cluster(
            &sight.run.cluster,
            Reason::NoNodes { untouched: false },
            None,
        );
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
    findings: &mut Vec<PreflightFinding>,
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
    let late = |f: &HealthFailure| {
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
            let symptom = failure.symptom;
            findings.push(PreflightFinding::NotWell { symptom });
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
            findings.push(PreflightFinding::TwoNodes {
                instance: node.instance.clone(),
                counts: other.clone(),
                other: name.clone(),
            });
        }
    }
    failing
}

fn leaving(pod: &LeavingPod, now: Timestamp) -> PreflightFinding {
    PreflightFinding::Leaving {
        pod: pod.pod.clone(),
        ends_by: pod.ends_by,
        in_grace: pod.ends_by > now,
        finalizers: pod.finalizers.iter().cloned().collect(),
    }
}

/// A group whose launch template version is gone, to which a rollback would take it.
fn no_way_back(sight: &ClusterContext<'_>) -> Option<VersionOf> {
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
        .map(|(asg, version)| VersionOf {
            group: asg.clone(),
            version,
        })
        .next()
}

/// Groups whose replacements cannot launch.
fn launches(sight: &ClusterContext<'_>) -> Vec<PreflightFinding> {
    let replaced = sight
        .run
        .groups
        .iter()
        .filter(|t| matches!(t.task, Task::Update { replace: true, .. }));
    replaced
        .filter_map(|t| Some((&t.asg, launch_blockers(sight.live.groups.get(&t.asg)?))))
        .flat_map(|(group, found)| {
            let launch = |blocker| PreflightFinding::Launch {
                group: group.clone(),
                blocker,
            };
            found.into_iter().map(launch).collect::<Vec<_>>()
        })
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
