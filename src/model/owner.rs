//! Who drives a rollout. The store knows it, reports tell it; nothing is decided here.

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Who drives a rollout, or did so last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The person and the process.
    pub by: String,
    /// Since when, in the time of the rollout's cloud.
    pub since: Timestamp,
    /// Whether it does so now.
    pub lease: LeaseState,
}

/// Whether the lease on a rollout is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaseState {
    /// A process drives the rollout.
    Alive,
    /// It was released, or its holder has been silent for too long: `resume` can take it.
    Free,
    /// Its holder has missed renewals and may still be running.
    Silent {
        /// From when on `resume` can take it.
        free_at: Timestamp,
    },
}
