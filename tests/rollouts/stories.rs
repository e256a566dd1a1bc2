//! Every wait has an end: whatever stays as it is for ever, the rollout ends, or a person is asked by name and with what to do. And a rehearsal tells the
//! same story as the rollout.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use kfleet::run::{LookProgress, rehearse};
use kfleet::store::{CloudKind, Store};

use super::*;

/// What is wrong for ever, from which effect on.
const FOREVER: &[&str] = &[
    "{fault: \"no-read:staging.k8s.test\", when: pin-version nodes}",
    "{fault: \"no-kubernetes:staging.k8s.test\", when: pin-version nodes}",
    "{fault: \"no-kubernetes:staging.k8s.test\", when: cordon nodes}",
    "{fault: \"stuck-drain:nodes\"}",
    "{fault: \"stuck-drain:control-plane-a\"}",
    "{fault: \"refuse-evictions:nodes:right\"}",
    "{fault: \"refuse-evictions:nodes:webhook\"}",
    "{fault: \"refuse-evictions:nodes:broken-webhook\"}",
    "{fault: \"refuse-evictions:nodes:busy\"}",
    "{fault: \"refuse-evictions:nodes:ending-namespace\"}",
    "{fault: \"no-capacity:nodes\"}",
    "{fault: \"no-capacity:nodes\", when: terminate nodes}",
    "{fault: \"slow-boot:nodes:10000000\"}",
    "{fault: \"slow-end:nodes:10000000\"}",
    "{fault: \"slow-pods:nodes:20000\"}",
    "{fault: \"sick-image:image-2\"}",
    "{fault: \"sick-pods:image-2\"}",
    "{fault: \"sick-etcd:image-2\"}",
    "{fault: \"dead-image:image-2\"}",
    "{fault: \"no-etcd:control-plane-b\", when: cordon control-plane-a}",
    "{act: \"suspend:nodes:Launch\", when: pin-version nodes}",
    "{act: \"suspend:nodes:Terminate\", when: pin-version nodes}",
    "{act: \"node-down:nodes:1\", when: pin-version nodes}",
    "{act: \"node-down:nodes:9\", when: terminate nodes}",
    "{act: \"node-down:control-plane-a:1\", when: terminate nodes}",
    "{act: \"standby:nodes:1\", when: pin-version nodes}",
    "{act: \"cordon:nodes:9\", when: pin-version nodes}",
    "{act: \"repin:nodes\", when: terminate nodes}",
    "{act: \"delete:nodes\", when: terminate nodes}",
    "{act: \"delete-version:nodes\", when: pin-version nodes}",
    "{act: \"set:nodes:MaxSize=3\", when: pin-version nodes}",
    "{act: \"refresh:nodes\", when: pin-version nodes}",
    "{act: \"reclaim:nodes:1\", every: 2m}",
    "{act: \"unhealthy:nodes:1\", every: 5m}",
    "{act: \"terminate:nodes:1\", every: 3m}",
];

#[test]
fn whatever_stays_as_it_is_ends_or_asks_a_person() {
    let mut wrong = BTreeMap::new();
    for case in FOREVER {
        let dir = folder();
        let mut scene = Scene::small(dir.path(), &[NODES]).made();
        scene.soak = Span::from_secs(600);
        scene.scenario = vec![(*case).to_owned()];
        let started = || scene.start("r2");
        let Ok((outcome, records)) = catch_unwind(AssertUnwindSafe(started)) else {
            wrong.insert(case, "it has no end, or breaks a rule".to_owned());
            continue;
        };
        let said = match outcome.unwrap() {
            Outcome::Ended(_) => continue,
            Outcome::Stuck | Outcome::Held => reasons(&records).pop().unwrap_or_default(),
            other => {
                wrong.insert(case, format!("{other:?}"));
                continue;
            }
        };
        let advice = scene
            .progress("r2")
            .stuck
            .map(|s| kfleet::report::advice_text(&s.advice, kfleet::report::RESUME))
            .unwrap_or_default();
        if said.is_empty() || !advice.contains("kfleet rollout") {
            wrong.insert(case, format!("{said}: {advice}"));
        }
    }
    assert_eq!(wrong, BTreeMap::new());
}

#[test]
fn a_rehearsal_and_a_rollout_are_the_same_story() {
    let faults: &[&[&str]] = &[
        &[],
        &["throttle:3"],
        &["lost-answer:4"],
        &["sick-image:image-2"],
        &["stuck-drain:nodes"],
        &["no-capacity:nodes"],
        &["slow-pods:nodes:90", "stale-reads:15"],
    ];
    for (seed, faults) in (1..).zip(faults) {
        let dir = folder();
        let mut scene = Scene::small(dir.path(), &[NODES]);
        scene.options.seed = seed;
        scene.options.autoscaler = seed % 2 == 0;
        let mut scene = scene.made();
        scene.faults = faults.iter().map(|f| (*f).to_owned()).collect();
        scene.scenario =
            vec!["{act: \"reclaim:nodes:1\", when: terminate nodes, after: 40s}".into()];
        let rollout = scene.rollout(&scene.world(), "r2", &[]);
        let copy = scene.world().in_memory(scene.options);
        scene.play(&copy);
        let other = folder();
        let store = Store::open(other.path(), CloudKind::Local).unwrap();
        let rehearsed = support::block(rehearse(copy, &store, &rollout, &scene.drive())).unwrap();
        // The same calls, counted from the same moment on.
        let (mut journal, first) = Journal::begin(&scene.store(), &rollout).unwrap();
        let mut records = vec![first];
        let spy = Spy::new(scene.world());
        let outcome = scene.carry(&spy, &mut journal, &scene.drive(), &mut records);
        assert_eq!(rehearsed.outcome.unwrap(), outcome.unwrap(), "{faults:?}");
        let story = |records: &[Record]| -> Vec<String> {
            records
                .iter()
                .map(|r| format!("{} {:?}", r.at, r.event))
                .collect()
        };
        let (there, here) = (story(&rehearsed.records), story(&records));
        let first = there.iter().zip(&here).position(|(a, b)| a != b);
        assert_eq!(first.map(|n| (&there[n], &here[n])), None, "{faults:?}");
        assert_eq!(there.len(), here.len(), "{faults:?}");
    }
}

#[test]
fn what_a_list_in_pages_misses_is_not_gone() {
    for n in [2, 3, 5] {
        let dir = folder();
        let mut scene = Scene::small(dir.path(), &[NODES, ("other", 1, 3, false)]).made();
        scene.faults = vec![
            format!("shifting-pages:{n}"),
            "slow-volumes:nodes:60".into(),
            "deregistration:nodes:300".into(),
        ];
        // A plan is of one look, which has to be whole.
        let (faults, rollout) = (
            std::mem::take(&mut scene.faults),
            scene.rollout(&scene.world(), "r2", &[]),
        );
        scene.faults = faults;
        let (mut journal, first) = Journal::begin(&scene.store(), &rollout).unwrap();
        let mut records = vec![first];
        let spy = Spy::new(scene.world());
        let outcome = scene.carry(&spy, &mut journal, &scene.drive(), &mut records);
        ends((outcome, records), Ending::Finished);
        clean(&scene);
    }
}

#[test]
fn what_a_list_in_pages_misses_is_not_to_be_created() {
    let dir = folder();
    let scene = Scene::small(dir.path(), &[NODES, ("other", 1, 3, false)]).made();
    let places: Vec<kfleet::cloud::Place> = scene
        .clusters()
        .map(|c| kfleet::cloud::Place {
            cluster: c.clone(),
            account: name("111122223333"),
            region: name("eu-west-3"),
        })
        .collect();
    let whole = scene.live(&scene.world());
    let mut expected: Vec<_> = whole
        .clusters
        .iter()
        .map(|(c, live)| {
            (
                c.clone(),
                live.groups.keys().cloned().collect::<BTreeSet<_>>(),
            )
        })
        .collect();
    for (n, before) in [(2, 0), (2, 1), (3, 1), (3, 2)] {
        let world = scene.world();
        world.set_faults(vec![format!("shifting-pages:{n}").parse().unwrap()]);
        for _ in 0..before {
            support::block(kfleet::run::look(&world, &places)).unwrap();
        }
        let live = support::block(kfleet::run::look_for(
            &world,
            &places,
            &expected,
            &LookProgress::default(),
        ))
        .unwrap();
        for (cluster, groups) in &expected {
            let found = &live.clusters[cluster];
            assert!(
                found.gaps.is_empty() && groups.iter().all(|g| found.groups.contains_key(g)),
                "every {n}, {before} before"
            );
        }
    }
    // What is really not there is not there in two looks either.
    expected[0].1.insert(name("new.staging.k8s.test"));
    let live = support::block(kfleet::run::look_for(
        &scene.world(),
        &places,
        &expected,
        &LookProgress::default(),
    ))
    .unwrap();
    assert!(live.clusters[&expected[0].0].gaps.is_empty());
    // While no two looks agree, nobody knows.
    let world = scene.world();
    world.set_faults(vec!["shifting-pages:2".parse().unwrap()]);
    let live = support::block(kfleet::run::look_for(
        &world,
        &places,
        &expected,
        &LookProgress::default(),
    ))
    .unwrap();
    let gaps: Vec<&str> = live.clusters[&expected[0].0]
        .gaps
        .iter()
        .map(|g| g.why.as_str())
        .collect();
    assert!(
        gaps.iter()
            .any(|why| why.contains("new.staging.k8s.test is in some lists")),
        "{gaps:?}"
    );
}
