//! What follows a failure, and what a person can take back: hold, stop, rollback of a running and of a finished rollout.

use kfleet::fleet::OnFailure;
use kfleet::rollout::{RollbackError, check_rollback};

use super::*;

fn failing(
    dir: &std::path::Path,
    groups: &[(&'static str, u32, u32, bool)],
    on_failure: OnFailure,
) -> Scene {
    let mut scene = Scene::small(dir, groups).made();
    scene.on_failure = on_failure;
    let kind = GateKind::Command(["sh", "-c", "test -e good"].map(str::to_owned).to_vec());
    scene.gates.push(GateSpec {
        name: "smoke".into(),
        kind,
        deadline: Span::from_secs(600),
        at: None,
        samples: kfleet::fleet::Samples::default(),
    });
    scene
}

/// What `kfleet rollout rollback` does to a rollout that nobody carries on.
pub(super) fn takes_back(scene: &Scene, id: &str) -> Ran {
    let store = scene.store();
    let others: Vec<_> = store
        .rollouts()
        .unwrap()
        .iter()
        .map(|id| store.rollout(id).unwrap())
        .collect();
    let (rollout, progress) = store.rollout(id).unwrap();
    check_rollback(&rollout, &progress, &others, &Default::default()).unwrap();
    let spy = Spy::new(scene.world());
    let mut journal = Journal::take_up(&store, id).unwrap();
    let asked = Event::Rollout(RolloutEvent::RollbackAsked {
        by: "me".into(),
        reason: "enough".into(),
    });
    let mut records = journal
        .append(spy.now().max(progress.at), vec![asked])
        .unwrap();
    let outcome = scene.carry(&spy, &mut journal, &scene.drive(), &mut records);
    (outcome, records)
}

fn why_not(scene: &Scene, id: &str) -> RollbackError {
    let store = scene.store();
    let others: Vec<_> = store
        .rollouts()
        .unwrap()
        .iter()
        .map(|id| store.rollout(id).unwrap())
        .collect();
    let (rollout, progress) = store.rollout(id).unwrap();
    check_rollback(&rollout, &progress, &others, &Default::default()).unwrap_err()
}

#[test]
fn a_failure_is_held_for_a_person_who_tries_again() {
    let dir = folder();
    let scene = failing(dir.path(), &[NODES], OnFailure::Hold);
    let (outcome, records) = scene.start("r2");
    assert_eq!(outcome.unwrap(), Outcome::Held);
    in_order(&records, &["failed staging/control-plane-a", "held"]);
    never(
        &records,
        &["rollback-started", "group-started staging/nodes"],
    );
    // Nobody has mended anything: it is held again.
    let (outcome, records) = scene.resume("r2");
    assert_eq!(outcome.unwrap(), Outcome::Held);
    in_order(
        &records,
        &[
            "resumed",
            "canary-up staging/control-plane-a",
            "answered staging",
            "failed staging/control-plane-a",
            "held",
        ],
    );
    std::fs::write(dir.path().join("good"), "").unwrap();
    let records = ends(scene.resume("r2"), Ending::Finished);
    in_order(
        &records,
        &[
            "resumed",
            "canary-proven staging/control-plane-a",
            "cluster-verified staging",
        ],
    );
    clean(&scene);
}

#[test]
fn a_failure_that_is_held_can_be_taken_back() {
    let dir = folder();
    let scene = failing(dir.path(), &[NODES], OnFailure::Hold);
    let before = scene.shape();
    assert_eq!(scene.start("r2").0.unwrap(), Outcome::Held);
    let records = ends(takes_back(&scene, "r2"), Ending::RolledBack);
    in_order(
        &records,
        &[
            "rollback-asked",
            "rollback-started",
            "cluster-restored staging",
            "rolled-back",
        ],
    );
    assert_eq!(scene.shape(), before);
    clean(&scene);
}

#[test]
fn a_failure_may_stop_it_where_it_stands() {
    let dir = folder();
    let mut scene = failing(dir.path(), &[NODES], OnFailure::Stop);
    scene.gates.pop();
    scene.faults = vec!["no-capacity:nodes".into()];
    let records = ends(scene.start("r2"), Ending::Aborted);
    in_order(
        &records,
        &["failed staging/nodes", "abort-started", "aborted"],
    );
    never(
        &records,
        &["rollback-started", "step terminate staging/nodes"],
    );
    clean(&scene);
}

#[test]
fn the_undo_of_many_done_steps_comes_in_the_other_order() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES, ("full", 2, 2, false)]);
    scene.zones = vec!["a", "b", "c"];
    let mut scene = scene.made();
    // Everything is changed by then: three control planes one by one, and two groups.
    let kind = GateKind::Command(vec!["false".into()]);
    let at = Some(kfleet::fleet::GateAt::Cluster);
    scene.gates.push(GateSpec {
        name: "smoke".into(),
        kind,
        deadline: Span::from_secs(60),
        at,
        samples: kfleet::fleet::Samples::default(),
    });
    let records = goes_back(&scene);
    let planes =
        |letters: [&str; 3]| letters.map(|l| format!("group-done staging/control-plane-{l}"));
    let forward: Vec<String> = planes(["a", "b", "c"]).into();
    let back: Vec<String> = ["group-done staging/nodes".to_owned()]
        .into_iter()
        .chain(planes(["c", "b", "a"]))
        .collect();
    let lines: Vec<&str> = forward
        .iter()
        .map(String::as_str)
        .chain([
            "group-done staging/nodes",
            "failed staging",
            "rollback-started",
        ])
        .collect();
    let lines: Vec<&str> = lines
        .into_iter()
        .chain(back.iter().map(String::as_str))
        .chain(["cluster-restored staging", "rolled-back"])
        .collect();
    in_order(&records, &lines);
    // Of every group: pinned back before anything of it is replaced back.
    let turned = trace(&records)
        .iter()
        .position(|l| l == "rollback-started")
        .unwrap();
    for group in [
        "control-plane-a",
        "control-plane-b",
        "control-plane-c",
        "nodes",
        "full",
    ] {
        let after: Vec<String> = trace(&records).split_off(turned);
        let at = |line: String| after.iter().position(|l| *l == line).unwrap();
        assert!(
            at(format!("step pin-version staging/{group}"))
                < at(format!("step terminate staging/{group}")),
            "{group}"
        );
    }
}

#[test]
fn a_finished_rollout_is_taken_back_the_newest_wave_first() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]);
    scene.prod = vec![name("prod-a.k8s.test"), name("prod-b.k8s.test")];
    let mut scene = scene.made();
    let before = scene.shape();
    let baselines = scene.store().baselines().unwrap();
    rolls(&scene, "r2");
    let records = ends(takes_back(&scene, "r2"), Ending::RolledBack);
    in_order(
        &records,
        &[
            "rollback-asked",
            "rollback-started",
            "cluster-restored prod-b",
            "cluster-restored prod-a",
            "cluster-restored staging",
            "rolled-back",
        ],
    );
    let lines = trace(&records);
    let at = |line: &str| lines.iter().position(|l| l == line).unwrap();
    assert!(
        at("cluster-restored prod-b") < at("group-started prod-a/nodes")
            && at("cluster-restored prod-a") < at("group-started staging/nodes")
    );
    assert_eq!(scene.shape(), before);
    clean(&scene);
    let after = scene.store().baselines().unwrap();
    assert!(
        baselines
            .iter()
            .all(|(name, b)| after[name].digest == b.digest)
    );
    scene.image = "image-1".into();
    assert!(scene.plan(&scene.world(), Allow::default()).is_empty());
    // Once back, there is nothing left of it; and what came before it may go now.
    assert!(matches!(
        why_not(&scene, "r2"),
        RollbackError::Nothing { .. }
    ));
}

#[test]
fn a_rollout_that_others_built_upon_is_not_taken_back() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES, ("old", 1, 2, false)]).made();
    rolls(&scene, "r2");
    scene.image = "image-3".into();
    scene.groups = Some(vec![NODES]);
    rolls(&scene, "r3");
    assert!(matches!(why_not(&scene, "r1"), RollbackError::Later { .. }));
    assert_eq!(
        why_not(&scene, "r2"),
        RollbackError::Later {
            id: "r2".into(),
            later: "r3".into(),
            cluster: scene.staging[0].clone()
        }
    );
    assert!(
        matches!(why_not(&scene, "r3"), RollbackError::Deleted { group, .. } if group.as_str() == "old.staging.k8s.test")
    );
}

#[test]
fn a_running_rollout_is_taken_back_by_a_letter_in_its_mailbox() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]);
    scene.prod = vec![name("prod-a.k8s.test")];
    let scene = scene.made();
    let before = scene.shape();
    let request = Request::Rollback {
        by: "me".into(),
        reason: "wrong image".into(),
    };
    let records = ends(
        asked_at(&scene, "canary-up prod-a/nodes", &request),
        Ending::RolledBack,
    );
    in_order(
        &records,
        &[
            "canary-up prod-a/nodes",
            "rollback-asked",
            "rollback-started",
            "cluster-restored prod-a",
            "cluster-restored staging",
            "rolled-back",
        ],
    );
    assert_eq!(scene.shape(), before);
    clean(&scene);
}

#[test]
fn a_way_back_that_fails_is_stuck_with_the_next_step_by_hand() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]).made();
    rolls(&scene, "r2");
    // Now not even what ran before comes up.
    scene.faults = vec!["sick-image:image-1".into()];
    let records = sticks(takes_back(&scene, "r2"), "has a node that is not Ready");
    let advice = records
        .iter()
        .find_map(|r| {
            if let Event::Cluster(_, ClusterEvent::Stuck { advice, .. }) = &r.event {
                Some(kfleet::report::advice_text(advice, kfleet::report::RESUME))
            } else {
                None
            }
        })
        .unwrap();
    assert!(
        advice.contains("version 1 of its launch template")
            && advice.contains("kfleet rollout resume"),
        "{advice}"
    );
    scene.faults.clear();
    // What came up sick stays sick until a person ends it.
    let world = scene.world();
    let live = scene.live(&world);
    let kfleet::model::Nodes::Known(nodes) = &live.clusters[&scene.staging[0]].nodes else {
        panic!()
    };
    let sick: Vec<_> = nodes
        .nodes
        .values()
        .filter(|n| !n.ready)
        .map(|n| n.instance.clone())
        .collect();
    assert!(!sick.is_empty());
    let place = kfleet::cloud::Place {
        cluster: scene.staging[0].clone(),
        account: name("111122223333"),
        region: name("eu-west-3"),
    };
    let groups = &live.clusters[&scene.staging[0]].groups;
    for instance in sick {
        let group = groups
            .iter()
            .find(|(_, g)| g.instances.contains_key(&instance))
            .unwrap()
            .0
            .clone();
        support::block(world.apply(
            &place,
            &CloudEffect::Terminate {
                group,
                instance,
                decrement: false,
            },
        ))
        .unwrap();
    }
    drop(world);
    ends(scene.resume("r2"), Ending::RolledBack);
    clean(&scene);
}

#[test]
fn what_a_rollout_made_is_deleted_again_only_with_leave() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]);
    rolls(&scene, "r1");
    assert!(matches!(why_not(&scene, "r1"), RollbackError::Made { .. }));
    scene.groups = Some(vec![NODES, ("new", 1, 2, false)]);
    rolls(&scene, "r2");
    assert!(
        matches!(why_not(&scene, "r2"), RollbackError::Made { group, .. } if group.as_str() == "new.staging.k8s.test")
    );
    // Allowed by its name, whichever of the two, and by no other.
    let (rollout, progress) = scene.store().rollout("r2").unwrap();
    let named = |names: &[&str]| {
        let names = names.iter().map(|n| (*n).to_owned()).collect();
        check_rollback(&rollout, &progress, [], &names)
    };
    assert!(named(&["new"]).is_ok());
    assert!(named(&["new.staging.k8s.test"]).is_ok());
    for wrong in [vec!["nwe"], vec!["new", "nodes"]] {
        assert!(matches!(named(&wrong), Err(RollbackError::NotMade { .. })));
    }
}
