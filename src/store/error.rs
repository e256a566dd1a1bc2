//! Why the store could not be used.

use super::objects::ObjectError;
use super::{CloudKind, Stop};
use crate::model::{ClusterName, NameError};
use crate::rollout::IllegalRecord;

/// Why the store could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something could not be read or written.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// What is there is not what it should be.
    #[error("{place} is damaged: {why}")]
    Damaged {
        /// Which file or object.
        place: String,
        /// In what way.
        why: String,
    },
    /// The records of a journal do not follow one another.
    #[error("the journal {place} is damaged: {source}")]
    Journal {
        /// The folder or bucket, as it was named.
        place: String,
        /// Which record is wrong, and why.
        source: IllegalRecord,
    },
    /// The store belongs to another kind of cloud.
    #[error("the store {place} belongs to the {theirs} cloud, and this is the {ours} cloud")]
    OtherCloud {
        /// The store.
        place: String,
        /// Its cloud.
        theirs: CloudKind,
        /// The cloud of this call.
        ours: CloudKind,
    },
    /// A cluster is held by another process.
    #[error("{cluster} is locked by {owner} for rollout {rollout} since {since}")]
    Locked {
        cluster: ClusterName,
        /// The holder, as it named itself.
        owner: String,
        /// For what.
        rollout: String,
        /// Since when.
        since: String,
    },
    /// A lock that was held is not known to be held any more: nothing may be done on its strength.
    #[error("the lock of {what} is lost: {why}")]
    LockLost {
        /// The cluster, or the rollout.
        what: String,
        /// How it is known, or why it is not known.
        why: String,
    },
    /// A rollout is carried on by another process right now.
    #[error("rollout {0} is being driven by another process")]
    Running(String),
    /// Another process has written to the journal of a rollout that this one carried on.
    #[error("rollout {0} was taken over by another process, which wrote the next record")]
    Overtaken(String),
    /// There is no such rollout.
    #[error("there is no rollout {0} in the store")]
    NoSuchRollout(String),
    /// A rollout of this name is there already.
    #[error("there is a rollout {0} in the store already")]
    SuchRollout(String),
    /// What was given as the id of a rollout cannot be one.
    #[error(transparent)]
    Id(#[from] NameError),
    /// Another process is starting a rollout.
    #[error("another rollout is being started by {owner} since {since}")]
    Starting {
        /// The holder, as it named itself.
        owner: String,
        /// Since when.
        since: String,
    },
    /// The store is no longer what the plan was made with.
    #[error("another rollout was started or taken back while this one was being planned")]
    StartedMeanwhile,
    /// The line was stopped.
    #[error("{0}")]
    Stopped(Stop),
}
