//! The runner: gates and clusters at the same time, nothing that waits for something else, and what a lock that is lost does to what is under way.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kfleet::cloud::local::World;
use kfleet::cloud::{Cloud, CloudError, Place};
use kfleet::fleet::{GateKind, GateSpec, Samples, Wave};
use kfleet::model::{Applied, CloudEffect, ClusterName, NodeEffect, Nodes, Span, Timestamp};
use kfleet::nodes::{NodeApi, NodeError};
use kfleet::rollout::{ClusterEvent, Ending, Event, Record, RolloutEvent, StepEvent, Verdict};
use kfleet::run::{Outcome, RunError, Signal, run};
use kfleet::store::{Journal, StoreError};

use crate::support::{Scene, Spy, asks_world, block, folder, name};

/// The simulated account in a hurry: a second of its time takes a millisecond. Every effect and look takes its time, too.
struct Quick {
    world: World,
    /// What an effect takes.
    effect: Duration,
    /// What a look at nodes takes.
    look: Duration,
    under_way: AtomicUsize,
    /// Most effects, and looks at nodes, at the same time.
    most: [AtomicUsize; 2],
}

impl Quick {
    fn new(world: World) -> Quick {
        Quick {
            world,
            effect: Duration::ZERO,
            look: Duration::ZERO,
            under_way: AtomicUsize::new(0),
            most: Default::default(),
        }
    }

    async fn takes(&self, what: usize, time: Duration) {
        let now = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.most[what].fetch_max(now, Ordering::Relaxed);
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Cloud for Quick {
    fn now(&self) -> Timestamp {
        self.world.now()
    }

    async fn wait(&self, until: Timestamp) -> Result<(), CloudError> {
        let passes = until.since(self.now()).millis() / 1_000;
        tokio::time::sleep(Duration::from_millis(u64::try_from(passes).unwrap())).await;
        self.world.wait(until).await
    }

    asks_world!(world);

    async fn apply(&self, place: &Place, effect: &CloudEffect) -> Result<Applied, CloudError> {
        self.takes(0, self.effect).await;
        self.world.apply(place, effect).await
    }
}

impl kfleet::engine::Engine for Quick {}

impl NodeApi for Quick {
    async fn nodes(&self, cluster: &ClusterName) -> Nodes {
        self.takes(1, self.look).await;
        self.world.nodes(cluster).await
    }

    async fn act(&self, cluster: &ClusterName, effect: &NodeEffect) -> Result<Applied, NodeError> {
        self.world.act(cluster, effect).await
    }
}

/// One cluster, then `clusters` side by side.
fn scene(dir: &Path, clusters: usize, gate: &str) -> Scene {
    let mut scene = Scene::small(dir, &[("nodes", 1, 3, false)]);
    scene.prod = (1..=clusters)
        .map(|n| name(&format!("prod-{n:02}.k8s.test")))
        .collect();
    scene.stage_waves = Some(vec![Wave {
        clusters: scene.prod.clone(),
        parallel: clusters,
        soak: Span::ZERO,
    }]);
    scene.soak = Span::ZERO;
    if !gate.is_empty() {
        scene.gates.push(GateSpec {
            name: "slow".into(),
            kind: GateKind::Command(["sh", "-c", gate].map(str::to_owned).to_vec()),
            deadline: Span::from_secs(86_400),
            at: None,
            samples: Samples::default(),
        });
    }
    scene
}

fn roll(
    scene: &Scene,
    quick: &Quick,
    interrupted: impl Fn() -> bool,
) -> (Result<Outcome, RunError>, Vec<Record>) {
    let rollout = scene.rollout(&quick.world, "r1", &[]);
    let (store, drive) = (scene.store(), scene.drive());
    let (mut journal, first) = Journal::begin(&store, &rollout).unwrap();
    let mut records = vec![first];
    let outcome = block(run(
        quick,
        &store,
        &mut journal,
        &drive,
        interrupted,
        |signal| {
            if let Signal::Recorded(record) = signal {
                records.push(record.clone());
            }
        },
    ));
    (outcome, records)
}

#[test]
fn slow_gates_of_many_clusters_are_asked_together() {
    let dir = folder();
    let scene = scene(dir.path(), 8, "sleep 2");
    let quick = Quick::new(scene.world());
    let began = Instant::now();
    let (outcome, records) = roll(&scene, &quick, || false);
    assert_eq!(outcome.unwrap(), Outcome::Ended(Ending::Finished));
    let answered = records
        .iter()
        .filter(|r| {
            matches!(
                &r.event,
                Event::Cluster(
                    _,
                    ClusterEvent::Answered {
                        verdict: Verdict::Pass(_),
                        ..
                    }
                )
            )
        })
        .count();
    assert!(answered >= 9, "{answered}");
    // Those of staging, then those of eight clusters: one after the other that is 18 seconds at the least.
    assert!(
        began.elapsed() < Duration::from_secs(14),
        "{:?} for {answered} answers",
        began.elapsed()
    );
}

#[test]
fn clusters_are_looked_at_and_acted_upon_together() {
    let dir = folder();
    let scene = scene(dir.path(), 6, "");
    let mut quick = Quick::new(scene.world());
    quick.effect = Duration::from_millis(10);
    quick.look = Duration::from_millis(10);
    let (outcome, records) = roll(&scene, &quick, || false);
    assert_eq!(outcome.unwrap(), Outcome::Ended(Ending::Finished));
    for (what, most) in ["effects", "looks"].iter().zip(&quick.most) {
        let most = most.load(Ordering::Relaxed);
        assert_eq!(most, 6, "{what} at the same time");
    }
    // In order within one: an outcome for each intent, and in the same order.
    for cluster in &scene.prod {
        let mut steps = Vec::new();
        let mut outcomes = Vec::new();
        for record in &records {
            if let Event::Step(step, StepEvent::Intent { cluster: of, .. }) = &record.event {
                if of == cluster {
                    steps.push(*step);
                }
            } else if let Event::Step(step, StepEvent::Outcome { .. }) = &record.event
                && steps.contains(step)
                && !outcomes.contains(step)
            {
                outcomes.push(*step);
            }
        }
        assert_eq!(steps, outcomes, "{cluster}");
    }
}

#[test]
fn an_interruption_does_not_wait_for_a_gate() {
    let dir = folder();
    let scene = scene(dir.path(), 1, "touch asked; sleep 60");
    let asked = scene.dir.join("asked");
    for virtually in [false, true] {
        let _ = std::fs::remove_file(&asked);
        let began = Instant::now();
        let (outcome, records) = if virtually {
            let dir = folder();
            let scene = Scene {
                dir: dir.path().to_owned(),
                ..scene.clone()
            };
            let asked = dir.path().join("asked");
            let world = scene.world();
            let rollout = scene.rollout(&world, "r1", &[]);
            let (mut journal, _) = Journal::begin(&scene.store(), &rollout).unwrap();
            let mut records = Vec::new();
            let outcome = block(run(
                &world,
                &scene.store(),
                &mut journal,
                &scene.drive(),
                || asked.exists(),
                |signal| {
                    if let Signal::Recorded(record) = signal {
                        records.push(record.clone());
                    }
                },
            ));
            (outcome, records)
        } else {
            let quick = Quick::new(scene.world());
            roll(&scene, &quick, || asked.exists())
        };
        assert_eq!(outcome.unwrap(), Outcome::Interrupted);
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{:?}",
            began.elapsed()
        );
        assert!(
            matches!(
                records.last().map(|r| &r.event),
                Some(Event::Rollout(RolloutEvent::Paused { .. }))
            ),
            "{:?}",
            records.last()
        );
        assert!(
            records.iter().all(|r| !matches!(
                r.event,
                Event::Cluster(_, ClusterEvent::Answered { .. })
                    | Event::Cluster(_, ClusterEvent::Failed { .. })
            )),
            "an answer was made up"
        );
    }
}

#[test]
fn a_gate_that_cannot_be_run_waits() {
    let dir = folder();
    let mut scene = scene(dir.path(), 1, "exit 0");
    if let GateKind::Command(command) = &mut scene.gates.last_mut().unwrap().kind {
        *command = vec!["./no-such-gate".into()];
    }
    let file = scene.dir.join("no-such-gate");
    let world = scene.world();
    let rollout = scene.rollout(&world, "r1", &[]);
    let (mut journal, _) = Journal::begin(&scene.store(), &rollout).unwrap();
    let mut verdicts = Vec::new();
    let outcome = block(run(
        &world,
        &scene.store(),
        &mut journal,
        &scene.drive(),
        || false,
        |signal| {
            if let Signal::Recorded(Record {
                event: Event::Cluster(_, ClusterEvent::Answered { verdict, .. }),
                ..
            }) = signal
            {
                verdicts.push(verdict.clone());
                // Somebody puts it there.
                std::fs::write(&file, "#!/bin/sh\nexit 0\n").unwrap();
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
                std::fs::set_permissions(&file, mode).unwrap();
            }
        },
    ));
    assert_eq!(outcome.unwrap(), Outcome::Ended(Ending::Finished));
    assert!(
        matches!(verdicts.first(), Some(Verdict::Wait(why)) if kfleet::report::ground_text(why).contains("cannot be run")),
        "{verdicts:?}"
    );
}

/// Carries it on, and does something to the journal's file when the first step is written down. Why it ended, and how many effects came later.
fn with_a_journal_that(scene: &Scene, happens: impl Fn(&Path)) -> (RunError, usize) {
    let spy = Spy::new(scene.world());
    let mut journal = Journal::take_up(&scene.store(), "r2").unwrap();
    let path = scene.dir.join("journals/r2.jsonl");
    let before = Cell::new(None);
    let error = block(run(
        &spy,
        &scene.store(),
        &mut journal,
        &scene.drive(),
        || false,
        |signal| {
            let Signal::Recorded(record) = signal else {
                return;
            };
            spy.hear(record);
            let is_step = matches!(record.event, Event::Step(_, StepEvent::Intent { .. }));
            if before.get().is_none() && is_step {
                happens(&path);
                before.set(Some(spy.done().len()));
            }
        },
    ));
    let before = before.get().unwrap();
    (error.unwrap_err(), spy.done().len() - before)
}

#[test]
fn nothing_is_done_once_the_journal_was_taken_away() {
    let away = |path: &Path| fs::rename(path, path.with_extension("away")).unwrap();
    let older = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        let first = text.lines().next().unwrap().to_owned() + "\n";
        fs::write(path, first).unwrap();
    };
    let replaced = |path: &Path| {
        let text = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        fs::write(path, text).unwrap();
    };
    let happens: [&dyn Fn(&Path); 3] = [&away, &older, &replaced];
    for happens in happens {
        for back in [false, true] {
            let dir = folder();
            let scene = Scene::small(dir.path(), &[("nodes", 2, 4, false)]).made();
            let rollout = scene.rollout(&scene.world(), "r2", &[]);
            let (mut journal, _) = Journal::begin(&scene.store(), &rollout).unwrap();
            if back {
                let spy = Spy::new(scene.world());
                let outcome = scene.carry(&spy, &mut journal, &scene.drive(), &mut Vec::new());
                assert_eq!(outcome.unwrap(), Outcome::Ended(Ending::Finished));
                let asked = RolloutEvent::RollbackAsked {
                    by: "anna".into(),
                    reason: "worse".into(),
                };
                journal
                    .append(spy.now(), vec![Event::Rollout(asked)])
                    .unwrap();
            }
            drop(journal);
            let (error, later) = with_a_journal_that(&scene, happens);
            assert!(
                matches!(&error, RunError::Store(StoreError::Damaged { .. })),
                "{error}"
            );
            assert_eq!(later, 0, "effects that are in no journal");
        }
    }
}
