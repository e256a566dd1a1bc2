//! A whole rollout: instances of the simulated account, and their nodes behind an API over HTTP. Killed on the way, and taken up again.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use kfleet::cloud::local::World;
use kfleet::cloud::{Cloud, CloudError, Place};
use kfleet::model::{
    AccountId, Applied, CloudEffect, ClusterName, Effect, InstanceId, Live, NodeEffect, Nodes,
    RegionRoom, RoomQuestion, Senders, Span, Timestamp, Versions,
};
use kfleet::nodes::kube::Clusters;
use kfleet::nodes::{NodeAccess, NodeApi, NodeError};
use kfleet::rollout::{Ending, Event, StepEvent};
use kfleet::run::{Outcome, RunError, Signal, run};
use kfleet::store::Journal;
use serde_json::json;

use crate::api::{Api, Kept};
use crate::support::{Scene, block, folder};

/// The simulated account, with its nodes behind the API.
pub struct Mixed<'a> {
    world: World,
    client: Clusters,
    api: &'a Api,
}

/// What a dead process leaves on the stack.
pub struct Killed;

/// The process dies with the nth step that fits.
pub type Kill = (fn(&NodeEffect) -> bool, usize);

/// Some pods have gone, and some have not: real controllers are so quick that there are no more than three rounds.
pub const IN_A_DRAIN: Kill = (|e| matches!(e, NodeEffect::Evict { .. }), 2);

impl<'a> Mixed<'a> {
    fn new(scene: &Scene, api: &'a Api) -> Mixed<'a> {
        let access = scene
            .clusters()
            .map(|c| {
                (
                    c.clone(),
                    NodeAccess {
                        context: "here".into(),
                        uid: None,
                    },
                )
            })
            .collect();
        Mixed {
            world: api.meet(scene.world()),
            client: Clusters::new(access, Some(api.file()), api.clock()),
            api,
        }
    }

    /// Nodes come and go with their instances; pods of one that is gone are made anew elsewhere.
    async fn follow(&self, cluster: &ClusterName) {
        if self.api.is_real() {
            let now = self.api.time().max(self.world.now());
            self.world.wait(now).await.unwrap();
        }
        let Nodes::Known(seen) = self.world.nodes(cluster).await else {
            panic!()
        };
        let now = self.world.now().millis() / 1000;
        self.api.with(|kept| {
            let gone: BTreeSet<String> = kept
                .nodes
                .keys()
                .filter(|n| !seen.nodes.keys().any(|s| s.as_str() == **n))
                .filter(|n| !kept.left_over.contains(*n))
                .cloned()
                .collect();
            gone.iter().for_each(|name| kept.lose(name));
            // Of a node that was deleted, and whose instance is gone now, nothing is left.
            let ended: Vec<String> = kept
                .deleted
                .iter()
                .filter(|n| !seen.nodes.keys().any(|s| s.as_str() == **n))
                .cloned()
                .collect();
            ended.iter().for_each(|name| kept.lose(name));
            for (name, node) in &seen.nodes {
                if kept.deleted.contains(name.as_str()) {
                    continue;
                }
                if !kept.nodes.contains_key(name.as_str()) {
                    joins(
                        kept,
                        name.as_str(),
                        node.instance.as_str(),
                        node.control_plane,
                    );
                }
                let dead = kept.dead.contains(name.as_str());
                // What a real kubelet says of itself is its own.
                if self.api.is_real() && !dead {
                    continue;
                }
                let found =
                    &mut kept.nodes.get_mut(name.as_str()).unwrap()["status"]["conditions"][0];
                found["status"] = json!(match (dead, node.ready) {
                    (true, _) => "Unknown",
                    (false, true) => "True",
                    (false, false) => "False",
                });
            }
            kept.pass(now - kept.now);
        });
    }
}

fn joins(kept: &mut Kept, name: &str, instance: &str, control_plane: bool) {
    kept.node(name, instance);
    kept.pod("kube-system", "kube-proxy", name, |p| {
        p["metadata"]["ownerReferences"][0]["kind"] = json!("DaemonSet");
        p["spec"]["priorityClassName"] = json!("system-node-critical");
    });
    if control_plane {
        kept.nodes.get_mut(name).unwrap()["metadata"]["labels"]["node-role.kubernetes.io/control-plane"] =
            json!("");
        let etcd = ["etcd-manager-main", "etcd-manager-events"];
        for component in kfleet::rollout::COMPONENTS.into_iter().chain(etcd) {
            kept.pod("kube-system", component, name, |p| {
                p["metadata"]["labels"]["k8s-app"] = json!(component);
                p["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
            });
        }
    }
}

impl Cloud for Mixed<'_> {
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
        self.world.account(place).await
    }
    async fn read(&self, places: &[Place]) -> Result<Live, CloudError> {
        self.world.read(places).await
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
        self.world.apply(place, effect).await
    }
}

impl kfleet::engine::Engine for Mixed<'_> {}

impl NodeApi for Mixed<'_> {
    fn expect(&self, cluster: &ClusterName, uid: &str) {
        self.client.expect(cluster, uid);
    }
    async fn nodes(&self, cluster: &ClusterName) -> Nodes {
        self.follow(cluster).await;
        self.client.nodes(cluster).await
    }
    async fn act(&self, cluster: &ClusterName, effect: &NodeEffect) -> Result<Applied, NodeError> {
        self.client.act(cluster, effect).await
    }
}

/// Carries on until the end, or until the process dies just before it writes down the outcome of the nth step that fits.
pub fn carry(
    scene: &Scene,
    api: &Api,
    journal: &mut Journal,
    dies: Option<Kill>,
) -> Option<Result<Outcome, RunError>> {
    carry_beside(scene, api, journal, dies, |_| {})
}

/// The same, with what happens beside it when something is written down.
pub fn carry_beside(
    scene: &Scene,
    api: &Api,
    journal: &mut Journal,
    dies: Option<Kill>,
    beside: impl Fn(&Event),
) -> Option<Result<Outcome, RunError>> {
    let mixed = Mixed::new(scene, api);
    let mut drive = scene.drive();
    if api.follows() {
        drive.poll = Span::from_secs(1);
        drive.watch = Span::from_secs(2);
    }
    let (mut steps, mut left): (BTreeMap<u64, Effect>, usize) =
        (BTreeMap::new(), dies.map_or(0, |(_, n)| n));
    let result = catch_unwind(AssertUnwindSafe(|| {
        block(run(
            &mixed,
            &scene.store(),
            journal,
            &drive,
            || false,
            |signal| {
                let Signal::Recorded(record) = signal else {
                    return;
                };
                beside(&record.event);
                match (&record.event, dies) {
                    (Event::Step(step, StepEvent::Intent { effect, .. }), _) => {
                        drop(steps.insert(*step, (**effect).clone()))
                    }
                    (Event::Step(step, StepEvent::Outcome { .. }), Some((fits, _))) => {
                        let Some(Effect::Node(effect)) = steps.get(step) else {
                            return;
                        };
                        left -= usize::from(fits(effect));
                        if left == 0 {
                            resume_unwind(Box::new(Killed));
                        }
                    }
                    _ => {}
                }
            },
        ))
    }));
    match result {
        Ok(outcome) => Some(outcome),
        Err(payload) if payload.is::<Killed>() => None,
        Err(payload) => resume_unwind(payload),
    }
}

/// A cluster of one control-plane node and three others, with four pods on each (two where time is real) under one budget; it waits for another image.
pub fn prepared(dir: &std::path::Path, api: &Api) -> Scene {
    with_grace(dir, api, api.either(15, 2))
}

/// The same, with pods that take so long to end.
pub fn with_grace(dir: &std::path::Path, api: &Api, grace: i64) -> Scene {
    let mut scene = Scene::small(dir, &[("nodes", 3, 6, false)]);
    scene.soak = Span::from_secs(api.either(60, 5));
    scene.rolling.bake = Span::from_secs(api.either(60, 5));
    if api.is_real() {
        scene.faults = ["control-plane-a", "nodes"]
            .map(|g| format!("slow-boot:{g}:1"))
            .into();
    }
    begun(&scene, api, "r1", None);
    api.follow();
    api.with(|kept| {
        let nodes: Vec<String> = kept
            .nodes
            .iter()
            .filter(|(_, n)| {
                n["metadata"]["labels"]["node-role.kubernetes.io/control-plane"].is_null()
            })
            .map(|(name, _)| name.clone())
            .collect();
        for node in nodes {
            for _ in 0..api.either(4, 2) {
                kept.pod("default", "web", &node, |p| {
                    p["spec"]["terminationGracePeriodSeconds"] = json!(grace)
                });
            }
        }
        kept.budgets
            .insert(("default".into(), "web".into()), Some(0));
    });
    scene.image = "image-2".into();
    scene
}

pub fn begun(scene: &Scene, api: &Api, id: &str, dies: Option<Kill>) {
    let rollout = scene.rollout(&api.meet(scene.world()), id, &[]);
    let (mut journal, _) = Journal::begin(&scene.store(), &rollout).unwrap();
    match (carry(scene, api, &mut journal, dies), dies) {
        (Some(outcome), None) => assert_eq!(outcome.unwrap(), Outcome::Ended(Ending::Finished)),
        (None, Some(_)) => {}
        (outcome, _) => panic!("{outcome:?}"),
    }
}

/// The instances that were ended are gone, and their nodes.
pub fn instances_end(scene: &Scene, api: &Api) {
    let mixed = Mixed::new(scene, api);
    api.runs_ahead();
    block(async {
        mixed
            .wait(mixed.now() + Span::from_secs(120))
            .await
            .unwrap();
        mixed.follow(&scene.staging[0]).await;
    });
}

/// Nothing of ours is on any node.
pub fn unmarked(scene: &Scene, api: &Api) {
    if api.is_real() {
        api.rest();
        instances_end(scene, api);
    }
    api.with(|kept| {
        for (name, node) in &kept.nodes {
            assert_eq!(
                node["metadata"]["annotations"]
                    .as_object()
                    .map_or(0, serde_json::Map::len),
                0,
                "{name}: {node}"
            );
            assert!(
                node["spec"]["taints"].as_array().is_none_or(Vec::is_empty)
                    && node["spec"]["unschedulable"] != true,
                "{name}: {node}"
            );
            assert!(
                node["metadata"]["labels"]
                    .get("node.kubernetes.io/exclude-from-external-load-balancers")
                    .is_none(),
                "{name}: {node}"
            );
        }
    });
}

/// Nothing of ours is on any node, every pod is there, and nobody was evicted twice.
pub fn at_rest(scene: &Scene, api: &Api) {
    unmarked(scene, api);
    let pods = usize::try_from(3 * api.either(4, 2)).unwrap();
    api.with(|kept| {
        assert_eq!(
            kept.pods
                .keys()
                .filter(|(namespace, _)| namespace == "default")
                .count(),
            pods
        );
        let once: BTreeSet<&String> = kept.evicted.iter().collect();
        assert_eq!(once.len(), kept.evicted.len(), "a pod was evicted twice");
        assert!(kept.evicted.len() >= pods, "{}", kept.evicted.len());
        assert!(kept.log.iter().all(|l| !l.starts_with("delete")));
    });
}

/// The old control plane's node may still be seen when the first worker is drained, where servers are slow.
fn is_worker(node: &serde_json::Value) -> bool {
    node["metadata"]["labels"]["node-role.kubernetes.io/control-plane"].is_null()
}

/// All of them where time is virtual, the last one where it is real.
pub fn some_of<T, const N: usize>(cases: [T; N]) -> impl Iterator<Item = T> {
    let first = if Api::serves_for_real() { N - 1 } else { 0 };
    cases.into_iter().skip(first)
}

#[test]
fn a_rollout_over_http_ends_and_leaves_nothing_behind() {
    let (dir, api) = (folder(), Api::new());
    let scene = prepared(dir.path(), &api);
    api.with(|kept| kept.calls.clear());
    begun(&scene, &api, "r2", None);
    at_rest(&scene, &api);
    let asked = |what: &str| api.with(|kept| kept.calls.iter().filter(|c| *c == what).count());
    let (lists, watches) = (asked("GET /api/v1/pods"), asked("WATCH /api/v1/pods"));
    if api.is_real() {
        println!("{lists} lists of pods, {watches} watches");
    } else {
        assert!(watches > 20 * lists, "{lists} lists, {watches} watches");
    }
    assert_eq!(
        scene
            .store()
            .baselines()
            .unwrap()
            .into_values()
            .map(|b| b.kubernetes)
            .collect::<Vec<_>>(),
        [Some(api.with(|kept| kept.uid.clone()))]
    );
}

#[test]
fn a_rollout_that_dies_in_a_drain_leaves_nothing_behind() {
    let kills: [Kill; 5] = [
        (|e| matches!(e, NodeEffect::Taint { .. }), 1),
        (|e| matches!(e, NodeEffect::Cordon { .. }), 2),
        (|e| matches!(e, NodeEffect::Evict { .. }), 1),
        (|e| matches!(e, NodeEffect::Evict { .. }), 9),
        IN_A_DRAIN,
    ];
    for kill in some_of(kills) {
        let (dir, api) = (folder(), Api::new());
        let scene = prepared(dir.path(), &api);
        begun(&scene, &api, "r2", Some(kill));
        let mut journal = Journal::take_up(&scene.store(), "r2").unwrap();
        let outcome = carry(&scene, &api, &mut journal, None);
        assert_eq!(outcome.unwrap().unwrap(), Outcome::Ended(Ending::Finished));
        at_rest(&scene, &api);
    }
}

#[test]
fn an_abort_in_the_middle_of_a_drain_gives_the_node_back() {
    let (dir, api) = (folder(), Api::new());
    let scene = prepared(dir.path(), &api);
    begun(
        &scene,
        &api,
        "r2",
        Some((|e| matches!(e, NodeEffect::Evict { .. }), 1)),
    );
    let taken: Vec<String> = api.with(|kept| {
        kept.nodes
            .iter()
            .filter(|(_, n)| n["spec"]["unschedulable"] == true && is_worker(n))
            .map(|(n, _)| n.clone())
            .collect()
    });
    assert_eq!(taken.len(), 1, "{taken:?}");
    let request = kfleet::store::Request::Abort {
        by: "test".into(),
        reason: "enough".into(),
    };
    scene.store().request("r2", &request).unwrap();
    let mut journal = Journal::take_up(&scene.store(), "r2").unwrap();
    let outcome = carry(&scene, &api, &mut journal, None);
    assert_eq!(outcome.unwrap().unwrap(), Outcome::Ended(Ending::Aborted));
    // The node that was drained goes with the surge; whatever stays is as it was.
    instances_end(&scene, &api);
    unmarked(&scene, &api);
    assert_eq!(api.with(|kept| kept.nodes.len()), 4);
}
