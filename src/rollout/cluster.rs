//! One cluster's next move: its groups in their order, its gates, its soak; and the same backwards. Never acts.

use std::collections::BTreeSet;

use super::gate::{self, Asked, GateOutcome, NodeView, Readiness};
use super::group::{self, Mode, View};
use super::next::{Budget, Out};
use super::progress::{ClusterProgress, ClusterState, GroupProgress, GroupState, Progress};
use super::{ClusterRun, Event, GroupTask, Rollout, Scope, Verdict, undo};
use crate::kops::Role;
use crate::model::{AsgName, Live, LiveCluster, Timestamp};

/// What every decision of a round depends on.
pub(super) struct Turn<'a> {
    pub(super) rollout: &'a Rollout,
    pub(super) progress: &'a Progress,
    pub(super) live: &'a Live,
    pub(super) now: Timestamp,
}

/// A cluster and everything that is known of it.
struct Sight<'a> {
    run: &'a ClusterRun,
    progress: &'a ClusterProgress,
    live: &'a LiveCluster,
    nodes: NodeView<'a>,
}

impl<'a> Turn<'a> {
    /// None, and a reason to wait, while the live state of the cluster has a gap.
    fn sight(&self, run: &'a ClusterRun, out: &mut Out<'_>) -> Option<Sight<'a>> {
        let progress = self.progress.clusters.get(&run.cluster)?;
        let Some(live) = self.live.clusters.get(&run.cluster) else {
            out.wait_cluster(&run.cluster, "its live state was not read".into(), None);
            return None;
        };
        if let Some(gap) = live.gaps.first() {
            out.wait_cluster(&run.cluster, format!("{} could not be read: {}", gap.what, gap.why), None);
            return None;
        }
        Some(Sight { run, progress, live, nodes: NodeView::new(&live.nodes) })
    }
}

/// A cluster's turn has come. One that changes nothing, and was verified so, takes the release at once and keeps its soak.
pub(super) fn start(run: &ClusterRun, out: &mut Out<'_>) {
    let cluster = run.cluster.clone();
    out.records.push(match run.since {
        Some(since) if run.groups.is_empty() => Event::ClusterVerified { cluster, since, evidence: vec!["nothing changes here".into()] },
        Some(_) | None => Event::ClusterStarted { cluster },
    });
}

pub(super) fn forward(turn: &Turn<'_>, run: &ClusterRun, out: &mut Out<'_>) {
    let Some(sight) = turn.sight(run, out) else { return };
    match sight.progress.state {
        ClusterState::Rolling => {
            let (control_plane, rest): (Vec<_>, Vec<_>) = run.groups.iter().partition(|g| g.role == Role::ControlPlane);
            let waiting = one_at_a_time(turn, &sight, control_plane.into_iter(), Mode::Forward, out);
            if !waiting && !side_by_side(turn, &sight, rest.into_iter(), Mode::Forward, out) {
                out.records.push(Event::ClusterRolled { cluster: run.cluster.clone() });
            }
        }
        ClusterState::Checking(since) => check(turn, &sight, since, out),
        ClusterState::Waiting | ClusterState::Verified(_) | ClusterState::Restored => {}
    }
}

pub(super) fn back(turn: &Turn<'_>, run: &ClusterRun, out: &mut Out<'_>) {
    let Some(sight) = turn.sight(run, out) else { return };
    let undone: Vec<GroupTask> = run.groups.iter().rev().filter_map(|g| Some(undo::undo(g, sight.progress.groups.get(&g.asg)?))).collect();
    let (control_plane, rest): (Vec<_>, Vec<_>) = undone.iter().partition(|g| g.role == Role::ControlPlane);
    let waiting = side_by_side(turn, &sight, rest.into_iter(), Mode::Undo, out);
    if !waiting && !one_at_a_time(turn, &sight, control_plane.into_iter(), Mode::Undo, out) {
        out.records.push(Event::ClusterRestored { cluster: run.cluster.clone() });
    }
}

pub(super) fn heal(turn: &Turn<'_>, run: &ClusterRun, out: &mut Out<'_>) {
    let Some(sight) = turn.sight(run, out) else { return };
    side_by_side(turn, &sight, run.groups.iter(), Mode::Heal, out);
}

/// A verified cluster while it soaks: a failing gate breaks the soak. "Wait" does not: the autoscaler is at work all the time.
pub(super) fn watch(turn: &Turn<'_>, run: &ClusterRun, out: &mut Out<'_>) {
    let Some(sight) = turn.sight(run, out) else { return };
    let verdict = gate::kubernetes(sight.live, run.roles.keys(), run.rolling.ready_timeout, turn.now);
    let needs_nodes = turn.rollout.gates.iter().any(|g| matches!(g.kind, crate::fleet::GateKind::Kubernetes));
    if let (Verdict::Fail(why), true) = (verdict, needs_nodes) {
        out.records.push(Event::SoakBroken { cluster: run.cluster.clone(), why });
    }
}

/// The first unfinished group only, and only while the other groups of the control plane are healthy. Whether any is unfinished.
fn one_at_a_time<'t>(turn: &Turn<'_>, sight: &Sight<'_>, tasks: impl Iterator<Item = &'t GroupTask>, mode: Mode, out: &mut Out<'_>) -> bool {
    let open = |task: &GroupTask| sight.progress.groups.get(&task.asg).is_some_and(|g| g.state != GroupState::Done);
    let Some(task) = tasks.into_iter().find(|task| open(task)) else { return false };
    let Some(group) = sight.progress.groups.get(&task.asg) else { return false };
    // A drain that has begun goes on: stopping half-way helps nobody.
    if let Some(sick) = sick_control_plane(sight, &task.asg).filter(|_| group.drains.is_empty()) {
        out.wait_cluster(&sight.run.cluster, format!("the control plane is not whole: {sick}"), None);
        return true;
    }
    let mut budget = budget(turn, sight);
    group::turn(&view(turn, sight, task, group, mode), &mut budget, out);
    true
}

/// All groups, in the cluster's budgets. Whether any is unfinished.
fn side_by_side<'t>(turn: &Turn<'_>, sight: &Sight<'_>, tasks: impl Iterator<Item = &'t GroupTask>, mode: Mode, out: &mut Out<'_>) -> bool {
    let mut budget = budget(turn, sight);
    let mut unfinished = false;
    for task in tasks {
        if let Some(group) = sight.progress.groups.get(&task.asg).filter(|g| g.state != GroupState::Done) {
            unfinished = true;
            group::turn(&view(turn, sight, task, group, mode), &mut budget, out);
        }
    }
    unfinished
}

fn view<'a>(turn: &Turn<'a>, sight: &'a Sight<'a>, task: &'a GroupTask, group: &'a GroupProgress, mode: Mode) -> View<'a> {
    View {
        rollout: turn.rollout,
        cluster: &sight.run.cluster,
        task,
        group,
        progress: sight.progress,
        live_cluster: sight.live,
        live: sight.live.groups.get(&task.asg),
        nodes: &sight.nodes,
        now: turn.now,
        mode,
    }
}

/// A control-plane group other than `except` that is there and does not work.
fn sick_control_plane(sight: &Sight<'_>, except: &AsgName) -> Option<String> {
    let others = sight.run.roles.iter().filter(|(name, role)| **role == Role::ControlPlane && *name != except);
    others.filter_map(|(name, _)| Some((name, sight.live.groups.get(name)?))).find_map(|(name, group)| {
        let ready = group.instances.iter().filter(|(id, i)| sight.nodes.readiness(id, i) == Readiness::Ready).count();
        let wanted = usize::try_from(group.desired).unwrap_or(usize::MAX);
        (ready < wanted).then(|| format!("{name} has {ready} of {wanted} Ready"))
    })
}

fn budget(turn: &Turn<'_>, sight: &Sight<'_>) -> Budget {
    let rolling = &sight.run.rolling;
    let groups = sight.progress.groups.values();
    let used: u32 = groups.clone().map(|g| g.surge + u32::try_from(g.detached.len()).unwrap_or(u32::MAX)).sum();
    let draining = groups.map(|g| g.drains.len()).sum::<usize>();
    let recent: Vec<Timestamp> = sight.progress.disruptions.iter().copied().filter(|at| *at + rolling.rate.per > turn.now).collect();
    let disrupted = u32::try_from(draining + recent.len()).unwrap_or(u32::MAX);
    Budget {
        surge: rolling.cluster_surge.saturating_sub(used),
        rate: rolling.rate.instances.saturating_sub(disrupted),
        rate_back: recent.first().map(|at| *at + rolling.rate.per),
    }
}

/// The gates over the whole cluster, once its groups are done.
fn check(turn: &Turn<'_>, sight: &Sight<'_>, since: Timestamp, out: &mut Out<'_>) {
    let retired: BTreeSet<&AsgName> = sight.run.groups.iter().filter(|g| matches!(g.task, super::Task::Retire { .. })).map(|g| &g.asg).collect();
    let asked = Asked {
        gates: &turn.rollout.gates,
        cluster: &sight.run.cluster,
        progress: sight.progress,
        live: sight.live,
        now: turn.now,
        scope: Scope::Cluster,
        groups: sight.run.roles.keys().filter(|name| !retired.contains(name)).collect(),
        since,
        deadline_from: since,
        patience: sight.run.rolling.ready_timeout,
    };
    match gate::all(&asked, out) {
        GateOutcome::Pass(evidence) => out.records.push(Event::ClusterVerified { cluster: sight.run.cluster.clone(), since: turn.now, evidence }),
        GateOutcome::Wait(why) => out.wait_cluster(&sight.run.cluster, why, None),
        GateOutcome::Fail(why) => out.fail(&sight.run.cluster, None, why),
    }
}
