//! A hook at one of its places, as a plan holds it, and what it leaves when it ran. Runs nothing.

use serde::{Deserialize, Serialize};

use crate::fleet::{HookSpec, HookWhen};
use crate::model::{Digest, HookPlace, Timestamp};

/// A hook at one of its places, with everything that it is run with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookTask {
    pub place: HookPlace,
    /// As resolved, every placeholder filled in.
    pub spec: HookSpec,
    /// The digest of its commands and of what its files hold.
    pub digest: Digest,
    /// What it left when it ran here last; none: it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<HookMark>,
    /// The kubeconfig context of its cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The state store of kops of its cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_store: Option<String>,
}

/// What a hook leaves in the store when it ran well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookMark {
    /// Form of this file, 1.
    pub version: u32,
    pub place: HookPlace,
    /// The digest of its commands and of what its files held.
    pub digest: Digest,
    /// When it ended.
    pub at: Timestamp,
    /// The rollout that ran it.
    pub rollout: String,
}

impl HookTask {
    /// Whether what it runs, or what it reads, is not that of the last time.
    pub fn is_changed(&self) -> bool {
        self.before.as_ref().is_none_or(|b| b.digest != self.digest)
    }

    /// Whether it is a change of its own.
    pub fn is_own_change(&self) -> bool {
        match self.spec.when {
            HookWhen::Changed => self.is_changed(),
            HookWhen::Always => false,
        }
    }
}
