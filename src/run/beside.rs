//! What a run tells those beside it, and what it hears from them. Decides nothing.

use std::time::Duration;

use super::runner::{Runner, raised};
use super::{Outcome, RunError, Signal};
use crate::cloud::Cloud;
use crate::model::ClusterName;
use crate::nodes::NodeApi;
use crate::rollout::{Board, ClusterEvent, ClusterRun, Decision, Event, Reason, row_of};

/// Others are waited for by the clock on the wall, and no longer than this: a pipeline's worker costs.
const PATIENCE: Duration = Duration::from_secs(1_800);

impl<W: Cloud + NodeApi, T: FnMut(Signal<'_>)> Runner<'_, W, T> {
    fn is_beside_others(&self) -> bool {
        self.journal.rollout().part.is_some()
    }

    /// Looks at the board.
    pub(super) fn read_board(&mut self) -> Result<(), RunError> {
        if self.is_beside_others() {
            self.beside.board = self.store.board()?;
        }
        Ok(())
    }

    /// Writes down for the others how this rollout stands, where that has changed.
    pub(super) fn tell_board(&mut self) -> Result<(), RunError> {
        if !self.is_beside_others() {
            return Ok(());
        }
        let (rollout, progress) = (self.journal.rollout(), self.journal.progress());
        let row = row_of(rollout, progress);
        if self.beside.board.rows.get(&rollout.id) == Some(&row) {
            return Ok(());
        }
        self.journal.check()?;
        let told = self.store.change_board(|board| {
            board.rows.insert(rollout.id.clone(), row.clone());
        })?;
        self.beside.board = told.0;
        Ok(())
    }

    /// Of what is to be recorded, what the places of the wave allow: clusters that begin are written on the board first.
    pub(super) fn claimed(&mut self, mut events: Vec<Event>) -> Result<Vec<Event>, RunError> {
        if !self.is_beside_others() {
            return Ok(events);
        }
        let rollout = self.journal.rollout();
        let begins = |event: &Event| match event {
            Event::Cluster(cluster, ClusterEvent::Started) => Some(cluster.clone()),
            Event::Rollout(_)
            | Event::Stage(..)
            | Event::Cluster(..)
            | Event::Group(..)
            | Event::Hook(..)
            | Event::Step(..) => None,
        };
        let mut refused: Vec<ClusterName> = Vec::new();
        let changes = |name: &ClusterName| rollout.cluster(name).is_some_and(ClusterRun::changes);
        for cluster in events.iter().filter_map(begins).filter(changes) {
            let Some((stage, index, wave)) = rollout.wave_of(&cluster) else {
                continue;
            };
            self.journal.check()?;
            let place = (&stage.name, index, wave.parallel);
            let (board, is_claimed) = self
                .store
                .change_board(|board| board.claim(&rollout.id, &cluster, place))?;
            self.beside.board = board;
            if !is_claimed {
                refused.push(cluster);
            }
        }
        events.retain(|event| begins(event).is_none_or(|cluster| !refused.contains(&cluster)));
        Ok(events)
    }

    /// Whether others have been waited for long enough, or never will get as far.
    pub(super) fn others_are_late(
        &mut self,
        next: &Decision,
        in_vain: bool,
    ) -> Result<Option<Outcome>, RunError> {
        let patience = u64::try_from(self.drive.max_wait.millis()).unwrap_or(u64::MAX);
        let patience = PATIENCE.min(Duration::from_millis(patience));
        let is_late = self.beside.waited() >= Some(patience);
        if !in_vain && !is_late {
            return Ok(None);
        }
        let why: Vec<Reason> = next.waiting.iter().map(|w| w.why.clone()).collect();
        if let Some(first) = why.first() {
            self.pause(first.clone())?;
        }
        Ok(Some(Outcome::WaitingForOthers { why }))
    }

    /// Lets the others get on for a while.
    pub(super) async fn pass_beside(&mut self) -> Result<(), RunError> {
        tokio::select! {
            biased;
            waited = self.world.wait_beside(self.drive.poll) => waited?,
            () = raised(self.interrupted) => {}
        }
        Ok(())
    }

    /// Says that the rollout has ended; where it is beside no other shard, nobody asks for it any more.
    pub(super) fn leave_board(&mut self) {
        if !self.is_beside_others() {
            return;
        }
        // Who begins a rollout reads the journals as well: a row that stays behind is put right there.
        let _ = self.tell_board();
        let _ = self.store.change_board(Board::tidy);
    }
}
