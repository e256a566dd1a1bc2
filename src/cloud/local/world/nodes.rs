//! The nodes of the simulated clusters, as their Kubernetes APIs would answer: looks and effects. Plays no time.

use super::super::answers::EffectOutcome;
use super::super::cluster::SimulatedCluster;
use super::Inner;
use crate::cloud::CloudError;
use crate::model::{Applied, ClusterName, Effect, NodeEffect, Nodes, Seen, Unseen};

const REFUSED: &str = "connection refused (simulated)";

impl Inner {
    pub(in crate::cloud::local) fn nodes(&self, cluster: &ClusterName) -> Nodes {
        if self.faults.no_read(cluster) {
            return Nodes::Unknown(Unseen::silent("no answer within 10s (simulated)"));
        }
        if self.faults.no_kubernetes(cluster) {
            return Nodes::Unknown(Unseen::silent(REFUSED));
        }
        let mut seen = Seen {
            uid: format!("simulated-{cluster}"),
            ..Seen::default()
        };
        let named = self
            .index
            .named(cluster)
            .filter_map(|place| self.clusters.get(place));
        named.for_each(|c| c.seen(&self.faults, &mut seen));
        Nodes::Known(seen)
    }

    pub(in crate::cloud::local) fn act(
        &mut self,
        cluster: &ClusterName,
        effect: &NodeEffect,
    ) -> Result<Applied, CloudError> {
        if self.faults.no_kubernetes(cluster) {
            let (subject, message) = (cluster.to_string(), REFUSED.into());
            return Err(CloudError::Unknown { subject, message });
        }
        if self.index.named(cluster).next().is_none() {
            return Ok(Applied::Already);
        }
        self.begin()?;
        let named: Vec<SimulatedCluster> = self
            .index
            .named(cluster)
            .filter_map(|place| self.clusters.get(place).cloned())
            .collect();
        for mut after in named {
            match after.act(effect, &self.faults) {
                None => {}
                Some(EffectOutcome::Unchanged(applied)) => return Ok(applied),
                Some(EffectOutcome::Changed(applied)) => {
                    self.keep(after, Effect::Node(effect.clone()))?;
                    return Ok(applied);
                }
            }
        }
        Ok(Applied::Already)
    }
}
