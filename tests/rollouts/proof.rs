//! What counts as healthy and as verified, and that the way back is as careful as the way forward.

use std::collections::BTreeSet;

use super::*;
use kfleet::fleet::{ProvenControlPlane, Rollback};

const THREE: [&str; 3] = ["a", "b", "c"];

fn planes(dir: &std::path::Path) -> Scene {
    let mut scene = Scene::small(dir, &[NODES]);
    scene.zones = THREE.to_vec();
    scene.made()
}

fn ended(records: &[Record], zone: &str) -> usize {
    count(
        records,
        &format!("step terminate staging/control-plane-{zone}"),
    )
}

#[test]
fn proven_control_planes_stay_when_only_workers_failed() {
    for (policy, each) in [
        (ProvenControlPlane::Keep, 1),
        (ProvenControlPlane::Restore, 2),
    ] {
        let dir = folder();
        let mut scene = planes(dir.path());
        scene.rollback = Rollback {
            control_plane: policy,
        };
        scene.faults = vec!["sick-image:image-3".into()];
        scene.odd_image = Some(("nodes", "image-3".into()));
        let records = ends(scene.start("r2"), Ending::RolledBack);
        in_order(
            &records,
            &[
                "group-done staging/control-plane-c",
                "failed staging/nodes",
                "rollback-started",
                "step pin-version staging/nodes",
                "cluster-restored staging",
            ],
        );
        assert_eq!(
            THREE.map(|zone| ended(&records, zone)),
            [each; 3],
            "{policy:?}"
        );
        clean(&scene);
    }
}

#[test]
fn a_way_back_to_sick_control_planes_stops_at_the_first() {
    let dir = folder();
    let mut scene = planes(dir.path());
    scene.rollback.control_plane = ProvenControlPlane::Restore;
    // What ran before is sick by now, whoever launches it.
    scene.faults = vec!["sick-image:image-3".into(), "sick-pods:image-1".into()];
    scene.odd_image = Some(("nodes", "image-3".into()));
    let records = sticks(scene.start("r2"), "the control plane is not whole");
    assert_eq!(THREE.map(|zone| ended(&records, zone)), [1, 1, 2]);
    never(&records, &["rolled-back", "cluster-restored staging"]);
}

#[test]
fn a_lost_etcd_member_stops_either_way_at_the_first() {
    let dir = folder();
    let mut scene = planes(dir.path());
    scene.faults = vec!["sick-etcd:image-2".into()];
    let records = goes_back(&scene);
    says(&records, "etcd-manager-main");
    assert_eq!(THREE.map(|zone| ended(&records, zone)), [2, 0, 0]);

    let dir = folder();
    let mut scene = planes(dir.path());
    scene.faults = vec!["sick-image:image-3".into(), "sick-etcd:image-1".into()];
    scene.odd_image = Some(("nodes", "image-3".into()));
    let records = sticks(scene.start("r2"), "the control plane is not whole");
    assert_eq!(THREE.map(|zone| ended(&records, zone)), [1, 1, 2]);
    never(&records, &["rolled-back", "cluster-restored staging"]);
}

#[test]
fn members_of_etcd_are_counted_not_only_looked_at() {
    let fault = "no-etcd:control-plane-a";
    let said = "etcd main: 0 of 1 members in control-plane-a.masters.staging.k8s.test are healthy";
    // Forward, and back to what has none.
    let dir = folder();
    let mut scene = planes(dir.path());
    scene.scenario = vec![format!(
        "{{fault: \"{fault}\", when: terminate control-plane-a, for: 40m}}"
    )];
    let records = goes_back(&scene);
    says(&records, said);
    assert_eq!(THREE.map(|zone| ended(&records, zone)), [2, 0, 0]);

    let dir = folder();
    let mut scene = planes(dir.path());
    let request = Request::Rollback {
        by: "me".into(),
        reason: "back".into(),
    };
    scene.scenario = vec![format!(
        "{{fault: \"no-etcd:control-plane-c\", when: terminate control-plane-c, nth: 2}}"
    )];
    let (outcome, records) = asked_at(&scene, "group-done staging/nodes", &request);
    sticks(
        (outcome, records.clone()),
        "etcd main: 0 of 1 members in control-plane-c",
    );
    assert_eq!(THREE.map(|zone| ended(&records, zone)), [1, 1, 2]);
}

#[test]
fn a_control_plane_ends_only_with_the_other_members_up() {
    let dir = folder();
    let mut scene = planes(dir.path());
    scene.scenario =
        vec!["{fault: \"no-etcd:control-plane-b\", when: cordon control-plane-a, for: 20m}".into()];
    let records = ends(scene.start("r2"), Ending::Finished);
    let at = |line: &str| {
        let found = records
            .iter()
            .find(|r| trace(std::slice::from_ref(r)) == [line]);
        found.unwrap().at
    };
    let held = at("step terminate staging/control-plane-a")
        .since(at("step cordon staging/control-plane-a"));
    assert!(held >= Span::from_secs(1_200), "{held}");
}

#[test]
fn the_last_member_is_up_before_the_cluster_is_verified() {
    let dir = folder();
    let mut scene = planes(dir.path());
    scene.scenario =
        vec!["{fault: \"no-etcd:control-plane-c\", when: terminate control-plane-c}".into()];
    let records = sticks(
        scene.start("r2"),
        "etcd main: 0 of 1 members in control-plane-c",
    );
    in_order(&records, &["cluster-rolled staging", "failed staging"]);
    never(&records, &["cluster-verified staging"]);
}

#[test]
fn a_node_that_a_cluster_loses_on_any_day_breaks_no_soak() {
    for (nodes, breaks) in [(1, false), (2, true)] {
        let dir = folder();
        let mut scene = Scene::small(dir.path(), &[NODES]).made();
        scene.soak = Span::from_secs(7_200);
        scene.scenario = vec![format!(
            "{{act: \"node-down:nodes:{nodes}\", when: pin-version nodes, after: 60m}}"
        )];
        let ending = if breaks {
            Ending::RolledBack
        } else {
            Ending::Finished
        };
        let records = ends(scene.start("r2"), ending);
        assert_eq!(
            trace(&records).contains(&"soak-broken staging".to_owned()),
            breaks,
            "{nodes} nodes"
        );
    }
}

/// Rolls it, and says everything that was waited for.
fn waits(scene: &Scene) -> BTreeSet<String> {
    let spy = Spy::new(scene.world());
    let rollout = scene.rollout(spy.world(), "r2", &[]);
    let (mut journal, _) = Journal::begin(&scene.store(), &rollout).unwrap();
    let mut said = BTreeSet::new();
    spy.begin(journal.rollout(), journal.progress());
    support::block(kfleet::run::run(
        &spy,
        &scene.store(),
        &mut journal,
        &scene.drive(),
        || false,
        |signal| match signal {
            kfleet::run::Signal::Recorded(record) => spy.hear(record),
            kfleet::run::Signal::Waiting { waiting, .. } => {
                said.extend(waiting.iter().map(|w| kfleet::report::reason_text(&w.why)));
            }
        },
    ))
    .unwrap();
    said
}

#[test]
fn what_is_tolerated_while_it_soaks_is_said_with_its_threshold() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]).made();
    scene.soak = Span::from_secs(7_200);
    scene.scenario =
        vec!["{act: \"node-down:nodes:1\", when: pin-version nodes, after: 60m}".into()];
    let said = waits(&scene);
    let wanted =
        "it soaks on: 1 of 3 nodes of nodes.staging.k8s.test not Ready for longer than 15m (i-";
    let told = said.iter().find(|why| why.starts_with(wanted));
    let told = told.unwrap_or_else(|| panic!("{said:#?}"));
    assert!(
        told.ends_with("tolerated: `rolling.tolerance` allows 1"),
        "{told}"
    );
}

#[test]
fn a_control_plane_that_keeps_its_quorum_is_waited_for() {
    let dir = folder();
    let mut scene = planes(dir.path());
    scene.soak = Span::from_secs(14_400);
    scene.scenario =
        vec!["{act: \"node-down:control-plane-a:1\", when: pin-version nodes, after: 60m}".into()];
    let records = sticks(
        scene.start("r2"),
        "1 of 3 instances of the control plane are not Ready",
    );
    never(
        &records,
        &[
            "soak-broken staging",
            "rollback-started",
            "stage-passed staging",
        ],
    );
}

/// Whoever stands on it does not begin in the minutes until that is somebody's fault.
#[test]
fn a_control_plane_without_a_quorum_is_waited_for_at_once() {
    let dir = folder();
    let mut scene = planes(dir.path());
    scene.soak = Span::from_secs(7_200);
    scene.scenario = ["a", "b"]
        .iter()
        .flat_map(|zone| {
            let act = |what: &str, minutes: u32| {
                format!("{{act: \"{what}:control-plane-{zone}:1\", when: pin-version nodes, after: {minutes}m}}")
            };
            [act("node-down", 60), act("node-up", 66)]
        })
        .collect();
    let said = waits(&scene);
    assert!(
        said.contains("2 of 3 instances of the control plane are not Ready"),
        "{said:#?}"
    );
}

#[test]
fn what_others_change_meanwhile_is_not_verified() {
    for act in ["set:nodes:MaxSize=9", "set:other:MinSize=1"] {
        let dir = folder();
        let groups = [NODES, ("other", 2, 4, false)];
        let mut scene = Scene::small(dir.path(), &groups).made();
        scene.image = "image-1".into();
        scene.odd_image = Some(("nodes", "image-2".into()));
        scene.scenario = vec![format!(
            "{{act: \"{act}\", when: pin-version nodes, after: 2m}}"
        )];
        let records = sticks(scene.start("r2"), "it is not what the plan makes of it");
        never(&records, &["cluster-verified staging", "rollback-started"]);
    }
}

#[test]
fn without_gates_nothing_is_verified_unseen() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]).made();
    scene.gates.clear();
    scene.faults = vec!["sick-pods:image-2".into()];
    let records = ends(scene.start("r2"), Ending::RolledBack);
    says(&records, "built-in check of nodes");
    never(&records, &["cluster-verified staging"]);
}

#[test]
fn what_decides_a_roll_is_part_of_the_plan_and_its_id() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]).made();
    let plan = |scene: &Scene| scene.plan(&scene.world(), Allow::default());
    let first = plan(&scene);
    assert_eq!(plan(&scene).id, first.id);
    scene.soak = Span::from_secs(60);
    let soak = plan(&scene);
    scene.gates.pop();
    let gates = plan(&scene);
    scene.rolling.canary = 2;
    let rolling = plan(&scene);
    let ids = std::collections::BTreeSet::from([first.id, soak.id, gates.id, rolling.id.clone()]);
    assert_eq!(ids.len(), 4);
    let mut changed = rolling;
    assert!(changed.is_genuine());
    changed.policy.gates.clear();
    assert!(!changed.is_genuine());
}

/// Rolls until it has to wait for time, says what happens then, and goes on to the end.
fn in_the_soak(
    scene: &Scene,
    change: impl FnOnce(&mut kfleet::rollout::Rollout),
    happens: impl FnOnce(&Spy),
) -> Ran {
    let spy = Spy::new(scene.world());
    let mut rollout = scene.rollout(spy.world(), "r2", &[]);
    change(&mut rollout);
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
    happens(&spy);
    let outcome = scene.carry(&spy, &mut journal, &scene.drive(), &mut records);
    (outcome, records)
}

fn in_two_waves(dir: &std::path::Path) -> Scene {
    let mut scene = Scene::small(dir, &[NODES]);
    scene.prod = vec![name("prod-a.k8s.test"), name("prod-b.k8s.test")];
    scene.soak = Span::ZERO;
    scene.made()
}

#[test]
fn a_stage_that_breaks_in_its_soak_takes_every_later_wave_back() {
    let dir = folder();
    let scene = in_two_waves(dir.path());
    let ran = in_the_soak(
        &scene,
        |rollout| rollout.stages[1].soak = Span::from_secs(7_200),
        |spy| {
            let now = spy.now();
            spy.unready(&scene.prod[0], now, now + Span::from_secs(3_000));
        },
    );
    let records = ends(ran, Ending::RolledBack);
    in_order(
        &records,
        &[
            "cluster-verified prod-b",
            "soak-broken prod-a",
            "failed prod-a",
            "rollback-started",
            "cluster-restored prod-b",
            "cluster-restored prod-a",
        ],
    );
    never(&records, &["cluster-restored staging"]);
}

#[test]
fn a_wave_begins_only_while_all_before_it_is_healthy() {
    let dir = folder();
    let scene = in_two_waves(dir.path());
    let ran = in_the_soak(
        &scene,
        |rollout| rollout.stages[1].waves[0].soak = Span::from_secs(3_600),
        |spy| {
            let now = spy.now();
            spy.unready(&scene.staging[0], now, now + Span::from_secs(86_400));
        },
    );
    let records = sticks(ran, "stage prod depends on it, and it is not healthy");
    in_order(&records, &["wave-passed prod 0", "stuck staging"]);
    never(&records, &["wave-started prod 1", "rollback-started"]);
}

#[test]
fn clusters_go_back_as_many_at_a_time_as_they_went_forward() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]);
    scene.prod = vec![name("prod-a.k8s.test"), name("prod-b.k8s.test")];
    scene.stage_waves = Some(vec![Wave {
        clusters: scene.prod.clone(),
        parallel: 1,
        soak: Span::ZERO,
    }]);
    let scene = scene.made();
    let forward = ends(scene.start("r2"), Ending::Finished);
    assert!(!forward.is_empty());
    let records = ends(ways::takes_back(&scene, "r2"), Ending::RolledBack);
    in_order(
        &records,
        &[
            "canary-proven prod-a/nodes",
            "cluster-restored prod-a",
            "group-started prod-b/nodes",
            "cluster-restored prod-b",
            "group-started staging/nodes",
            "cluster-restored staging",
        ],
    );
}

/// The places of these lines, each of which stands there.
#[track_caller]
fn places<const N: usize>(records: &[Record], lines: [&str; N]) -> [usize; N] {
    let all = trace(records);
    lines.map(|line| all.iter().position(|l| l == line).unwrap())
}

#[test]
fn api_servers_go_before_the_nodes_and_come_back_after_them() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]);
    scene.others = vec![("api", "APIServer")];
    let scene = scene.made();
    let forward = ends(scene.start("r2"), Ending::Finished);
    let at = places(
        &forward,
        [
            "group-done staging/control-plane-a",
            "group-started staging/api",
            "group-done staging/api",
            "group-started staging/nodes",
        ],
    );
    assert!(at.is_sorted(), "{at:?}");
    let back = ends(ways::takes_back(&scene, "r2"), Ending::RolledBack);
    let at = places(
        &back,
        [
            "group-started staging/nodes",
            "group-done staging/nodes",
            "group-started staging/api",
            "group-done staging/api",
            "group-started staging/control-plane-a",
            "cluster-restored staging",
        ],
    );
    assert!(at.is_sorted(), "{at:?}");
}

#[test]
fn a_bastion_is_ready_in_service_and_has_nothing_to_drain() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]);
    scene.others = vec![("bastions", "Bastion")];
    let mut scene = scene.made();
    // Whatever the image makes of a node: a bastion has none.
    scene.image = "image-1".into();
    scene.odd_image = Some(("bastions", "image-2".into()));
    scene.faults = vec!["sick-image:image-2".into()];
    let records = rolls(&scene, "r2");
    assert_eq!(count(&records, "step terminate staging/bastions"), 2);
    never(
        &records,
        &[
            "step cordon staging/bastions",
            "step evict staging/bastions",
        ],
    );
}

#[test]
fn policy_and_version_move_in_one_call_for_spot() {
    for ways in [["maxPrice", "mixed"], ["mixed", "maxPrice"]] {
        let dir = folder();
        let mut scene = Scene::small(dir.path(), &[NODES]);
        let spec = |way: &str| match way {
            "maxPrice" => "  maxPrice: \"0.10\"\n",
            _ => {
                "  mixedInstancesPolicy:\n    instances: [m6i.large, m5.large]\n    onDemandBase: 0\n    onDemandAboveBase: 0\n"
            }
        };
        scene.node_spec = spec(ways[0]);
        let mut scene = scene.made();
        scene.image = "image-1".into();
        scene.node_spec = spec(ways[1]);
        let records = rolls(&scene, "r2");
        in_order(
            &records,
            &[
                "step create-template-version staging/nodes",
                "step update-group staging/nodes",
            ],
        );
        never(&records, &["step pin-version staging/nodes"]);
    }
}

/// The time is over in the very round in which it breaks.
#[test]
fn a_soak_that_breaks_in_its_last_round_passes_nothing() {
    let mut m = super::middle::middle();
    let cluster = m.cluster.clone();
    let long_ago = m.now + Span::from_secs(-86_400);
    let found = m.progress.clusters.get_mut(&cluster).unwrap();
    found.state = kfleet::rollout::ClusterState::Verified(long_ago);
    let next = |m: &super::middle::Middle| {
        let live = kfleet::model::Live {
            read_at: m.now,
            clusters: [(cluster.clone(), m.live.clone())].into(),
            room: Vec::new(),
        };
        kfleet::rollout::decide(&m.rollout, &m.progress, &live, m.now).records
    };
    assert!(matches!(
        next(&m)[..],
        [Event::Stage(_, StageEvent::WavePassed { .. })]
    ));
    for nth in 0..3 {
        m.on_node("nodes", nth, |node| {
            (node.ready, node.unready_since) = (false, Some(long_ago));
        });
    }
    let records = next(&m);
    assert!(
        matches!(
            records[..],
            [Event::Cluster(_, ClusterEvent::SoakBroken { .. })]
        ),
        "{records:?}"
    );
}

/// Old instances of a warm pool end first, undrained: the surge would be served by one of them. The pool's own new ones are nobody's canary, and none is waited for.
#[test]
fn a_warm_pool_is_emptied_before_the_surge() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]);
    scene.node_spec = "  warmPool: {minSize: 2}\n";
    let mut scene = scene.made();
    scene.node_spec = "  warmPool: {minSize: 2}\n";
    let records = rolls(&scene, "r2");
    let at = places(
        &records,
        ["canary-up staging/nodes", "group-done staging/nodes"],
    );
    let all = trace(&records);
    let nth = |line: &str| -> Vec<usize> {
        let found = all.iter().enumerate().filter(|(_, l)| *l == line);
        found.map(|(n, _)| n).collect()
    };
    let (ended, surged) = (
        nth("step terminate staging/nodes"),
        nth("step set-desired staging/nodes"),
    );
    let of_pool = ended.iter().filter(|n| **n < surged[0]).count();
    assert!(of_pool >= 2 && surged[0] < at[0], "{all:#?}");
    let drained = records
        .iter()
        .filter(|r| matches!(&r.event, Event::Group(_, group, GroupEvent::DrainStarted { .. }) if group.as_str().starts_with("nodes.")));
    assert_eq!(
        drained.count(),
        ended.len() - of_pool,
        "what is in the pool is not drained"
    );
}

/// An instance that waited in the pool for longer than a node may take to become Ready is not late when it is drawn.
#[test]
fn an_instance_from_the_warm_pool_has_the_time_of_a_new_one() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]);
    scene.node_spec = "  warmPool: {minSize: 2}\n";
    let mut scene = scene.made();
    scene.node_spec = "  warmPool: {minSize: 2}\n";
    // A roll that takes its time.
    scene.faults = vec!["slow-volumes:nodes:90".into()];
    let records = ends(scene.start("r2"), Ending::Finished);
    assert_eq!(count(&records, "drain-started staging/nodes"), 3);
    let undrained = records.iter().filter(|r| {
        matches!(
            &r.event,
            Event::Group(_, _, GroupEvent::DrainStarted { node: None, .. })
        )
    });
    assert_eq!(undrained.count(), 0);
}
