//! Hooks that run once for a stage or a wave. Where shards roll a release, the first of them whose rollout has such a hook runs it, and the others wait:
//! for one before something, until it is through; after one they wait anyhow, as its shard passes nothing before it. Never acts.

use super::hooks::{self, HooksAt};
use crate::fleet::HookAt;
use crate::model::{Shard, Span, StageName, Timestamp};
use crate::plan::HookTask;
use crate::rollout::board::BoardRow;
use crate::rollout::event::Event;
use crate::rollout::hook_event::HookEvent;
use crate::rollout::progress::HookState;
use crate::rollout::reason::{HookReason, Reason};
use crate::rollout::round::{DecisionBuilder, RoundContext, State};
use crate::rollout::schedule::Seat;

/// A stage, or a wave of it by its index from 0.
pub(crate) type StagePart<'a> = (&'a StageName, Option<usize>);

/// Which shard runs a hook.
enum Runs<'a> {
    /// This one.
    Here,
    /// Another one, as its row says.
    There(Shard, &'a str, &'a BoardRow),
    /// One that has not begun may.
    Unknown(Shard),
}

/// What stands in the way of going on behind the hooks of a moment; none: they are through.
pub(crate) fn in_the_way(
    round: &RoundContext<'_>,
    part: StagePart<'_>,
    hooks: Option<HooksAt<'_>>,
    out: &mut DecisionBuilder<'_>,
) -> Option<State> {
    let hooks = hooks?;
    let Some(seat) = round.rollout.seat() else {
        return (!hooks::are_through(round, hooks, out)).then_some(State::Going);
    };
    let mut mine = hooks.tasks.iter().filter(|t| t.spec.at == hooks.at);
    mine.find_map(|task| one(round, (seat, part), (task, hooks), out))
}

fn one(
    round: &RoundContext<'_>,
    (seat, part): (&Seat, StagePart<'_>),
    (task, hooks): (&HookTask, HooksAt<'_>),
    out: &mut DecisionBuilder<'_>,
) -> Option<State> {
    let run = &round.progress.hooks.get(&task.place)?.run;
    if matches!(run.state, HookState::Settled(_)) {
        return None;
    }
    let is_begun = run.attempts > 0;
    let runs = match is_begun {
        true => Runs::Here,
        false => who_runs(round, seat, task),
    };
    match runs {
        Runs::Unknown(shard) => Some(await_shards(vec![(shard, None)], part, out)),
        Runs::There(shard, id, row) if is_before(task.spec.at) => {
            Some(await_hook(task, (shard, id, row), out))
        }
        Runs::There(..) => None,
        Runs::Here => {
            let late = match is_begun || is_before(task.spec.at) {
                true => Vec::new(),
                false => behind(round, seat, part),
            };
            match late.is_empty() {
                false => Some(await_shards(late, part, out)),
                true => here(round, task, hooks, out),
            }
        }
    }
}

/// It is this shard's, and its moment has come.
fn here(
    round: &RoundContext<'_>,
    task: &HookTask,
    hooks: HooksAt<'_>,
    out: &mut DecisionBuilder<'_>,
) -> Option<State> {
    let is_through = hooks::is_one_through(round, task, hooks.cluster, out);
    (!is_through).then_some(State::Going)
}

/// The first shard that has the hook. One that changes nothing there does not have it, nor one whose plan was made when it had run.
fn who_runs<'r>(round: &RoundContext<'r>, seat: &Seat, task: &HookTask) -> Runs<'r> {
    let seats = round.board.seats(seat);
    let key = task.place.key();
    for shard in seat.shard.all() {
        match seats.get(&shard) {
            _ if shard == seat.shard => return Runs::Here,
            None => return Runs::Unknown(shard),
            Some((id, row)) if row.hooks.contains_key(&key) => {
                return Runs::There(shard, id, row);
            }
            Some(_) => {}
        }
    }
    Runs::Here
}

fn is_before(at: HookAt) -> bool {
    match at {
        HookAt::BeforeStage | HookAt::BeforeWave | HookAt::BetweenWaves | HookAt::BeforeCluster => {
            true
        }
        HookAt::AfterStage | HookAt::AfterWave | HookAt::AfterCluster => false,
    }
}

/// Another shard runs it: what came of it is written down here too.
fn await_hook(
    task: &HookTask,
    (shard, id, row): (Shard, &str, &BoardRow),
    out: &mut DecisionBuilder<'_>,
) -> State {
    let in_vain = row.state.never_passes();
    if !in_vain && row.hooks.get(&task.place.key()) == Some(&true) {
        let ran = HookEvent::RanBeside {
            shard,
            rollout: id.to_owned(),
        };
        out.records.push(Event::Hook(task.place.clone(), ran));
        return State::Going;
    }
    let why = HookReason::HookOfShard {
        place: task.place.clone(),
        shard,
        rollout: (id.to_owned(), row.state),
    };
    out.wait_rollout(why.into());
    State::WaitingForOthers { in_vain }
}

/// A shard that is waited for, and its rollout, where it has begun.
type AwaitedShard<'a> = (Shard, Option<(&'a str, &'a BoardRow)>);

fn await_shards(
    shards: Vec<AwaitedShard<'_>>,
    (stage, wave): StagePart<'_>,
    out: &mut DecisionBuilder<'_>,
) -> State {
    let mut in_vain = false;
    for (shard, rollout) in shards {
        in_vain |= rollout.is_some_and(|(_, row)| row.state.never_passes());
        out.wait_rollout(Reason::ShardAwaited {
            shard,
            rollout: rollout.map(|(id, row)| (id.to_owned(), row.state)),
            stage: stage.clone(),
            wave,
        });
    }
    State::WaitingForOthers { in_vain }
}

/// The other shards that have not come to the end of a part: all of it verified and soaked, and of a stage all waves passed.
fn behind<'r>(round: &RoundContext<'r>, seat: &Seat, part: StagePart<'_>) -> Vec<AwaitedShard<'r>> {
    let seats = round.board.seats(seat);
    let others = seat.shard.all().filter(|shard| *shard != seat.shard);
    others
        .map(|shard| (shard, seats.get(&shard).copied()))
        .filter(|(_, rollout)| !rollout.is_some_and(|(_, row)| is_at_end(round, row, part)))
        .collect()
}

fn is_at_end(round: &RoundContext<'_>, row: &BoardRow, (name, wave): StagePart<'_>) -> bool {
    let Some(stage) = round.rollout.stage(name) else {
        return false;
    };
    let is_soaked = |index: usize, soak: Span| {
        let since: Option<Timestamp> = row.verified_since(name, index);
        since.is_some_and(|since| since + soak <= round.now)
    };
    let all = match wave {
        Some(index) => stage
            .waves
            .get(index)
            .is_some_and(|wave| is_soaked(index, wave.soak)),
        None => {
            let count = stage.waves.len();
            let passed = row.waves.get(name).copied().unwrap_or_default();
            passed >= count && (0..count).all(|index| is_soaked(index, stage.soak))
        }
    };
    all && row.is_sound()
}
