//! What is said of a rollout that others run beside: whether it goes on, and where it failed. Decides nothing.

use serde::{Deserialize, Serialize};

use crate::fleet::OnFailure;
use crate::model::{ClusterName, HookPlace, StageName};

/// Where something failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedAt {
    /// The stage that it failed in.
    pub stage: StageName,
    /// The wave, from 0.
    pub wave: usize,
    /// The cluster that failed.
    pub cluster: ClusterName,
    /// The hook that failed; none: something else did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<HookPlace>,
    /// What follows, where that is not what the stage says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
}

impl FailedAt {
    /// Whether it failed for the whole stage, in no wave of it.
    pub fn is_of_stage(&self) -> bool {
        let place = self.hook.as_ref();
        place.is_some_and(|place| place.wave.is_none() && place.cluster.is_none())
    }
}

/// Whether a rollout goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowState {
    Going,
    /// A person has to act.
    Stuck,
    /// It failed, and a person has to say what comes.
    Held,
    /// It returns to what ran before.
    GoingBack,
    /// It is being aborted.
    Stopping,
    Finished,
    RolledBack,
    Aborted,
}

impl RowState {
    /// Whether nothing more comes of it.
    pub fn has_ended(self) -> bool {
        match self {
            RowState::Finished | RowState::RolledBack | RowState::Aborted => true,
            RowState::Going
            | RowState::Stuck
            | RowState::Held
            | RowState::GoingBack
            | RowState::Stopping => false,
        }
    }

    /// Whether it will never pass what it has not passed.
    pub fn never_passes(self) -> bool {
        match self {
            RowState::GoingBack | RowState::Stopping | RowState::RolledBack | RowState::Aborted => {
                true
            }
            RowState::Going | RowState::Stuck | RowState::Held | RowState::Finished => false,
        }
    }
}
