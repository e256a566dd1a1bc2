//! Groups that AWS refuses capacity, and the on-demand twins that stand in for them.

use kfleet::fleet::{Capacity, CapacityPolicy, GroupRolling};
use kfleet::kops::Role;
use kfleet::plan::{Blocked, Fact, TwinFault};

use super::*;

/// Nodes with a twin; changed: the twin goes to the new image too.
fn twins(dir: &std::path::Path, twin: (u32, u32), changed: bool) -> Scene {
    let mut scene = Scene::small(dir, &[NODES, ("od", twin.0, twin.1, false)]).made();
    if !changed {
        scene.odd_image = Some(("od", "image-1".into()));
    }
    let capacity = Capacity {
        policy: CapacityPolicy::OnDemand,
        patience: Some(Span::from_secs(300)),
        twin: Some(name("od")),
    };
    scene.rolling.groups.insert(
        name("nodes"),
        GroupRolling {
            strategy: None,
            capacity: Some(capacity),
            zones: None,
        },
    );
    scene
}

fn refused(scene: &mut Scene, group: &str, hours: u32) {
    scene
        .scenario
        .push(format!("{{fault: \"no-capacity:{group}\", for: {hours}h}}"));
}

fn desired(scene: &Scene, group: &str) -> u32 {
    let live = scene.live(&scene.world());
    live.clusters[&scene.staging[0]].groups[&name(&format!("{group}.staging.k8s.test"))].desired
}

/// The most desired capacity that a rollout ever asked for a group.
fn most(records: &[Record], group: &str) -> u32 {
    let of = |r: &Record| match &r.event {
        Event::Step(_, StepEvent::Intent { effect, .. }) => match &**effect {
            Effect::Cloud(CloudEffect::SetDesired { group: g, to, .. })
                if g.as_str().starts_with(group) =>
            {
                Some(*to)
            }
            _ => None,
        },
        _ => None,
    };
    records.iter().filter_map(of).max().unwrap_or(0)
}

#[test]
fn a_twin_stands_in_until_there_is_capacity_again() {
    let dir = folder();
    let mut scene = twins(dir.path(), (1, 6), false);
    refused(&mut scene, "nodes", 3);
    let records = rolls(&scene, "r2");
    in_order(
        &records,
        &[
            "step set-desired staging/nodes",
            "no-capacity staging/nodes",
            "borrowed staging/nodes",
            "lending staging/od",
            "step set-desired staging/od",
            "drain-started staging/nodes",
            "step terminate staging/nodes",
            "step terminate staging/nodes",
            "step terminate staging/nodes",
            "capacity-back staging/nodes",
            "canary-proven staging/nodes",
            "group-done staging/nodes",
            "cluster-rolled staging",
            "cluster-verified staging",
        ],
    );
    in_order(
        &records,
        &[
            "capacity-back staging/nodes",
            "step terminate staging/od",
            "group-done staging/od",
        ],
    );
    never(
        &records,
        &[
            "step pin-version staging/od",
            "step create-template-version staging/od",
            "step update-group staging/od",
            "failed staging/nodes",
        ],
    );
    assert_eq!((desired(&scene, "nodes"), desired(&scene, "od")), (3, 1));
    assert_eq!(most(&records, "od"), 4);
}

#[test]
fn a_twin_that_is_changed_itself_is_done_first() {
    let dir = folder();
    let mut scene = twins(dir.path(), (1, 6), true);
    refused(&mut scene, "nodes", 3);
    let records = rolls(&scene, "r2");
    in_order(
        &records,
        &[
            "step pin-version staging/od",
            "group-done staging/od",
            "lending staging/od",
            "step set-desired staging/od",
            "group-done staging/od",
        ],
    );
    assert_eq!((desired(&scene, "nodes"), desired(&scene, "od")), (3, 1));
}

#[test]
fn a_twin_lends_within_its_maximum_and_the_surge() {
    for (twin, surge, bound) in [((0, 2), 10, 2), ((0, 6), 1, 1)] {
        let dir = folder();
        let mut scene = twins(dir.path(), twin, false);
        scene.rolling.cluster_surge = surge;
        refused(&mut scene, "nodes", 3);
        let records = rolls(&scene, "r2");
        in_order(
            &records,
            &[
                "lending staging/od",
                "step terminate staging/nodes",
                "capacity-back staging/nodes",
                "step terminate staging/od",
            ],
        );
        assert_eq!(most(&records, "od"), bound);
        assert_eq!((desired(&scene, "nodes"), desired(&scene, "od")), (3, 0));
    }
}

#[test]
fn a_twin_that_is_refused_too_ends_as_its_stage_says() {
    let dir = folder();
    let mut scene = twins(dir.path(), (1, 6), false);
    scene.faults = vec!["no-capacity:nodes".into(), "no-capacity:od".into()];
    let records = goes_back(&scene);
    in_order(
        &records,
        &[
            "borrowed staging/nodes",
            "lending staging/od",
            "no-capacity staging/od",
            "failed staging/od",
            "rolled-back",
        ],
    );
    never(
        &records,
        &[
            "step cordon staging/nodes",
            "step terminate staging/nodes",
            "step terminate staging/od",
        ],
    );
}

#[test]
fn a_twin_at_its_maximum_is_no_help() {
    let dir = folder();
    let mut scene = twins(dir.path(), (2, 2), false);
    scene.faults = vec!["no-capacity:nodes".into()];
    let records = goes_back(&scene);
    says(
        &records,
        "its on-demand twin od.staging.k8s.test is at its maximum of 2",
    );
    never(
        &records,
        &[
            "borrowed staging/nodes",
            "lending staging/od",
            "step set-desired staging/od",
        ],
    );
}

/// Runs until `stop` stands in the journal, then aborts.
fn aborted(scene: &Scene, stop: &str) -> Vec<Record> {
    let store = scene.store();
    let spy = Spy::new(scene.world());
    let rollout = scene.rollout(spy.world(), "r2", &[]);
    let (mut journal, first) = Journal::begin(&store, &rollout).unwrap();
    let mut records = vec![first];
    spy.begin(journal.rollout(), journal.progress());
    let seen = std::cell::Cell::new(false);
    let outcome = support::block(kfleet::run::run(
        &spy,
        &store,
        &mut journal,
        &scene.drive(),
        || seen.get(),
        |signal| {
            if let kfleet::run::Signal::Recorded(record) = signal {
                spy.hear(record);
                records.push(record.clone());
                seen.set(
                    seen.get()
                        || trace(std::slice::from_ref(record))
                            .iter()
                            .any(|l| l == stop),
                );
            }
        },
    ));
    assert_eq!(outcome.unwrap(), Outcome::Interrupted);
    assert_eq!(spy.wrong(), Vec::<String>::new());
    drop((journal, spy));
    store
        .request(
            "r2",
            &Request::Abort {
                by: "test".into(),
                reason: "test".into(),
            },
        )
        .unwrap();
    let (outcome, more) = scene.resume("r2");
    if outcome.as_ref().is_ok_and(|o| *o == Outcome::Stuck) {
        records.extend(more);
        return records;
    }
    records.extend(ends((outcome, more), Ending::Aborted));
    records
}

#[test]
fn an_abort_returns_only_what_is_borrowed() {
    // Nothing is drained yet: all of it goes back at once, capacity or not.
    for stop in [
        "borrowed staging/nodes",
        "lending staging/od",
        "step set-desired staging/od",
    ] {
        let dir = folder();
        let mut scene = twins(dir.path(), (1, 6), false);
        scene.faults = vec!["no-capacity:nodes".into()];
        let records = aborted(&scene, stop);
        assert!(trace(&records).iter().any(|l| l == "aborted"), "{stop}");
        assert_eq!(
            (desired(&scene, "nodes"), desired(&scene, "od")),
            (3, 1),
            "{stop}"
        );
        clean(&scene);
    }
    // An instance is gone, and none comes for it: what stands in stays, a person is told, and it ends once there is capacity.
    let dir = folder();
    let mut scene = twins(dir.path(), (1, 6), false);
    scene.faults = vec!["no-capacity:nodes".into()];
    let records = aborted(&scene, "step terminate staging/nodes");
    says(
        &records,
        "1 more than its own stand in for nodes.staging.k8s.test",
    );
    assert_eq!(desired(&scene, "od"), 2);
    scene.faults.clear();
    ends(scene.resume("r2"), Ending::Aborted);
    assert_eq!((desired(&scene, "nodes"), desired(&scene, "od")), (3, 1));
    clean(&scene);
}

#[test]
fn a_failure_while_borrowing_goes_back_and_the_twin_shrinks() {
    let dir = folder();
    let mut scene = twins(dir.path(), (1, 6), false);
    refused(&mut scene, "nodes", 2);
    (scene.image, scene.odd_image) = ("image-1".into(), Some(("nodes", "image-3".into())));
    scene.faults = vec!["sick-image:image-3".into()];
    let records = goes_back(&scene);
    in_order(
        &records,
        &[
            "lending staging/od",
            "step terminate staging/nodes",
            "capacity-back staging/nodes",
            "failed staging/nodes",
            "step terminate staging/od",
            "rolled-back",
        ],
    );
}

#[test]
fn the_plan_says_who_lends_and_refuses_a_twin_that_is_none() {
    let dir = folder();
    let scene = twins(dir.path(), (1, 6), false);
    let plan = scene.plan(&scene.world(), Allow::default());
    let cluster = &plan.clusters[&scene.staging[0]];
    assert_eq!(
        cluster.twins.keys().map(|k| k.as_str()).collect::<Vec<_>>(),
        ["nodes.staging.k8s.test"]
    );
    assert!(
        cluster
            .notes
            .iter()
            .any(|n| matches!(n.what, Fact::MayBorrow { .. })),
        "{:?}",
        cluster.notes
    );
    let rollout = scene.build(&plan, &scene.world(), "r2", &[]).unwrap();
    let lent = rollout
        .clusters()
        .flat_map(|c| &c.groups)
        .find(|g| g.lends.is_some())
        .unwrap();
    assert_eq!(
        (lent.asg.as_str(), lent.role),
        ("od.staging.k8s.test", Role::Node)
    );
    for (twin, is_it) in [
        (
            "gone",
            (|f| matches!(f, TwinFault::NoGroup { .. })) as fn(&TwinFault) -> bool,
        ),
        ("control-plane-a", |f| {
            matches!(f, TwinFault::NotNodes { .. })
        }),
    ] {
        let mut scene = scene.clone();
        let capacity = Capacity {
            policy: CapacityPolicy::OnDemand,
            patience: None,
            twin: Some(name(twin)),
        };
        scene.rolling.groups.insert(
            name("nodes"),
            GroupRolling {
                strategy: None,
                capacity: Some(capacity),
                zones: None,
            },
        );
        let plan = scene.plan(&scene.world(), Allow::default());
        let blocked = &plan.clusters[&scene.staging[0]].blocked;
        assert!(
            blocked
                .iter()
                .any(|b| matches!(b, Blocked::Twin { fault, .. } if is_it(fault))),
            "{blocked:?}"
        );
    }
    let mut spot = scene.clone();
    spot.spot = true;
    let plan = spot.plan(&spot.world(), Allow::default());
    let blocked = &plan.clusters[&spot.staging[0]].blocked;
    assert!(
        blocked.iter().any(|b| matches!(
            b,
            Blocked::Twin {
                fault: TwinFault::Spot { .. },
                ..
            }
        )),
        "{blocked:?}"
    );
}

/// A group that is done and lends launches what this rollout has proven, or nothing.
#[test]
fn a_twin_that_somebody_pinned_elsewhere_lends_nothing_more() {
    let dir = folder();
    let mut scene = twins(dir.path(), (1, 6), true);
    refused(&mut scene, "nodes", 9);
    scene
        .scenario
        .push("{act: \"repin:od\", when: terminate od, after: 1m}".into());
    let records = sticks(
        scene.start("r2"),
        "pinned to another version outside this rollout",
    );
    let lending = records
        .iter()
        .skip_while(|r| !matches!(r.event, Event::Group(_, _, GroupEvent::Lending { .. })));
    let of_twin = |r: &&Record| {
        matches!(&r.event, Event::Step(_, StepEvent::Intent { group, effect, .. })
            if group.as_str().starts_with("od.")
                && matches!(&**effect, Effect::Cloud(CloudEffect::SetDesired { .. })))
    };
    // Before somebody did.
    assert_eq!(lending.filter(of_twin).count(), 1);
}
