//! The [`Cloud`] trait: an AWS account (or one that simulates it) in our words. No SDK type crosses it, no decision is made behind it.

use std::collections::BTreeSet;
use std::future::Future;

use crate::model::{
    AccountId, Applied, CloudEffect, ClusterName, InstanceId, Live, Region, RegionRoom,
    RoomQuestion, Senders, Timestamp, Versions,
};

#[cfg(feature = "aws")]
pub mod aws;
pub mod local;

/// A cluster and where it lives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub cluster: ClusterName,
    pub account: AccountId,
    pub region: Region,
}

/// An AWS account with AutoScalingGroups in it.
///
/// Time belongs to the world that is acted upon: the simulated account brings its own.
pub trait Cloud: Send + Sync {
    /// What time it is there.
    fn now(&self) -> Timestamp;

    /// Whether time there is simulated: it passes only while it is waited for.
    fn time_is_virtual(&self) -> bool {
        false
    }

    /// Waits until that moment has come there.
    fn wait(&self, until: Timestamp) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Lets other runs get on, for about as long. A simulated time stands still meanwhile, unless they move it.
    fn wait_beside(
        &self,
        poll: crate::model::Span,
    ) -> impl Future<Output = Result<(), CloudError>> + Send {
        self.wait(self.now() + poll)
    }

    /// The account that the caller is in, for the fence before any write.
    fn account(&self, place: &Place) -> impl Future<Output = Result<AccountId, CloudError>> + Send;

    /// Of how many of the clusters that are being read the answers are there, for who waits; none: that is not told.
    fn answered(&self) -> Option<usize> {
        None
    }

    /// The groups of the clusters named. What could not be read is a gap of its cluster, never an absence.
    fn read(&self, places: &[Place]) -> impl Future<Output = Result<Live, CloudError>> + Send;

    /// Which of these launch template versions are gone: asked anew each time, whatever was read of them before.
    fn gone(
        &self,
        place: &Place,
        asked: &Versions,
    ) -> impl Future<Output = Result<Versions, CloudError>> + Send;

    /// What room there is in an account and region. What could not be read is unknown, never zero and never enough.
    fn room(
        &self,
        asked: &RoomQuestion,
    ) -> impl Future<Output = Result<RegionRoom, CloudError>> + Send;

    /// Which load balancers of Services send to these instances of the cluster, but for those in `own`, with which its groups register instances
    /// (names or ARNs).
    fn senders(
        &self,
        place: &Place,
        asked: &BTreeSet<InstanceId>,
        own: &BTreeSet<String>,
    ) -> impl Future<Output = Result<Senders, CloudError>> + Send;

    /// Carries out one effect. Reads its precondition just before: finds `to`, answers [`Applied::Already`];
    /// finds neither, answers [`Applied::Moved`] and touches nothing.
    fn apply(
        &self,
        place: &Place,
        effect: &CloudEffect,
    ) -> impl Future<Output = Result<Applied, CloudError>> + Send;
}

/// What a cloud refused or could not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloudError {
    /// Throttled to the end of the retries.
    #[error("throttled in account {account}, {region}: {message}")]
    Throttled {
        account: AccountId,
        region: Region,
        /// AWS's words, with the request id.
        message: String,
    },
    /// Refused for good: asking again gives the same answer.
    #[error("refused for {subject}: {message}")]
    Refused {
        /// The group or cluster.
        subject: String,
        /// AWS's words, with the request id.
        message: String,
    },
    /// The credentials are missing or over.
    #[error("no valid credentials for account {account}: {message}")]
    Credentials {
        account: AccountId,
        /// AWS's words.
        message: String,
    },
    /// No answer, or one that makes no sense: whether the effect happened is not known.
    #[error("no answer for {subject}: {message}")]
    Unknown {
        /// The group or cluster.
        subject: String,
        /// What was seen.
        message: String,
    },
    /// The simulated account's own state cannot be read or written.
    #[error("the simulated account's state in {path} is unusable: {message}")]
    State {
        /// The file.
        path: String,
        /// In the words of the system.
        message: String,
        /// What is wrong, and so what a person does about it.
        fault: StateFault,
    },
}

/// What is wrong with the files of a simulated account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateFault {
    /// The system refuses to read or write them: a full disk, a missing right. What they hold is sound.
    System,
    /// Another process is at work on them.
    Busy,
    /// They hold what makes no sense.
    Content,
}

impl CloudError {
    /// Whether asking again later can help.
    pub fn is_transient(&self) -> bool {
        match self {
            CloudError::Throttled { .. } | CloudError::Unknown { .. } => true,
            CloudError::Refused { .. }
            | CloudError::Credentials { .. }
            | CloudError::State { .. } => false,
        }
    }
}
