//! Hooks that run, in the background: written down before, and when they have ended; what they leave in the store. Decides nothing.

use std::collections::BTreeMap;

use super::hook_command::{Ended, Given};
use super::hook_drive::HookRunning;
use super::hook_runs::HookKey;
use super::runner::{Runner, raised};
use super::{RunError, Signal};
use crate::cloud::Cloud;
use crate::engine::Engine;
use crate::model::{ClusterName, HookPlace, StageName};
use crate::nodes::NodeApi;
use crate::plan::{HookMark, HookTask};
use crate::rollout::{
    Event, HookEvent, HookProgress, HookResult, HookState, HookStep, HookWay, Rollout, Waiting,
};

impl<W: Cloud + NodeApi + Engine, T: FnMut(Signal<'_>)> Runner<'_, W, T> {
    /// Begins what is to run, and writes down what has ended. Whether anything has.
    pub(super) async fn hooks(&mut self, steps: &[HookStep]) -> Result<bool, RunError> {
        self.hold_hooks()?;
        let fresh: Vec<&HookStep> = steps.iter().filter(|s| !s.is_begun).collect();
        let clusters = fresh.iter().filter_map(|s| s.place.cluster.clone());
        self.lock(clusters.collect())?;
        let begins = fresh.iter().map(|step| {
            let event = HookEvent::Started {
                way: step.way,
                attempt: step.attempt,
            };
            Event::Hook(step.place.clone(), event)
        });
        self.append(begins.collect())?;
        for step in fresh {
            self.begin_hook(step);
        }
        // Simulated time stands still while a hook runs, which is real.
        while self.world.time_is_virtual()
            && self.hook_runs.is_open()
            && self.hook_runs.ended.is_empty()
            && !(self.interrupted)()
        {
            tokio::select! {
                () = self.hook_runs.next() => {}
                () = raised(self.interrupted) => {}
            }
        }
        self.write_ended()
    }

    /// Nothing goes on in a cluster whose lock is not held for certain, nor anywhere where the rollout is another process's.
    fn hold_hooks(&self) -> Result<(), RunError> {
        if self.hook_runs.is_open() {
            self.journal.check()?;
        }
        for (place, _) in self.hook_runs.open.keys() {
            if let Some(cluster) = &place.cluster {
                self.locks.check(cluster)?;
            }
        }
        Ok(())
    }

    fn begin_hook(&mut self, step: &HookStep) {
        let key = (step.place.clone(), step.way);
        let Some(task) = self.journal.rollout().hook(&step.place).cloned() else {
            return;
        };
        let is_run = match self.drive.hooks.running {
            HookRunning::All => true,
            HookRunning::Simulated => task.spec.simulated,
            HookRunning::None => false,
        };
        if !is_run {
            let ended = Ended::silent(HookResult::Simulated);
            self.hook_runs.open.insert(key.clone(), None);
            self.hook_runs.ended.push((key, ended));
            return;
        }
        let given = Given {
            told: told(self.journal.rollout(), &task, step),
            task,
            way: step.way,
            environment: self.drive.hooks.environment.clone(),
            kubeconfig: self.drive.hooks.kubeconfig.clone(),
            folder: self.drive.folder.clone(),
            attendant: self.drive.attendant.clone(),
        };
        self.hook_runs.start(key, given);
    }

    /// Waits for every hook that runs: before this process ends, for whatever reason, they get their time. Whether one ran.
    pub(super) async fn settle_hooks(&mut self) -> Result<bool, RunError> {
        if !self.hook_runs.is_open() {
            return Ok(false);
        }
        while self.hook_runs.is_open() {
            self.tell_hooks();
            self.hold_hooks()?;
            let pause = std::time::Duration::from_secs(1);
            // A lock that is lost ends the wait.
            let _late = tokio::time::timeout(pause, self.hook_runs.next()).await;
            self.write_ended()?;
        }
        Ok(true)
    }

    /// Says that they are waited for.
    fn tell_hooks(&mut self) {
        let (rollout, progress) = (self.journal.rollout(), self.journal.progress());
        let waiting = |(place, way): &HookKey| {
            let HookState::Running(since) = progress.hooks.get(place)?.of(*way).state else {
                return None;
            };
            let why = crate::rollout::HookReason::HookRuns {
                place: place.clone(),
                way: *way,
                since,
            };
            Some(Waiting {
                cluster: place.cluster.clone(),
                group: None,
                why: why.into(),
                until: None,
            })
        };
        let waiting: Vec<Waiting> = self.hook_runs.open.keys().filter_map(waiting).collect();
        (self.tell)(Signal::Waiting {
            rollout,
            progress,
            waiting: &waiting,
            now: self.world.now(),
        });
    }

    fn write_ended(&mut self) -> Result<bool, RunError> {
        let ended = self.hook_runs.take_ended();
        let any = !ended.is_empty();
        for ((place, way), ended) in ended {
            let output = self.keep_output(&place, way, &ended);
            let event = HookEvent::Ended {
                way,
                said: ended.last_line(),
                result: ended.result,
                output,
            };
            self.append(vec![Event::Hook(place.clone(), event)])?;
            self.mark_hook(&place)?;
        }
        Ok(any)
    }

    /// An aside: what cannot be kept is not, and the rollout goes on.
    fn keep_output(&self, place: &HookPlace, way: HookWay, ended: &Ended) -> Option<String> {
        if ended.output.trim().is_empty() {
            return None;
        }
        let attempt = self.journal.progress().hooks.get(place)?.of(way).attempts;
        let word = match way {
            HookWay::Run => "run",
            HookWay::Undo => "undo",
        };
        let name = format!("{}.{word}.{attempt}", place.key());
        let rollout = &self.journal.rollout().id;
        let kept = self.store.put_output(rollout, &name, &ended.output);
        kept.ok().map(|()| name)
    }

    /// What a process that died may not have got to.
    pub(super) fn mark_hooks(&self) -> Result<(), RunError> {
        let places = self.journal.progress().hooks.keys();
        places
            .into_iter()
            .try_for_each(|place| self.mark_hook(place))
    }

    /// What the store has to know of a hook that ended.
    fn mark_hook(&self, place: &HookPlace) -> Result<(), RunError> {
        let (rollout, progress) = (self.journal.rollout(), self.journal.progress());
        let (Some(task), Some(hook)) = (rollout.hook(place), progress.hooks.get(place)) else {
            return Ok(());
        };
        if is_done(hook, HookWay::Undo).is_some() {
            return Ok(self.store.put_hook_mark(place, task.before.as_ref())?);
        }
        if let Some(at) = is_done(hook, HookWay::Run) {
            let mark = HookMark {
                version: 1,
                place: place.clone(),
                digest: task.digest.clone(),
                at,
                rollout: rollout.id.clone(),
            };
            self.store.put_hook_mark(place, Some(&mark))?;
        }
        Ok(())
    }
}

/// When it did its work, if it did.
fn is_done(hook: &HookProgress, way: HookWay) -> Option<crate::model::Timestamp> {
    match &hook.of(way).state {
        HookState::Ended(at, HookResult::Done | HookResult::Simulated) | HookState::Settled(at) => {
            Some(*at)
        }
        HookState::Ended(..)
        | HookState::Waiting
        | HookState::Running(_)
        | HookState::InDoubt(_) => None,
    }
}

/// What a hook is told.
fn told(rollout: &Rollout, task: &HookTask, step: &HookStep) -> BTreeMap<&'static str, String> {
    let place = &step.place;
    let way = match step.way {
        HookWay::Run => "run",
        HookWay::Undo => "undo",
    };
    let mut told = BTreeMap::from([
        ("KFLEET_HOOK", place.hook.to_string()),
        ("KFLEET_WAY", way.to_owned()),
        ("KFLEET_ATTEMPT", step.attempt.to_string()),
        ("KFLEET_ROLLOUT", rollout.id.clone()),
        ("KFLEET_PLAN", rollout.plan.to_string()),
        ("KFLEET_RELEASE", rollout.release.to_string()),
        ("KFLEET_STAGE", place.stage.to_string()),
        (
            "KFLEET_CLUSTERS",
            clusters_of(rollout, &place.stage, place).join(" "),
        ),
    ]);
    let wave = place.wave.map(|wave| wave.saturating_add(1).to_string());
    told.extend(wave.map(|wave| ("KFLEET_WAVE", wave)));
    if let Some(run) = place.cluster.as_ref().and_then(|c| rollout.cluster(c)) {
        told.insert("KFLEET_CLUSTER", run.cluster.to_string());
        told.insert("KFLEET_ACCOUNT", run.account.to_string());
        told.insert("KFLEET_REGION", run.region.to_string());
        told.insert("AWS_REGION", run.region.to_string());
    }
    let context = task.context.clone();
    told.extend(context.map(|context| ("KFLEET_KUBE_CONTEXT", context)));
    let state = task.state_store.clone();
    told.extend(state.map(|state| ("KOPS_STATE_STORE", state)));
    told
}

/// The clusters of its place, by name.
fn clusters_of(rollout: &Rollout, stage: &StageName, place: &HookPlace) -> Vec<String> {
    if let Some(cluster) = &place.cluster {
        return vec![cluster.to_string()];
    }
    let waves = rollout.stage(stage).into_iter().flat_map(|s| &s.waves);
    let mine = waves.filter(|w| place.wave.is_none() || w.hooks.iter().any(|h| h.place == *place));
    let names = mine.flat_map(|w| &w.clusters).map(|c| &c.cluster);
    names.map(ClusterName::to_string).collect()
}
