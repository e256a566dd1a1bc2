//! What each record changes: the one place where facts become a state. Reads nothing else, decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::canary::Canary;
use super::illegal::{Illegal, IllegalRecord};
use super::legal::check_transition;
use super::obstacles::Conflicts;
use super::state::{
    Answer, Before, ClusterProgress, ClusterState, Direction, Ending, GroupProgress, Progress,
    Spent, Stuck, WayBack,
};
use crate::model::{AsgName, ClusterName, StageName, Timestamp};
use crate::rollout::event::{
    ClusterEvent, Event, GroupEvent, Record, RolloutEvent, Scope, StageEvent, StepEvent, StepId,
    Verdict,
};
use crate::rollout::reason::{Advice, Reason};
use crate::rollout::schedule::Rollout;

impl Progress {
    /// The fold of all records of a journal.
    ///
    /// # Errors
    /// When the first record does not hold the rollout, or a record cannot follow the ones before it.
    pub fn of(records: &[Record]) -> Result<(Rollout, Progress), IllegalRecord> {
        let Some(Record {
            event: Event::Rollout(RolloutEvent::Started { rollout }),
            ..
        }) = records.first()
        else {
            return Err(IllegalRecord {
                seq: 1,
                why: Illegal::NoRollout,
            });
        };
        let mut progress = Progress::new(rollout);
        for record in records {
            progress.add(record)?;
        }
        Ok(((**rollout).clone(), progress))
    }

    /// Adds one record.
    ///
    /// # Errors
    /// When it cannot follow the ones before it.
    pub fn add(&mut self, record: &Record) -> Result<(), IllegalRecord> {
        let illegal = |why: Illegal| IllegalRecord {
            seq: record.seq,
            why,
        };
        if record.seq != self.seq + 1 {
            return Err(illegal(Illegal::Sequence(self.seq + 1)));
        }
        check_transition(self, &record.event).map_err(illegal)?;
        self.apply(&record.event, record.at).map_err(illegal)?;
        (self.seq, self.at) = (record.seq, record.at);
        Ok(())
    }
}

impl Progress {
    fn apply(&mut self, event: &Event, at: Timestamp) -> Result<(), Illegal> {
        match event {
            Event::Rollout(what) => {
                self.rollout_event(what, at);
                Ok(())
            }
            Event::Stage(stage, what) => {
                self.stage_event(stage, what);
                Ok(())
            }
            Event::Cluster(cluster, what) => self.cluster_event(cluster, what, at),
            Event::Group(cluster, group, what) => self.group_event(cluster, group, what, at),
            Event::Hook(place, what) => self.hook_event(place, what, at),
            Event::Step(step, what) => self.step_event(*step, what, at),
        }
    }

    fn rollout_event(&mut self, event: &RolloutEvent, at: Timestamp) {
        match event {
            RolloutEvent::Held => self.held = true,
            RolloutEvent::ShardFailed {
                shard,
                rollout,
                failed,
            } => self.shard_failure = Some((*shard, rollout.clone(), failed.clone())),
            RolloutEvent::RollbackAsked { by, reason } => {
                (self.ending, self.stuck, self.held) = (None, None, false);
                self.rollback_asked = Some((by.clone(), reason.clone()));
            }
            RolloutEvent::RollbackStarted {
                clusters,
                kept,
                hooks,
            } => {
                self.turn_back(clusters, kept, at);
                self.take_hooks_back(hooks);
            }
            RolloutEvent::AbortStarted { .. } => self.turn_to_stop(at),
            RolloutEvent::Resumed { .. } => self.resumed(at),
            RolloutEvent::Started { .. }
            | RolloutEvent::LockTaken { .. }
            | RolloutEvent::Paused { .. } => {}
            RolloutEvent::Finished => self.ending = Some(Ending::Finished),
            RolloutEvent::RolledBack => self.ending = Some(Ending::RolledBack),
            RolloutEvent::Aborted => self.ending = Some(Ending::Aborted),
        }
    }

    fn stage_event(&mut self, stage: &StageName, event: &StageEvent) {
        match event {
            StageEvent::Approved { by, expires } => {
                self.approvals.insert(stage.clone(), (by.clone(), *expires));
            }
            StageEvent::Started => {
                self.stages_started.insert(stage.clone());
            }
            StageEvent::Passed => {
                self.stages_passed.insert(stage.clone());
            }
            StageEvent::WaveStarted { wave } => {
                self.waves_started.insert((stage.clone(), *wave));
            }
            StageEvent::WavePassed { wave } => {
                self.waves_passed.insert((stage.clone(), *wave));
            }
            StageEvent::PassedEverywhere { wave, rollouts: _ } => {
                self.passed_everywhere.insert((stage.clone(), *wave));
            }
            StageEvent::RoomLimited {
                wave,
                limits,
                lacks: _,
                unknown: _,
            } => {
                self.room.insert((stage.clone(), *wave), limits.clone());
            }
        }
    }

    fn cluster_event(
        &mut self,
        cluster: &ClusterName,
        event: &ClusterEvent,
        at: Timestamp,
    ) -> Result<(), Illegal> {
        match event {
            ClusterEvent::Started => self.enter(cluster, ClusterState::Rolling, at)?,
            ClusterEvent::Preflight {
                uid,
                unready: _,
                unready_of,
                failing,
                findings: _,
            } => {
                self.cluster(cluster)?.before = Some(Before {
                    uid: uid.clone(),
                    unready: unready_of.clone(),
                    failing: failing.clone(),
                });
            }
            ClusterEvent::Rolled => {
                self.forget_answers(cluster, &Scope::Cluster)?;
                self.enter(cluster, ClusterState::Checking(at), at)?;
            }
            ClusterEvent::Verified { since, evidence: _ } => {
                self.enter(cluster, ClusterState::Verified(*since), at)?;
                self.cluster(cluster)?.was_verified = true;
            }
            ClusterEvent::SoakBroken { why: _ } => self.soak_broken(cluster, at)?,
            ClusterEvent::Restored => self.enter(cluster, ClusterState::Restored, at)?,
            ClusterEvent::Answered {
                scope,
                gate,
                verdict,
            } => self.answered(cluster, (scope.clone(), gate.clone()), verdict, at)?,
            ClusterEvent::Failed { group, why } => {
                self.failure = Some((cluster.clone(), group.clone(), why.clone()))
            }
            ClusterEvent::Stuck { group, why, advice } => {
                self.stuck_at(cluster, group.as_ref(), why, advice)
            }
        }
        Ok(())
    }

    fn group_event(
        &mut self,
        cluster: &ClusterName,
        group: &AsgName,
        event: &GroupEvent,
        at: Timestamp,
    ) -> Result<(), Illegal> {
        if let GroupEvent::CanaryUp { .. } = event {
            self.forget_answers(cluster, &Scope::Canary(group.clone()))?;
        }
        self.touch(cluster, group, at)?.event(event, at);
        Ok(())
    }

    fn step_event(
        &mut self,
        step: StepId,
        event: &StepEvent,
        at: Timestamp,
    ) -> Result<(), Illegal> {
        match event {
            StepEvent::Intent {
                cluster,
                group,
                effect,
            } => self.intent(step, cluster, group, effect, at),
            StepEvent::Outcome { result } => self.outcome(step, result, at),
        }
    }

    fn soak_broken(&mut self, cluster: &ClusterName, at: Timestamp) -> Result<(), Illegal> {
        self.enter(cluster, ClusterState::Checking(at), at)?;
        let cluster = self.cluster(cluster)?;
        cluster.breaks += 1;
        cluster.answers.clear();
        Ok(())
    }

    fn stuck_at(
        &mut self,
        cluster: &ClusterName,
        group: Option<&AsgName>,
        why: &Reason,
        advice: &Advice,
    ) {
        // The operator who asked for it is told why it cannot be.
        self.rollback_asked = None;
        self.stuck = Some(Stuck {
            cluster: cluster.clone(),
            group: group.cloned(),
            why: why.clone(),
            advice: advice.clone(),
        });
    }

    /// What a gate said: passes in a row count, a fail begins anew.
    fn answered(
        &mut self,
        cluster: &ClusterName,
        about: (Scope, String),
        verdict: &Verdict,
        at: Timestamp,
    ) -> Result<(), Illegal> {
        let answers = &mut self.cluster(cluster)?.answers;
        let before = answers.get(&about).map_or(0, |a| a.passes);
        let passes = match verdict {
            Verdict::Pass(_) => before.saturating_add(1),
            Verdict::Wait(_) => before,
            Verdict::Fail(_) => 0,
        };
        let verdict = verdict.clone();
        answers.insert(
            about,
            Answer {
                at,
                verdict,
                passes,
            },
        );
        Ok(())
    }

    /// What was said about an earlier canary, or an earlier state of the cluster, proves nothing.
    pub(super) fn forget_answers(
        &mut self,
        cluster: &ClusterName,
        about: &Scope,
    ) -> Result<(), Illegal> {
        self.cluster(cluster)?
            .answers
            .retain(|(scope, _), _| scope != about);
        Ok(())
    }

    /// These clusters go back; every other one stays what it is. None of these counts as verified any more.
    pub(super) fn turn_back(
        &mut self,
        clusters: &BTreeSet<ClusterName>,
        kept: &BTreeSet<AsgName>,
        at: Timestamp,
    ) {
        self.open.values_mut().for_each(|i| i.stale = true);
        let open: BTreeSet<AsgName> = self.open.values().map(|i| i.group.clone()).collect();
        // After a failure what ran before is known to be better; when a person asks, both have to prove themselves.
        let careful = self.failure.is_none();
        (self.direction, self.stuck, self.rollback_asked) =
            (Direction::Back(clusters.clone()), None, None);
        for cluster in self
            .clusters
            .iter_mut()
            .filter(|(name, _)| clusters.contains(name))
            .map(|(_, c)| c)
        {
            (cluster.state, cluster.moved_at) = (ClusterState::Rolling, at);
            cluster.published = false;
            cluster.answers.clear();
            for (name, group) in &mut cluster.groups {
                group.turn(!kept.contains(name), open.contains(name));
                if careful {
                    group.canary = Canary::awaited();
                }
            }
        }
    }

    pub(super) fn turn_to_stop(&mut self, at: Timestamp) {
        self.open.values_mut().for_each(|i| i.stale = true);
        (self.direction, self.stuck, self.held) = (Direction::Aborting, None, false);
        let open: BTreeSet<AsgName> = self.open.values().map(|i| i.group.clone()).collect();
        for cluster in self.clusters.values_mut() {
            cluster.moved_at = at;
            for (name, group) in &mut cluster.groups {
                group.turn(false, open.contains(name));
            }
        }
    }

    /// A person looked at it: whatever was held against a group is forgotten, and every patience begins anew.
    pub(super) fn resumed(&mut self, at: Timestamp) {
        // What a person has seen is not held against the group a second time; a process that merely died has looked at nothing.
        let looked_at = self.stuck.take().is_some();
        let retried = std::mem::take(&mut self.held);
        if retried {
            (self.failure, self.shard_failure) = (None, None);
        }
        self.resume_hooks(retried || looked_at);
        self.open
            .values_mut()
            .for_each(|i| (i.tries, i.doubtful, i.asked_at, i.refusal) = (0, true, at, None));
        let open: BTreeSet<AsgName> = self.open.values().map(|i| i.group.clone()).collect();
        for cluster in self.clusters.values_mut() {
            (cluster.moved_at, cluster.resumed_at) = (at, at);
            if retried {
                // What failed is asked anew, and proven anew.
                (cluster.breaks, cluster.answers) = (0, BTreeMap::new());
                cluster
                    .groups
                    .values_mut()
                    .filter(|g| !g.canary.is_proven())
                    .for_each(|g| g.canary = Canary::awaited());
            }
            for (name, group) in &mut cluster.groups {
                group.resumed(open.contains(name), looked_at);
            }
        }
    }

    pub(super) fn enter(
        &mut self,
        name: &ClusterName,
        state: ClusterState,
        at: Timestamp,
    ) -> Result<(), Illegal> {
        let cluster = self.cluster(name)?;
        (cluster.state, cluster.moved_at) = (state, at);
        Ok(())
    }

    /// A group in which something goes on.
    pub(super) fn touch(
        &mut self,
        cluster: &ClusterName,
        group: &AsgName,
        at: Timestamp,
    ) -> Result<&mut GroupProgress, Illegal> {
        self.cluster(cluster)?.moved_at = at;
        self.group(cluster, group)
    }

    pub(super) fn cluster(&mut self, name: &ClusterName) -> Result<&mut ClusterProgress, Illegal> {
        self.clusters
            .get_mut(name)
            .ok_or_else(|| Illegal::NoCluster(name.clone()))
    }

    pub(super) fn group(
        &mut self,
        cluster: &ClusterName,
        group: &AsgName,
    ) -> Result<&mut GroupProgress, Illegal> {
        self.cluster(cluster)?
            .groups
            .get_mut(group)
            .ok_or_else(|| Illegal::NoGroup(group.clone()))
    }
}

impl GroupProgress {
    /// Nothing is held against the group any more; what a person has seen, for good.
    fn resumed(&mut self, has_open: bool, looked_at: bool) {
        self.conflicts = Conflicts::default();
        self.set_aside.clear();
        // A right may have been given since, a process resumed: AWS is asked anew. What is under way was decided without zones.
        if self.outstanding.drains.is_empty() && !has_open {
            self.placement.not_offered = None;
        }
        if looked_at {
            self.spent = Spent::default();
            if let WayBack::Gone(version) = self.way_back {
                self.way_back = WayBack::Renounced(version);
            }
        }
    }
}
