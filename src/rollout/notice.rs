//! What a person must know of a rollout, out of its records. Tells nobody.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::event::{ClusterEvent, Event, Record, RolloutEvent};
use super::reason::Reason;
use super::schedule::Rollout;
use crate::fleet::NotifyEvent;
use crate::model::StageName;

/// A record that a person must know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice<'r> {
    /// What it is about.
    pub event: NotifyEvent,
    /// The stage that it happened in, where it is of one.
    pub stage: Option<&'r StageName>,
    /// The record itself.
    pub record: &'r Record,
}

/// What was delivered of a rollout's notices. Nothing is decided by it: who loses it tells twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notified {
    /// Form of this file, 1.
    pub version: u32,
    /// Numbers of records, by the name of the rule.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub delivered: BTreeMap<String, BTreeSet<u64>>,
    /// The rollout has ended, and nothing of it is left to be told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over: bool,
}

impl Default for Notified {
    fn default() -> Notified {
        Notified {
            version: 1,
            delivered: BTreeMap::new(),
            over: false,
        }
    }
}

impl Notified {
    /// Whether a webhook was told of a record.
    pub fn has(&self, rule: &str, record: u64) -> bool {
        let records = self.delivered.get(rule);
        records.is_some_and(|records| records.contains(&record))
    }

    /// A webhook was told of a record.
    pub fn add(&mut self, rule: &str, record: u64) {
        let records = self.delivered.entry(rule.to_owned()).or_default();
        records.insert(record);
    }
}

/// Whether a person must know of a record.
pub fn notice<'r>(rollout: &'r Rollout, record: &'r Record) -> Option<Notice<'r>> {
    let (event, stage) = match &record.event {
        Event::Rollout(what) => of_rollout(what)?,
        Event::Cluster(cluster, what) => {
            let stage = rollout.stage_of(cluster).map(|stage| &stage.name);
            (of_cluster(what)?, stage)
        }
        Event::Stage(..) | Event::Group(..) | Event::Hook(..) | Event::Step(..) => return None,
    };
    Some(Notice {
        event,
        stage,
        record,
    })
}

fn of_rollout(event: &RolloutEvent) -> Option<(NotifyEvent, Option<&StageName>)> {
    let event = match event {
        RolloutEvent::Paused { why } => return of_pause(why),
        RolloutEvent::Held => NotifyEvent::Stuck,
        RolloutEvent::Finished => NotifyEvent::Finished,
        RolloutEvent::RolledBack => NotifyEvent::RolledBack,
        RolloutEvent::Aborted => NotifyEvent::Aborted,
        RolloutEvent::Started { .. }
        | RolloutEvent::RollbackAsked { .. }
        | RolloutEvent::RollbackStarted { .. }
        | RolloutEvent::AbortStarted { .. }
        | RolloutEvent::LockTaken { .. }
        | RolloutEvent::Resumed { .. }
        // Who drives that shard has told it.
        | RolloutEvent::ShardFailed { .. } => return None,
    };
    Some((event, None))
}

/// Who has interrupted it knows.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else a process steps back for is told in its own words"
)]
fn of_pause(why: &Reason) -> Option<(NotifyEvent, Option<&StageName>)> {
    match why {
        Reason::NotApproved { stage } => Some((NotifyEvent::WaitsForApproval, Some(stage))),
        Reason::Interrupted => None,
        _ => Some((NotifyEvent::Paused, None)),
    }
}

fn of_cluster(event: &ClusterEvent) -> Option<NotifyEvent> {
    match event {
        ClusterEvent::Failed { .. } => Some(NotifyEvent::Failed),
        ClusterEvent::Stuck { .. } => Some(NotifyEvent::Stuck),
        ClusterEvent::Started
        | ClusterEvent::Preflight { .. }
        | ClusterEvent::Rolled
        | ClusterEvent::Verified { .. }
        | ClusterEvent::SoakBroken { .. }
        | ClusterEvent::Answered { .. }
        | ClusterEvent::Restored => None,
    }
}
