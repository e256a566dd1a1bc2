//! Stages, waves, soak and freeze.

use super::*;

#[test]
fn a_soak_that_is_broken_begins_anew() {
    let dir = folder();
    let scene = Scene::small(dir.path(), &[NODES]).made();
    let spy = Spy::new(scene.world());
    let rollout = scene.rollout(spy.world(), "r2", &[]);
    let (mut journal, first) = Journal::begin(&scene.store(), &rollout).unwrap();
    let mut records = vec![first];
    let mut drive = scene.drive();
    drive.max_wait = Span::ZERO;
    let outcome = scene
        .carry(&spy, &mut journal, &drive, &mut records)
        .unwrap();
    assert!(
        matches!(outcome, Outcome::WaitingForTime { .. }),
        "{outcome:?}"
    );
    let now = spy.now();
    // Nodes that come back within their time break nothing; these stay away for longer, and come back.
    spy.unready(&scene.staging[0], now, now + Span::from_secs(1_000));
    let outcome = scene.carry(&spy, &mut journal, &scene.drive(), &mut records);
    let records = ends((outcome, records), Ending::Finished);
    in_order(
        &records,
        &[
            "cluster-verified staging",
            "soak-broken staging",
            "cluster-verified staging",
            "stage-passed staging",
        ],
    );
    let at = |line: &str| {
        records
            .iter()
            .filter(|r| trace(std::slice::from_ref(r)) == [line])
            .map(|r| r.at)
            .next_back()
            .unwrap()
    };
    assert!(at("stage-passed staging").since(at("cluster-verified staging")) >= scene.soak);
}

#[test]
fn nodes_that_stay_bad_while_soaking_roll_it_back() {
    let dir = folder();
    let scene = Scene::small(dir.path(), &[NODES]).made();
    let spy = Spy::new(scene.world());
    let rollout = scene.rollout(spy.world(), "r2", &[]);
    let (mut journal, first) = Journal::begin(&scene.store(), &rollout).unwrap();
    let mut records = vec![first];
    let mut drive = scene.drive();
    drive.max_wait = Span::ZERO;
    scene
        .carry(&spy, &mut journal, &drive, &mut records)
        .unwrap();
    let now = spy.now();
    spy.unready(&scene.staging[0], now, now + Span::from_secs(2_400));
    let outcome = scene.carry(&spy, &mut journal, &scene.drive(), &mut records);
    let records = ends((outcome, records), Ending::RolledBack);
    in_order(
        &records,
        &[
            "soak-broken staging",
            "failed staging",
            "rollback-started",
            "cluster-restored staging",
            "rolled-back",
        ],
    );
    drop((journal, spy));
    clean(&scene);
}

#[test]
fn an_unseen_cluster_does_not_soak() {
    let dir = folder();
    let scene = Scene::small(dir.path(), &[NODES]).made();
    let spy = Spy::new(scene.world());
    let rollout = scene.rollout(spy.world(), "r2", &[]);
    let (mut journal, first) = Journal::begin(&scene.store(), &rollout).unwrap();
    let mut records = vec![first];
    let mut drive = scene.drive();
    drive.max_wait = Span::ZERO;
    scene
        .carry(&spy, &mut journal, &drive, &mut records)
        .unwrap();
    let now = spy.now();
    spy.blind(&scene.staging[0], now, now + Span::from_secs(86_400));
    let outcome = scene.carry(&spy, &mut journal, &scene.drive(), &mut records);
    let records = sticks((outcome, records), "does not answer");
    never(&records, &["stage-passed staging"]);
}

/// A moment as weekday and minute, in UTC.
fn week(at: Timestamp) -> (Weekday, u16) {
    // 1970-01-01 was a Thursday.
    let days = [
        Weekday::Thu,
        Weekday::Fri,
        Weekday::Sat,
        Weekday::Sun,
        Weekday::Mon,
        Weekday::Tue,
        Weekday::Wed,
    ];
    let minute = (at.millis() / 60_000).rem_euclid(7 * 1440);
    (days[(minute / 1440) as usize], (minute % 1440) as u16)
}

fn closed(from: Timestamp, length: Span) -> Vec<Freeze> {
    vec![Freeze {
        from: week(from),
        to: week(from + length),
        timezone: "UTC".into(),
    }]
}

fn at(records: &[Record], line: &str) -> Timestamp {
    records
        .iter()
        .find(|r| trace(std::slice::from_ref(r)) == [line])
        .unwrap_or_else(|| panic!("no `{line}` in {:#?}", trace(records)))
        .at
}

#[test]
fn nothing_starts_in_a_freeze_and_what_has_begun_goes_on() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]);
    scene.soak = Span::ZERO;
    scene.prod = vec![name("prod-a.k8s.test"), name("prod-b.k8s.test")];
    scene.stage_waves = Some(vec![Wave {
        clusters: scene.prod.clone(),
        parallel: 1,
        soak: Span::ZERO,
    }]);
    let mut scene = scene.made();
    let two_days = Span::from_secs(2 * 86_400);
    let start = scene.world().now();
    scene.freeze = closed(start, two_days);
    let records = ends(scene.start("r2"), Ending::Finished);
    assert_eq!(at(&records, "stage-started staging"), start);
    assert!(at(&records, "stage-started prod").since(start) >= Span::from_secs(2 * 86_400 - 120));
    // It closes a little after prod has begun: the first cluster of the wave is finished, the second is not begun.
    let staging_takes = at(&records, "stage-passed staging").since(start);
    scene.image = "image-3".into();
    let closes = scene.world().now() + Span::from_millis(staging_takes.millis() + 300_000);
    scene.freeze = closed(closes, two_days);
    let records = ends(scene.start("r3"), Ending::Finished);
    assert!(
        at(&records, "cluster-started prod-a") < closes
            && at(&records, "cluster-verified prod-a") > closes
    );
    assert!(at(&records, "cluster-started prod-b") >= closes + Span::from_secs(2 * 86_400 - 120));
}

#[test]
fn prod_alone_is_refused_until_staging_has_soaked() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]);
    scene.prod = vec![name("prod-a.k8s.test")];
    let scene = scene.made();
    let world = scene.world();
    let allow = Allow {
        retire: true,
        shrink: true,
        documents: true,
        nodes: false,
    };
    let refused =
        |world: &kfleet::cloud::local::World, plan: &kfleet::plan::Plan, only: &[&str]| {
            scene.build(plan, world, "x", only).unwrap_err().to_string()
        };
    let plan = scene.plan(&world, allow);
    let said = refused(&world, &plan, &["prod"]);
    assert!(
        said.contains("stage prod has to wait for stage staging") && said.contains("it runs"),
        "{said}"
    );
    // A plan that leaves staging out is no way round.
    let mut without = plan.clone();
    without.clusters.remove(&scene.staging[0]);
    let said = refused(&world, &without, &[]);
    assert!(
        said.contains("staging.k8s.test does not run this release"),
        "{said}"
    );
    drop(world);

    let spy = Spy::new(scene.world());
    let rollout = scene.rollout(spy.world(), "r2", &["staging"]);
    let (mut journal, _) = Journal::begin(&scene.store(), &rollout).unwrap();
    let mut drive = scene.drive();
    drive.max_wait = Span::ZERO;
    let outcome = scene
        .carry(&spy, &mut journal, &drive, &mut Vec::new())
        .unwrap();
    assert!(matches!(outcome, Outcome::WaitingForTime { .. }));
    let plan = scene.plan(spy.world(), allow);
    let said = refused(spy.world(), &plan, &["prod"]);
    assert!(said.contains("it soaks until"), "{said}");
    let outcome = scene
        .carry(&spy, &mut journal, &scene.drive(), &mut Vec::new())
        .unwrap();
    assert_eq!(outcome, Outcome::Ended(Ending::Finished));
    drop((journal, spy));
    let world = scene.world();
    let rollout = scene
        .build(&scene.plan(&world, allow), &world, "r3", &["prod"])
        .unwrap();
    assert_eq!(rollout.stages.len(), 1);
}

#[test]
fn a_cluster_that_does_not_change_keeps_its_soak() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]);
    scene.prod = vec![name("prod-a.k8s.test")];
    let mut scene = scene.made();
    scene.image = "image-1".into();
    scene.odd_image = Some(("prod-a.k8s.test", "image-2".into()));
    let since = scene.store().baselines().unwrap()[&scene.staging[0]].since;
    let start = scene.world().now();
    let records = rolls(&scene, "r2");
    never(
        &records,
        &["cluster-started staging", "group-started staging/nodes"],
    );
    in_order(
        &records,
        &[
            "cluster-verified staging",
            "stage-passed staging",
            "cluster-verified prod-a",
        ],
    );
    let baseline = scene.store().baselines().unwrap()[&scene.staging[0]].clone();
    assert_eq!((baseline.since, baseline.rollout.as_str()), (since, "r2"));
    let passed = records
        .iter()
        .find(|r| trace(std::slice::from_ref(r)) == ["stage-passed staging"])
        .unwrap()
        .at;
    assert!(passed.since(start) < Span::from_secs(120));
}

#[test]
fn a_cluster_is_found_where_it_stands_now() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]);
    scene.prod = vec![name("prod-a.k8s.test"), name("prod-b.k8s.test")];
    let mut rollout = scene.rollout(&scene.world(), "r1", &[]);
    let stands = |rollout: &kfleet::rollout::Rollout, cluster: &str| {
        let cluster = name(cluster);
        let run = rollout.cluster(&cluster)?;
        assert_eq!(run.cluster, cluster);
        let (stage, wave, of_wave) = rollout.wave_of(&cluster)?;
        assert!(of_wave.clusters.contains(run));
        assert_eq!(rollout.stage_of(&cluster), Some(stage));
        Some(format!("{} {wave}", stage.name))
    };
    let before = ["a", "b", "c"].map(|n| stands(&rollout, &format!("prod-{n}.k8s.test")));
    assert_eq!(before, [Some("prod 0".into()), Some("prod 1".into()), None]);
    // Others now stand where each of them stood, and one is called otherwise.
    rollout.stages.reverse();
    let waves = &mut rollout.stages[0].waves;
    waves.reverse();
    waves[1].clusters[0].cluster = name("prod-c.k8s.test");
    let after = ["a", "b", "c"].map(|n| stands(&rollout, &format!("prod-{n}.k8s.test")));
    assert_eq!(after, [None, Some("prod 0".into()), Some("prod 1".into())]);
    let staging = stands(&rollout, scene.staging[0].as_str());
    assert_eq!(staging, Some("staging 0".into()));
}
