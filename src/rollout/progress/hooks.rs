//! What each record about a hook changes, and which may follow what. Runs nothing.

use std::collections::BTreeSet;

use super::hook_state::{HookProgress, HookRun, HookState};
use super::illegal::Illegal;
use super::state::Progress;
use crate::model::{HookPlace, Timestamp};
use crate::rollout::hook_event::{HookEvent, HookResult, HookVerdict, HookWay};

impl Progress {
    /// Whether a record about a hook may follow what was recorded so far.
    pub(super) fn check_hook(&self, place: &HookPlace, event: &HookEvent) -> Result<(), Illegal> {
        let key = place.key();
        let Some(hook) = self.hooks.get(place) else {
            return Err(Illegal::NoHook(key));
        };
        match event {
            HookEvent::Started { way, .. } => match hook.of(*way).state {
                HookState::Running(_) => Err(Illegal::HookTwice(key)),
                HookState::InDoubt(_) if !hook.repeatable => Err(Illegal::HookInDoubt(key)),
                HookState::Waiting
                | HookState::InDoubt(_)
                | HookState::Ended(..)
                | HookState::Settled(_) => Ok(()),
            },
            HookEvent::Ended { way, .. } if hook.of(*way).is_running() => Ok(()),
            HookEvent::Ended { .. } => Err(Illegal::HookNotRunning(key)),
            HookEvent::RanBeside { .. } => match hook.run.state {
                HookState::Waiting if hook.run.attempts == 0 => Ok(()),
                HookState::Waiting
                | HookState::Running(_)
                | HookState::InDoubt(_)
                | HookState::Ended(..)
                | HookState::Settled(_) => Err(Illegal::HookTwice(key)),
            },
            HookEvent::Settled { way, .. } => match &hook.of(*way).state {
                // A process that died leaves it as if it ran.
                HookState::InDoubt(_) | HookState::Running(_) => Ok(()),
                HookState::Ended(_, result) if !result.is_good() => Ok(()),
                HookState::Waiting | HookState::Ended(..) | HookState::Settled(_) => {
                    Err(Illegal::HookNotInDoubt(key))
                }
            },
        }
    }

    pub(super) fn hook_event(
        &mut self,
        place: &HookPlace,
        event: &HookEvent,
        at: Timestamp,
    ) -> Result<(), Illegal> {
        if let Some(cluster) = &place.cluster {
            self.cluster(cluster)?.moved_at = at;
        }
        let hook = self
            .hooks
            .get_mut(place)
            .ok_or_else(|| Illegal::NoHook(place.key()))?;
        match event {
            HookEvent::Started { way, attempt: _ } => {
                let run = hook.of_mut(*way);
                run.attempts = run.attempts.saturating_add(1);
                run.state = HookState::Running(at);
            }
            HookEvent::Ended {
                way,
                result,
                said: _,
                output: _,
            } => hook.of_mut(*way).end(result, at),
            HookEvent::Settled {
                way,
                by: _,
                verdict,
            } => hook.of_mut(*way).settle(*verdict, at),
            HookEvent::RanBeside {
                shard: _,
                rollout: _,
            } => hook.run.state = HookState::Settled(at),
        }
        Ok(())
    }

    /// The way back: these are taken back.
    pub(super) fn take_hooks_back(&mut self, places: &BTreeSet<HookPlace>) {
        for (place, hook) in &mut self.hooks {
            hook.taken_back = places.contains(place);
        }
    }

    /// Another process goes on: what ran is in doubt. Where a person wants it tried again (`again`), what failed runs again.
    pub(super) fn resume_hooks(&mut self, again: bool) {
        for hook in self.hooks.values_mut() {
            // What was passed over when it failed stays so.
            let runs = [(&mut hook.run, !hook.goes_on), (&mut hook.undo, true)];
            for (run, counts) in runs {
                match &run.state {
                    HookState::Running(since) => run.state = HookState::InDoubt(*since),
                    HookState::Ended(_, result) if again && counts && !result.is_good() => {
                        (run.failures, run.state) = (0, HookState::Waiting);
                    }
                    HookState::Waiting
                    | HookState::InDoubt(_)
                    | HookState::Ended(..)
                    | HookState::Settled(_) => {}
                }
            }
        }
    }
}

impl HookProgress {
    fn of_mut(&mut self, way: HookWay) -> &mut HookRun {
        match way {
            HookWay::Run => &mut self.run,
            HookWay::Undo => &mut self.undo,
        }
    }
}

impl HookRun {
    fn end(&mut self, result: &HookResult, at: Timestamp) {
        let failed = u32::from(!result.is_good());
        self.failures = self.failures.saturating_add(failed);
        self.state = HookState::Ended(at, result.clone());
    }

    fn settle(&mut self, verdict: HookVerdict, at: Timestamp) {
        self.failures = 0;
        self.state = match verdict {
            HookVerdict::Done => HookState::Settled(at),
            HookVerdict::Again => HookState::Waiting,
        };
    }
}
