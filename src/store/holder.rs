//! Who has a lock, or had it last.

use serde::{Deserialize, Serialize};

use crate::model::{ClusterName, Timestamp};

/// What stands in the lock of a cluster: who had it last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// Who, with process and host.
    pub owner: String,
    /// For which rollout.
    pub rollout: String,
    /// Since when.
    pub since: Timestamp,
    /// Grows with every holder, so that a holder that lost the lock can be told from the present one.
    pub fence: u64,
}

/// A lock that its last holder had not released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// The cluster; none: the rollout itself.
    pub cluster: Option<ClusterName>,
    /// Who had it.
    pub from: Holder,
    /// Our number.
    pub fence: u64,
}
