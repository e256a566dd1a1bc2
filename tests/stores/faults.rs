//! A store that fails in the middle of a rollout: nothing is done that cannot be written down, and once it works again the rollout ends
//! where it would have ended.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use kfleet::cloud::Cloud as _;
use kfleet::model::Span;
use kfleet::plan::Allow;
use kfleet::rollout::{Ending, Event, Record, RolloutEvent, StepEvent, StepResult};
use kfleet::run::{Drive, Outcome, RunError};
use kfleet::store::{Journal, Request, Store, StoreError};

use crate::memory::{Fault, Memory, Verb, Wire};
use crate::support::{Scene, Spy, facts, folder, name};

/// A made cluster that waits for another image, its store in memory.
struct Bed {
    scene: Scene,
    memory: Arc<Memory>,
    _dir: tempfile::TempDir,
}

impl Bed {
    fn new(prod: bool) -> Bed {
        let dir = folder();
        let memory = Arc::new(Memory::default());
        let mut scene = Scene::small(dir.path(), &[("nodes", 2, 4, false), ("full", 1, 1, false)]);
        if prod {
            scene.prod = vec![name("prod-a.k8s.test")];
        }
        scene.soak = Span::from_secs(600);
        scene.kept = Some(memory.wire().store("maker"));
        let mut scene = scene.made();
        scene.kept = None;
        Bed {
            scene,
            memory,
            _dir: dir,
        }
    }

    /// The same world and store once more.
    fn copy(&self) -> Bed {
        let dir = folder();
        copy(&self.scene.dir, dir.path());
        let scene = Scene {
            dir: dir.path().to_owned(),
            ..self.scene.clone()
        };
        Bed {
            scene,
            memory: self.memory.copy(),
            _dir: dir,
        }
    }

    /// A process that begins a rollout, on this wire.
    fn start(&self, wire: &Wire, token: &str) -> (Spy, Result<Outcome, RunError>, Vec<Record>) {
        let scene = Scene {
            kept: Some(wire.store(token)),
            ..self.scene.clone()
        };
        let spy = Spy::new(scene.world());
        let rollout = scene.rollout(spy.world(), "r2", &[]);
        let (mut journal, first) = match Journal::begin(&scene.store(), &rollout) {
            Ok(begun) => begun,
            Err(error) => return (spy, Err(error.into()), Vec::new()),
        };
        let mut records = vec![first];
        let outcome = scene.carry(&spy, &mut journal, &drive(&scene), &mut records);
        (spy, outcome, records)
    }

    /// Another process, later, on a wire that works: it goes on, or begins anew where nothing was begun.
    fn go_on(&self, spy: Spy) -> Vec<Record> {
        let ours = spy.ours();
        // The world is let go of, as by a process that ends.
        drop(spy);
        let wire = self.memory.wire();
        self.memory.pass(600);
        let scene = Scene {
            kept: Some(wire.store("later")),
            ..self.scene.clone()
        };
        if scene
            .store()
            .rollouts()
            .unwrap()
            .iter()
            .all(|id| id != "r2")
        {
            let (_, outcome, records) = self.start(&wire, "again");
            assert_eq!(outcome.unwrap(), Outcome::Ended(Ending::Finished));
            return records;
        }
        let after = Spy::new(scene.world()).after(ours);
        let mut journal = Journal::take_up(&scene.store(), "r2").unwrap();
        let mut records = Vec::new();
        let outcome = scene.carry(&after, &mut journal, &drive(&scene), &mut records);
        assert_eq!(
            outcome.unwrap(),
            Outcome::Ended(Ending::Finished),
            "{}",
            facts(&records).join("\n")
        );
        records
    }

    fn records(&self) -> Vec<Record> {
        self.memory
            .wire()
            .store("reader")
            .records("r2")
            .unwrap_or_default()
    }

    /// What was done stands in the journal as meant, each step once.
    #[track_caller]
    fn assert_meant(&self, spy: &Spy) {
        let meant: Vec<_> = self
            .records()
            .into_iter()
            .filter_map(|r| match r.event {
                Event::Step(_, StepEvent::Intent { effect, .. }) => Some(*effect),
                _ => None,
            })
            .collect();
        for (at, effect) in spy.done() {
            assert!(
                meant.contains(&effect),
                "{at}: done, and nowhere written down: {effect:?}"
            );
        }
    }

    #[track_caller]
    fn assert_whole(&self, shape: &BTreeMap<String, (u32, String)>) {
        let scene = Scene {
            kept: Some(self.memory.wire().store("reader")),
            ..self.scene.clone()
        };
        assert_eq!(scene.shape(), *shape);
        assert_eq!(scene.leftovers(), Vec::<String>::new());
        assert!(scene.plan(&scene.world(), Allow::default()).is_empty());
        let mut answers: BTreeMap<u64, u32> = BTreeMap::new();
        for (record, seq) in self.records().into_iter().zip(1..) {
            assert_eq!(record.seq, seq);
            if let Event::Step(
                step,
                StepEvent::Outcome {
                    result: StepResult::Applied(_),
                },
            ) = record.event
            {
                *answers.entry(step).or_default() += 1;
            }
        }
        assert!(!answers.is_empty() && answers.values().all(|n| *n == 1));
    }
}

fn drive(scene: &Scene) -> Drive {
    Drive {
        poll: Span::from_secs(30),
        watch: Span::from_secs(300),
        ..scene.drive()
    }
}

pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target)
        } else {
            std::fs::copy(entry.path(), target).map(drop).unwrap()
        }
    }
}

/// How many puts an undisturbed rollout makes, and where it ends.
fn undisturbed(template: &Bed) -> (usize, BTreeMap<String, (u32, String)>) {
    let bed = template.copy();
    let wire = bed.memory.wire();
    let puts = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&puts);
    wire.fails(move |verb, _| {
        *counted.lock().unwrap() += usize::from(verb == Verb::Put);
        Fault::Fine
    });
    let (spy, outcome, records) = bed.start(&wire, "quiet");
    assert_eq!(
        bed.memory
            .wire()
            .store("reader")
            .perhaps_unfinished()
            .unwrap(),
        Vec::<String>::new(),
        "an ended journal would be read for ever"
    );
    assert_eq!(
        outcome.unwrap(),
        Outcome::Ended(Ending::Finished),
        "{}",
        facts(&records).join("\n")
    );
    bed.assert_meant(&spy);
    let scene = &bed.scene;
    let shape = scene.shape();
    bed.assert_whole(&shape);
    let puts = *puts.lock().unwrap();
    assert!(puts > 40, "{puts}");
    (puts, shape)
}

/// From the n-th put on the store takes nothing any more.
fn dead_from(wire: &Wire, n: usize, fault: Fault) {
    let mut puts = 0;
    wire.fails(move |verb, _| {
        puts += usize::from(verb == Verb::Put);
        if verb == Verb::Put && puts >= n {
            fault
        } else {
            Fault::Fine
        }
    });
}

#[test]
fn a_store_that_refuses_writes_stops_before_the_next_effect() {
    let template = Bed::new(false);
    let (puts, shape) = undisturbed(&template);
    for n in (1..=puts).step_by(3) {
        let fault = [Fault::Refused, Fault::LostBefore, Fault::LostAfter][n % 3];
        let bed = template.copy();
        let wire = bed.memory.wire();
        dead_from(&wire, n, fault);
        let (spy, outcome, _) = bed.start(&wire, "unlucky");
        match outcome {
            Err(RunError::Store(StoreError::Object(_) | StoreError::LockLost { .. })) => {}
            // Nothing but what is given back at the end was left to write, or every answer was lost on a put that had been done.
            Ok(Outcome::Ended(Ending::Finished)) => assert!(
                n + 8 > puts || fault == Fault::LostAfter,
                "put {n} of {puts}"
            ),
            other => panic!("put {n} of {puts}, {fault:?}: {other:?}"),
        }
        bed.assert_meant(&spy);
        if bed
            .records()
            .last()
            .is_none_or(|r| r.event != Event::Rollout(RolloutEvent::Finished))
        {
            bed.go_on(spy);
        }
        bed.assert_whole(&shape);
    }
}

#[test]
fn credentials_that_end_stop_the_run_and_nothing_is_lost() {
    let template = Bed::new(false);
    let (puts, shape) = undisturbed(&template);
    let bed = template.copy();
    let wire = bed.memory.wire();
    dead_from(&wire, puts / 2, Fault::Credentials);
    let (spy, outcome, _) = bed.start(&wire, "p1");
    match outcome {
        Ok(Outcome::WaitingForCredentials { why }) => assert!(
            why.ends_with(": no valid credentials: ExpiredToken"),
            "{why}"
        ),
        other => panic!("{other:?}"),
    }
    bed.assert_meant(&spy);
    let records = bed.go_on(spy);
    // The dead process had given nothing back: whose it was is told before anything else.
    let taken: Vec<_> = records
        .iter()
        .filter(|r| matches!(r.event, Event::Rollout(RolloutEvent::LockTaken { .. })))
        .collect();
    assert_eq!(
        taken.len(),
        2,
        "the rollout, and the cluster under way: {}",
        facts(&records).join("\n")
    );
    assert!(
        matches!(&records[0].event, Event::Rollout(RolloutEvent::LockTaken { cluster: None, from, fence: 2, .. }) if from == "owner p1"),
        "{:?}",
        records[0].event
    );
    bed.assert_whole(&shape);
}

#[test]
fn answers_that_get_lost_change_nothing_about_the_end() {
    let template = Bed::new(false);
    let (_, shape) = undisturbed(&template);
    for fault in [Fault::LostBefore, Fault::LostAfter] {
        let bed = template.copy();
        let wire = bed.memory.wire();
        let mut puts = 0;
        wire.fails(move |verb, _| {
            puts += usize::from(verb == Verb::Put);
            if verb == Verb::Put && puts % 2 == 0 {
                fault
            } else {
                Fault::Fine
            }
        });
        let (spy, outcome, _) = bed.start(&wire, "p1");
        assert_eq!(outcome.unwrap(), Outcome::Ended(Ending::Finished));
        bed.assert_meant(&spy);
        bed.assert_whole(&shape);
    }
}

#[test]
fn a_lost_lock_stops_the_run_before_the_next_effect() {
    let bed = Bed::new(false);
    let wire = bed.memory.wire();
    let leases = wire.leases("p1");
    let scene = Scene {
        kept: Some(Store::of_objects(leases.clone(), kfleet::store::CloudKind::Local).unwrap()),
        ..bed.scene.clone()
    };
    // Somebody breaks the lock by hand once the third step is written down.
    let (memory, heard) = (Arc::clone(&bed.memory), leases.clone());
    let mut intents = 0;
    wire.fails(move |verb, key| {
        let journal = verb == Verb::Put && key.starts_with("journals/r2/");
        intents += usize::from(journal);
        if journal && intents == 12 {
            memory.remove("locks/staging.k8s.test.json");
        }
        Fault::Fine
    });
    let spy = Spy::new(scene.world());
    let rollout = scene.rollout(spy.world(), "r2", &[]);
    let (mut journal, _) = Journal::begin(&scene.store(), &rollout).unwrap();
    spy.begin(journal.rollout(), journal.progress());
    let mut done_when_lost = None;
    let outcome = crate::support::block(kfleet::run::run(
        &spy,
        &scene.store(),
        &mut journal,
        &drive(&scene),
        || false,
        |signal| {
            if let kfleet::run::Signal::Recorded(record) = signal {
                spy.hear(record);
                // What the thread does every few seconds.
                heard.renew();
                if record.seq >= 12
                    && done_when_lost.is_none()
                    && bed.memory.text("locks/staging.k8s.test.json").is_none()
                {
                    done_when_lost = Some(spy.done().len());
                }
            }
        },
    ));
    match outcome {
        Err(RunError::Store(StoreError::LockLost { what, why })) => {
            assert_eq!(
                (what.as_str(), why.as_str()),
                ("staging.k8s.test", "it was removed by hand")
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        Some(spy.done().len()),
        done_when_lost,
        "something was done without the lock"
    );
    drop(journal);
    bed.assert_meant(&spy);
    bed.go_on(spy);
}

#[test]
fn an_approval_is_bound_to_plan_and_stage_and_expires_here_too() {
    let bed = Bed::new(true);
    let wire = bed.memory.wire();
    let scene = Scene {
        kept: Some(wire.store("p1")),
        ..bed.scene.clone()
    };
    let spy = Spy::new(scene.world());
    let drive = Drive {
        auto_approve: false,
        hooks: Default::default(),
        ..drive(&scene)
    };
    let rollout = scene.rollout(spy.world(), "r2", &[]);
    let (mut journal, first) = Journal::begin(&scene.store(), &rollout).unwrap();
    let mut records = vec![first];
    // Left by another process.
    let desk = bed.memory.wire().store("desk");
    let approve = |hours: i64, plan, stage: &str| {
        let request = Request::Approve {
            plan,
            stage: name(stage),
            by: "anna".into(),
            expires: spy.now() + Span::from_secs(hours * 3_600),
        };
        desk.request("r2", &request).unwrap();
    };
    let waits = Outcome::WaitingForPerson(name("prod"));
    approve(0, rollout.plan.clone(), "prod");
    assert_eq!(
        scene
            .carry(&spy, &mut journal, &drive, &mut records)
            .unwrap(),
        waits
    );
    approve(5, kfleet::model::digest_of(&"another"), "prod");
    approve(5, rollout.plan.clone(), "staging");
    assert_eq!(
        scene
            .carry(&spy, &mut journal, &drive, &mut records)
            .unwrap(),
        waits
    );
    crate::support::never(&records, &["stage-started prod"]);
    approve(5, rollout.plan.clone(), "prod");
    assert_eq!(
        scene
            .carry(&spy, &mut journal, &drive, &mut records)
            .unwrap(),
        Outcome::Ended(Ending::Finished)
    );
    crate::support::in_order(
        &records,
        &["approved prod", "stage-started prod", "finished"],
    );
    assert!(desk.pending("r2").unwrap().is_empty());
}

#[test]
fn a_damaged_journal_is_refused() {
    let bed = Bed::new(false);
    let (_, outcome, _) = bed.start(&bed.memory.wire(), "p1");
    outcome.unwrap();
    let keys: Vec<String> = bed
        .memory
        .keys()
        .into_iter()
        .filter(|k| k.starts_with("journals/r2/"))
        .collect();
    let key = &keys[7];
    let whole = bed.memory.text(key).unwrap();
    let last = whole[..whole.len() - 1].rfind('\n').unwrap() + 1;
    let refused = |why: &str| {
        let store = bed.memory.wire().store("reader");
        let error = store
            .records("r2")
            .and_then(|_| store.rollout("r2").map(drop))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("is damaged") && error.contains(why),
            "{error}"
        );
        let error = Journal::take_up(&bed.memory.wire().store("p2"), "r2")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("is damaged") && error.contains(why),
            "{error}"
        );
    };
    let spoil = |text: &str, why: &str| {
        bed.memory.set(key, text);
        refused(why);
    };
    // An object is written whole or not at all: a torn one is damage.
    spoil(&whole[..whole.len() - 1], "it holds");
    spoil(&whole[..last], "it holds");
    spoil("", "its first line has no end");
    spoil(
        &whole.replacen("{\"version\":1", "{\"version\":2", 1),
        "version 2 is newer than this kfleet",
    );
    spoil(&whole.replacen("{\"seq\":", "{\"sqe\":", 1), "line 1");
    spoil(&bed.memory.text(&keys[8]).unwrap(), "it holds");
    bed.memory.remove(key);
    // The next one carries the hash of what was there.
    refused("the record before it was changed or removed");
    bed.memory.set(key, &whole);
    assert!(Journal::take_up(&bed.memory.wire().store("p3"), "r2").is_ok());
    // Another kfleet's store.
    let marker = bed.memory.text("store.json").unwrap();
    bed.memory.set("store.json", &marker.replace('1', "2"));
    let open = || {
        Store::of_objects(
            bed.memory.wire().leases("p4"),
            kfleet::store::CloudKind::Local,
        )
        .map(drop)
        .unwrap_err()
        .to_string()
    };
    assert_eq!(
        open(),
        "memory/store.json is damaged: version 2 is newer than this kfleet"
    );
    bed.memory
        .set("store.json", &marker.replace("local", "aws"));
    assert_eq!(
        open(),
        "the store memory belongs to the aws cloud, and this is the local cloud"
    );
}
