//! What can be ordered to go wrong, and what happens by itself.

use kfleet::cloud::local::{Options, World};
use kfleet::cloud::{Cloud, CloudError};
use kfleet::model::{
    ActivityStatus, Applied, AsgName, CloudEffect, Effect, Eviction, Hold, Lifecycle, NodeEffect,
    Nodes, UserData,
};
use kfleet::nodes::NodeApi;

use super::{CLUSTER, faults, lively, seen, spot_group};
use crate::bench::{Bench, definition, desired, new_version, pin, place, quiet, quiet_world};

#[tokio::test]
async fn instances_take_their_time() {
    let (world, _dir) = quiet_world();
    let name = spot_group(&world, CLUSTER, "nodes").await;
    let bench = Bench::new(&world, CLUSTER);
    let begin = world.now();
    let mut phases = String::new();
    for _ in 0..24 {
        let (group, nodes) = (bench.group(&name).await, bench.nodes().await);
        let serving = bench.instances(&name, Lifecycle::InService).await.len();
        let ready = nodes.values().filter(|n| n.ready).count();
        let pods: u32 = nodes.values().map(|n| n.evictable_pods).sum();
        phases += &format!(
            "{}s: {} instances, {serving} serving, {ready} ready, {pods} pods\n",
            world.now().since(begin).millis() / 1_000,
            group.instances.len()
        );
        bench.pass(10).await;
    }
    let told = [
        "0s: 0 instances, 0 serving, 0 ready, 0 pods",
        "40s: 3 instances, 0 serving, 0 ready, 0 pods",
        "80s: 3 instances, 0 serving, 0 ready, 0 pods",
        "120s: 3 instances, 1 serving, 0 ready, 0 pods",
        "160s: 3 instances, 3 serving, 3 ready, 17 pods",
        "200s: 3 instances, 3 serving, 3 ready, 17 pods",
    ];
    assert_eq!(phases.lines().step_by(4).collect::<Vec<_>>(), told);
}

async fn group_with(orders: &[&str], image: &str) -> (World, tempfile::TempDir, AsgName) {
    let (world, dir) = quiet_world();
    let bench = Bench::new(&world, CLUSTER);
    let wanted = definition(CLUSTER, "nodes", 1, 8);
    let name = bench.created(&wanted, 2).await;
    bench.all_ready().await;
    world.set_faults(faults(orders));
    bench
        .told(&new_version(
            &wanted,
            image,
            UserData::CarriedFrom(1),
            "second",
        ))
        .await;
    bench.told(&pin(&name, 1, 2)).await;
    assert_eq!(bench.told(&desired(&name, 2, 3)).await, "done");
    bench.pass(300).await;
    (world, dir, name)
}

#[tokio::test]
async fn sick_and_dead_images_and_refused_capacity() {
    for (orders, image, serving, pending, ready) in [
        (vec![], "ami-2", 3, 0, 3),
        (vec!["sick-image:ami-2"], "ami-2", 3, 0, 2),
        (vec!["sick-image:ami-2"], "ami-3", 3, 0, 3),
        (vec!["dead-image:ami-2"], "ami-2", 2, 1, 2),
        (vec!["no-capacity:nodes"], "ami-2", 2, 0, 2),
        (vec!["no-capacity:nodes.one.k8s.foo.bar"], "ami-2", 2, 0, 2),
        (vec!["no-capacity:others"], "ami-2", 3, 0, 3),
        (vec!["slow-boot:nodes:600"], "ami-2", 2, 1, 2),
    ] {
        let (world, dir, name) = group_with(&orders, image).await;
        let before = seen(&world, CLUSTER).await;
        drop(world);
        // Faults are not saved, what they brought about is.
        let world = World::open(dir.path(), quiet()).unwrap();
        let bench = Bench::new(&world, CLUSTER);
        assert_eq!(seen(&world, CLUSTER).await, before, "{orders:?}");
        assert_eq!(
            bench.instances(&name, Lifecycle::InService).await.len(),
            serving,
            "{orders:?}"
        );
        assert_eq!(
            bench.instances(&name, Lifecycle::Pending).await.len(),
            pending,
            "{orders:?}"
        );
        assert_eq!(
            bench.nodes().await.values().filter(|n| n.ready).count(),
            ready,
            "{orders:?}"
        );
    }
}

#[tokio::test]
async fn refused_capacity_is_told_and_ends() {
    let (world, _dir, name) = group_with(&["no-capacity:nodes"], "ami-2").await;
    let bench = Bench::new(&world, CLUSTER);
    let refusals = bench
        .group(&name)
        .await
        .activities
        .into_iter()
        .filter(|a| a.status == ActivityStatus::NoCapacity);
    let messages: Vec<String> = refusals.map(|a| a.message).collect();
    assert!(messages.len() >= 4, "{messages:?}");
    assert!(messages[0].starts_with("We currently do not have sufficient m5.xlarge capacity in the Availability Zone you requested (eu-west-3a)."));
    world.set_faults(Vec::new());
    bench.complete(&name).await;
    let last = bench.group(&name).await.activities.pop().unwrap();
    assert_eq!(last.status, ActivityStatus::Successful);
    bench.told(&desired(&name, 3, 2)).await;
    assert_eq!(
        bench.group(&name).await.activities.pop().unwrap().status,
        ActivityStatus::InProgress
    );
    bench.pass(36_000).await;
    assert!(bench.group(&name).await.activities.len() <= 20);
}

#[tokio::test]
async fn a_stuck_drain_names_its_budget() {
    let (world, _dir, _) = group_with(&["stuck-drain:nodes"], "ami-2").await;
    let done = world.done();
    let bench = Bench::new(&world, CLUSTER);
    let (node, before) = bench
        .nodes()
        .await
        .into_iter()
        .max_by_key(|(_, n)| n.evictable_pods)
        .unwrap();
    for _ in 0..20 {
        assert_eq!(
            bench
                .act(NodeEffect::Evict {
                    node: node.clone(),
                    instance: before.instance.clone(),
                    policy: Eviction::default()
                })
                .await,
            Applied::Done
        );
        bench.pass(30).await;
    }
    let after = &bench.nodes().await[&node];
    assert_eq!(
        (after.evictable_pods, after.blocked.len()),
        (before.evictable_pods, before.evictable_pods as usize)
    );
    let block = &after.blocked[0];
    assert_eq!(block.hold, Hold::Budget("default/nodes-app-0".into()));
    assert!(
        block.pod.starts_with("default/nodes-app-0-")
            && block.owner.as_deref() == Some("ReplicaSet default/nodes-app-0"),
        "{block:?}"
    );
    assert_eq!(world.done(), done, "nothing took effect");
}

#[tokio::test]
async fn calls_are_throttled_and_answers_lost() {
    let (world, _dir) = quiet_world();
    let name = spot_group(&world, CLUSTER, "nodes").await;
    let bench = Bench::new(&world, CLUSTER);
    world.keep_log();
    world.set_faults(faults(&["throttle:2"]));
    let mut errors = 0;
    for _ in 0..10 {
        errors += usize::from(matches!(
            world.read(std::slice::from_ref(&bench.place)).await,
            Err(CloudError::Throttled { .. })
        ));
    }
    assert_eq!(errors, 5);
    world.set_faults(faults(&["lost-answer:2"]));
    let mut told = Vec::new();
    for to in 4..8 {
        let effect = desired(&name, to - 1, to);
        let mut answer = bench.told(&effect).await;
        if answer.starts_with("no answer") {
            answer = format!("no answer, then {}", bench.told(&effect).await);
        }
        told.push(answer);
    }
    assert_eq!(
        told.iter()
            .filter(|t| *t == "no answer, then already")
            .count(),
        3,
        "{told:?}"
    );
    let sizes: Vec<u32> = world
        .log()
        .iter()
        .filter_map(|c| {
            if let Effect::Cloud(CloudEffect::SetDesired { to, .. }) = &c.effect {
                Some(*to)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(sizes, [4, 5, 6, 7], "every effect took place once");
}

#[tokio::test]
async fn gaps_and_wrong_accounts() {
    let (world, _dir) = quiet_world();
    spot_group(&world, CLUSTER, "nodes").await;
    let bench = Bench::new(&world, CLUSTER);
    world.set_faults(faults(&[
        "no-read:one.k8s.foo.bar",
        "wrong-account:one.k8s.foo.bar",
    ]));
    let cluster = bench.cluster().await;
    assert_eq!((cluster.groups.len(), cluster.gaps.len()), (0, 1));
    assert!(matches!(
        world.nodes(&bench.place.cluster).await,
        Nodes::Unknown(_)
    ));
    assert_ne!(
        world.account(&bench.place).await.unwrap(),
        bench.place.account
    );
    let other = place("two.k8s.foo.bar");
    assert_eq!(world.account(&other).await.unwrap(), other.account);
}

#[tokio::test]
async fn the_autoscaler_moves_what_it_may() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::open(dir.path(), Options::default()).unwrap();
    let bench = Bench::new(&world, CLUSTER);
    let mut untagged = definition(CLUSTER, "fixed", 1, 6);
    untagged
        .auto_scaling_group
        .tags
        .retain(|t| t.key != "k8s.io/cluster-autoscaler/enabled");
    let free = bench.created(&definition(CLUSTER, "free", 1, 4), 2).await;
    let held = bench.created(&definition(CLUSTER, "held", 1, 4), 2).await;
    let fixed = bench.created(&untagged, 2).await;
    bench.all_ready().await;
    let members = bench.instances(&held, Lifecycle::InService).await;
    let (node, shown) = bench
        .nodes()
        .await
        .into_iter()
        .find(|(_, n)| members.contains(&n.instance))
        .unwrap();
    let instance = shown.instance.clone();
    let size = bench.group(&held).await.desired;
    bench.act(NodeEffect::Cordon { node, instance }).await;
    let mut sizes = std::collections::BTreeSet::new();
    for _ in 0..200 {
        bench.pass(600).await;
        sizes.insert(bench.group(&free).await.desired);
        assert_eq!(
            bench.group(&held).await.desired,
            size,
            "a cordoned node: somebody is at work"
        );
        assert_eq!(bench.group(&fixed).await.desired, 2, "not tagged");
    }
    assert_eq!(sizes, [1, 2, 3, 4].into());
}

#[tokio::test]
async fn spot_instances_are_reclaimed_and_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::open(
        dir.path(),
        Options {
            autoscaler: false,
            ..lively()
        },
    )
    .unwrap();
    let name = spot_group(&world, CLUSTER, "nodes").await;
    let bench = Bench::new(&world, CLUSTER);
    bench.complete(&name).await;
    let first = bench.instances(&name, Lifecycle::InService).await;
    bench.pass(3 * 7_200).await;
    bench.complete(&name).await;
    assert!(
        bench
            .instances(&name, Lifecycle::InService)
            .await
            .iter()
            .all(|id| !first.contains(id))
    );
}
