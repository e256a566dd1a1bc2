//! What a person asks, or has to put right.

use super::*;

#[test]
fn a_stuck_drain_comes_last_and_then_needs_a_person() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[("nodes", 4, 6, false), ("fine", 2, 4, false)]);
    scene.rolling.drain.timeout = Span::from_secs(120);
    let mut scene = scene.made();
    scene.faults = vec!["stuck-drain:nodes".into()];
    let records = sticks(scene.start("r2"), "held: ");
    in_order(
        &records,
        &[
            "drain-started staging/nodes",
            "step uncordon staging/nodes",
            "set-aside staging/nodes",
            "drain-started staging/nodes",
            "stuck staging/nodes",
        ],
    );
    in_order(
        &records,
        &["group-done staging/fine", "stuck staging/nodes"],
    );
    assert!(
        scene.leftovers().iter().all(|l| !l.contains("cordoned")),
        "{:?}",
        scene.leftovers()
    );
    scene.faults.clear();
    ends(scene.resume("r2"), Ending::Finished);
    clean(&scene);
}

#[test]
fn an_abort_releases_all_and_nothing_is_promoted() {
    for stop in [
        "canary-up staging/nodes",
        "step protect staging/nodes",
        "step cordon staging/nodes",
        "step detach staging/full",
        "step suspend staging/nodes",
        "step set-desired staging/nodes",
    ] {
        let dir = folder();
        let mut scene = Scene::small(dir.path(), &[NODES, ("full", 2, 2, false)]).made();
        scene.prod = Vec::new();
        let before = scene.shape();
        let store = scene.store();
        let request = Request::Abort {
            by: "me".into(),
            reason: "enough".into(),
        };
        ends(asked_at(&scene, stop, &request), Ending::Aborted);
        clean(&scene);
        let desired = |shape: &std::collections::BTreeMap<String, (u32, String)>| {
            shape.values().map(|(d, _)| *d).collect::<Vec<_>>()
        };
        assert_eq!(desired(&before), desired(&scene.shape()), "{stop}");
        let wanted = scene.desired(&scene.staging[0]).digest;
        let baseline = &store.baselines().unwrap()[&scene.staging[0]];
        assert!(
            baseline.digest != wanted && baseline.rollout == "r1",
            "{stop}"
        );
        scene.image = "image-1".into();
        assert_ne!(
            store.baselines().unwrap()[&scene.staging[0]].digest,
            scene.desired(&scene.staging[0]).digest,
            "{stop}"
        );
    }
}

#[test]
fn an_approval_that_expired_does_not_count() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]);
    scene.prod = vec![name("prod-a.k8s.test")];
    let scene = scene.made();
    let mut drive = scene.drive();
    drive.auto_approve = false;
    let spy = Spy::new(scene.world());
    let rollout = scene.rollout(spy.world(), "r2", &[]);
    let (mut journal, first) = Journal::begin(&scene.store(), &rollout).unwrap();
    let mut records = vec![first];
    let approve = |hours: i64, plan| {
        let request = Request::Approve {
            plan,
            stage: name("prod"),
            by: "me".into(),
            expires: spy.now() + Span::from_secs(hours * 3600),
        };
        scene.store().request("r2", &request).unwrap();
    };
    // Given too early: over when prod's turn comes.
    approve(0, rollout.plan.clone());
    let waits = Outcome::WaitingForPerson(name("prod"));
    assert_eq!(
        scene
            .carry(&spy, &mut journal, &drive, &mut records)
            .unwrap(),
        waits
    );
    // For another plan.
    approve(5, kfleet::model::digest_of(&"another"));
    assert_eq!(
        scene
            .carry(&spy, &mut journal, &drive, &mut records)
            .unwrap(),
        waits
    );
    never(&records, &["stage-started prod"]);
    approve(5, rollout.plan.clone());
    assert_eq!(
        scene
            .carry(&spy, &mut journal, &drive, &mut records)
            .unwrap(),
        Outcome::Ended(Ending::Finished)
    );
    // A request that comes too late is dropped, and does not hurt.
    approve(5, rollout.plan.clone());
    assert_eq!(
        scene
            .carry(&spy, &mut journal, &drive, &mut records)
            .unwrap(),
        Outcome::Ended(Ending::Finished)
    );
    assert!(scene.store().pending("r2").unwrap().is_empty());
}

#[test]
fn a_cluster_with_a_lasting_gap_is_stuck() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]).made();
    let rollout = scene.rollout(&scene.world(), "r2", &[]);
    drop(Journal::begin(&scene.store(), &rollout).unwrap());
    scene.faults = vec!["no-read:staging.k8s.test".into()];
    let records = sticks(scene.resume("r2"), "could not be read");
    never(&records, &["group-started staging/nodes"]);
    scene.faults.clear();
    ends(scene.resume("r2"), Ending::Finished);
    clean(&scene);
}

#[test]
fn a_rollout_that_is_over_is_never_taken_up_again() {
    let dir = folder();
    let scene = Scene::small(dir.path(), &[NODES]).made();
    rolls(&scene, "r2");
    let before = scene.store().baselines().unwrap();
    ends(scene.resume("r1"), Ending::Finished);
    assert_eq!(scene.store().baselines().unwrap(), before);
}

#[test]
fn a_group_that_somebody_else_changed_needs_a_person() {
    let dir = folder();
    let scene = Scene::small(dir.path(), &[NODES]).made();
    let spy = Spy::new(scene.world());
    let rollout = scene.rollout(spy.world(), "r2", &[]);
    let (mut journal, _) = Journal::begin(&scene.store(), &rollout).unwrap();
    let place = kfleet::cloud::Place {
        cluster: scene.staging[0].clone(),
        account: name("111122223333"),
        region: name("eu-west-3"),
    };
    let pin = |from, to| CloudEffect::PinVersion {
        group: name("nodes.staging.k8s.test"),
        from,
        to,
    };
    let (data, user_data) = {
        let live = scene.live(spy.world());
        let version = live.clusters[&scene.staging[0]].groups[&name("nodes.staging.k8s.test")]
            .versions[&1]
            .clone();
        (
            version.data.clone(),
            kfleet::model::UserData::CarriedFrom(1),
        )
    };
    let mut other = data;
    other.image_id = "somebodys".into();
    let make = CloudEffect::CreateTemplateVersion {
        template: name("nodes.staging.k8s.test"),
        data: Box::new(other),
        user_data,
        carry: None,
        token: "theirs".into(),
    };
    support::block(async {
        spy.world().apply(&place, &make).await.unwrap();
        spy.world().apply(&place, &pin(1, 2)).await.unwrap();
    });
    let mut records = Vec::new();
    let outcome = scene.carry(&spy, &mut journal, &scene.drive(), &mut records);
    sticks((outcome, records), "changed outside this rollout");
    support::block(async { spy.world().apply(&place, &pin(2, 1)).await.unwrap() });
    let mut records = Vec::new();
    let outcome = scene.carry(&spy, &mut journal, &scene.drive(), &mut records);
    ends((outcome, records), Ending::Finished);
}
