//! Whose account the credentials open: asked of STS before a change, and again every few minutes, as credentials are renewed.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::cloud::aws::connect::{Connection, Door};
use crate::cloud::{CloudError, Place};
use crate::model::{AccountId, Timestamp};

/// How long an answer counts. The shortest session that STS grants is of 15 minutes, so within this one the credentials are the same, or their next ones.
const COUNTS: Duration = Duration::from_secs(300);

/// What STS answered last, by the way in.
#[derive(Debug, Default)]
pub(in crate::cloud::aws) struct Fence {
    answers: Mutex<BTreeMap<Door, (Instant, AccountId)>>,
}

impl Fence {
    /// Refuses unless the caller is in the account of the cluster.
    pub(in crate::cloud::aws) async fn check(
        &self,
        connection: &Connection,
        place: &Place,
        now: Timestamp,
    ) -> Result<(), CloudError> {
        let door = connection.door(place);
        let known = self
            .answers
            .lock()
            .await
            .get(&door)
            .filter(|(at, _)| at.elapsed() < COUNTS)
            .map(|(_, account)| account.clone());
        let account = match known {
            Some(account) => account,
            None => {
                let account = connection.account(place, now).await?;
                self.answers
                    .lock()
                    .await
                    .insert(door, (Instant::now(), account.clone()));
                account
            }
        };
        if account == place.account {
            return Ok(());
        }
        let message = format!(
            "it belongs to account {}, and the credentials belong to account {account}: nothing was changed",
            place.account
        );
        Err(CloudError::Refused {
            subject: place.cluster.to_string(),
            message,
        })
    }
}
