//! What happens to instances, nodes and pods that nobody asked for: each as AWS and Kubernetes document it.

use kfleet::cloud::local::{Scenario, World};
use kfleet::model::{
    CloudEffect, Definition, Eviction, Health, InstanceId, Lifecycle, Node, NodeEffect, NodeName,
    UserData,
};

use super::{CLUSTER, faults};
use crate::bench::{Bench, definition, desired, new_version, quiet_world};

/// Plays an act now.
fn act(world: &World, act: &str) {
    let text = format!("version: 1\nscenario:\n  - {{act: \"{act}\"}}\n");
    world
        .set_scenario(Scenario::parse("acts", &text).unwrap())
        .unwrap();
}

fn evict(node: &NodeName, shown: &Node) -> NodeEffect {
    NodeEffect::Evict {
        node: node.clone(),
        instance: shown.instance.clone(),
        policy: Eviction::default(),
    }
}

fn cordon(node: &NodeName, shown: &Node) -> NodeEffect {
    NodeEffect::Cordon {
        node: node.clone(),
        instance: shown.instance.clone(),
    }
}

/// The node with the most pods, of those that are Ready.
async fn busiest(bench: &Bench<'_, World>) -> (NodeName, Node) {
    let nodes = bench.nodes().await.into_iter();
    nodes
        .filter(|(_, n)| n.ready)
        .max_by_key(|(_, n)| n.evictable_pods)
        .unwrap()
}

#[tokio::test]
async fn a_bastion_is_no_node() {
    let (world, _dir) = quiet_world();
    let bench = Bench::new(&world, CLUSTER);
    let mut bastion: Definition = definition(CLUSTER, "bastion", 1, 2);
    let role = |tag: &mut kfleet::model::Tag| tag.key = "k8s.io/role/bastion".into();
    let tags = &mut bastion.auto_scaling_group.tags;
    tags.iter_mut()
        .filter(|t| t.key == "k8s.io/role/node")
        .for_each(role);
    let name = bench.created(&bastion, 2).await;
    bench.pass(600).await;
    assert_eq!(bench.instances(&name, Lifecycle::InService).await.len(), 2);
    assert!(bench.nodes().await.is_empty());
}

#[tokio::test]
async fn standby_is_outside_desired_capacity() {
    let (world, _dir) = quiet_world();
    let bench = Bench::new(&world, CLUSTER);
    let name = bench.created(&definition(CLUSTER, "nodes", 0, 5), 2).await;
    act(&world, "standby:nodes:1");
    let standby = bench.instances(&name, Lifecycle::Standby).await;
    bench.complete(&name).await;
    assert_eq!(bench.instances(&name, Lifecycle::InService).await.len(), 2);
    // Scale-in leaves it alone.
    assert_eq!(bench.told(&desired(&name, 2, 0)).await, "done");
    bench.pass(600).await;
    assert_eq!(bench.group(&name).await.instances.len(), 1);
    assert_eq!(bench.instances(&name, Lifecycle::Standby).await, standby);
}

/// What was protected before it went to Standby is let go there.
#[tokio::test]
async fn protection_ends_in_standby_too() {
    let (world, _dir) = quiet_world();
    let bench = Bench::new(&world, CLUSTER);
    let name = bench.created(&definition(CLUSTER, "nodes", 0, 5), 1).await;
    let instances = bench.instances(&name, Lifecycle::InService).await;
    let protect = |protect| CloudEffect::Protect {
        group: name.clone(),
        instances: instances.iter().cloned().collect(),
        protect,
    };
    assert_eq!(bench.told(&protect(true)).await, "done");
    act(&world, "standby:nodes:1");
    assert_eq!(bench.told(&protect(false)).await, "done");
    let group = bench.group(&name).await;
    assert!(group.instances.values().all(|i| !i.protected));
}

#[tokio::test]
async fn an_unhealthy_instance_is_replaced_unless_that_is_suspended() {
    for (suspended, kept) in [("ReplaceUnhealthy", true), ("ScheduledActions", false)] {
        let (world, _dir) = quiet_world();
        let bench = Bench::new(&world, CLUSTER);
        let name = bench.created(&definition(CLUSTER, "nodes", 0, 5), 2).await;
        act(&world, &format!("suspend:nodes:{suspended}"));
        act(&world, "unhealthy:nodes:1");
        let group = bench.group(&name).await;
        let sick = group
            .instances
            .iter()
            .find(|(_, i)| i.health == Health::Unhealthy);
        let sick: InstanceId = sick.unwrap().0.clone();
        bench.pass(900).await;
        let group = bench.group(&name).await;
        assert_eq!(group.instances.contains_key(&sick), kept, "{suspended}");
        assert_eq!(bench.instances(&name, Lifecycle::InService).await.len(), 2);
    }
}

#[tokio::test]
async fn evicted_pods_stay_for_their_grace_period() {
    let (world, _dir) = quiet_world();
    let bench = Bench::new(&world, CLUSTER);
    bench.created(&definition(CLUSTER, "nodes", 1, 5), 3).await;
    bench.all_ready().await;
    world.set_faults(faults(&["slow-pods:nodes:45"]));
    let (node, before) = busiest(&bench).await;
    assert!(before.evictable_pods > 0);
    bench.act(cordon(&node, &before)).await;
    bench.act(evict(&node, &before)).await;
    let leaving = bench.nodes().await[&node].clone();
    assert!(leaving.leaving_pods > 0);
    assert_eq!(leaving.evictable_pods, before.evictable_pods);
    bench.pass(50).await;
    let after = bench.nodes().await[&node].clone();
    assert_eq!(after.leaving_pods, 0);
    assert!(after.evictable_pods < before.evictable_pods);
}

#[tokio::test]
async fn pods_on_a_dead_kubelet_stay_until_it_is_back() {
    let (world, _dir) = quiet_world();
    let bench = Bench::new(&world, CLUSTER);
    bench.created(&definition(CLUSTER, "nodes", 1, 5), 1).await;
    bench.all_ready().await;
    world.set_faults(faults(&["slow-pods:nodes:30"]));
    let (node, before) = busiest(&bench).await;
    act(&world, "node-down:nodes:1");
    let down = bench.nodes().await[&node].clone();
    let why = down.unready_because.unwrap();
    assert!(!down.ready && why.starts_with("NodeStatusUnknown"), "{why}");
    bench.act(evict(&node, &before)).await;
    bench.pass(7_200).await;
    let left = bench.nodes().await[&node].clone();
    assert!(left.leaving_pods > 0 && left.evictable_pods == before.evictable_pods);
    act(&world, "node-up:nodes:1");
    bench.pass(1).await;
    let back = bench.nodes().await[&node].clone();
    assert_eq!((back.ready, back.leaving_pods), (true, 0));
}

#[tokio::test]
async fn an_idle_node_goes_unless_it_is_marked() {
    for (marked, left) in [(true, 3), (false, 2)] {
        let (world, _dir) = quiet_world();
        let bench = Bench::new(&world, CLUSTER);
        let name = bench.created(&definition(CLUSTER, "nodes", 1, 5), 2).await;
        bench.all_ready().await;
        world.set_faults(faults(&["idle-scale-down:nodes:600"]));
        // One more than there are pods for stays empty.
        assert_eq!(bench.told(&desired(&name, 2, 3)).await, "done");
        bench.complete(&name).await;
        bench.all_ready().await;
        let nodes = bench.nodes().await;
        let idle = nodes.iter().find(|(_, n)| n.evictable_pods == 0).unwrap();
        if marked {
            // A drain marks what it cordons; cordoned or not, the autoscaler keeps off.
            bench.act(cordon(idle.0, idle.1)).await;
        }
        bench.pass(1_200).await;
        assert_eq!(bench.group(&name).await.desired, left, "marked: {marked}");
    }
}

#[tokio::test]
async fn reads_lag_behind_effects_when_that_is_ordered() {
    let (world, _dir) = quiet_world();
    let bench = Bench::new(&world, CLUSTER);
    let name = bench.created(&definition(CLUSTER, "nodes", 0, 5), 1).await;
    world.set_faults(faults(&["stale-reads:8"]));
    assert_eq!(bench.told(&desired(&name, 1, 2)).await, "done");
    assert_eq!(bench.group(&name).await.desired, 1);
    // What takes effect goes by what is, not by what is read.
    assert_eq!(bench.told(&desired(&name, 1, 2)).await, "already");
    bench.pass(9).await;
    assert_eq!(bench.group(&name).await.desired, 2);
}

#[tokio::test]
async fn a_lifecycle_hook_holds_up_the_end() {
    let (world, _dir) = quiet_world();
    let bench = Bench::new(&world, CLUSTER);
    let name = bench.created(&definition(CLUSTER, "nodes", 0, 5), 1).await;
    world.set_faults(faults(&["slow-end:nodes:300"]));
    assert_eq!(bench.told(&desired(&name, 1, 0)).await, "done");
    bench.pass(290).await;
    assert_eq!(
        bench.instances(&name, Lifecycle::Terminating).await.len(),
        1
    );
    bench.pass(60).await;
    assert!(bench.group(&name).await.instances.is_empty());
}

#[tokio::test]
async fn a_pinned_version_stays_and_a_running_one_may_go() {
    let (world, _dir) = quiet_world();
    let bench = Bench::new(&world, CLUSTER);
    let wanted = definition(CLUSTER, "nodes", 0, 5);
    let name = bench.created(&wanted, 1).await;
    for (image, token) in [("ami-2", "second"), ("ami-3", "third")] {
        bench
            .told(&new_version(
                &wanted,
                image,
                UserData::CarriedFrom(1),
                token,
            ))
            .await;
    }
    assert_eq!(bench.told(&crate::bench::pin(&name, 1, 2)).await, "done");
    act(&world, "delete-version:nodes");
    act(&world, "delete-version:nodes");
    let group = bench.group(&name).await;
    assert_eq!(group.version.number(), 2);
    let kept: Vec<_> = group.versions.keys().copied().collect();
    // The newest stays: its number must not be given twice.
    assert_eq!((kept, group.latest_version), (vec![2, 3], 3));
}

#[tokio::test]
async fn another_persons_refresh_replaces_the_whole_group() {
    let (world, _dir) = quiet_world();
    let bench = Bench::new(&world, CLUSTER);
    let name = bench.created(&definition(CLUSTER, "nodes", 0, 5), 2).await;
    let before = bench.instances(&name, Lifecycle::InService).await;
    act(&world, "refresh:nodes");
    assert!(
        bench
            .group(&name)
            .await
            .refresh
            .is_some_and(|r| r.status.is_active())
    );
    bench.pass(3_600).await;
    bench.complete(&name).await;
    let after = bench.instances(&name, Lifecycle::InService).await;
    assert!(after.iter().all(|id| !before.contains(id)), "{after:?}");
}
