//! A process that dies before or after any effect, or with its journal cut after any record, is taken up by another one,
//! which ends where the first would have ended.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use kfleet::cloud::Cloud as _;
use kfleet::model::{Applied, CloudEffect, Effect, InstanceId, Span, Timestamp};
use kfleet::plan::Allow;
use kfleet::rollout::{Ending, Event, Record, StepEvent, StepResult};
use kfleet::run::{Drive, Outcome, Signal, run};
use kfleet::store::Journal;
use support::spy::{Death, Died};
use support::{Scene, Spy, block, facts, folder, name};

/// A fleet of two stages that waits for a change: two control-plane groups apart, one that surges, one at its maximum,
/// one that is retired, one that is new.
fn prepared(dir: &Path) -> Scene {
    let mut scene = Scene::small(
        dir,
        &[
            ("nodes", 2, 4, false),
            ("full", 1, 1, false),
            ("old", 1, 2, false),
        ],
    );
    scene.prod = vec![name("prod-a.k8s.test")];
    scene.soak = Span::from_secs(600);
    let mut scene = scene.made();
    scene.groups = Some(vec![
        ("nodes", 2, 4, false),
        ("full", 1, 1, false),
        ("new", 1, 2, false),
    ]);
    scene
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(drop).unwrap()
        }
    }
}

/// Looks less often than in earnest: what happens between two looks is the same.
fn drive(scene: &Scene) -> Drive {
    Drive {
        poll: Span::from_secs(30),
        watch: Span::from_secs(300),
        ..scene.drive()
    }
}

/// Where a process dies.
#[derive(Clone, Copy, Debug)]
enum Kill {
    Effect(Death),
    /// Its journal ends after this record.
    Record(u64),
}

/// Runs until the process dies; an outcome: it ran to its end.
fn run_until(scene: &Scene, kill: Kill) -> (Spy, Option<Outcome>) {
    let spy = match kill {
        Kill::Effect(death) => Spy::dying(scene.world(), death),
        Kill::Record(_) => Spy::new(scene.world()),
    };
    let store = scene.store();
    let rollout = scene.rollout(spy.world(), "r2", &[]);
    let (mut journal, _) = Journal::begin(&store, &rollout).unwrap();
    spy.begin(journal.rollout(), journal.progress());
    let drive = drive(scene);
    let result = catch_unwind(AssertUnwindSafe(|| {
        block(run(
            &spy,
            &store,
            &mut journal,
            &drive,
            || false,
            |signal| {
                if let Signal::Recorded(record) = signal {
                    spy.hear(record);
                    if matches!(kill, Kill::Record(n) if record.seq == n) {
                        resume_unwind(Box::new(Died));
                    }
                }
            },
        ))
    }));
    drop(journal);
    let outcome = match result {
        Ok(outcome) => Some(outcome.unwrap()),
        Err(payload) if payload.is::<Died>() => None,
        Err(payload) => resume_unwind(payload),
    };
    if let (Kill::Record(n), None) = (kill, &outcome) {
        let path = scene.dir.join("journals/r2.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        let kept: String = text
            .lines()
            .take(usize::try_from(n).unwrap())
            .map(|l| format!("{l}\n"))
            .collect();
        // What it holds for certain is noted after the records: a process that dies here has not got there.
        fs::write(scene.dir.join("journals/r2.head"), "").unwrap();
        // And a torn line on top.
        fs::write(&path, kept + "{\"seq\":").unwrap();
    }
    assert!(spy.wrong().is_empty(), "{kill:?}: {:#?}", spy.wrong());
    (spy, outcome)
}

/// What is the same whichever way the end was reached: desired capacity, image and sizes of every group, and the baselines.
type Shape = (
    BTreeMap<String, (u32, String)>,
    BTreeMap<String, (String, String)>,
);

fn shape(scene: &Scene) -> Shape {
    let baselines = scene.store().baselines().unwrap();
    (
        scene.shape(),
        baselines
            .into_values()
            .map(|b| (b.cluster.to_string(), (b.digest.to_string(), b.rollout)))
            .collect(),
    )
}

fn check(template: &Scene, kill: Kill, ending: Ending, shape: &Shape) -> bool {
    let dir = folder();
    copy(&template.dir, dir.path());
    let scene = Scene {
        dir: dir.path().to_owned(),
        ..template.clone()
    };
    let (dead, outcome) = run_until(&scene, kill);
    if outcome.is_some() {
        return false;
    }
    let (mut done, ours) = (dead.done(), dead.ours());
    drop(dead);
    let spy = Spy::new(scene.world()).after(ours);
    let mut journal = Journal::take_up(&scene.store(), "r2").unwrap();
    let mut later = Vec::new();
    let outcome = scene.carry(&spy, &mut journal, &drive(&scene), &mut later);
    assert_eq!(
        outcome.unwrap(),
        Outcome::Ended(ending),
        "{kill:?}\n{}",
        facts(&later).join("\n")
    );
    done.extend(spy.done());
    drop((journal, spy));
    assert_eq!(
        self::shape(&scene),
        *shape,
        "{kill:?}\n{}",
        facts(&later).join("\n")
    );
    assert_eq!(scene.leftovers(), Vec::<String>::new(), "{kill:?}");
    if ending == Ending::Finished {
        assert!(
            scene.plan(&scene.world(), Allow::default()).is_empty(),
            "{kill:?}"
        );
    }
    once(&done, kill);
    booked_once(&scene);
    true
}

/// No effect happened twice: nothing is made, ended or detached a second time.
fn once(done: &[(Timestamp, Effect)], kill: Kill) {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut ended: BTreeSet<InstanceId> = BTreeSet::new();
    for (_, effect) in done {
        let Effect::Cloud(effect) = effect else {
            continue;
        };
        match effect {
            CloudEffect::Terminate { instance, .. } => assert!(
                ended.insert(instance.clone()),
                "{kill:?}: {instance} ended twice"
            ),
            CloudEffect::CreateTemplateVersion { token, .. } => {
                assert!(seen.insert(token.clone()), "{kill:?}: {token} made twice")
            }
            CloudEffect::CreateGroup { .. }
            | CloudEffect::DeleteGroup { .. }
            | CloudEffect::Detach { .. } => {
                assert!(
                    seen.insert(format!("{effect:?}")),
                    "{kill:?}: {effect:?} twice"
                );
            }
            _ => {}
        }
    }
}

/// Every step of the journal has one intent and at most one answer that counts.
fn booked_once(scene: &Scene) {
    let mut answers: BTreeMap<u64, u32> = BTreeMap::new();
    for record in scene.store().records("r2").unwrap() {
        if let Event::Step(
            step,
            StepEvent::Outcome {
                result: StepResult::Applied(Applied::Done | Applied::Already | Applied::Version(_)),
            },
        ) = record.event
        {
            *answers.entry(step).or_default() += 1;
        }
    }
    assert!(answers.values().all(|n| *n == 1));
}

/// One in so many kill points, and the first step of every kind; all of them with `KFLEET_KILL_EVERY=1`.
fn check_all(template: &Scene, ending: Ending, every: u64) {
    let every = std::env::var("KFLEET_KILL_EVERY")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(every);
    let dir = folder();
    copy(&template.dir, dir.path());
    let scene = Scene {
        dir: dir.path().to_owned(),
        ..template.clone()
    };
    let spy = Spy::new(scene.world());
    let (mut journal, first) =
        Journal::begin(&scene.store(), &scene.rollout(spy.world(), "r2", &[])).unwrap();
    let mut records = vec![first];
    let outcome = scene.carry(&spy, &mut journal, &drive(&scene), &mut records);
    drop((journal, spy));
    assert_eq!(
        outcome.unwrap(),
        Outcome::Ended(ending),
        "{}",
        facts(&records).join("\n")
    );
    let shape = shape(&scene);
    let effects = records
        .iter()
        .filter(|r| matches!(r.event, Event::Step(_, StepEvent::Outcome { .. })))
        .count() as u64;
    let kinds = kinds(&records);
    let mut kills: Vec<Kill> = (1..=effects)
        .filter(|n| n.is_multiple_of(every) || kinds.contains(n))
        .flat_map(|n| {
            [
                Kill::Effect(Death::Before(n)),
                Kill::Effect(Death::After(n)),
            ]
        })
        .collect();
    // The first record is written before the process is on its way.
    kills.extend(
        (2..records.len() as u64)
            .filter(|n| n.is_multiple_of(every))
            .map(Kill::Record),
    );
    let tried = kills.len();
    let next = std::sync::Mutex::new(kills.into_iter());
    let died = std::thread::scope(|scope| {
        let work = || {
            let mut died = 0;
            while let Some(kill) = { next.lock().unwrap().next() } {
                died += usize::from(check(template, kill, ending, &shape));
            }
            died
        };
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|t| t.join().unwrap_or_else(|e| resume_unwind(e)))
            .sum::<usize>()
    });
    assert_eq!(died, tried, "of the kill points");
}

/// The first step of every kind: those are tried whatever is left out.
fn kinds(records: &[Record]) -> BTreeSet<u64> {
    let mut seen = BTreeSet::new();
    let intents = records.iter().filter_map(|r| match &r.event {
        Event::Step(step, StepEvent::Intent { effect, .. }) => Some((*step, effect)),
        _ => None,
    });
    intents
        .filter(|(_, effect)| {
            seen.insert(
                format!("{effect:?}")
                    .split([' ', '{'])
                    .next()
                    .unwrap()
                    .to_owned()
                    + &kind(effect),
            )
        })
        .map(|(n, _)| n)
        .collect()
}

fn kind(effect: &Effect) -> String {
    let text = serde_json::to_value(effect).unwrap();
    text.as_object()
        .unwrap()
        .values()
        .next()
        .unwrap()
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap()
        .clone()
}

#[test]
fn a_rollout_survives_death_at_any_point() {
    let dir = folder();
    check_all(&prepared(dir.path()), Ending::Finished, 6);
}

#[test]
fn a_way_back_survives_death_at_any_point() {
    let dir = folder();
    let mut scene = prepared(dir.path());
    scene.prod = Vec::new();
    // Only the whole cluster is asked about, and a gate without a command never passes: everything is changed by then.
    scene.rolling.canary = 0;
    let kind = kfleet::fleet::GateKind::Command(Vec::new());
    scene.gates.push(kfleet::fleet::GateSpec {
        name: "smoke".into(),
        kind,
        deadline: Span::from_secs(600),
        at: None,
        samples: kfleet::fleet::Samples::default(),
    });
    check_all(&scene, Ending::RolledBack, 4);
}

#[test]
fn a_refresh_and_its_way_back_survive_death_at_any_point() {
    for ending in [Ending::Finished, Ending::RolledBack] {
        let dir = folder();
        let mut scene = prepared(dir.path());
        scene.prod = Vec::new();
        scene.rolling.strategy = kfleet::fleet::Strategy::InstanceRefresh;
        if ending == Ending::RolledBack {
            let (kind, at) = (
                kfleet::fleet::GateKind::Command(Vec::new()),
                Some(kfleet::fleet::GateAt::Cluster),
            );
            let samples = kfleet::fleet::Samples::default();
            scene.gates.push(kfleet::fleet::GateSpec {
                name: "smoke".into(),
                kind,
                deadline: Span::from_secs(600),
                at,
                samples,
            });
        }
        check_all(&scene, ending, 6);
    }
}

#[test]
fn a_twin_that_stands_in_survives_death_at_any_point() {
    use kfleet::fleet::{Capacity, CapacityPolicy, GroupRolling};
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[("nodes", 2, 4, false), ("od", 0, 3, false)]).made();
    scene.odd_image = Some(("od", "image-1".into()));
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
    // From anew in each process: whoever takes it up finds no capacity either, for a while.
    scene.scenario = vec!["{fault: \"no-capacity:nodes\", for: 1h}".into()];
    check_all(&scene, Ending::Finished, 12);
}

/// A cluster that kops has made, which waits for another image and another Kubernetes.
fn by_kops(dir: &Path) -> Scene {
    let mut scene = Scene::small(dir, &[("nodes", 2, 4, false)]);
    scene.engine = kfleet::fleet::Engine::Kops;
    let mut scene = scene.made();
    scene.kubernetes = "1.32.9";
    scene
}

#[test]
fn kops_at_work_survives_death_at_any_point() {
    let dir = folder();
    check_all(&by_kops(dir.path()), Ending::Finished, 6);
}

#[test]
fn kops_on_its_way_back_survives_death_at_any_point() {
    let dir = folder();
    let mut scene = by_kops(dir.path());
    scene.rolling.canary = 0;
    let kind = kfleet::fleet::GateKind::Command(Vec::new());
    scene.gates.push(kfleet::fleet::GateSpec {
        name: "smoke".into(),
        kind,
        deadline: Span::from_secs(600),
        at: None,
        samples: kfleet::fleet::Samples::default(),
    });
    check_all(&scene, Ending::RolledBack, 4);
}

#[test]
fn a_refresh_of_kops_survives_death_at_any_point() {
    for ending in [Ending::Finished, Ending::RolledBack] {
        let dir = folder();
        let mut scene = by_kops(dir.path());
        scene.prod = Vec::new();
        scene.rolling.strategy = kfleet::fleet::Strategy::InstanceRefresh;
        if ending == Ending::RolledBack {
            scene.gates.push(kfleet::fleet::GateSpec {
                name: "smoke".into(),
                kind: kfleet::fleet::GateKind::Command(Vec::new()),
                deadline: Span::from_secs(600),
                at: Some(kfleet::fleet::GateAt::Cluster),
                samples: kfleet::fleet::Samples::default(),
            });
        }
        check_all(&scene, ending, 6);
    }
}

/// The process died with AWS's answer, and AWS was done with the group before anybody looked again: that refresh counts, and no other is started.
#[test]
fn a_refresh_that_ended_unseen_is_not_started_again() {
    for engine in [kfleet::fleet::Engine::Asg, kfleet::fleet::Engine::Kops] {
        let dir = folder();
        let mut scene = match engine {
            kfleet::fleet::Engine::Asg => prepared(dir.path()),
            kfleet::fleet::Engine::Kops => by_kops(dir.path()),
        };
        scene.prod = Vec::new();
        scene.rolling.strategy = kfleet::fleet::Strategy::InstanceRefresh;
        let scene = |dir: &Path| Scene {
            dir: dir.to_owned(),
            ..scene.clone()
        };
        let is_start = |(_, effect): &(Timestamp, Effect)| {
            matches!(effect, Effect::Cloud(CloudEffect::StartRefresh { .. }))
        };
        // What it is the how manieth effect of: the first after which it is the last that was done.
        let (dead, left) = (1..)
            .map(|number| {
                let left = folder();
                copy(dir.path(), left.path());
                let (dead, _) = run_until(&scene(left.path()), Kill::Effect(Death::After(number)));
                (dead, left)
            })
            .find(|(dead, _)| dead.done().last().is_some_and(is_start))
            .unwrap();
        let (scene, ours) = (scene(left.path()), dead.ours());
        drop(dead);
        let refreshes = |scene: &Scene| -> Vec<String> {
            let live = scene.live(&scene.world());
            let groups = live.clusters.values().flat_map(|c| c.groups.values());
            groups
                .filter_map(|g| {
                    g.refresh
                        .as_ref()
                        .map(|r| format!("{} {:?}", r.id, r.status))
                })
                .collect()
        };
        let world = scene.world();
        block(world.wait(world.now() + Span::from_secs(86_400))).unwrap();
        world.rest().unwrap();
        drop(world);
        let before = refreshes(&scene);
        assert!(before[0].ends_with("Successful"), "{before:?}");
        let spy = Spy::new(scene.world()).after(ours);
        let mut journal = Journal::take_up(&scene.store(), "r2").unwrap();
        let mut later = Vec::new();
        let outcome = scene.carry(&spy, &mut journal, &drive(&scene), &mut later);
        let said = facts(&later).join("\n");
        assert_eq!(outcome.unwrap(), Outcome::Ended(Ending::Finished), "{said}");
        drop((journal, spy));
        let after = refreshes(&scene);
        assert!(
            before.iter().all(|r| after.contains(r)),
            "{before:?} {after:?}"
        );
        assert!(scene.plan(&scene.world(), Allow::default()).is_empty());
    }
}
