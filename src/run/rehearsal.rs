//! A rollout on a simulated account with an onlooker: what it did to capacity, what it called, which rules it broke.
//! The rollout itself is [`run`], as for the real thing. Prints nothing.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value as Json;

use super::fence::place;
use super::{Drive, Outcome, RunError, Signal, run};
use crate::cloud::local::World;
use crate::cloud::{Cloud, CloudError, Place};
use crate::engine::{Engine, EngineError, KopsCall, Left, Validation};
use crate::model::{
    AccountId, Applied, AsgName, CloudEffect, ClusterName, Effect, GroupName, InstanceId, Live,
    NodeEffect, Nodes, Nodeup, RegionRoom, RoomQuestion, Senders, Span, Stored, Timestamp,
    Versions,
};
use crate::nodes::{NodeApi, NodeError};
use crate::rollout::{
    Observation, PodMoves, Progress, Record, RecordBreach, Rollout, broken_by_record, broken_rules,
};
use crate::store::{Journal, Store};

/// How a rehearsal went.
#[derive(Debug)]
pub struct Rehearsed {
    /// How it ended; an error is what would have stopped the process.
    pub outcome: Result<Outcome, RunError>,
    /// Everything that happened.
    pub records: Vec<Record>,
    /// Where it stands in the end.
    pub progress: Progress,
    /// What the onlooker saw.
    pub seen: Observation,
    /// How often the scenario killed the process, and another took over.
    pub deaths: u32,
}

/// No rehearsal goes on for longer than this, in virtual time.
const LONGEST: Span = Span::from_secs(60 * 86_400);

/// A scenario may kill the process this often.
const MAX_DEATHS: u32 = 100;

/// Carries a rollout out on a simulated account, in a store of its own.
///
/// # Errors
/// When that store fails; what stops the rollout itself is an outcome.
pub async fn rehearse(
    world: World,
    store: &Store,
    rollout: &Rollout,
    drive: &Drive,
) -> Result<Rehearsed, RunError> {
    let (journal, first) = Journal::begin(store, rollout)?;
    let end = world.now() + LONGEST;
    let onlooker = Onlooker::new(world, rollout);
    let mut records = Vec::new();
    onlooker.hear(&first);
    records.push(first);
    let (mut journal, mut deaths) = (Some(journal), 0);
    let outcome = loop {
        let mut open = match journal.take() {
            Some(journal) => journal,
            None => Journal::take_up(store, &rollout.id)?,
        };
        let tell = |signal: Signal<'_>| {
            if let Signal::Recorded(record) = signal {
                onlooker.hear(record);
                records.push(record.clone());
            }
        };
        let ran = tokio::select! {
            biased;
            () = onlooker.world.killed() => None,
            outcome = run(&onlooker, store, &mut open, drive, || onlooker.world.now() > end, tell) => Some(outcome),
        };
        match ran {
            Some(outcome) => break outcome,
            None if deaths >= MAX_DEATHS => break Ok(Outcome::Interrupted),
            None => {
                deaths += 1;
                onlooker.world.revive();
            }
        }
    };
    let moves = onlooker.moves();
    let Looking {
        progress, mut seen, ..
    } = onlooker
        .looking
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    seen.moves = moves;
    Ok(Rehearsed {
        outcome,
        records,
        progress,
        seen,
        deaths,
    })
}

/// The world, and who looks on.
struct Onlooker<'r> {
    world: World,
    /// How often each pod had been made anew before.
    moved_before: BTreeMap<ClusterName, Moved>,
    looking: Mutex<Looking<'r>>,
}

/// How often each pod has been made anew, by group and number.
type Moved = BTreeMap<(AsgName, u32), u32>;

struct Looking<'r> {
    rollout: &'r Rollout,
    progress: Progress,
    seen: Observation,
}

impl<'r> Onlooker<'r> {
    fn new(world: World, rollout: &'r Rollout) -> Self {
        let looking = Looking {
            rollout,
            progress: Progress::new(rollout),
            seen: Observation::default(),
        };
        let clusters = rollout.clusters();
        let moved_before = clusters
            .map(|run| (run.cluster.clone(), world.pod_moves(&run.cluster)))
            .collect();
        Onlooker {
            world,
            moved_before,
            looking: Mutex::new(looking),
        }
    }

    /// How far the pods that were there at the beginning moved. Those that the autoscaler moved are among them.
    fn moves(&self) -> BTreeMap<ClusterName, PodMoves> {
        let of = |(cluster, before): (&ClusterName, &Moved)| {
            let after = self.world.pod_moves(cluster);
            let mut moves = PodMoves::default();
            for (pod, times) in before {
                let now = after.get(pod).copied().unwrap_or(*times);
                moves.add(now.saturating_sub(*times));
            }
            (cluster.clone(), moves)
        };
        self.moved_before.iter().map(of).collect()
    }

    fn looking(&self) -> MutexGuard<'_, Looking<'r>> {
        self.looking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, record: &Record) {
        let mut looking = self.looking();
        let rollout = looking.rollout;
        let look = |cluster: &ClusterName| {
            let run = rollout.cluster(cluster)?;
            Some(self.world.glance(&place(run)))
        };
        let broken = broken_by_record(rollout, &looking.progress, record, look);
        looking.seen.broken.extend(broken);
        if let Err(error) = looking.progress.add(record) {
            let why = error.to_string();
            let illegal = RecordBreach::IllegalRecord { why };
            looking.seen.broken.insert(illegal.into());
        }
    }

    fn count(&self, call: &str) {
        *self
            .looking()
            .seen
            .calls
            .entry(call.to_owned())
            .or_default() += 1;
    }

    /// Counts an effect, and holds it against the rules.
    fn judge(&self, cluster: &ClusterName, effect: &Effect) {
        self.count(&kind_of(effect));
        let mut looking = self.looking();
        let Some(place) = looking.rollout.cluster(cluster).map(place) else {
            return;
        };
        let now = self.world.now();
        let live = LazyCell::new(|| self.world.glance(&place));
        let broken = broken_rules(
            looking.rollout,
            &looking.progress,
            cluster,
            effect,
            &live,
            now,
        );
        looking.seen.broken.extend(broken);
    }
}

impl Onlooker<'_> {
    /// kops is asked for what is open in the journal.
    fn judge_kops(&self, cluster: &ClusterName) {
        let asked: Vec<Effect> = {
            let looking = self.looking();
            let open = looking.progress.open.values();
            open.filter(|i| i.cluster == *cluster && matches!(i.effect, Effect::Kops(_)))
                .map(|i| i.effect.clone())
                .collect()
        };
        for effect in asked {
            self.judge(cluster, &effect);
        }
    }
}

/// The name of an effect, as the journal writes it.
fn kind_of(effect: &Effect) -> String {
    let json = match effect {
        Effect::Cloud(effect) => serde_json::to_value(effect),
        Effect::Node(effect) => serde_json::to_value(effect),
        Effect::Kops(effect) => serde_json::to_value(effect),
    };
    json.ok()
        .and_then(|j| j.as_object()?.keys().next().cloned())
        .unwrap_or_default()
}

impl Cloud for Onlooker<'_> {
    fn now(&self) -> Timestamp {
        self.world.now()
    }

    fn time_is_virtual(&self) -> bool {
        true
    }

    async fn wait(&self, until: Timestamp) -> Result<(), CloudError> {
        self.world.wait(until).await
    }

    async fn account(&self, place: &Place) -> Result<AccountId, CloudError> {
        self.count("account");
        self.world.account(place).await
    }

    async fn read(&self, places: &[Place]) -> Result<Live, CloudError> {
        self.count("read");
        let read = self.world.read(places).await;
        let clusters = places
            .iter()
            .map(|p| (p.cluster.clone(), self.world.glance(p)))
            .collect();
        let live = Live {
            read_at: self.world.now(),
            clusters,
            room: Vec::new(),
        };
        let Looking {
            rollout,
            progress,
            seen,
        } = &mut *self.looking();
        seen.look(rollout, progress, &live);
        read
    }

    async fn gone(&self, place: &Place, asked: &Versions) -> Result<Versions, CloudError> {
        self.world.gone(place, asked).await
    }

    async fn room(&self, asked: &RoomQuestion) -> Result<RegionRoom, CloudError> {
        self.world.room(asked).await
    }

    async fn senders(
        &self,
        place: &Place,
        asked: &BTreeSet<InstanceId>,
        own: &BTreeSet<String>,
    ) -> Result<Senders, CloudError> {
        self.world.senders(place, asked, own).await
    }

    async fn apply(&self, place: &Place, effect: &CloudEffect) -> Result<Applied, CloudError> {
        self.judge(&place.cluster, &Effect::Cloud(effect.clone()));
        self.world.apply(place, effect).await
    }
}

impl Engine for Onlooker<'_> {
    async fn stored(&self, place: &Place) -> (Stored, Nodeup) {
        self.world.stored(place).await
    }

    async fn publish(&self, place: &Place, documents: &[Json]) -> Result<(), EngineError> {
        self.judge_kops(&place.cluster);
        self.world.publish(place, documents).await
    }

    async fn update(
        &self,
        place: &Place,
        groups: &BTreeSet<GroupName>,
        beside: &BTreeSet<GroupName>,
    ) -> Result<(), EngineError> {
        self.judge_kops(&place.cluster);
        self.world.update(place, groups, beside).await
    }

    async fn delete(&self, place: &Place, group: &GroupName) -> Result<(), EngineError> {
        self.world.delete(place, group).await
    }
    async fn validate(&self, place: &Place) -> Result<Validation, EngineError> {
        self.world.validate(place).await
    }

    async fn left(&self, place: &Place, groups: &BTreeSet<GroupName>) -> Result<Left, EngineError> {
        self.world.left(place, groups).await
    }

    async fn drain_calls(&self, place: &Place) -> Vec<KopsCall> {
        self.world.drain_calls(place).await
    }
}

impl NodeApi for Onlooker<'_> {
    async fn nodes(&self, cluster: &ClusterName) -> Nodes {
        self.count("nodes");
        self.world.nodes(cluster).await
    }

    async fn act(&self, cluster: &ClusterName, effect: &NodeEffect) -> Result<Applied, NodeError> {
        self.judge(cluster, &Effect::Node(effect.clone()));
        self.world.act(cluster, effect).await
    }
}
