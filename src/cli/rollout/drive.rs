//! A rollout is driven: by whom, for how long, what is shown, and the exit code it comes to.

use super::signals::Signals;
use crate::cli::args::{Arguments, Pace};
use crate::cli::failure::Failure;
use crate::cli::formats::FollowFormat;
use crate::cli::notify::Notices;
use crate::cli::output::Output;
use crate::cli::own_folder::OwnFolder;
use crate::cli::screen::Screen;
use crate::cli::who::who;
use crate::cli::world::{self, World};
use crate::cli::{Exit, attend, git};
use crate::model::Span;
use crate::report;
use crate::rollout::{Ending, Record};
use crate::run::{Drive, HookDrive, HookRunning, Kubeconfigs, Outcome, RunError, Signal, run};
use crate::store::{CloudKind, Journal, Store, StoreError};

/// Between two looks while something is under way.
pub(super) const POLL: Span = Span::from_secs(10);

/// What a rollout is driven with.
pub(super) struct Driver<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) store: &'a Store,
    pub(super) world: &'a World,
    pub(super) output: &'a Output,
    pub(super) format: FollowFormat,
    pub(super) pace: Option<&'a Pace>,
}

impl Driver<'_> {
    /// Drives the rollout until it is over, has to wait, or is interrupted. `before`: what was recorded already, and not shown.
    pub(super) async fn drive(
        &self,
        journal: &mut Journal,
        before: &[Record],
    ) -> Result<Outcome, Failure> {
        let machine = self.format == FollowFormat::Jsonl;
        let mut screen = Screen::new(self.output, machine);
        let mut notices = Notices::open(self.store, self.output, journal.rollout());
        before
            .iter()
            .for_each(|record| screen.hear(&Signal::Recorded(record)));
        let directory = &self.arguments.directory;
        let is_real = self.store.kind() == CloudKind::Aws;
        let has_hooks = journal.rollout().hooks().next().is_some();
        let own = (is_real && has_hooks).then(|| OwnFolder::new("hooks"));
        let own = own.transpose()?;
        let drive = Drive {
            by: who(),
            folder: directory
                .canonicalize()
                .unwrap_or_else(|_| directory.clone()),
            attendant: attend::program(),
            environment: |name| std::env::var(name).ok(),
            poll: self.arguments.poll.unwrap_or(POLL),
            watch: Span::from_secs(60),
            max_wait: self
                .pace
                .and_then(|p| p.max_wait)
                .unwrap_or(world::patience(self.store)),
            hooks: HookDrive {
                running: match self.store.kind() {
                    CloudKind::Local => HookRunning::Simulated,
                    CloudKind::Aws => HookRunning::All,
                },
                environment: std::env::vars_os().collect(),
                kubeconfig: own.as_ref().and_then(kubeconfigs),
            },
            auto_approve: self.pace.is_some_and(|p| p.auto_approve),
            written: Some(crate::cli::refused::written),
        };
        self.world
            .act_for(journal.rollout(), git::head(directory).as_deref())
            .await;
        let signals = Signals::listen(self.output.clone());
        let ended = tokio::select! {
            biased;
            () = self.world.killed() => std::process::abort(),
            () = signals.second() => None,
            outcome = run(self.world, self.store, journal, &drive, || signals.first(), |signal| {
                screen.hear(&signal);
                notices.hear(&signal);
            }) => Some(outcome),
        };
        screen.clear();
        // What hooks were given is gone by now.
        drop(own);
        let id = &journal.rollout().id;
        let Some(outcome) = ended else {
            self.output.cloud_story(&format!(
                "ended at once; everything that was begun is in the journal, and `kfleet rollout resume {id}` goes on"
            ));
            return Ok(Outcome::Interrupted);
        };
        notices.close().await;
        let outcome = outcome.map_err(|e| failed(e, id))?;
        self.world.rest()?;
        let summary = report::rollout_summary(journal.rollout(), journal.progress());
        if machine {
            self.output.cloud_story(&summary);
        } else {
            self.output.cloud_result(&summary)?;
        }
        Ok(outcome)
    }
}

pub(super) fn exit(outcome: &Outcome, journal: &Journal, output: &Output) -> Result<Exit, Failure> {
    let id = &journal.rollout().id;
    for line in why_it_waits(outcome, id) {
        output.cloud_story(&line);
    }
    match outcome {
        Outcome::Ended(Ending::Finished) => Ok(Exit::Good),
        Outcome::Ended(Ending::RolledBack) => Ok(Exit::RolledBack),
        Outcome::Ended(Ending::Aborted) => Err(aborted(id)),
        Outcome::Stuck => Ok(Exit::Stuck),
        Outcome::WaitingForPerson(_)
        | Outcome::Held
        | Outcome::Interrupted
        | Outcome::WaitingForCredentials { .. }
        | Outcome::WaitingForAccess { .. }
        | Outcome::Stopped(_)
        | Outcome::WaitingForOthers { .. }
        | Outcome::WaitingForTime { .. } => Ok(Exit::Waits),
    }
}

/// Hooks' kubeconfigs, below a folder of this process alone. On a simulated account there are none: no context leads anywhere.
#[cfg(feature = "kubernetes")]
fn kubeconfigs(own: &OwnFolder) -> Option<Kubeconfigs> {
    Some(Kubeconfigs {
        of: crate::nodes::kube::of_context,
        folder: own.path().to_owned(),
    })
}

#[cfg(not(feature = "kubernetes"))]
fn kubeconfigs(_own: &OwnFolder) -> Option<Kubeconfigs> {
    None
}

/// Why it cannot go on now, and how it does later. Of a store that is damaged that is not known, and what to do about it is said already.
fn failed(error: RunError, id: &str) -> Failure {
    let is_damaged = matches!(
        error,
        RunError::Store(StoreError::Damaged { .. } | StoreError::Journal { .. })
    );
    let goes_on = (!is_damaged).then(|| {
        format!("everything that was begun is in the journal; `kfleet rollout resume {id}` goes on")
    });
    Failure::from(error).hints(goes_on)
}

/// What it waits for, and what a person does about that; nothing where its events have said it.
fn why_it_waits(outcome: &Outcome, id: &str) -> Vec<String> {
    match outcome {
        Outcome::WaitingForCredentials { why } => vec![
            format!("paused, {why}"),
            format!(
                "log in again, then `kfleet rollout resume {id}` goes on; everything that was begun is in the journal"
            ),
        ],
        Outcome::WaitingForAccess { cluster, why } => vec![
            format!("paused, {cluster}: {why}"),
            format!(
                "put that right, then `kfleet rollout resume {id}` goes on; nothing was done there meanwhile, and everything that was begun is in the journal"
            ),
        ],
        Outcome::Stopped(stop) => vec![format!(
            "{stop}; `{}` lifts it, then `kfleet rollout resume` goes on",
            stop.go()
        )],
        Outcome::WaitingForTime { until, why } => vec![format!(
            "{}; `kfleet rollout resume` after {} goes on",
            report::reason_text(why),
            until.clock()
        )],
        Outcome::WaitingForOthers { why } => {
            let waits = why.iter().map(report::reason_text);
            let hint = format!(
                "`kfleet rollout status` shows all shards; `kfleet rollout resume {id}` goes on when they have got as far"
            );
            waits.chain([hint]).collect()
        }
        Outcome::Ended(_)
        | Outcome::Stuck
        | Outcome::WaitingForPerson(_)
        | Outcome::Held
        | Outcome::Interrupted => Vec::new(),
    }
}

/// What an aborted rollout is to the pipeline that wanted it.
pub(super) fn aborted(id: &str) -> Failure {
    Failure::new(format!("rollout {id} was aborted"))
}
