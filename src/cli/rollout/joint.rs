//! A release that several runs carry out together, as the store shows it: every shard, begun or not.

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::model::{ClusterName, Digest, Shard};
use crate::report::{JointSeen, ShardBegun, ShardSeen};
use crate::rollout::{Board, ClusterState, Joint, Progress, Rollout, RowState, Seat, row_of};
use crate::store::{Store, StoreError};

/// The joint rollout that goes on, or else the one that a rollout is part of.
pub(super) fn seen(store: &Store, newest: Option<&str>) -> Result<Option<JointSeen>, Failure> {
    let board = store.board()?;
    let mut open = board.joints.iter().filter(|(id, j)| board.is_open(id, j));
    if let Some((id, joint)) = open.next() {
        return look(store, &board, id, joint).map(Some);
    }
    let Some(newest) = newest else {
        return Ok(None);
    };
    let Some(seat) = store.outline(newest)?.0.part.and_then(|part| part.seat) else {
        return Ok(None);
    };
    match board.joints.get(&seat.joint) {
        Some(joint) if joint.attempt == seat.attempt => {
            look(store, &board, &seat.joint, joint).map(Some)
        }
        Some(_) | None => Ok(None),
    }
}

fn look(store: &Store, board: &Board, id: &Digest, joint: &Joint) -> Result<JointSeen, Failure> {
    let of = u32::try_from(joint.parts.len()).unwrap_or(u32::MAX);
    let first: Shard = format!("1/{of}")
        .parse()
        .map_err(|e| Failure::new(format!("{e}")))?;
    let seat = Seat {
        joint: id.clone(),
        attempt: joint.attempt,
        shard: first,
    };
    let seats = board.seats(&seat);
    let mut shards = Vec::new();
    let mut approval = None;
    for (shard, part) in first.all().zip(&joint.parts) {
        let begun = match seats.get(&shard) {
            Some((id, _)) => begun(store, id)?,
            None => None,
        };
        if let Some((rollout, progress, _)) = &begun {
            approval = approval.or(awaited_approval(rollout, progress));
        }
        shards.push(ShardSeen {
            shard,
            clusters: part.len(),
            begun: begun.map(|(_, _, begun)| begun),
        });
    }
    Ok(JointSeen {
        id: id.clone(),
        joint: joint.clone(),
        plans: board.plans(&seat),
        shards,
        approval,
    })
}

/// A rollout as its journal says: the board may be a moment behind. None: its process was killed before it had begun.
fn begun(store: &Store, id: &str) -> Result<Option<(Rollout, Progress, ShardBegun)>, Failure> {
    let (rollout, progress) = match store.outline(id) {
        Ok(found) => found,
        Err(StoreError::NoSuchRollout(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let is_verified = |name: &ClusterName| {
        let state = progress.clusters.get(name).map(|c| c.state);
        matches!(state, Some(ClusterState::Verified(_)))
    };
    let verified = rollout.clusters().filter(|c| is_verified(&c.cluster));
    let begun = ShardBegun {
        rollout: id.to_owned(),
        row: row_of(&rollout, &progress),
        owner: store.owner(id)?,
        verified: verified.count(),
    };
    Ok(Some((rollout, progress, begun)))
}

/// The next stage that needs an approval, where nothing before it is left to do.
fn awaited_approval(rollout: &Rollout, progress: &Progress) -> Option<crate::model::StageName> {
    let next = rollout
        .stages
        .iter()
        .find(|s| !progress.stages_passed.contains(&s.name))?;
    let waits = next.approval
        && next.changes()
        && !progress.stages_started.contains(&next.name)
        && !progress.approvals.contains_key(&next.name)
        && progress.ending.is_none();
    waits.then(|| next.name.clone())
}

/// As the worst of its shards would end.
pub(super) fn exit_of(seen: &JointSeen) -> Option<Exit> {
    let states: Vec<Option<RowState>> = seen
        .shards
        .iter()
        .map(|s| s.begun.as_ref().map(|b| b.row.state))
        .collect();
    let any = |state: RowState| states.contains(&Some(state));
    let is_over = states.iter().all(|s| s.is_none_or(RowState::has_ended));
    match () {
        () if any(RowState::Stuck) => Some(Exit::Stuck),
        () if !is_over => Some(Exit::Waits),
        () if any(RowState::Aborted) => None,
        () if any(RowState::RolledBack) => Some(Exit::RolledBack),
        () if states.contains(&None) => Some(Exit::Waits),
        () => Some(Exit::Good),
    }
}

/// The rollouts of all shards that have begun.
pub(super) fn rollouts(seen: &JointSeen) -> Vec<String> {
    let begun = seen.shards.iter().filter_map(|s| s.begun.as_ref());
    begun.map(|b| b.rollout.clone()).collect()
}
