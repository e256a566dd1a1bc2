//! What of ours is out there at a group and has to be restored, whichever way the rollout goes. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{InstanceId, NodeName, Span, Timestamp};

/// What of ours is out there at a group: it survives a change of direction, and an abort ends only when nothing of it is left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outstanding {
    /// Processes we suspended.
    pub suspended: BTreeSet<String>,
    /// Desired capacity that we added and have not released.
    pub surge: u32,
    /// Instances we took out of the group that still run.
    pub detached: BTreeSet<InstanceId>,
    /// Nodes to which we gave the taint of old nodes.
    pub tainted: BTreeMap<NodeName, InstanceId>,
    /// Instances that we protected from scale-in.
    pub protected: BTreeSet<InstanceId>,
    /// Nodes that we keep from the autoscaler.
    pub kept: BTreeMap<NodeName, InstanceId>,
    /// Nodes that were ended with pods on them, because their kubelet did not answer.
    pub dead: BTreeMap<NodeName, DeadNode>,
    /// Drains under way.
    pub drains: BTreeMap<InstanceId, Drain>,
}

impl Outstanding {
    /// Nothing of ours is out there.
    pub fn is_empty(&self) -> bool {
        !self.has_exchange() && self.kept.is_empty() && self.dead.is_empty()
    }

    /// Something of an exchange of ours is open: what is only kept from the autoscaler may be AWS's exchange.
    pub(crate) fn has_exchange(&self) -> bool {
        let marked =
            !self.tainted.is_empty() || !self.protected.is_empty() || !self.suspended.is_empty();
        self.surge > 0 || !self.detached.is_empty() || !self.drains.is_empty() || marked
    }

    /// Instances that run beside those of the group: surge, and what was taken out of it.
    pub fn extra(&self) -> u32 {
        let detached = u32::try_from(self.detached.len()).unwrap_or(u32::MAX);
        self.surge.saturating_add(detached)
    }

    /// An instance has ended: nothing that was kept for it, or for its node, is left.
    pub(super) fn forget(&mut self, instance: &InstanceId) {
        if let Some(node) = self.drains.remove(instance).and_then(|drain| drain.node) {
            self.tainted.remove(&node);
            self.kept.remove(&node);
        }
        self.detached.remove(instance);
        self.protected.remove(instance);
        let dead = self.dead.values_mut().filter(|d| d.instance == *instance);
        dead.for_each(|d| d.ended = true);
    }

    /// Protection from scale-in was given or taken: what had it before is not ours, what was taken is gone.
    pub(super) fn protect(&mut self, instances: &BTreeSet<InstanceId>, protect: bool, ours: bool) {
        if !protect {
            self.protected.retain(|id| !instances.contains(id));
        } else if ours {
            self.protected.extend(instances.iter().cloned());
        }
    }

    /// The drains of a node.
    pub(super) fn drains_of<'a>(
        &'a mut self,
        node: &'a NodeName,
    ) -> impl Iterator<Item = &'a mut Drain> {
        self.drains
            .values_mut()
            .filter(move |drain| drain.node.as_ref() == Some(node))
    }
}

/// A node that was ended with pods on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadNode {
    /// The instance that it was the node of.
    pub instance: InstanceId,
    /// When it was given up.
    pub since: Timestamp,
    /// AWS has answered that it ends the instance: what is no longer listed then runs no more.
    pub ended: bool,
    /// It has the taint that has Kubernetes end its pods.
    pub marked: bool,
}

/// A drain under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    pub node: Option<NodeName>,
    /// Since when.
    pub since: Timestamp,
    /// Whether its node is cordoned, and by whom.
    pub cordoned: Cordoned,
    /// When evictions were asked for last.
    pub asked_at: Option<Timestamp>,
    /// Pods that it had to wait for when it began.
    pub pods: u32,
    /// The longest grace period of its pods when it began.
    pub grace: Span,
    /// Claims of its pods when it began.
    pub claims: BTreeSet<String>,
    /// Since when its pods are gone and volumes of theirs are attached still.
    pub volumes: Option<Awaited>,
    /// Since when its pods are gone and load balancers may send to it still.
    pub balancers: Option<Awaited>,
}

/// What is waited for once the pods of a drain are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// Since when.
    pub since: Timestamp,
    /// Whether it had its time.
    pub over: bool,
}

/// Whether a node is cordoned, as far as a drain is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cordoned {
    /// Not yet, or no longer.
    No,
    /// By us: we give it back.
    ByUs,
    /// It was when we came: not ours to undo.
    ByOthers,
}

impl Cordoned {
    pub(super) fn by(ours: bool) -> Cordoned {
        if ours {
            Cordoned::ByUs
        } else {
            Cordoned::ByOthers
        }
    }
}
