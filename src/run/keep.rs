//! What the store keeps of a rollout beside its journal: locks of clusters, and their baselines.

use std::collections::BTreeSet;

use super::runner::Runner;
use super::{RunError, Signal};
use crate::cloud::Cloud;
use crate::model::{ClusterName, Timestamp, digest_of};
use crate::nodes::NodeApi;
use crate::plan::Baseline;
use crate::rollout::{ClusterState, Event, RolloutEvent};
use crate::store::TakenOver;

impl<W: Cloud + NodeApi, T: FnMut(Signal<'_>)> Runner<'_, W, T> {
    pub(super) fn lock(&mut self, clusters: BTreeSet<ClusterName>) -> Result<(), RunError> {
        let (owner, now) = (self.drive.by.clone(), self.world.now());
        let rollout = self.journal.rollout().id.clone();
        let over = self
            .locks
            .take(self.store, clusters, &owner, &rollout, now)?;
        self.taken(over)
    }

    /// What was taken from a holder that had not released it stands in the journal before anything is done with it.
    pub(super) fn taken(
        &mut self,
        over: impl IntoIterator<Item = TakenOver>,
    ) -> Result<(), RunError> {
        let event = |TakenOver {
                         cluster,
                         from,
                         fence,
                     }| {
            Event::Rollout(RolloutEvent::LockTaken {
                cluster,
                from: from.owner,
                rollout: from.rollout,
                fence,
            })
        };
        self.append(over.into_iter().map(event).collect()).map(drop)
    }

    pub(super) fn baseline(&self, cluster: &ClusterName, since: Timestamp) -> Result<(), RunError> {
        self.journal.check()?;
        let rollout = self.journal.rollout();
        let Some(run) = rollout.cluster(cluster) else {
            return Ok(());
        };
        let seen = self.seen_uid(cluster);
        let revision = rollout.revision.as_ref();
        let baseline = Baseline {
            version: 1,
            cluster: cluster.clone(),
            digest: run.digest.clone(),
            release: rollout.release.clone(),
            rollout: rollout.id.clone(),
            commit: revision.and_then(|r| r.commit()).map(|c| c.id.clone()),
            more_than_commit: revision.is_some_and(|r| !r.unreviewed().is_empty()),
            allow_dirty: revision.and_then(|r| r.allow_dirty.clone()),
            since,
            documents: run.documents.clone(),
            pending: run.pending.clone(),
            user_data: run.user_data.clone(),
            kubernetes: seen.or_else(|| run.previous.as_ref()?.kubernetes.clone()),
        };
        self.store.put_baseline(&baseline)?;
        // An aside: what cannot be put right there is at the next look.
        let _ = self.store.warned_no_more(cluster);
        Ok(())
    }

    /// Which Kubernetes cluster was there before the first change.
    fn seen_uid(&self, cluster: &ClusterName) -> Option<String> {
        let progress = self.journal.progress().clusters.get(cluster)?;
        progress.before.as_ref().map(|b| b.uid.clone())
    }

    /// What ran before runs again, and its soak begins anew.
    pub(super) fn restore_baseline(&self, cluster: &ClusterName) -> Result<(), RunError> {
        self.journal.check()?;
        let previous = self
            .journal
            .rollout()
            .cluster(cluster)
            .and_then(|run| run.previous.clone());
        match previous {
            Some(previous) => Ok(self.store.put_baseline(&Baseline {
                since: self.world.now(),
                ..*previous
            })?),
            None => Ok(self.store.remove_baseline(cluster)?),
        }
    }

    /// Clusters that an abort leaves half-way run neither what they ran nor what they should: nothing may be promoted on
    /// their strength. Their documents are still compared with what was applied last.
    pub(super) fn left_behind(&self) -> Result<(), RunError> {
        self.journal.check()?;
        let (rollout, progress) = (self.journal.rollout(), self.journal.progress());
        for run in rollout.clusters() {
            let Some(cluster) = progress.clusters.get(&run.cluster) else {
                continue;
            };
            let half_way = match cluster.state {
                ClusterState::Rolling | ClusterState::Checking(_) => {
                    progress.is_touched(&run.cluster)
                }
                ClusterState::Waiting | ClusterState::Verified(_) | ClusterState::Restored => false,
            };
            match &run.previous {
                _ if !half_way => {}
                Some(previous) => {
                    let digest = digest_of(&("left half-way by", &rollout.id, &run.cluster));
                    self.store.put_baseline(&Baseline {
                        digest,
                        since: self.world.now(),
                        ..(**previous).clone()
                    })?;
                }
                None => self.store.remove_baseline(&run.cluster)?,
            }
        }
        Ok(())
    }
}
