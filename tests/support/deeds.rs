//! What really happened to an account, against what the journal says of it.

use std::collections::BTreeMap;

use kfleet::model::{Effect, NodeEffect, Timestamp};
use kfleet::rollout::{Event, Progress, Reason, Record, StepEvent, StepId, StepResult};

#[derive(Default)]
pub(super) struct Deeds {
    /// Mutating calls answered with Done, to find effects that happened twice.
    pub(super) done: Vec<(Timestamp, Effect)>,
    /// When each step was written down first.
    asked: BTreeMap<StepId, Timestamp>,
}

impl Deeds {
    /// Each rollout counts its steps anew.
    pub(super) fn forget_steps(&mut self) {
        self.asked.clear();
    }

    /// What a record says that is not so.
    pub(super) fn hear(&mut self, progress: &Progress, record: &Record) -> Option<String> {
        match &record.event {
            Event::Step(step, StepEvent::Intent { .. }) => {
                self.asked.entry(*step).or_insert(record.at);
                None
            }
            // What nothing depends on may have happened or not.
            Event::Step(
                step,
                StepEvent::Outcome {
                    result: StepResult::GivenUp(why),
                },
            ) if *why != Reason::NotNeeded => {
                let has_happened = self.has_happened(*step, &progress.open.get(step)?.effect);
                has_happened.then(|| {
                    format!(
                        "{}: step {step} is given up and has happened: {why:?}",
                        record.at
                    )
                })
            }
            _ => None,
        }
    }

    /// By this step: the same may have been done by an earlier one, and taken back since.
    fn has_happened(&self, step: StepId, effect: &Effect) -> bool {
        // What is left to evict is asked for anew in every round.
        if let Effect::Node(NodeEffect::Evict { .. } | NodeEffect::Delete { .. }) = effect {
            return false;
        }
        let asked = self.asked.get(&step);
        let is_it = |(at, done): &(Timestamp, Effect)| {
            done == effect && asked.is_none_or(|asked| at >= asked)
        };
        self.done.iter().any(is_it)
    }
}
