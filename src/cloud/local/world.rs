//! [`World`]: the simulated account as a whole: its clock, its clusters, its files, its log. The rules of AWS are in `groups` and its neighbours.

mod log;
mod nodes;
mod save;
mod turns;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::act::Act;
use super::answers::{EffectOutcome, already_exists};
use super::cluster::SimulatedCluster;
use super::cluster_files::{self, ClusterFiles};
use super::faults::{Fault, Faults};
use super::files::{self, Clock};
use super::index::Index;
use super::logged::LoggedCall;
use super::options::Options;
use super::playing::Playing;
use super::scenario::Scenario;
use super::sharing::Sharing;
use super::simulate::Surroundings;
use super::state_store::Releases;
use crate::cloud::{CloudError, Place};
use crate::engine::KopsCall;
use crate::model::{
    Applied, CloudEffect, ClusterName, Effect, Gap, Live, LiveCluster, Nodes, Seen, Timestamp,
};

/// When an account that was not touched yet begins: Monday 2026-01-05T08:00:00Z, a working day in every place.
const EPOCH: Timestamp = Timestamp::from_millis(1_767_600_000_000);

/// No rollout waits longer than this at once; who does has miscalculated. Ten years, in milliseconds.
const LONGEST_WAIT: i64 = 10 * 366 * 86_400_000;

/// A simulated AWS account (any number of them) with the Kubernetes clusters in it.
///
/// It is shared by reference. Several worlds may read one folder; only one at a time changes it, until it is dropped or its process ends.
#[derive(Debug)]
pub struct World {
    inner: Mutex<Inner>,
    /// Told when a scenario kills the process.
    death: tokio::sync::Notify,
}

#[derive(Debug)]
pub(super) struct Inner {
    /// Where it is kept; none: in memory.
    dir: Option<PathBuf>,
    pub(super) options: Options,
    /// The options that the files were written with; none while there are no files.
    saved: Option<Options>,
    pub(super) now: Timestamp,
    pub(super) clusters: BTreeMap<Place, SimulatedCluster>,
    pub(super) index: Index,
    /// The releases of kops that make clusters, where it is not the newest. Not saved: the fleet says it each time.
    pub(super) releases: Releases,
    /// Held from the first change on.
    lock: Option<File>,
    /// Other processes may change it too, while this one takes its turns.
    is_shared: bool,
    /// The part of this process in it, from the first change on.
    sharing: Option<Sharing>,
    /// The clusters' files as they were last seen or written.
    files: ClusterFiles,
    /// Why what others did cannot be read.
    trouble: Option<CloudError>,
    /// What is the case now: what was ordered, and what the scenario brings.
    pub(super) faults: Faults,
    ordered: Vec<Fault>,
    scenario: Playing,
    pub(super) killed: bool,
    calls: u64,
    pub(super) effects: u64,
    reads: u64,
    /// How many mutating calls took effect, and which, where that is wanted.
    done: u64,
    log: Option<Vec<LoggedCall>>,
    /// Calls of kops that nobody has asked for yet.
    pub(super) printed: BTreeMap<ClusterName, Vec<KopsCall>>,
    /// What clusters were like before their latest effects, and when each of those took place; kept while reads are stale.
    before: Vec<(Timestamp, SimulatedCluster)>,
}

impl World {
    /// Opens the account kept in `dir`; a folder that is missing or empty is an empty account. Writes nothing.
    ///
    /// # Errors
    /// [`CloudError::State`] with the path of a file that cannot be read or makes no sense.
    pub fn open(dir: &Path, options: Options) -> Result<World, CloudError> {
        let mut inner = Inner::new(Some(dir.to_owned()), EPOCH, options);
        inner.load()?;
        Ok(World::around(inner))
    }

    /// As [`World::open`]: other processes change it too. Each call has it to itself, and time passes while all of them wait.
    ///
    /// # Errors
    /// [`CloudError::State`] with the path of a file that cannot be read or makes no sense.
    pub fn open_shared(dir: &Path, options: Options) -> Result<World, CloudError> {
        let mut inner = Inner::new(Some(dir.to_owned()), EPOCH, options);
        inner.is_shared = true;
        inner.load()?;
        Ok(World::around(inner))
    }

    fn around(inner: Inner) -> World {
        World {
            inner: Mutex::new(inner),
            death: tokio::sync::Notify::new(),
        }
    }

    /// These clusters, in memory.
    pub(super) fn of(
        clusters: impl Iterator<Item = SimulatedCluster>,
        now: Timestamp,
        options: Options,
    ) -> World {
        let mut inner = Inner::new(None, now, options);
        inner.clusters = clusters.map(|c| (c.place.clone(), c)).collect();
        inner.index = Index::of(inner.clusters.values());
        World::around(inner)
    }

    /// A copy of it in memory, as it is now: what is done to the copy is never written. It meets the fate that this world would meet: the seed stays
    /// what it was.
    pub fn in_memory(&self, options: Options) -> World {
        let inner = self.inner();
        let options = Options {
            seed: inner.options.seed,
            ..options
        };
        World::of(inner.clusters.values().cloned(), inner.now, options)
    }

    /// Plays a scenario from now on, in place of the one before. It is not saved.
    ///
    /// # Errors
    /// [`CloudError::State`] when what happens at once cannot be saved.
    pub fn set_scenario(&self, scenario: Scenario) -> Result<(), CloudError> {
        let mut inner = self.inner();
        inner.scenario = Playing::new(scenario, inner.now);
        inner.play()?;
        self.tell(&inner);
        Ok(())
    }

    /// A copy of it in memory. With a seed it meets another fate: all chance from now on is drawn from that.
    pub fn another(&self, seed: Option<u64>) -> World {
        let inner = self.inner();
        let clusters = inner.clusters.values().cloned().map(|mut cluster| {
            if let Some(seed) = seed {
                cluster.reseed(seed);
            }
            cluster
        });
        let mut options = inner.options;
        options.seed = seed.unwrap_or(options.seed);
        World::of(clusters, inner.now, options).released_as(&inner)
    }

    /// What a cluster is like, for an onlooker: no call of anybody's, so that faults are not counted on by it.
    pub fn glance(&self, place: &Place) -> LiveCluster {
        let inner = self.inner();
        let mut live = LiveCluster::default();
        inner
            .index
            .tagged(place)
            .filter_map(|p| inner.clusters.get(p))
            .for_each(|c| c.read(place.cluster.as_str(), &mut live));
        let named = inner
            .index
            .named(&place.cluster)
            .filter_map(|p| inner.clusters.get(p));
        let mut seen = Seen::default();
        named.for_each(|c| c.seen(&inner.faults, &mut seen));
        live.nodes = Nodes::Known(seen);
        live
    }

    /// Lets another process take the place of the one that was killed. The scenario goes on.
    pub fn revive(&self) {
        self.inner().killed = false;
    }

    /// Comes when the scenario kills the process; a process that waits for it has to end there. Never, in any other case.
    pub async fn killed(&self) {
        self.death.notified().await;
    }

    pub(super) fn tell(&self, inner: &Inner) {
        if inner.killed {
            self.death.notify_one();
        }
    }

    /// Orders faults, in place of those ordered before. They are not saved, and change nothing that is under way.
    /// Calls are counted from here on.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        let mut inner = self.inner();
        (inner.calls, inner.effects) = (0, 0);
        inner.ordered = faults;
        inner.reckon();
    }

    /// How many times live state was read since this world was opened.
    pub fn reads(&self) -> u64 {
        self.inner().reads
    }
}

impl Inner {
    fn new(dir: Option<PathBuf>, now: Timestamp, options: Options) -> Self {
        Inner {
            dir,
            options,
            saved: None,
            now,
            clusters: BTreeMap::new(),
            index: Index::default(),
            releases: Releases::new(),
            lock: None,
            is_shared: false,
            sharing: None,
            files: ClusterFiles::default(),
            trouble: None,
            faults: Faults::default(),
            ordered: Vec::new(),
            scenario: Playing::default(),
            killed: false,
            calls: 0,
            effects: 0,
            reads: 0,
            done: 0,
            log: None,
            printed: BTreeMap::new(),
            before: Vec::new(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// Shows every cluster of the account.
    pub(super) fn each_cluster(&self, look: impl FnMut(&SimulatedCluster)) {
        self.clusters.values().for_each(look);
    }

    /// Takes up what the files say, played up to the present with the options they were written with.
    fn load(&mut self) -> Result<(), CloudError> {
        let Some(dir) = &self.dir else { return Ok(()) };
        self.files.seen.clear();
        let Some((clock, clusters)) = cluster_files::read_changed(dir, &mut self.files.seen)?
        else {
            return Ok(());
        };
        let saved = clock.options();
        self.now = clusters
            .iter()
            .map(|c| c.at)
            .fold(clock.now, Timestamp::max);
        self.saved = Some(saved);
        self.options.seed = saved.seed;
        let faults = Faults::default();
        let around = Surroundings {
            autoscaler: saved.autoscaler,
            spot_life: saved.spot_life,
            faults: &faults,
        };
        self.clusters = clusters.into_iter().map(|c| (c.place.clone(), c)).collect();
        for cluster in self.clusters.values_mut() {
            cluster.advance(self.now, around);
            // What comes next was seen with the options of the past.
            cluster.changed();
        }
        self.index = Index::of(self.clusters.values());
        Ok(())
    }

    /// Makes sure that this process may change the files and knows what they say now.
    pub(super) fn begin(&mut self) -> Result<(), CloudError> {
        let Some(dir) = self.dir.clone() else {
            return Ok(());
        };
        if let Some(trouble) = &self.trouble {
            return Err(trouble.clone());
        }
        if self.is_shared && self.sharing.is_none() {
            self.sharing = Some(Sharing::join(&dir)?);
            self.load()?;
        }
        if !self.is_shared && self.lock.is_none() {
            let lock = files::lock(&dir)?;
            self.load()?;
            self.lock = Some(lock);
        }
        if self.saved != Some(self.options) {
            // Files that lag behind would be caught up with the new options: bring them up to date first.
            self.clusters
                .values()
                .try_for_each(|cluster| self.files.write(&dir, cluster))?;
            files::write_clock(&dir, &Clock::new(self.now, &self.options))?;
            self.saved = Some(self.options);
        }
        Ok(())
    }

    /// Counts a call, and throttles it when that was ordered.
    pub(super) fn call(&mut self, place: Option<&Place>) -> Result<(), CloudError> {
        self.calls = self.calls.saturating_add(1);
        match place {
            Some(Place { account, .. }) if self.faults.credentials_are_over() => {
                let message = format!(
                    "ExpiredToken: the security token included in the request is expired (simulated, call {})",
                    self.calls
                );
                Err(CloudError::Credentials {
                    account: account.clone(),
                    message,
                })
            }
            Some(Place {
                account, region, ..
            }) if self.faults.throttles(self.calls) => {
                let message = format!("Rate exceeded (simulated, call {})", self.calls);
                Err(CloudError::Throttled {
                    account: account.clone(),
                    region: region.clone(),
                    message,
                })
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn wait(&mut self, until: Timestamp) -> Result<(), CloudError> {
        if until <= self.now {
            return Ok(());
        }
        if until.since(self.now).millis() > LONGEST_WAIT {
            let message = format!(
                "waiting from {} until {until} is longer than ten years",
                self.now
            );
            return Err(CloudError::Refused {
                subject: "the simulated account".into(),
                message,
            });
        }
        self.begin()?;
        while let Some(turn) = self
            .scenario
            .next(self.now)
            .filter(|at| *at <= until && !self.killed)
        {
            self.advance(turn)?;
            self.play()?;
        }
        self.advance(until)?;
        self.save_clock()
    }

    fn advance(&mut self, until: Timestamp) -> Result<(), CloudError> {
        let around = Surroundings::new(&self.options, &self.faults);
        let happened: Vec<&SimulatedCluster> = self
            .clusters
            .values_mut()
            .filter_map(|c| c.advance(until, around).then_some(&*c))
            .collect();
        self.now = until.max(self.now);
        // Faults are not saved, so what they brought about could not be played again: save it, and the clock last.
        if self.faults.bend_time()
            && let Some(dir) = &self.dir
        {
            happened
                .into_iter()
                .try_for_each(|cluster| self.files.write(dir, cluster))?;
        }
        Ok(())
    }

    /// What is the case now.
    fn reckon(&mut self) {
        self.faults = Faults(
            self.ordered
                .iter()
                .cloned()
                .chain(self.scenario.faults(self.now))
                .collect(),
        );
    }

    /// What the scenario brings by now.
    fn play(&mut self) -> Result<(), CloudError> {
        self.reckon();
        for act in self.scenario.due(self.now) {
            if act == Act::Kill {
                self.killed = true;
                continue;
            }
            self.begin()?;
            let mut suffered: Vec<SimulatedCluster> = self.clusters.values().cloned().collect();
            for cluster in suffered.iter_mut() {
                if cluster.suffer(&act, &self.faults) {
                    self.save(cluster)?;
                    self.clusters.insert(cluster.place.clone(), cluster.clone());
                }
            }
        }
        Ok(())
    }

    pub(super) fn read(&mut self, places: &[Place]) -> Live {
        self.reads = self.reads.saturating_add(1);
        let clusters = places
            .iter()
            .map(|place| (place.cluster.clone(), self.read_cluster(place)));
        Live {
            read_at: self.now,
            clusters: clusters.collect(),
            room: Vec::new(),
        }
    }

    fn read_cluster(&self, place: &Place) -> LiveCluster {
        let mut live = LiveCluster::default();
        if self.faults.no_read(&place.cluster) {
            let why = "AccessDenied: not authorized to perform autoscaling:DescribeAutoScalingGroups (simulated)".into();
            live.gaps.push(Gap {
                what: "AutoScalingGroups".into(),
                why,
            });
            return live;
        }
        let there = self
            .index
            .tagged(place)
            .filter_map(|place| self.stale(place).or_else(|| self.clusters.get(place)));
        there.for_each(|cluster| cluster.read(place.cluster.as_str(), &mut live));
        self.shift(self.reads, &mut live);
        live
    }

    /// What a read still shows of a place, where that is not what is.
    fn stale(&self, place: &Place) -> Option<&SimulatedCluster> {
        let span = self.faults.stale()?;
        let shown = |(at, cluster): &&(Timestamp, SimulatedCluster)| {
            cluster.place == *place && *at + span > self.now
        };
        self.before.iter().find(shown).map(|(_, cluster)| cluster)
    }

    /// All clusters in the account and region of a place: AutoScalingGroups know no other borders.
    pub(super) fn neighbours<'a>(
        &'a self,
        place: &'a Place,
    ) -> impl Iterator<Item = &'a SimulatedCluster> {
        self.clusters
            .values()
            .filter(|c| c.place.account == place.account && c.place.region == place.region)
    }

    pub(super) fn apply(
        &mut self,
        place: &Place,
        effect: &CloudEffect,
    ) -> Result<Applied, CloudError> {
        self.effects = self.effects.saturating_add(1);
        if self.faults.swallows(self.effects) {
            let message = "the connection timed out (simulated)".into();
            return Err(CloudError::Unknown {
                subject: effect.group().to_string(),
                message,
            });
        }
        let applied = self.carry_out(place, effect)?;
        if self.faults.loses(self.effects) {
            let message = "the connection was closed before the answer came (simulated)".into();
            return Err(CloudError::Unknown {
                subject: effect.group().to_string(),
                message,
            });
        }
        Ok(applied)
    }

    fn carry_out(&mut self, place: &Place, effect: &CloudEffect) -> Result<Applied, CloudError> {
        if self.lock.is_none() && self.sharing.is_none() && self.dir.is_some() {
            // What changes nothing shall leave no trace: look before the folder is made and taken.
            self.load()?;
            if let (_, EffectOutcome::Unchanged(applied)) = self.after(place, effect)? {
                return Ok(applied);
            }
        }
        self.begin()?;
        match self.after(place, effect)? {
            (_, EffectOutcome::Unchanged(applied)) => Ok(applied),
            (cluster, EffectOutcome::Changed(applied)) => {
                self.keep(cluster, Effect::Cloud(effect.clone()))?;
                Ok(applied)
            }
        }
    }

    /// The cluster as it would be after an effect. Nothing of it counts until it is saved.
    fn after(
        &self,
        place: &Place,
        effect: &CloudEffect,
    ) -> Result<(SimulatedCluster, EffectOutcome), CloudError> {
        if let CloudEffect::CreateGroup { definition, .. } = effect {
            let name = &definition.auto_scaling_group.auto_scaling_group_name;
            if self
                .neighbours(place)
                .any(|c| c.place != *place && c.state.groups.contains_key(name))
            {
                return Err(already_exists(name));
            }
        }
        let mut cluster = self
            .clusters
            .get(place)
            .cloned()
            .unwrap_or_else(|| SimulatedCluster::new(place.clone(), self.now));
        let outcome = cluster.apply(
            effect,
            self.options.seed,
            Surroundings::new(&self.options, &self.faults),
        )?;
        Ok((cluster, outcome))
    }

    /// Saves a cluster, then lets it count.
    pub(super) fn keep(
        &mut self,
        cluster: SimulatedCluster,
        effect: Effect,
    ) -> Result<(), CloudError> {
        self.save(&cluster)?;
        self.index.add(&cluster);
        if self.scenario.listens() {
            let names = cluster.names_touched(&effect, self.clusters.get(&cluster.place));
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            self.scenario.notice(&effect, &names, self.now);
        }
        self.done = self.done.saturating_add(1);
        if let Some(log) = &mut self.log {
            log.push(LoggedCall {
                at: self.now,
                cluster: cluster.place.cluster.clone(),
                effect,
            });
        }
        let now = self.now;
        let before = self.clusters.insert(cluster.place.clone(), cluster);
        match (self.faults.stale(), before) {
            (Some(span), Some(before)) => {
                self.before.retain(|(at, _)| *at + span > now);
                self.before.push((now, before));
            }
            (Some(_) | None, Some(_) | None) => self.before.clear(),
        }
        self.play()
    }
}
