//! What a stage or wave stands on: every cluster before it is, at this moment, what was verified, and healthy. Never acts.

use super::health::{self, NodesAsked, Steady};
use super::look::look;
use super::validate::Limits;
use super::verify;
use crate::model::Span;
use crate::rollout::progress::ClusterState;
use crate::rollout::reason::{Advice, Reason, unread};
use crate::rollout::round::{DecisionBuilder, RoundContext, staying};
use crate::rollout::schedule::{ClusterRun, StageRun};

/// Clusters before the wave `wave` of `stage` (none: before its first one), those that are only watched among them.
pub(crate) fn clusters_before<'r>(
    round: &RoundContext<'r>,
    stage: &StageRun,
    wave: Option<usize>,
) -> impl Iterator<Item = &'r ClusterRun> {
    let rollout = round.rollout;
    let watched = rollout
        .watched
        .iter()
        .filter(|w| w.before == stage.name)
        .map(|w| &w.run)
        .collect::<Vec<_>>();
    let name = stage.name.clone();
    let earlier = rollout
        .stages
        .iter()
        .take_while(move |s| s.name != name)
        .flat_map(|s| &s.waves);
    let name = stage.name.clone();
    let same = rollout
        .stages
        .iter()
        .filter(move |s| s.name == name)
        .flat_map(move |s| s.waves.iter().take(wave.unwrap_or(0)));
    watched
        .into_iter()
        .chain(earlier.chain(same).flat_map(|w| &w.clusters))
}

/// Whether what comes may begin. Where it may not, what is waited for, or who has to act, is in `out`.
pub(crate) fn holds(
    round: &RoundContext<'_>,
    stage: &StageRun,
    wave: Option<usize>,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    if round.rollout.break_glass.is_some() {
        return true;
    }
    let mut holds = true;
    for run in clusters_before(round, stage, wave) {
        holds &= cluster_holds(round, run, stage, out);
    }
    holds
}

fn cluster_holds(
    round: &RoundContext<'_>,
    run: &ClusterRun,
    stage: &StageRun,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let state = round.progress.clusters.get(&run.cluster).map(|c| c.state);
    match state {
        Some(ClusterState::Verified(_)) | None => {}
        Some(
            ClusterState::Waiting
            | ClusterState::Rolling
            | ClusterState::Checking(_)
            | ClusterState::Restored,
        ) => return true,
    }
    let Some(live) = live_of(round, run, out) else {
        return overdue(round, run, out);
    };
    let differences = verify::differences(run, live);
    if !differences.is_empty() {
        let stage = stage.name.clone();
        let why = Reason::NotAsVerified { stage, differences };
        out.stuck_cluster(&run.cluster, why, Advice::BringBackStage);
        return false;
    }
    let groups = staying(run).collect();
    let asked = NodesAsked {
        live,
        limits: Limits {
            roles: &run.roles,
            groups: &groups,
        },
        since: crate::model::Timestamp::from_millis(0),
        patience: run.rolling.ready_timeout,
        now: round.now,
        before: None,
    };
    match health::steady(&asked, run.rolling.tolerance) {
        Steady::Good | Steady::Tolerated(_) => true,
        Steady::Waits(ground) => {
            let stage = stage.name.clone();
            let why = Reason::StageWaits { stage, ground };
            out.wait_cluster(&run.cluster, why, None);
            overdue(round, run, out)
        }
        Steady::Broken(symptoms) => {
            let stage = stage.name.clone();
            let why = Reason::StageUnhealthy { stage, symptoms };
            out.stuck_cluster(&run.cluster, why, Advice::BringBackStage);
            false
        }
    }
}

/// The live state of a cluster, also of one that is only watched.
fn live_of<'a>(
    round: &RoundContext<'a>,
    run: &'a ClusterRun,
    out: &mut DecisionBuilder<'_>,
) -> Option<&'a crate::model::LiveCluster> {
    if round.progress.clusters.contains_key(&run.cluster) {
        return look(round, run, out).map(|context| context.live);
    }
    let live = round.live.clusters.get(&run.cluster)?;
    match live.gaps.first() {
        None => Some(live),
        Some(gap) => {
            out.wait_cluster(&run.cluster, unread(gap), None);
            None
        }
    }
}

/// It cannot begin now; and where nothing was written down for too long, a person has to look.
fn overdue(round: &RoundContext<'_>, run: &ClusterRun, out: &mut DecisionBuilder<'_>) -> bool {
    let longest = Span::from_millis(run.rolling.ready_timeout.millis().saturating_mul(2));
    let still = round.now.since(round.progress.at);
    if still > longest {
        let why = Reason::StageOverdue { still };
        out.stuck_cluster(&run.cluster, why, Advice::SeeStage);
    }
    false
}
