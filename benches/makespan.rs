//! How long a roll of 12 groups of 10 nodes takes in virtual time: (a) by kops's serial algorithm, written here as a second
//! scheduler from its documentation, (b) by kfleet, every effect held against the rules of a rollout, (c) at the least,
//! given boot times, drain times and budgets. `cargo bench --bench makespan`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout, missing_docs, reason = "a bench")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use kfleet::cloud::local::World;
use kfleet::cloud::{Cloud, CloudError, Place};
use kfleet::fleet::{Amount, Rate};
use kfleet::model::{
    AccountId, Applied, AsgName, CloudEffect, ClusterName, Effect, InstanceId, Lifecycle, Live, LiveCluster, LiveGroup, Node, NodeEffect, NodeName,
    Nodes, Span, Timestamp, UserData,
};
use kfleet::nodes::{NodeApi, NodeError};
use kfleet::rollout::{Ending, Event, Record};
use kfleet::run::{Outcome, Signal, look, run};
use kfleet::store::Journal;
use support::{Scene, Spy, block, folder, name};

const GROUPS: [(&str, u32, u32, bool); 12] = [
    ("g00", 10, 20, false),
    ("g01", 10, 20, false),
    ("g02", 10, 20, false),
    ("g03", 10, 20, false),
    ("g04", 10, 20, false),
    ("g05", 10, 20, false),
    ("g06", 10, 20, false),
    ("g07", 10, 20, false),
    ("g08", 10, 20, false),
    ("g09", 10, 20, false),
    ("g10", 10, 20, false),
    ("g11", 10, 20, false),
];
const NODES: usize = 120;

/// What a roll may use.
struct Budgets {
    name: &'static str,
    surge: u32,
    cluster_surge: u32,
    rate: Rate,
}

fn main() {
    let rate = |instances| Rate { instances, per: Span::from_secs(600) };
    let all = [
        Budgets { name: "defaults, one surge a group", surge: 1, cluster_surge: 12, rate: rate(20) },
        Budgets { name: "no rate, one surge a group", surge: 1, cluster_surge: 12, rate: rate(1000) },
        Budgets { name: "no rate, two surges a group", surge: 2, cluster_surge: 24, rate: rate(1000) },
    ];
    println!("budgets\tkops, serial\tkfleet\tlower bound\tkops / kfleet\tkfleet / lower bound");
    for budgets in &all {
        let dir = folder();
        let kops = Kops::roll(&made(dir.path(), budgets));
        let ours = ours(budgets, Span::from_secs(10));
        // With a look every second what is measured is boots and drains, and nearly nothing of ours.
        let bound = bound(&self::ours(budgets, Span::from_secs(1)), budgets);
        let ratio = |a: Span, b: Span| a.millis() as f64 / b.millis() as f64;
        let (faster, near) = (ratio(kops, ours.makespan), ratio(ours.makespan, bound));
        println!("{}\t{}\t{}\t{}\t{faster:.2}\t{near:.3}", budgets.name, short(kops), short(ours.makespan), short(bound));
    }
}

fn short(span: Span) -> Span {
    Span::from_millis(span.millis() - span.millis() % 1000)
}

/// The cluster with its old image in place and a new one wanted; its control plane stays as it is.
fn made(dir: &std::path::Path, budgets: &Budgets) -> Scene {
    let mut scene = Scene::small(dir, &GROUPS);
    scene.rolling.max_surge = Amount::Count(budgets.surge);
    (scene.rolling.cluster_surge, scene.rolling.rate) = (budgets.cluster_surge, budgets.rate);
    scene.soak = Span::ZERO;
    let mut scene = scene.made();
    scene.rolling.bake = Span::from_secs(300);
    scene.odd_image = Some(("control-plane-a", "image-1".into()));
    scene
}

/// A roll of ours: how long, and what happened.
struct Ours {
    makespan: Span,
    records: Vec<Record>,
    /// From launch to Ready, in milliseconds, for each new instance.
    boots: BTreeMap<AsgName, Vec<i64>>,
    bake: Span,
}

fn ours(budgets: &Budgets, poll: Span) -> Ours {
    let dir = folder();
    let scene = made(dir.path(), budgets);
    let probe = Probe { spy: Spy::new(scene.world()), place: place(&scene), ready: Mutex::default() };
    let rollout = scene.rollout(probe.spy.world(), "r2", &[]);
    let (mut journal, first) = Journal::begin(&scene.store(), &rollout).unwrap();
    let mut records = vec![first];
    let mut drive = scene.drive();
    drive.poll = poll;
    probe.spy.begin(journal.rollout(), journal.progress());
    let outcome = block(run(
        &probe,
        &scene.store(),
        &mut journal,
        &drive,
        || false,
        |signal| {
            if let Signal::Recorded(record) = signal {
                probe.spy.hear(record);
                records.push(record.clone());
            }
        },
    ));
    assert_eq!(outcome.unwrap(), Outcome::Ended(Ending::Finished));
    assert_eq!(probe.spy.wrong(), Vec::<String>::new(), "rules of a rollout are broken");
    let started = records.iter().filter(|r| matches!(r.event, Event::GroupStarted { .. })).map(|r| r.at).min().unwrap();
    let done: Vec<Timestamp> = records.iter().filter(|r| matches!(r.event, Event::GroupDone { .. })).map(|r| r.at).collect();
    assert_eq!(done.len(), GROUPS.len());
    let mut boots: BTreeMap<AsgName, Vec<i64>> = BTreeMap::new();
    for (group, launched, ready) in probe.ready.into_inner().unwrap().into_values().filter(|(_, launched, _)| *launched >= started) {
        boots.entry(group).or_default().push(ready.since(launched).millis());
    }
    Ours { makespan: done.into_iter().max().unwrap().since(started), records, boots, bake: scene.rolling.bake }
}

fn place(scene: &Scene) -> Place {
    Place { cluster: scene.staging[0].clone(), account: name("111122223333"), region: name("eu-west-3") }
}

/// Looks on every second, and writes down when each instance was Ready.
struct Probe {
    spy: Spy,
    place: Place,
    ready: Mutex<BTreeMap<InstanceId, (AsgName, Timestamp, Timestamp)>>,
}

impl Cloud for Probe {
    fn now(&self) -> Timestamp {
        self.spy.now()
    }

    async fn wait(&self, until: Timestamp) -> Result<(), CloudError> {
        while self.now() < until {
            self.spy.wait((self.now() + Span::from_secs(1)).min(until)).await?;
            let live = look(self.spy.world(), std::slice::from_ref(&self.place)).await?.clusters.remove(&self.place.cluster).unwrap();
            let Nodes::Known(nodes) = &live.nodes else { panic!() };
            let ready: BTreeSet<&InstanceId> = nodes.values().filter(|n| n.ready).map(|n| &n.instance).collect();
            let mut seen = self.ready.lock().unwrap();
            for (group, id, instance) in live.groups.iter().flat_map(|(name, g)| g.instances.iter().map(move |(id, i)| (name, id, i))) {
                if ready.contains(id) {
                    seen.entry(id.clone()).or_insert_with(|| (group.clone(), instance.launched_at, self.now()));
                }
            }
        }
        Ok(())
    }

    async fn account(&self, place: &Place) -> Result<AccountId, CloudError> {
        self.spy.account(place).await
    }

    async fn read(&self, places: &[Place]) -> Result<Live, CloudError> {
        self.spy.read(places).await
    }

    async fn apply(&self, place: &Place, effect: &CloudEffect) -> Result<Applied, CloudError> {
        self.spy.apply(place, effect).await
    }
}

impl NodeApi for Probe {
    async fn nodes(&self, cluster: &ClusterName) -> Nodes {
        self.spy.nodes(cluster).await
    }

    async fn act(&self, cluster: &ClusterName, effect: &NodeEffect) -> Result<Applied, NodeError> {
        self.spy.act(cluster, effect).await
    }
}

/// AWS decides a launch at the least so long before it begins (`cloud::local`).
const DECISION: i64 = 15_000;

/// No roll under these budgets can be shorter: in each group, one exchange after the other under each unit of surge, after
/// one boot and the bake; and over all groups, as many ends as the rate allows.
fn bound(fine: &Ours, budgets: &Budgets) -> Span {
    let mut drains: BTreeMap<AsgName, i64> = BTreeMap::new();
    let mut begun: BTreeMap<InstanceId, Timestamp> = BTreeMap::new();
    let mut steps: BTreeMap<u64, InstanceId> = BTreeMap::new();
    let mut shortest = i64::MAX;
    for record in &fine.records {
        match &record.event {
            Event::DrainStarted { instance, .. } => {
                begun.entry(instance.clone()).or_insert(record.at);
            }
            Event::Intent { step, group, effect, .. } => {
                if let Effect::Cloud(CloudEffect::Terminate { instance, .. }) = &**effect {
                    steps.insert(*step, instance.clone());
                    let took = record.at.since(begun[instance]).millis();
                    shortest = shortest.min(took);
                    *drains.entry(group.clone()).or_default() += took;
                }
            }
            _ => {}
        }
    }
    assert_eq!(steps.len(), NODES);
    let bake = fine.bake.millis();
    let boot = |group: &AsgName| fine.boots[group].iter().map(|boot| boot + DECISION).sum::<i64>();
    let surge = i64::from(budgets.surge);
    let chain = |group: &AsgName| bake + (drains[group] + boot(group)) / surge;
    let longest = drains.keys().map(chain).max().unwrap();
    let first = fine.boots.values().flatten().min().unwrap() + DECISION + bake + shortest;
    let windows = (NODES as i64 - 1) / i64::from(budgets.rate.instances);
    Span::from_millis(longest.max(first + windows * budgets.rate.per.millis()))
}

// ---------------------------------------------------------------------------------------------------------------------
// kops.

/// kops's rolling update, as documented: one group after the other; in a group one instance is detached first, then each is
/// drained and ended, and the cluster validated before the next. No canary, no bake.
struct Kops<'a> {
    world: &'a World,
    place: Place,
}

/// `--node-interval`, `--post-drain-delay`, and how often validation looks after a failure, and after a success.
const INTERVAL: Span = Span::from_secs(15);
const POST_DRAIN: Span = Span::from_secs(5);
const VALIDATE_AGAIN: Span = Span::from_secs(30);
const VALIDATE_TWICE: Span = Span::from_secs(10);

impl Kops<'_> {
    fn roll(scene: &Scene) -> Span {
        let world = scene.world();
        let kops = Kops { world: &world, place: place(scene) };
        let start = world.now();
        block(async {
            for (group, ..) in GROUPS {
                kops.group(&name(&format!("{group}.{}", kops.place.cluster))).await;
            }
        });
        world.now().since(start)
    }

    async fn live(&self) -> LiveCluster {
        look(self.world, std::slice::from_ref(&self.place)).await.unwrap().clusters.remove(&self.place.cluster).unwrap()
    }

    async fn cloud(&self, effect: CloudEffect) -> Applied {
        self.world.apply(&self.place, &effect).await.unwrap()
    }

    async fn sleep(&self, span: Span) {
        self.world.wait(self.world.now() + span).await.unwrap();
    }

    async fn group(&self, asg: &AsgName) {
        let found = self.live().await.groups[asg].clone();
        self.new_version(asg, &found).await;
        let old: Vec<InstanceId> = found.instances.keys().cloned().collect();
        self.validate(asg).await;
        let (detached, rest) = old.split_last().unwrap();
        self.cloud(CloudEffect::Detach { group: asg.clone(), instance: detached.clone() }).await;
        self.sleep(INTERVAL).await;
        self.validate(asg).await;
        for instance in rest.iter().chain([detached]) {
            self.drain(instance).await;
            self.cloud(CloudEffect::Terminate { group: asg.clone(), instance: instance.clone(), decrement: false }).await;
            self.sleep(INTERVAL).await;
            self.validate(asg).await;
        }
    }

    async fn new_version(&self, asg: &AsgName, found: &LiveGroup) {
        let from = found.version.number();
        let mut data = found.versions[&from].data.clone();
        data.image_id = "image-2".into();
        let (template, user_data) = (asg.clone(), UserData::CarriedFrom(from));
        let made = self.cloud(CloudEffect::CreateTemplateVersion { template, data: Box::new(data), user_data, token: "kops".into() }).await;
        let Applied::Version(to) = made else { panic!("{made:?}") };
        self.cloud(CloudEffect::PinVersion { group: asg.clone(), from, to }).await;
    }

    /// Two successes in a row: as many members as wanted, each with a Ready node.
    async fn validate(&self, asg: &AsgName) {
        let mut good = 0;
        while good < 2 {
            let live = self.live().await;
            let Nodes::Known(nodes) = &live.nodes else { panic!() };
            let ready = |id: &InstanceId| nodes.values().any(|n| n.instance == *id && n.ready);
            let group = &live.groups[asg];
            let members = group.instances.iter().filter(|(_, i)| matches!(i.lifecycle, Lifecycle::Pending | Lifecycle::InService));
            let (all, well) = members.fold((0, 0), |(all, well), (id, _)| (all + 1, well + u32::from(ready(id))));
            let valid = all >= group.desired && well == all;
            good = if valid { good + 1 } else { 0 };
            if good < 2 {
                self.sleep(if valid { VALIDATE_TWICE } else { VALIDATE_AGAIN }).await;
            }
        }
    }

    async fn drain(&self, instance: &InstanceId) {
        let Some((node, _)) = self.node(instance).await else { return };
        self.world.act(&self.place.cluster, &NodeEffect::Cordon { node: node.clone() }).await.unwrap();
        while self.node(instance).await.is_some_and(|(_, n)| n.evictable_pods > 0) {
            self.world.act(&self.place.cluster, &NodeEffect::Evict { node: node.clone() }).await.unwrap();
            if self.node(instance).await.is_some_and(|(_, n)| n.evictable_pods > 0) {
                self.sleep(Span::from_secs(5)).await;
            }
        }
        self.sleep(POST_DRAIN).await;
    }

    async fn node(&self, instance: &InstanceId) -> Option<(NodeName, Node)> {
        let Nodes::Known(nodes) = self.live().await.nodes else { panic!() };
        nodes.into_iter().find(|(_, n)| n.instance == *instance)
    }
}
