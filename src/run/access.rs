//! The way to the clusters' own APIs: which clusters are meant, and when to step back because a person has to open it.

use super::runner::Runner;
use super::{Outcome, RunError, Signal};
use crate::cloud::Cloud;
use crate::model::Live;
use crate::nodes::NodeApi;
use crate::rollout::{ClusterEvent, Decision, Event, Reason};

impl<W: Cloud + NodeApi, T: FnMut(Signal<'_>)> Runner<'_, W, T> {
    /// Steps back where a person has to open the way to a cluster's API. Nothing is asked of it until then.
    pub(super) fn shut_out(
        &mut self,
        next: &Decision,
        live: &Live,
    ) -> Result<Option<Outcome>, RunError> {
        let now = self.world.now();
        let Some((cluster, unseen)) = self.shut.found(next, live, now) else {
            return Ok(None);
        };
        let why = unseen.to_string();
        self.pause(Reason::NoAccess {
            cluster: cluster.clone(),
            unseen,
        })?;
        Ok(Some(Outcome::WaitingForAccess { cluster, why }))
    }

    /// The uids by which this rollout has come to know its clusters: no other one is meant.
    pub(super) fn expect_all(&self) {
        for (name, cluster) in &self.journal.progress().clusters {
            if let Some(before) = &cluster.before {
                self.world.expect(name, &before.uid);
            }
        }
    }

    /// A cluster has been looked at for the first time.
    pub(super) fn expect(&self, event: &Event) {
        if let Event::Cluster(cluster, ClusterEvent::Preflight { uid, .. }) = event {
            self.world.expect(cluster, uid);
        }
    }
}
