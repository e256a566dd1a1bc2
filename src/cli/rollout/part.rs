//! Which part of the fleet a run rolls out: all of it, a selection, or a shard. And what may be under way beside it.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::args::StartArguments;
use crate::cli::failure::Failure;
use crate::cli::pipeline::PreparedFleet;
use crate::cli::{given, plan};
use crate::fleet::Stage;
use crate::model::{AccountId, ClusterName, Digest, Region, Shard, Timestamp, digest_of};
use crate::plan::Policy;
use crate::report;
use crate::rollout::{
    Board, BoardRow, Joint, Part, Progress, Rollout, RowState, Seat, row_of, shares, split,
};
use crate::store::{Store, StoreError};

/// What of the fleet is rolled.
pub(super) struct Portion {
    /// Its clusters.
    pub(super) clusters: BTreeSet<ClusterName>,
    /// Clusters that other shards roll.
    pub(super) elsewhere: BTreeSet<ClusterName>,
    /// Whether it is all of the fleet.
    is_whole: bool,
    shard: Option<PortionShard>,
}

struct PortionShard {
    shard: Shard,
    joint: Digest,
    release: Digest,
    parts: Vec<BTreeSet<ClusterName>>,
    part: Part,
}

/// What a run with `--shard` has to do.
pub(super) enum ShardTurn {
    /// Its rollout begins, as this attempt.
    Begin { attempt: u32 },
    /// It began already: it is carried on.
    Resume(String),
    /// All shards have finished: it begins again if there is anything to do.
    Again { attempt: u32 },
    /// Its rollout has ended, and others of the release have not.
    Over(String),
}

/// What is meant by what was typed.
pub(super) fn portion(
    prepared: &PreparedFleet,
    command: &StartArguments,
) -> Result<Portion, Failure> {
    let whole = plan::of_stages(prepared, &[])?;
    let mut clusters = plan::in_stages(prepared, &command.selection)?;
    let stages = &prepared.fleet.settings.stages;
    if !command.clusters.is_empty() {
        let known = whole.iter().collect();
        let named = command.clusters.iter().map(|c| given::meant(&known, c));
        let named: BTreeSet<ClusterName> = named.collect::<Result<_, _>>()?;
        clusters.retain(|c| named.contains(c));
    }
    if !command.waves.is_empty() {
        let named = of_waves(stages, &command.waves)?;
        clusters.retain(|c| named.contains(c));
    }
    let saved = saved_plan(command)?;
    if let Some((_, planned)) = &saved {
        clusters.retain(|c| planned.contains(c));
    }
    if clusters.is_empty() {
        return Err(Failure::new("nothing of the fleet is selected")
            .hint("`--stage`, `--wave` and `--cluster` together leave no cluster"));
    }
    let is_whole = command.shard.is_none() && (clusters == whole || saved.is_some());
    let Some(shard) = command.shard else {
        return Ok(Portion {
            clusters,
            elsewhere: BTreeSet::new(),
            is_whole,
            shard: None,
        });
    };
    let stages = selected(stages, &clusters);
    let room = |name: &ClusterName| place(prepared, name);
    let parts = split(&stages, room, shard.of());
    let mine = parts.get(shard.place()).cloned().unwrap_or_default();
    let elsewhere = clusters.difference(&mine).cloned().collect();
    // What differs in any of this is another rollout: the runs of one and the same find one another by it.
    let joint = digest_of(&(
        &prepared.release,
        Policy::of(&prepared.fleet.settings),
        &parts,
        saved.map(|(id, _)| id),
    ));
    let part = Part {
        seat: None,
        shares: shares(&stages, room, &parts, shard),
    };
    Ok(Portion {
        clusters: mine,
        elsewhere,
        is_whole,
        shard: Some(PortionShard {
            shard,
            joint,
            release: prepared.release.clone(),
            parts,
            part,
        }),
    })
}

/// The id of the plan that was saved, and its clusters.
fn saved_plan(
    command: &StartArguments,
) -> Result<Option<(Digest, BTreeSet<ClusterName>)>, Failure> {
    let Some(path) = &command.plan else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?;
    let plan = report::plan_from_json(&text)
        .map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    Ok(Some((plan.id, plan.clusters.into_keys().collect())))
}

fn of_waves(stages: &[Stage], named: &[String]) -> Result<BTreeSet<ClusterName>, Failure> {
    let mut clusters = BTreeSet::new();
    for name in named {
        let found = name.rsplit_once('/').and_then(|(stage, wave)| {
            let stage = stages.iter().find(|s| s.name.as_str() == stage)?;
            let wave: usize = wave.parse().ok()?;
            stage.waves.get(wave.checked_sub(1)?)
        });
        let Some(wave) = found else {
            let all = stages
                .iter()
                .flat_map(|s| (1..=s.waves.len()).map(move |n| format!("{}/{n}", s.name)));
            let all: Vec<String> = all.collect();
            return Err(
                Failure::new(format!("the fleet has no wave `{name}`")).hint(format!(
                    "a wave is written STAGE/N; there are {}",
                    all.join(", ")
                )),
            );
        };
        clusters.extend(wave.clusters.iter().cloned());
    }
    Ok(clusters)
}

/// The stages, with the clusters selected alone. Waves keep their places.
fn selected(stages: &[Stage], clusters: &BTreeSet<ClusterName>) -> Vec<Stage> {
    let mut stages = stages.to_vec();
    for wave in stages.iter_mut().flat_map(|s| &mut s.waves) {
        wave.clusters.retain(|c| clusters.contains(c));
    }
    stages
}

fn place(prepared: &PreparedFleet, name: &ClusterName) -> Option<(AccountId, Region)> {
    let cluster = &prepared.clusters.get(name)?.desired;
    Some((cluster.account.clone(), cluster.region.clone()))
}

impl Portion {
    /// Whether other rollouts may be under way at the same time.
    pub(super) fn is_partial(&self) -> bool {
        !self.is_whole
    }

    pub(super) fn is_shard(&self) -> bool {
        self.shard.is_some()
    }

    /// Its place beside others, as the rollout keeps it.
    pub(super) fn part(&self, attempt: u32) -> Option<Part> {
        let Some(own) = &self.shard else {
            return self.is_partial().then(Part::default);
        };
        Some(Part {
            seat: Some(Seat {
                joint: own.joint.clone(),
                attempt,
                shard: own.shard,
            }),
            ..own.part.clone()
        })
    }

    /// What the id of its rollout ends with, so that no two shards have the same.
    pub(super) fn suffix(&self) -> String {
        let shard = self.shard.as_ref().map(|own| own.shard);
        shard.map_or_else(String::new, |s| format!("-s{}of{}", s.index(), s.of()))
    }
}

/// What a run with `--shard` finds of its release in the store.
pub(super) fn turn(store: &Store, portion: &Portion, again: bool) -> Result<ShardTurn, Failure> {
    let first = ShardTurn::Begin { attempt: 1 };
    let Some(own) = &portion.shard else {
        return Ok(first);
    };
    let board = store.board()?;
    let Some(joint) = board.joints.get(&own.joint) else {
        return Ok(first);
    };
    let attempt = joint.attempt;
    let seat = Seat {
        joint: own.joint.clone(),
        attempt,
        shard: own.shard,
    };
    let mine = board
        .seats(&seat)
        .get(&own.shard)
        .map(|(id, _)| (*id).to_owned());
    if let Some(id) = &mine {
        match store.outline(id) {
            Ok((_, progress)) if progress.ending.is_none() => {
                return Ok(ShardTurn::Resume(id.clone()));
            }
            Ok(_) => {}
            // Its process was killed before it had begun.
            Err(StoreError::NoSuchRollout(_)) => return Ok(ShardTurn::Begin { attempt }),
            Err(error) => return Err(error.into()),
        }
    }
    if board.is_open(&own.joint, joint) {
        return Ok(mine.map_or(ShardTurn::Begin { attempt }, ShardTurn::Over));
    }
    let mut states = board.states(&own.joint, attempt);
    if states.all(|state| state == RowState::Finished) {
        let attempt = attempt + 1;
        return Ok(if mine.is_some() {
            ShardTurn::Again { attempt }
        } else {
            ShardTurn::Begin { attempt }
        });
    }
    if again {
        return Ok(ShardTurn::Begin {
            attempt: attempt + 1,
        });
    }
    Err(Failure::new(format!(
        "release {} was aborted or rolled back in a shard",
        joint.release.short()
    ))
    .hint("see `kfleet rollout status`; `--again REASON`, for every shard, starts it again, and is recorded"))
}

/// Whether it may begin beside what is under way.
pub(super) fn free(
    store: &Store,
    prepared: &PreparedFleet,
    portion: &Portion,
) -> Result<(), Failure> {
    let joint = portion.shard.as_ref().map(|own| &own.joint);
    without_lost(store)?;
    for id in store.perhaps_unfinished()?.into_iter().rev() {
        let (rollout, progress) = store.outline(&id)?;
        let is_ours = joint.is_some() && rollout.seat().map(|s| &s.joint) == joint;
        if progress.ending.is_none() && !is_ours {
            beside(&rollout, prepared, portion)?;
        }
    }
    let board = store.board()?;
    let all = portion
        .clusters
        .union(&portion.elsewhere)
        .cloned()
        .collect();
    match board.open_over(&all) {
        Some((id, found)) if Some(id) != joint => Err(Failure::new(format!(
            "release {} is rolled out in {} shards, and not all of them have ended",
            found.release.short(),
            found.parts.len()
        ))
        .hint("`kfleet rollout status` shows them; `kfleet rollout abort` ends all of them")),
        Some(_) | None => Ok(()),
    }
}

/// Takes down what stands on the board of rollouts whose journals a person has taken away: nothing would ever change it, and it would be waited for
/// without an end. A row without work may be of a rollout that is being started; a shard's is for its successor.
fn without_lost(store: &Store) -> Result<(), Failure> {
    let may_be_lost = |row: &BoardRow| row.seat.is_none() && !row.active.is_empty();
    let rows = store.board()?.rows;
    let mut lost: BTreeSet<String> = rows
        .into_iter()
        .filter(|(_, row)| may_be_lost(row))
        .map(|(id, _)| id)
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    // Listed after the board was read: a row has work only once its journal is there, so that one which begins meanwhile is not taken for lost.
    for id in store.rollouts()? {
        lost.remove(&id);
    }
    store.change_board(|board| {
        board.rows.retain(|id, _| !lost.contains(id));
    })?;
    Ok(())
}

/// Whether it may begin beside this one.
fn beside(rollout: &Rollout, prepared: &PreparedFleet, portion: &Portion) -> Result<(), Failure> {
    let id = &rollout.id;
    let theirs_all: BTreeSet<&ClusterName> = rollout.clusters().map(|c| &c.cluster).collect();
    let is_own = portion
        .clusters
        .iter()
        .chain(&portion.elsewhere)
        .any(|c| theirs_all.contains(c));
    if portion.is_whole || rollout.part.is_none() || is_own {
        return Err(Failure::new(format!("rollout {id} is not finished"))
            .hint("`kfleet rollout resume` goes on with it, `kfleet rollout abort` ends it"));
    }
    let mut stands_on = rollout.watched.iter().map(|w| &w.run.cluster);
    if let Some(cluster) = stands_on.find(|c| portion.clusters.contains(*c)) {
        return Err(Failure::new(format!(
            "rollout {id} is not finished, and depends on {cluster} as it is"
        ))
        .hint("wait until it has ended"));
    }
    let rooms: BTreeMap<_, _> = portion
        .clusters
        .iter()
        .filter_map(|c| Some((place(prepared, c)?, c)))
        .collect();
    let mut theirs = rollout.clusters().filter(|c| !c.groups.is_empty());
    let shared = theirs.find_map(|c| {
        let mine = rooms.get(&(c.account.clone(), c.region.clone()))?;
        Some((c, *mine))
    });
    match shared {
        Some((theirs, mine)) => Err(Failure::new(format!(
            "rollout {id} is not finished, and changes {} in the same account and region as {mine}: neither would leave room for the other",
            theirs.cluster
        ))
        .hint("wait until it has ended; the shards of one release (`--shard I/N`) share an account")),
        None => Ok(()),
    }
}

/// Puts the rollout on the board, before it begins: who is beside it has to know it first.
pub(super) fn announce(
    store: &Store,
    portion: &Portion,
    rollout: &Rollout,
    now: Timestamp,
) -> Result<(), Failure> {
    if !portion.is_partial() {
        return Ok(());
    }
    let row = row_of(rollout, &Progress::new(rollout));
    store.change_board(|board| {
        if let (Some(own), Some(seat)) = (&portion.shard, rollout.seat()) {
            join(board, own, seat, (&rollout.started_by, now));
        }
        board.rows.insert(rollout.id.clone(), row.clone());
    })?;
    Ok(())
}

/// It did not begin after all: nobody waits for it.
pub(super) fn withdraw(store: &Store, portion: &Portion, rollout: &Rollout) {
    if portion.is_partial() {
        // A row that stays behind has no journal, and who begins this shard next takes its place.
        let _ = store.change_board(|board| board.rows.remove(&rollout.id));
    }
}

fn join(board: &mut Board, own: &PortionShard, seat: &Seat, (by, now): (&str, Timestamp)) {
    let known = board.joints.get(&own.joint).map(|joint| joint.attempt);
    if known == Some(seat.attempt) {
        // A row of this shard is of a process that was killed before it began.
        let is_mine = |row: &BoardRow| row.seat.as_ref() == Some(seat);
        board.rows.retain(|_, row| !is_mine(row));
        return;
    }
    // Those that have ended, and rolled the same clusters, are history.
    let over = board.joints.iter().filter(|(id, joint)| {
        let is_same = joint
            .parts
            .iter()
            .flatten()
            .any(|c| own.parts.iter().any(|part| part.contains(c)));
        is_same && !board.is_open(id, joint)
    });
    let over: Vec<Digest> = over.map(|(id, _)| id.clone()).collect();
    board.joints.retain(|id, _| !over.contains(id));
    let joint = Joint {
        release: own.release.clone(),
        attempt: seat.attempt,
        parts: own.parts.clone(),
        by: by.to_owned(),
        since: now,
    };
    board.joints.insert(own.joint.clone(), joint);
    board.tidy();
}
