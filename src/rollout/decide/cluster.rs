//! One cluster's next move: its groups in their order, its gates; and the same backwards. Never acts.

use std::collections::BTreeMap;

use super::gate::{Asked, GateOutcome};
use super::hooks::{self, HooksAt};
use super::look::look;
use super::patience::patience;
use super::phases::{PhaseTurn, phases, side_by_side};
use super::way_back::{self, Leave};
use super::{control_plane, gate, preflight, prune, retire, undo, verify};
use crate::fleet::HookAt;
use crate::kops::Role;
use crate::model::{AsgName, CloudEffect, Effect, Span, Timestamp};
use crate::rollout::event::{ClusterEvent, Event, Scope};
use crate::rollout::progress::{ClusterState, Intent};
use crate::rollout::reason::{Advice, Evidence, Reason};
use crate::rollout::round::{
    ClusterContext, DecisionBuilder, Mode, RoundContext, budget, group_context, staying,
};
use crate::rollout::schedule::{ClusterRun, GroupTask, Task};

/// A cluster's turn has come. One that changes nothing, and was verified so, takes the release at once and keeps its soak.
pub(crate) fn start(run: &ClusterRun, out: &mut DecisionBuilder<'_>) {
    let cluster = run.cluster.clone();
    out.records.push(match run.since {
        Some(since) if !run.changes() => Event::Cluster(
            cluster,
            ClusterEvent::Verified {
                since,
                evidence: vec![Evidence::NothingChanges],
            },
        ),
        Some(_) | None => Event::Cluster(cluster, ClusterEvent::Started),
    });
}

pub(crate) fn forward(round: &RoundContext<'_>, run: &ClusterRun, out: &mut DecisionBuilder<'_>) {
    let mark = out.mark();
    if let Some(sight) = look(round, run, out) {
        let leave = match sight.progress.state {
            ClusterState::Rolling | ClusterState::Checking(_) => way_back::leave(&sight, out),
            ClusterState::Waiting | ClusterState::Verified(_) | ClusterState::Restored => {
                Leave::Free
            }
        };
        let sight = ClusterContext {
            is_closing: leave == Leave::Closing,
            ..sight
        };
        match sight.progress.state {
            _ if leave == Leave::Nothing => {}
            ClusterState::Rolling if !preflight::done(round, &sight, out) => {}
            ClusterState::Rolling
                if !hooks::are_through(round, hooks_of(run, HookAt::BeforeCluster), out) => {}
            ClusterState::Rolling => {
                if !phases(&run.groups)
                    .any(|phase| phase.turn(round, &sight, &run.groups, Mode::Forward, out))
                {
                    out.records
                        .push(Event::Cluster(run.cluster.clone(), ClusterEvent::Rolled));
                }
            }
            ClusterState::Checking(since) => check(round, &sight, since, out),
            ClusterState::Waiting | ClusterState::Verified(_) | ClusterState::Restored => {}
        }
    }
    patience(round, run, &mark, Mode::Forward, out);
}

pub(crate) fn back(round: &RoundContext<'_>, run: &ClusterRun, out: &mut DecisionBuilder<'_>) {
    let mark = out.mark();
    if let Some(sight) = look(round, run, out) {
        let undone: Vec<GroupTask> = run
            .groups
            .iter()
            .filter_map(|g| Some(undo::undo(g, sight.progress.groups.get(&g.asg)?)))
            .collect();
        let phases: Vec<PhaseTurn> = phases(&run.groups).collect();
        let mut left = phases.iter().rev();
        if hooks::are_taken_back(round, hooks_of(run, HookAt::AfterCluster), out)
            && !left.any(|phase| phase.turn(round, &sight, &undone, Mode::Undo, out))
            && hooks::are_taken_back(round, hooks_of(run, HookAt::BeforeCluster), out)
        {
            check_back(round, &sight, sight.progress.moved_at, out);
        }
    }
    patience(round, run, &mark, Mode::Undo, out);
}

fn hooks_of(run: &ClusterRun, at: HookAt) -> HooksAt<'_> {
    HooksAt {
        tasks: &run.hooks,
        at,
        cluster: &run.cluster,
    }
}

pub(crate) fn clean_up(round: &RoundContext<'_>, run: &ClusterRun, out: &mut DecisionBuilder<'_>) {
    let mark = out.mark();
    if let Some(sight) = look(round, run, out) {
        side_by_side(round, &sight, run.groups.iter(), Mode::Cleanup, out);
    }
    patience(round, run, &mark, Mode::Cleanup, out);
}

/// Roles of the groups that are there once all is undone: those that were made are gone, those that were retired are back.
fn before_roles(run: &ClusterRun) -> BTreeMap<AsgName, Role> {
    let mut roles = run.roles.clone();
    for task in &run.groups {
        match task.task {
            Task::Create { .. } => drop(roles.remove(&task.asg)),
            Task::Retire { .. } => drop(roles.insert(task.asg.clone(), task.role)),
            Task::Update { .. } => {}
        }
    }
    roles
}

/// The same proof on the way back, once every group is back: no cluster counts as restored while it is not healthy. What the fleet
/// measures elsewhere is asked when a person wanted the way back; after a failure it may be what failed.
fn check_back(
    round: &RoundContext<'_>,
    sight: &ClusterContext<'_>,
    since: Timestamp,
    out: &mut DecisionBuilder<'_>,
) {
    let roles = before_roles(sight.run);
    let asked = Asked {
        roles: &roles,
        groups: roles.keys().collect(),
        only_health: round.progress.failure.is_some(),
        ..about(round, sight, since)
    };
    if !is_counted(sight, out) {
        return;
    }
    match gate::judge_all(&asked, out) {
        GateOutcome::Pass(_) => out.records.push(Event::Cluster(
            sight.run.cluster.clone(),
            ClusterEvent::Restored,
        )),
        GateOutcome::Wait(why, until) => out.wait_cluster(&sight.run.cluster, why, Some(until)),
        GateOutcome::Fail(why) => {
            out.stuck_cluster(&sight.run.cluster, why, Advice::OldUnhealthy);
        }
    }
}

/// Whether every member of etcd is healthy, where instances of the control plane were exchanged: a gate that looks at pods does not see the
/// one that is not there. Patience ends the wait.
fn is_counted(sight: &ClusterContext<'_>, out: &mut DecisionBuilder<'_>) -> bool {
    let planes = sight.run.groups.iter();
    let touched = planes
        .filter(|g| g.role.rules().proves_control_plane)
        .any(|g| sight.progress.groups.get(&g.asg).is_some_and(|p| p.touched));
    match control_plane::etcd_fault(sight).filter(|_| touched) {
        Some(fault) => {
            out.wait_cluster(&sight.run.cluster, Reason::ControlPlane { fault }, None);
            false
        }
        None => true,
    }
}

fn about<'a>(round: &RoundContext<'a>, sight: &ClusterContext<'a>, since: Timestamp) -> Asked<'a> {
    Asked {
        gates: &round.rollout.gates,
        cluster: &sight.run.cluster,
        progress: sight.progress,
        live: sight.live,
        now: round.now,
        scope: Scope::Cluster,
        name: None,
        roles: &sight.run.roles,
        groups: staying(sight.run).collect(),
        since,
        deadline_from: since,
        patience: sight.run.rolling.ready_timeout,
        tolerance: sight.run.rolling.tolerance,
        by_kops: sight.run.kops.is_some(),
        only_health: false,
    }
}

/// The gates over the whole cluster, once its groups are done; what is deleted comes after them, and after a bake.
fn check(
    round: &RoundContext<'_>,
    sight: &ClusterContext<'_>,
    since: Timestamp,
    out: &mut DecisionBuilder<'_>,
) {
    let hooks = hooks_of(sight.run, HookAt::AfterCluster);
    let pass = |out: &mut DecisionBuilder<'_>| passed(round, sight, since, out).is_some();
    let Some(since) = hooks::after_cluster(round, hooks, since, out, pass) else {
        return;
    };
    let deletion = deletes(round, sight);
    // What is deleted cannot come back: while that is under way there is nothing for a gate to decide.
    let evidence = match deletion {
        Deletion::Begun => vec![Evidence::BeforeDeletion],
        Deletion::None | Deletion::Ahead => match passed(round, sight, since, out) {
            Some(evidence) if deletion == Deletion::Ahead => {
                // The old groups can be filled again until the new ones have stood for as long as a canary.
                let baked = since.max(sight.progress.resumed_at) + sight.run.rolling.bake;
                if round.now < baked {
                    let why = Reason::DeletesLater;
                    return out.wait_cluster(&sight.run.cluster, why, Some(baked));
                }
                evidence
            }
            Some(evidence) => evidence,
            None => return,
        },
    };
    if !deleted(round, sight, out)
        || !pruned(round, sight, out)
        || !as_planned(round, sight, since, out)
    {
        return;
    }
    // It stood still since its gates passed, for however long: what was true then is asked again.
    let resumed = sight.progress.resumed_at;
    let evidence = match deletion {
        Deletion::Begun if resumed > since => passed(round, sight, resumed, out),
        Deletion::Begun | Deletion::None | Deletion::Ahead => Some(evidence),
    };
    if let Some(evidence) = evidence {
        out.records.push(Event::Cluster(
            sight.run.cluster.clone(),
            ClusterEvent::Verified {
                since: round.now,
                evidence,
            },
        ));
    }
}

/// How far the deletion of retired groups is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deletion {
    /// Nothing is to be deleted any more.
    None,
    /// It comes last, and nothing of it was asked for.
    Ahead,
    /// It was asked for.
    Begun,
}

fn deletes(round: &RoundContext<'_>, sight: &ClusterContext<'_>) -> Deletion {
    let retired = |g: &&GroupTask| matches!(g.task, Task::Retire { .. });
    let is_delete = |i: &Intent| {
        i.cluster == sight.run.cluster
            && matches!(i.effect, Effect::Cloud(CloudEffect::DeleteGroup { .. }))
    };
    let gone = |g: &GroupTask| sight.progress.groups.get(&g.asg).is_some_and(|p| p.deleted);
    let mut tasks = sight.run.groups.iter().filter(retired).peekable();
    // What has soaked was verified, with everything deleted: its gates have their say again when the soak breaks.
    if tasks.peek().is_none() || sight.progress.was_verified {
        Deletion::None
    } else if tasks.any(gone) || round.progress.open.values().any(is_delete) {
        Deletion::Begun
    } else {
        Deletion::Ahead
    }
}

/// What the gates say, when all of them pass.
fn passed(
    round: &RoundContext<'_>,
    sight: &ClusterContext<'_>,
    since: Timestamp,
    out: &mut DecisionBuilder<'_>,
) -> Option<Vec<Evidence>> {
    if !is_counted(sight, out) {
        return None;
    }
    match gate::judge_all(&about(round, sight, since), out) {
        GateOutcome::Pass(evidence) => return Some(evidence),
        GateOutcome::Wait(why, until) => out.wait_cluster(&sight.run.cluster, why, Some(until)),
        GateOutcome::Fail(why) => out.fail(&sight.run.cluster, None, why),
    }
    None
}

/// Whether a new plan of the cluster would be empty. What others changed meanwhile is theirs to take back, or a person's to bring into
/// git: the release is not at fault, and nothing is verified that is not there.
fn as_planned(
    round: &RoundContext<'_>,
    sight: &ClusterContext<'_>,
    since: Timestamp,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    /// Readings may lag behind writes for so long.
    const SETTLES: Span = Span::from_secs(300);
    let differences = verify::differences(sight.run, sight.live);
    if differences.is_empty() {
        return true;
    }
    let why = Reason::NotAsPlanned { differences };
    let until = since.max(sight.progress.resumed_at) + SETTLES;
    if round.now < until {
        out.wait_cluster(&sight.run.cluster, why, Some(until));
    } else {
        out.stuck_cluster(&sight.run.cluster, why, Advice::BringBack);
    }
    false
}

/// Whether the retired groups are gone; goes on with it if not.
fn deleted(
    round: &RoundContext<'_>,
    sight: &ClusterContext<'_>,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let mut budget = budget(round, sight);
    let mut gone = true;
    for task in &sight.run.groups {
        if let Some(group) = sight.progress.groups.get(&task.asg) {
            gone &= retire::delete(
                &group_context(round, sight, task, group, Mode::Forward),
                &mut budget,
                out,
            );
        }
    }
    gone
}

/// Whether no group has launch template versions left that are not needed; prunes if so.
fn pruned(
    round: &RoundContext<'_>,
    sight: &ClusterContext<'_>,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let mut none = true;
    for task in &sight.run.groups {
        if let Some(group) = sight.progress.groups.get(&task.asg) {
            none &= prune::pruned(
                &group_context(round, sight, task, group, Mode::Forward),
                out,
            );
        }
    }
    none
}
