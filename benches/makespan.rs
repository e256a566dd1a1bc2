//! How long a roll of 12 groups of 10 nodes takes in virtual time: (a) by kops's serial algorithm, written here as a second
//! scheduler from its documentation, (b) by kfleet, every effect held against the rules of a rollout, (c) at the least.
//! `cargo bench --bench makespan`.
//!
//! (c) is what no scheduler that keeps the rules can be faster than in this account. It is made of what is measured, in a
//! roll by kfleet without a rate that looks every second: how long AWS takes to decide and boot each launch of a group, and
//! how long each drain takes under the disruption budgets. And of four rules:
//!
//! - a group begins with its canary alone: one launch, one bake, before anything is drained or another instance is added;
//! - at any time no more than the surge of a group is launching or draining: the rest is at work. So after the canary what
//!   is left of its launches and drains, added up, takes at least its sum divided by the surge;
//! - an end needs as many new instances at work as there are ends so far, and itself: the k-th end of a group cannot be
//!   before k launches and k drains, the shortest ones taken for them;
//! - of any (rate + 1) ends in a row over the cluster, the last is a window later than the first.
//!
//! It knows nothing of looking only now and then, of records and locks, or of which group is served first.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use kfleet::cloud::local::World;
use kfleet::cloud::{Cloud, CloudError, Place};
use kfleet::engine::Engine;
use kfleet::fleet::{Amount, Rate};
use kfleet::model::{
    Applied, AsgName, CloudEffect, ClusterName, Effect, Eviction, InstanceId, Lifecycle,
    LiveCluster, LiveGroup, Node, NodeEffect, NodeName, Nodes, Span, Timestamp, UserData,
};
use kfleet::nodes::{NodeApi, NodeError};
use kfleet::rollout::{Ending, Event, GroupEvent, Record, StepEvent};
use kfleet::run::{Outcome, Signal, look, run};
use kfleet::store::Journal;
use support::{Scene, Spy, asks_world, block, folder, name};

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
/// Nodes of each group.
const SIZE: usize = 10;

/// What a roll may use.
struct Budgets {
    name: &'static str,
    surge: u32,
    cluster_surge: u32,
    rate: Rate,
}

fn main() {
    let rate = |instances| Rate {
        instances,
        per: Span::from_secs(600),
    };
    let all = [
        Budgets {
            name: "defaults, one surge a group",
            surge: 1,
            cluster_surge: 12,
            rate: rate(20),
        },
        Budgets {
            name: "no rate, one surge a group",
            surge: 1,
            cluster_surge: 12,
            rate: rate(1000),
        },
        Budgets {
            name: "no rate, two surges a group",
            surge: 2,
            cluster_surge: 24,
            rate: rate(1000),
        },
    ];
    println!("budgets\tkops, serial\tkfleet\tlower bound\tkops / kfleet\tkfleet / lower bound");
    let wanted = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    for budgets in all
        .iter()
        .filter(|b| wanted.as_ref().is_none_or(|w| b.name.contains(w.as_str())))
    {
        let dir = folder();
        let kops = Kops::roll(&made(dir.path(), budgets));
        let ours = ours(budgets, Span::from_secs(10));
        // With a look every second, and no rate to wait for, what is measured is boots and drains, and nearly nothing of ours.
        let free = Budgets {
            rate: rate(1000),
            ..*budgets
        };
        let bound = bound(&self::ours(&free, Span::from_secs(1)), budgets);
        let ratio = |a: Span, b: Span| a.millis() as f64 / b.millis() as f64;
        let (faster, near) = (ratio(kops, ours.makespan), ratio(ours.makespan, bound));
        println!(
            "{}\t{}\t{}\t{}\t{faster:.2}\t{near:.3}",
            budgets.name,
            short(kops),
            short(ours.makespan),
            short(bound)
        );
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
    /// When each new instance was launched, and when its node was Ready.
    launches: BTreeMap<AsgName, Vec<(Timestamp, Timestamp)>>,
    bake: Span,
}

fn ours(budgets: &Budgets, poll: Span) -> Ours {
    let dir = folder();
    let scene = made(dir.path(), budgets);
    let probe = Probe {
        spy: Spy::new(scene.world()),
        place: place(&scene),
        ready: Mutex::default(),
    };
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
    assert_eq!(
        probe.spy.wrong(),
        Vec::<String>::new(),
        "rules of a rollout are broken"
    );
    let started = records
        .iter()
        .filter(|r| matches!(r.event, Event::Group(_, _, GroupEvent::Started { .. })))
        .map(|r| r.at)
        .min()
        .unwrap();
    let done: Vec<Timestamp> = records
        .iter()
        .filter(|r| matches!(r.event, Event::Group(_, _, GroupEvent::Done)))
        .map(|r| r.at)
        .collect();
    assert_eq!(done.len(), GROUPS.len());
    let mut launches: BTreeMap<AsgName, Vec<(Timestamp, Timestamp)>> = BTreeMap::new();
    for (group, launched, ready) in probe
        .ready
        .into_inner()
        .unwrap()
        .into_values()
        .filter(|(_, launched, _)| *launched >= started)
    {
        launches.entry(group).or_default().push((launched, ready));
    }
    Ours {
        makespan: done.into_iter().max().unwrap().since(started),
        records,
        launches,
        bake: scene.rolling.bake,
    }
}

fn place(scene: &Scene) -> Place {
    Place {
        cluster: scene.staging[0].clone(),
        account: name("111122223333"),
        region: name("eu-west-3"),
    }
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

    fn time_is_virtual(&self) -> bool {
        true
    }
    async fn wait(&self, until: Timestamp) -> Result<(), CloudError> {
        while self.now() < until {
            self.spy
                .wait((self.now() + Span::from_secs(1)).min(until))
                .await?;
            let live = look(self.spy.world(), std::slice::from_ref(&self.place))
                .await?
                .clusters
                .remove(&self.place.cluster)
                .unwrap();
            let Nodes::Known(nodes) = &live.nodes else {
                panic!()
            };
            let ready: BTreeSet<&InstanceId> = nodes
                .nodes
                .values()
                .filter(|n| n.ready)
                .map(|n| &n.instance)
                .collect();
            let mut seen = self.ready.lock().unwrap();
            for (group, id, instance) in live
                .groups
                .iter()
                .flat_map(|(name, g)| g.instances.iter().map(move |(id, i)| (name, id, i)))
            {
                if ready.contains(id) {
                    seen.entry(id.clone())
                        .or_insert_with(|| (group.clone(), instance.launched_at, self.now()));
                }
            }
        }
        Ok(())
    }
    asks_world!(spy);

    async fn apply(&self, place: &Place, effect: &CloudEffect) -> Result<Applied, CloudError> {
        self.spy.apply(place, effect).await
    }
}

/// No cluster of it has kops for its engine.
impl Engine for Probe {}

impl NodeApi for Probe {
    async fn nodes(&self, cluster: &ClusterName) -> Nodes {
        self.spy.nodes(cluster).await
    }

    async fn act(&self, cluster: &ClusterName, effect: &NodeEffect) -> Result<Applied, NodeError> {
        self.spy.act(cluster, effect).await
    }
}

/// What the world makes of one group, in milliseconds.
#[derive(Default)]
struct Times {
    /// From the decision for more capacity to the launch, all launches together.
    decisions: i64,
    /// From the launch to a Ready node, in the order of launches.
    boots: Vec<i64>,
    drains: Vec<i64>,
}

fn times(fine: &Ours) -> BTreeMap<AsgName, Times> {
    let mut times: BTreeMap<AsgName, Times> = BTreeMap::new();
    let mut begun: BTreeMap<InstanceId, Timestamp> = BTreeMap::new();
    for record in &fine.records {
        match &record.event {
            Event::Group(_, _, GroupEvent::DrainStarted { instance, .. }) => {
                begun.entry(instance.clone()).or_insert(record.at);
            }
            Event::Step(_, StepEvent::Intent { group, effect, .. }) => match &**effect {
                Effect::Cloud(CloudEffect::SetDesired { from, to, .. }) => {
                    times.entry(group.clone()).or_default().decisions -=
                        record.at.millis() * (i64::from(*to) - i64::from(*from));
                }
                Effect::Cloud(CloudEffect::Terminate {
                    instance,
                    decrement,
                    ..
                }) => {
                    let group = times.entry(group.clone()).or_default();
                    group.drains.push(record.at.since(begun[instance]).millis());
                    group.decisions -= if *decrement { 0 } else { record.at.millis() };
                }
                _ => {}
            },
            _ => {}
        }
    }
    for (group, launches) in &fine.launches {
        let mut launches = launches.clone();
        launches.sort();
        let times = times.get_mut(group).unwrap();
        assert_eq!(
            (times.drains.len(), launches.len()),
            (SIZE, SIZE),
            "{group} is exchanged once, instance by instance"
        );
        times.boots = launches
            .iter()
            .map(|(launched, ready)| ready.since(*launched).millis())
            .collect();
        times.decisions += launches
            .iter()
            .map(|(launched, _)| launched.millis())
            .sum::<i64>();
    }
    times
}

/// No roll under these budgets can be shorter, see above.
fn bound(fine: &Ours, budgets: &Budgets) -> Span {
    let (bake, surge) = (fine.bake.millis(), i64::from(budgets.surge));
    let mut ends: Vec<i64> = Vec::new();
    for Times {
        decisions,
        boots,
        mut drains,
    } in times(fine).into_values()
    {
        let decision = decisions / SIZE as i64;
        let (canary, mut rest) = (boots[0], boots[1..].to_vec());
        rest.sort_unstable();
        drains.sort_unstable();
        let proven = decision + canary + bake;
        let launches = |k: usize| {
            rest[..k - 1]
                .iter()
                .map(|boot| boot + decision)
                .sum::<i64>()
        };
        ends.extend(
            (1..=SIZE).map(|k| proven + (launches(k) + drains[..k].iter().sum::<i64>()) / surge),
        );
    }
    // The n-th end over all groups, if there were no rate; and then with it.
    ends.sort_unstable();
    let (rate, per) = (budgets.rate.instances as usize, budgets.rate.per.millis());
    for n in rate..ends.len() {
        ends[n] = ends[n].max(ends[n - rate] + per);
    }
    Span::from_millis(*ends.last().unwrap())
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
        let kops = Kops {
            world: &world,
            place: place(scene),
        };
        let start = world.now();
        block(async {
            for (group, ..) in GROUPS {
                kops.group(&name(&format!("{group}.{}", kops.place.cluster)))
                    .await;
            }
        });
        world.now().since(start)
    }

    async fn live(&self) -> LiveCluster {
        look(self.world, std::slice::from_ref(&self.place))
            .await
            .unwrap()
            .clusters
            .remove(&self.place.cluster)
            .unwrap()
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
        self.cloud(CloudEffect::Detach {
            group: asg.clone(),
            instance: detached.clone(),
        })
        .await;
        self.sleep(INTERVAL).await;
        self.validate(asg).await;
        for instance in rest.iter().chain([detached]) {
            self.drain(instance).await;
            self.cloud(CloudEffect::Terminate {
                group: asg.clone(),
                instance: instance.clone(),
                decrement: false,
            })
            .await;
            self.sleep(INTERVAL).await;
            self.validate(asg).await;
        }
    }

    async fn new_version(&self, asg: &AsgName, found: &LiveGroup) {
        let from = found.version.number();
        let mut data = found.versions[&from].data.clone();
        data.image_id = "image-2".into();
        let (template, user_data) = (asg.clone(), UserData::CarriedFrom(from));
        let made = self
            .cloud(CloudEffect::CreateTemplateVersion {
                template,
                data: Box::new(data),
                user_data,
                carry: None,
                token: "kops".into(),
            })
            .await;
        let Applied::Version(to) = made else {
            panic!("{made:?}")
        };
        self.cloud(CloudEffect::PinVersion {
            group: asg.clone(),
            from,
            to,
        })
        .await;
    }

    /// Two successes in a row: as many members as wanted, each with a Ready node.
    async fn validate(&self, asg: &AsgName) {
        let mut good = 0;
        while good < 2 {
            let live = self.live().await;
            let Nodes::Known(nodes) = &live.nodes else {
                panic!()
            };
            let ready =
                |id: &InstanceId| nodes.nodes.values().any(|n| n.instance == *id && n.ready);
            let group = &live.groups[asg];
            let members = group
                .instances
                .iter()
                .filter(|(_, i)| matches!(i.lifecycle, Lifecycle::Pending | Lifecycle::InService));
            let (all, well) = members.fold((0, 0), |(all, well), (id, _)| {
                (all + 1, well + u32::from(ready(id)))
            });
            let valid = all >= group.desired && well == all;
            good = if valid { good + 1 } else { 0 };
            if good < 2 {
                self.sleep(if valid {
                    VALIDATE_TWICE
                } else {
                    VALIDATE_AGAIN
                })
                .await;
            }
        }
    }

    async fn drain(&self, instance: &InstanceId) {
        let Some((node, _)) = self.node(instance).await else {
            return;
        };
        self.world
            .act(
                &self.place.cluster,
                &NodeEffect::Cordon {
                    node: node.clone(),
                    instance: instance.clone(),
                },
            )
            .await
            .unwrap();
        while self
            .node(instance)
            .await
            .is_some_and(|(_, n)| n.evictable_pods > 0)
        {
            self.world
                .act(
                    &self.place.cluster,
                    &NodeEffect::Evict {
                        node: node.clone(),
                        instance: instance.clone(),
                        policy: Eviction::default(),
                    },
                )
                .await
                .unwrap();
            if self
                .node(instance)
                .await
                .is_some_and(|(_, n)| n.evictable_pods > 0)
            {
                self.sleep(Span::from_secs(5)).await;
            }
        }
        self.sleep(POST_DRAIN).await;
    }

    async fn node(&self, instance: &InstanceId) -> Option<(NodeName, Node)> {
        let Nodes::Known(nodes) = self.live().await.nodes else {
            panic!()
        };
        nodes
            .nodes
            .into_iter()
            .find(|(_, n)| n.instance == *instance)
            .map(|(name, node)| (name, (*node).clone()))
    }
}
