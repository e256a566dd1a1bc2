//! What a drain may rely on, whoever carries it out.

use std::collections::{BTreeMap, BTreeSet};

use kfleet::cloud::Cloud;
use kfleet::cloud::local::World;
use kfleet::model::{
    Applied, ClusterName, Eviction, Hold, InstanceId, Lifecycle, Node, NodeEffect, NodeMark,
    NodeName, Nodes, OldNodes, PodRef, Seen, Span,
};
use kfleet::nodes::NodeApi;
use kfleet::nodes::kube::Clusters;

use crate::api::{Api, CLUSTER};
use crate::bench::{Bench, definition, quiet_world};

/// A cluster of four nodes with pods under budgets that allow one disruption every twenty seconds.
pub trait Ground {
    type Nodes: NodeApi;
    fn nodes(&self) -> &Self::Nodes;
    /// Lets seconds pass.
    async fn pass(&self, seconds: i64);
    /// From now on no budget allows anything.
    fn hold_everything(&self);
    fn instances(&self) -> impl Future<Output = BTreeSet<String>>;
}

pub struct Simulated {
    world: World,
    _dir: tempfile::TempDir,
}

pub async fn simulated() -> Simulated {
    let (world, dir) = quiet_world();
    let bench = Bench::new(&world, CLUSTER);
    bench.created(&definition(CLUSTER, "nodes", 1, 5), 4).await;
    bench.all_ready().await;
    Simulated { world, _dir: dir }
}

impl Ground for Simulated {
    type Nodes = World;
    fn nodes(&self) -> &World {
        &self.world
    }
    async fn pass(&self, seconds: i64) {
        self.world
            .wait(self.world.now() + Span::from_secs(seconds))
            .await
            .unwrap();
    }
    fn hold_everything(&self) {
        self.world
            .set_faults(vec!["stuck-drain:nodes".parse().unwrap()]);
    }
    async fn instances(&self) -> BTreeSet<String> {
        let name = format!("nodes.{CLUSTER}").parse().unwrap();
        let ids = Bench::new(&self.world, CLUSTER)
            .instances(&name, Lifecycle::InService)
            .await;
        ids.iter().map(ToString::to_string).collect()
    }
}

pub struct Real {
    api: Api,
    client: Clusters,
}

pub fn real() -> Real {
    let api = Api::new();
    api.with(|kept| {
        for n in 1..=4 {
            kept.node(&format!("node-{n}"), &format!("i-{n}"));
        }
        for n in 0..16 {
            let app = format!("app-{}", n % 2);
            kept.pod("default", &app, &format!("node-{}", n % 4 + 1), |p| {
                p["spec"]["terminationGracePeriodSeconds"] = serde_json::json!(10)
            });
            kept.budgets.insert(("default".into(), app), Some(0));
        }
    });
    let client = api.client();
    Real { api, client }
}

impl Ground for Real {
    type Nodes = Clusters;
    fn nodes(&self) -> &Clusters {
        &self.client
    }
    async fn pass(&self, seconds: i64) {
        self.api.with(|kept| kept.pass(seconds));
    }
    fn hold_everything(&self) {
        self.api
            .with(|kept| kept.budgets.values_mut().for_each(|b| *b = None));
    }
    async fn instances(&self) -> BTreeSet<String> {
        (1..=4).map(|n| format!("i-{n}")).collect()
    }
}

fn cluster() -> ClusterName {
    CLUSTER.parse().unwrap()
}

async fn seen(ground: &impl Ground) -> Seen {
    match ground.nodes().nodes(&cluster()).await {
        Nodes::Known(seen) => seen,
        other => panic!("{other:?}"),
    }
}

async fn node(ground: &impl Ground, name: &NodeName) -> Node {
    Node::clone(&seen(ground).await.nodes.remove(name).unwrap())
}

async fn act(ground: &impl Ground, effect: NodeEffect) -> Applied {
    ground.nodes().act(&cluster(), &effect).await.unwrap()
}

/// The node with most pods.
async fn fullest(ground: &impl Ground) -> NodeName {
    seen(ground)
        .await
        .nodes
        .into_iter()
        .max_by_key(|(_, n)| n.evictable_pods)
        .unwrap()
        .0
}

/// The instance behind a node; of one that is not there: any.
async fn behind(ground: &impl Ground, node: &NodeName) -> InstanceId {
    let seen = seen(ground).await;
    let found = seen.nodes.get(node).map(|n| n.instance.clone());
    found.unwrap_or_else(|| "i-none".parse().unwrap())
}

async fn with_instances(
    ground: &impl Ground,
    nodes: &BTreeSet<NodeName>,
) -> BTreeMap<NodeName, InstanceId> {
    let mut named = BTreeMap::new();
    for node in nodes {
        named.insert(node.clone(), behind(ground, node).await);
    }
    named
}

async fn cordon(ground: &impl Ground, node: &NodeName) -> NodeEffect {
    let instance = behind(ground, node).await;
    let node = node.clone();
    NodeEffect::Cordon { node, instance }
}

async fn uncordon(ground: &impl Ground, node: &NodeName) -> NodeEffect {
    let instance = behind(ground, node).await;
    let node = node.clone();
    NodeEffect::Uncordon { node, instance }
}

async fn evict(ground: &impl Ground, node: &NodeName) -> NodeEffect {
    NodeEffect::Evict {
        node: node.clone(),
        instance: behind(ground, node).await,
        policy: Eviction::default(),
    }
}

async fn delete(ground: &impl Ground, node: &NodeName, pod: &str, uid: &str) -> NodeEffect {
    NodeEffect::Delete {
        node: node.clone(),
        instance: behind(ground, node).await,
        pods: BTreeSet::from([PodRef {
            pod: pod.into(),
            uid: uid.into(),
        }]),
    }
}

pub async fn a_look_shows_nodes_with_their_instances(ground: &impl Ground) {
    let first = seen(ground).await;
    assert_eq!(
        first
            .nodes
            .values()
            .map(|n| n.instance.to_string())
            .collect::<BTreeSet<_>>(),
        ground.instances().await
    );
    assert!(
        !first.uid.is_empty()
            && first.denied.is_empty()
            && first.waiting.is_empty()
            && first.unready.is_empty()
    );
    for node in first.nodes.values() {
        assert!(
            node.ready && node.unready_because.is_none() && node.kubelet.starts_with("v1."),
            "{node:?}"
        );
        assert!(
            !node.cordoned
                && !node.tainted
                && node.ours.is_empty()
                && node.blocked.is_empty()
                && node.leaving_pods == 0,
            "{node:?}"
        );
    }
    assert_eq!(seen(ground).await, first, "looking changes nothing");
}

pub async fn a_cordon_is_done_once_and_taken_back_whole(ground: &impl Ground) {
    let before = seen(ground).await;
    let name = before.nodes.keys().next().unwrap().clone();
    for told in [Applied::Done, Applied::Already] {
        assert_eq!(act(ground, cordon(ground, &name).await).await, told);
        let node = node(ground, &name).await;
        assert!(node.cordoned);
        assert_eq!(
            node.ours,
            [
                NodeMark::Cordoned,
                NodeMark::OutOfLoadBalancers,
                NodeMark::KeptFromAutoscaler
            ]
            .into()
        );
    }
    for told in [Applied::Done, Applied::Already] {
        assert_eq!(act(ground, uncordon(ground, &name).await).await, told);
        assert_eq!(seen(ground).await, before);
    }
}

pub async fn an_old_node_is_closed_once_and_opened_whole(ground: &impl Ground) {
    let before = seen(ground).await;
    let nodes: BTreeSet<NodeName> = before.nodes.keys().take(1).cloned().collect();
    let name = nodes.first().unwrap();
    let nodes = with_instances(ground, &nodes).await;
    for (old_nodes, told) in [
        (OldNodes::Prefer, Applied::Done),
        (OldNodes::Avoid, Applied::Done),
        (OldNodes::Avoid, Applied::Already),
        (OldNodes::Prefer, Applied::Already),
    ] {
        let nodes = nodes.clone();
        let effect = NodeEffect::Taint { nodes, old_nodes };
        assert_eq!(act(ground, effect).await, told, "{old_nodes:?}");
    }
    assert!(node(ground, name).await.tainted);
    for told in [Applied::Done, Applied::Already] {
        let nodes = nodes.clone();
        assert_eq!(act(ground, NodeEffect::Untaint { nodes }).await, told);
    }
    assert_eq!(seen(ground).await, before);
}

pub async fn a_taint_is_done_once_and_outlives_a_cordon(ground: &impl Ground) {
    let before = seen(ground).await;
    let nodes: BTreeSet<NodeName> = before.nodes.keys().take(2).cloned().collect();
    let name = nodes.first().unwrap();
    let named = with_instances(ground, &nodes).await;
    for told in [Applied::Done, Applied::Already] {
        assert_eq!(
            act(
                ground,
                NodeEffect::Taint {
                    nodes: named.clone(),
                    old_nodes: OldNodes::Prefer,
                }
            )
            .await,
            told
        );
    }
    let tainted: BTreeSet<NodeName> = seen(ground)
        .await
        .nodes
        .into_iter()
        .filter(|(_, n)| n.tainted)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(tainted, nodes);
    act(ground, cordon(ground, name).await).await;
    act(ground, uncordon(ground, name).await).await;
    let left = node(ground, name).await;
    assert!(
        left.tainted && !left.cordoned && left.ours == [NodeMark::Tainted].into(),
        "{left:?}"
    );
    for told in [Applied::Done, Applied::Already] {
        assert_eq!(
            act(
                ground,
                NodeEffect::Untaint {
                    nodes: named.clone()
                }
            )
            .await,
            told
        );
    }
    assert_eq!(seen(ground).await, before);
}

pub async fn a_drain_keeps_to_the_budgets_and_ends(ground: &impl Ground) {
    let count = |seen: &Seen| seen.nodes.values().map(|n| n.evictable_pods).sum::<u32>();
    let name = fullest(ground).await;
    let all = count(&seen(ground).await);
    act(ground, cordon(ground, &name).await).await;
    let (mut rounds, mut blocked) = (0, 0);
    while act(ground, evict(ground, &name).await).await == Applied::Done {
        blocked += node(ground, &name).await.blocked.len();
        ground.pass(5).await;
        rounds += 1;
        assert!(rounds < 200, "it never ends");
    }
    assert!(
        blocked > 0 && rounds > 4,
        "budgets make a drain take time: {rounds} rounds, {blocked} blocked"
    );
    let after = seen(ground).await;
    assert_eq!(after.nodes[&name].evictable_pods, 0);
    assert_eq!(count(&after), all, "evicted pods come back elsewhere");
}

pub async fn what_is_held_is_named_and_goes_by_force_alone(ground: &impl Ground) {
    ground.pass(1000).await;
    let name = fullest(ground).await;
    act(ground, cordon(ground, &name).await).await;
    ground.hold_everything();
    for _ in 0..3 {
        assert_eq!(act(ground, evict(ground, &name).await).await, Applied::Done);
        ground.pass(60).await;
    }
    let held = node(ground, &name).await;
    assert_eq!(held.blocked.len(), held.evictable_pods as usize);
    let owners: BTreeMap<_, _> = held
        .blocked
        .iter()
        .map(|b| (b.pod.clone(), b.owner.clone().unwrap()))
        .collect();
    assert!(
        owners
            .values()
            .all(|o| o.starts_with("ReplicaSet default/")),
        "{owners:?}"
    );
    let first = held.blocked.first().unwrap();
    let Hold::Budget(budget) = &first.hold else {
        panic!("{first:?}")
    };
    assert!(
        budget.starts_with("default/") && first.pod.starts_with(budget.as_str()),
        "{first:?}"
    );
    assert!(first.sibling_started_at.is_some());
    let stranger = delete(ground, &name, &first.pod, "another").await;
    assert_eq!(
        act(ground, stranger).await,
        Applied::Already,
        "made anew under the same name"
    );
    let this = delete(ground, &name, &first.pod, &first.uid).await;
    assert_eq!(act(ground, this.clone()).await, Applied::Done);
    ground.pass(30).await;
    assert_eq!(act(ground, this).await, Applied::Already);
    let after = node(ground, &name).await;
    assert_eq!(after.evictable_pods, held.evictable_pods - 1);
    assert!(after.blocked.iter().all(|b| b.uid != first.uid));
}

pub async fn a_node_that_is_gone_needs_nothing(ground: &impl Ground) {
    let node: NodeName = "ip-10-0-0-1".parse().unwrap();
    let nodes = with_instances(ground, &BTreeSet::from([node.clone()])).await;
    for effect in [
        cordon(ground, &node).await,
        uncordon(ground, &node).await,
        evict(ground, &node).await,
        delete(ground, &node, "default/x", "1").await,
        NodeEffect::Taint {
            nodes: nodes.clone(),
            old_nodes: OldNodes::Prefer,
        },
        NodeEffect::Untaint { nodes },
    ] {
        assert_eq!(act(ground, effect).await, Applied::Already);
    }
}

/// Names of nodes repeat between clusters, and are used again in one: what is meant is the instance.
pub async fn a_node_that_is_another_instance_is_left_alone(ground: &impl Ground) {
    let before = seen(ground).await;
    let (node, instance) = (
        fullest(ground).await,
        "i-of-another-cluster".parse::<InstanceId>().unwrap(),
    );
    let nodes = BTreeMap::from([(node.clone(), instance.clone())]);
    let pods = BTreeSet::from([PodRef {
        pod: "default/x".into(),
        uid: "1".into(),
    }]);
    let policy = Eviction::default();
    let (cordon, uncordon) = (
        NodeEffect::Cordon {
            node: node.clone(),
            instance: instance.clone(),
        },
        NodeEffect::Uncordon {
            node: node.clone(),
            instance: instance.clone(),
        },
    );
    let evict = NodeEffect::Evict {
        node: node.clone(),
        instance: instance.clone(),
        policy,
    };
    let delete = NodeEffect::Delete {
        node,
        instance,
        pods,
    };
    for effect in [cordon, uncordon, evict, delete] {
        let applied = act(ground, effect.clone()).await;
        assert!(
            matches!(applied, Applied::Moved(_)),
            "{effect:?}: {applied:?}"
        );
    }
    for effect in [
        NodeEffect::Taint {
            nodes: nodes.clone(),
            old_nodes: OldNodes::Prefer,
        },
        NodeEffect::Untaint { nodes },
    ] {
        assert_ne!(act(ground, effect).await, Applied::Done);
    }
    assert_eq!(seen(ground).await, before);
}
