//! What a look before the first change of a cluster finds: facts with their data, each with a code. The sentences are in `report`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::health::Symptom;
use crate::model::{AsgName, InstanceId, NodeName, Timestamp};
use crate::plan::{DrainBlocker, LaunchBlocker};

/// Something that stands in the way of a cluster's rollout, or was not well before it. Its `code` stays the same between versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum PreflightFinding {
    /// No replacement can launch into a group.
    Launch {
        group: AsgName,
        /// What keeps AWS from launching.
        blocker: LaunchBlocker,
    },
    /// A drain will be held.
    Drain {
        /// By what.
        blocker: DrainBlocker,
    },
    /// A gate would refuse it already now.
    NotWell {
        /// What is wrong.
        symptom: Symptom,
    },
    /// A pod was Terminating before the first drain.
    Leaving {
        /// `namespace/name`.
        pod: String,
        /// When its grace is over.
        ends_by: Timestamp,
        /// Whether that was still to come.
        in_grace: bool,
        /// What keeps its object.
        finalizers: BTreeSet<String>,
    },
    /// Two nodes say that they are the same instance.
    TwoNodes {
        instance: InstanceId,
        /// The node that counts.
        counts: NodeName,
        /// The one that does not.
        other: NodeName,
    },
    /// In the words of a journal of version 1.
    #[serde(untagged)]
    Words(String),
}
