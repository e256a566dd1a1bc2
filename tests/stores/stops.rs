//! Stop the line: a rollout under way halts before its next step, none goes on, and an abort is let through.

use kfleet::cloud::Cloud as _;
use kfleet::rollout::{Ending, Event, GroupEvent, RolloutEvent, StepEvent};
use kfleet::run::{Outcome, Signal, run};
use kfleet::store::{Journal, Request, Stop};

use crate::support::{Scene, Spy, block, folder, name};

fn stop(cluster: Option<&str>, spy: &Spy) -> Stop {
    Stop {
        cluster: cluster.map(name),
        by: "anna".into(),
        since: spy.now(),
        reason: "prod burns".into(),
    }
}

fn halted(cluster: Option<&str>) {
    let dir = folder();
    let scene = Scene::small(dir.path(), &[("nodes", 3, 6, false)]).made();
    let spy = Spy::new(scene.world());
    let rollout = scene.rollout(spy.world(), "r2", &[]);
    let store = scene.store();
    let (mut journal, _) = Journal::begin(&store, &rollout).unwrap();
    spy.begin(journal.rollout(), journal.progress());
    let stop = stop(cluster, &spy);
    let mut after = Vec::new();
    let drive = scene.drive();
    // In the middle: a drain is under way.
    let outcome = block(run(
        &spy,
        &store,
        &mut journal,
        &drive,
        || false,
        |signal| {
            if let Signal::Recorded(record) = signal {
                spy.hear(record);
                if store.stops().unwrap().is_empty() {
                    if matches!(
                        record.event,
                        Event::Group(_, _, GroupEvent::DrainStarted { .. })
                    ) {
                        store.stop(&stop).unwrap();
                    }
                } else {
                    after.push(record.event.clone());
                }
            }
        },
    ));
    assert_eq!(outcome.unwrap(), Outcome::Stopped(stop.clone()));
    // The round that was under way is written to its end, and nothing else.
    assert!(
        matches!(after.last(), Some(Event::Rollout(RolloutEvent::Paused { why })) if { let why = kfleet::report::reason_text(why); why.contains("stopped by anna since") && why.contains("prod burns") }),
        "{after:?}"
    );
    assert!(
        after
            .iter()
            .filter(|e| matches!(e, Event::Step(_, StepEvent::Intent { .. })))
            .count()
            <= 1,
        "{after:?}"
    );
    drop(journal);

    // Whoever takes it up does nothing.
    drop(spy);
    let again = Spy::new(scene.world());
    let (outcome, records) = scene.resume_on(&again, "r2");
    assert_eq!(outcome.unwrap(), Outcome::Stopped(stop.clone()));
    assert!(
        records.iter().all(|r| matches!(
            r.event,
            Event::Rollout(RolloutEvent::Resumed { .. })
                | Event::Rollout(RolloutEvent::Paused { .. })
        )),
        "{records:?}"
    );
    assert_eq!(again.done(), []);
    drop(again);

    store.go(stop.cluster.as_ref()).unwrap();
    let (outcome, _) = scene.resume("r2");
    assert_eq!(outcome.unwrap(), Outcome::Ended(Ending::Finished));
    assert_eq!(scene.leftovers(), Vec::<String>::new());
}

#[test]
fn the_line_is_stopped_and_goes_on() {
    halted(None);
}

#[test]
fn one_cluster_is_stopped_and_goes_on() {
    halted(Some("staging.k8s.test"));
}

#[test]
fn a_stop_of_another_cluster_stops_nothing() {
    let dir = folder();
    let scene = Scene::small(dir.path(), &[("nodes", 3, 6, false)]).made();
    let spy = Spy::new(scene.world());
    scene
        .store()
        .stop(&stop(Some("prod-z.k8s.test"), &spy))
        .unwrap();
    assert_eq!(
        scene.start_on(&spy, "r2").0.unwrap(),
        Outcome::Ended(Ending::Finished)
    );
}

#[test]
fn an_abort_gives_back_what_is_open_while_the_line_is_stopped() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[("nodes", 3, 6, false)]).made();
    scene.faults = vec!["stuck-drain:nodes".into()];
    let (outcome, _) = scene.start("r2");
    assert_eq!(outcome.unwrap(), Outcome::Stuck);
    assert!(
        !scene.leftovers().is_empty(),
        "nothing is open, so this proves nothing"
    );
    let stop = stop(None, &Spy::new(scene.world()));
    scene.store().stop(&stop).unwrap();
    scene
        .store()
        .request(
            "r2",
            &Request::Abort {
                by: "ben".into(),
                reason: "enough".into(),
            },
        )
        .unwrap();
    assert_eq!(
        scene.resume("r2").0.unwrap(),
        Outcome::Ended(Ending::Aborted)
    );
    assert_eq!(scene.leftovers(), Vec::<String>::new());
}
