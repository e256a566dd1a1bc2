//! The board: what rollouts that are under way at the same time tell one another. Data and what follows from it; where it is kept is the store's affair.
//!
//! A row is a fold of its rollout's journal, written after it; only a cluster that is about to begin is written before its record, so that
//! the board never says less is under way than is. Who takes a rollout over writes its row anew from the journal.

mod row;
mod split;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::schedule::Seat;
use super::shards::{FailedAt, RowState};
use crate::model::{ClusterName, Digest, Shard, StageName, Timestamp};

pub use row::{BoardRow, Boundary, row_of};
pub use split::{shares, split};

/// What rollouts that are under way at the same time know of one another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// Form of it, 1.
    pub version: u32,
    /// Releases that several runs carry out together, by what identifies them.
    pub joints: BTreeMap<Digest, Joint>,
    /// Rollouts by their id.
    pub rows: BTreeMap<String, BoardRow>,
}

impl Default for Board {
    fn default() -> Board {
        Board {
            version: 1,
            joints: BTreeMap::new(),
            rows: BTreeMap::new(),
        }
    }
}

/// One release that several runs carry out together, each a shard of the fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Joint {
    /// The release that is rolled out.
    pub release: Digest,
    /// How often it was begun, from 1: a joint rollout that has ended may be begun again.
    pub attempt: u32,
    /// The clusters of each shard.
    pub parts: Vec<BTreeSet<ClusterName>>,
    /// Who began it, with its first shard.
    pub by: String,
    /// When, in the cloud's time.
    pub since: Timestamp,
}

/// A shard that has not passed a boundary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lagging {
    /// Which it is.
    pub shard: Shard,
    /// Its rollout, and how that stands; none: it has not begun.
    pub rollout: Option<(String, RowState)>,
}

impl Board {
    /// The rollouts of a joint one, by their shard.
    pub fn seats(&self, seat: &Seat) -> BTreeMap<Shard, (&str, &BoardRow)> {
        let beside = |row: &BoardRow| {
            let theirs = row.seat.as_ref()?;
            let is_one = theirs.joint == seat.joint && theirs.attempt == seat.attempt;
            is_one.then_some(theirs.shard)
        };
        let rows = self.rows.iter();
        rows.filter_map(|(id, row)| Some((beside(row)?, (id.as_str(), row))))
            .collect()
    }

    /// The shards that have not passed it. One that has not begun has not.
    pub fn lagging(&self, seat: &Seat, boundary: Boundary<'_>) -> Vec<Lagging> {
        let seats = self.seats(seat);
        let lags = |shard: Shard| match seats.get(&shard) {
            None => Some(Lagging {
                shard,
                rollout: None,
            }),
            Some((id, row)) => (!row.has_passed(boundary)).then(|| Lagging {
                shard,
                rollout: Some(((*id).to_owned(), row.state)),
            }),
        };
        seat.shard.all().filter_map(lags).collect()
    }

    /// A failure in another shard, in the stage or wave that all of them are in.
    pub fn failure_beside(&self, seat: &Seat) -> Option<(Shard, &str, &FailedAt)> {
        let others = self.seats(seat).into_iter();
        others
            .filter(|(shard, _)| *shard != seat.shard)
            .find_map(|(shard, (id, row))| Some((shard, id, row.failed.as_ref()?)))
    }

    /// Clusters of a wave that other rollouts are at work on.
    pub fn active_beside(&self, rollout: &str, stage: &StageName, wave: usize) -> usize {
        let others = self.rows.iter().filter(|(id, _)| *id != rollout);
        others.map(|(_, row)| row.active_in(stage, wave)).sum()
    }

    /// Lets a rollout begin a cluster, if the wave has a place for it.
    pub fn claim(
        &mut self,
        rollout: &str,
        cluster: &ClusterName,
        (stage, wave, parallel): (&StageName, usize, usize),
    ) -> bool {
        let beside = self.active_beside(rollout, stage, wave);
        let Some(row) = self.rows.get_mut(rollout) else {
            return false;
        };
        let is_free = beside + row.active_in(stage, wave) < parallel;
        if is_free {
            row.active.insert(cluster.clone(), (stage.clone(), wave));
        }
        is_free
    }

    /// Whether a joint rollout goes on: a rollout of it has not ended, or all that began have finished and others have yet to begin.
    pub fn is_open(&self, id: &Digest, joint: &Joint) -> bool {
        let mut states = self.states(id, joint.attempt).peekable();
        if states.peek().is_none() {
            return false;
        }
        let (mut begun, mut all_finished) = (0, true);
        for state in states {
            if !state.has_ended() {
                return true;
            }
            begun += 1;
            all_finished &= state == RowState::Finished;
        }
        all_finished && begun < joint.parts.len()
    }

    /// How the rollouts of a joint one stand.
    pub fn states(&self, id: &Digest, attempt: u32) -> impl Iterator<Item = RowState> {
        let id = id.clone();
        let rows = self.rows.values();
        rows.filter(move |row| {
            let seat = row.seat.as_ref();
            seat.is_some_and(|seat| seat.joint == id && seat.attempt == attempt)
        })
        .map(|row| row.state)
    }

    /// The joint rollout that goes on and rolls one of these clusters, whether the shard of that cluster has begun or not.
    pub fn open_over(&self, clusters: &BTreeSet<ClusterName>) -> Option<(&Digest, &Joint)> {
        let over = |joint: &Joint| joint.parts.iter().any(|part| !part.is_disjoint(clusters));
        let mut joints = self.joints.iter();
        joints.find(|(id, joint)| over(joint) && self.is_open(id, joint))
    }

    /// Takes down what nobody reads any more: rollouts that have ended, but for those of joint rollouts that are still on the board.
    pub fn tidy(&mut self) {
        let joints = &self.joints;
        let counts = |row: &BoardRow| {
            let seat = row.seat.as_ref();
            seat.is_some_and(|seat| {
                let joint = joints.get(&seat.joint);
                joint.is_some_and(|joint| joint.attempt == seat.attempt)
            })
        };
        self.rows
            .retain(|_, row| !row.state.has_ended() || counts(row));
    }

    /// What all plans of a joint rollout come to: the word of a person names it. None while a shard has not begun: what it will do is not known.
    pub fn plans(&self, seat: &Seat) -> Option<Digest> {
        let seats = self.seats(seat);
        let plan = |shard| seats.get(&shard).map(|(_, row)| &row.plan);
        let plans: Option<Vec<&Digest>> = seat.shard.all().map(plan).collect();
        Some(crate::model::digest_of(&plans?))
    }
}

#[cfg(test)]
mod tests;
