//! One cluster's next move: its groups in their order, its gates, its soak; and the same backwards. Never acts.

use std::collections::BTreeSet;

use super::gate::{self, Asked, GateOutcome, NodeView, NodesAsked, Readiness};
use super::group::{self, Mode, View};
use super::next::{Budget, Mark, Out};
use super::progress::{ClusterProgress, ClusterState, GroupProgress, GroupState, Intent, Progress};
use super::validate::Limits;
use super::{
    ClusterRun, Event, GroupTask, Rollout, Scope, Task, Verdict, preflight, prune, replace, twin,
    undo,
};
use crate::kops::Role;
use crate::model::{AsgName, CloudEffect, Effect, Live, LiveCluster, Nodes, Span, Timestamp};

/// What every decision of a round depends on.
pub(super) struct Turn<'a> {
    pub(super) rollout: &'a Rollout,
    pub(super) progress: &'a Progress,
    pub(super) live: &'a Live,
    pub(super) now: Timestamp,
}

/// A cluster and everything that is known of it.
pub(super) struct Sight<'a> {
    pub(super) run: &'a ClusterRun,
    pub(super) progress: &'a ClusterProgress,
    pub(super) live: &'a LiveCluster,
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
            out.wait_cluster(
                &run.cluster,
                format!("{} could not be read: {}", gap.what, gap.why),
                None,
            );
            return None;
        }
        Some(Sight {
            run,
            progress,
            live,
            nodes: NodeView::new(&live.nodes),
        })
    }
}

/// A cluster's turn has come. One that changes nothing, and was verified so, takes the release at once and keeps its soak.
pub(super) fn start(run: &ClusterRun, out: &mut Out<'_>) {
    let cluster = run.cluster.clone();
    out.records.push(match run.since {
        Some(since) if run.groups.is_empty() => Event::ClusterVerified {
            cluster,
            since,
            evidence: vec!["nothing changes here".into()],
        },
        Some(_) | None => Event::ClusterStarted { cluster },
    });
}

pub(super) fn forward(turn: &Turn<'_>, run: &ClusterRun, out: &mut Out<'_>) {
    let mark = out.mark();
    if let Some(sight) = turn.sight(run, out) {
        match sight.progress.state {
            ClusterState::Rolling if !preflight::done(turn, &sight, out) => {}
            ClusterState::Rolling => {
                if !phases(&run.groups)
                    .any(|phase| phase.turn(turn, &sight, &run.groups, Mode::Forward, out))
                {
                    out.records.push(Event::ClusterRolled {
                        cluster: run.cluster.clone(),
                    });
                }
            }
            ClusterState::Checking(since) => check(turn, &sight, since, out),
            ClusterState::Waiting | ClusterState::Verified(_) | ClusterState::Restored => {}
        }
    }
    patience(turn, run, &mark, Mode::Forward, out);
}

pub(super) fn back(turn: &Turn<'_>, run: &ClusterRun, out: &mut Out<'_>) {
    let mark = out.mark();
    if let Some(sight) = turn.sight(run, out) {
        let undone: Vec<GroupTask> = run
            .groups
            .iter()
            .filter_map(|g| Some(undo::undo(g, sight.progress.groups.get(&g.asg)?)))
            .collect();
        let phases: Vec<Phase> = phases(&run.groups).collect();
        if !phases
            .iter()
            .rev()
            .any(|phase| phase.turn(turn, &sight, &undone, Mode::Undo, out))
        {
            out.records.push(Event::ClusterRestored {
                cluster: run.cluster.clone(),
            });
        }
    }
    patience(turn, run, &mark, Mode::Undo, out);
}

pub(super) fn heal(turn: &Turn<'_>, run: &ClusterRun, out: &mut Out<'_>) {
    let mark = out.mark();
    if let Some(sight) = turn.sight(run, out) {
        side_by_side(turn, &sight, run.groups.iter(), Mode::Heal, out);
    }
    patience(turn, run, &mark, Mode::Heal, out);
}

/// A verified cluster until `until`, the end of its soak: a failing gate breaks it. "Wait" does not: the autoscaler is at
/// work all the time. Whether the cluster can be seen: without eyes nothing passes.
pub(super) fn watch(
    turn: &Turn<'_>,
    run: &ClusterRun,
    until: Timestamp,
    out: &mut Out<'_>,
) -> bool {
    let mark = out.mark();
    let seen = turn.sight(run, out).is_some_and(|sight| {
        let verdict = gate::kubernetes(&NodesAsked {
            live: sight.live,
            limits: Limits {
                roles: &run.roles,
                groups: &staying(run).collect(),
            },
            since: Timestamp::from_millis(0),
            patience: run.rolling.ready_timeout,
            now: turn.now,
            before: sight.progress.before.as_ref(),
        });
        let needs_nodes = turn
            .rollout
            .gates
            .iter()
            .any(|g| matches!(g.kind, crate::fleet::GateKind::Kubernetes));
        match verdict {
            Verdict::Fail(why) if needs_nodes => broken(&sight, why, out),
            Verdict::Fail(_) | Verdict::Wait(_) | Verdict::Pass(_) => {}
        }
        match sight.nodes.unknown().filter(|_| needs_nodes) {
            None => true,
            Some(why) => {
                out.wait_cluster(
                    &run.cluster,
                    format!("the Kubernetes API does not answer: {why}"),
                    None,
                );
                false
            }
        }
    });
    if turn.now > until {
        patience(turn, run, &mark, Mode::Forward, out);
    }
    seen
}

/// A soak that is broken again and again proves that the release does not hold.
fn broken(sight: &Sight<'_>, why: String, out: &mut Out<'_>) {
    const MAX_BREAKS: u32 = 3;
    let cluster = sight.run.cluster.clone();
    match sight.progress.breaks {
        n if n >= MAX_BREAKS => out.fail(
            &cluster,
            None,
            format!("its soak was broken {n} times, and now again: {why}"),
        ),
        _ => out.records.push(Event::SoakBroken { cluster, why }),
    }
}

/// Every wait ends: where nothing moves for twice the time that an instance may take, and nothing is due at a known time,
/// the way forward has failed, and every other way needs a person. So does a cluster that cannot be seen.
fn patience(turn: &Turn<'_>, run: &ClusterRun, mark: &Mark, mode: Mode, out: &mut Out<'_>) {
    let Some(progress) = turn.progress.clusters.get(&run.cluster) else {
        return;
    };
    let Some(why) = out.only_waits(mark, turn.now) else {
        return;
    };
    let each = run
        .groups
        .iter()
        .map(|g| g.rolling.ready_timeout)
        .fold(run.rolling.ready_timeout, Span::max);
    let still = turn.now.since(progress.moved_at);
    if still <= Span::from_millis(each.millis().saturating_mul(2)) {
        return;
    }
    let why = format!("nothing has moved for {still}: {why}");
    let live = turn
        .live
        .clusters
        .get(&run.cluster)
        .filter(|live| live.gaps.is_empty());
    let seen = live.is_some_and(|live| !matches!(live.nodes, Nodes::Unknown(_)));
    match mode {
        Mode::Forward if seen => out.fail(&run.cluster, None, why),
        Mode::Undo | Mode::Heal if seen => out.stuck_cluster(
            &run.cluster,
            why,
            "put it right by hand, then `kfleet rollout resume`",
        ),
        Mode::Forward | Mode::Undo | Mode::Heal => {
            out.stuck_cluster(
                &run.cluster,
                why,
                "see that the cloud and the Kubernetes API answer, then `kfleet rollout resume`",
            );
        }
    }
}

/// Groups that go through their change together.
struct Phase {
    /// Their places among the groups of the cluster.
    groups: Vec<usize>,
    /// One after the other, and only while the rest of the control plane is healthy.
    one_at_a_time: bool,
}

/// In order: the control plane (kubelets may not be newer than their API server), the rest, and what is retired only when
/// everything that takes its place is there.
fn phases(groups: &[GroupTask]) -> impl Iterator<Item = Phase> {
    let of = move |retired: bool, one_at_a_time: bool| {
        let mine = |g: &GroupTask| {
            matches!(g.task, Task::Retire { .. }) == retired
                && (g.role == Role::ControlPlane) == one_at_a_time
        };
        Phase {
            groups: groups
                .iter()
                .enumerate()
                .filter(|(_, g)| mine(g))
                .map(|(n, _)| n)
                .collect(),
            one_at_a_time,
        }
    };
    [
        of(false, true),
        of(false, false),
        of(true, false),
        of(true, true),
    ]
    .into_iter()
}

impl Phase {
    /// Whether anything of it is unfinished.
    fn turn(
        &self,
        turn: &Turn<'_>,
        sight: &Sight<'_>,
        tasks: &[GroupTask],
        mode: Mode,
        out: &mut Out<'_>,
    ) -> bool {
        let mine = self.groups.iter().filter_map(|n| tasks.get(*n));
        match (self.one_at_a_time, mode) {
            (false, _) => side_by_side(turn, sight, mine, mode, out),
            (true, Mode::Forward) => one_at_a_time(turn, sight, mine, mode, out),
            (true, Mode::Undo | Mode::Heal) => one_at_a_time(turn, sight, mine.rev(), mode, out),
        }
    }
}

/// The groups that are there when all is done.
fn staying(run: &ClusterRun) -> impl Iterator<Item = &AsgName> {
    let retired: BTreeSet<&AsgName> = run
        .groups
        .iter()
        .filter(|g| matches!(g.task, Task::Retire { .. }))
        .map(|g| &g.asg)
        .collect();
    run.roles.keys().filter(move |name| !retired.contains(name))
}

/// The first unfinished group only, and only while the other groups of the control plane are healthy. Whether any is unfinished.
fn one_at_a_time<'t>(
    turn: &Turn<'_>,
    sight: &Sight<'_>,
    tasks: impl Iterator<Item = &'t GroupTask>,
    mode: Mode,
    out: &mut Out<'_>,
) -> bool {
    let open = |task: &GroupTask| {
        sight
            .progress
            .groups
            .get(&task.asg)
            .is_some_and(|g| g.state != GroupState::Done)
    };
    let Some(task) = tasks.into_iter().find(|task| open(task)) else {
        return false;
    };
    let Some(group) = sight.progress.groups.get(&task.asg) else {
        return false;
    };
    // Who cannot be seen is not sick: that is another thing to say, and to mend.
    if let Some(why) = sight.nodes.unknown().filter(|_| group.drains.is_empty()) {
        out.wait_cluster(
            &sight.run.cluster,
            format!("the Kubernetes API does not answer: {why}"),
            None,
        );
        return true;
    }
    // A drain that has begun goes on: stopping half-way helps nobody.
    if let Some(sick) = sick_control_plane(sight, &task.asg).filter(|_| group.drains.is_empty()) {
        out.wait_cluster(
            &sight.run.cluster,
            format!("the control plane is not whole: {sick}"),
            None,
        );
        return true;
    }
    let mut budget = budget(turn, sight);
    group::turn(&view(turn, sight, task, group, mode), &mut budget, out);
    true
}

/// All groups, in the cluster's budgets. Whether any is unfinished.
fn side_by_side<'t>(
    turn: &Turn<'_>,
    sight: &Sight<'_>,
    tasks: impl Iterator<Item = &'t GroupTask>,
    mode: Mode,
    out: &mut Out<'_>,
) -> bool {
    if twin::opened(sight.run, sight.progress, mode, out) {
        return true;
    }
    let mut budget = budget(turn, sight);
    let mut open: Vec<(&GroupTask, &GroupProgress)> = tasks
        .filter_map(|task| Some((task, sight.progress.groups.get(&task.asg)?)))
        .filter(|(_, g)| g.state != GroupState::Done)
        .collect();
    // Whoever has the longest way to go is served first: were the first by name always first, the last would be left with
    // all of theirs when the others are done, and go through it one after the other with most of the budget unused.
    open.sort_by_key(|(task, group)| std::cmp::Reverse(rounds_left(task, group)));
    for (task, group) in &open {
        group::turn(&view(turn, sight, task, group, mode), &mut budget, out);
    }
    !open.is_empty()
}

/// How many exchanges, one after the other, a group has before it; one that has not begun comes first.
fn rounds_left(task: &GroupTask, group: &GroupProgress) -> u32 {
    if group.state == GroupState::Waiting {
        return u32::MAX;
    }
    let (rolling, size) = (&task.rolling, group.instances);
    let at_once = rolling
        .max_surge
        .surge_of(size)
        .saturating_add(rolling.max_unavailable.unavailable_of(size))
        .max(1);
    size.saturating_sub(group.ended).div_ceil(at_once)
}

fn view<'a>(
    turn: &Turn<'a>,
    sight: &'a Sight<'a>,
    task: &'a GroupTask,
    group: &'a GroupProgress,
    mode: Mode,
) -> View<'a> {
    View {
        rollout: turn.rollout,
        cluster: &sight.run.cluster,
        task,
        group,
        progress: sight.progress,
        roles: &sight.run.roles,
        live_cluster: sight.live,
        live: sight.live.groups.get(&task.asg).map(|g| &**g),
        nodes: &sight.nodes,
        now: turn.now,
        mode,
    }
}

/// A control-plane group other than `except` that is there and does not work.
fn sick_control_plane(sight: &Sight<'_>, except: &AsgName) -> Option<String> {
    let others = sight
        .run
        .roles
        .iter()
        .filter(|(name, role)| **role == Role::ControlPlane && *name != except);
    others
        .filter_map(|(name, _)| Some((name, sight.live.groups.get(name)?)))
        .find_map(|(name, group)| {
            let ready = group
                .instances
                .iter()
                .filter(|(id, i)| sight.nodes.readiness(id, i) == Readiness::Ready)
                .count();
            let wanted = usize::try_from(group.desired).unwrap_or(usize::MAX);
            (ready < wanted).then(|| format!("{name} has {ready} of {wanted} Ready"))
        })
}

fn budget(turn: &Turn<'_>, sight: &Sight<'_>) -> Budget {
    let rolling = &sight.run.rolling;
    let out_there = |(name, g): (&AsgName, &GroupProgress)| {
        let surge = sight
            .live
            .groups
            .get(name)
            .map_or(0, |live| replace::out_there(g.surge, live));
        surge.saturating_add(u32::try_from(g.detached.len()).unwrap_or(u32::MAX))
    };
    // What was asked for and not answered may be out there too.
    let asked = turn
        .progress
        .open
        .values()
        .filter(|i| i.cluster == sight.run.cluster)
        .map(|i| match &i.effect {
            Effect::Cloud(CloudEffect::SetDesired { from, to, .. }) => to.saturating_sub(*from),
            Effect::Cloud(CloudEffect::Detach { .. }) => 1,
            Effect::Cloud(_) | Effect::Node(_) => 0,
        });
    let used = sight
        .progress
        .groups
        .iter()
        .map(out_there)
        .chain(asked)
        .fold(0, u32::saturating_add);
    Budget {
        surge: rolling.cluster_surge.saturating_sub(used),
        most: rolling.cluster_surge,
        ..rate(turn, sight)
    }
}

/// What the rate leaves: each drain under way needs a place in its window by the time that it ends. A node whose replacement
/// works already may be drained on the way to its place: draining takes minutes, which would be lost for the rollout each time.
fn rate(turn: &Turn<'_>, sight: &Sight<'_>) -> Budget {
    /// This part of the window.
    const AHEAD: i64 = 4;
    let rate = sight.run.rolling.rate;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let left = |taken: usize| rate.instances.saturating_sub(count(taken));
    // Oldest first.
    let ended = &sight.progress.disruptions;
    let held_at = |now: Timestamp| ended.iter().filter(|at| **at + rate.per > now).count();
    let (held, held_soon) = (
        held_at(turn.now),
        held_at(turn.now + Span::from_millis(rate.per.millis() / AHEAD)),
    );
    let draining = sight
        .progress
        .groups
        .values()
        .map(|g| g.drains.len())
        .sum::<usize>();
    // What was asked for and not answered may have happened.
    let is_end = |i: &&Intent| {
        i.cluster == sight.run.cluster
            && matches!(i.effect, Effect::Cloud(CloudEffect::Terminate { .. }))
    };
    let asked = turn.progress.open.values().filter(is_end).count();
    Budget {
        surge: 0,
        most: 0,
        rate: left(draining + held),
        ahead: left(draining + held_soon),
        ends: left(asked + held),
        rate_back: ended
            .iter()
            .map(|at| *at + rate.per)
            .find(|back| *back > turn.now),
        forced: BTreeSet::new(),
    }
}

/// The gates over the whole cluster, once its groups are done.
fn check(turn: &Turn<'_>, sight: &Sight<'_>, since: Timestamp, out: &mut Out<'_>) {
    let asked = Asked {
        gates: &turn.rollout.gates,
        cluster: &sight.run.cluster,
        progress: sight.progress,
        live: sight.live,
        now: turn.now,
        scope: Scope::Cluster,
        name: None,
        roles: &sight.run.roles,
        groups: staying(sight.run).collect(),
        since,
        deadline_from: since,
        patience: sight.run.rolling.ready_timeout,
    };
    match gate::all(&asked, out) {
        GateOutcome::Pass(evidence) => {
            if deleted(turn, sight, out) && pruned(turn, sight, out) {
                out.records.push(Event::ClusterVerified {
                    cluster: sight.run.cluster.clone(),
                    since: turn.now,
                    evidence,
                });
            }
        }
        GateOutcome::Wait(why, until) => out.wait_cluster(&sight.run.cluster, why, Some(until)),
        GateOutcome::Fail(why) => out.fail(&sight.run.cluster, None, why),
    }
}

/// Whether the retired groups are gone; goes on with it if not.
fn deleted(turn: &Turn<'_>, sight: &Sight<'_>, out: &mut Out<'_>) -> bool {
    let mut budget = budget(turn, sight);
    let mut gone = true;
    for task in &sight.run.groups {
        if let Some(group) = sight.progress.groups.get(&task.asg) {
            gone &= group::delete(
                &view(turn, sight, task, group, Mode::Forward),
                &mut budget,
                out,
            );
        }
    }
    gone
}

/// Whether no group has launch template versions left that nobody needs; prunes if so.
fn pruned(turn: &Turn<'_>, sight: &Sight<'_>, out: &mut Out<'_>) -> bool {
    let mut none = true;
    for task in &sight.run.groups {
        if let Some(group) = sight.progress.groups.get(&task.asg) {
            none &= prune::pruned(&view(turn, sight, task, group, Mode::Forward), out);
        }
    }
    none
}
