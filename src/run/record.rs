//! Facts on their way into the journal, and what has to follow from each.

use std::collections::BTreeSet;

use super::fence::{fence, fence_of};
use super::runner::{Runner, raised};
use super::{RunError, Signal};
use crate::cloud::Cloud;
use crate::model::ClusterName;
use crate::nodes::NodeApi;
use crate::rollout::{ClusterEvent, ClusterRun, Event, Reason, Record, RolloutEvent, StageEvent};

impl<W: Cloud + NodeApi, T: FnMut(Signal<'_>)> Runner<'_, W, T> {
    /// Whether the account is the right one; false when the run was interrupted before it was known.
    pub(super) async fn fence(&self) -> Result<bool, RunError> {
        let fenced = fence(self.world, self.journal.rollout(), self.drive.poll);
        tokio::select! {
            biased;
            fenced = fenced => fenced.map(|()| true),
            () = raised(self.interrupted) => Ok(false),
        }
    }

    /// As `fence`, for the clusters of a wave.
    async fn fence_wave(&self, clusters: &BTreeSet<ClusterName>) -> Result<bool, RunError> {
        let wanted = |run: &ClusterRun| clusters.contains(&run.cluster);
        let fenced = fence_of(self.world, self.journal.rollout(), self.drive.poll, wanted);
        tokio::select! {
            biased;
            fenced = fenced => fenced.map(|()| true),
            () = raised(self.interrupted) => Ok(false),
        }
    }

    /// Facts first; a wave's locks are all held before it counts as begun, and those of the clusters that go back before they do.
    pub(super) async fn record(&mut self, events: Vec<Event>) -> Result<(), RunError> {
        let events = self.claimed(events)?;
        for event in &events {
            if let Event::Stage(stage, StageEvent::WaveStarted { wave }) = event {
                let changing = self
                    .journal
                    .rollout()
                    .stage(stage)
                    .and_then(|s| s.waves.get(*wave))
                    .map(crate::rollout::WaveRun::changing);
                let changing = changing.unwrap_or_default();
                self.lock(changing.clone())?;
                if !self.fence_wave(&changing).await? {
                    return Ok(());
                }
            }
            if let Event::Rollout(RolloutEvent::RollbackStarted { clusters, .. }) = event {
                self.lock(clusters.clone())?;
            }
            if *event == Event::Rollout(RolloutEvent::Aborted) {
                self.left_behind()?;
            }
        }
        for record in self.append(events)? {
            self.follow(&record.event)?;
            self.expect(&record.event);
        }
        Ok(())
    }

    /// What the store has to know once a fact is written.
    fn follow(&mut self, event: &Event) -> Result<(), RunError> {
        match event {
            Event::Rollout(what) if what.is_end() => self.locks.release(),
            Event::Stage(_, StageEvent::WavePassed { .. }) => self.locks.release(),
            Event::Cluster(cluster, what) => self.follow_cluster(cluster, what)?,
            Event::Rollout(_)
            | Event::Stage(..)
            | Event::Group(..)
            | Event::Hook(..)
            | Event::Step(..) => {}
        }
        Ok(())
    }

    fn follow_cluster(
        &mut self,
        cluster: &ClusterName,
        event: &ClusterEvent,
    ) -> Result<(), RunError> {
        match event {
            ClusterEvent::Verified { since, evidence: _ } => self.baseline(cluster, *since),
            ClusterEvent::Restored => self.restore_baseline(cluster),
            ClusterEvent::Started
            | ClusterEvent::Preflight { .. }
            | ClusterEvent::Rolled
            | ClusterEvent::SoakBroken { .. }
            | ClusterEvent::Answered { .. }
            | ClusterEvent::Failed { .. }
            | ClusterEvent::Stuck { .. } => Ok(()),
        }
    }

    pub(super) fn pause(&mut self, why: Reason) -> Result<(), RunError> {
        if self.journal.progress().ending.is_none() {
            self.append(vec![Event::Rollout(RolloutEvent::Paused { why })])?;
        }
        Ok(())
    }

    pub(super) fn append(&mut self, events: Vec<Event>) -> Result<Vec<Record>, RunError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        // A simulated world that died goes back to its last saved moment; the journal's time does not go back with it.
        let at = self.world.now().max(self.journal.progress().at);
        let records = self.journal.append(at, events)?;
        self.checkpoints.follow(self.journal);
        for record in &records {
            (self.tell)(Signal::Recorded(record));
        }
        Ok(records)
    }
}
