//! A rollout is resumed: what a process that died may not have got to comes first.

use super::runner::Runner;
use super::{RunError, Signal};
use crate::cloud::Cloud;
use crate::engine::Engine;
use crate::model::{ClusterName, StageName};
use crate::nodes::NodeApi;
use crate::rollout::{ClusterState, Event, RolloutEvent};
use crate::store::TakenOver;

impl<W: Cloud + NodeApi + Engine, T: FnMut(Signal<'_>)> Runner<'_, W, T> {
    /// Locks of what is under way, the account fence, and what a dead process may not have got to: baselines of verified
    /// and of restored clusters. A rollout that is over is left alone: what came after it counts. One
    /// that is interrupted here has not begun.
    pub(super) async fn take_up(&mut self) -> Result<(), RunError> {
        let progress = self.journal.progress();
        if progress.ending.is_some() {
            return Ok(());
        }
        let touched: Vec<ClusterName> = progress
            .clusters
            .keys()
            .filter(|name| progress.is_touched(name))
            .cloned()
            .collect();
        let waves: Vec<ClusterName> = self.waves_under_way();
        self.expect_all();
        if !self.fence().await? {
            return Ok(());
        }
        let (locks, over) = self.journal.take_locks();
        self.locks = locks;
        let over: Vec<TakenOver> = self.journal.taken_over().into_iter().chain(over).collect();
        self.taken(over)?;
        self.lock(touched.into_iter().chain(waves).collect())?;
        if self.journal.progress().seq > 1 {
            self.append(vec![Event::Rollout(RolloutEvent::Resumed {
                by: self.drive.by.clone(),
            })])?;
        }
        let states: Vec<(ClusterName, ClusterState)> = self
            .journal
            .progress()
            .clusters
            .iter()
            .map(|(name, c)| (name.clone(), c.state))
            .collect();
        self.mark_hooks()?;
        for (cluster, state) in states {
            match state {
                ClusterState::Verified(since) => self.baseline(&cluster, since)?,
                ClusterState::Restored => self.restore_baseline(&cluster)?,
                ClusterState::Waiting | ClusterState::Rolling | ClusterState::Checking(_) => {}
            }
        }
        Ok(())
    }

    fn waves_under_way(&self) -> Vec<ClusterName> {
        let (rollout, progress) = (self.journal.rollout(), self.journal.progress());
        let under_way = |stage: &StageName, wave: usize| {
            let key = (stage.clone(), wave);
            progress.waves_started.contains(&key) && !progress.waves_passed.contains(&key)
        };
        let waves = rollout.stages.iter().flat_map(|s| {
            s.waves
                .iter()
                .enumerate()
                .map(move |(n, w)| (&s.name, n, w))
        });
        waves
            .filter(|(stage, n, _)| under_way(stage, *n))
            .flat_map(|(_, _, w)| w.changing())
            .collect()
    }
}
