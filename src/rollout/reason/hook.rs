//! Hooks that run, failed, or are in doubt.

use serde::{Deserialize, Serialize};

use crate::model::{HookPlace, Shard, Timestamp};
use crate::rollout::hook_event::{HookResult, HookWay};
use crate::rollout::shards::RowState;

/// Why a hook is waited for, or cannot be gone on from. Its `code` stays the same between versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum HookReason {
    /// It runs.
    HookRuns {
        place: HookPlace,
        way: HookWay,
        /// Since when.
        since: Timestamp,
    },
    /// It failed, and is tried again in a moment.
    HookAgain {
        place: HookPlace,
        way: HookWay,
        /// How it ended.
        result: HookResult,
    },
    /// It failed for good.
    HookFailed {
        place: HookPlace,
        /// How it ended last.
        result: HookResult,
        /// How often it was tried.
        attempts: u32,
    },
    /// What takes it back failed for good.
    UndoFailed {
        place: HookPlace,
        /// How it ended last.
        result: HookResult,
        /// How often it was tried.
        attempts: u32,
    },
    /// The process that ran it is gone, how it ended is not known, and it does not say that it may run twice.
    HookInDoubt {
        place: HookPlace,
        way: HookWay,
        /// When it began.
        since: Timestamp,
    },
    /// It runs once for all shards, and another of them runs it.
    HookOfShard {
        place: HookPlace,
        /// Which one.
        shard: Shard,
        /// Its rollout, and how that stands.
        rollout: (String, RowState),
    },
}
