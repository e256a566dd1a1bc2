//! Room before a roll: what clusters that are rolled at the same time lack is told before anything is touched, and what there is, is never exceeded.

use kfleet::fleet::{OnLack, RoomPolicy, ZonePolicy};
use kfleet::model::ClusterName;
use kfleet::plan::room::{RoomLimit, RoomUnknown, SurgeLimit};
use kfleet::rollout::{ClusterState, Progress};

use super::middle::middle;
use super::*;

const ADDRESSES: &str = "few-addresses:subnet-eu-west-3a:8";
const VCPUS: &str = "few-vcpus:spot:8";
const TYPE: &str = "not-offered:m5.large@eu-west-3b";

/// Three clusters in one wave, whose subnets are the same.
fn three(dir: &std::path::Path, (size, surge): (u32, u32), on_lack: OnLack) -> Scene {
    let mut scene = Scene::small(dir, &[("nodes", size, size + surge, false)]);
    scene.staging = Vec::new();
    scene.prod = ["prod-a", "prod-b", "prod-c"]
        .map(|c| name(&format!("{c}.k8s.test")))
        .to_vec();
    scene.stage_waves = Some(vec![Wave {
        clusters: scene.prod.clone(),
        parallel: 3,
        soak: Span::ZERO,
    }]);
    scene.shared_subnets = true;
    scene.spot = true;
    scene.rolling.max_surge = Amount::Count(surge);
    scene.rolling.cluster_surge = surge;
    scene.rolling.room = RoomPolicy { on_lack };
    scene.made()
}

/// The most surge at the same time, over all clusters and in one of them.
fn most(records: &[Record]) -> (u32, u32) {
    let Event::Rollout(RolloutEvent::Started { rollout }) = &records[0].event else {
        panic!("no beginning")
    };
    let mut progress = Progress::new(rollout);
    let mut most = (0, 0);
    for record in records {
        progress.add(record).unwrap();
        let out: Vec<u32> = progress
            .clusters
            .values()
            .map(|c| {
                let groups = c.groups.values();
                let of = groups.map(|g| {
                    g.outstanding.surge + u32::try_from(g.outstanding.detached.len()).unwrap()
                });
                of.sum()
            })
            .collect();
        most.0 = most.0.max(out.iter().sum());
        most.1 = most.1.max(out.iter().copied().max().unwrap_or(0));
    }
    most
}

fn limits(records: &[Record]) -> Vec<RoomLimit> {
    let of = |r: &Record| match &r.event {
        Event::Stage(_, StageEvent::RoomLimited { limits, .. }) => limits.clone(),
        _ => Vec::new(),
    };
    records.iter().flat_map(of).collect()
}

#[track_caller]
fn nothing_was_touched(records: &[Record]) {
    let touched = |r: &&Record| {
        matches!(
            r.event,
            Event::Step(_, StepEvent::Intent { .. })
                | Event::Stage(_, StageEvent::WaveStarted { .. })
        )
    };
    assert_eq!(records.iter().find(touched), None);
}

#[test]
fn what_a_wave_lacks_is_told_before_anything_is_touched() {
    for (fault, size, said) in [
        (
            ADDRESSES,
            (9, 6),
            "18 free addresses of subnet subnet-eu-west-3a (eu-west-3a) are needed at the same time, 8 are there: 10 are missing",
        ),
        (
            VCPUS,
            (12, 12),
            "72 vCPUs of the limit spot standard are needed at the same time, 8 are there: 64 are missing",
        ),
        (
            TYPE,
            (3, 1),
            "zone eu-west-3b does not offer m5.large (of nodes.prod-a.k8s.test, nodes.prod-b.k8s.test, nodes.prod-c.k8s.test)",
        ),
        (
            "no-image:image-2",
            (3, 1),
            "image image-2 is not there, or cannot be launched",
        ),
        (
            "other-architecture:image-2:arm64",
            (3, 1),
            "image image-2 is for arm64, and the instance types are amd64",
        ),
        (
            "no-profile:nodes.prod-a.k8s.test",
            (3, 1),
            "AWS would refuse to launch an instance: InvalidParameterValue: Value (nodes.prod-a.k8s.test) for parameter iamInstanceProfile.name is invalid",
        ),
        (
            "many-versions:nodes.prod-b.k8s.test:10000",
            (3, 1),
            "the launch template has 10000 versions, and AWS keeps 10000: it takes no other one",
        ),
        (
            "no-room-read:versions",
            (3, 1),
            "and 3 more have is not known: UnauthorizedOperation",
        ),
        (
            "no-room-read:launches",
            (3, 1),
            "and 3 more could not be tried: UnauthorizedOperation",
        ),
        (
            "no-room-read:quotas",
            (3, 1),
            "vCPUs of the limit spot standard are not known",
        ),
    ] {
        let dir = folder();
        let mut scene = three(dir.path(), size, OnLack::Refuse);
        scene.faults = vec![fault.into()];
        let records = sticks(scene.start("r2"), said);
        nothing_was_touched(&records);
        // Somebody makes room.
        scene.faults = Vec::new();
        ends(scene.resume("r2"), Ending::Finished);
        clean(&scene);
    }
}

#[test]
fn a_smaller_surge_ends_within_the_room() {
    // (fault, size and surge, what there is room for: all together, and clusters at once)
    for (fault, size, room, at_once) in [
        (ADDRESSES, (9, 6), 8, 3),
        (VCPUS, (12, 12), 4, 3),
        ("few-vcpus:spot:4", (3, 1), 2, 2),
        ("few-addresses:subnet-eu-west-3c:1", (3, 1), 1, 1),
    ] {
        let dir = folder();
        let mut scene = three(dir.path(), size, OnLack::Shrink);
        scene.faults = vec![fault.into()];
        let records = ends(scene.start("r2"), Ending::Finished);
        let (all, _) = most(&records);
        assert!((1..=room).contains(&all), "{fault}: {all} of {room}");
        let found = limits(&records);
        assert_eq!(found[0].at_once, at_once, "{fault}: {found:?}");
        clean(&scene);
    }
}

#[test]
fn without_room_for_one_nothing_is_begun() {
    let dir = folder();
    let mut scene = three(dir.path(), (3, 1), OnLack::Shrink);
    scene.faults = vec!["few-vcpus:spot:1".into()];
    let records = sticks(
        scene.start("r2"),
        "6 vCPUs of the limit spot standard are needed at the same time, 1 are there: 5 are missing, 1 of them for one cluster with a surge of 1",
    );
    nothing_was_touched(&records);
    let dir = folder();
    let mut scene = three(dir.path(), (3, 1), OnLack::Shrink);
    scene.faults = vec![TYPE.into()];
    let records = sticks(scene.start("r2"), "zone eu-west-3b does not offer m5.large");
    nothing_was_touched(&records);
}

#[test]
fn where_any_zone_will_do_a_type_may_be_missing_in_one() {
    let dir = folder();
    let mut scene = three(dir.path(), (3, 1), OnLack::Shrink);
    scene.rolling.zones = ZonePolicy::Any;
    scene.faults = vec![TYPE.into()];
    ends(scene.start("r2"), Ending::Finished);
    clean(&scene);
}

#[test]
fn a_wave_that_waits_begins_when_there_is_room() {
    let dir = folder();
    let mut scene = three(dir.path(), (12, 12), OnLack::Wait);
    scene.scenario = vec![format!("{{fault: \"{VCPUS}\", for: 45m}}")];
    let records = ends(scene.start("r2"), Ending::Finished);
    let begun = records
        .iter()
        .find(|r| matches!(r.event, Event::Stage(_, StageEvent::WaveStarted { .. })))
        .unwrap();
    assert!(begun.at >= records[0].at + Span::from_secs(45 * 60));
    assert_eq!(limits(&records), Vec::new());
}

#[test]
fn what_is_not_known_is_said_and_holds_nothing_up() {
    let dir = folder();
    let mut scene = three(dir.path(), (3, 1), OnLack::Shrink);
    scene.faults = vec!["no-room-read:quotas".into(), "no-room-read:subnets".into()];
    let records = ends(scene.start("r2"), Ending::Finished);
    let unknown = records.iter().find_map(|r| match &r.event {
        Event::Stage(
            _,
            StageEvent::RoomLimited {
                unknown, limits, ..
            },
        ) if limits.is_empty() => Some(unknown.clone()),
        _ => None,
    });
    let unknown = unknown.unwrap();
    assert_eq!(unknown.len(), 3, "{unknown:?}");
    assert!(
        matches!(&unknown[0], RoomUnknown::Addresses { why } if why.starts_with("UnauthorizedOperation"))
    );
}

#[test]
fn where_there_is_room_nothing_is_said_of_it() {
    let dir = folder();
    let scene = three(dir.path(), (3, 1), OnLack::Shrink);
    let records = ends(scene.start("r2"), Ending::Finished);
    let said = |r: &&Record| matches!(r.event, Event::Stage(_, StageEvent::RoomLimited { .. }));
    assert_eq!(records.iter().find(said), None);
    assert_eq!(most(&records), (3, 1));
}

#[test]
fn more_than_there_was_room_for_breaks_a_rule() {
    let other: ClusterName = name("other.k8s.test");
    for (at_once, most, rule) in [
        (
            2,
            0,
            "nodes.staging.k8s.test surge by 1, their account had room for 0",
        ),
        (
            1,
            5,
            "2 clusters of account 111122223333 in eu-west-3 surge at the same time, there was room for 1",
        ),
    ] {
        let mut m = middle();
        let mut second = m.progress.clusters[&m.cluster].clone();
        second.state = ClusterState::Rolling;
        m.progress.clusters.insert(other.clone(), second);
        let bound = SurgeLimit {
            groups: [m.asg("nodes")].into(),
            most,
        };
        let limit = RoomLimit {
            account: name("111122223333"),
            region: name("eu-west-3"),
            at_once,
            clusters: [
                (m.cluster.clone(), vec![bound]),
                (other.clone(), Vec::new()),
            ]
            .into(),
        };
        let effect = Effect::Cloud(CloudEffect::SetDesired {
            group: m.asg("nodes"),
            from: 3,
            to: 4,
            launch: None,
        });
        assert_eq!(m.broken(&effect), Vec::<String>::new());
        let stage = m.rollout.stages[0].name.clone();
        m.progress.room.insert((stage, 0), vec![limit]);
        let broken = m.broken(&effect);
        assert!(broken.iter().any(|b| b.contains(rule)), "{broken:?}");
    }
}

#[test]
fn a_look_that_was_not_about_the_room_begins_nothing() {
    let dir = folder();
    let scene = three(dir.path(), (3, 1), OnLack::Shrink);
    let world = scene.world();
    let rollout = scene.rollout(&world, "r2", &[]);
    let mut progress = Progress::new(&rollout);
    for stage in &rollout.stages {
        progress.stages_started.insert(stage.name.clone());
        if !stage.changes() {
            progress.stages_passed.insert(stage.name.clone());
        }
    }
    let live = scene.live(&world);
    assert!(live.room.is_empty(), "{:?}", live.room);
    let next = kfleet::rollout::decide(&rollout, &progress, &live, world.now());
    assert_eq!(next.records, []);
    assert!(!next.waiting.is_empty(), "{next:?}");
}
