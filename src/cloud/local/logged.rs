//! What the simulated account remembers of the calls that changed it.

use crate::model::{ClusterName, Effect, Timestamp};

/// A mutating call that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedCall {
    /// In the time of the simulated account.
    pub at: Timestamp,
    /// The cluster it was for.
    pub cluster: ClusterName,
    /// What it did.
    pub effect: Effect,
}
