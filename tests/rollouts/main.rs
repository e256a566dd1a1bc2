//! Rollouts on the simulated account: what happens, in which order, and what is left afterwards. Every effect is held
//! against the rules as well (`support/spy.rs`).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    reason = "tests"
)]

mod back;
mod balancers;
mod by_kops;
mod drains;
mod gates;
mod groups;
mod hooks;
mod middle;
mod modes;
mod others;
mod people;
mod proof;
mod protection;
mod records;
mod room;
mod rules;
mod runner;
mod stages;
mod stories;
mod strategies;
#[path = "../support/mod.rs"]
mod support;
mod twins;
mod validation;
mod way_back;
mod ways;
mod zones;

use kfleet::cloud::Cloud as _;
use kfleet::fleet::{Amount, Freeze, GateKind, GateSpec, OnTimeout, Rate, Wave, Weekday};
use kfleet::model::{CloudEffect, Effect, Span, Timestamp};
use kfleet::plan::Allow;
use kfleet::rollout::{
    ClusterEvent, Ending, Event, GroupEvent, Record, RolloutEvent, StageEvent, StepEvent,
    StepResult,
};
use kfleet::run::{Outcome, RunError};
use kfleet::store::{Journal, Request};
use support::{Scene, Spy, facts, folder, in_order, name, never, reasons, trace};

type Ran = (Result<Outcome, RunError>, Vec<Record>);

#[track_caller]
fn ends((outcome, records): Ran, ending: Ending) -> Vec<Record> {
    let said = format!(
        "{}\n{}",
        facts(&records).join("\n"),
        reasons(&records).join("\n")
    );
    assert_eq!(outcome.unwrap(), Outcome::Ended(ending), "{said}");
    records
}

#[track_caller]
fn sticks((outcome, records): Ran, why: &str) -> Vec<Record> {
    assert_eq!(
        outcome.unwrap(),
        Outcome::Stuck,
        "{}",
        facts(&records).join("\n")
    );
    says(&records, why);
    records
}

#[track_caller]
fn says(records: &[Record], why: &str) {
    assert!(
        reasons(records).iter().any(|r| r.contains(why)),
        "`{why}` is not said in {:#?}",
        reasons(records)
    );
}

#[track_caller]
fn clean(scene: &Scene) {
    assert_eq!(scene.leftovers(), Vec::<String>::new());
}

fn count(records: &[Record], line: &str) -> usize {
    trace(records).iter().filter(|l| *l == line).count()
}

/// Begins a rollout, and asks for something as soon as `stop` stands in its journal.
fn asked_at(scene: &Scene, stop: &str, request: &Request) -> Ran {
    let (spy, store) = (Spy::new(scene.world()), scene.store());
    let rollout = scene.rollout(spy.world(), "r2", &[]);
    let (mut journal, first) = Journal::begin(&store, &rollout).unwrap();
    let mut records = vec![first];
    spy.begin(journal.rollout(), journal.progress());
    let hear = |signal: kfleet::run::Signal<'_>| {
        let kfleet::run::Signal::Recorded(record) = signal else {
            return;
        };
        spy.hear(record);
        records.push(record.clone());
        if trace(std::slice::from_ref(record)) == [stop] {
            store.request("r2", request).unwrap();
        }
    };
    let outcome = support::block(kfleet::run::run(
        &spy,
        &store,
        &mut journal,
        &scene.drive(),
        || false,
        hear,
    ));
    assert_eq!(
        spy.wrong(),
        Vec::<String>::new(),
        "{}",
        facts(&records).join("\n")
    );
    (outcome, records)
}

/// Rolls image-2 out, which has to fail and to leave everything as it was.
#[track_caller]
fn goes_back(scene: &Scene) -> Vec<Record> {
    let before = scene.shape();
    let baselines = scene.store().baselines().unwrap();
    let records = ends(scene.start("r2"), Ending::RolledBack);
    assert_eq!(scene.shape(), before);
    clean(scene);
    let after = scene.store().baselines().unwrap();
    assert!(
        baselines
            .iter()
            .all(|(name, b)| after[name].digest == b.digest)
    );
    records
}

#[track_caller]
fn rolls(scene: &Scene, id: &str) -> Vec<Record> {
    let records = ends(scene.start(id), Ending::Finished);
    assert!(scene.plan(&scene.world(), Allow::default()).is_empty());
    clean(scene);
    records
}

const NODES: (&str, u32, u32, bool) = ("nodes", 3, 6, false);

#[test]
fn a_fleet_is_made_changed_and_then_there_is_nothing_to_do() {
    let dir = folder();
    let mut scene = Scene::new(dir.path());
    rolls(&scene, "r1");
    scene.image = "image-2".into();
    let records = rolls(&scene, "r2");
    in_order(
        &records,
        &[
            "stage-started staging",
            "group-started staging/control-plane-a",
            "group-done staging/control-plane-a",
            "group-started staging/control-plane-b",
            "group-done staging/control-plane-c",
            "group-started staging/nodes",
            "canary-up staging/nodes",
            "canary-proven staging/nodes",
            "group-done staging/nodes",
            "cluster-rolled staging",
            "cluster-verified staging",
            "stage-passed staging",
            "approved prod",
            "stage-started prod",
            "wave-started prod 0",
            "cluster-verified prod-a",
            "wave-passed prod 0",
            "wave-started prod 1",
            "cluster-verified prod-b",
            "stage-passed prod",
            "finished",
        ],
    );
}
