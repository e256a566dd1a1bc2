//! Volumes that are attached to a node, and whose pods have to leave it: what a drain waits for beside pods. Makes no calls.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What is known of the volumes of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volumes {
    /// Claims, `namespace/name`, of the pods that a drain has to wait for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub claims: BTreeSet<String>,
    /// Volumes that one node alone can have, attached to this one, by their claim. Only nodes that are being emptied are asked about.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attached: BTreeMap<String, String>,
}

impl Volumes {
    /// Nothing is known of any.
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty() && self.attached.is_empty()
    }

    /// Volumes of these claims that are still attached. Ended now, the instance would keep each from its pod's next node for up to six minutes.
    ///
    /// Source: kubernetes-sigs/karpenter, designs, "Graceful Shutdown for Stateful Workloads"; Kubernetes, attach/detach controller
    /// (`maxWaitForUnmountDuration`).
    pub(super) fn held_of(&self, claims: &BTreeSet<String>) -> BTreeSet<String> {
        let held = self.attached.iter();
        held.filter(|(claim, _)| claims.contains(*claim))
            .map(|(_, volume)| volume.clone())
            .collect()
    }
}
