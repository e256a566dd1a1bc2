//! What the other shards of a release have to do with this one: nothing begins before all of them have got as far, and what fails in one of
//! them fails in all. Never acts.

use super::hooks;
use std::collections::BTreeSet;

use crate::fleet::OnFailure;
use crate::model::{ClusterName, RegionRoom, StageName};
use crate::rollout::board::{Boundary, Lagging};
use crate::rollout::event::{Event, RolloutEvent, StageEvent};
use crate::rollout::progress::Progress;
use crate::rollout::reason::Reason;
use crate::rollout::round::{DecisionBuilder, RoundContext, State};
use crate::rollout::schedule::{Rollout, WaveRun};
use crate::rollout::shards::FailedAt;

/// Why it does not go on beyond a stage, or a wave of it, that has passed here; none: it has passed in every shard, and that is written down.
pub(crate) fn barrier(
    round: &RoundContext<'_>,
    stage: &StageName,
    wave: Option<usize>,
    out: &mut DecisionBuilder<'_>,
) -> Option<State> {
    let seat = round.rollout.seat()?;
    let key = (stage.clone(), wave);
    if round.progress.passed_everywhere.contains(&key) {
        return None;
    }
    let boundary = wave.map_or(Boundary::Stage(stage), |n| Boundary::Wave(stage, n));
    let mine = &round.rollout.id;
    // What this one has passed its own journal says; the board may not say it yet.
    let lagging: Vec<Lagging> = round
        .board
        .lagging(seat, boundary)
        .into_iter()
        .filter(|l| l.shard != seat.shard)
        .collect();
    if lagging.is_empty() {
        let others = round.board.seats(seat).into_iter();
        let rollouts = others
            .map(|(shard, (id, _))| (shard, id.to_owned()))
            .chain([(seat.shard, mine.clone())])
            .collect();
        let passed = StageEvent::PassedEverywhere { wave, rollouts };
        out.records.push(Event::Stage(stage.clone(), passed));
        return Some(State::Going);
    }
    if is_unapproved(round, stage) {
        return Some(State::WaitingForPerson {
            stage: stage.clone(),
        });
    }
    let never = |l: &Lagging| l.rollout.as_ref().is_some_and(|(_, s)| s.never_passes());
    let in_vain = lagging.iter().any(never);
    for Lagging { shard, rollout } in lagging {
        let stage = stage.clone();
        out.wait_rollout(Reason::ShardAwaited {
            shard,
            rollout,
            stage,
            wave,
        });
    }
    Some(State::WaitingForOthers { in_vain })
}

/// Whether a stage in which nothing changes here was never approved: then those whom it is waited for wait for the approval.
fn is_unapproved(round: &RoundContext<'_>, stage: &StageName) -> bool {
    let asks = round.rollout.stage(stage).is_some_and(|s| s.approval);
    asks && !round.progress.approvals.contains_key(stage)
}

/// What failed in another shard, to be written down.
pub(crate) fn failure(round: &RoundContext<'_>) -> Option<Event> {
    let seat = round.rollout.seat()?;
    let (shard, rollout, failed) = round.board.failure_beside(seat)?;
    // A stage or wave that has passed everywhere is behind all of them: such a row is of a failure that was put right.
    let is_behind = |wave| {
        let key = (failed.stage.clone(), wave);
        round.progress.passed_everywhere.contains(&key)
    };
    // A hook of a whole stage fails behind its waves, or before them.
    let is_of_wave = !failed.is_of_stage();
    if is_behind(None) || is_of_wave && is_behind(Some(failed.wave)) {
        return None;
    }
    Some(Event::Rollout(RolloutEvent::ShardFailed {
        shard,
        rollout: rollout.to_owned(),
        failed: failed.clone(),
    }))
}

/// What follows from it: what would follow if it had failed here, in this shard's clusters.
pub(crate) fn after_failure(
    rollout: &Rollout,
    progress: &Progress,
    (shard, other, failed): &(crate::model::Shard, String, FailedAt),
    is_final: impl Fn(&BTreeSet<ClusterName>) -> bool,
) -> Event {
    let of_stage = || rollout.stage(&failed.stage).map(|s| s.on_failure);
    match failed.on_failure.or_else(of_stage).unwrap_or_default() {
        OnFailure::Rollback => {
            let clusters = touched_from(rollout, progress, failed);
            if is_final(&clusters) {
                return Event::Rollout(RolloutEvent::Held);
            }
            Event::Rollout(RolloutEvent::RollbackStarted {
                hooks: hooks::to_take_back(
                    rollout,
                    progress,
                    &clusters,
                    Some((&failed.stage, failed.wave)),
                ),
                clusters,
                kept: BTreeSet::new(),
            })
        }
        OnFailure::Hold => Event::Rollout(RolloutEvent::Held),
        OnFailure::Stop => Event::Rollout(RolloutEvent::AbortStarted {
            by: "on_failure: stop".into(),
            reason: Reason::OtherShardFailed {
                shard: *shard,
                rollout: other.clone(),
                failed: failed.clone(),
            },
        }),
    }
}

/// The clusters of that wave and of later ones that were touched.
fn touched_from(
    rollout: &Rollout,
    progress: &Progress,
    failed: &FailedAt,
) -> BTreeSet<ClusterName> {
    let stages = rollout.stages.iter();
    let from = stages.skip_while(|s| s.name != failed.stage);
    let waves = from.flat_map(|s| {
        let first = if s.name == failed.stage {
            failed.wave
        } else {
            0
        };
        s.waves.iter().skip(first)
    });
    let clusters = waves.flat_map(|w| &w.clusters).map(|c| &c.cluster);
    let touched = |name: &&ClusterName| progress.is_touched(name);
    clusters.filter(touched).cloned().collect()
}

/// How many clusters of a wave may be rolled here now: those beside it count.
pub(crate) fn places(
    round: &RoundContext<'_>,
    stage: &StageName,
    index: usize,
    wave: &WaveRun,
) -> usize {
    if round.rollout.part.is_none() {
        return wave.parallel;
    }
    let beside = round.board.active_beside(&round.rollout.id, stage, index);
    wave.parallel.saturating_sub(beside)
}

/// What the wave waits for when other rollouts take its places.
pub(crate) fn wait_for_place(
    round: &RoundContext<'_>,
    stage: &StageName,
    index: usize,
    wave: &WaveRun,
    out: &mut DecisionBuilder<'_>,
) {
    let beside = round.board.active_beside(&round.rollout.id, stage, index);
    if round.rollout.part.is_some() && beside > 0 {
        out.wait_rollout(Reason::WaveFull {
            beside,
            most: wave.parallel,
        });
    }
}

/// The room that a wave may use here: where several shards roll clusters of it in an account and region, each has its share.
pub(crate) fn room(
    round: &RoundContext<'_>,
    stage: &StageName,
    index: usize,
    wave: &WaveRun,
) -> Vec<RegionRoom> {
    let shares = round.rollout.part.iter().flat_map(|part| &part.shares);
    let shares: Vec<_> = shares
        .filter(|s| s.stage == *stage && s.wave == index)
        .collect();
    let most = u32::try_from(wave.parallel.max(1)).unwrap_or(u32::MAX);
    let facts = round.live.room.iter();
    facts
        .map(|facts| {
            let mut of = shares.iter();
            let share = of.find(|s| s.account == facts.account && s.region == facts.region);
            // No more of them are at work there at the same time than the wave has places.
            share.map_or_else(|| facts.clone(), |s| facts.share(s.shards.min(most)))
        })
        .collect()
}
