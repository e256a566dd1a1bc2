//! The same future from the same state, and files that survive a kill.

use kfleet::cloud::local::{Options, World};
use kfleet::cloud::{Cloud, CloudError, StateFault};
use kfleet::model::{Applied, AsgName, CloudEffect, Eviction, Lifecycle, NodeEffect, Span};

use super::{CLUSTER, faults, lively, seen, spot_group, state_error};
use crate::bench::{Bench, creation, definition, desired, detach, quiet, quiet_world, terminate};

#[tokio::test]
async fn looking_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("account");
    let world = World::open(&missing, quiet()).unwrap();
    assert_eq!(world.now().to_string(), "2026-01-05T08:00:00.000Z");
    let bench = Bench::new(&world, CLUSTER);
    assert!(bench.cluster().await.groups.is_empty());
    assert!(bench.nodes().await.is_empty());
    assert_eq!(
        world.account(&bench.place).await.unwrap(),
        bench.place.account
    );
    world.wait(world.now()).await.unwrap();
    let none: AsgName = "none".parse().unwrap();
    assert!(
        bench
            .told(&desired(&none, 1, 2))
            .await
            .starts_with("moved: ")
    );
    assert!(
        bench
            .told(&creation(&definition(CLUSTER, "nodes", 0, 1), 1, 0))
            .await
            .starts_with("refused ")
    );
    assert_eq!(
        bench
            .act(NodeEffect::Cordon {
                node: "n".parse().unwrap(),
                instance: "i-1".parse().unwrap(),
            })
            .await,
        Applied::Already
    );
    assert!(!missing.exists());
    assert_eq!((world.done(), world.reads()), (0, 1));
}

/// Whatever was answered is in the files: another process that opens them sees the same, after every call.
#[tokio::test]
async fn a_kill_at_any_moment_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::open(dir.path(), lively()).unwrap();
    let name = spot_group(&world, CLUSTER, "nodes").await;
    let bench = Bench::new(&world, CLUSTER);
    bench.complete(&name).await;
    for round in 0..120 {
        let group = bench.group(&name).await;
        let node = bench.nodes().await.into_iter().nth(round % 3);
        let instance = group.instances.keys().nth(round % 3).unwrap().clone();
        match round % 6 {
            0 => drop(
                bench
                    .told(&desired(&name, group.desired, group.desired + 1))
                    .await,
            ),
            1 => drop(bench.told(&detach(&name, &instance)).await),
            2 => drop(
                bench
                    .told(&terminate(&name, &instance, round % 4 == 2))
                    .await,
            ),
            3 => bench.pass(37).await,
            4 => bench.pass(3_600).await,
            _ => {
                let (node, shown) = node.unwrap();
                let effect = NodeEffect::Evict {
                    node,
                    instance: shown.instance.clone(),
                    policy: Eviction::default(),
                };
                drop(bench.act(effect).await);
            }
        }
        let reopened = World::open(dir.path(), lively()).unwrap();
        assert_eq!(reopened.now(), world.now());
        assert_eq!(
            seen(&reopened, CLUSTER).await,
            seen(&world, CLUSTER).await,
            "round {round}"
        );
    }
    assert!(world.done() > 40, "{}", world.done());
}

#[tokio::test]
async fn a_reopened_world_has_the_same_future() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::open(dir.path(), lively()).unwrap();
    let name = spot_group(&world, CLUSTER, "nodes").await;
    Bench::new(&world, CLUSTER).pass(5_000).await;
    let other = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, other.path().join(path.file_name().unwrap())).unwrap();
    }
    // Half a write of a process that was killed: no part of the state.
    std::fs::write(other.path().join("clock.json.new"), "{").unwrap();
    let reopened = World::open(other.path(), lively()).unwrap();
    for world in [&world, &reopened] {
        let bench = Bench::new(world, CLUSTER);
        let now = bench.group(&name).await.desired;
        bench.told(&desired(&name, now, now + 1)).await;
        bench.pass(40_000).await;
    }
    assert_eq!(seen(&reopened, CLUSTER).await, seen(&world, CLUSTER).await);
}

#[tokio::test]
async fn time_is_the_same_in_small_steps_and_large() {
    let mut ends = Vec::new();
    for (steps, seconds) in [(1, 36_000), (3_600, 10)] {
        let dir = tempfile::tempdir().unwrap();
        let world = World::open(dir.path(), lively()).unwrap();
        spot_group(&world, CLUSTER, "nodes").await;
        for _ in 0..steps {
            Bench::new(&world, CLUSTER).pass(seconds).await;
        }
        ends.push(seen(&world, CLUSTER).await);
    }
    assert_eq!(ends[0], ends[1]);
}

#[tokio::test]
async fn the_seed_decides_and_a_group_is_its_own() {
    let mut ends = Vec::new();
    for (seed, neighbours) in [(1, 0), (1, 0), (1, 3), (2, 0)] {
        let dir = tempfile::tempdir().unwrap();
        let world = World::open(dir.path(), Options { seed, ..lively() }).unwrap();
        for n in 0..neighbours {
            spot_group(&world, CLUSTER, &format!("a{n}")).await;
        }
        let name = spot_group(&world, CLUSTER, "nodes").await;
        let bench = Bench::new(&world, CLUSTER);
        bench.pass(36_000).await;
        let group = bench.group(&name).await;
        let nodes = bench
            .nodes()
            .await
            .into_iter()
            .filter(|(_, n)| group.instances.contains_key(&n.instance));
        ends.push((nodes.collect::<Vec<_>>(), group));
    }
    assert!(!ends[0].0.is_empty());
    assert_eq!(ends[0], ends[1], "same seed, same trace");
    assert_eq!(ends[0], ends[2], "other groups change nothing");
    assert_ne!(ends[0], ends[3], "another seed, another trace");
}

/// With an option changed, what has been seen before must not turn out to have been otherwise.
#[tokio::test]
async fn changed_options_leave_the_past_alone() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::open(dir.path(), quiet()).unwrap();
    let (one, two) = (
        spot_group(&world, CLUSTER, "nodes").await,
        "two.k8s.foo.bar",
    );
    spot_group(&world, two, "others").await;
    Bench::new(&world, CLUSTER).pass(86_400).await;
    let before = seen(&world, two).await;
    drop(world);
    let world = World::open(dir.path(), lively()).unwrap();
    let bench = Bench::new(&world, CLUSTER);
    assert_eq!(bench.told(&desired(&one, 3, 4)).await, "done");
    bench.pass(1).await;
    drop(world);
    let (mut then, now) = (
        before,
        seen(&World::open(dir.path(), lively()).unwrap(), two).await,
    );
    then.0.read_at = now.0.read_at;
    assert_eq!(then, now);
}

#[tokio::test]
async fn unusable_files_are_named_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::open(dir.path(), quiet()).unwrap();
    spot_group(&world, CLUSTER, "nodes").await;
    drop(world);
    let clock = dir.path().join("clock.json");
    let cluster = dir
        .path()
        .join("cluster-111122223333-eu-west-3-one.k8s.foo.bar.json");
    let (good_clock, good) = (
        std::fs::read_to_string(&clock).unwrap(),
        std::fs::read_to_string(&cluster).unwrap(),
    );
    for (path, text, told) in [
        (&clock, String::new(), "clock.json: EOF while parsing"),
        (
            &clock,
            good_clock.replace("\"version\":2", "\"version\":7"),
            "clock.json: it is of version 7, this program knows version 2",
        ),
        (
            &cluster,
            good[..good.find('\n').unwrap() / 2].to_owned(),
            "cluster-111122223333-eu-west-3-one.k8s.foo.bar.json: EOF while parsing",
        ),
        (
            &cluster,
            good.replace("\"desired\":3", "\"desired\":-3"),
            "cluster-111122223333-eu-west-3-one.k8s.foo.bar.json: state.groups.nodes",
        ),
        (
            &cluster,
            good.replace("\"cluster\":\"one", "\"cluster\":\"two"),
            "cluster-111122223333-eu-west-3-one.k8s.foo.bar.json: it holds cluster two",
        ),
    ] {
        let kept = std::fs::read(path).unwrap();
        std::fs::write(path, &text).unwrap();
        let error = state_error(dir.path());
        assert!(error.starts_with(told), "{error}");
        assert_eq!(std::fs::read_to_string(path).unwrap(), text);
        std::fs::write(path, kept).unwrap();
    }
    std::fs::remove_file(&clock).unwrap();
    assert!(
        state_error(dir.path()).starts_with("clock.json: "),
        "a cluster without a clock"
    );
}

#[tokio::test]
async fn one_process_changes_it_while_others_read() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (
        World::open(dir.path(), quiet()).unwrap(),
        World::open(dir.path(), quiet()).unwrap(),
    );
    let name = spot_group(&first, CLUSTER, "nodes").await;
    let refused = second.wait(second.now() + Span::from_secs(1)).await;
    assert!(
        matches!(refused, Err(CloudError::State { message, fault: StateFault::Busy, .. }) if message == "another process is changing it")
    );
    drop(first);
    // What the other did meanwhile is known before anything is changed, or time moved.
    let bench = Bench::new(&second, CLUSTER);
    bench.pass(600).await;
    assert_eq!(bench.instances(&name, Lifecycle::InService).await.len(), 3);
    assert_eq!(bench.told(&desired(&name, 3, 4)).await, "done");
    assert_eq!(bench.group(&name).await.desired, 4);
}

#[tokio::test]
async fn a_change_that_cannot_be_saved_did_not_happen() {
    let (world, dir) = quiet_world();
    let name = spot_group(&world, CLUSTER, "nodes").await;
    let bench = Bench::new(&world, CLUSTER);
    let (before, done) = (bench.cluster().await, world.done());
    // Something in the way of the file, and of a new one.
    let file = dir
        .path()
        .join("cluster-111122223333-eu-west-3-one.k8s.foo.bar.json");
    let aside = dir.path().join("aside");
    std::fs::rename(&file, &aside).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert!(matches!(
        bench.apply(&desired(&name, 3, 4)).await,
        Err(CloudError::State {
            fault: StateFault::System,
            ..
        })
    ));
    assert_eq!((bench.cluster().await, world.done()), (before, done));
    std::fs::remove_dir(&file).unwrap();
    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(bench.told(&desired(&name, 3, 4)).await, "done");
}

#[tokio::test]
async fn nobody_waits_for_centuries() {
    let (world, _dir) = quiet_world();
    let far = kfleet::model::Timestamp::from_millis(i64::MAX);
    assert!(matches!(
        world.wait(far).await,
        Err(CloudError::Refused { .. })
    ));
    assert_eq!(world.now().to_string(), "2026-01-05T08:00:00.000Z");
}

/// Killed after the clusters were saved and before the clock was.
#[tokio::test]
async fn a_clock_that_is_behind_a_cluster_is_moved() {
    let (world, dir) = quiet_world();
    let name = spot_group(&world, CLUSTER, "nodes").await;
    let clock = dir.path().join("clock.json");
    let before = std::fs::read(&clock).unwrap();
    world.set_faults(faults(&["sick-image:ami-1"]));
    Bench::new(&world, CLUSTER).complete(&name).await;
    let seen_before = seen(&world, CLUSTER).await;
    drop(world);
    std::fs::write(&clock, before).unwrap();
    let reopened = World::open(dir.path(), quiet()).unwrap();
    assert_eq!(reopened.now(), seen_before.0.read_at);
    assert_eq!(seen(&reopened, CLUSTER).await, seen_before);
}

#[tokio::test]
async fn a_group_made_again_is_another() {
    let (world, _dir) = quiet_world();
    let bench = Bench::new(&world, CLUSTER);
    let wanted = definition(CLUSTER, "nodes", 0, 3);
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..2 {
        let name = bench.created(&wanted, 1).await;
        ids.extend(bench.instances(&name, Lifecycle::InService).await);
        bench.told(&desired(&name, 1, 0)).await;
        bench.complete(&name).await;
        bench
            .told(&CloudEffect::DeleteGroup {
                group: Box::new(wanted.auto_scaling_group.clone()),
            })
            .await;
    }
    assert_eq!(ids.len(), 2);
}

/// What an effect changes is added as a line; one that a killed process left unfinished is none, and a file of the earlier form is read.
#[tokio::test]
async fn a_change_is_a_line_and_an_unfinished_one_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::open(dir.path(), quiet()).unwrap();
    let name = spot_group(&world, CLUSTER, "nodes").await;
    for other in ["others", "others-2", "others-3"] {
        spot_group(&world, CLUSTER, other).await;
    }
    let bench = Bench::new(&world, CLUSTER);
    let file = dir
        .path()
        .join("cluster-111122223333-eu-west-3-one.k8s.foo.bar.json");
    world.rest().unwrap();
    let whole = std::fs::read_to_string(&file).unwrap();
    assert_eq!(whole.matches('\n').count(), 1, "one line for who reads it");
    assert_eq!(bench.told(&desired(&name, 3, 4)).await, "done");
    let first = std::fs::read_to_string(&file).unwrap();
    assert!(first.starts_with(&whole), "what stood there stands there");
    let line = &first[whole.len()..];
    assert!(
        line.contains("nodes.") && !line.contains("others."),
        "{line}"
    );
    assert_eq!(bench.told(&desired(&name, 4, 5)).await, "done");
    let second = std::fs::read_to_string(&file).unwrap();
    drop(world);
    for (text, expected) in [
        (second.clone(), 5),
        (second[..second.len() - 1].to_owned(), 4),
        (second[..first.len() + 1].to_owned(), 4),
        (first.clone(), 4),
        (first[..first.len() - 40].to_owned(), 3),
        (
            whole
                .trim_end()
                .replacen("\"version\":2", "\"version\":1", 1),
            3,
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let world = World::open(dir.path(), quiet()).unwrap();
        let bench = Bench::new(&world, CLUSTER);
        assert_eq!(bench.group(&name).await.desired, expected);
        // Whoever writes next leaves nothing unfinished behind.
        assert_eq!(bench.told(&desired(&name, expected, 6)).await, "done");
        drop(world);
        let world = World::open(dir.path(), quiet()).unwrap();
        assert_eq!(Bench::new(&world, CLUSTER).group(&name).await.desired, 6);
    }
}
