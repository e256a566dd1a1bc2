//! Where hooks stand at their places. Runs nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fleet::HookFailure;
use crate::model::{HookPlace, Timestamp};
use crate::rollout::hook_event::{HookResult, HookWay};
use crate::rollout::schedule::Rollout;

/// Where a hook stands at one of its places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookProgress {
    /// Its `run`.
    pub run: HookRun,
    /// Its `undo`.
    pub undo: HookRun,
    /// The way back takes it back.
    pub taken_back: bool,
    /// It may run twice.
    pub repeatable: bool,
    /// The rollout goes on where its `run` failed.
    pub goes_on: bool,
}

/// Where one command of a hook stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRun {
    /// How often it was begun.
    pub attempts: u32,
    /// How often it has failed since it was last to begin.
    pub failures: u32,
    pub state: HookState,
}

/// The state of one command of a hook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookState {
    /// It is not begun, or is to run again.
    #[default]
    Waiting,
    /// It runs since then.
    Running(Timestamp),
    /// It was begun then, and the process that ran it is gone: how it ended is not known.
    InDoubt(Timestamp),
    /// It ended then.
    Ended(Timestamp, HookResult),
    /// A person said then that it has done its work; where it was never begun, another shard had.
    Settled(Timestamp),
}

impl HookProgress {
    /// One of its commands.
    pub fn of(&self, way: HookWay) -> &HookRun {
        match way {
            HookWay::Run => &self.run,
            HookWay::Undo => &self.undo,
        }
    }

    /// Whether its command may have done something, so that there may be something to take back.
    pub fn has_acted(&self) -> bool {
        match &self.run.state {
            // A retry that could not be started does not unmake the attempt before it.
            HookState::Ended(_, result) if self.run.attempts <= 1 => result.has_run(),
            HookState::Waiting
            | HookState::Running(_)
            | HookState::InDoubt(_)
            | HookState::Settled(_)
            | HookState::Ended(..) => self.run.attempts > 0,
        }
    }

    /// Whether it was to run, and that was passed over or simulated: the way back says the same of its undo.
    pub fn is_simulated(&self) -> bool {
        matches!(self.run.state, HookState::Ended(_, HookResult::Simulated))
    }
}

impl HookRun {
    /// Whether it runs, as far as this process knows.
    pub fn is_running(&self) -> bool {
        matches!(self.state, HookState::Running(_))
    }
}

/// The books of all hooks of a rollout, with nothing in them.
pub(super) fn books(rollout: &Rollout) -> BTreeMap<HookPlace, HookProgress> {
    let book = |task: &crate::plan::HookTask| {
        let progress = HookProgress {
            run: HookRun::default(),
            undo: HookRun::default(),
            taken_back: false,
            repeatable: task.spec.repeatable,
            goes_on: task.spec.on_failure == Some(HookFailure::Continue),
        };
        (task.place.clone(), progress)
    };
    rollout.hooks().map(book).collect()
}
