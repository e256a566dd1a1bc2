//! Groups of every shape and size, and what they meet on the way.

use super::*;

#[test]
fn a_group_at_its_maximum_detaches() {
    for size in [1, 2, 3] {
        let dir = folder();
        let scene = Scene::small(dir.path(), &[("nodes", size, size, false)]).made();
        let before = scene.shape();
        let records = rolls(&scene, "r2");
        assert_eq!(count(&records, "step detach staging/nodes"), size as usize);
        never(&records, &["step set-desired staging/nodes"]);
        in_order(
            &records,
            &[
                "step detach staging/nodes",
                "canary-up staging/nodes",
                "canary-proven staging/nodes",
                "step cordon staging/nodes",
            ],
        );
        assert_eq!(
            before.keys().collect::<Vec<_>>(),
            scene.shape().keys().collect::<Vec<_>>()
        );
        // Every terminated instance was a detached one, so desired capacity never moved.
        assert!(records.iter().all(
            |r| !matches!(&r.event, Event::Step(_, StepEvent::Intent { effect, .. }) if matches!(**effect, Effect::Cloud(CloudEffect::Terminate { decrement: true, .. })))
        ));
    }
}

#[test]
fn a_group_scaled_to_zero_only_gets_its_version() {
    let dir = folder();
    let scene = Scene::small(dir.path(), &[NODES, ("empty", 0, 3, false)]).made();
    let records = rolls(&scene, "r2");
    in_order(
        &records,
        &["step pin-version staging/empty", "group-done staging/empty"],
    );
    never(
        &records,
        &["step terminate staging/empty", "canary-up staging/empty"],
    );
}

#[test]
fn groups_are_made_first_and_deleted_after_the_gates() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES, ("old", 2, 4, false)]).made();
    scene.image = "image-1".into();
    scene.groups = Some(vec![NODES, ("new", 2, 4, false)]);
    let records = rolls(&scene, "r2");
    in_order(
        &records,
        &[
            "step create-group staging/new",
            "group-done staging/new",
            "group-started staging/old",
            "step update-group staging/old",
            "step cordon staging/old",
            "step terminate staging/old",
            "group-done staging/old",
            "cluster-rolled staging",
            "step delete-group staging/old",
            "cluster-verified staging",
        ],
    );
}

#[test]
fn spot_instances_that_go_in_the_middle_are_no_trouble() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[("nodes", 6, 9, true)]);
    scene.spot = true;
    scene.options.spot_life = Some(Span::from_secs(5400));
    scene.options.autoscaler = true;
    let scene = scene.made();
    rolls(&scene, "r2");
}

#[test]
fn an_autoscaler_at_work_keeps_what_it_wants() {
    for seed in 1..6 {
        let dir = folder();
        let mut scene = Scene::small(dir.path(), &[("nodes", 2, 8, true), ("more", 1, 5, true)]);
        scene.options.autoscaler = true;
        scene.options.seed = seed;
        scene.rolling.bake = Span::from_secs(1800);
        let scene = scene.made();
        let spy = Spy::new(scene.world());
        ends(scene.start_on(&spy, "r2"), Ending::Finished);
        assert!(spy.ours().values().all(|n| *n == 0), "{:?}", spy.ours());
        drop(spy);
        clean(&scene);
    }
}

#[test]
fn throttling_and_lost_answers_cost_time_and_nothing_else() {
    for fault in [
        "throttle:4",
        "throttle:5",
        "throttle:7",
        "lost-answer:2",
        "lost-answer:3",
        "lost-answer:5",
    ] {
        let dir = folder();
        let mut scene = Scene::small(dir.path(), &[NODES, ("full", 2, 2, false)]).made();
        scene.faults = vec![fault.into()];
        let before: Vec<_> = scene
            .shape()
            .into_values()
            .map(|(desired, _)| desired)
            .collect();
        let records = ends(scene.start("r2"), Ending::Finished);
        let after: Vec<_> = scene
            .shape()
            .into_values()
            .map(|(desired, _)| desired)
            .collect();
        assert_eq!(before, after, "{fault}: {}", facts(&records).join("\n"));
        clean(&scene);
    }
}

#[test]
fn percentages_rates_and_the_clusters_surge_are_kept() {
    let budgets: [(Amount, Amount, u32, u32, u32); 8] = [
        (Amount::Percent(50), Amount::Percent(10), 10, 20, 1),
        (Amount::Percent(100), Amount::Count(0), 3, 20, 2),
        (Amount::Count(2), Amount::Count(1), 2, 2, 1),
        (Amount::Count(0), Amount::Percent(34), 10, 20, 1),
        (Amount::Count(0), Amount::Count(0), 10, 20, 1),
        // What is to be proven is more than what may be added.
        (Amount::Count(1), Amount::Count(0), 10, 20, 3),
        (Amount::Count(3), Amount::Count(0), 10, 1, 50),
        // No surge at all in the whole cluster.
        (Amount::Count(1), Amount::Count(0), 0, 20, 1),
    ];
    for (surge, unavailable, cluster, rate, canary) in budgets {
        let dir = folder();
        let mut scene = Scene::small(
            dir.path(),
            &[
                ("nodes", 6, 20, false),
                ("more", 4, 9, false),
                ("full", 3, 3, false),
            ],
        );
        (scene.rolling.max_surge, scene.rolling.max_unavailable) = (surge, unavailable);
        (scene.rolling.cluster_surge, scene.rolling.canary) = (cluster, canary);
        scene.rolling.rate = Rate {
            instances: rate,
            per: Span::from_secs(600),
        };
        let scene = scene.made();
        // The spy holds every effect against these very numbers.
        let records = rolls(&scene, "r2");
        in_order(
            &records,
            &[
                "canary-up staging/nodes",
                "canary-proven staging/nodes",
                "group-done staging/nodes",
            ],
        );
        if rate == 1 {
            let ends: Vec<_> = records
                .iter()
                .filter(|r| {
                    trace(std::slice::from_ref(r))[..]
                        .iter()
                        .any(|l| l.starts_with("step terminate"))
                })
                .map(|r| r.at)
                .collect();
            assert!(
                ends.windows(2)
                    .all(|w| w[1].since(w[0]) >= Span::from_secs(600))
            );
        }
    }
}

#[test]
fn a_cordon_that_was_there_before_is_not_ours_to_undo() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[("nodes", 2, 4, false)]);
    scene.rolling.drain.timeout = Span::from_secs(120);
    let mut scene = scene.made();
    let theirs = {
        let world = scene.world();
        let live = scene.live(&world);
        let kfleet::model::Nodes::Known(seen) = &live.clusters[&scene.staging[0]].nodes else {
            panic!()
        };
        let group = &live.clusters[&scene.staging[0]].groups[&name("nodes.staging.k8s.test")];
        let (node, shown) = seen
            .nodes
            .iter()
            .find(|(_, n)| group.instances.contains_key(&n.instance))
            .unwrap();
        let effect = kfleet::model::NodeEffect::Cordon {
            node: node.clone(),
            instance: shown.instance.clone(),
        };
        support::block(kfleet::nodes::NodeApi::act(
            &world,
            &scene.staging[0],
            &effect,
        ))
        .unwrap();
        node.clone()
    };
    scene.faults = vec!["stuck-drain:nodes".into()];
    let records = sticks(scene.start("r2"), "held: ");
    let uncordoned = |r: &Record| matches!(&r.event, Event::Step(_, StepEvent::Intent { effect, .. }) if matches!(&**effect, Effect::Node(kfleet::model::NodeEffect::Uncordon { node, .. }) if *node == theirs));
    assert!(!records.iter().any(uncordoned));
}

/// What is deleted does not come back: when the soak breaks after that, nothing goes back by itself, the gates have their say again, and a person
/// says how it goes on.
#[test]
fn after_a_deletion_a_broken_soak_is_held() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES, ("old", 2, 4, false)]).made();
    scene.groups = Some(vec![NODES]);
    scene.soak = Span::from_secs(3600);
    scene.scenario =
        vec!["{act: \"node-down:control-plane-a:1\", when: delete-group old, after: 5m}".into()];
    let (outcome, records) = scene.start("r2");
    assert_eq!(outcome.unwrap(), Outcome::Held);
    in_order(
        &records,
        &[
            "step delete-group staging/old",
            "cluster-verified staging",
            "soak-broken staging",
            "failed staging",
            "held",
        ],
    );
    never(&records, &["rollback-started"]);
    assert_eq!(count(&records, "cluster-verified staging"), 1);
    // It is mended by hand, and goes on to its end.
    scene.scenario = vec!["{act: \"node-up:control-plane-a:1\"}".into()];
    let records = ends(scene.resume("r2"), Ending::Finished);
    assert_eq!(count(&records, "cluster-verified staging"), 1);
    clean(&scene);
}
