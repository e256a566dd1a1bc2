//! Hooks at their turn: one after the other, before what they stand before; what takes them back, in the opposite order. Never acts.

use std::collections::BTreeSet;

use crate::fleet::{HookAt, HookFailure};
use crate::model::{ClusterName, HookPlace, Span, StageName, Timestamp};
use crate::plan::HookTask;
use crate::rollout::hook_event::{HookResult, HookWay};
use crate::rollout::progress::{HookProgress, HookState, Progress};
use crate::rollout::reason::{Advice, HookReason};
use crate::rollout::round::{DecisionBuilder, HookStep, RoundContext};
use crate::rollout::schedule::{Rollout, StageRun, WaveRun};

/// A hook that failed is tried again after this long.
const PAUSE: Span = Span::from_secs(30);

/// HooksAt of one place, at one moment of it.
#[derive(Clone, Copy)]
pub(crate) struct HooksAt<'a> {
    pub(crate) tasks: &'a [HookTask],
    pub(crate) at: HookAt,
    /// The cluster that stands for the place where something fails.
    pub(crate) cluster: &'a ClusterName,
}

/// Whether all of them are through, in their order; goes on with the first that is not.
pub(crate) fn are_through(
    round: &RoundContext<'_>,
    hooks: HooksAt<'_>,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let mut mine = hooks.tasks.iter().filter(|t| t.spec.at == hooks.at);
    mine.all(|task| is_one_through(round, task, hooks.cluster, out))
}

/// Whether one of them is through; goes on with it if not.
pub(crate) fn is_one_through(
    round: &RoundContext<'_>,
    task: &HookTask,
    cluster: &ClusterName,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    match round.progress.hooks.get(&task.place) {
        Some(hook) => is_through(round, (task, hook), HookWay::Run, cluster, out),
        None => true,
    }
}

/// Whether those that go back are taken back, the last one first.
pub(crate) fn are_taken_back(
    round: &RoundContext<'_>,
    hooks: HooksAt<'_>,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let mut mine = hooks.tasks.iter().rev().filter(|t| t.spec.at == hooks.at);
    mine.all(|task| match round.progress.hooks.get(&task.place) {
        Some(hook) if hook.taken_back => {
            is_through(round, (task, hook), HookWay::Undo, hooks.cluster, out)
        }
        Some(_) | None => true,
    })
}

/// The moment since which a cluster's gates count, once the hooks after it are through; none: they are not. `pass`: whether its gates pass now, which
/// is asked before the first of them.
pub(crate) fn after_cluster(
    round: &RoundContext<'_>,
    hooks: HooksAt<'_>,
    since: Timestamp,
    out: &mut DecisionBuilder<'_>,
    pass: impl FnOnce(&mut DecisionBuilder<'_>) -> bool,
) -> Option<Timestamp> {
    let books = || {
        let mine = hooks.tasks.iter().filter(move |t| t.spec.at == hooks.at);
        mine.filter_map(|task| round.progress.hooks.get(&task.place))
    };
    let is_begun = books().any(|hook| hook.run.attempts > 0);
    let is_first = books().next().is_some() && !is_begun;
    if is_first && !pass(out) {
        return None;
    }
    if !are_through(round, hooks, out) {
        return None;
    }
    let ended = books().filter_map(|hook| match &hook.run.state {
        HookState::Ended(at, _) | HookState::Settled(at) => Some(*at),
        HookState::Waiting | HookState::Running(_) | HookState::InDoubt(_) => None,
    });
    Some(ended.fold(since, Timestamp::max))
}

fn is_through(
    round: &RoundContext<'_>,
    (task, hook): (&HookTask, &HookProgress),
    way: HookWay,
    cluster: &ClusterName,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let (run, place) = (hook.of(way), || task.place.clone());
    match &run.state {
        HookState::Settled(_) => return true,
        HookState::Ended(_, result) if result.is_good() => return true,
        HookState::Waiting => begin(task, hook, way, out),
        HookState::Running(since) => runs(&task.place, hook, way, *since, out),
        HookState::InDoubt(_) if hook.repeatable => begin(task, hook, way, out),
        HookState::InDoubt(since) => {
            let (since, place) = (*since, place());
            let why = HookReason::HookInDoubt { place, way, since };
            out.stuck_cluster(cluster, why, settle(task));
        }
        HookState::Ended(at, result) if run.failures <= task.spec.retries => {
            let again = *at + PAUSE;
            if round.now >= again {
                begin(task, hook, way, out);
            } else {
                let result = result.clone();
                let place = place();
                let why = HookReason::HookAgain { place, way, result };
                out.wait_hook(&task.place, why, Some(again));
            }
        }
        HookState::Ended(_, result) => {
            return is_passed_over(task, (way, result, run.attempts), cluster, out);
        }
    }
    false
}

/// One that failed for good: whether the rollout goes on all the same.
fn is_passed_over(
    task: &HookTask,
    (way, result, attempts): (HookWay, &HookResult, u32),
    cluster: &ClusterName,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let (place, result) = (task.place.clone(), result.clone());
    match way {
        HookWay::Run if task.spec.on_failure == Some(HookFailure::Continue) => return true,
        HookWay::Run => {
            let why = HookReason::HookFailed {
                place,
                result,
                attempts,
            };
            out.fail(cluster, None, why);
        }
        HookWay::Undo => {
            let why = HookReason::UndoFailed {
                place,
                result,
                attempts,
            };
            out.stuck_cluster(cluster, why, settle(task));
        }
    }
    false
}

fn settle(task: &HookTask) -> Advice {
    Advice::SettleHook {
        hook: task.place.key(),
    }
}

fn begin(task: &HookTask, hook: &HookProgress, way: HookWay, out: &mut DecisionBuilder<'_>) {
    out.hooks.push(HookStep {
        place: task.place.clone(),
        way,
        attempt: hook.of(way).attempts.saturating_add(1),
        is_begun: false,
    });
}

fn runs(
    place: &HookPlace,
    hook: &HookProgress,
    way: HookWay,
    since: Timestamp,
    out: &mut DecisionBuilder<'_>,
) {
    out.hooks.push(HookStep {
        place: place.clone(),
        way,
        attempt: hook.of(way).attempts,
        is_begun: true,
    });
    let why = HookReason::HookRuns {
        place: place.clone(),
        way,
        since,
    };
    out.wait_hook(place, why, None);
}

/// Whether any hook runs, wherever: it is waited for before the rollout goes another way.
pub(crate) fn is_any_running(round: &RoundContext<'_>, out: &mut DecisionBuilder<'_>) -> bool {
    let mut is_any = false;
    for (place, hook) in &round.progress.hooks {
        for way in [HookWay::Run, HookWay::Undo] {
            if let HookState::Running(since) = hook.of(way).state {
                runs(place, hook, way, since, out);
                is_any = true;
            }
        }
    }
    is_any
}

/// Hooks that a way back takes back: those of the clusters that go back, and those of the waves and stages that do. `from`: the wave that failed,
/// before which everything stays; none: nothing does.
pub(crate) fn to_take_back(
    rollout: &Rollout,
    progress: &Progress,
    clusters: &BTreeSet<ClusterName>,
    from: Option<(&StageName, usize)>,
) -> BTreeSet<HookPlace> {
    let has = |stage: &StageRun, wave: usize| from.is_none_or(|from| from == (&stage.name, wave));
    let mut places = BTreeSet::new();
    let mut is_beyond = false;
    for stage in &rollout.stages {
        let whole = is_beyond || has(stage, 0);
        for (index, wave) in stage.waves.iter().enumerate() {
            is_beyond |= has(stage, index);
            let of_wave = wave.hooks.iter().filter(|_| is_beyond);
            places.extend(of_wave.map(|h| h.place.clone()));
            let of_clusters = wave
                .clusters
                .iter()
                .filter(|c| clusters.contains(&c.cluster))
                .flat_map(|c| &c.hooks);
            places.extend(of_clusters.map(|h| h.place.clone()));
        }
        let goes = |task: &&HookTask| match task.spec.at {
            HookAt::BeforeStage => whole,
            HookAt::AfterStage => is_beyond,
            HookAt::BeforeWave
            | HookAt::AfterWave
            | HookAt::BetweenWaves
            | HookAt::BeforeCluster
            | HookAt::AfterCluster => false,
        };
        places.extend(stage.hooks.iter().filter(goes).map(|h| h.place.clone()));
    }
    places.retain(|place| can_go_back(rollout, progress, place));
    places
}

/// Whether there is something to take back, and something that does.
fn can_go_back(rollout: &Rollout, progress: &Progress, place: &HookPlace) -> bool {
    let has_undo = rollout.hook(place).is_some_and(|h| !h.spec.undo.is_empty());
    let book = progress.hooks.get(place);
    has_undo && book.is_some_and(|hook| hook.has_acted() || hook.is_simulated())
}

impl StageRun {
    /// Its hooks at a moment of the stage.
    pub(crate) fn hooks_at(&self, at: HookAt) -> Option<HooksAt<'_>> {
        let mut clusters = self.waves.iter().flat_map(|w| &w.clusters);
        let cluster = &clusters.next()?.cluster;
        Some(HooksAt {
            tasks: &self.hooks,
            at,
            cluster,
        })
    }
}

impl WaveRun {
    /// Its hooks at a moment of the wave.
    pub(crate) fn hooks_at(&self, at: HookAt) -> Option<HooksAt<'_>> {
        Some(HooksAt {
            tasks: &self.hooks,
            at,
            cluster: &self.clusters.first()?.cluster,
        })
    }
}
