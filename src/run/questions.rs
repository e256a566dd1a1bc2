//! Gates that need asking, in the background: one that takes its time holds up no other cluster, no heartbeat and no Ctrl-C. Judges nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use super::{Drive, checks};
use crate::model::ClusterName;
use crate::rollout::{Check, ClusterEvent, Event, Scope, Verdict};

/// Gates that are asked at the same time.
const MAX_GATES: usize = 32;

/// What is asked: of one cluster, about one thing, by one gate.
type Key = (ClusterName, Scope, String);

/// Questions that have no answer yet. Dropping this ends what asks them, children among it.
#[derive(Debug)]
pub(super) struct Questions {
    running: JoinSet<(Key, Verdict)>,
    open: BTreeMap<Key, AbortHandle>,
    answered: BTreeMap<Key, Verdict>,
    turn: Arc<Semaphore>,
}

impl Default for Questions {
    fn default() -> Questions {
        Questions {
            running: JoinSet::new(),
            open: BTreeMap::new(),
            answered: BTreeMap::new(),
            turn: Arc::new(Semaphore::new(MAX_GATES)),
        }
    }
}

impl Questions {
    /// Asks what is not being asked already, and stops asking what is no longer wanted.
    pub(super) fn want(&mut self, checks: &[Check], drive: &Drive) {
        let wanted: BTreeSet<Key> = checks.iter().map(key).collect();
        self.answered.retain(|key, _| wanted.contains(key));
        self.open.retain(|key, asking| {
            let stays = wanted.contains(key);
            if !stays {
                asking.abort();
            }
            stays
        });
        for check in checks {
            let key = key(check);
            if self.open.contains_key(&key) || self.answered.contains_key(&key) {
                continue;
            }
            let (check, drive, turn) = (check.clone(), drive.clone(), Arc::clone(&self.turn));
            let of = key.clone();
            let asking = self.running.spawn(async move {
                let _turn = turn.acquire_owned().await;
                let verdict = checks::ask(&check, &drive).await;
                (of, verdict)
            });
            self.open.insert(key, asking);
        }
    }

    /// Whether a question has no answer yet.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Comes with the next answer; never while nothing is asked.
    pub(super) async fn next(&mut self) {
        loop {
            match self.running.join_next().await {
                Some(Ok((key, verdict))) => {
                    if self.open.remove(&key).is_some() {
                        self.answered.insert(key, verdict);
                        return;
                    }
                }
                // Stopped, because it is no longer wanted; or it panicked, and is asked again.
                Some(Err(error)) => {
                    if error.is_panic() {
                        let id = error.id();
                        self.open.retain(|_, asking| asking.id() != id);
                        return;
                    }
                }
                None => std::future::pending().await,
            }
        }
    }

    /// The answers that are there, as events, in the order of the checks.
    pub(super) fn answers(&mut self, checks: &[Check]) -> Vec<Event> {
        while let Some(Ok((key, verdict))) = self.running.try_join_next() {
            if self.open.remove(&key).is_some() {
                self.answered.insert(key, verdict);
            }
        }
        let answer = |check: &Check| {
            let (cluster, scope, gate) = key(check);
            let verdict = self.answered.remove(&key(check))?;
            Some(Event::Cluster(
                cluster,
                ClusterEvent::Answered {
                    scope,
                    gate,
                    verdict,
                },
            ))
        };
        checks.iter().filter_map(answer).collect()
    }
}

fn key(check: &Check) -> Key {
    (
        check.cluster.clone(),
        check.scope.clone(),
        check.gate.clone(),
    )
}
