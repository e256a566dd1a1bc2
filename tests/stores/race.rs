//! Two who want the same wave at the same moment: one of them has it, the other has nothing of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use kfleet::model::{ClusterName, Timestamp};
use kfleet::store::{CloudKind, Journal, Locks, Store, StoreError};

use crate::memory::Memory;
use crate::support::{Scene, folder, name};

const ROUNDS: usize = 1_000;

fn wave(names: &[&str]) -> Vec<ClusterName> {
    names
        .iter()
        .map(|n| name(&format!("{n}.k8s.test")))
        .collect()
}

/// Both want `b` and `c`. In every round exactly one of them gets its wave, and it is the only one in any cluster.
pub fn never_both(
    rounds: usize,
    ours: &(dyn Fn() -> Store + Sync),
    theirs: &(dyn Fn() -> Store + Sync),
) {
    let (start, end) = (Barrier::new(2), Barrier::new(2));
    let inside: Vec<AtomicU64> = (0..4).map(|_| AtomicU64::new(0)).collect();
    let wins = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let racer = |me: usize, open: &(dyn Fn() -> Store + Sync), clusters: &[usize]| {
        let store = open();
        let names: Vec<ClusterName> = clusters
            .iter()
            .map(|n| wave(&["a", "b", "c", "d"])[*n].clone())
            .collect();
        for round in 0..rounds {
            start.wait();
            let mut locks = Locks::default();
            match locks.take(
                &store,
                names.clone(),
                &format!("racer {me}"),
                &format!("r{round}"),
                Timestamp::from_millis(0),
            ) {
                Ok(over) => {
                    assert_eq!(
                        over,
                        [],
                        "round {round}: taken over from somebody who was there"
                    );
                    for n in clusters {
                        assert_eq!(
                            inside[*n].fetch_add(1, Ordering::SeqCst),
                            0,
                            "round {round}: both are in"
                        );
                        locks.check(&names[0]).unwrap();
                    }
                    wins[me].fetch_add(1, Ordering::SeqCst);
                }
                Err(StoreError::Locked { .. } | StoreError::LockLost { .. }) => {}
                Err(other) => panic!("round {round}: {other}"),
            }
            end.wait();
            assert_eq!(
                wins[0].load(Ordering::SeqCst) + wins[1].load(Ordering::SeqCst),
                round + 1,
                "round {round}: one of them, and only one"
            );
            end.wait();
            if locks.check(&names[0]).is_ok() {
                for n in clusters {
                    inside[*n].fetch_sub(1, Ordering::SeqCst);
                }
            }
            drop(locks);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| racer(0, ours, &[0, 1, 2]));
        scope.spawn(|| racer(1, theirs, &[1, 2, 3]));
    });
}

/// A process that another test starts holds, for a moment, every file of this one open, and with it the locks: this race wants to be alone.
const ALONE: &str = "KFLEET_TEST_RACE_ALONE";

#[test]
fn two_in_a_folder_are_never_both_in() {
    if std::env::var_os(ALONE).is_none() {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command
            .args(["--exact", "race::two_in_a_folder_are_never_both_in"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("1 passed"),
            "it did not run there"
        );
        return;
    }
    let dir = folder();
    let open = || Store::open(dir.path(), CloudKind::Local).unwrap();
    never_both(ROUNDS, &open, &open);
}

#[test]
fn two_on_objects_are_never_both_in() {
    let memory = Arc::new(Memory::default());
    let (ours, theirs) = (memory.wire(), memory.wire());
    never_both(ROUNDS, &|| ours.store("p1"), &|| theirs.store("p2"));
}

#[test]
fn of_two_that_take_over_from_the_dead_one_does() {
    for round in 0..200 {
        let memory = Arc::new(Memory::default());
        let dead = memory.wire();
        let mut lost = Locks::default();
        lost.take(
            &dead.store("dead"),
            wave(&["a", "b"]),
            "dead",
            "r1",
            Timestamp::from_millis(0),
        )
        .unwrap();
        memory.pass(151);
        let start = Barrier::new(2);
        let won = |token: &str| {
            let store = memory.wire().store(token);
            let mut locks = Locks::default();
            start.wait();
            let taken = locks.take(
                &store,
                wave(&["a", "b"]),
                token,
                "r1",
                Timestamp::from_millis(0),
            );
            taken.ok().map(|over| (over.len(), locks))
        };
        let (a, b) = std::thread::scope(|scope| {
            let (a, b) = (scope.spawn(|| won("p1")), scope.spawn(|| won("p2")));
            (a.join().unwrap(), b.join().unwrap())
        });
        let wins: Vec<usize> = [&a, &b]
            .into_iter()
            .flatten()
            .map(|(over, _)| *over)
            .collect();
        // The other one may have met the winner at the second lock, after the first was given back to it.
        assert!(wins.len() <= 1, "round {round}: both took it over");
        assert!(wins.iter().all(|over| *over <= 2));
    }
}

#[test]
fn of_two_that_carry_a_rollout_on_one_does() {
    let dir = folder();
    let scene = Scene::small(dir.path(), &[("nodes", 2, 4, false)]);
    let rollout = scene.rollout(&scene.world(), "r1", &[]);
    let memory = Arc::new(Memory::default());
    drop(Journal::begin(&memory.wire().store("first"), &rollout).unwrap());
    let start = Barrier::new(2);
    let records: usize = std::thread::scope(|scope| {
        let carry = |token: &'static str| {
            let store = memory.wire().store(token);
            let start = &start;
            let started_at = rollout.started_at;
            scope.spawn(move || {
                start.wait();
                let mut written = 0;
                for _ in 0..1_000_000 {
                    match Journal::take_up(&store, "r1") {
                        Ok(mut journal) => {
                            journal
                                .append(
                                    started_at,
                                    vec![kfleet::rollout::Event::Rollout(
                                        kfleet::rollout::RolloutEvent::Paused { why: token.into() },
                                    )],
                                )
                                .unwrap();
                            written += 1;
                        }
                        Err(StoreError::Running(_) | StoreError::LockLost { .. }) => {
                            std::thread::yield_now()
                        }
                        Err(other) => panic!("{other}"),
                    }
                    if written == 40 {
                        break;
                    }
                }
                written
            })
        };
        [carry("p1"), carry("p2")]
            .into_iter()
            .map(|t| t.join().unwrap())
            .sum()
    });
    let all = memory.wire().store("reader").records("r1").unwrap();
    assert_eq!(
        all.iter().map(|r| r.seq).collect::<BTreeSet<_>>().len(),
        records + 1
    );
    assert_eq!(records, 80);
}

/// A process that takes the wave again and again and, while it has it, makes a file that must not be there.
const FOLDER: &str = "KFLEET_TEST_RACE_FOLDER";

#[test]
fn two_processes_in_a_folder_are_never_both_in() {
    if let Some(dir) = std::env::var_os(FOLDER) {
        let (dir, mut wins, mut tries) = (Path::new(&dir).to_owned(), 0, 0);
        while wins < 250 {
            tries += 1;
            assert!(tries < 1_000_000, "it never gets in");
            let store = Store::open(&dir, CloudKind::Local).unwrap();
            let mut locks = Locks::default();
            if locks
                .take(
                    &store,
                    wave(&["a", "b"]),
                    "process",
                    "r1",
                    Timestamp::from_millis(0),
                )
                .is_ok()
            {
                let flag = dir.join("inside");
                fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .open(&flag)
                    .expect("both are in");
                fs::remove_file(&flag).unwrap();
                wins += 1;
            }
            drop(locks);
            std::thread::yield_now();
        }
        return;
    }
    let dir = folder();
    let process = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([
                "--exact",
                "race::two_processes_in_a_folder_are_never_both_in",
            ])
            .env(FOLDER, dir.path());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..3).map(|_| process()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let text = fs::read_to_string(dir.path().join("locks/a.k8s.test.json")).unwrap();
    let fence = serde_json::from_str::<serde_json::Value>(&text).unwrap()["fence"]
        .as_u64()
        .unwrap();
    assert!(fence >= 750, "{fence}");
}
