//! What a slow gate costs a rollout of many clusters: the wall time of 20 clusters, all side by side, whose gate takes its time, against that of one.
//! Near 1 when gates are asked at the same time; near 20 when one is asked after the other. Time is real here, and quick: a second of the simulated
//! account takes a millisecond, as does the gate's.
//! `cargo bench --bench slow_gates`; `-- SECONDS` sets how long the gate takes in real seconds, 2 when it is not given.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use kfleet::cloud::local::World;
use kfleet::cloud::{Cloud, CloudError, Place};
use kfleet::engine::Engine;
use kfleet::fleet::{GateKind, GateSpec, Wave};
use kfleet::model::{Applied, CloudEffect, ClusterName, NodeEffect, Nodes, Span, Timestamp};
use kfleet::nodes::{NodeApi, NodeError};
use kfleet::rollout::Ending;
use kfleet::run::{Outcome, run};
use kfleet::store::Journal;
use support::{Scene, asks_world, block, folder, name};

const CLUSTERS: usize = 20;

/// The simulated account, whose time passes as the clock on the wall does, only quicker.
struct Quick(World);

impl Cloud for Quick {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn wait(&self, until: Timestamp) -> Result<(), CloudError> {
        let passes = until.since(self.now()).millis() / 1_000;
        tokio::time::sleep(Duration::from_millis(u64::try_from(passes).unwrap())).await;
        self.0.wait(until).await
    }

    asks_world!(0);

    async fn apply(&self, place: &Place, effect: &CloudEffect) -> Result<Applied, CloudError> {
        self.0.apply(place, effect).await
    }
}

/// No cluster of it has kops for its engine.
impl Engine for Quick {}

impl NodeApi for Quick {
    async fn nodes(&self, cluster: &ClusterName) -> Nodes {
        self.0.nodes(cluster).await
    }

    async fn act(&self, cluster: &ClusterName, effect: &NodeEffect) -> Result<Applied, NodeError> {
        self.0.act(cluster, effect).await
    }
}

fn main() {
    let seconds: u64 = std::env::args()
        .skip(1)
        .find_map(|a| a.parse().ok())
        .unwrap_or(2);
    println!("clusters\tgate\tseconds");
    let (one, many) = (took(1, seconds), took(CLUSTERS, seconds));
    println!("1\t{seconds}\t{one:.2}\n{CLUSTERS}\t{seconds}\t{many:.2}");
    let free = (took(1, 0), took(CLUSTERS, 0));
    println!("1\t0\t{:.2}\n{CLUSTERS}\t0\t{:.2}", free.0, free.1);
    println!("ratio\t{:.2}", many / one);
    println!(
        "of it for the gate\t{:.2}",
        (many - free.1) / (one - free.0).max(0.001)
    );
}

/// Seconds on the wall for the first rollout of one cluster, and then of that many side by side.
fn took(clusters: usize, seconds: u64) -> f64 {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[("nodes", 1, 3, false)]);
    scene.prod = (1..=clusters)
        .map(|n| name(&format!("prod-{n:02}.k8s.test")))
        .collect();
    scene.stage_waves = Some(vec![Wave {
        clusters: scene.prod.clone(),
        parallel: clusters,
        soak: Span::ZERO,
    }]);
    scene.soak = Span::ZERO;
    scene.gates.push(GateSpec {
        name: "slow".into(),
        kind: GateKind::Command(["sleep".to_owned(), seconds.to_string()].to_vec()),
        deadline: Span::from_secs(86_400),
        at: None,
        samples: kfleet::fleet::Samples::default(),
    });
    let world = scene.world();
    let rollout = scene.rollout(&world, "r1", &[]);
    let (store, drive) = (scene.store(), scene.drive());
    let (mut journal, _) = Journal::begin(&store, &rollout).unwrap();
    let quick = Quick(world);
    let began = Instant::now();
    let outcome = block(run(&quick, &store, &mut journal, &drive, || false, |_| {}));
    assert_eq!(outcome.unwrap(), Outcome::Ended(Ending::Finished));
    began.elapsed().as_secs_f64()
}
