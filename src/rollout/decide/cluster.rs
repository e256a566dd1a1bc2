//! One cluster's next move: its groups in their order, its gates; and the same backwards. Never acts.

use super::gate::{Asked, GateOutcome};
use super::look::look;
use super::patience::patience;
use super::phases::{Phase, phases, side_by_side};
use super::{gate, preflight, prune, retire, undo};
use crate::model::Timestamp;
use crate::rollout::event::{Event, Scope};
use crate::rollout::progress::ClusterState;
use crate::rollout::round::{
    ClusterContext, DecisionBuilder, Mode, RoundContext, budget, group_context, staying,
};
use crate::rollout::schedule::{ClusterRun, GroupTask};

/// A cluster's turn has come. One that changes nothing, and was verified so, takes the release at once and keeps its soak.
pub(crate) fn start(run: &ClusterRun, out: &mut DecisionBuilder<'_>) {
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

pub(crate) fn forward(round: &RoundContext<'_>, run: &ClusterRun, out: &mut DecisionBuilder<'_>) {
    let mark = out.mark();
    if let Some(sight) = look(round, run, out) {
        match sight.progress.state {
            ClusterState::Rolling if !preflight::done(round, &sight, out) => {}
            ClusterState::Rolling => {
                if !phases(&run.groups)
                    .any(|phase| phase.turn(round, &sight, &run.groups, Mode::Forward, out))
                {
                    out.records.push(Event::ClusterRolled {
                        cluster: run.cluster.clone(),
                    });
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
        let phases: Vec<Phase> = phases(&run.groups).collect();
        if !phases
            .iter()
            .rev()
            .any(|phase| phase.turn(round, &sight, &undone, Mode::Undo, out))
        {
            out.records.push(Event::ClusterRestored {
                cluster: run.cluster.clone(),
            });
        }
    }
    patience(round, run, &mark, Mode::Undo, out);
}

pub(crate) fn clean_up(round: &RoundContext<'_>, run: &ClusterRun, out: &mut DecisionBuilder<'_>) {
    let mark = out.mark();
    if let Some(sight) = look(round, run, out) {
        side_by_side(round, &sight, run.groups.iter(), Mode::Cleanup, out);
    }
    patience(round, run, &mark, Mode::Cleanup, out);
}

/// The gates over the whole cluster, once its groups are done.
fn check(
    round: &RoundContext<'_>,
    sight: &ClusterContext<'_>,
    since: Timestamp,
    out: &mut DecisionBuilder<'_>,
) {
    let asked = Asked {
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
    };
    match gate::all(&asked, out) {
        GateOutcome::Pass(evidence) => {
            if deleted(round, sight, out) && pruned(round, sight, out) {
                out.records.push(Event::ClusterVerified {
                    cluster: sight.run.cluster.clone(),
                    since: round.now,
                    evidence,
                });
            }
        }
        GateOutcome::Wait(why, until) => out.wait_cluster(&sight.run.cluster, why, Some(until)),
        GateOutcome::Fail(why) => out.fail(&sight.run.cluster, None, why),
    }
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

/// Whether no group has launch template versions left that nobody needs; prunes if so.
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
