//! The only loop that acts: look, ask `rollout::next`, write down, act, write down. Decides nothing, prints nothing.

mod checks;
mod documents;
mod look;
mod rehearsal;
mod under_way;
mod web;

use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;

use crate::cloud::{Cloud, CloudError, Place};
use crate::model::{
    AccountId, Applied, ClusterName, Effect, Live, Span, StageName, Timestamp, digest_of,
};
use crate::nodes::{NodeApi, NodeError};
use crate::plan::Baseline;
use crate::rollout::{
    ClusterRun, ClusterState, Direction, Ending, Event, Next, Progress, Record, Rollout, State,
    Step, StepResult, Waiting, next,
};
use crate::store::{Journal, Locks, ObjectError, Request, Stop, Store, StoreError, TakenOver};

pub use documents::{StateStore, documents};
pub use look::look;
pub use rehearsal::{Rehearsed, rehearse};

use under_way::places_under_way;

/// How a call of [`run`] ended.
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
        why: String,
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
    /// Somebody stopped the line.
    Stopped(Stop),
    /// The caller asked to step back.
    Interrupted,
}

/// Why a call of [`run`] could not go on.
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
        /// The cluster.
        cluster: ClusterName,
        /// Its account.
        expected: AccountId,
        /// The caller's account.
        found: AccountId,
    },
}

impl RunError {
    /// Whether nothing is wrong but that somebody has to log in again.
    fn is_for_want_of_credentials(&self) -> bool {
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
        /// The rollout.
        rollout: &'a Rollout,
        /// Where it stands.
        progress: &'a Progress,
        /// What is being waited for.
        waiting: &'a [Waiting],
        /// Now.
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
}

/// A look that fails for a passing reason is repeated this often before the run gives up.
const MAX_LOOKS: u32 = 20;

/// Carries a rollout on until it is over, has to wait, or is interrupted. Without credentials it waits for a person: what was meant and
/// got no answer stays open in the journal, and nothing else is half done.
///
/// # Errors
/// When the store or the cloud fails for good. The journal then holds everything that was begun, and the rollout can be resumed.
pub async fn run<W: Cloud + NodeApi>(
    world: &W,
    store: &Store,
    journal: &mut Journal,
    drive: &Drive,
    interrupted: impl Fn() -> bool,
    tell: impl FnMut(Signal<'_>),
) -> Result<Outcome, RunError> {
    let mut runner = Runner {
        world,
        store,
        journal,
        drive,
        tell,
        locks: Locks::default(),
    };
    match runner.go(&interrupted).await {
        Ok(outcome) => Ok(outcome),
        Err(error) => {
            // Whoever reads the journal shall see why it stopped. Where the store itself fails, the first error is the one that counts.
            let why = error.to_string();
            let _ = runner.pause(why.clone());
            if error.is_for_want_of_credentials() {
                Ok(Outcome::WaitingForCredentials { why })
            } else {
                Err(error)
            }
        }
    }
}

/// Before any write: the caller's account is the account of every cluster of the rollout.
///
/// # Errors
/// When it is not, or the cloud does not say to the end of the retries, `poll` apart.
pub async fn fence<W: Cloud>(world: &W, rollout: &Rollout, poll: Span) -> Result<(), RunError> {
    fence_of(world, rollout, poll, |_| true).await
}

/// As [`fence`], for some of its clusters: those of a wave, before the wave begins.
async fn fence_of<W: Cloud>(
    world: &W,
    rollout: &Rollout,
    poll: Span,
    meant: impl Fn(&ClusterRun) -> bool,
) -> Result<(), RunError> {
    for run in rollout
        .clusters()
        .filter(|c| !c.groups.is_empty() && meant(c))
    {
        let place = place(run);
        let found = patiently(world, poll, || world.account(&place)).await?;
        if found != run.account {
            return Err(RunError::WrongAccount {
                cluster: run.cluster.clone(),
                expected: run.account.clone(),
                found,
            });
        }
    }
    Ok(())
}

/// Asks until there is an answer: a passing failure is waited out, and never taken for one.
async fn patiently<W: Cloud, T, F: Future<Output = Result<T, CloudError>>>(
    world: &W,
    poll: Span,
    ask: impl Fn() -> F,
) -> Result<T, CloudError> {
    let mut tries = 0;
    loop {
        match ask().await {
            Err(e) if e.is_transient() && tries < MAX_LOOKS => {
                tries += 1;
                world.wait(world.now() + poll).await?;
            }
            answer => return answer,
        }
    }
}

struct Runner<'a, W, T> {
    world: &'a W,
    store: &'a Store,
    journal: &'a mut Journal,
    drive: &'a Drive,
    tell: T,
    locks: Locks,
}

impl<W: Cloud + NodeApi, T: FnMut(Signal<'_>)> Runner<'_, W, T> {
    async fn go(&mut self, interrupted: impl Fn() -> bool) -> Result<Outcome, RunError> {
        self.take_up().await?;
        let (mut live, mut places) = self.look().await?;
        loop {
            if interrupted() {
                self.pause("interrupted".into())?;
                return Ok(Outcome::Interrupted);
            }
            self.requests()?;
            if let Some(stop) = self.stopped()? {
                self.pause(stop.to_string())?;
                return Ok(Outcome::Stopped(stop));
            }
            if places != places_under_way(self.journal.rollout(), self.journal.progress()) {
                (live, places) = self.look().await?;
            }
            let next = next(
                self.journal.rollout(),
                self.journal.progress(),
                &live,
                self.world.now(),
            );
            if !next.records.is_empty() {
                self.record(next.records).await?;
                continue;
            }
            if let Some(outcome) = self.step_back(&next)? {
                return Ok(outcome);
            }
            self.act(next).await?;
            // A simulated world answers without ever waiting; signals have to get their turn.
            tokio::task::yield_now().await;
            (live, places) = self.look().await?;
        }
    }

    /// Locks of what is under way, the account fence, and what a dead process may not have got to: baselines of verified
    /// and of restored clusters. A rollout that is over is left alone: what came after it counts.
    async fn take_up(&mut self) -> Result<(), RunError> {
        let progress = self.journal.progress();
        if progress.ending.is_some() {
            return Ok(());
        }
        let touched: Vec<ClusterName> = progress
            .clusters
            .iter()
            .filter(|(_, c)| c.groups.values().any(|g| g.touched))
            .map(|(name, _)| name.clone())
            .collect();
        let waves: Vec<ClusterName> = self.waves_under_way();
        self.fence().await?;
        let over = self.journal.taken_over();
        self.taken(over)?;
        self.lock(touched.into_iter().chain(waves).collect())?;
        if self.journal.progress().seq > 1 {
            self.append(vec![Event::Resumed {
                by: self.drive.by.clone(),
            }])?;
        }
        let states: Vec<(ClusterName, ClusterState)> = self
            .journal
            .progress()
            .clusters
            .iter()
            .map(|(name, c)| (name.clone(), c.state))
            .collect();
        for (cluster, state) in states {
            match state {
                ClusterState::Verified(since) => self.baseline(&cluster, since)?,
                ClusterState::Restored => self.restore_baseline(&cluster)?,
                ClusterState::Waiting | ClusterState::Rolling | ClusterState::Checking(_) => {}
            }
        }
        Ok(())
    }

    fn waves_under_way(&self) -> Vec<ClusterName> {
        let (rollout, progress) = (self.journal.rollout(), self.journal.progress());
        let under_way = |stage: &StageName, wave: usize| {
            let key = (stage.clone(), wave);
            progress.waves_started.contains(&key) && !progress.waves_passed.contains(&key)
        };
        let waves = rollout.stages.iter().flat_map(|s| {
            s.waves
                .iter()
                .enumerate()
                .map(move |(n, w)| (&s.name, n, w))
        });
        waves
            .filter(|(stage, n, _)| under_way(stage, *n))
            .flat_map(|(_, _, w)| w.changing())
            .collect()
    }

    fn lock(&mut self, clusters: BTreeSet<ClusterName>) -> Result<(), RunError> {
        let (owner, now) = (self.drive.by.clone(), self.world.now());
        let rollout = self.journal.rollout().id.clone();
        let over = self
            .locks
            .take(self.store, clusters, &owner, &rollout, now)?;
        self.taken(over)
    }

    /// What was taken from somebody who had not given it back stands in the journal before anything is done with it.
    fn taken(&mut self, over: impl IntoIterator<Item = TakenOver>) -> Result<(), RunError> {
        let event = |TakenOver {
                         cluster,
                         from,
                         fence,
                     }| Event::LockTaken {
            cluster,
            from: from.owner,
            rollout: from.rollout,
            fence,
        };
        self.append(over.into_iter().map(event).collect()).map(drop)
    }

    /// What stops this rollout. One that is being aborted only gives back what is open, and is let through.
    fn stopped(&self) -> Result<Option<Stop>, RunError> {
        let (rollout, progress) = (self.journal.rollout(), self.journal.progress());
        if progress.ending.is_some() || progress.direction == Direction::Aborting {
            return Ok(None);
        }
        Ok(self
            .store
            .stops()?
            .into_iter()
            .find(|stop| stop.holds_for(rollout)))
    }

    async fn fence(&self) -> Result<(), RunError> {
        fence(self.world, self.journal.rollout(), self.drive.poll).await
    }

    /// What people asked for in the meantime goes into the journal first, then out of the mailbox. What can no longer
    /// change anything is only taken out.
    fn requests(&mut self) -> Result<(), RunError> {
        let id = self.journal.rollout().id.clone();
        for (path, request) in self.store.pending(&id)? {
            let event = self.granted(request);
            self.append(event.into_iter().collect())?;
            self.store.take_request(&path)?;
        }
        Ok(())
    }

    fn granted(&self, request: Request) -> Option<Event> {
        let (rollout, progress) = (self.journal.rollout(), self.journal.progress());
        let over = progress.ending.is_some();
        match request {
            Request::Approve {
                plan,
                stage,
                by,
                expires,
            } => {
                let counts = !over
                    && plan == rollout.plan
                    && rollout.stage(&stage).is_some()
                    && !progress.stages_started.contains(&stage);
                counts.then_some(Event::Approved { stage, by, expires })
            }
            Request::Rollback { by, reason } => {
                let back = over
                    || progress.direction != Direction::Forward
                    || progress.rollback_asked.is_some();
                (!back).then_some(Event::RollbackAsked { by, reason })
            }
            Request::Abort { by, reason } => {
                let turned = over || progress.direction == Direction::Aborting;
                (!turned).then_some(Event::AbortStarted { by, reason })
            }
        }
    }

    /// Facts first; a wave's locks are all held before it counts as begun, and those of the clusters that go back before they do.
    async fn record(&mut self, events: Vec<Event>) -> Result<(), RunError> {
        for event in &events {
            if let Event::WaveStarted { stage, wave } = event {
                let changing = self
                    .journal
                    .rollout()
                    .stage(stage)
                    .and_then(|s| s.waves.get(*wave))
                    .map(crate::rollout::WaveRun::changing);
                let changing = changing.unwrap_or_default();
                self.lock(changing.clone())?;
                fence_of(self.world, self.journal.rollout(), self.drive.poll, |run| {
                    changing.contains(&run.cluster)
                })
                .await?;
            }
            if let Event::RollbackStarted { clusters } = event {
                self.lock(clusters.clone())?;
            }
            if *event == Event::Aborted {
                self.left_behind()?;
            }
        }
        for record in self.append(events)? {
            self.follow(&record.event)?;
        }
        Ok(())
    }

    /// What the store has to know once a fact is written.
    fn follow(&mut self, event: &Event) -> Result<(), RunError> {
        match event {
            Event::ClusterVerified {
                cluster,
                since,
                evidence: _,
            } => self.baseline(cluster, *since)?,
            Event::ClusterRestored { cluster } => self.restore_baseline(cluster)?,
            Event::WavePassed { .. } | Event::Finished | Event::RolledBack | Event::Aborted => {
                self.locks.release()
            }
            Event::Started { .. }
            | Event::Approved { .. }
            | Event::StageStarted { .. }
            | Event::StagePassed { .. }
            | Event::WaveStarted { .. }
            | Event::ClusterStarted { .. }
            | Event::Preflight { .. }
            | Event::ClusterRolled { .. }
            | Event::SoakBroken { .. }
            | Event::GroupStarted { .. }
            | Event::CanaryUp { .. }
            | Event::CanaryLost { .. }
            | Event::CanaryProven { .. }
            | Event::DrainStarted { .. }
            | Event::SetAside { .. }
            | Event::DrainAbandoned { .. }
            | Event::SurgeTaken { .. }
            | Event::Refreshed { .. }
            | Event::NoCapacity { .. }
            | Event::CapacityBack { .. }
            | Event::Borrowed { .. }
            | Event::Lending { .. }
            | Event::GroupDone { .. }
            | Event::Answered { .. }
            | Event::Intent { .. }
            | Event::Outcome { .. }
            | Event::Failed { .. }
            | Event::Held
            | Event::RollbackAsked { .. }
            | Event::RollbackStarted { .. }
            | Event::Stuck { .. }
            | Event::AbortStarted { .. }
            | Event::LockTaken { .. }
            | Event::Resumed { .. }
            | Event::Paused { .. } => {}
        }
        Ok(())
    }

    fn baseline(&self, cluster: &ClusterName, since: Timestamp) -> Result<(), RunError> {
        let rollout = self.journal.rollout();
        let Some(run) = rollout.cluster(cluster) else {
            return Ok(());
        };
        let seen = self
            .journal
            .progress()
            .clusters
            .get(cluster)
            .and_then(|c| c.before.as_ref())
            .map(|b| b.uid.clone());
        let baseline = Baseline {
            version: 1,
            cluster: cluster.clone(),
            digest: run.digest.clone(),
            release: rollout.release.clone(),
            rollout: rollout.id.clone(),
            since,
            documents: run.documents.clone(),
            kubernetes: seen.or_else(|| run.previous.as_ref()?.kubernetes.clone()),
        };
        Ok(self.store.put_baseline(&baseline)?)
    }

    /// What ran before runs again, and its soak begins anew.
    fn restore_baseline(&self, cluster: &ClusterName) -> Result<(), RunError> {
        let previous = self
            .journal
            .rollout()
            .cluster(cluster)
            .and_then(|run| run.previous.clone());
        match previous {
            Some(previous) => Ok(self.store.put_baseline(&Baseline {
                since: self.world.now(),
                ..*previous
            })?),
            None => Ok(self.store.remove_baseline(cluster)?),
        }
    }

    /// Clusters that an abort leaves half-way run neither what they ran nor what they should: nothing may be promoted on
    /// their strength. Their documents are still compared with what was applied last.
    fn left_behind(&self) -> Result<(), RunError> {
        let (rollout, progress) = (self.journal.rollout(), self.journal.progress());
        for run in rollout.clusters() {
            let Some(cluster) = progress.clusters.get(&run.cluster) else {
                continue;
            };
            let half_way = match cluster.state {
                ClusterState::Rolling | ClusterState::Checking(_) => {
                    cluster.groups.values().any(|g| g.touched)
                }
                ClusterState::Waiting | ClusterState::Verified(_) | ClusterState::Restored => false,
            };
            match &run.previous {
                _ if !half_way => {}
                Some(previous) => {
                    let digest = digest_of(&("left half-way by", &rollout.id, &run.cluster));
                    self.store.put_baseline(&Baseline {
                        digest,
                        since: self.world.now(),
                        ..(**previous).clone()
                    })?;
                }
                None => self.store.remove_baseline(&run.cluster)?,
            }
        }
        Ok(())
    }

    /// Whether this process has nothing to do for now.
    fn step_back(&mut self, next: &Next) -> Result<Option<Outcome>, RunError> {
        match &next.state {
            State::Going => Ok(None),
            State::Ended(ending) => Ok(Some(Outcome::Ended(*ending))),
            State::Stuck => Ok(Some(Outcome::Stuck)),
            State::Held => Ok(Some(Outcome::Held)),
            State::WaitingForPerson { stage } if self.drive.auto_approve => {
                let expires = self.world.now() + Span::from_secs(3_600);
                self.append(vec![Event::Approved {
                    stage: stage.clone(),
                    by: "--auto-approve".into(),
                    expires,
                }])?;
                Ok(None)
            }
            State::WaitingForPerson { stage } => {
                self.pause(format!("stage {stage} has to be approved"))?;
                Ok(Some(Outcome::WaitingForPerson(stage.clone())))
            }
            State::WaitingForTime { until, why }
                if until.since(self.world.now()) > self.drive.max_wait =>
            {
                self.pause(why.clone())?;
                Ok(Some(Outcome::WaitingForTime {
                    until: *until,
                    why: why.clone(),
                }))
            }
            State::WaitingForTime { .. } => Ok(None),
        }
    }

    fn pause(&mut self, why: String) -> Result<(), RunError> {
        if self.journal.progress().ending.is_none() {
            self.append(vec![Event::Paused { why }])?;
        }
        Ok(())
    }

    async fn act(&mut self, next: Next) -> Result<(), RunError> {
        let now = self.world.now();
        let watch = match &next.state {
            State::WaitingForTime { until, .. } => Some((now + self.drive.watch).min(*until)),
            State::Going
            | State::WaitingForPerson { .. }
            | State::Stuck
            | State::Held
            | State::Ended(_) => None,
        };
        let idle = next.steps.is_empty() && next.checks.is_empty();
        self.ask(&next).await?;
        let settled = self.steps(next.steps).await?;
        if idle || !settled {
            let (rollout, progress) = (self.journal.rollout(), self.journal.progress());
            (self.tell)(Signal::Waiting {
                rollout,
                progress,
                waiting: &next.waiting,
                now,
            });
            self.world
                .wait(watch.unwrap_or(now + self.drive.poll))
                .await?;
        }
        Ok(())
    }

    async fn ask(&mut self, next: &Next) -> Result<(), RunError> {
        for check in &next.checks {
            let verdict = checks::ask(check, self.drive).await;
            let (cluster, scope, gate) = (
                check.cluster.clone(),
                check.scope.clone(),
                check.gate.clone(),
            );
            self.append(vec![Event::Answered {
                cluster,
                scope,
                gate,
                verdict,
            }])?;
        }
        Ok(())
    }

    /// Intents of a round go to disk in one write before the first of them is acted upon. Whether the world has to be
    /// given time before it is worth another look: evictions, and steps without an answer, are repeated.
    async fn steps(&mut self, steps: Vec<Step>) -> Result<bool, RunError> {
        let intents = steps.iter().filter(|s| !s.again).map(|s| Event::Intent {
            step: s.id,
            cluster: s.cluster.clone(),
            group: s.group.clone(),
            effect: Box::new(s.effect.clone()),
        });
        let intents: Vec<Event> = intents.collect();
        // Whatever the rollout has come to: nothing is done to a cluster whose lock is not held.
        self.lock(steps.iter().map(|s| s.cluster.clone()).collect())?;
        self.append(intents)?;
        let mut settled = true;
        let mut outcomes = Vec::new();
        let (mut fatal, mut lost) = (None, None);
        for step in &steps {
            if let Err(error) = self
                .journal
                .check()
                .and_then(|()| self.locks.check(&step.cluster))
            {
                lost = Some(error);
                break;
            }
            let (result, error) = self.apply(step).await;
            settled &= matches!(
                &result,
                StepResult::Applied(Applied::Done | Applied::Already | Applied::Version(_))
            ) && !is_eviction(&step.effect);
            outcomes.push(Event::Outcome {
                step: step.id,
                result,
            });
            if error.is_some() {
                fatal = error;
                break;
            }
        }
        let written = self.append(outcomes);
        match (fatal, lost) {
            (_, Some(error)) => Err(error.into()),
            (Some(error), None) => Err(error.into()),
            (None, None) => written.map(|_| settled),
        }
    }

    async fn apply(&self, step: &Step) -> (StepResult, Option<CloudError>) {
        let Some(run) = self.journal.cluster(&step.cluster) else {
            return (
                StepResult::Refused(format!("{} is no cluster of this rollout", step.cluster)),
                None,
            );
        };
        match &step.effect {
            Effect::Cloud(effect) => match self.world.apply(&place(run), effect).await {
                Ok(applied) => (StepResult::Applied(applied), None),
                Err(e @ CloudError::Refused { .. }) => (StepResult::Refused(e.to_string()), None),
                Err(e @ (CloudError::Throttled { .. } | CloudError::Unknown { .. })) => {
                    (StepResult::Unknown(e.to_string()), None)
                }
                Err(e @ (CloudError::Credentials { .. } | CloudError::State { .. })) => {
                    (StepResult::Unknown(e.to_string()), Some(e))
                }
            },
            Effect::Node(effect) => match self.world.act(&step.cluster, effect).await {
                Ok(applied) => (StepResult::Applied(applied), None),
                Err(e @ NodeError::Unreachable { .. }) => {
                    (StepResult::Unknown(e.to_string()), None)
                }
                Err(e @ NodeError::Refused { .. }) => (StepResult::Refused(e.to_string()), None),
            },
        }
    }

    /// The live state of what is under way, and of which clusters that is.
    async fn look(&self) -> Result<(Live, Vec<Place>), RunError> {
        let places = places_under_way(self.journal.rollout(), self.journal.progress());
        let live = patiently(self.world, self.drive.poll, || look(self.world, &places)).await?;
        Ok((live, places))
    }

    fn append(&mut self, events: Vec<Event>) -> Result<Vec<Record>, RunError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        // A simulated world that died goes back to its last saved moment; the journal's time does not go back with it.
        let at = self.world.now().max(self.journal.progress().at);
        let records = self.journal.append(at, events)?;
        for record in &records {
            (self.tell)(Signal::Recorded(record));
        }
        Ok(records)
    }
}

fn is_eviction(effect: &Effect) -> bool {
    matches!(effect, Effect::Node(crate::model::NodeEffect::Evict { .. }))
}

fn place(run: &ClusterRun) -> Place {
    Place {
        cluster: run.cluster.clone(),
        account: run.account.clone(),
        region: run.region.clone(),
    }
}
