//! Zones keep their instances while these are replaced. (That none falls below what it had is a rule that every effect of every scene is
//! held against; here is what is launched where, and what happens when that is not to be had.)

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use kfleet::fleet::{Capacity, CapacityPolicy, ZonePolicy};
use kfleet::model::{Applied, LaunchRefusal, Lifecycle};

use super::support::spy::Death;
use super::*;

const CP: &str = "control-plane-a";

fn scene(dir: &std::path::Path, size: u32, scenario: &[&str]) -> Scene {
    let mut scene = Scene::small(dir, &[("nodes", size, size + 3, false)]).made();
    // Nothing but the nodes is rolled.
    scene.odd_image = Some((CP, "image-1".into()));
    scene.scenario = scenario.iter().map(|s| (*s).to_owned()).collect();
    scene
}

/// Rolls it to the end, after which there is nothing to do and nothing is left behind.
#[track_caller]
fn finishes(mut scene: Scene) -> (Scene, Vec<Record>) {
    let records = ends(scene.start("r2"), Ending::Finished);
    (scene.scenario, scene.faults) = (Vec::new(), Vec::new());
    assert!(scene.plan(&scene.world(), Allow::default()).is_empty());
    clean(&scene);
    (scene, records)
}

/// Launches that were asked for by zone.
fn asked(records: &[Record]) -> BTreeMap<String, u32> {
    let mut zones = BTreeMap::new();
    for record in records {
        let Event::Step(_, StepEvent::Intent { effect, .. }) = &record.event else {
            continue;
        };
        if let Effect::Cloud(CloudEffect::SetDesired {
            from,
            to,
            launch: Some(launch),
            ..
        }) = &**effect
        {
            *zones.entry(launch.zone.clone()).or_default() += to - from;
        }
    }
    zones
}

/// Launches that were refused, and those that brought something.
fn answers(records: &[Record]) -> (usize, usize) {
    let of = |r: &Record| match &r.event {
        Event::Step(
            _,
            StepEvent::Outcome {
                result: StepResult::Applied(Applied::Launched { instances, refused }),
            },
        ) => Some((instances.len(), refused.is_some())),
        _ => None,
    };
    let all: Vec<(usize, bool)> = records.iter().filter_map(of).collect();
    (
        all.iter()
            .filter(|(n, refused)| *n == 0 && *refused)
            .count(),
        all.iter().filter(|(n, _)| *n > 0).count(),
    )
}

fn zones(counts: [u32; 3]) -> BTreeMap<String, u32> {
    let names = ["eu-west-3a", "eu-west-3b", "eu-west-3c"];
    let all = names.iter().map(|z| (*z).to_owned()).zip(counts);
    all.filter(|(_, n)| *n > 0).collect()
}

/// How many instances each zone has now.
fn there(scene: &Scene) -> BTreeMap<String, u32> {
    let live = scene.live(&scene.world());
    let group = &live.clusters[&scene.staging[0]].groups[&name("nodes.staging.k8s.test")];
    let mut zones = BTreeMap::new();
    let serving = |i: &&kfleet::model::Instance| i.lifecycle == Lifecycle::InService;
    for instance in group.instances.values().filter(serving) {
        *zones.entry(instance.zone.clone()).or_default() += 1;
    }
    zones
}

#[test]
fn each_replacement_is_launched_in_the_zone_of_the_old_one() {
    for (size, counts) in [
        (1, [1, 0, 0]),
        (2, [1, 1, 0]),
        (3, [1, 1, 1]),
        (7, [3, 2, 2]),
    ] {
        let dir = folder();
        let (scene, records) = finishes(scene(dir.path(), size, &[]));
        assert_eq!(asked(&records), zones(counts), "{size} instances");
        assert_eq!(there(&scene), zones(counts), "{size} instances");
    }
}

#[test]
fn a_surge_goes_to_the_zones_with_most_to_replace() {
    let dir = folder();
    let mut scene = scene(dir.path(), 7, &[]);
    scene.rolling.max_surge = Amount::Count(3);
    let (_, records) = finishes(scene);
    assert_eq!(asked(&records), zones([3, 2, 2]));
}

#[test]
fn with_any_zone_it_is_left_to_aws() {
    let dir = folder();
    let mut scene = scene(dir.path(), 3, &[]);
    scene.rolling.zones = ZonePolicy::Any;
    let (_, records) = finishes(scene);
    assert_eq!(asked(&records), zones([0, 0, 0]));
}

#[test]
fn a_zone_without_capacity_comes_last() {
    let fault = "no-capacity-of:*@eu-west-3b";
    for (policy, hours, ending) in [
        (CapacityPolicy::Stop, 9, Ending::RolledBack),
        (CapacityPolicy::Stop, 0, Ending::Finished),
        (CapacityPolicy::Wait, 9, Ending::Finished),
    ] {
        let dir = folder();
        let during = if hours == 0 {
            "for: 20m".to_owned()
        } else {
            format!("for: {hours}h")
        };
        let item = format!("{{fault: \"{fault}\", when: pin-version nodes, {during}}}");
        let mut scene = scene(dir.path(), 3, &[&item]);
        scene.rolling.capacity = Capacity {
            policy,
            patience: None,
            twin: None,
        };
        let records = ends(scene.start("r2"), ending);
        scene.scenario.clear();
        clean(&scene);
        assert_eq!(there(&scene), zones([1, 1, 1]), "{policy:?}");
        let (refused, brought) = answers(&records);
        assert!(
            refused > 0 && brought >= 2,
            "{policy:?}: {refused} {brought}"
        );
        // It is asked for ever more rarely.
        assert!(refused < 70, "{policy:?}: {refused} refused launches");
        if ending == Ending::RolledBack {
            says(
                &records,
                "capacity in the Availability Zone you requested (eu-west-3b)",
            );
            says(
                &records,
                "with `zones: any` in `rolling` another zone would do",
            );
        }
    }
}

#[test]
fn a_launch_whose_answer_is_lost_happens_once() {
    for fault in ["lost-answer", "no-answer"] {
        for nth in 2..12 {
            let dir = folder();
            let mut scene = scene(dir.path(), 3, &[]);
            scene.faults = vec![format!("{fault}:{nth}")];
            let (_, records) = finishes(scene);
            let (refused, brought) = answers(&records);
            assert_eq!((refused, brought), (0, 3), "{fault}:{nth}");
        }
    }
}

#[test]
fn where_no_zone_can_be_told_aws_places_it() {
    let dir = folder();
    let scene = scene(
        dir.path(),
        3,
        &[
            "{act: \"suspend:nodes:Launch\", when: pin-version nodes}",
            "{act: \"resume:nodes:Launch\", when: pin-version nodes, after: 5m}",
        ],
    );
    let (outcome, records) = scene.start("r2");
    assert!(outcome.is_ok());
    let not_offered = records.iter().any(|r| {
        matches!(
            &r.event,
            Event::Step(
                _,
                StepEvent::Outcome {
                    result: StepResult::Applied(Applied::Launched {
                        refused: Some(LaunchRefusal::NotOffered(_)),
                        ..
                    })
                }
            )
        )
    });
    let placed_by_aws = records.iter().any(|r| {
        matches!(&r.event, Event::Step(_, StepEvent::Intent { effect, .. })
            if matches!(&**effect, Effect::Cloud(CloudEffect::SetDesired { launch: None, .. })))
    });
    assert!(not_offered && placed_by_aws, "{:#?}", facts(&records));
}

/// A right may have been given, a process resumed: after a resume AWS is asked by zone again, once what was begun without zones is over.
#[test]
fn whoever_resumes_asks_aws_for_zones_again() {
    for (drains, is_forgotten) in [(false, true), (true, false)] {
        let mut m = super::middle::middle();
        let group = m.group("nodes");
        group.placement.not_offered = Some("AccessDenied".into());
        if !drains {
            group.outstanding.drains.clear();
        }
        m.progress.open.clear();
        let (seq, at) = (m.progress.seq + 1, m.now);
        let event = Event::Rollout(RolloutEvent::Resumed { by: "me".into() });
        m.progress.add(&Record { seq, at, event }).unwrap();
        let left = &m.group("nodes").placement.not_offered;
        assert_eq!(left.is_none(), is_forgotten, "drains: {drains}");
    }
}

/// A launch in a zone, as an intent and what came of it, in the middle of a rollout.
fn tried(middle: &mut super::middle::Middle, result: StepResult) -> (Timestamp, Timestamp, bool) {
    let (cluster, group) = (name("staging.k8s.test"), middle.asg("nodes"));
    let moved = |m: &super::middle::Middle| m.progress.clusters[&name("staging.k8s.test")].moved_at;
    let step = middle.progress.next_step;
    let effect = CloudEffect::SetDesired {
        group: group.clone(),
        from: 3,
        to: 4,
        launch: Some(kfleet::model::ZonalLaunch {
            zone: "eu-west-3a".into(),
            token: "t/0".into(),
        }),
    };
    let at = middle.now + Span::from_secs(60);
    let add = |m: &mut super::middle::Middle, event: Event| {
        let seq = m.progress.seq + 1;
        m.progress.add(&Record { seq, at, event }).unwrap();
    };
    let intent = Event::Step(
        step,
        StepEvent::Intent {
            cluster,
            group,
            effect: Box::new(Effect::Cloud(effect)),
        },
    );
    add(middle, intent);
    let before = moved(middle);
    add(middle, Event::Step(step, StepEvent::Outcome { result }));
    (
        before,
        moved(middle),
        middle.progress.open.contains_key(&step),
    )
}

#[test]
fn a_refused_launch_moves_and_closes_nothing() {
    let launched = |instances: &[&str], refused: Option<&str>| {
        StepResult::Applied(Applied::Launched {
            instances: instances.iter().map(|id| name(id)).collect(),
            refused: refused.map(|words| LaunchRefusal::NoCapacity(words.into())),
        })
    };
    let middle = super::middle::middle;
    let (before, after, open) = tried(&mut middle(), launched(&[], Some("no m5.large")));
    assert_eq!((before, open), (after, false));
    let (before, after, open) = tried(&mut middle(), launched(&["i-00000000000000009"], None));
    assert!(after > before && !open);
    let no_room = StepResult::Applied(Applied::NotYet("above its maximum".into()));
    let (_, _, open) = tried(&mut middle(), no_room);
    assert!(open, "an attempt before may have taken the room");
}

#[test]
fn what_others_take_or_add_in_the_middle_stops_nothing() {
    for act in [
        "scale:nodes:+2",
        "scale:nodes:-1",
        "reclaim:nodes:1",
        "terminate:nodes:1",
        "detach:nodes:1",
        "set:nodes:DesiredCapacity=6",
    ] {
        for minutes in [1, 3, 6, 9, 13] {
            let dir = folder();
            let item = format!("{{act: \"{act}\", when: pin-version nodes, after: {minutes}m}}");
            let scene = scene(dir.path(), 4, &["{act: \"set:nodes:MinSize=2\"}", &item]);
            let (outcome, records) = scene.start("r2");
            assert_eq!(
                outcome.unwrap(),
                Outcome::Ended(Ending::Finished),
                "{act} after {minutes}m: {:#?}",
                reasons(&records)
            );
        }
    }
}

#[test]
fn a_drain_that_is_held_keeps_no_other_zone_waiting() {
    let dir = folder();
    let mut scene = scene(dir.path(), 4, &[]);
    scene.scenario = vec!["{fault: \"stuck-drain:nodes\", when: terminate nodes, for: 25m}".into()];
    let (outcome, records) = scene.start("r2");
    assert_eq!(
        outcome.unwrap(),
        Outcome::Ended(Ending::Finished),
        "{:#?}",
        reasons(&records)
    );
}

/// What is open when the process dies may be one launch of several, of which others were refused: desired capacity does not tell which.
#[test]
fn an_abort_after_a_kill_gives_back_what_some_zones_brought() {
    for death in (4..16).flat_map(|n| [Death::Before(n), Death::After(n)]) {
        let dir = folder();
        let fault = "{fault: \"no-capacity-of:*@eu-west-3a\", when: pin-version nodes, for: 3h}";
        let mut scene = scene(dir.path(), 7, &[fault]);
        (scene.rolling.max_surge, scene.rolling.canary) = (Amount::Count(3), 0);
        let before = scene.shape();
        let spy = Spy::dying(scene.world(), death);
        if catch_unwind(AssertUnwindSafe(|| scene.start_on(&spy, "r2"))).is_ok() {
            continue;
        }
        let ours = spy.ours();
        drop(spy);
        let request = Request::Abort {
            by: "me".into(),
            reason: "enough".into(),
        };
        scene.store().request("r2", &request).unwrap();
        let spy = Spy::new(scene.world()).after(ours);
        ends(scene.resume_on(&spy, "r2"), Ending::Aborted);
        drop(spy);
        scene.scenario.clear();
        clean(&scene);
        for (name, (desired, _)) in scene.shape() {
            assert_eq!(desired, before[&name].0, "{death:?} {name}");
        }
    }
}

/// The group is full with it: it cannot be asked for again, and is found by what is there, which is of the old version now.
#[test]
fn a_lost_launch_on_the_way_back_is_found_in_a_full_group() {
    for nth in 2..9 {
        let dir = folder();
        let mut scene = Scene::small(
            dir.path(),
            &[("nodes", 3, 4, false), ("other", 2, 4, false)],
        )
        .made();
        scene.odd_image = Some(("other", "image-3".into()));
        scene.faults = vec![format!("lost-answer:{nth}"), "sick-image:image-3".into()];
        goes_back(&scene);
    }
}
