//! A rule of who is told what, and in which form. The address of a webhook is a secret: the rule names the environment variable that holds it. Sends
//! nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::gate::FromEnv;
use crate::model::{Span, StageName};

/// One rule: what is told to one webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifyRule {
    /// Its name, unique.
    pub name: String,
    /// The environment variable that holds the address. Only its name is ever written down.
    pub url: FromEnv,
    /// How it is written.
    pub form: NotifyForm,
    /// What it is told; empty: everything.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub events: BTreeSet<NotifyEvent>,
    /// Of which stages; empty: of all. What is of no stage is told in any case.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub stages: BTreeSet<StageName>,
    /// How long an answer may take.
    pub timeout: Span,
}

/// The form of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotifyForm {
    /// `{"text": "..."}`, as Slack and what imitates it take it.
    #[default]
    Slack,
    /// All that is known, by name.
    Json,
}

/// What a person must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotifyEvent {
    /// A stage waits for a person's approval.
    WaitsForApproval,
    /// A rollout cannot go on by itself: a person must act, or decide.
    Stuck,
    /// A process stepped back: for time, for credentials, or because the line was stopped.
    Paused,
    /// Something failed in a cluster.
    Failed,
    /// What had been changed runs again what it ran before.
    RolledBack,
    /// Every cluster runs the release, verified and soaked.
    Finished,
    /// It was stopped on request.
    Aborted,
    /// Others have changed what was applied.
    Drift,
}

impl NotifyRule {
    /// Whether it is told of an event.
    pub fn wants(&self, event: NotifyEvent, stage: Option<&StageName>) -> bool {
        let of_stage =
            stage.is_none_or(|stage| self.stages.is_empty() || self.stages.contains(stage));
        of_stage && (self.events.is_empty() || self.events.contains(&event))
    }
}
