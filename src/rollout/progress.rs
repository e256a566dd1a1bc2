//! Where a rollout stands: the fold of its records. A record that cannot follow the ones before it is refused loudly.

use std::collections::{BTreeMap, BTreeSet};

use super::{ClusterRun, Event, Record, Rollout, Scope, StepId, StepResult, Verdict};
use crate::model::{Applied, AsgName, CloudEffect, ClusterName, Effect, InstanceId, NodeName, StageName, Timestamp};

/// A record that cannot be: the journal was cut in the middle, mixed up, or written by something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} cannot follow what stands before it: {why}")]
pub struct IllegalRecord {
    /// The record.
    pub seq: u64,
    /// Why.
    pub why: String,
}

/// Where a rollout stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Number of the last record.
    pub seq: u64,
    /// When the last record was written.
    pub at: Timestamp,
    /// Which way it goes.
    pub direction: Direction,
    /// Approvals by stage: who, until when.
    pub approvals: BTreeMap<StageName, (String, Timestamp)>,
    /// Stages that began.
    pub stages_started: BTreeSet<StageName>,
    /// Stages that passed.
    pub stages_passed: BTreeSet<StageName>,
    /// Waves that began.
    pub waves_started: BTreeSet<(StageName, usize)>,
    /// Waves that passed.
    pub waves_passed: BTreeSet<(StageName, usize)>,
    /// Clusters.
    pub clusters: BTreeMap<ClusterName, ClusterProgress>,
    /// Steps whose outcome is not known.
    pub open: BTreeMap<StepId, Intent>,
    /// Number of the next step.
    pub next_step: StepId,
    /// Why it cannot go on by itself; taken back when somebody resumes.
    pub stuck: Option<Stuck>,
    /// The failure that turned it round.
    pub failure: Option<(ClusterName, Option<AsgName>, String)>,
    /// How it ended.
    pub ending: Option<Ending>,
}

/// Which way a rollout goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the release.
    Forward,
    /// Back, for these clusters.
    Back(BTreeSet<ClusterName>),
    /// To a stop.
    Aborting,
}

/// How a rollout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Done, verified, soaked.
    Finished,
    /// Back where it came from.
    RolledBack,
    /// Stopped on request.
    Aborted,
}

/// Why a rollout cannot go on by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Cluster.
    pub cluster: ClusterName,
    /// Group.
    pub group: Option<AsgName>,
    /// Why.
    pub why: String,
    /// What a person can do.
    pub advice: String,
}

/// A step whose outcome is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Cluster.
    pub cluster: ClusterName,
    /// Group.
    pub group: AsgName,
    /// What.
    pub effect: Effect,
    /// How often it was tried without an answer.
    pub tries: u32,
}

/// Where a cluster stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterProgress {
    /// Its state.
    pub state: ClusterState,
    /// Its groups.
    pub groups: BTreeMap<AsgName, GroupProgress>,
    /// When instances were taken out of service, oldest first.
    pub disruptions: Vec<Timestamp>,
    /// Latest answers of gates that need asking.
    pub answers: BTreeMap<(Scope, String), (Timestamp, Verdict)>,
}

/// The state of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterState {
    /// Its turn has not come.
    Waiting,
    /// Its groups are being changed.
    Rolling,
    /// Its groups are done; the gates decide since then.
    Checking(Timestamp),
    /// It runs the release, healthy, since then.
    Verified(Timestamp),
    /// It runs again what it ran before.
    Restored,
}

/// The state of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// Its turn has not come.
    Waiting,
    /// Being changed since then.
    Rolling(Timestamp),
    /// Done.
    Done,
}

/// Where a group stands. What is open here (surge, drains, detached instances, suspended processes) survives a change of direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupProgress {
    /// Its state.
    pub state: GroupState,
    /// Whether anything was begun on it, ever.
    pub touched: bool,
    /// Instances that had to be replaced when it began.
    pub instances: u32,
    /// Instances ended so far.
    pub ended: u32,
    /// The launch template version it moves to, once known.
    pub version: Option<u64>,
    /// Its own fields are as wanted (or the group is created, or prepared for retiring).
    pub updated: bool,
    /// It refers to the version.
    pub pinned: bool,
    /// The group is deleted.
    pub deleted: bool,
    /// Since when the canary is up.
    pub canary_up: Option<Timestamp>,
    /// The canary is proven.
    pub canary_proven: bool,
    /// Processes we suspended.
    pub suspended: BTreeSet<String>,
    /// Desired capacity that we added and have not given back.
    pub surge: u32,
    /// Since when surge is out.
    pub surge_since: Option<Timestamp>,
    /// Instances we took out of the group that still run.
    pub detached: BTreeSet<InstanceId>,
    /// Drains under way.
    pub drains: BTreeMap<InstanceId, Drain>,
    /// Instances whose drain did not end in time.
    pub set_aside: BTreeSet<InstanceId>,
    /// Somebody else changed it: what was found.
    pub moved: Option<String>,
    /// The world refused a step for good.
    pub refused: Option<String>,
}

/// A drain under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Its node.
    pub node: Option<NodeName>,
    /// Since when.
    pub since: Timestamp,
    /// We cordoned it.
    pub cordoned: bool,
}

impl GroupProgress {
    fn new() -> Self {
        GroupProgress {
            state: GroupState::Waiting,
            touched: false,
            instances: 0,
            ended: 0,
            version: None,
            updated: false,
            pinned: false,
            deleted: false,
            canary_up: None,
            canary_proven: false,
            suspended: BTreeSet::new(),
            surge: 0,
            surge_since: None,
            detached: BTreeSet::new(),
            drains: BTreeMap::new(),
            set_aside: BTreeSet::new(),
            moved: None,
            refused: None,
        }
    }

    /// Whether something of ours is still out there that has to be given back.
    pub fn owes(&self) -> bool {
        self.surge > 0 || !self.detached.is_empty() || self.drains.values().any(|d| d.cordoned) || !self.suspended.is_empty()
    }

    /// The other way now: what was achieved is forgotten, what is open is not.
    fn turn(&mut self) {
        self.state = if self.touched { GroupState::Waiting } else { GroupState::Done };
        (self.updated, self.pinned) = (false, false);
        (self.canary_up, self.canary_proven) = (None, true);
        self.set_aside.clear();
        (self.moved, self.refused) = (None, None);
    }
}

impl Progress {
    /// The state before the first record.
    pub fn new(rollout: &Rollout) -> Self {
        let cluster = |c: &ClusterRun| {
            let groups = c.groups.iter().map(|g| (g.asg.clone(), GroupProgress::new())).collect();
            (c.cluster.clone(), ClusterProgress { state: ClusterState::Waiting, groups, disruptions: Vec::new(), answers: BTreeMap::new() })
        };
        Progress {
            seq: 0,
            at: rollout.started_at,
            direction: Direction::Forward,
            approvals: BTreeMap::new(),
            stages_started: BTreeSet::new(),
            stages_passed: BTreeSet::new(),
            waves_started: BTreeSet::new(),
            waves_passed: BTreeSet::new(),
            clusters: rollout.clusters().map(cluster).collect(),
            open: BTreeMap::new(),
            next_step: 1,
            stuck: None,
            failure: None,
            ending: None,
        }
    }

    /// Processes that this rollout holds suspended, by group. Until it ends they are no difference between git and the live state.
    pub fn held(&self) -> BTreeMap<AsgName, BTreeSet<String>> {
        let groups = self.clusters.values().flat_map(|c| &c.groups);
        groups.filter(|(_, g)| self.ending.is_none() && !g.suspended.is_empty()).map(|(name, g)| (name.clone(), g.suspended.clone())).collect()
    }

    /// The fold of all records of a journal.
    ///
    /// # Errors
    /// When the first record does not hold the rollout, or a record cannot follow the ones before it.
    pub fn of(records: &[Record]) -> Result<(Rollout, Progress), IllegalRecord> {
        let Some(Record { event: Event::Started { rollout }, .. }) = records.first() else {
            return Err(IllegalRecord { seq: 1, why: "the first record has to hold the rollout".into() });
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
        let illegal = |why: String| IllegalRecord { seq: record.seq, why };
        if record.seq != self.seq + 1 {
            return Err(illegal(format!("it should be number {}", self.seq + 1)));
        }
        if self.ending.is_some() {
            return Err(illegal("the rollout had ended".into()));
        }
        self.apply(&record.event, record.at).map_err(illegal)?;
        (self.seq, self.at) = (record.seq, record.at);
        Ok(())
    }

    fn apply(&mut self, event: &Event, at: Timestamp) -> Result<(), String> {
        match event {
            Event::Started { .. } if self.seq == 0 => {}
            Event::Started { .. } => return Err("a rollout starts once".into()),
            Event::Approved { stage, by, expires } => {
                self.approvals.insert(stage.clone(), (by.clone(), *expires));
            }
            Event::StageStarted { stage } => once(&mut self.stages_started, stage.clone(), "stage started")?,
            Event::StagePassed { stage } => once(&mut self.stages_passed, stage.clone(), "stage passed")?,
            Event::WaveStarted { stage, wave } => once(&mut self.waves_started, (stage.clone(), *wave), "wave started")?,
            Event::WavePassed { stage, wave } => once(&mut self.waves_passed, (stage.clone(), *wave), "wave passed")?,
            Event::Intent { step, cluster, group, effect } => self.intent(*step, cluster, group, effect)?,
            Event::Outcome { step, result } => self.outcome(*step, result, at)?,
            Event::Failed { cluster, group, why } => self.failure = Some((cluster.clone(), group.clone(), why.clone())),
            Event::RollbackStarted { clusters } => self.turn(Direction::Back(clusters.clone())),
            Event::AbortStarted { .. } => self.turn(Direction::Aborting),
            Event::Stuck { cluster, group, why, advice } => {
                self.stuck = Some(Stuck { cluster: cluster.clone(), group: group.clone(), why: why.clone(), advice: advice.clone() });
            }
            Event::Resumed { .. } => self.resumed(),
            Event::Paused { .. } => {}
            Event::Finished => self.ending = Some(Ending::Finished),
            Event::RolledBack => self.ending = Some(Ending::RolledBack),
            Event::Aborted => self.ending = Some(Ending::Aborted),
            Event::ClusterStarted { cluster } => self.cluster(cluster)?.state = ClusterState::Rolling,
            Event::ClusterRolled { cluster } => self.cluster(cluster)?.state = ClusterState::Checking(at),
            Event::ClusterVerified { cluster, since, .. } => self.cluster(cluster)?.state = ClusterState::Verified(*since),
            Event::SoakBroken { cluster, .. } => {
                let cluster = self.cluster(cluster)?;
                cluster.state = ClusterState::Checking(at);
                cluster.answers.clear();
            }
            Event::ClusterRestored { cluster } => self.cluster(cluster)?.state = ClusterState::Restored,
            Event::Answered { cluster, scope, gate, verdict } => {
                self.cluster(cluster)?.answers.insert((scope.clone(), gate.clone()), (at, verdict.clone()));
            }
            Event::GroupStarted { .. }
            | Event::CanaryUp { .. }
            | Event::CanaryProven { .. }
            | Event::DrainStarted { .. }
            | Event::SetAside { .. }
            | Event::DrainAbandoned { .. }
            | Event::GroupDone { .. } => self.group_event(event, at)?,
        }
        Ok(())
    }

    fn group_event(&mut self, event: &Event, at: Timestamp) -> Result<(), String> {
        match event {
            Event::GroupStarted { cluster, group, instances } => {
                let group = self.group(cluster, group)?;
                group.state = GroupState::Rolling(at);
                group.touched = true;
                (group.instances, group.ended) = (*instances, 0);
            }
            Event::CanaryUp { cluster, group } => self.group(cluster, group)?.canary_up = Some(at),
            Event::CanaryProven { cluster, group, .. } => self.group(cluster, group)?.canary_proven = true,
            Event::DrainStarted { cluster, group, instance, node } => {
                let drain = Drain { node: node.clone(), since: at, cordoned: false };
                self.group(cluster, group)?.drains.insert(instance.clone(), drain);
            }
            Event::SetAside { cluster, group, instance, .. } => {
                let group = self.group(cluster, group)?;
                group.drains.remove(instance);
                group.set_aside.insert(instance.clone());
            }
            Event::DrainAbandoned { cluster, group, instance } => {
                let group = self.group(cluster, group)?;
                group.drains.remove(instance);
                group.detached.remove(instance);
            }
            Event::GroupDone { cluster, group } => self.group(cluster, group)?.state = GroupState::Done,
            Event::Started { .. }
            | Event::Approved { .. }
            | Event::StageStarted { .. }
            | Event::StagePassed { .. }
            | Event::WaveStarted { .. }
            | Event::WavePassed { .. }
            | Event::ClusterStarted { .. }
            | Event::ClusterRolled { .. }
            | Event::ClusterVerified { .. }
            | Event::SoakBroken { .. }
            | Event::Answered { .. }
            | Event::Intent { .. }
            | Event::Outcome { .. }
            | Event::Failed { .. }
            | Event::RollbackStarted { .. }
            | Event::ClusterRestored { .. }
            | Event::Stuck { .. }
            | Event::AbortStarted { .. }
            | Event::Resumed { .. }
            | Event::Paused { .. }
            | Event::Finished
            | Event::RolledBack
            | Event::Aborted => {}
        }
        Ok(())
    }

    fn turn(&mut self, direction: Direction) {
        self.direction = direction;
        self.stuck = None;
        for cluster in self.clusters.values_mut() {
            cluster.groups.values_mut().for_each(GroupProgress::turn);
        }
    }

    fn resumed(&mut self) {
        self.stuck = None;
        for group in self.clusters.values_mut().flat_map(|c| c.groups.values_mut()) {
            (group.moved, group.refused) = (None, None);
            group.set_aside.clear();
        }
    }

    fn intent(&mut self, step: StepId, cluster: &ClusterName, group: &AsgName, effect: &Effect) -> Result<(), String> {
        if step != self.next_step {
            return Err(format!("step {step} should be step {}", self.next_step));
        }
        self.group(cluster, group)?;
        self.next_step += 1;
        self.open.insert(step, Intent { cluster: cluster.clone(), group: group.clone(), effect: effect.clone(), tries: 0 });
        Ok(())
    }

    fn outcome(&mut self, step: StepId, result: &StepResult, at: Timestamp) -> Result<(), String> {
        let Some(mut intent) = self.open.remove(&step) else {
            return Err(format!("step {step} was not begun, or had ended"));
        };
        match result {
            StepResult::Unknown(_) => {
                intent.tries += 1;
                self.open.insert(step, intent);
            }
            StepResult::Refused(why) => self.group(&intent.cluster, &intent.group)?.refused = Some(why.clone()),
            StepResult::Applied(Applied::Moved(found)) => self.moved(&intent, found)?,
            StepResult::Applied(applied @ (Applied::Done | Applied::Already | Applied::Version(_))) => self.happened(&intent, applied, at)?,
        }
        Ok(())
    }

    /// Somebody else got there first. Desired capacity belongs to the autoscaler, and an instance may go at any time: there we look again.
    fn moved(&mut self, intent: &Intent, found: &str) -> Result<(), String> {
        let ours = match &intent.effect {
            Effect::Cloud(CloudEffect::SetDesired { .. } | CloudEffect::Detach { .. } | CloudEffect::Terminate { .. }) | Effect::Node(_) => false,
            Effect::Cloud(
                CloudEffect::CreateTemplateVersion { .. }
                | CloudEffect::CreateGroup { .. }
                | CloudEffect::UpdateGroup { .. }
                | CloudEffect::PinVersion { .. }
                | CloudEffect::Suspend { .. }
                | CloudEffect::Resume { .. }
                | CloudEffect::DeleteGroup { .. },
            ) => true,
        };
        if ours {
            self.group(&intent.cluster, &intent.group)?.moved = Some(found.to_owned());
        }
        Ok(())
    }

    fn happened(&mut self, intent: &Intent, applied: &Applied, at: Timestamp) -> Result<(), String> {
        if matches!(intent.effect, Effect::Cloud(CloudEffect::Terminate { .. })) {
            self.cluster(&intent.cluster)?.disruptions.push(at);
        }
        let group = self.group(&intent.cluster, &intent.group)?;
        match &intent.effect {
            Effect::Node(effect) => group.node_effect(effect),
            Effect::Cloud(effect) => group.cloud_effect(effect, applied, at),
        }
        Ok(())
    }

    fn cluster(&mut self, name: &ClusterName) -> Result<&mut ClusterProgress, String> {
        self.clusters.get_mut(name).ok_or_else(|| format!("{name} is no cluster of this rollout"))
    }

    fn group(&mut self, cluster: &ClusterName, group: &AsgName) -> Result<&mut GroupProgress, String> {
        self.cluster(cluster)?.groups.get_mut(group).ok_or_else(|| format!("{group} is no group of this rollout"))
    }
}

impl GroupProgress {
    fn cloud_effect(&mut self, effect: &CloudEffect, applied: &Applied, at: Timestamp) {
        match effect {
            CloudEffect::CreateTemplateVersion { .. } => {
                if let Applied::Version(n) = applied {
                    self.version = Some(*n);
                }
            }
            CloudEffect::CreateGroup { .. } => (self.updated, self.pinned) = (true, true),
            CloudEffect::UpdateGroup { .. } => self.updated = true,
            CloudEffect::PinVersion { .. } => self.pinned = true,
            CloudEffect::SetDesired { from, to, .. } => {
                self.surge = self.surge.saturating_add(to.saturating_sub(*from)).saturating_sub(from.saturating_sub(*to));
                self.surge_since = (self.surge > 0).then_some(at);
            }
            CloudEffect::Suspend { processes, .. } => self.suspended.extend(processes.iter().cloned()),
            CloudEffect::Resume { processes, .. } => self.suspended.retain(|p| !processes.contains(p)),
            CloudEffect::Detach { instance, .. } => {
                self.detached.insert(instance.clone());
            }
            CloudEffect::Terminate { instance, decrement, .. } => {
                self.drains.remove(instance);
                self.detached.remove(instance);
                self.set_aside.remove(instance);
                self.ended += 1;
                if *decrement {
                    self.surge = self.surge.saturating_sub(1);
                }
            }
            CloudEffect::DeleteGroup { .. } => self.deleted = true,
        }
    }

    fn node_effect(&mut self, effect: &crate::model::NodeEffect) {
        use crate::model::NodeEffect;
        let mark = |drains: &mut BTreeMap<InstanceId, Drain>, node: &NodeName, cordoned: bool| {
            drains.values_mut().filter(|d| d.node.as_ref() == Some(node)).for_each(|d| d.cordoned = cordoned);
        };
        match effect {
            NodeEffect::Cordon { node } => mark(&mut self.drains, node, true),
            NodeEffect::Uncordon { node } => mark(&mut self.drains, node, false),
            NodeEffect::Evict { .. } => {}
        }
    }
}

fn once<T: Ord>(set: &mut BTreeSet<T>, item: T, what: &str) -> Result<(), String> {
    if set.insert(item) { Ok(()) } else { Err(format!("{what} twice")) }
}
