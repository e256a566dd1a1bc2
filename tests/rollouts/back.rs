//! Failures, and the way back.

use super::*;

#[test]
fn a_sick_canary_turns_the_rollout_back() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES, ("other", 2, 4, false)]).made();
    scene.faults = vec!["sick-image:image-3".into()];
    scene.odd_image = Some(("nodes", "image-3".into()));
    let records = goes_back(&scene);
    in_order(
        &records,
        &[
            "step set-desired staging/nodes",
            "failed staging/nodes",
            "rollback-started",
            "cluster-restored staging",
            "rolled-back",
        ],
    );
    in_order(
        &records,
        &[
            "rollback-started",
            "step pin-version staging/nodes",
            "step terminate staging/nodes",
            "step resume staging/nodes",
        ],
    );
    says(&records, "has a node that is not Ready");
    never(
        &records,
        &["canary-up staging/nodes", "cluster-rolled staging"],
    );
    // Of the sick group only the canary was ever started, and only it ended.
    assert_eq!(count(&records, "step terminate staging/nodes"), 1);
}

#[test]
fn a_dead_image_of_a_control_plane_stops_at_the_first() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]);
    scene.zones = vec!["a", "b", "c"];
    let mut scene = scene.made();
    scene.faults = vec!["dead-image:image-2".into()];
    scene.rolling.ready_timeout = Span::from_secs(600);
    let records = goes_back(&scene);
    never(
        &records,
        &[
            "group-started staging/control-plane-b",
            "group-started staging/nodes",
        ],
    );
    in_order(
        &records,
        &[
            "failed staging/control-plane-a",
            "step terminate staging/control-plane-a",
            "cluster-restored staging",
        ],
    );
}

fn gate(scene: &mut Scene, command: &[&str], deadline: i64) {
    scene.gates.push(GateSpec {
        name: "smoke".into(),
        kind: GateKind::Command(command.iter().map(|s| (*s).to_owned()).collect()),
        deadline: Span::from_secs(deadline),
        at: None,
        samples: kfleet::fleet::Samples::default(),
    });
}

#[test]
fn a_failed_gate_rolls_canary_or_cluster_back() {
    for (script, last, absent) in [
        (
            "test -z \"$KFLEET_GROUP\"",
            "canary-up staging/control-plane-a",
            "canary-proven staging/control-plane-a",
        ),
        (
            "test -n \"$KFLEET_GROUP\"",
            "cluster-rolled staging",
            "cluster-verified staging",
        ),
    ] {
        let dir = folder();
        let mut scene = Scene::small(dir.path(), &[NODES]).made();
        gate(&mut scene, &["sh", "-c", script], 600);
        let records = goes_back(&scene);
        in_order(
            &records,
            &[last, "answered staging", "rollback-started", "rolled-back"],
        );
        never(&records, &[absent]);
        says(&records, "gate `smoke` failed");
    }
}

#[test]
fn a_gate_that_waits_beyond_its_deadline_fails() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]).made();
    gate(&mut scene, &["sh", "-c", "exit 75"], 300);
    let records = goes_back(&scene);
    says(&records, "gate `smoke` still waits after 5m");
    assert!(count(&records, "answered staging") > 3);
    never(&records, &["canary-proven staging/nodes"]);
}

#[test]
fn a_sick_canary_of_a_group_at_its_maximum_goes_back() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[("nodes", 2, 2, false)]).made();
    scene.faults = vec!["sick-image:image-3".into()];
    scene.odd_image = Some(("nodes", "image-3".into()));
    let records = goes_back(&scene);
    in_order(
        &records,
        &[
            "step detach staging/nodes",
            "failed staging/nodes",
            "cluster-restored staging",
        ],
    );
}

#[test]
fn a_retired_group_gets_everything_back() {
    for size in [2, 0] {
        let dir = folder();
        let mut scene = Scene::small(dir.path(), &[NODES, ("old", size, 4, false)]).made();
        scene.image = "image-1".into();
        scene.groups = Some(vec![NODES, ("new", 2, 4, false)]);
        gate(&mut scene, &["false"], 300);
        let before = scene.shape();
        let records = ends(scene.start("r2"), Ending::RolledBack);
        assert_eq!(scene.shape(), before);
        clean(&scene);
        in_order(
            &records,
            &[
                "group-done staging/old",
                "failed staging",
                "step delete-group staging/new",
                "rolled-back",
            ],
        );
    }
}

#[test]
fn no_node_is_drained_whose_replacement_cannot_come() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES, ("full", 2, 2, false)]).made();
    scene.faults = vec!["no-capacity:nodes".into()];
    let records = goes_back(&scene);
    says(&records, "no replacement could be launched");
    never(
        &records,
        &["step cordon staging/nodes", "step terminate staging/nodes"],
    );
}

#[test]
fn a_stuck_drain_may_fail_the_group_at_once() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[("nodes", 4, 6, false)]);
    scene.rolling.drain = kfleet::fleet::DrainPolicy {
        timeout: Span::from_secs(120),
        on_timeout: OnTimeout::Stop,
        ..kfleet::fleet::DrainPolicy::default()
    };
    let mut scene = scene.made();
    scene.faults = vec!["stuck-drain:nodes".into()];
    let before = scene.shape();
    let (outcome, records) = scene.start("r2");
    // The way back has to drain the proven canary too, and the same budget may hold it.
    says(&records, "did not end within 2m");
    in_order(
        &records,
        &[
            "failed staging/nodes",
            "rollback-started",
            "step uncordon staging/nodes",
            "drain-abandoned staging/nodes",
        ],
    );
    if outcome.unwrap() == Outcome::Stuck {
        scene.faults.clear();
        ends(scene.resume("r2"), Ending::RolledBack);
    }
    assert_eq!(scene.shape(), before);
    clean(&scene);
}

#[test]
fn a_lost_answer_before_a_failure_does_not_spare_the_way_back() {
    for n in 2..9 {
        let dir = folder();
        let mut scene = Scene::small(
            dir.path(),
            &[NODES, ("other", 2, 4, false), ("third", 2, 2, false)],
        )
        .made();
        scene.faults = vec![format!("lost-answer:{n}"), "sick-image:image-3".into()];
        scene.odd_image = Some(("nodes", "image-3".into()));
        goes_back(&scene);
    }
}

#[test]
fn a_broken_control_plane_is_not_waited_for_for_ever() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]);
    scene.zones = vec!["a", "b", "c"];
    let scene = scene.made();
    let spy = Spy::new(scene.world());
    let now = spy.now();
    spy.unready(&scene.staging[0], now, now + Span::from_secs(86_400));
    let records = ends(scene.start_on(&spy, "r2"), Ending::RolledBack);
    says(&records, "the control plane is not whole");
    never(
        &records,
        &[
            "group-started staging/control-plane-a",
            "step cordon staging/nodes",
        ],
    );
}

#[test]
fn two_clusters_of_a_wave_go_side_by_side_and_back_together() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]);
    scene.prod = vec![
        name("prod-a.k8s.test"),
        name("prod-b.k8s.test"),
        name("prod-c.k8s.test"),
    ];
    let wave = |clusters: &[kfleet::model::ClusterName], parallel| Wave {
        clusters: clusters.to_vec(),
        parallel,
        soak: Span::ZERO,
    };
    scene.stage_waves = Some(vec![wave(&scene.prod[..1], 1), wave(&scene.prod[1..], 2)]);
    let mut scene = scene.made();
    let before = scene.shape();
    scene.faults = vec!["sick-image:image-3".into()];
    scene.odd_image = Some(("prod-c.k8s.test", "image-3".into()));
    let records = ends(scene.start("r2"), Ending::RolledBack);
    in_order(
        &records,
        &[
            "cluster-started prod-b",
            "cluster-started prod-c",
            "rollback-started",
            "rolled-back",
        ],
    );
    in_order(&records, &["rollback-started", "cluster-restored prod-b"]);
    in_order(&records, &["rollback-started", "cluster-restored prod-c"]);
    let turned = trace(&records)
        .iter()
        .position(|l| l == "rollback-started")
        .unwrap();
    assert!(
        !trace(&records)[turned..]
            .iter()
            .any(|l| l.contains("prod-a") || l.contains("staging")),
        "{}",
        trace(&records)[turned..].join("\n")
    );
    let after = scene.shape();
    for (group, shape) in &after {
        let goes_back = group.contains("prod-b") || group.contains("prod-c");
        assert_eq!(before[group] == *shape, goes_back, "{group}");
    }
    clean(&scene);
    let baselines = scene.store().baselines().unwrap();
    let rollouts: Vec<_> = baselines.values().map(|b| b.rollout.as_str()).collect();
    assert_eq!(rollouts, ["r2", "r1", "r1", "r2"]);
}

/// A group that was pinned and launched nothing goes back to the version before at a stop; where somebody deleted that, it stays, and the stop
/// comes to its end.
#[test]
fn an_abort_leaves_what_has_no_version_to_go_back_to() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]).made();
    scene.faults = vec!["no-capacity:nodes".into()];
    scene.scenario =
        vec!["{act: \"delete-version:nodes\", when: pin-version nodes, after: 1m}".into()];
    let records = sticks(
        scene.start("r2"),
        "to which a rollback would return, was deleted",
    );
    never(&records, &["step terminate staging/nodes"]);
    scene.scenario.clear();
    ask(
        &scene,
        Request::Abort {
            by: "anna".into(),
            reason: "a test".into(),
        },
    );
    let records = ends(scene.resume("r2"), Ending::Aborted);
    never(&records, &["step pin-version staging/nodes", "stuck"]);
    assert_eq!(scene.shape()["nodes.staging.k8s.test"].0, 3);
}

fn ask(scene: &Scene, request: Request) {
    scene.store().request("r2", &request).unwrap();
}

/// Whoever asks for it while the deletion is on its way is told, and the rollout goes on or ends as they say.
#[test]
fn a_rollback_that_comes_after_a_deletion_is_no_way_back() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES, ("old", 2, 4, false)]).made();
    scene.groups = Some(vec![NODES]);
    let spy = Spy::new(scene.world());
    let store = scene.store();
    let rollout = scene.rollout(spy.world(), "r2", &[]);
    drop(Journal::begin(&store, &rollout).unwrap());
    let asked = |record: &Record| {
        let line = trace(std::slice::from_ref(record));
        if line.iter().any(|l| l == "step delete-group staging/old") {
            ask(
                &scene,
                Request::Rollback {
                    by: "anna".into(),
                    reason: "a test".into(),
                },
            );
        }
    };
    let mut records = Vec::new();
    let mut journal = Journal::take_up(&store, "r2").unwrap();
    spy.begin(journal.rollout(), journal.progress());
    let outcome = support::block(kfleet::run::run(
        &spy,
        &store,
        &mut journal,
        &scene.drive(),
        || false,
        |signal| {
            if let kfleet::run::Signal::Recorded(record) = signal {
                spy.hear(record);
                records.push(record.clone());
                asked(record);
            }
        },
    ));
    assert_eq!(outcome.unwrap(), Outcome::Stuck);
    assert_eq!(spy.wrong(), Vec::<String>::new());
    drop((journal, spy));
    in_order(
        &records,
        &[
            "step delete-group staging/old",
            "rollback-asked",
            "stuck staging/old",
        ],
    );
    never(&records, &["rollback-started"]);
    ends(scene.resume("r2"), Ending::Finished);
    clean(&scene);
}

/// Two nodes of a small group that die on the way back are more than it bears: a person is told which group, and what can be done.
#[test]
fn nodes_that_die_on_the_way_back_are_a_persons_and_named() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES, ("other", 2, 4, false)]).made();
    scene.odd_image = Some(("other", "image-3".into()));
    scene.faults = vec!["sick-image:image-3".into()];
    scene.scenario =
        vec!["{act: \"node-down:nodes:2\", when: pin-version nodes, nth: 2, after: 9m}".into()];
    let (outcome, records) = scene.start("r2");
    assert_eq!(outcome.unwrap(), Outcome::Stuck);
    let Some(Event::Cluster(_, ClusterEvent::Stuck { advice, .. })) =
        records.last().map(|r| &r.event)
    else {
        panic!("{:?}", records.last());
    };
    let told = kfleet::report::advice_text(advice, "kfleet rollout resume");
    for part in ["nodes.staging.k8s.test", "can be ended", "the rollback"] {
        assert!(told.contains(part), "{told}");
    }
}

/// What a lower maximum took comes back with the maximum, as what it was: pods that ran on it have nowhere else to go.
#[test]
fn a_rollback_gives_back_what_a_lower_maximum_took() {
    use kfleet::fleet::Strategy;
    for (image, strategy) in [
        ("image-1", Strategy::Surge),
        ("image-2", Strategy::Surge),
        ("image-2", Strategy::InstanceRefresh),
    ] {
        let dir = folder();
        let mut scene = Scene::small(dir.path(), &[("nodes", 2, 8, false)]).made();
        scene.image = "image-1".into();
        scene.scenario = vec!["{act: \"set:nodes:DesiredCapacity=7\"}".into()];
        scene.soak = Span::from_secs(60);
        let spy = Spy::new(scene.world());
        support::block(spy.world().wait(spy.now() + Span::from_secs(1200))).unwrap();
        drop(spy);
        scene.scenario.clear();
        scene.groups = Some(vec![("nodes", 2, 4, false)]);
        scene.image = image.into();
        scene.rolling.strategy = strategy;
        gate(&mut scene, &["sh", "-c", "test -n \"$KFLEET_GROUP\""], 600);
        let records = ends(scene.start("r2"), Ending::RolledBack);
        assert!(
            count(&records, "step terminate staging/nodes") >= 3,
            "{image} {strategy:?}: {}",
            reasons(&records).join("\n")
        );
        assert_eq!(
            scene.shape()["nodes.staging.k8s.test"],
            (7, "image-1 2..8".into()),
            "{image} {strategy:?}"
        );
        clean(&scene);
    }
}
