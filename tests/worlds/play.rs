//! One world from its beginning to its end.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use kfleet::cloud::Cloud as _;
use kfleet::cloud::local::Scenario;
use kfleet::plan::Allow;
use kfleet::rollout::{ClusterEvent, Ending, Event, Record, RolloutEvent, deleted_groups};
use kfleet::run::{Outcome, Signal, run};
use kfleet::store::{Journal, Request, Stop};

use super::made::{Made, Turn, scene};
use super::people::put_right;
use super::support::block;
use super::support::spy::Died;
use super::*;

/// More than any rollout of these sizes needs.
const LONGEST: (usize, u32) = (8_000, 30_000);

/// So often a person puts it right before it is given up, and takes it up again after that.
const TRIES: (usize, usize) = (3, 7);

const ID: &str = "r2";

/// What became of a world.
pub(crate) struct Played {
    ending: Ending,
    effects: u64,
    records: usize,
    stuck: Vec<String>,
    hours: i64,
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} {} effects, {} records, {}h, stuck {} times",
            self.ending,
            self.effects,
            self.records,
            self.hours,
            self.stuck.len()
        )?;
        self.stuck.iter().try_for_each(|why| write!(f, " [{why}]"))
    }
}

/// The last records, steps among them.
fn tail(records: &[Record]) -> String {
    let last = records.iter().rev().take(60).rev();
    let line = |r: &Record| format!("{} {}", r.at, serde_json::to_string(&r.event).unwrap());
    last.map(line).collect::<Vec<_>>().join("\n")
}

struct Playing<'a> {
    made: &'a Made,
    scene: &'a Scene,
    spy: &'a Spy,
    records: Vec<Record>,
    stuck: Vec<String>,
    given_up: bool,
}

pub(crate) fn check(made: &Made) -> Played {
    let dir = folder();
    let scene = scene(made, dir.path());
    let spy = Spy::new(scene.world());
    let begun = spy.now();
    let rollout = scene.rollout(spy.world(), ID, &[]);
    let (journal, first) = Journal::begin(&scene.store(), &rollout).unwrap();
    drop(journal);
    if let Some(death) = made.death {
        spy.dies(Some(death));
    }
    let mut playing = Playing {
        made,
        scene: &scene,
        spy: &spy,
        records: vec![first],
        stuck: Vec::new(),
        given_up: false,
    };
    let ending = playing.play_out();
    let Playing { records, stuck, .. } = playing;
    let said = || {
        let all = scene.store().records(ID).unwrap();
        let line = |r: &Record| format!("{} {}", r.at, serde_json::to_string(&r.event).unwrap());
        match asked("KFLEET_WORLD") {
            Some(_) => all.iter().map(line).collect::<Vec<_>>().join("\n"),
            None => format!("{made:#?}\n{}", facts(&records).join("\n")),
        }
    };
    if asked("KFLEET_WORLD").is_some() {
        eprintln!("{}", said());
    }
    let hours = spy.now().since(begun).millis() / 3_600_000;
    let effects = spy.effects();
    let progress = scene.progress(ID);
    let owed: Vec<_> = progress
        .clusters
        .values()
        .flat_map(|c| &c.groups)
        .filter(|(_, g)| !g.outstanding.is_empty())
        .map(|(name, _)| name)
        .collect();
    assert!(owed.is_empty(), "{owed:?} have something open: {}", said());
    assert!(progress.open.is_empty(), "steps are open: {}", said());
    drop(spy);
    let left = scene.leftovers_of_ours(&progress);
    assert!(left.is_empty(), "{left:?}: {}", said());
    let quiet = made.acts.is_empty();
    if ending == Ending::Finished && quiet {
        let world = scene.world();
        // What is read now may be older than what was done last.
        world.set_faults(Vec::new());
        let plan = scene.plan(&world, Allow::default());
        assert!(plan.is_empty(), "the plan is not empty: {}", said());
    }
    Played {
        ending,
        effects,
        records: records.len(),
        stuck,
        hours,
    }
}

impl Playing<'_> {
    fn play_out(&mut self) -> Ending {
        for _ in 0..64 {
            let ran = catch_unwind(AssertUnwindSafe(|| self.carry()));
            let outcome = match ran {
                Ok(outcome) => outcome,
                Err(payload) if payload.is::<Died>() => {
                    self.spy.dies(None);
                    self.spy.world().revive();
                    continue;
                }
                Err(payload) => resume_unwind(payload),
            };
            match outcome {
                Outcome::Ended(ending) => return ending,
                Outcome::Stopped(_) => {
                    let later = self.spy.now() + Span::from_secs(600);
                    block(self.spy.world().wait(later)).unwrap();
                    self.scene.store().go(None).unwrap();
                }
                Outcome::Interrupted => {}
                Outcome::Stuck => self.help(),
                Outcome::Held => self.decide(),
                Outcome::WaitingForCredentials { .. } | Outcome::WaitingForAccess { .. } => {
                    self.help()
                }
                Outcome::WaitingForPerson(_)
                | Outcome::WaitingForTime { .. }
                | Outcome::WaitingForOthers { .. } => {
                    panic!("{outcome:?}: {}", self.said())
                }
            }
        }
        panic!("it has no end: {}", self.said())
    }

    /// Its story; every record where one world is looked at.
    fn said(&self) -> String {
        // What a process had recorded that died is there, too.
        let records = self.scene.store().records(ID).unwrap();
        if asked("KFLEET_WORLD").is_none() {
            return facts(&records).join("\n");
        }
        let line = |r: &Record| format!("{} {}", r.at, serde_json::to_string(&r.event).unwrap());
        records.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Stuck: a person puts right what can be, takes it up again, and gives it up when that does not help.
    fn help(&mut self) {
        let why = self.records.iter().rev().find_map(|r| match &r.event {
            Event::Cluster(_, ClusterEvent::Stuck { why, .. }) => {
                Some(kfleet::report::reason_text(why))
            }
            Event::Rollout(RolloutEvent::Paused { why }) => {
                Some(format!("paused: {}", kfleet::report::reason_text(why)))
            }
            _ => None,
        });
        self.stuck.push(why.unwrap_or_default());
        assert!(
            !self.made.is_calm(),
            "stuck without a reason: {}",
            self.said()
        );
        let times = self.stuck.len();
        assert!(
            times <= TRIES.1,
            "it stays stuck: {:#?}\n{}",
            self.stuck,
            self.said()
        );
        let (rollout, progress) = self.scene.store().rollout(ID).unwrap();
        let world = self.spy.world();
        if self.made.gives_up && times == 1 {
            world.set_faults(Vec::new());
            world.set_scenario(Scenario::default()).unwrap();
        } else {
            put_right(world, &rollout, &progress);
        }
        if !self.given_up && (times > TRIES.0 || self.made.gives_up) {
            self.given_up = true;
            self.ask(Turn::Abort);
        }
    }

    /// It failed, and stays as it is until a person says what comes: it tries again once, then it goes back.
    fn decide(&mut self) {
        self.stuck.push("held".into());
        assert!(
            self.stuck.len() <= TRIES.1,
            "it stays held: {}",
            self.said()
        );
        self.spy.world().set_faults(Vec::new());
        let (_, progress) = self.scene.store().rollout(ID).unwrap();
        let clusters = progress.clusters.keys().cloned().collect();
        let deleted = deleted_groups(&progress, &clusters).next().is_some();
        if self.stuck.len() > 1 {
            self.ask(if deleted { Turn::Abort } else { Turn::Rollback });
        }
    }

    fn ask(&self, turn: Turn) {
        let (by, reason) = ("anna".to_owned(), "a world".to_owned());
        let store = self.scene.store();
        match turn {
            Turn::Abort => store.request(ID, &Request::Abort { by, reason }).unwrap(),
            Turn::Rollback => store
                .request(ID, &Request::Rollback { by, reason })
                .unwrap(),
            Turn::Stop => {
                let stop = Stop {
                    cluster: None,
                    by,
                    since: self.spy.now(),
                    reason,
                };
                drop(store.stop(&stop).unwrap());
            }
            Turn::Interrupt => {}
        }
    }

    /// One process, until it is over or has to wait.
    fn carry(&mut self) -> Outcome {
        let (scene, spy) = (self.scene, self.spy);
        let store = scene.store();
        let mut journal = Journal::take_up(&store, ID).unwrap();
        spy.begin(journal.rollout(), journal.progress());
        let drive = scene.drive();
        let (mut waits, interrupted) = (0u32, Cell::new(false));
        let begun = self.records.len();
        let mut new: Vec<Record> = Vec::new();
        let playing = &*self;
        let outcome = block(run(
            spy,
            &store,
            &mut journal,
            &drive,
            || interrupted.get(),
            |signal| match signal {
                Signal::Recorded(record) => {
                    new.push(record.clone());
                    spy.hear(record);
                    let at = begun + new.len();
                    for (_, turn) in playing.made.turns.iter().filter(|(n, _)| *n == at) {
                        interrupted.set(*turn == Turn::Interrupt);
                        playing.ask(*turn);
                    }
                    assert!(
                        at < LONGEST.0,
                        "it never ends, by its records: {}",
                        tail(&new)
                    );
                }
                Signal::Waiting { waiting, now, .. } => {
                    waits += 1;
                    assert!(
                        waits < LONGEST.1,
                        "it never ends, by its waits: {now} {waiting:#?}"
                    );
                }
            },
        ));
        self.records.extend(new);
        let wrong = spy.wrong();
        assert!(
            wrong.is_empty(),
            "rules broken:\n{}\n--- trace\n{}",
            wrong.join("\n"),
            self.said()
        );
        match outcome {
            Ok(outcome) => outcome,
            Err(error) => panic!("{error}: {}", self.said()),
        }
    }
}
