//! Launch template versions that are gone or not what they should be, and instance refreshes.

use serde::{Deserialize, Serialize};

use crate::model::AsgName;

/// A launch template version of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionOf {
    pub group: AsgName,
    pub version: u64,
}

/// What an instance refresh does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefreshDoes {
    /// It replaces instances.
    Replaces,
    /// It has replaced them.
    HasReplaced,
    /// It takes back what it replaced.
    TakesBack,
    /// It is being cancelled.
    IsCancelled,
    /// It ended without success.
    CameToNothing,
}

/// An instance refresh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshAt {
    pub id: String,
    /// How far it is, in percent.
    pub percentage: Option<u32>,
    /// What it does.
    pub does: RefreshDoes,
    /// AWS's words.
    pub words: Option<String>,
}

/// Why a group waits for a version or a refresh, or cannot go on with it. Its `code` stays the same between versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum VersionReason {
    /// Before the first change: the version to which a rollback would go is gone.
    NoWayBack {
        /// The group, and the number of its version.
        version: VersionOf,
    },
    /// Versions that the plan means to pin were deleted outside this rollout.
    VersionsGone {
        /// Groups, each with the number of its version.
        versions: Vec<VersionOf>,
    },
    /// Versions to which a rollback would return were deleted outside this rollout.
    WayBackGone {
        /// Groups, each with the number of its version.
        versions: Vec<VersionOf>,
    },
    /// The version to which the group goes back was deleted outside this rollout.
    OwnWayBackGone {
        /// Its number in the launch template.
        version: u64,
    },
    /// It was pinned, and that is not to be seen yet.
    PinNotSeen { version: u64 },
    /// Others pinned it.
    PinnedByOthers {
        /// What it launches from.
        is: u64,
        /// What this rollout had pinned.
        ours: u64,
    },
    /// The version is not to be seen yet.
    VersionNotSeen {
        /// Its number in the launch template.
        version: u64,
    },
    /// The version that it launches from is gone.
    VersionGone {
        /// Its number in the launch template.
        version: u64,
    },
    /// The version does not hold what this rollout wants.
    VersionDiffers {
        /// Its number in the launch template.
        version: u64,
    },
    /// An instance refresh was started, and is not to be seen yet.
    RefreshNotSeen,
    /// An instance refresh is at work, or came to nothing.
    Refresh {
        /// Where it is.
        refresh: RefreshAt,
    },
    /// A refresh succeeded, and the group refers to another version.
    RefreshUnpinned {
        /// Its number in the launch template.
        version: u64,
    },
}
