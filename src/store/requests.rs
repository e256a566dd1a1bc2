//! What a person asks of a running, or waiting, rollout. Carried out by the process that runs it.

use serde::{Deserialize, Serialize};

use super::{Store, StoreError, journal};
use crate::model::{Digest, StageName, Timestamp, digest_of};

/// Something a person asks of a running, or waiting, rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// A stage may start.
    Approve {
        /// The plan that was looked at.
        plan: Digest,
        stage: StageName,
        /// As the process names its user.
        by: String,
        /// Until when it counts.
        expires: Timestamp,
    },
    /// Go back, all of it.
    Rollback {
        /// As the process names its user.
        by: String,
        /// In the words of the operator.
        reason: String,
    },
    /// Stop, and undo what is half-done.
    Abort {
        /// As the process names its user.
        by: String,
        /// In the words of the operator.
        reason: String,
    },
}

impl Store {
    /// Leaves a request for the process that carries the rollout on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn request(&self, rollout: &str, request: &Request) -> Result<(), StoreError> {
        journal::checked(rollout)?;
        let what = match request {
            Request::Approve { stage, .. } => format!("approve-{stage}"),
            Request::Abort { .. } => "abort".into(),
            Request::Rollback { .. } => "rollback".into(),
        };
        // Named by what it says as well: one that is taken away is never one that came in just now.
        self.write(
            &format!(
                "requests/{rollout}/{what}-{}.json",
                digest_of(request).short()
            ),
            request,
        )
    }

    /// The requests left for a rollout, with the names by which they are taken away.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn pending(&self, rollout: &str) -> Result<Vec<(String, Request)>, StoreError> {
        journal::checked(rollout)?;
        self.all(&format!("requests/{rollout}/"))
    }

    /// Takes a request away, once it stands in the journal.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn take_request(&self, name: &str) -> Result<(), StoreError> {
        Ok(self.objects.delete(name)?)
    }
}
