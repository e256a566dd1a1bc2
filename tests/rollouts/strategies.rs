//! Who replaces the instances, what is done for want of capacity, and what is tidied up.

use std::collections::BTreeSet;

use kfleet::fleet::{
    Capacity, CapacityPolicy, GateAt, GroupRolling, Samples, Strategy, ZonePolicy,
};
use kfleet::model::RefreshStatus;

use super::*;

fn by(
    dir: &std::path::Path,
    groups: &[(&'static str, u32, u32, bool)],
    strategy: Strategy,
) -> Scene {
    let mut scene = Scene::small(dir, groups).made();
    scene.rolling.strategy = strategy;
    scene
}

fn versions(scene: &Scene, group: &str) -> BTreeSet<u64> {
    let live = scene.live(&scene.world());
    live.clusters[&scene.staging[0]].groups[&name(group)]
        .instances
        .values()
        .filter_map(|i| i.version)
        .collect()
}

const GROUP: &str = "nodes.staging.k8s.test";

#[test]
fn a_refresh_replaces_what_we_started_and_watched() {
    let dir = folder();
    let scene = by(
        dir.path(),
        &[NODES, ("empty", 0, 3, false)],
        Strategy::InstanceRefresh,
    );
    let records = rolls(&scene, "r2");
    in_order(
        &records,
        &[
            // The control plane is ours in any case.
            "step terminate staging/control-plane-a",
            "step create-template-version staging/nodes",
            "step start-refresh staging/nodes",
            "canary-up staging/nodes",
            "canary-proven staging/nodes",
            "refreshed staging/nodes",
            "group-done staging/nodes",
        ],
    );
    never(
        &records,
        &[
            "step pin-version staging/nodes",
            "step cordon staging/nodes",
            "step terminate staging/nodes",
            "step start-refresh staging/empty",
        ],
    );
    in_order(
        &records,
        &["step pin-version staging/empty", "group-done staging/empty"],
    );
    let started = records.iter().find_map(|r| match &r.event {
        Event::Step(_, StepEvent::Intent { effect, .. }) => match &**effect {
            Effect::Cloud(CloudEffect::StartRefresh {
                from,
                version,
                preferences,
                ..
            }) => Some((*from, *version, preferences.clone())),
            _ => None,
        },
        _ => None,
    });
    let (from, version, preferences) = started.unwrap();
    assert_eq!((from, version), (1, 2));
    // A canary of one of three, and at least 15 minutes and its bake before AWS goes on.
    assert_eq!(
        (
            preferences.min_healthy_percent,
            preferences.max_healthy_percent
        ),
        (100, 134)
    );
    assert_eq!(preferences.checkpoints, BTreeSet::from([34, 100]));
    assert!(preferences.skip_matching && preferences.checkpoint_delay >= Span::from_secs(900 + 60));
    assert_eq!(versions(&scene, GROUP), BTreeSet::from([2]));
}

#[test]
fn new_nodes_of_a_refresh_are_held_until_it_is_over() {
    let dir = folder();
    let scene = by(dir.path(), &[NODES], Strategy::InstanceRefresh);
    let spy = Spy::new(scene.world());
    let records = ends(scene.start_on(&spy, "r2"), Ending::Finished);
    in_order(
        &records,
        &[
            "step start-refresh staging/nodes",
            "step keep-from-autoscaler staging/nodes",
            "canary-proven staging/nodes",
            "step release-to-autoscaler staging/nodes",
            "group-done staging/nodes",
        ],
    );
    drop(spy);
    clean(&scene);
}

#[test]
fn a_refresh_whose_canary_fails_is_rolled_back_by_aws() {
    let dir = folder();
    let mut scene = by(
        dir.path(),
        &[("nodes", 6, 9, false)],
        Strategy::InstanceRefresh,
    );
    let kind = GateKind::Command(
        [
            "sh",
            "-c",
            "test \"$KFLEET_GROUP\" != nodes.staging.k8s.test",
        ]
        .map(str::to_owned)
        .to_vec(),
    );
    scene.gates.push(GateSpec {
        name: "smoke".into(),
        kind,
        deadline: Span::from_secs(60),
        at: Some(GateAt::Canary),
        samples: Samples::default(),
    });
    let records = goes_back(&scene);
    in_order(
        &records,
        &[
            "step start-refresh staging/nodes",
            "canary-up staging/nodes",
            "failed staging/nodes",
            "rollback-started",
            "step rollback-refresh staging/nodes",
        ],
    );
    assert_eq!(count(&records, "step rollback-refresh staging/nodes"), 1);
    assert_eq!(versions(&scene, GROUP), BTreeSet::from([1]));
    let live = scene.live(&scene.world());
    let refresh = live.clusters[&scene.staging[0]].groups[&name(GROUP)]
        .refresh
        .clone()
        .unwrap();
    assert_eq!(refresh.status, RefreshStatus::RollbackSuccessful);
}

#[test]
fn a_sick_image_stops_at_the_first_checkpoint() {
    let dir = folder();
    let mut scene = by(
        dir.path(),
        &[("nodes", 6, 9, false)],
        Strategy::InstanceRefresh,
    );
    scene.faults = vec!["sick-image:image-3".into()];
    scene.odd_image = Some(("nodes", "image-3".into()));
    let records = goes_back(&scene);
    says(&records, "has a node that is not Ready");
    never(&records, &["canary-up staging/nodes"]);
    // Of six instances only the canary was replaced.
    let highest = records
        .iter()
        .filter_map(|r| {
            if let Event::Group(_, _, GroupEvent::Refreshed { percentage }) = &r.event {
                Some(*percentage)
            } else {
                None
            }
        })
        .max();
    assert!(highest.is_some_and(|p| p <= 17), "{highest:?}");
    assert_eq!(versions(&scene, GROUP), BTreeSet::from([1]));
}

#[test]
fn a_refresh_that_is_done_goes_back_by_another_one() {
    let dir = folder();
    let mut scene = by(dir.path(), &[NODES], Strategy::InstanceRefresh);
    let kind = GateKind::Command(vec!["false".into()]);
    scene.gates.push(GateSpec {
        name: "smoke".into(),
        kind,
        deadline: Span::from_secs(60),
        at: Some(GateAt::Cluster),
        samples: Samples::default(),
    });
    let records = goes_back(&scene);
    in_order(
        &records,
        &[
            "group-done staging/nodes",
            "failed staging",
            "step start-refresh staging/nodes",
            "group-done staging/nodes",
            "cluster-restored staging",
        ],
    );
    assert_eq!(count(&records, "step start-refresh staging/nodes"), 2);
    assert_eq!(versions(&scene, GROUP), BTreeSet::from([1]));
}

#[test]
fn an_abort_cancels_the_refresh() {
    let dir = folder();
    let mut scene = by(
        dir.path(),
        &[("nodes", 6, 9, false)],
        Strategy::InstanceRefresh,
    );
    scene.prod = Vec::new();
    let request = Request::Abort {
        by: "me".into(),
        reason: "enough".into(),
    };
    let records = ends(
        asked_at(&scene, "canary-up staging/nodes", &request),
        Ending::Aborted,
    );
    in_order(
        &records,
        &[
            "abort-started",
            "step cancel-refresh staging/nodes",
            "aborted",
        ],
    );
    let live = scene.live(&scene.world());
    let group = &live.clusters[&scene.staging[0]].groups[&name(GROUP)];
    assert_eq!(
        (
            group.refresh.clone().unwrap().status,
            group.version.number()
        ),
        (RefreshStatus::Cancelled, 1)
    );
    clean(&scene);
}

#[test]
fn on_next_launch_only_pins_and_leaves_nothing_to_plan() {
    let dir = folder();
    let mut scene = by(
        dir.path(),
        &[NODES, ("other", 2, 4, false)],
        Strategy::Surge,
    );
    scene.rolling.groups.insert(
        name("nodes"),
        GroupRolling {
            strategy: Some(Strategy::OnNextLaunch),
            capacity: None,
            zones: None,
        },
    );
    let records = rolls(&scene, "r2");
    in_order(
        &records,
        &[
            "step pin-version staging/nodes",
            "group-done staging/nodes",
            "cluster-verified staging",
        ],
    );
    never(
        &records,
        &[
            "step terminate staging/nodes",
            "step set-desired staging/nodes",
            "canary-up staging/nodes",
        ],
    );
    // The rest of the fleet is replaced as ever, the control plane too.
    in_order(
        &records,
        &[
            "step terminate staging/control-plane-a",
            "step terminate staging/other",
        ],
    );
    assert_eq!(versions(&scene, GROUP), BTreeSet::from([1]));
}

#[test]
fn want_of_capacity_is_seen_at_once_and_answered_by_policy() {
    let poll = Span::from_secs(10);
    for (policy, fault, ending) in [
        (
            CapacityPolicy::Stop,
            "no-capacity:nodes:m5.large",
            Ending::RolledBack,
        ),
        (
            CapacityPolicy::NextType,
            "no-capacity:nodes:m5.large",
            Ending::RolledBack,
        ),
        // One zone of three: AWS goes on to the others.
        (
            CapacityPolicy::Stop,
            "no-capacity:nodes:m5.large@eu-west-3a",
            Ending::Finished,
        ),
    ] {
        let dir = folder();
        let mut scene = Scene::small(dir.path(), &[NODES]).made();
        scene.rolling.capacity = Capacity {
            policy,
            patience: Some(Span::from_secs(300)),
            twin: None,
        };
        scene.faults = vec![fault.into()];
        if ending == Ending::Finished {
            scene.rolling.zones = ZonePolicy::Any;
        }
        let records = ends(scene.start("r2"), ending);
        clean(&scene);
        if ending == Ending::Finished {
            never(&records, &["no-capacity staging/nodes"]);
            continue;
        }
        in_order(
            &records,
            &[
                "step set-desired staging/nodes",
                "no-capacity staging/nodes",
                "failed staging/nodes",
            ],
        );
        never(
            &records,
            &["step cordon staging/nodes", "step terminate staging/nodes"],
        );
        let (at, since, _) = records
            .iter()
            .find_map(|r| {
                if let Event::Group(_, _, GroupEvent::NoCapacity { since, why }) = &r.event {
                    Some((r.at, *since, why.clone()))
                } else {
                    None
                }
            })
            .unwrap();
        assert!(
            at.since(since) <= poll,
            "seen {} after AWS said it",
            at.since(since)
        );
        let last = records.iter().rev().find_map(|r| match &r.event {
            Event::Cluster(_, ClusterEvent::Failed { why, .. }) => Some(why.clone()),
            _ => None,
        });
        let why = kfleet::report::reason_text(&last.unwrap());
        assert!(
            why.contains("m5.large in eu-west-3a and eu-west-3b and eu-west-3c"),
            "{why}"
        );
        says(&records, "no replacement could be launched for 5m");
    }
}

#[test]
fn whoever_waits_for_capacity_waits_and_drains_nothing() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]).made();
    scene.rolling.capacity = Capacity {
        policy: CapacityPolicy::Wait,
        patience: None,
        twin: None,
    };
    scene.faults = vec!["no-capacity:nodes".into()];
    let store = scene.store();
    let spy = Spy::new(scene.world());
    let start = spy.now();
    let rollout = scene.rollout(spy.world(), "r2", &[]);
    let (mut journal, first) = Journal::begin(&store, &rollout).unwrap();
    let mut records = vec![first];
    spy.begin(journal.rollout(), journal.progress());
    // A day without capacity, and a person who then steps away.
    let outcome = support::block(kfleet::run::run(
        &spy,
        &store,
        &mut journal,
        &kfleet::run::Drive {
            poll: Span::from_secs(60),
            ..scene.drive()
        },
        || spy.now().since(start) > Span::from_secs(86_400),
        |signal| {
            if let kfleet::run::Signal::Recorded(record) = signal {
                spy.hear(record);
                records.push(record.clone());
            }
        },
    ));
    assert_eq!(outcome.unwrap(), Outcome::Interrupted);
    never(
        &records,
        &[
            "failed staging/nodes",
            "step cordon staging/nodes",
            "step terminate staging/nodes",
        ],
    );
    assert_eq!(count(&records, "no-capacity staging/nodes"), 1);
    drop((journal, spy));
    scene.faults.clear();
    let records = ends(scene.resume("r2"), Ending::Finished);
    in_order(
        &records,
        &["capacity-back staging/nodes", "group-done staging/nodes"],
    );
    clean(&scene);
}

#[test]
fn old_versions_are_pruned_and_none_that_anybody_needs() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]).made();
    scene.rolling.keep_versions = 2;
    let mut pruned = Vec::new();
    for n in 2..6 {
        scene.image = format!("image-{n}");
        let records = rolls(&scene, &format!("r{n}"));
        let of = |r: &Record| match &r.event {
            Event::Step(_, StepEvent::Intent { effect, .. }) => match &**effect {
                Effect::Cloud(CloudEffect::PruneVersions { template, versions })
                    if template.as_str() == GROUP =>
                {
                    Some(versions.clone())
                }
                _ => None,
            },
            _ => None,
        };
        pruned.push(records.iter().find_map(of).unwrap_or_default());
        if n > 2 {
            in_order(
                &records,
                &[
                    "cluster-rolled staging",
                    "step prune-versions staging/nodes",
                    "cluster-verified staging",
                ],
            );
        }
    }
    // Never what it runs and never what it came from.
    assert_eq!(
        pruned,
        [
            BTreeSet::new(),
            BTreeSet::from([1]),
            BTreeSet::from([1, 2]),
            BTreeSet::from([1, 2, 3])
        ]
    );
    let (outcome, records) = {
        let kind = GateKind::Command(vec!["false".into()]);
        scene.gates.push(GateSpec {
            name: "smoke".into(),
            kind,
            deadline: Span::from_secs(60),
            at: Some(GateAt::Cluster),
            samples: Samples::default(),
        });
        scene.image = "image-9".into();
        scene.start("r9")
    };
    let records = ends((outcome, records), Ending::RolledBack);
    never(&records, &["step prune-versions staging/nodes"]);
    clean(&scene);
}
