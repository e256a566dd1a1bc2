//! Somebody deletes the launch template version that a group would go back to, at every moment of its way.

use super::*;

const GONE: &str = "version 1 of the launch template of nodes.staging.k8s.test, to which a rollback would return, was deleted outside this rollout";

fn scene(dir: &std::path::Path, when: &str) -> Scene {
    let mut scene = Scene::small(dir, &[("nodes", 4, 8, false)]).made();
    scene.scenario = vec![format!("{{act: \"delete-version:nodes\", when: {when}}}")];
    scene
}

/// How many of these there were after the version was seen to be gone.
fn after_that(records: &[Record], what: &str) -> usize {
    let told = trace(records);
    let seen = told.iter().position(|line| line.contains("way-back-gone"));
    told.iter()
        .skip(seen.unwrap_or_else(|| panic!("{told:#?}")))
        .filter(|line| line.contains(what))
        .count()
}

#[test]
fn a_deleted_way_back_stops_at_the_next_safe_point() {
    for when in [
        "pin-version nodes",
        "set-desired nodes",
        "cordon nodes",
        "terminate nodes, nth: 2",
    ] {
        let dir = folder();
        let mut scene = scene(dir.path(), when);
        let records = sticks(scene.start("r2"), GONE);
        for what in [
            "step pin-version",
            "step detach",
            "drain-started",
            "group-started",
        ] {
            let begun = after_that(&records, &format!("{what} staging/nodes"));
            assert_eq!(begun, 0, "{when}: {what}: {:#?}", trace(&records));
        }
        // What was being drained is drained to its end: nothing is left half-way.
        let (mut drained, mut given) = (0, 0);
        for line in trace(&records) {
            drained += usize::from(line.contains("step cordon staging/nodes"));
            given += usize::from(line.contains("step terminate staging/nodes"));
        }
        assert_eq!(drained, given, "{when}");
        // A person knows it, and goes on without: it is not asked again, and the rollout comes to its end.
        scene.scenario.clear();
        let records = ends(scene.resume("r2"), Ending::Finished);
        assert_eq!(count(&records, "stuck"), 0);
        clean(&scene);
    }
}

#[test]
fn a_deleted_way_back_can_be_answered_with_an_abort() {
    let dir = folder();
    let mut scene = scene(dir.path(), "terminate nodes");
    sticks(scene.start("r2"), GONE);
    scene.scenario.clear();
    let request = Request::Abort {
        by: "me".into(),
        reason: "no way back".into(),
    };
    scene.store().request("r2", &request).unwrap();
    ends(scene.resume("r2"), Ending::Aborted);
    clean(&scene);
}

#[test]
fn a_rollback_touches_nothing_when_its_version_is_gone() {
    let dir = folder();
    let mut scene = scene(dir.path(), "pin-version nodes");
    sticks(scene.start("r2"), GONE);
    scene.scenario.clear();
    let request = Request::Rollback {
        by: "me".into(),
        reason: "take it back".into(),
    };
    scene.store().request("r2", &request).unwrap();
    let records = sticks(
        scene.resume("r2"),
        "version 1 of its launch template, to which it would be rolled back, was deleted outside this rollout",
    );
    assert_eq!(
        count(&records, "staging/nodes"),
        0,
        "{:#?}",
        trace(&records)
    );
}
