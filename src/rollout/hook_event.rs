//! What can happen to a hook at one of its places, as facts. A run is written down before it begins and when it has ended.

use serde::{Deserialize, Serialize};

use crate::model::{Shard, Span};

/// A fact about a hook at one of its places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookEvent {
    /// Its command is about to run. Written, and on disk, before.
    #[serde(rename = "hook-started")]
    Started {
        way: HookWay,
        /// Which attempt it is, from 1.
        attempt: u32,
    },
    /// Its command has ended, or was not run.
    #[serde(rename = "hook-ended")]
    Ended {
        way: HookWay,
        result: HookResult,
        /// The last line that it printed, secrets masked.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        said: String,
        /// Under which name the store has what it printed; none: it printed nothing, or that could not be kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<String>,
    },
    /// A person has said what became of a run that is in doubt, or that failed.
    #[serde(rename = "hook-settled")]
    Settled {
        way: HookWay,
        /// As the process names its user.
        by: String,
        /// What comes of it.
        verdict: HookVerdict,
    },
    /// It runs once for all shards of a release, and another of them has run it.
    #[serde(rename = "hook-ran-beside")]
    RanBeside {
        shard: Shard,
        /// The rollout of that shard.
        rollout: String,
    },
}

/// Which of its commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookWay {
    /// `run`.
    Run,
    /// `undo`.
    Undo,
}

/// What a person says of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookVerdict {
    /// It has done its work.
    Done,
    /// It is to run again.
    Again,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookResult {
    /// It ended with 0.
    Done,
    /// It ended with another code.
    Failed {
        /// Its exit code.
        code: i32,
    },
    /// It was ended at its time limit, with everything that it started.
    TimedOut {
        /// The limit.
        after: Span,
    },
    /// A signal ended it.
    Killed,
    /// It could not be started: nothing happened.
    NotRun {
        /// In the words of the operating system.
        why: String,
    },
    /// The program without which it is skipped is not there: nothing happened.
    Skipped {
        /// Its name, as it is looked for.
        program: String,
    },
    /// The account is simulated, and the hook reaches what is real: nothing happened.
    Simulated,
}

impl HookResult {
    /// Whether the rollout goes on after it.
    pub fn is_good(&self) -> bool {
        match self {
            HookResult::Done | HookResult::Skipped { .. } | HookResult::Simulated => true,
            HookResult::Failed { .. }
            | HookResult::TimedOut { .. }
            | HookResult::Killed
            | HookResult::NotRun { .. } => false,
        }
    }

    /// Whether its command has run, to whatever end.
    pub fn has_run(&self) -> bool {
        match self {
            HookResult::Done
            | HookResult::Failed { .. }
            | HookResult::TimedOut { .. }
            | HookResult::Killed => true,
            HookResult::NotRun { .. } | HookResult::Skipped { .. } | HookResult::Simulated => false,
        }
    }
}
