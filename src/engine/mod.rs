//! The [`Engine`] trait: what only kops can do for a cluster, in our words. What it did is for its caller to read back; decides nothing.

mod answers;
mod child;
mod private;
mod process;
mod said;
mod validation;

use std::collections::BTreeSet;
use std::future::Future;

use serde_json::Value as Json;

use crate::cloud::Place;
use crate::model::{ClusterName, DocumentStates, GroupName, Nodeup, Stored};

pub use answers::{Left, version_of};
pub(crate) use child::{ChildOutput, Family};
pub(crate) use private::private_file;
pub use process::{Kops, KopsOptions};
pub use said::{KopsCall, masked};
pub use validation::Validation;

/// Runs kops for the clusters of a fleet. One kops at a time per cluster. By default there is no kops to run.
///
/// That a call succeeded says that kops said so, and no more: the caller looks at what there is now.
pub trait Engine: Send + Sync {
    /// Whether kops can be asked at all: it is there, and the release that last updated the cluster.
    fn ready(&self, place: &Place) -> impl Future<Output = Result<(), EngineError>> + Send {
        nobody(place)
    }

    /// What kops has stored of the cluster, read anew: its documents, and what new nodes boot with.
    fn stored(&self, place: &Place) -> impl Future<Output = (Stored, Nodeup)> + Send {
        let _ = place;
        async { (Stored::NotAsked, Nodeup::NotAsked) }
    }

    /// Stores these documents, each whole. It stops at the first one that kops refuses: those before it are stored.
    fn publish(
        &self,
        place: &Place,
        documents: &[Json],
    ) -> impl Future<Output = Result<(), EngineError>> + Send {
        let _ = documents;
        nobody(place)
    }

    /// Brings these groups, and what belongs to no group, to what is stored; those `beside` are so already. Running instances stay.
    fn update(
        &self,
        place: &Place,
        groups: &BTreeSet<GroupName>,
        beside: &BTreeSet<GroupName>,
    ) -> impl Future<Output = Result<(), EngineError>> + Send {
        let _ = (groups, beside);
        nobody(place)
    }

    /// Takes a group out of what is stored. What AWS has of it is gone by then: kops would end whatever runs in it.
    fn delete(
        &self,
        place: &Place,
        group: &GroupName,
    ) -> impl Future<Output = Result<(), EngineError>> + Send {
        let _ = group;
        nobody(place)
    }

    /// What `kops validate cluster` says of the cluster, once.
    fn validate(
        &self,
        place: &Place,
    ) -> impl Future<Output = Result<Validation, EngineError>> + Send {
        nobody(place)
    }

    /// What kops would still change, were it asked once more for these groups.
    fn left(
        &self,
        place: &Place,
        groups: &BTreeSet<GroupName>,
    ) -> impl Future<Output = Result<Left, EngineError>> + Send {
        let _ = groups;
        nobody(place)
    }

    /// What kops would change, were these documents stored (none: taken out) and it asked for these groups. Nothing is stored.
    fn preview(
        &self,
        place: &Place,
        documents: &DocumentStates,
        groups: &BTreeSet<GroupName>,
    ) -> impl Future<Output = Result<Left, EngineError>> + Send {
        let _ = (documents, groups);
        nobody(place)
    }

    /// The calls of kops about the cluster since this was last asked, for a person to read.
    fn drain_calls(&self, place: &Place) -> impl Future<Output = Vec<KopsCall>> + Send {
        let _ = place;
        async { Vec::new() }
    }
}

fn nobody<T: Send>(place: &Place) -> impl Future<Output = Result<T, EngineError>> + Send + use<T> {
    std::future::ready(Err(EngineError::NoEngine(place.cluster.clone())))
}

/// Why kops did not do what it was asked for, as far as it said so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// There is no kops for this cluster.
    #[error("{0} has no kops to be asked: its file names no engine `kops`, or no state store")]
    NoEngine(ClusterName),
    /// It could not be started: nothing happened.
    #[error("`{binary}` cannot be run: {why}")]
    NotRun {
        /// Which binary.
        binary: String,
        /// In the words of the operating system.
        why: String,
    },
    /// It is not the release that last updated the cluster: nothing happened.
    #[error("the binary is kops {is}, and kops {last} last updated {cluster}")]
    OtherVersion {
        cluster: ClusterName,
        /// The release of the binary.
        is: String,
        /// The release that last updated the cluster.
        last: String,
    },
    /// It cannot bring one group after the other to what is stored: nothing happened.
    #[error(
        "the binary is kops {is}, which always updates all groups of a cluster at once; kops {since} is the first that does not"
    )]
    TooOld {
        /// The release of the binary.
        is: String,
        /// The first that can.
        since: String,
    },
    /// It had its time and was ended: what it got to is not known.
    #[error("`kops {command}` did not end within {seconds} s, and was ended")]
    TimedOut {
        /// What it was asked.
        command: String,
        /// How long it had.
        seconds: u64,
    },
    /// A signal ended it: what it got to is not known.
    #[error("`kops {command}` was killed")]
    Killed {
        /// What it was asked.
        command: String,
    },
    /// It says that it failed, for a reason that may pass by itself.
    #[error("`kops {command}` failed for now: {words}")]
    Failed {
        /// What it was asked.
        command: String,
        /// Its words, secrets masked.
        words: String,
    },
    /// It refuses: asking again gives the same answer.
    #[error("`kops {command}` refuses: {words}")]
    Refused {
        /// What it was asked.
        command: String,
        /// Its words, secrets masked.
        words: String,
    },
    /// It ended well and what it printed makes no sense.
    #[error("what `kops {command}` printed makes no sense: {words}")]
    NoSense {
        /// What it was asked.
        command: String,
        /// What it printed, secrets masked.
        words: String,
    },
}

impl EngineError {
    /// Whether asking again later can help.
    pub fn is_transient(&self) -> bool {
        match self {
            EngineError::TimedOut { .. }
            | EngineError::Killed { .. }
            | EngineError::Failed { .. }
            | EngineError::NotRun { .. }
            | EngineError::NoSense { .. } => true,
            EngineError::NoEngine(_)
            | EngineError::OtherVersion { .. }
            | EngineError::TooOld { .. }
            | EngineError::Refused { .. } => false,
        }
    }
}
