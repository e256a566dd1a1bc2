//! Where each cluster of a fleet stands, from what the store knows: release, commit, since when, soak, what is under way. Reads nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{ClusterState, Progress, Rollout};
use crate::fleet::Stage;
use crate::model::{ClusterName, Digest, Span, StageName, Timestamp};
use crate::plan::{Baseline, DriftSeen};

/// Where a cluster stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClusterStanding {
    pub cluster: ClusterName,
    /// Its stage; none: the fleet no longer names it, or its files cannot be read.
    pub stage: Option<StageName>,
    /// How it stands.
    pub state: StandingState,
    /// Whether git wants just what it runs; none: not known.
    pub as_git_wants: Option<bool>,
    /// What was applied last; none: nothing ever was.
    pub applied: Option<AppliedLast>,
    /// What the last look for drift found.
    pub drift: Option<DriftSeen>,
    /// Why it is stopped, when it is.
    pub stopped: Option<String>,
    /// How many warnings the last look left.
    pub warnings: usize,
}

/// What was applied last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AppliedLast {
    pub release: Digest,
    /// The commit, where it is known.
    pub commit: Option<String>,
    /// Whether it was more than that commit.
    pub more_than_commit: bool,
    /// Why it was rolled out all the same.
    pub allow_dirty: Option<String>,
    pub rollout: String,
    /// Since when it has run it, verified.
    pub since: Timestamp,
    /// When it is soaked for its stage; none: not known how long that is.
    pub soaked_at: Option<Timestamp>,
    /// Documents that were recorded as carried out elsewhere, and have not been seen.
    pub pending: usize,
}

/// How a cluster stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StandingState {
    /// Never rolled out.
    New,
    /// Verified, and soaking until then.
    Soaking(Timestamp),
    /// It runs the release, its re-plan is empty and its gates passed.
    Verified,
    /// In the store, and no longer in git.
    Orphan,
    /// Part of the rollout that is not finished: its id, and how far the cluster is.
    UnderWay(String, UnderWayState),
}

/// How far a cluster is in a rollout that is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnderWayState {
    /// Its turn has not come.
    Waiting,
    /// Its groups are changed, or checked.
    Rolling,
    /// It runs the release already.
    Done,
}

/// What is known.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What was last applied and verified, by cluster.
    pub baselines: &'a BTreeMap<ClusterName, Baseline>,
    /// The stages of the fleet; none: its files cannot be read.
    pub stages: Option<&'a [Stage]>,
    /// What git wants of each cluster of the fleet.
    pub wanted: &'a BTreeMap<ClusterName, Digest>,
    /// The rollouts that are not finished.
    pub under_way: &'a [(Rollout, Progress)],
    /// What the last looks for drift found.
    pub drift: &'a BTreeMap<ClusterName, DriftSeen>,
    /// Warnings by cluster.
    pub warnings: &'a BTreeMap<ClusterName, usize>,
    /// Stops by cluster; none for all.
    pub stops: &'a [(Option<ClusterName>, String)],
    /// The cloud's time.
    pub now: Timestamp,
}

/// Every cluster that git or the store names, in the order of stages and waves; orphans last.
pub fn cluster_standings(known: Known<'_>) -> Vec<ClusterStanding> {
    let mut order: Vec<(Option<&StageName>, Span, ClusterName)> = Vec::new();
    for stage in known.stages.unwrap_or_default() {
        for wave in &stage.waves {
            let soak = stage.soak.max(wave.soak);
            let clusters = wave.clusters.iter().cloned();
            order.extend(clusters.map(|name| (Some(&stage.name), soak, name)));
        }
    }
    let named: BTreeSet<ClusterName> = order.iter().map(|(_, _, name)| name.clone()).collect();
    let left = known.baselines.keys().filter(|name| !named.contains(*name));
    order.extend(left.map(|name| (None, Span::from_secs(0), name.clone())));
    order
        .into_iter()
        .map(|(stage, soak, name)| standing(known, stage, soak, name))
        .collect()
}

fn standing(
    known: Known<'_>,
    stage: Option<&StageName>,
    soak: Span,
    cluster: ClusterName,
) -> ClusterStanding {
    let baseline = known.baselines.get(&cluster);
    let applied = baseline.map(|b| AppliedLast {
        release: b.release.clone(),
        commit: b.commit.clone(),
        more_than_commit: b.more_than_commit,
        allow_dirty: b.allow_dirty.clone(),
        rollout: b.rollout.clone(),
        since: b.since,
        soaked_at: stage.map(|_| b.since + soak),
        pending: b
            .pending
            .values()
            .filter(|p| p.acknowledged.is_none())
            .count(),
    });
    let state = match (under_way(known, &cluster), &applied) {
        (Some((id, state)), _) => StandingState::UnderWay(id, state),
        (None, Some(_)) if stage.is_none() && known.stages.is_some() => StandingState::Orphan,
        (None, None) => StandingState::New,
        (None, Some(applied)) => match applied.soaked_at.filter(|at| *at > known.now) {
            Some(at) => StandingState::Soaking(at),
            None => StandingState::Verified,
        },
    };
    let stop = known
        .stops
        .iter()
        .find(|(of, _)| of.as_ref().is_none_or(|c| *c == cluster));
    ClusterStanding {
        stage: stage.cloned(),
        state,
        as_git_wants: baseline
            .zip(known.wanted.get(&cluster))
            .map(|(b, wanted)| b.digest == *wanted),
        applied,
        drift: known.drift.get(&cluster).cloned(),
        stopped: stop.map(|(_, why)| why.clone()),
        warnings: known.warnings.get(&cluster).copied().unwrap_or(0),
        cluster,
    }
}

fn under_way(known: Known<'_>, cluster: &ClusterName) -> Option<(String, UnderWayState)> {
    let mut all = known.under_way.iter();
    let (rollout, progress) = all.find(|(rollout, _)| rollout.cluster(cluster).is_some())?;
    let state = match progress.clusters.get(cluster).map(|c| c.state) {
        None | Some(ClusterState::Waiting) => UnderWayState::Waiting,
        Some(ClusterState::Rolling | ClusterState::Checking(_)) => UnderWayState::Rolling,
        Some(ClusterState::Verified(_) | ClusterState::Restored) => UnderWayState::Done,
    };
    Some((rollout.id.clone(), state))
}
