//! What is left of a drained node when its instance ends: volumes of its pods, and load balancers that send to it.

use std::collections::BTreeSet;
use std::ops::Deref;

use super::InvariantChecker;
use crate::model::{InstanceId, LiveCluster, Node, Span, Traffic};
use crate::rollout::breach::InstanceBreach;
use crate::rollout::progress::Drain;
use crate::rollout::schedule::GroupTask;

impl<L: Deref<Target = LiveCluster>> InvariantChecker<'_, L> {
    /// Balancers that may send to it, and have not had their time.
    pub(super) fn balancers_send(
        &self,
        task: &GroupTask,
        id: &InstanceId,
        node: &Node,
    ) -> Option<InstanceBreach> {
        let limit = task.rolling.drain.balancers;
        let clusters = &self.progress.clusters;
        let group = clusters.get(self.cluster)?.groups.get(&task.asg)?;
        let since = group.outstanding.drains.get(id)?.balancers.map(|b| b.since);
        let over = since.is_some_and(|since| self.now >= since + limit);
        let balancers = match node.traffic_to_wait_for()? {
            Traffic::From(balancers) => balancers.clone(),
            Traffic::NotAsked | Traffic::Unknown(_) => BTreeSet::new(),
        };
        (limit > Span::ZERO && !over).then(|| InstanceBreach::TrafficCut {
            instance: id.clone(),
            balancers,
        })
    }

    /// Volumes of evicted pods that are attached still, and have not had their time.
    pub(super) fn volumes_held(
        &self,
        task: &GroupTask,
        id: &InstanceId,
        node: &Node,
    ) -> BTreeSet<String> {
        let limit = task.rolling.drain.volumes;
        let clusters = &self.progress.clusters;
        let group = clusters
            .get(self.cluster)
            .and_then(|c| c.groups.get(&task.asg));
        let drain = group.and_then(|g| g.outstanding.drains.get(id));
        let over = |drain: &Drain| {
            let since = drain.volumes.map(|v| v.since);
            since.is_some_and(|since| self.now >= since + limit)
        };
        match drain {
            Some(drain) if limit > Span::ZERO && !over(drain) => {
                node.volumes_to_wait_for(&drain.claims)
            }
            Some(_) | None => BTreeSet::new(),
        }
    }
}
