//! Hooks that run, in the background: one that takes its time holds up no other cluster, no heartbeat and no Ctrl-C. Writes nothing down.

use std::collections::BTreeMap;

use tokio::task::{Id, JoinSet};

use super::hook_command::{self, Ended, Given};
use crate::model::HookPlace;
use crate::rollout::{HookResult, HookWay};

/// A run: which hook, and which of its commands.
pub(super) type HookKey = (HookPlace, HookWay);

/// Hooks that run. Dropping this ends them, and everything that they started.
#[derive(Debug, Default)]
pub(super) struct HookRuns {
    running: JoinSet<(HookKey, Ended)>,
    pub(super) open: BTreeMap<HookKey, Option<Id>>,
    pub(super) ended: Vec<(HookKey, Ended)>,
}

impl HookRuns {
    /// Whether one runs.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Begins a run.
    pub(super) fn start(&mut self, key: HookKey, given: Given) {
        let of = key.clone();
        let task = self
            .running
            .spawn(async move { (of, hook_command::run(&given).await) });
        self.open.insert(key, Some(task.id()));
    }

    /// Comes when the next one has ended; never while none runs.
    pub(super) async fn next(&mut self) {
        loop {
            match self.running.join_next().await {
                Some(Ok(ended)) => {
                    self.ended.push(ended);
                    return;
                }
                // It panicked, and its command was ended with it.
                Some(Err(error)) => {
                    let mut open = self.open.iter();
                    let of = open.find(|(_, task)| **task == Some(error.id()));
                    if let Some((key, _)) = of {
                        let ended = Ended::silent(HookResult::Killed);
                        self.ended.push((key.clone(), ended));
                        return;
                    }
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Those that have ended since this was last asked.
    pub(super) fn take_ended(&mut self) -> Vec<(HookKey, Ended)> {
        while let Some(joined) = self.running.try_join_next() {
            self.ended.extend(joined.ok());
        }
        for (key, _) in &self.ended {
            self.open.remove(key);
        }
        std::mem::take(&mut self.ended)
    }
}
