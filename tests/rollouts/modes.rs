//! The ways in which such tools break production (`docs/failure-modes.md`), each as a scenario: what others do to the
//! account in the middle of a rollout, and what the rollout makes of it.

use super::*;
use kfleet::fleet::ZonePolicy;
use kfleet::store::{Locks, StoreError};

const CP: &str = "control-plane-a";

/// A made cluster with an account in which this happens.
fn scene(
    dir: &std::path::Path,
    groups: &[(&'static str, u32, u32, bool)],
    scenario: &[&str],
) -> Scene {
    let mut scene = Scene::small(dir, groups).made();
    scene.scenario = scenario.iter().map(|s| (*s).to_owned()).collect();
    scene
}

/// Rolls it to the end, and then there is nothing to do and nothing left behind.
#[track_caller]
fn finishes(mut scene: Scene) -> (Scene, Vec<Record>) {
    let spy = Spy::new(scene.world());
    let records = ends(scene.start_on(&spy, "r2"), Ending::Finished);
    assert!(spy.ours().values().all(|n| *n == 0), "{:?}", spy.ours());
    drop(spy);
    scene.scenario.clear();
    assert!(scene.plan(&scene.world(), Allow::default()).is_empty());
    clean(&scene);
    (scene, records)
}

fn desired(scene: &Scene) -> u32 {
    scene.shape()["nodes.staging.k8s.test"].0
}

fn replaced(records: &[Record], group: &str) -> u32 {
    let started = |r: &Record| {
        let Event::Group(_, asg, GroupEvent::Started { instances, .. }) = &r.event else {
            return None;
        };
        asg.as_str().starts_with(group).then_some(*instances)
    };
    records.iter().find_map(started).unwrap()
}

#[test]
fn a_small_change_walks_all_waves_too() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]);
    scene.prod = vec![name("prod-a.k8s.test"), name("prod-b.k8s.test")];
    let mut scene = scene.made();
    scene.image = "image-1".into();
    scene.groups = Some(vec![("nodes", 3, 7, false)]);
    let records = rolls(&scene, "r2");
    in_order(
        &records,
        &[
            "stage-passed staging",
            "step update-group prod-a/nodes",
            "wave-passed prod 0",
            "step update-group prod-b/nodes",
        ],
    );
    never(
        &records,
        &["step terminate prod-a/nodes", "drain-started prod-a/nodes"],
    );
}

#[test]
fn a_node_added_early_has_the_proven_version() {
    let dir = folder();
    // While the control plane is rolled; the nodes are three.
    let scene = scene(
        dir.path(),
        &[NODES],
        &[&format!(
            "{{act: \"scale:nodes:+1\", when: terminate {CP}}}"
        )],
    );
    let (scene, records) = finishes(scene);
    in_order(
        &records,
        &[
            "group-done staging/control-plane-a",
            "group-started staging/nodes",
        ],
    );
    // It runs the old version, so that it is one more to replace.
    assert_eq!(replaced(&records, "nodes"), 4);
    assert_eq!(desired(&scene), 4);
}

#[test]
fn an_autoscaler_keeps_the_capacity_that_it_wants() {
    for (by, left) in [("+2", 6), ("-1", 3)] {
        for minutes in [1, 3, 8, 12] {
            let dir = folder();
            let act = format!(
                "{{act: \"scale:nodes:{by}\", when: pin-version nodes, after: {minutes}m}}"
            );
            let scene = scene(
                dir.path(),
                &[("nodes", 2, 9, false)],
                &["{act: \"set:nodes:DesiredCapacity=4\"}", &act],
            );
            let (scene, _) = finishes(scene);
            // Down to less than there was at no moment: a node that is drained is no candidate for the autoscaler.
            assert!(
                desired(&scene) == left || (by == "-1" && desired(&scene) == 4),
                "{by} after {minutes}m: {}",
                desired(&scene)
            );
        }
    }
}

#[test]
fn zones_are_not_rebalanced_while_a_group_is_rolled() {
    let dir = folder();
    let scene = scene(
        dir.path(),
        &[NODES],
        &["{act: \"rebalance:nodes\", when: suspend nodes, every: 1m, times: 6}"],
    );
    let (_, records) = finishes(scene);
    // Every instance that ended was drained and ended by the rollout.
    assert_eq!(count(&records, "step terminate staging/nodes"), 3);
    assert_eq!(count(&records, "drain-started staging/nodes"), 3);
}

#[test]
fn what_a_person_ends_or_takes_out_is_replaced() {
    for act in [
        "terminate:nodes:1",
        "detach:nodes:1",
        "cordon:nodes:1",
        "set:nodes:DesiredCapacity=5",
    ] {
        for minutes in [0, 2, 5, 9] {
            let dir = folder();
            let mut scene = scene(
                dir.path(),
                &[NODES],
                &[&format!(
                    "{{act: \"{act}\", when: pin-version nodes, after: {minutes}m}}"
                )],
            );
            let spy = Spy::new(scene.world());
            let (outcome, records) = scene.start_on(&spy, "r2");
            assert!(
                spy.ours().values().all(|n| *n == 0),
                "{act} {minutes}: {:?}",
                spy.ours()
            );
            drop(spy);
            assert_eq!(
                outcome.unwrap(),
                Outcome::Ended(Ending::Finished),
                "{act} after {minutes}m: {:#?}",
                reasons(&records)
            );
            scene.scenario.clear();
            // What the person cordoned is theirs to clear away; nothing of ours is left.
            let theirs = |l: &String| act.starts_with("cordon") && l.ends_with("is cordoned");
            assert!(
                scene.leftovers().iter().all(theirs),
                "{act}: {:?}",
                scene.leftovers()
            );
        }
    }
}

#[test]
fn a_version_that_somebody_else_pins_needs_a_person() {
    let dir = folder();
    let scene = scene(
        dir.path(),
        &[NODES],
        &["{act: \"repin:nodes\", when: create-template-version nodes}"],
    );
    let records = sticks(scene.start("r2"), "changed outside this rollout");
    never(
        &records,
        &[
            "drain-started staging/nodes",
            "step terminate staging/nodes",
        ],
    );
}

#[test]
fn a_group_that_somebody_deletes_needs_a_person() {
    let dir = folder();
    let scene = scene(
        dir.path(),
        &[NODES, ("other", 2, 4, false)],
        &["{act: \"delete:nodes\", when: cordon nodes}"],
    );
    sticks(scene.start("r2"), "the group is gone");
}

#[test]
fn no_capacity_in_one_zone_is_no_trouble() {
    let dir = folder();
    let scene = scene(
        dir.path(),
        &[NODES],
        &[
            "{fault: \"no-capacity-of:*@eu-west-3a\"}",
            "{fault: \"no-capacity-of:m5.xlarge@*\"}",
        ],
    );
    let mut scene = Scene {
        odd_image: Some((CP, "image-1".into())),
        ..scene
    };
    scene.rolling.zones = ZonePolicy::Any;
    let (_, records) = finishes(scene);
    assert_eq!(count(&records, "step terminate staging/nodes"), 3);
}

#[test]
fn no_capacity_at_all_rolls_it_back_in_the_end() {
    for (minutes, ending) in [(8, Ending::Finished), (60, Ending::RolledBack)] {
        let dir = folder();
        let mut scene = scene(
            dir.path(),
            &[NODES],
            &[&format!(
                "{{fault: \"no-capacity-of:m5.large@*\", when: pin-version nodes, for: {minutes}m}}"
            )],
        );
        scene.odd_image = Some((CP, "image-1".into()));
        let before = scene.shape();
        let records = ends(scene.start("r2"), ending);
        scene.scenario.clear();
        clean(&scene);
        if ending == Ending::RolledBack {
            says(
                &records,
                "sufficient m5.large capacity in the Availability Zone you requested (eu-west-3",
            );
            never(
                &records,
                &["step cordon staging/nodes", "step terminate staging/nodes"],
            );
            assert_eq!(scene.shape(), before);
        }
    }
}

#[test]
fn spot_instances_that_are_taken_away_are_replaced() {
    for minutes in [1, 4, 7, 11] {
        let dir = folder();
        let mut scene = Scene::small(dir.path(), &[("nodes", 6, 9, false)]);
        scene.spot = true;
        let mut scene = scene.made();
        scene.scenario = vec![format!(
            "{{act: \"reclaim:nodes:2\", when: pin-version nodes, after: {minutes}m, every: 3m, times: 3}}"
        )];
        let (scene, _) = finishes(scene);
        assert_eq!(desired(&scene), 6);
    }
}

#[test]
fn calls_that_time_out_without_effect_are_made_again() {
    for n in 2..6 {
        let dir = folder();
        let mut scene = Scene::small(dir.path(), &[NODES, ("full", 2, 2, false)]).made();
        scene.faults = vec![format!("no-answer:{n}")];
        let records = ends(scene.start("r2"), Ending::Finished);
        assert!(records.iter().any(|r| matches!(
            &r.event,
            Event::Step(
                _,
                StepEvent::Outcome {
                    result: StepResult::Unknown(_)
                }
            )
        )));
        scene.faults.clear();
        clean(&scene);
    }
}

/// It waits for a login, which is the last thing that its journal says; each step that was meant has no answer, or one that left it open.
#[track_caller]
fn waits_for_a_login((outcome, records): Ran) -> Vec<Record> {
    let Ok(Outcome::WaitingForCredentials { why }) = outcome else {
        panic!("{outcome:?}\n{}", trace(&records).join("\n"))
    };
    assert!(
        why.starts_with("no valid credentials for account 111122223333: ExpiredToken"),
        "{why}"
    );
    let last = records.last().unwrap();
    assert!(
        matches!(&last.event, Event::Rollout(RolloutEvent::Paused { why: said }) if kfleet::report::reason_text(said) == why),
        "{last:?}"
    );
    records
}

#[test]
fn expired_credentials_pause_until_a_login() {
    for trigger in [
        "pin-version nodes",
        "cordon nodes",
        "terminate nodes",
        "set-desired nodes",
    ] {
        let dir = folder();
        let mut scene = scene(
            dir.path(),
            &[NODES],
            &[&format!("{{fault: expired-credentials, when: {trigger}}}")],
        );
        let records = waits_for_a_login(scene.start("r2"));
        let (kind, _) = trigger.split_once(' ').unwrap();
        let steps: Vec<String> = trace(&records)
            .into_iter()
            .filter(|l| l.starts_with("step "))
            .collect();
        // What was still to be done on nodes in that round was done: only AWS asks for these credentials.
        assert!(
            steps
                .iter()
                .any(|s| *s == format!("step {kind} staging/nodes")),
            "{steps:#?}"
        );
        // Whoever has not logged in yet gets no further, and leaves nothing else behind.
        scene.scenario = vec!["{fault: expired-credentials}".into()];
        assert_eq!(trace(&waits_for_a_login(scene.resume("r2"))), ["paused"]);
        scene.scenario.clear();
        let later = ends(scene.resume("r2"), Ending::Finished);
        in_order(
            &later,
            &[
                "resumed",
                "group-done staging/nodes",
                "cluster-verified staging",
                "finished",
            ],
        );
        clean(&scene);
    }
}

#[test]
fn credentials_may_expire_at_any_moment() {
    for minutes in [1, 3, 8, 14, 20, 30] {
        let dir = folder();
        let over = format!("{{fault: expired-credentials, after: {minutes}m, for: 2h}}");
        let mut scene = Scene::small(dir.path(), &[NODES]);
        scene.prod = vec![name("prod-a.k8s.test")];
        let mut scene = scene.made();
        let shape = scene.shape();
        scene.scenario = vec![over];
        let records = waits_for_a_login(scene.start("r2"));
        never(
            &records,
            &[
                "stuck staging/nodes",
                "failed staging/nodes",
                "rollback-started",
            ],
        );
        scene.scenario.clear();
        ends(scene.resume("r2"), Ending::Finished);
        clean(&scene);
        assert_eq!(
            scene.shape().keys().collect::<Vec<_>>(),
            shape.keys().collect::<Vec<_>>()
        );
        assert!(scene.plan(&scene.world(), Allow::default()).is_empty());
    }
}

#[test]
fn a_wave_for_which_there_are_no_credentials_does_not_begin() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]);
    scene.prod = vec![name("prod-a.k8s.test")];
    let scene = scene.made();
    let spy = Spy::new(scene.world());
    spy.nameless(1);
    let records = waits_for_a_login(scene.start_on(&spy, "r2"));
    drop(spy);
    in_order(
        &records,
        &["stage-passed staging", "stage-started prod", "paused"],
    );
    never(&records, &["wave-started prod 0", "cluster-started prod-a"]);
    in_order(
        &ends(scene.resume("r2"), Ending::Finished),
        &[
            "resumed",
            "wave-started prod 0",
            "cluster-verified prod-a",
            "finished",
        ],
    );
    clean(&scene);
}

#[test]
fn nothing_is_drained_while_the_kubernetes_api_is_down() {
    let dir = folder();
    let down =
        "{fault: \"no-kubernetes:staging.k8s.test\", when: cordon nodes, after: 1s, for: 10m}";
    let scene = scene(dir.path(), &[NODES], &[down]);
    let (_, records) = finishes(scene);
    let cordons: Vec<Timestamp> = records
        .iter()
        .filter(|r| matches!(&r.event, Event::Step(_, StepEvent::Intent { effect, .. }) if matches!(**effect, Effect::Node(kfleet::model::NodeEffect::Cordon { .. }))))
        .map(|r| r.at)
        .collect();
    assert!(
        cordons
            .windows(2)
            .any(|w| w[1].since(w[0]) >= Span::from_secs(600)),
        "{cordons:?}"
    );
}

#[test]
fn an_api_that_stays_down_needs_a_person() {
    let dir = folder();
    let mut scene = scene(
        dir.path(),
        &[NODES],
        &["{fault: \"no-kubernetes:staging.k8s.test\"}"],
    );
    let records = sticks(scene.start("r2"), "the Kubernetes API does not answer");
    never(
        &records,
        &[
            "step cordon staging/control-plane-a",
            "step terminate staging/control-plane-a",
        ],
    );
    scene.scenario.clear();
    ends(scene.resume("r2"), Ending::Finished);
    clean(&scene);
}

#[test]
fn another_kfleet_at_work_is_named_and_nothing_is_done() {
    let dir = folder();
    let scene = scene(dir.path(), &[NODES], &[]);
    let before = scene.shape();
    let mut theirs = Locks::default();
    theirs
        .take(
            &scene.store(),
            [scene.staging[0].clone()],
            "somebody else",
            "r9",
            scene.world().now(),
        )
        .unwrap();
    let (outcome, records) = scene.start("r2");
    let Err(RunError::Store(StoreError::Locked { owner, rollout, .. })) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((owner.as_str(), rollout.as_str()), ("somebody else", "r9"));
    never(
        &records,
        &["wave-started staging 0", "cluster-started staging"],
    );
    assert_eq!(scene.shape(), before);
    theirs.release();
    ends(scene.resume("r2"), Ending::Finished);
}

#[test]
fn a_killed_process_is_followed_by_another() {
    for (when, nth) in [
        ("create-template-version", 1),
        ("set-desired", 1),
        ("cordon", 2),
        ("terminate", 3),
        ("resume", 1),
    ] {
        let dir = folder();
        let scene = scene(
            dir.path(),
            &[NODES, ("full", 2, 2, false)],
            &[&format!("{{act: kill, when: {when}, nth: {nth}}}")],
        );
        let other = folder();
        let store =
            kfleet::store::Store::open(other.path(), kfleet::store::CloudKind::Local).unwrap();
        let world = scene.world().in_memory(scene.options);
        let rollout = scene.rollout(&world, "r2", &[]);
        let items = format!("version: 1\nscenario:\n  - {}\n", scene.scenario[0]);
        world
            .set_scenario(kfleet::cloud::local::Scenario::parse("s", &items).unwrap())
            .unwrap();
        let ran = support::block(kfleet::run::rehearse(
            world,
            &store,
            &rollout,
            &scene.drive(),
        ))
        .unwrap();
        assert_eq!(
            ran.outcome.unwrap(),
            Outcome::Ended(Ending::Finished),
            "{when}: {:#?}",
            reasons(&ran.records)
        );
        assert_eq!(
            (ran.deaths, ran.seen.broken),
            (1, Default::default()),
            "{when}"
        );
        assert_eq!(count(&ran.records, "resumed"), 1);
    }
}

#[test]
fn surge_of_the_same_round_is_not_missing_capacity() {
    let dir = folder();
    let mut scene = scene(dir.path(), &[("nodes", 4, 8, false)], &[]);
    // Proven with one; then the second is asked for, and the first old instance drained, in one round.
    (scene.rolling.max_surge, scene.rolling.canary) = (Amount::Count(2), 1);
    let other = folder();
    let store = kfleet::store::Store::open(other.path(), kfleet::store::CloudKind::Local).unwrap();
    let world = scene.world().in_memory(scene.options);
    let rollout = scene.rollout(&world, "r2", &[]);
    let ran = support::block(kfleet::run::rehearse(
        world,
        &store,
        &rollout,
        &scene.drive(),
    ))
    .unwrap();
    assert_eq!(
        (ran.outcome.unwrap(), ran.seen.broken),
        (Outcome::Ended(Ending::Finished), Default::default())
    );
    in_order(
        &ran.records,
        &[
            "canary-proven staging/nodes",
            "step set-desired staging/nodes",
            "step cordon staging/nodes",
        ],
    );
}

#[test]
fn a_cloud_whose_clock_goes_ahead_of_ours_has_the_same_canary() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[("nodes", 4, 8, false)]).made();
    (scene.rolling.canary, scene.rolling.bake) = (1, Span::from_secs(600));
    let spy = Spy::new(scene.world());
    // AWS takes requests that are signed up to five minutes off.
    spy.ahead(Span::from_secs(290));
    let records = ends(scene.start_on(&spy, "r2"), Ending::Finished);
    assert_eq!(
        (
            count(&records, "canary-up staging/nodes"),
            count(&records, "canary-lost staging/nodes")
        ),
        (1, 0)
    );
}
