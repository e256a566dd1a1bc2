//! Webhooks of a fleet are told what a person must know: of a rollout while it is driven, of the one before it where that is still to be told, of drift.
//! What was taken is left in the store. None of it is an error: a webhook that is away stops nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::output::Output;
use crate::fleet::{NotifyEvent, NotifyRule, Stage};
use crate::model::{ClusterName, StageName, Timestamp};
use crate::report;
use crate::rollout::{Event, Notified, Record, Rollout, notice};
use crate::run::{Notifier, NotifyLeft, NotifyMessage, Signal};
use crate::store::{Store, StoreError};

/// Rollouts before the one that is driven whose last words are told, where they were not: of a fleet in shards several end at the same time.
const BEFORE: usize = 5;

/// How long the end of a command waits for webhooks.
const PATIENCE: Duration = Duration::from_secs(10);

/// The notices of rollouts, on their way.
pub(super) struct Notices<'a> {
    store: &'a Store,
    output: &'a Output,
    rules: Vec<NotifyRule>,
    /// None: nobody is to be told anything.
    notifier: Option<Notifier>,
    /// By rollout.
    notified: BTreeMap<String, Notified>,
    /// The one that is driven.
    rollout: Option<Rollout>,
    /// Those that have ended.
    ended: BTreeSet<String>,
}

impl<'a> Notices<'a> {
    /// Begins to tell what is still to be told of a rollout and of the one before it.
    pub(super) fn open(store: &'a Store, output: &'a Output, rollout: &Rollout) -> Notices<'a> {
        let mut notices = Notices {
            store,
            output,
            rules: Vec::new(),
            notifier: None,
            notified: BTreeMap::new(),
            rollout: None,
            ended: BTreeSet::new(),
        };
        if let Err(error) = notices.begin(rollout) {
            output.cloud_story(&format!("webhooks are not told everything: {error}"));
        }
        notices
    }

    fn begin(&mut self, rollout: &Rollout) -> Result<(), StoreError> {
        let access = self.store.access(&rollout.id)?;
        self.rules = access.map(|access| access.notify).unwrap_or_default();
        if self.rules.is_empty() {
            return Ok(());
        }
        let notifier = Notifier::open(&self.rules, |name| std::env::var(name).ok());
        for (rule, fault) in notifier.unready() {
            self.output.cloud_story(&format!(
                "warning: notify rule `{}` tells nobody: {fault}",
                rule.name
            ));
        }
        self.notifier = Some(notifier);
        let all = self.store.rollouts()?;
        let before = all.iter().rev().filter(|id| **id != rollout.id);
        for id in before.take(BEFORE) {
            self.catch_up_before(id)?;
        }
        self.catch_up(rollout, &self.rules.clone())?;
        self.rollout = Some(rollout.clone());
        Ok(())
    }

    /// A rollout that has ended is told by its own rules, to those that can be told: what is new since then is not told what is old.
    fn catch_up_before(&mut self, id: &str) -> Result<(), StoreError> {
        let Some(access) = self.store.access(id)? else {
            return Ok(());
        };
        let unready = self.notifier.iter().flat_map(Notifier::unready);
        let unready: BTreeSet<String> = unready.map(|(rule, _)| rule.name.clone()).collect();
        let is_known = |rule: &NotifyRule| {
            self.rules.iter().any(|r| r.name == rule.name) && !unready.contains(&rule.name)
        };
        let rules: Vec<NotifyRule> = access.notify.into_iter().filter(is_known).collect();
        if rules.is_empty() || self.store.notified(id)?.is_some_and(|told| told.over) {
            return Ok(());
        }
        let (rollout, progress) = self.store.rollout(id)?;
        // What has not ended is told by who drives it.
        match progress.ending {
            Some(_) => self.catch_up(&rollout, &rules),
            None => Ok(()),
        }
    }

    /// What was written down and is not known to have been told.
    fn catch_up(&mut self, rollout: &Rollout, rules: &[NotifyRule]) -> Result<(), StoreError> {
        let notified = self.store.notified(&rollout.id)?.unwrap_or_default();
        self.notified.insert(rollout.id.clone(), notified);
        for record in self.store.records(&rollout.id)? {
            self.tell(rollout, rules, &record);
            self.note_end(&rollout.id, &record);
        }
        Ok(())
    }

    fn tell(&self, rollout: &Rollout, rules: &[NotifyRule], record: &Record) {
        let (Some(notifier), Some(notice)) = (&self.notifier, notice(rollout, record)) else {
            return;
        };
        let told = |rule: &NotifyRule| {
            let notified = self.notified.get(&rollout.id);
            notified.is_some_and(|notified| notified.has(&rule.name, record.seq))
        };
        let wants = |rule: &&NotifyRule| rule.wants(notice.event, notice.stage) && !told(rule);
        for rule in rules.iter().filter(wants) {
            let cloud = self.store.kind().to_string();
            let body = report::notice_body(rule.form, &cloud, rollout, &notice);
            let message = NotifyMessage {
                rollout: rollout.id.clone(),
                record: record.seq,
                body,
            };
            notifier.tell(rule, message);
        }
    }

    pub(super) fn hear(&mut self, signal: &Signal<'_>) {
        if let (Signal::Recorded(record), Some(rollout)) = (signal, &self.rollout) {
            self.tell(rollout, &self.rules, record);
            self.note_end(&rollout.id.clone(), record);
        }
        self.write_down();
    }

    fn note_end(&mut self, rollout: &str, record: &Record) {
        if let Event::Rollout(what) = &record.event
            && what.is_end()
        {
            self.ended.insert(rollout.to_owned());
        }
    }

    /// Of what has ended nothing is left to be told.
    fn mark_over(&mut self) {
        for id in &self.ended {
            let notified = self.notified.entry(id.clone()).or_default();
            if !notified.over {
                notified.over = true;
                // The next process finds out the same, then.
                let _lost = self.store.put_notified(id, notified);
            }
        }
    }

    /// What was taken, for the next process.
    fn write_down(&mut self) {
        let delivered = self
            .notifier
            .as_ref()
            .map(Notifier::delivered)
            .unwrap_or_default();
        let mut changed = BTreeSet::new();
        for one in delivered {
            let notified = self.notified.entry(one.rollout.clone()).or_default();
            notified.add(&one.rule, one.record);
            changed.insert(one.rollout);
        }
        for rollout in changed {
            if let Some(notified) = self.notified.get(&rollout) {
                // It is told once more, then.
                let _lost = self.store.put_notified(&rollout, notified);
            }
        }
    }

    /// The process ends: waits a little for what is on its way.
    pub(super) async fn close(mut self) {
        let Some(notifier) = &mut self.notifier else {
            return;
        };
        let left = notifier.close(PATIENCE).await;
        self.write_down();
        if left.is_empty() {
            self.mark_over();
        }
        left.iter().for_each(|left| {
            say_left(
                self.output,
                left,
                "the next `kfleet rollout` command tells it",
            )
        });
    }
}

fn say_left(output: &Output, left: &NotifyLeft, next: &str) {
    let NotifyLeft {
        rule,
        messages,
        why,
    } = left;
    let s = if *messages == 1 { "" } else { "s" };
    output.cloud_story(&format!(
        "warning: notify rule `{rule}`: {messages} message{s} not delivered: {why}; {next}"
    ));
}

/// Tells what others have changed, each cluster with how much. What is not taken is found again by the next look.
pub(super) async fn tell_drift(
    store: &Store,
    (rules, stages): (&[NotifyRule], &[Stage]),
    found: &[(ClusterName, usize)],
    now: Timestamp,
    output: &Output,
) {
    let mut notifier = Notifier::open(rules, |name| std::env::var(name).ok());
    for rule in rules {
        let of_rule = |(cluster, _): &&(ClusterName, usize)| {
            rule.wants(NotifyEvent::Drift, stage_of(stages, cluster))
        };
        let found: Vec<(ClusterName, usize)> = found.iter().filter(of_rule).cloned().collect();
        if found.is_empty() {
            continue;
        }
        let message = NotifyMessage {
            rollout: String::new(),
            record: 0,
            body: report::drift_notice_body(rule.form, &store.kind().to_string(), &found, now),
        };
        notifier.tell(rule, message);
    }
    let left = notifier.close(PATIENCE).await;
    left.iter()
        .for_each(|left| say_left(output, left, "the next `kfleet drift` tells it"));
}

fn stage_of<'s>(stages: &'s [Stage], cluster: &ClusterName) -> Option<&'s StageName> {
    let has = |stage: &&Stage| {
        stage
            .waves
            .iter()
            .any(|wave| wave.clusters.contains(cluster))
    };
    stages.iter().find(has).map(|stage| &stage.name)
}
