//! Other people, the autoscaler and AWS act at the worst moment, and a rollout is stopped at the worst moment.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use kfleet::fleet::{Capacity, CapacityPolicy, GroupRolling};
use kfleet::model::{NodeEffect, NodeMark, Nodes};
use kfleet::rollout::{Evidence, Ground, Rollout, Task, VersionSource};

use super::support::spy::{Death, Died};
use super::*;

fn ended(records: &[Record], group: &str) -> usize {
    count(records, &format!("step terminate staging/{group}"))
}

#[test]
fn a_version_pinned_by_another_stops_the_group() {
    for (when, most) in [("terminate nodes, nth: 2", 3), ("set-desired nodes", 1)] {
        let dir = folder();
        let mut scene = Scene::small(dir.path(), &[("nodes", 4, 8, false)]).made();
        scene.scenario = vec![format!("{{act: \"repin:nodes\", when: {when}}}")];
        let records = sticks(
            scene.start("r2"),
            "pinned to another version outside this rollout",
        );
        assert!(ended(&records, "nodes") <= most, "{:#?}", trace(&records));
        scene.scenario.clear();
        // Nothing has changed about it: the same answer, and nothing ends meanwhile.
        let again = sticks(
            scene.resume("r2"),
            "pinned to another version outside this rollout",
        );
        assert_eq!(ended(&again, "nodes"), 0);
        let request = Request::Abort {
            by: "me".into(),
            reason: "whose is it?".into(),
        };
        scene.store().request("r2", &request).unwrap();
        ends(scene.resume("r2"), Ending::Aborted);
        clean(&scene);
    }
}

#[test]
fn a_version_of_another_content_replaces_nothing() {
    let dir = folder();
    let scene = Scene::small(dir.path(), &[("nodes", 4, 8, false)]).made();
    let spy = Spy::new(scene.world());
    let mut rollout: Rollout = scene.rollout(spy.world(), "r2", &[]);
    for group in &mut rollout.stages[0].waves[0].clusters[0].groups {
        if let Task::Update { version, .. } = &mut group.task
            && group.name.as_str() == "nodes"
        {
            *version = VersionSource::Existing(1);
        }
    }
    let (mut journal, first) = Journal::begin(&scene.store(), &rollout).unwrap();
    let mut records = vec![first];
    let outcome = scene.carry(&spy, &mut journal, &scene.drive(), &mut records);
    sticks(
        (outcome, records.clone()),
        "does not hold what this rollout wants",
    );
    assert_eq!(ended(&records, "nodes"), 0);
}

#[test]
fn a_maximum_waits_until_fewer_instances_are_wanted() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[("nodes", 2, 8, false)]).made();
    scene.groups = Some(vec![("nodes", 2, 4, false)]);
    scene.scenario =
        vec!["{act: \"set:nodes:DesiredCapacity=7\", when: cordon control-plane-a}".into()];
    let records = sticks(scene.start("r2"), "its maximum is not lowered to 4");
    assert_eq!(scene.shape()["nodes.staging.k8s.test"].0, 7);
    // All of them run the new image by then.
    assert!(ended(&records, "nodes") >= 7, "{:#?}", trace(&records));
    scene.scenario = vec!["{act: \"set:nodes:DesiredCapacity=3\"}".into()];
    ends(scene.resume("r2"), Ending::Finished);
    assert_eq!(
        scene.shape()["nodes.staging.k8s.test"],
        (3, "image-2 2..4".into())
    );
    clean(&scene);
}

#[test]
fn a_maximum_waits_after_a_refresh_too() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[("nodes", 2, 8, false)]).made();
    scene.groups = Some(vec![("nodes", 2, 4, false)]);
    scene.rolling.strategy = kfleet::fleet::Strategy::InstanceRefresh;
    scene.scenario =
        vec!["{act: \"set:nodes:DesiredCapacity=6\", when: terminate control-plane-a}".into()];
    let records = sticks(scene.start("r2"), "its maximum is not lowered to 4");
    never(&records, &["group-done staging/nodes"]);
}

#[test]
fn a_maximum_that_may_shrink_drains_first() {
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
    scene.image = "image-2".into();
    let records = ends(scene.start("r2"), Ending::Finished);
    assert_eq!(
        scene.shape()["nodes.staging.k8s.test"],
        (4, "image-2 2..4".into())
    );
    assert!(count(&records, "step cordon staging/nodes") >= 7);
    clean(&scene);
}

#[test]
fn a_rollback_ends_no_instance_by_a_lower_maximum() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[("nodes", 2, 4, false)]).made();
    scene.image = "image-1".into();
    scene.groups = Some(vec![("nodes", 2, 10, false), ("more", 1, 2, false)]);
    scene.scenario =
        vec!["{act: \"set:nodes:DesiredCapacity=8\", when: update-group nodes}".into()];
    scene.faults = vec!["no-capacity:more".into()];
    let records = sticks(scene.start("r2"), "its maximum is not lowered to 4");
    assert_eq!(ended(&records, "nodes"), 0);
    assert_eq!(scene.shape()["nodes.staging.k8s.test"].0, 8);
    scene.faults.clear();
    scene.scenario = vec!["{act: \"set:nodes:DesiredCapacity=4\"}".into()];
    ends(scene.resume("r2"), Ending::RolledBack);
    assert_eq!(
        scene.shape()["nodes.staging.k8s.test"],
        (4, "image-1 2..4".into())
    );
    clean(&scene);
}

/// Killed before or after each of the first effects, then aborted: only giving back follows (`rules.rs`), and where nothing new was launched
/// the group launches again what it did.
#[test]
fn an_abort_after_a_kill_only_gives_back() {
    for death in (1..26).flat_map(|n| [Death::Before(n), Death::After(n)]) {
        let dir = folder();
        let scene =
            Scene::small(dir.path(), &[("nodes", 3, 6, false), ("full", 2, 2, false)]).made();
        let before = scene.shape();
        let spy = Spy::dying(scene.world(), death);
        match catch_unwind(AssertUnwindSafe(|| scene.start_on(&spy, "r2"))) {
            Ok(_) => panic!("nobody died at {death:?}"),
            Err(payload) if payload.is::<Died>() => {}
            Err(payload) => resume_unwind(payload),
        }
        let ours = spy.ours();
        drop(spy);
        let request = Request::Abort {
            by: "me".into(),
            reason: "enough".into(),
        };
        scene.store().request("r2", &request).unwrap();
        let spy = Spy::new(scene.world()).after(ours);
        let records = ends(scene.resume_on(&spy, "r2"), Ending::Aborted);
        drop(spy);
        clean(&scene);
        assert!(scene.progress("r2").open.is_empty(), "{death:?}");
        let live = scene.live(&scene.world());
        for (name, group) in live.clusters.values().flat_map(|c| &c.groups) {
            let (desired, shape) = &before[name.as_str()];
            assert_eq!(
                group.desired,
                *desired,
                "{death:?} {name}: {:#?}",
                trace(&records)
            );
            let launched = |i: &kfleet::model::Instance| i.version == Some(2);
            let stays =
                |i: &&kfleet::model::Instance| i.lifecycle != kfleet::model::Lifecycle::Terminating;
            let coming = group.instances.values().filter(stays).count() < group.desired as usize;
            let moved = coming || group.instances.values().any(launched);
            let runs = &scene.shape()[name.as_str()].1;
            assert!(moved || runs == shape, "{death:?} {name} {runs}");
        }
    }
}

#[test]
fn an_old_group_is_deleted_after_the_gates_and_a_bake() {
    for broken in [false, true] {
        let dir = folder();
        let mut scene = Scene::small(dir.path(), &[("old", 3, 6, true)]).made();
        scene.image = "image-1".into();
        scene.groups = Some(vec![("new", 3, 6, true)]);
        scene.options.autoscaler = true;
        scene.rolling.bake = Span::from_secs(600);
        scene.rolling.ready_timeout = Span::from_secs(240);
        let before = scene.shape();
        if broken {
            scene.scenario = vec![
                "{act: \"node-down:new:2\", when: set-desired old, after: 5m}".into(),
                "{act: \"node-down:new:2\", when: terminate old, nth: 3, after: 3m}".into(),
            ];
            let records = ends(scene.start("r2"), Ending::RolledBack);
            never(&records, &["step delete-group staging/old"]);
            assert_eq!(scene.shape(), before);
        } else {
            let records = ends(scene.start("r2"), Ending::Finished);
            in_order(
                &records,
                &[
                    "group-started staging/old",
                    "step update-group staging/old",
                    "step terminate staging/old",
                    "group-done staging/old",
                    "cluster-rolled staging",
                    "step delete-group staging/old",
                    "cluster-verified staging",
                ],
            );
            // The autoscaler did not find it any more: once empty, it stayed so.
            let rolled = trace(&records)
                .iter()
                .position(|l| l == "cluster-rolled staging")
                .unwrap();
            assert!(!trace(&records)[rolled..].contains(&"step terminate staging/old".to_owned()));
        }
        clean(&scene);
    }
}

#[test]
fn no_capacity_for_ever_ends_with_a_person() {
    let dir = folder();
    let mut scene =
        Scene::small(dir.path(), &[("spot", 3, 6, false), ("twin", 1, 6, false)]).made();
    let capacity = Capacity {
        policy: CapacityPolicy::OnDemand,
        patience: Some(Span::from_secs(600)),
        twin: Some(name("twin")),
    };
    scene.rolling.groups.insert(
        name("spot"),
        GroupRolling {
            strategy: None,
            capacity: Some(capacity),
            zones: None,
        },
    );
    scene.faults = vec!["no-capacity:spot".into()];
    let records = sticks(scene.start("r2"), "no instance could be launched for 12h");
    let said: Vec<&Record> = records
        .iter()
        .filter(|r| matches!(r.event, Event::Group(_, _, GroupEvent::NoCapacity { .. })))
        .collect();
    assert!(
        said.len() < 5 && records.len() < 500,
        "{} {}",
        said.len(),
        records.len()
    );
}

#[test]
fn new_nodes_are_held_until_the_old_are_gone() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[("nodes", 3, 8, true)]).made();
    scene.rolling.bake = Span::from_secs(1800);
    // As an autoscaler does that finds a node idle: it takes the one with the fewest pods.
    scene.scenario = vec![
        "{act: \"scale:nodes:+1\"}".into(),
        "{act: \"scale:nodes:-1\", when: keep-from-autoscaler nodes, after: 10m}".into(),
    ];
    let spy = Spy::new(scene.world());
    let records = ends(scene.start_on(&spy, "r2"), Ending::Finished);
    never(&records, &["canary-lost staging/nodes"]);
    let done = spy.done();
    let kept = |e: &Effect| matches!(e, Effect::Node(NodeEffect::KeepFromAutoscaler { .. }));
    let first = done.iter().position(|(_, e)| kept(e)).unwrap();
    // The first of them before anything old goes.
    let ended = done.iter().position(|(_, e)| {
        matches!(e, Effect::Cloud(CloudEffect::Terminate { group, .. }) if group.as_str().starts_with("nodes."))
    });
    assert!(first < ended.unwrap(), "{done:#?}");
    drop(spy);
    let live = scene.live(&scene.world());
    for cluster in live.clusters.values() {
        let Nodes::Known(seen) = &cluster.nodes else {
            panic!("not seen")
        };
        assert!(
            seen.nodes
                .values()
                .all(|n| !n.ours.contains(&NodeMark::KeptFromAutoscaler))
        );
    }
    clean(&scene);
}

#[test]
fn a_node_that_the_autoscaler_is_ending_is_left_to_it() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[("nodes", 3, 10, true)]).made();
    scene.scenario = vec![
        "{act: \"set:nodes:DesiredCapacity=6\", when: cordon control-plane-a}".into(),
        "{act: \"leave:nodes:2\", when: taint nodes}".into(),
    ];
    let records = ends(scene.start("r2"), Ending::Finished);
    // Two of what was there went without us, and nobody missed them.
    assert_eq!(scene.shape()["nodes.staging.k8s.test"].0, 4);
    assert!(ended(&records, "nodes") < 6, "{:#?}", trace(&records));
    never(
        &records,
        &["failed staging/nodes", "canary-lost staging/nodes"],
    );
    clean(&scene);
}

#[test]
fn one_bad_new_node_is_replaced_and_more_are_judged() {
    for (bad, ending) in [(1, Ending::Finished), (4, Ending::RolledBack)] {
        let dir = folder();
        let mut scene = Scene::small(dir.path(), &[("nodes", 5, 12, false)]).made();
        scene.scenario = vec![format!(
            "{{act: \"node-down:nodes:{bad}\", when: terminate nodes, nth: 5}}"
        )];
        let records = ends(scene.start("r2"), ending);
        if ending == Ending::Finished {
            assert_eq!(ended(&records, "nodes"), 6, "{:#?}", trace(&records));
            never(&records, &["failed staging/nodes"]);
        }
        clean(&scene);
    }
}

/// A group whose nodes die at these minutes, each one of chance.
fn dying(
    size: u32,
    seed: u64,
    minutes: &[u32],
) -> (Result<Outcome, kfleet::run::RunError>, Vec<Record>) {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[("nodes", size, 8, false)]);
    scene.options.seed = seed;
    let mut scene = scene.made();
    scene.odd_image = Some(("control-plane-a", "image-1".into()));
    (scene.rolling.canary, scene.rolling.bake) = (1, Span::from_secs(600));
    let item =
        |m: &u32| format!("{{act: \"node-down:nodes:1\", when: pin-version nodes, after: {m}m}}");
    scene.scenario = minutes.iter().map(item).collect();
    scene.start("r2")
}

#[test]
fn a_node_that_dies_while_the_canary_bakes_turns_nothing_round() {
    let mut lost = [0, 0];
    for seed in 1..=6 {
        let records = ends(dying(3, seed, &[4]), Ending::Finished);
        never(&records, &["failed staging/nodes"]);
        lost[count(&records, "canary-lost staging/nodes")] += 1;
    }
    // It was the canary itself, or an old one.
    assert!(lost[0] > 0 && lost[1] > 0, "{lost:?}");
}

#[test]
fn a_dead_node_that_was_there_before_holds_no_rollback_up() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[("nodes", 3, 8, false)]).made();
    scene.odd_image = Some(("control-plane-a", "image-1".into()));
    scene.faults = vec!["sick-image:image-2".into()];
    scene.scenario =
        vec!["{act: \"node-down:nodes:1\", when: pin-version nodes, after: 3m}".into()];
    ends(scene.start("r2"), Ending::RolledBack);
    scene.faults.clear();
    clean(&scene);
}

#[test]
fn a_node_that_dies_in_the_roll_is_named() {
    let dir = folder();
    let down = |n: u32| format!("{{act: \"node-down:nodes:{n}\", when: pin-version nodes}}");
    // One is what a group loses on any day: it is replaced like the others.
    let mut one = Scene::small(dir.path(), &[("nodes", 4, 6, false)]).made();
    one.scenario = vec![down(1)];
    let records = ends(one.start("r2"), Ending::Finished);
    let named = |r: &Record| match &r.event {
        Event::Group(_, _, GroupEvent::CanaryProven { evidence }) => evidence.iter().any(|e| {
            matches!(e, Evidence::Gate { ground: Ground::Healthy { lost, .. }, .. }
                if matches!(&lost[..], [one] if (one.desired, one.allowed) == (5, 1)))
        }),
        _ => false,
    };
    assert!(records.iter().any(named), "{:#?}", trace(&records));
    never(&records, &["failed staging/nodes"]);
    clean(&one);
    // Nobody brings more of them back to life, on the way back neither: that is left to a person.
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[("nodes", 4, 6, false)]).made();
    scene.scenario = vec![down(2)];
    let records = sticks(scene.start("r2"), "has a node that is not Ready");
    in_order(
        &records,
        &["failed staging/nodes", "rollback-started", "stuck staging"],
    );
    never(&records, &["canary-proven staging/nodes"]);
}

#[test]
fn a_canary_that_dies_twice_is_judged() {
    let mut judged = 0;
    for seed in 1..=12 {
        let (outcome, records) = dying(1, seed, &[4, 28]);
        if count(&records, "canary-lost staging/nodes") == 2 {
            ends((outcome, records), Ending::RolledBack);
            judged += 1;
        }
    }
    assert!(judged > 0);
}

#[test]
fn a_version_to_go_back_to_is_looked_for_first() {
    let dir = folder();
    let scene = Scene::small(dir.path(), &[NODES]).made();
    let spy = Spy::new(scene.world());
    let mut rollout: Rollout = scene.rollout(spy.world(), "r2", &[]);
    for group in &mut rollout.stages[0].waves[0].clusters[0].groups {
        if let Task::Update { from_version, .. } = &mut group.task {
            *from_version = 77;
        }
    }
    let (mut journal, first) = Journal::begin(&scene.store(), &rollout).unwrap();
    let mut records = vec![first];
    let outcome = scene.carry(&spy, &mut journal, &scene.drive(), &mut records);
    sticks(
        (outcome, records.clone()),
        "to which a rollback would return, were deleted outside this rollout",
    );
    assert!(!trace(&records).iter().any(|l| l.starts_with("step ")));
}

/// A journal says that a group has had many more instances than it has: whatever ends them, nothing more is launched or ended for it before a
/// person has looked, and then as many may go again.
#[test]
fn launches_and_terminations_of_a_group_are_bounded() {
    let dir = folder();
    let scene = Scene::small(dir.path(), &[("nodes", 3, 8, false)]).made();
    let spy = Spy::dying(scene.world(), Death::After(12));
    let payload = catch_unwind(AssertUnwindSafe(|| scene.start_on(&spy, "r2"))).unwrap_err();
    assert!(payload.is::<Died>());
    let (ours, now) = (spy.ours(), spy.now());
    drop(spy);
    let (store, group) = (scene.store(), "nodes.staging.k8s.test");
    let mut journal = Journal::take_up(&store, "r2").unwrap();
    let spent = || {
        scene
            .progress("r2")
            .clusters
            .values()
            .next()
            .unwrap()
            .groups[&name(group)]
            .spent
    };
    assert_eq!((spent().launches, spent().terminations), (1, 0));
    // Three to replace, and ten on top.
    for n in 0..13 {
        let step = journal.progress().next_step;
        let effect = CloudEffect::Terminate {
            group: name(group),
            instance: name(&format!("i-0000000{n:02}")),
            decrement: false,
        };
        let intent = Event::Step(
            step,
            StepEvent::Intent {
                cluster: name("staging.k8s.test"),
                group: name(group),
                effect: Box::new(Effect::Cloud(effect)),
            },
        );
        let result = StepResult::Applied(kfleet::model::Applied::Done);
        journal
            .append(
                now,
                vec![intent, Event::Step(step, StepEvent::Outcome { result })],
            )
            .unwrap();
    }
    drop(journal);
    assert_eq!((spent().launches, spent().terminations), (1, 13));
    let spy = Spy::new(scene.world()).after(ours);
    let why = "1 instances were launched and 13 ended for 3 to replace, and 13 are the most";
    let records = sticks(scene.resume_on(&spy, "r2"), why);
    let (ours, done) = (spy.ours(), spy.done().len());
    assert!(
        !trace(&records).contains(&"step terminate staging/nodes".to_owned()),
        "{:#?}",
        trace(&records)
    );
    drop(spy);
    let spy = Spy::new(scene.world()).after(ours);
    ends(scene.resume_on(&spy, "r2"), Ending::Finished);
    assert!(spy.done().len() > done);
    clean(&scene);
}

/// What AWS has exchanged is drained by us where a lower maximum has no room for it.
#[test]
fn a_lower_maximum_drains_after_a_refresh_too() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[("nodes", 3, 8, false)]).made();
    scene.groups = Some(vec![("nodes", 1, 1, false)]);
    scene.rolling.strategy = kfleet::fleet::Strategy::InstanceRefresh;
    let records = ends(scene.start("r2"), Ending::Finished);
    in_order(
        &records,
        &[
            "step start-refresh staging/nodes",
            "canary-proven staging/nodes",
            "step cordon staging/nodes",
            "step cordon staging/nodes",
            "step update-group staging/nodes",
            "group-done staging/nodes",
        ],
    );
    clean(&scene);
}

/// An instance that came while the call had no answer would be ended by it, and nobody has drained it.
#[test]
fn less_is_asked_for_again_only_while_it_ends_nothing() {
    for (there, repeats) in [(2, true), (3, false)] {
        let mut m = super::middle::middle();
        m.group("nodes").outstanding.drains.clear();
        m.progress.direction = kfleet::rollout::Direction::Aborting;
        let (cluster, asg) = (m.cluster.clone(), m.asg("nodes"));
        let effect = Effect::Cloud(CloudEffect::SetDesired {
            group: asg.clone(),
            from: 3,
            to: 2,
            launch: None,
        });
        let intent = kfleet::rollout::Intent {
            cluster: cluster.clone(),
            group: asg,
            effect: effect.clone(),
            tries: 1,
            asked_at: m.now,
            doubtful: true,
            stale: false,
            refusal: None,
        };
        m.progress.open.insert(7, intent);
        m.live("nodes", |live| {
            while live.instances.len() > there {
                live.instances.pop_first();
            }
        });
        let live = kfleet::model::Live {
            read_at: m.now,
            clusters: [(cluster, m.live.clone())].into(),
            room: Vec::new(),
        };
        let decision = kfleet::rollout::decide(&m.rollout, &m.progress, &live, m.now);
        let again = decision.steps.iter().any(|s| s.effect == effect);
        assert_eq!(again, repeats, "{there} there: {decision:?}");
    }
}
