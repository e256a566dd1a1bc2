//! Locks on objects: who may take them over, when, and how whoever lost one knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kfleet::cloud::{Cloud, CloudError, Place};
use kfleet::model::{Applied, CloudEffect, ClusterName, NodeEffect, Nodes, Span, Timestamp};
use kfleet::nodes::{NodeApi, NodeError};
use kfleet::store::{CloudKind, Journal, Leases, Locks, Objects, Store, StoreError, Terms};

use crate::memory::{Fault, Memory, Verb};
use crate::support::{Scene, asks_world, name};

const NOW: Timestamp = Timestamp::from_millis(0);

fn cluster() -> ClusterName {
    name("a.k8s.test")
}

fn take(
    locks: &mut Locks,
    store: &Store,
    owner: &str,
) -> Result<Vec<kfleet::store::TakenOver>, StoreError> {
    locks.take(store, [cluster()], owner, "r1", NOW)
}

fn lost(locks: &Locks) -> String {
    match locks.check(&cluster()) {
        Err(StoreError::LockLost { what, why }) => format!("{what}: {why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lease_is_taken_over_by_the_stores_clock() {
    let memory = Arc::new(Memory::default());
    let (dead, next) = (memory.wire(), memory.wire());
    let (mut ours, mut theirs) = (Locks::default(), Locks::default());
    take(&mut ours, &dead.store("dead"), "anna").unwrap();
    let store = next.store("next");
    // Whatever the clock of the one who wants it says.
    next.ticks
        .fetch_add(1_000_000_000, std::sync::atomic::Ordering::SeqCst);
    for _ in 0..15 {
        assert!(matches!(
            take(&mut theirs, &store, "ben"),
            Err(StoreError::Locked { .. })
        ));
        memory.pass(10);
    }
    // 150 s of silence: 60 in which its holder may act, and 90 for a call that is under way.
    memory.pass(1);
    let [over] = take(&mut theirs, &store, "ben")
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!(
        (
            over.cluster,
            over.from.owner.as_str(),
            over.from.fence,
            over.fence
        ),
        (Some(cluster()), "anna", 1, 2)
    );
    theirs.check(&cluster()).unwrap();
    assert!(
        memory.keys().iter().all(|k| !k.starts_with("clock/")),
        "{:?}",
        memory.keys()
    );
    // The clock of the dead stood still: it believes what it knows until it asks.
    ours.check(&cluster()).unwrap();
    drop(ours);
    theirs.check(&cluster()).unwrap();
    assert!(
        memory
            .text("locks/a.k8s.test.json")
            .unwrap()
            .contains("\"ben\""),
        "what was lost is not given back"
    );
}

#[test]
fn a_holder_that_cannot_renew_stops_before_a_takeover() {
    let memory = Arc::new(Memory::default());
    let wire = memory.wire();
    let leases = wire.leases("p1");
    let store = Store::of_objects(leases.clone(), CloudKind::Local).unwrap();
    let mut locks = Locks::default();
    take(&mut locks, &store, "anna").unwrap();
    wire.fails(|verb, _| {
        if verb == Verb::Put {
            Fault::LostBefore
        } else {
            Fault::Fine
        }
    });
    for seconds in [20, 20, 20] {
        wire.pass(seconds);
        leases.renew();
        locks.check(&cluster()).unwrap();
    }
    wire.pass(1);
    leases.renew();
    assert_eq!(
        lost(&locks),
        "a.k8s.test: it could not be renewed for 61 s: cannot reach memory/locks/a.k8s.test.json: no answer: timed out"
    );
    let mut theirs = Locks::default();
    assert!(matches!(
        take(&mut theirs, &memory.wire().store("p2"), "ben"),
        Err(StoreError::Locked { .. })
    ));
    // Nobody took it: renewed in the end it is held again.
    wire.fails(|_, _| Fault::Fine);
    leases.renew();
    locks.check(&cluster()).unwrap();
    // A machine that slept: the clock of this process says so before anything was asked.
    wire.pass(3_600);
    assert!(lost(&locks).contains("for 3600 s"), "{}", lost(&locks));
    take(&mut theirs, &memory.wire().store("p3"), "ben").unwrap();
    leases.renew();
    assert_eq!(
        lost(&locks),
        "a.k8s.test: ben took it for rollout r1 at 1970-01-01 00:00:00Z, with number 2"
    );
    drop(locks);
    theirs.check(&cluster()).unwrap();
}

#[test]
fn renewed_it_is_never_over() {
    let memory = Arc::new(Memory::default());
    let wire = memory.wire();
    let leases = wire.leases("p1");
    let store = Store::of_objects(leases.clone(), CloudKind::Local).unwrap();
    let mut locks = Locks::default();
    take(&mut locks, &store, "anna").unwrap();
    // Every other answer gets lost, before or after it is written.
    let mut calls = 0;
    wire.fails(move |verb, _| {
        calls += usize::from(verb == Verb::Put);
        match (verb, calls % 4) {
            (Verb::Put, 1) => Fault::LostAfter,
            (Verb::Put, 3) => Fault::LostBefore,
            _ => Fault::Fine,
        }
    });
    let mut theirs = Locks::default();
    for _ in 0..100 {
        wire.pass(12);
        leases.renew();
        locks.check(&cluster()).unwrap();
        assert!(matches!(
            take(&mut theirs, &memory.wire().store("p2"), "ben"),
            Err(StoreError::Locked { .. })
        ));
    }
    wire.fails(|_, _| Fault::Fine);
    drop(locks);
    assert_eq!(
        take(&mut theirs, &memory.wire().store("p3"), "ben").unwrap(),
        []
    );
}

#[test]
fn whatever_answer_gets_lost_a_lock_is_taken_by_one() {
    for (first, second) in [
        (Fault::LostAfter, Fault::Fine),
        (Fault::LostBefore, Fault::LostAfter),
        (Fault::LostAfter, Fault::LostAfter),
    ] {
        let memory = Arc::new(Memory::default());
        let wire = memory.wire();
        let store = wire.store("p1");
        let mut faults = vec![second, first];
        wire.fails(move |verb, key| {
            if verb == Verb::Put && key.starts_with("locks/") {
                faults.pop().unwrap_or(Fault::Fine)
            } else {
                Fault::Fine
            }
        });
        let mut locks = Locks::default();
        assert_eq!(take(&mut locks, &store, "anna").unwrap(), []);
        locks.check(&cluster()).unwrap();
        let mut theirs = Locks::default();
        assert!(matches!(
            take(&mut theirs, &memory.wire().store("p2"), "ben"),
            Err(StoreError::Locked { .. })
        ));
        drop(locks);
        take(&mut theirs, &memory.wire().store("p3"), "ben").unwrap();
        assert!(
            memory
                .text("locks/a.k8s.test.json")
                .unwrap()
                .contains("\"fence\": 2"),
            "{:?}",
            memory.text("locks/a.k8s.test.json")
        );
    }
}

#[test]
fn a_wave_without_its_second_lock_frees_the_first() {
    let memory = Arc::new(Memory::default());
    let wire = memory.wire();
    let store = wire.store("p1");
    wire.fails(|verb, key| {
        if verb == Verb::Put && key == "locks/b.k8s.test.json" {
            Fault::Refused
        } else {
            Fault::Fine
        }
    });
    let both = || [cluster(), name("b.k8s.test")];
    assert!(matches!(
        Locks::default().take(&store, both(), "anna", "r1", NOW),
        Err(StoreError::Object(_))
    ));
    assert_eq!(
        Locks::default()
            .take(&memory.wire().store("p2"), both(), "ben", "r2", NOW)
            .unwrap(),
        []
    );
}

#[test]
fn whoever_was_overtaken_writes_no_record() {
    let dir = crate::support::folder();
    let scene = Scene::small(dir.path(), &[("nodes", 2, 4, false)]);
    let rollout = scene.rollout(&scene.world(), "r1", &[]);
    let memory = Arc::new(Memory::default());
    let (slept, next) = (memory.wire(), memory.wire());
    let (mut ours, _) = Journal::begin(&slept.store("slept"), &rollout).unwrap();
    assert!(matches!(
        Journal::take_up(&next.store("next"), "r1"),
        Err(StoreError::Running(_))
    ));
    memory.pass(151);
    let mut theirs = Journal::take_up(&next.store("again"), "r1").unwrap();
    let over = theirs.taken_over().unwrap();
    assert_eq!(
        (over.cluster, over.from.owner.as_str(), over.fence),
        (None, "owner slept", 2)
    );
    let paused = |why: &str| {
        vec![kfleet::rollout::Event::Rollout(
            kfleet::rollout::RolloutEvent::Paused { why: why.into() },
        )]
    };
    theirs.append(rollout.started_at, paused("theirs")).unwrap();
    // Its clock stood still and it has not asked: the number of the record is what stops it.
    ours.check().unwrap();
    assert!(matches!(
        ours.append(rollout.started_at, paused("ours")),
        Err(StoreError::Overtaken(_))
    ));
    theirs
        .append(rollout.started_at, paused("theirs again"))
        .unwrap();
    assert_eq!(next.store("reader").records("r1").unwrap().len(), 3);
    // And once it knows the time, it does not even try.
    slept.pass(61);
    assert!(matches!(
        ours.append(rollout.started_at, paused("ours")),
        Err(StoreError::LockLost { .. })
    ));
}

#[test]
fn locks_are_renewed_while_a_write_waits() {
    let memory = Arc::new(Memory::default());
    let wire = memory.wire();
    let terms = Terms {
        beat: Span::from_millis(1),
        ..Terms::default()
    };
    let leases = Leases::new(
        Arc::new(wire.clone()),
        Arc::new(|| 0),
        terms,
        "anna".into(),
        "p1".into(),
    );
    let store = Store::of_objects(leases, CloudKind::Local).unwrap();
    let mut locks = Locks::default();
    take(&mut locks, &store, "anna").unwrap();
    let held = || memory.text("locks/a.k8s.test.json").unwrap();
    let before = held();
    // A write that takes its time, on a wire of its own because faults are asked one at a time: meanwhile the lock is renewed.
    let slow = memory.wire();
    let (memory_, asked) = (Arc::clone(&memory), before.clone());
    slow.fails(move |verb, _| {
        let patience = Instant::now() + Duration::from_secs(60);
        while verb == Verb::Put && memory_.text("locks/a.k8s.test.json").unwrap() == asked {
            assert!(Instant::now() < patience, "nobody renews it");
            std::thread::yield_now();
        }
        Fault::Fine
    });
    slow.put("baselines/x.json", b"{}", &kfleet::store::Condition::None)
        .unwrap();
    assert_ne!(held(), before);
    locks.check(&cluster()).unwrap();
}

#[test]
fn what_is_no_lock_of_ours_is_refused_loudly() {
    let memory = Arc::new(Memory::default());
    let wire = memory.wire();
    take(&mut Locks::default(), &wire.store("p1"), "anna").unwrap();
    let whole = memory.text("locks/a.k8s.test.json").unwrap();
    for (text, why) in [
        (
            whole.replace("\"version\": 1", "\"version\": 2"),
            "version 2 is newer than this kfleet",
        ),
        (whole[..whole.len() / 2].to_owned(), "EOF"),
        (String::new(), "EOF"),
    ] {
        memory.set("locks/a.k8s.test.json", &text);
        let error = take(&mut Locks::default(), &memory.wire().store("p2"), "ben")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("memory/locks/a.k8s.test.json is damaged: ") && error.contains(why),
            "{error}"
        );
    }
}

/// A world in which one effect takes longer than a lease lasts.
struct Slow {
    world: kfleet::cloud::local::World,
    wire: crate::memory::Wire,
    effects: AtomicUsize,
    /// The slow one was carried out to its end.
    finished: AtomicBool,
}

impl Cloud for Slow {
    fn now(&self) -> Timestamp {
        self.world.now()
    }

    async fn wait(&self, until: Timestamp) -> Result<(), CloudError> {
        self.world.wait(until).await
    }

    asks_world!(world);

    async fn apply(&self, place: &Place, effect: &CloudEffect) -> Result<Applied, CloudError> {
        if self.effects.fetch_add(1, Ordering::SeqCst) == 3 {
            // It reads, is throttled and waits, and the machine slept: the lease was not renewed for too long.
            self.wire.ticks.fetch_add(61_000, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(20)).await;
            self.finished.store(true, Ordering::SeqCst);
        }
        self.world.apply(place, effect).await
    }
}

impl kfleet::engine::Engine for Slow {}

impl NodeApi for Slow {
    async fn nodes(&self, cluster: &ClusterName) -> Nodes {
        self.world.nodes(cluster).await
    }

    async fn act(&self, cluster: &ClusterName, effect: &NodeEffect) -> Result<Applied, NodeError> {
        self.world.act(cluster, effect).await
    }
}

#[test]
fn an_effect_is_broken_off_when_its_lock_is_lost() {
    let dir = crate::support::folder();
    let scene = Scene::small(dir.path(), &[("nodes", 2, 4, false)]);
    let memory = Arc::new(Memory::default());
    let wire = memory.wire();
    let store = wire.store("p1");
    let rollout = scene.rollout(&scene.world(), "r1", &[]);
    let (mut journal, _) = Journal::begin(&store, &rollout).unwrap();
    let slow = Slow {
        world: scene.world(),
        wire: wire.clone(),
        effects: AtomicUsize::new(0),
        finished: AtomicBool::new(false),
    };
    let began = Instant::now();
    let drive = scene.drive();
    let outcome = crate::support::block(kfleet::run::run(
        &slow,
        &store,
        &mut journal,
        &drive,
        || false,
        |_| {},
    ));
    assert!(
        matches!(
            outcome,
            Err(kfleet::run::RunError::Store(StoreError::LockLost { .. }))
        ),
        "{outcome:?}"
    );
    assert!(!slow.finished.load(Ordering::SeqCst), "it went on");
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(slow.effects.load(Ordering::SeqCst), 4);
    drop((journal, slow));
    // The margin is over: another process goes on, and what had no answer is looked at first.
    memory.pass(600);
    let later = memory.wire();
    let scene = Scene {
        kept: Some(later.store("p2")),
        ..scene
    };
    let (outcome, _) = scene.resume("r1");
    assert_eq!(
        outcome.unwrap(),
        kfleet::run::Outcome::Ended(kfleet::rollout::Ending::Finished)
    );
    assert_eq!(scene.leftovers(), Vec::<String>::new());
}
