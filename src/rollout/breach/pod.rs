//! Pods leave a node that has to keep them, or against a budget that has to hold.

use serde::Serialize;

use crate::model::{NodeName, Span};

/// How a pod leaves a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Removal {
    /// Within disruption budgets.
    Evicted,
    /// Against them.
    Deleted,
}

/// A rule about pods that a step would break.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum PodBreach {
    /// Pods leave a node while nodes cannot be seen.
    PodsUnseen {
        node: NodeName,
        /// Evicted, deleted, or ended with its node.
        removal: Removal,
    },
    /// Pods leave a node that belongs to another instance by now.
    PodsOfOtherInstance {
        node: NodeName,
        /// Evicted, deleted, or ended with its node.
        removal: Removal,
    },
    /// Pods leave a node that is not being drained.
    PodsWithoutDrain {
        node: NodeName,
        /// Evicted, deleted, or ended with its node.
        removal: Removal,
    },
    /// Pods leave a node that is not cordoned.
    PodsNotCordoned {
        node: NodeName,
        /// Evicted, deleted, or ended with its node.
        removal: Removal,
    },
    /// Pods leave a node that runs the pinned version.
    PodsOfPinned {
        node: NodeName,
        /// Evicted, deleted, or ended with its node.
        removal: Removal,
    },
    /// Pods are deleted against their budgets, and `on_timeout` is not `force`.
    ForceNotAllowed { node: NodeName },
    /// Pods are deleted against their budgets before the drain has had its time.
    ForceEarly {
        node: NodeName,
        /// The drain's timeout.
        timeout: Span,
    },
    /// A pod is deleted that no budget holds.
    PodNotHeld {
        /// The pod: `namespace/name`.
        pod: String,
    },
    /// A pod is deleted that is younger than `min_pod_age`.
    PodYoung {
        /// The pod: `namespace/name`.
        pod: String,
    },
    /// Two pods of one owner are deleted at the same time.
    PodsOfOneOwner { owner: String },
}
