//! Phases over time of everything that a rollout is made up of. Draws nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{AsgName, ClusterName, Span, StageName, Timestamp};
use crate::rollout::{
    ClusterEvent, Event, GroupEvent, Record, Rollout, RolloutEvent, StageEvent, StageRun,
};

/// What something is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ChartPhase {
    Approval,
    /// For a freeze, for room, or for its turn.
    Waits,
    Rolls,
    /// A group until its canary is up.
    Begins,
    Bakes,
    /// A group after its canary.
    Rest,
    Gates,
    Soaks,
    /// Turned round, or being stopped.
    Back,
    Fails,
    /// No process drives it.
    Paused,
}

impl ChartPhase {
    pub(super) fn class(self) -> &'static str {
        match self {
            ChartPhase::Approval => "approval",
            ChartPhase::Waits => "waits",
            ChartPhase::Rolls => "rolls",
            ChartPhase::Begins => "begins",
            ChartPhase::Bakes => "bakes",
            ChartPhase::Rest => "rest",
            ChartPhase::Gates => "gates",
            ChartPhase::Soaks => "soaks",
            ChartPhase::Back => "back",
            ChartPhase::Fails => "fails",
            ChartPhase::Paused => "paused",
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            ChartPhase::Approval => "waits for approval",
            ChartPhase::Waits => "waits for its turn, for room or for the end of a freeze",
            ChartPhase::Rolls => "being rolled",
            ChartPhase::Begins => "until the canary is up",
            ChartPhase::Bakes => "canary bakes",
            ChartPhase::Rest => "the rest follows",
            ChartPhase::Gates => "waits for gates",
            ChartPhase::Soaks => "verified, soaks",
            ChartPhase::Back => "rolled back or stopped",
            ChartPhase::Fails => "failed or stuck",
            ChartPhase::Paused => "paused",
        }
    }
}

/// Stretches of time, and the one that is open.
#[derive(Debug, Default)]
pub(super) struct Track {
    open: Option<(Timestamp, ChartPhase)>,
    pub(super) bars: Vec<(Timestamp, Timestamp, ChartPhase)>,
}

impl Track {
    /// Ends the phase it is in, and begins the next.
    fn turn(&mut self, at: Timestamp, next: Option<ChartPhase>) {
        if self.open.map(|(_, phase)| phase) == next {
            return;
        }
        if let Some((from, phase)) = self.open.take()
            && at > from
        {
            self.bars.push((from, at, phase));
        }
        self.open = next.map(|phase| (at, phase));
    }

    fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// When something was done.
    pub(super) fn busy(&self) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let works = |phase: ChartPhase| match phase {
            ChartPhase::Rolls
            | ChartPhase::Begins
            | ChartPhase::Bakes
            | ChartPhase::Rest
            | ChartPhase::Gates
            | ChartPhase::Back => true,
            ChartPhase::Approval
            | ChartPhase::Waits
            | ChartPhase::Soaks
            | ChartPhase::Fails
            | ChartPhase::Paused => false,
        };
        let busy = self.bars.iter().filter(move |(.., phase)| works(*phase));
        busy.map(|(from, to, _)| (*from, *to))
    }

    /// From the first work to the last.
    pub(super) fn worked(&self) -> Option<Span> {
        let from = self.busy().map(|(from, _)| from).min()?;
        let to = self.busy().map(|(_, to)| to).max()?;
        Some(to.since(from))
    }
}

/// How many instances of each group had to be replaced when it began.
type Instances<'r> = BTreeMap<(&'r ClusterName, &'r AsgName), u32>;

/// A wave, by its stage and its index.
type WaveKey<'r> = (&'r StageName, usize);

/// All tracks of a rollout.
#[derive(Debug, Default)]
pub(super) struct Tracks<'r> {
    pub(super) whole: Track,
    pub(super) stages: BTreeMap<&'r StageName, Track>,
    pub(super) waves: BTreeMap<WaveKey<'r>, Track>,
    pub(super) clusters: BTreeMap<&'r ClusterName, Track>,
    pub(super) groups: BTreeMap<(&'r ClusterName, &'r AsgName), Track>,
    pub(super) instances: Instances<'r>,
    wave_of: BTreeMap<&'r ClusterName, WaveKey<'r>>,
    verified: BTreeSet<&'r ClusterName>,
    approved: BTreeSet<&'r StageName>,
    is_back: bool,
}

impl<'r> Tracks<'r> {
    pub(super) fn of(rollout: &'r Rollout, records: &'r [Record], until: Timestamp) -> Tracks<'r> {
        let mut tracks = Tracks::default();
        for stage in &rollout.stages {
            for (nth, wave) in stage.waves.iter().enumerate() {
                let names = wave
                    .clusters
                    .iter()
                    .map(|run| (&run.cluster, (&stage.name, nth)));
                tracks.wave_of.extend(names);
            }
        }
        tracks
            .whole
            .turn(rollout.started_at, Some(ChartPhase::Rolls));
        tracks.next_stage(rollout.stages.iter(), rollout.started_at);
        for record in records {
            tracks.hear(rollout, record);
        }
        tracks.turn_all(until, None);
        tracks
    }

    /// The phases that anything was in.
    pub(super) fn phases(&self) -> BTreeSet<ChartPhase> {
        let tracks = std::iter::once(&self.whole)
            .chain(self.stages.values())
            .chain(self.waves.values())
            .chain(self.clusters.values())
            .chain(self.groups.values());
        tracks
            .flat_map(|track| &track.bars)
            .map(|(.., phase)| *phase)
            .collect()
    }

    /// The first of these that changes something waits to begin.
    fn next_stage(&mut self, mut stages: impl Iterator<Item = &'r StageRun>, at: Timestamp) {
        if let Some(stage) = stages.find(|stage| stage.changes()) {
            let needs = stage.approval && !self.approved.contains(&stage.name);
            let phase = if needs {
                ChartPhase::Approval
            } else {
                ChartPhase::Waits
            };
            self.stages
                .entry(&stage.name)
                .or_default()
                .turn(at, Some(phase));
        }
    }

    fn hear(&mut self, rollout: &'r Rollout, record: &'r Record) {
        let at = record.at;
        match &record.event {
            Event::Rollout(what) => self.hear_rollout(what, at),
            Event::Stage(stage, what) => self.hear_stage(rollout, stage, what, at),
            Event::Cluster(cluster, what) => self.hear_cluster(rollout, cluster, what, at),
            Event::Group(cluster, asg, what) => self.hear_group((cluster, asg), what, at),
            Event::Hook(..) | Event::Step(..) => {}
        }
    }

    fn hear_rollout(&mut self, event: &'r RolloutEvent, at: Timestamp) {
        match event {
            RolloutEvent::RollbackStarted {
                clusters,
                kept: _,
                hooks: _,
            } => {
                self.is_back = true;
                self.turn_open(at, ChartPhase::Back);
                for cluster in clusters {
                    self.clusters
                        .entry(cluster)
                        .or_default()
                        .turn(at, Some(ChartPhase::Back));
                }
            }
            RolloutEvent::AbortStarted { .. } => {
                self.is_back = true;
                self.turn_open(at, ChartPhase::Back);
            }
            RolloutEvent::Held | RolloutEvent::ShardFailed { .. } => {
                self.whole.turn(at, Some(ChartPhase::Fails));
            }
            RolloutEvent::Paused { .. } => self.whole.turn(at, Some(ChartPhase::Paused)),
            RolloutEvent::Resumed { .. } => self.resume(at),
            RolloutEvent::Finished | RolloutEvent::RolledBack | RolloutEvent::Aborted => {
                self.turn_all(at, None);
            }
            RolloutEvent::Started { .. }
            | RolloutEvent::RollbackAsked { .. }
            | RolloutEvent::LockTaken { .. } => {}
        }
    }

    fn way(&self) -> ChartPhase {
        if self.is_back {
            ChartPhase::Back
        } else {
            ChartPhase::Rolls
        }
    }

    fn resume(&mut self, at: Timestamp) {
        let way = self.way();
        self.whole.turn(at, Some(way));
        let failed = |track: &&mut Track| matches!(track.open, Some((_, ChartPhase::Fails)));
        self.clusters
            .values_mut()
            .filter(failed)
            .for_each(|t| t.turn(at, Some(way)));
    }

    fn hear_stage(
        &mut self,
        rollout: &'r Rollout,
        stage: &'r StageName,
        event: &'r StageEvent,
        at: Timestamp,
    ) {
        let track = self.stages.entry(stage).or_default();
        match event {
            StageEvent::Approved { .. } => {
                if track.is_open() {
                    track.turn(at, Some(ChartPhase::Waits));
                }
                self.approved.insert(stage);
            }
            StageEvent::Started => track.turn(at, Some(ChartPhase::Rolls)),
            StageEvent::Passed => self.stage_passed(rollout, stage, at),
            StageEvent::WaveStarted { wave } => {
                let track = self.waves.entry((stage, *wave)).or_default();
                track.turn(at, Some(ChartPhase::Rolls));
            }
            StageEvent::WavePassed { wave } => {
                let waves = rollout.stage(stage).map_or(0, |s| s.waves.len());
                if wave + 1 == waves {
                    track.turn(at, Some(ChartPhase::Soaks));
                }
                self.waves.entry((stage, *wave)).or_default().turn(at, None);
            }
            StageEvent::RoomLimited { .. } | StageEvent::PassedEverywhere { .. } => {}
        }
    }

    fn stage_passed(&mut self, rollout: &'r Rollout, stage: &'r StageName, at: Timestamp) {
        self.stages.entry(stage).or_default().turn(at, None);
        for (cluster, track) in &mut self.clusters {
            if self
                .wave_of
                .get(cluster)
                .is_some_and(|(of, _)| *of == stage)
            {
                track.turn(at, None);
            }
        }
        let after = rollout
            .stages
            .iter()
            .skip_while(|s| s.name != *stage)
            .skip(1);
        self.next_stage(after, at);
    }

    fn hear_cluster(
        &mut self,
        rollout: &'r Rollout,
        cluster: &'r ClusterName,
        event: &'r ClusterEvent,
        at: Timestamp,
    ) {
        let way = self.way();
        let track = self.clusters.entry(cluster).or_default();
        match event {
            ClusterEvent::Started => track.turn(at, Some(way)),
            ClusterEvent::Rolled => track.turn(at, Some(ChartPhase::Gates)),
            ClusterEvent::Verified { .. } => {
                track.turn(at, Some(ChartPhase::Soaks));
                self.verified.insert(cluster);
                self.wave_soaks(rollout, cluster, at);
            }
            ClusterEvent::SoakBroken { .. } => {
                track.turn(at, Some(ChartPhase::Gates));
                self.verified.remove(cluster);
            }
            ClusterEvent::Failed { .. } | ClusterEvent::Stuck { .. } => {
                track.turn(at, Some(ChartPhase::Fails));
            }
            ClusterEvent::Restored => track.turn(at, None),
            ClusterEvent::Preflight { .. } | ClusterEvent::Answered { .. } => {}
        }
    }

    /// A wave of which every cluster is verified only soaks.
    fn wave_soaks(&mut self, rollout: &'r Rollout, cluster: &'r ClusterName, at: Timestamp) {
        let Some(key) = self.wave_of.get(cluster).copied() else {
            return;
        };
        let wave = rollout
            .stage(key.0)
            .and_then(|stage| stage.waves.get(key.1));
        let all = wave.is_some_and(|wave| {
            let mut runs = wave.clusters.iter();
            runs.all(|run| self.verified.contains(&run.cluster))
        });
        if let Some(track) = self
            .waves
            .get_mut(&key)
            .filter(|track| all && track.is_open())
        {
            track.turn(at, Some(ChartPhase::Soaks));
        }
    }

    fn hear_group(
        &mut self,
        key: (&'r ClusterName, &'r AsgName),
        event: &'r GroupEvent,
        at: Timestamp,
    ) {
        let back = self.is_back.then_some(ChartPhase::Back);
        let next = if let GroupEvent::Started { instances, .. } = event {
            self.instances.entry(key).or_insert(*instances);
            Some(back.unwrap_or(ChartPhase::Begins))
        } else if let GroupEvent::CanaryUp { .. } = event {
            Some(back.unwrap_or(ChartPhase::Bakes))
        } else if let GroupEvent::CanaryLost { .. } = event {
            Some(back.unwrap_or(ChartPhase::Begins))
        } else if let GroupEvent::CanaryProven { .. } = event {
            Some(back.unwrap_or(ChartPhase::Rest))
        } else if *event == GroupEvent::Done {
            None
        } else {
            return;
        };
        self.groups.entry(key).or_default().turn(at, next);
    }

    /// Everything that is in a phase is in another from now on.
    fn turn_open(&mut self, at: Timestamp, phase: ChartPhase) {
        self.whole.turn(at, Some(phase));
        let waves = self.waves.values_mut().chain(self.stages.values_mut());
        let rest = self.clusters.values_mut().chain(self.groups.values_mut());
        let waits = |track: &Track| {
            let is = |(_, phase): (_, ChartPhase)| {
                matches!(phase, ChartPhase::Approval | ChartPhase::Waits)
            };
            track.open.is_some_and(is)
        };
        for track in waves.chain(rest).filter(|track| track.is_open()) {
            // What waits to begin is never begun.
            let next = (!waits(track)).then_some(phase);
            track.turn(at, next);
        }
    }

    fn turn_all(&mut self, at: Timestamp, phase: Option<ChartPhase>) {
        let tracks = std::iter::once(&mut self.whole)
            .chain(self.stages.values_mut())
            .chain(self.waves.values_mut())
            .chain(self.clusters.values_mut())
            .chain(self.groups.values_mut());
        tracks.for_each(|track| track.turn(at, phase));
    }
}
