//! Steps and questions of a round, carried out: an intent is written before, an outcome after.

use super::fence::place;
use super::runner::Runner;
use super::{RunError, Signal, checks};
use crate::cloud::{Cloud, CloudError};
use crate::model::{Applied, Effect, NodeEffect};
use crate::nodes::{NodeApi, NodeError};
use crate::rollout::{Decision, Event, Step, StepResult};

impl<W: Cloud + NodeApi, T: FnMut(Signal<'_>)> Runner<'_, W, T> {
    pub(super) async fn ask(&mut self, next: &Decision) -> Result<(), RunError> {
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
    pub(super) async fn steps(&mut self, steps: Vec<Step>) -> Result<bool, RunError> {
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
                Err(e @ (NodeError::Shut { .. } | NodeError::Denied { .. })) => {
                    (StepResult::Denied(e.to_string()), None)
                }
            },
        }
    }
}

fn is_eviction(effect: &Effect) -> bool {
    matches!(effect, Effect::Node(NodeEffect::Evict { .. }))
}
