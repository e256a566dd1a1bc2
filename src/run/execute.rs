//! Steps of a round, carried out: an intent is written before, an outcome after. Clusters at the same time; within one, in order. Decides nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::by_kops;
use super::fence::place;
use super::runner::Runner;
use super::together::{MAX_CLUSTERS, together};
use super::{Drive, RefusedByKops, RunError, Signal};
use crate::cloud::{Cloud, CloudError};
use crate::engine::{Engine, KopsCall};
use crate::model::{Applied, ClusterName, Effect, KopsEffect, NodeEffect};
use crate::nodes::{NodeApi, NodeError};
use crate::rollout::{ClusterRun, Event, Step, StepEvent, StepResult};
use crate::store::{Journal, Locks, Store, StoreError};

/// While an effect is carried out, its lock is looked at this often.
const WATCH: Duration = Duration::from_secs(1);

impl<W: Cloud + NodeApi + Engine, T: FnMut(Signal<'_>)> Runner<'_, W, T> {
    /// Intents of a round go to disk in one write before the first of them is acted upon. Whether the world has to be
    /// given time before it is worth another look: evictions, and steps without an answer, are repeated.
    pub(super) async fn steps(&mut self, steps: Vec<Step>) -> Result<bool, RunError> {
        let intents = steps.iter().filter(|s| !s.again).map(|s| {
            Event::Step(
                s.id,
                StepEvent::Intent {
                    cluster: s.cluster.clone(),
                    group: s.group.clone(),
                    effect: Box::new(s.effect.clone()),
                },
            )
        });
        let intents: Vec<Event> = intents.collect();
        // Whatever the rollout has come to: nothing is done to a cluster whose lock is not held.
        self.lock(steps.iter().map(|s| s.cluster.clone()).collect())?;
        self.append(intents)?;
        let executor = Executor {
            world: self.world,
            drive: self.drive,
            store: self.store,
            journal: &*self.journal,
            locks: &self.locks,
            halted: AtomicBool::new(false),
        };
        let lanes = lanes(&steps);
        let done = together(
            MAX_CLUSTERS,
            lanes.into_iter().map(|lane| executor.lane(lane)),
        )
        .await;
        let mut settled = true;
        let (mut outcomes, mut errors) = (Vec::new(), Vec::new());
        for lane in done {
            settled &= lane.settled;
            outcomes.extend(lane.outcomes);
            errors.extend(lane.error);
        }
        let written = self.append(outcomes);
        // A lock that is lost comes first: nothing may be said or done on its strength.
        errors.sort_by_key(|e| !matches!(e, RunError::Store(_)));
        match errors.into_iter().next() {
            Some(error) => Err(error),
            None => written.map(|_| settled),
        }
    }
}

/// The steps of each cluster, in order.
fn lanes(steps: &[Step]) -> Vec<Vec<&Step>> {
    let mut lanes: Vec<Vec<&Step>> = Vec::new();
    for step in steps {
        let lane = lanes.iter_mut().find(|lane| {
            lane.first()
                .is_some_and(|first| first.cluster == step.cluster)
        });
        match lane {
            Some(lane) => lane.push(step),
            None => lanes.push(vec![step]),
        }
    }
    lanes
}

/// What became of the steps of one cluster.
struct Lane {
    outcomes: Vec<Event>,
    settled: bool,
    error: Option<RunError>,
}

/// Carries out effects, as long as the locks are held.
struct Executor<'a, W> {
    world: &'a W,
    drive: &'a Drive,
    store: &'a Store,
    journal: &'a Journal,
    locks: &'a Locks,
    /// Something ended the run: no other cluster begins another step.
    halted: AtomicBool,
}

impl<W: Cloud + NodeApi + Engine> Executor<'_, W> {
    async fn lane(&self, steps: Vec<&Step>) -> Lane {
        let mut lane = Lane {
            outcomes: Vec::new(),
            settled: true,
            error: None,
        };
        for step in steps {
            if self.halted.load(Ordering::Relaxed) {
                break;
            }
            let (result, error) = match self.held(&step.cluster) {
                Err(error) => (None, Some(RunError::from(error))),
                Ok(()) => self.guarded(step).await,
            };
            if let Some(result) = result {
                lane.settled &= is_settled(&step.effect, &result);
                lane.outcomes
                    .push(Event::Step(step.id, StepEvent::Outcome { result }));
            }
            if error.is_some() {
                self.halted.store(true, Ordering::Relaxed);
                lane.error = error;
                break;
            }
        }
        lane
    }

    /// Whether this process may act on a cluster, for certain, this very moment.
    fn held(&self, cluster: &ClusterName) -> Result<(), StoreError> {
        self.journal.check()?;
        self.locks.check(cluster)
    }

    /// One effect. It reads, waits and tries again for longer than a lease lasts: the moment the lock is not known to be held, it is dropped,
    /// between two attempts or in the middle of one. The lease's margin is longer than one attempt, so nothing of it is left when
    /// another process can take the lock.
    async fn guarded(&self, step: &Step) -> (Option<StepResult>, Option<RunError>) {
        let lost = async {
            loop {
                tokio::time::sleep(WATCH).await;
                if let Err(error) = self.held(&step.cluster) {
                    return error;
                }
            }
        };
        tokio::select! {
            biased;
            (result, error) = self.apply(step) => (Some(result), error.map(RunError::from)),
            error = lost => {
                let why = format!("it was broken off: {error}");
                (Some(StepResult::Unknown(why)), Some(RunError::from(error)))
            }
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
            Effect::Cloud(effect) => {
                let done = of_cloud(self.world.apply(&place(run), effect).await);
                match by_kops::forgotten(run, effect) {
                    Some(group) => {
                        let done = by_kops::forget(self.world, run, group, done).await;
                        self.keep_calls(step, run).await;
                        done
                    }
                    None => done,
                }
            }
            Effect::Kops(effect) => {
                let done = by_kops::carry_out(self.world, run, effect).await;
                if is_published(effect, &done.result) {
                    self.keep_dry_run(step, run).await;
                }
                self.keep_calls(step, run).await;
                (self.with_place(run, done.result, done.refused), done.halts)
            }
            Effect::Node(effect) => match self.world.act(&step.cluster, effect).await {
                Ok(applied) => (StepResult::Applied(applied), None),
                Err(e @ NodeError::Unreachable { .. }) => {
                    (StepResult::Unknown(e.to_string()), None)
                }
                Err(e @ (NodeError::Shut { .. } | NodeError::Denied { .. })) => {
                    (StepResult::Denied(e.to_string()), None)
                }
            },
        }
    }
}

impl<W: Engine> Executor<'_, W> {
    /// What kops printed for a step. A step that is taken again keeps what was printed last.
    async fn keep_calls(&self, step: &Step, run: &ClusterRun) {
        let calls = self.world.drain_calls(&place(run)).await;
        let texts: Vec<String> = calls.iter().map(KopsCall::text).collect();
        if !texts.is_empty() {
            self.keep(
                &format!("kops-{}.{}", step.id, step.group),
                &texts.join("\n"),
            );
        }
    }

    /// What kops would do to the whole cluster, now that the documents are stored and no group is brought to them.
    async fn keep_dry_run(&self, step: &Step, run: &ClusterRun) {
        let text = by_kops::dry_run(self.world, run).await;
        self.keep(&format!("kops-{}.dry-run.{}", step.id, run.cluster), &text);
    }

    /// What kops refuses, with where the fleet writes it.
    fn with_place(
        &self,
        run: &ClusterRun,
        result: StepResult,
        documents: Vec<String>,
    ) -> StepResult {
        let (StepResult::Refused(words), Some(written)) = (&result, self.drive.written) else {
            return result;
        };
        if documents.is_empty() {
            return result;
        }
        let place = written(&RefusedByKops {
            folder: self.drive.folder.clone(),
            release: self.journal.rollout().release.clone(),
            cluster: run.cluster.clone(),
            documents,
            words: words.clone(),
        });
        StepResult::Refused(format!("{words}; {place}"))
    }

    /// An aside: what cannot be kept is not, and the rollout goes on.
    fn keep(&self, name: &str, text: &str) {
        let _lost = self
            .store
            .put_output(&self.journal.rollout().id, name, text);
    }
}

fn is_published(effect: &KopsEffect, result: &StepResult) -> bool {
    let applied = matches!(
        result,
        StepResult::Applied(Applied::Done | Applied::Already)
    );
    match effect {
        KopsEffect::Publish { .. } => applied,
        KopsEffect::Update { .. } => false,
    }
}

/// What an answer of AWS makes of a step.
fn of_cloud(answer: Result<Applied, CloudError>) -> (StepResult, Option<CloudError>) {
    match answer {
        Ok(applied) => (StepResult::Applied(applied), None),
        Err(e @ CloudError::Refused { .. }) => (StepResult::Refused(e.to_string()), None),
        Err(e @ (CloudError::Throttled { .. } | CloudError::Unknown { .. })) => {
            (StepResult::Unknown(e.to_string()), None)
        }
        Err(e @ (CloudError::Credentials { .. } | CloudError::State { .. })) => {
            (StepResult::Unknown(e.to_string()), Some(e))
        }
    }
}

/// Whether the next look may come at once. Where a call found that all of it was so already, the look that asked for it was older than that:
/// without a pause the next one may be too, and the one after it. Source: EC2 API, "Eventual consistency in the Amazon EC2 API".
fn is_settled(effect: &Effect, result: &StepResult) -> bool {
    match (effect, result) {
        (Effect::Node(NodeEffect::Evict { .. }), _)
        | (Effect::Cloud(_), StepResult::Applied(Applied::Already)) => false,
        (
            Effect::Cloud(_) | Effect::Node(_) | Effect::Kops(_),
            StepResult::Applied(
                Applied::Done
                | Applied::Already
                | Applied::Version(_)
                | Applied::Launched { refused: None, .. },
            ),
        ) => true,
        (
            Effect::Cloud(_) | Effect::Node(_) | Effect::Kops(_),
            StepResult::Applied(
                Applied::Moved(_)
                | Applied::NotYet(_)
                | Applied::Launched {
                    refused: Some(_), ..
                },
            )
            | StepResult::Refused(_)
            | StepResult::Unknown(_)
            | StepResult::Denied(_)
            | StepResult::GivenUp(_),
        ) => false,
    }
}
