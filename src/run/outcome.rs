//! What a run is told, what it tells while it runs, and how it ended.

use std::path::PathBuf;

use super::hook_drive::HookDrive;
use crate::cloud::CloudError;
use crate::model::{AccountId, ClusterName, Digest, Span, StageName, Timestamp};
use crate::rollout::{Ending, Progress, Reason, Record, Rollout, Waiting};
use crate::store::{ObjectError, Stop, StoreError};

/// How a call of [`run`](super::run()) ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The rollout is over.
    Ended(Ending),
    /// A person has to approve this stage.
    WaitingForPerson(StageName),
    /// Nothing to do until then, and that is longer than the caller wants to wait.
    WaitingForTime {
        /// Until when.
        until: Timestamp,
        /// For what.
        why: Reason,
    },
    /// Other shards of the release have to get as far first, and have not for longer than the caller wants to wait, or never will.
    WaitingForOthers {
        /// For which, and how they stand.
        why: Vec<Reason>,
    },
    /// A person has to act.
    Stuck,
    /// It failed, and a person has to say whether it tries again or goes back.
    Held,
    /// The credentials, of the cloud or of the store, are over or will be too soon: a person has to log in again.
    WaitingForCredentials {
        /// Whose, and in whose words.
        why: String,
    },
    /// Nothing is left to do than to wait for a person to open the way to the Kubernetes API of a cluster: a kubeconfig that leads elsewhere,
    /// refused credentials, a right that is missing.
    WaitingForAccess {
        cluster: ClusterName,
        /// What is wrong.
        why: String,
    },
    /// The line was stopped.
    Stopped(Stop),
    /// The caller asked to step back.
    Interrupted,
}

/// Why a call of [`run`](super::run()) could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store failed; nothing is done that cannot be written down.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cloud failed for good.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The caller is in another account than the cluster.
    #[error(
        "{cluster} belongs to account {expected}, and the credentials belong to account {found}"
    )]
    WrongAccount {
        cluster: ClusterName,
        /// Its account.
        expected: AccountId,
        /// The caller's account.
        found: AccountId,
    },
}

impl RunError {
    /// Whether nothing is wrong but that a person has to log in again.
    pub(super) fn is_for_want_of_credentials(&self) -> bool {
        matches!(
            self,
            RunError::Cloud(CloudError::Credentials { .. })
                | RunError::Store(StoreError::Object(ObjectError::Credentials { .. }))
        )
    }
}

/// What the listeners hear.
#[derive(Debug)]
pub enum Signal<'a> {
    /// A record was written.
    Recorded(&'a Record),
    /// Time passes; what is being waited for.
    Waiting {
        rollout: &'a Rollout,
        /// Where it stands.
        progress: &'a Progress,
        /// What is being waited for.
        waiting: &'a [Waiting],
        now: Timestamp,
    },
}

/// How a run is driven.
#[derive(Clone, Debug)]
pub struct Drive {
    /// Who drives.
    pub by: String,
    /// The fleet's folder: commands of gates run there.
    pub folder: PathBuf,
    /// This program, which runs the command of a gate as `attend` and ends it with us, however we end; none: it goes on when this process is killed.
    pub attendant: Option<PathBuf>,
    /// What an environment variable holds: headers of gates are named by theirs.
    pub environment: fn(&str) -> Option<String>,
    /// Between two looks while something is under way.
    pub poll: Span,
    /// Between two looks while only time passes.
    pub watch: Span,
    /// Longest wait for mere time; beyond it the run steps back.
    pub max_wait: Span,
    /// Approve every stage by itself. For the simulated cloud only: the caller sees to that.
    pub auto_approve: bool,
    /// Which hooks are run, and with what.
    pub hooks: HookDrive,
    /// Where the fleet writes what kops refuses, in words; none: nobody is asked.
    pub written: Option<fn(&RefusedByKops) -> String>,
}

/// Documents that kops refuses, as git has them.
#[derive(Clone, Debug)]
pub struct RefusedByKops {
    /// The fleet's folder.
    pub folder: PathBuf,
    /// What was rendered when the plan was made: a fleet that is another by now says nothing about it.
    pub release: Digest,
    pub cluster: ClusterName,
    /// `Kind/name`, those that are meant first.
    pub documents: Vec<String>,
    /// What kops says, secrets masked.
    pub words: String,
}
