//! What stands in the way of a drain: said beforehand, waited for, forced, or left to a person, as the policy says.

use std::collections::BTreeMap;

use kfleet::fleet::{DeadNodes, DrainPolicy, Preflight};
use kfleet::model::{CloudEffect, InstanceId, NodeEffect, Timestamp};
use kfleet::plan::{DrainBlocker, Fact, LaunchBlocker};
use kfleet::rollout::PreflightFinding;

use super::*;

/// Nodes whose pods no budget lets go.
fn held(dir: &std::path::Path, on_timeout: OnTimeout) -> Scene {
    let mut scene = Scene::small(dir, &[("nodes", 4, 6, false)]);
    scene.rolling.drain = DrainPolicy {
        timeout: Span::from_secs(120),
        on_timeout,
        ..DrainPolicy::default()
    };
    let mut scene = scene.made();
    scene.faults = vec!["stuck-drain:nodes".into()];
    scene
}

fn node_steps(records: &[Record]) -> Vec<(Timestamp, NodeEffect)> {
    let of = |r: &Record| match &r.event {
        Event::Step(_, StepEvent::Intent { effect, .. }) => match &**effect {
            Effect::Node(effect) => Some((r.at, effect.clone())),
            Effect::Cloud(_) | Effect::Kops(_) => None,
        },
        _ => None,
    };
    records.iter().filter_map(of).collect()
}

#[test]
fn a_drain_that_is_held_names_node_pod_owner_budget_and_time() {
    let dir = folder();
    let records = sticks(held(dir.path(), OnTimeout::Skip).start("r2"), "held: ");
    let begun = records
        .iter()
        .rev()
        .find(|r| matches!(r.event, Event::Group(_, _, GroupEvent::DrainStarted { .. })))
        .unwrap();
    let Event::Group(
        _,
        _,
        GroupEvent::DrainStarted {
            node: Some(node),
            instance,
            ..
        },
    ) = &begun.event
    else {
        panic!()
    };
    let said = reasons(&records).pop().unwrap();
    let wanted = format!(
        "the drain of {node} ({instance}), begun at {}, did not end within 2m: held: default/nodes-app-",
        begun.at.clock()
    );
    assert!(said.starts_with(&wanted), "{said}\n{wanted}");
    assert!(
        said.contains(
            "(of ReplicaSet default/nodes-app-0) by disruption budget default/nodes-app-0"
        ),
        "{said}"
    );
}

#[test]
fn a_drain_waits_for_hours_until_the_budget_allows() {
    let dir = folder();
    let scene = held(dir.path(), OnTimeout::Wait);
    let spy = Spy::new(scene.world());
    let begin = spy.now();
    let free = begin + Span::from_secs(6 * 3600);
    spy.calm(free);
    let records = ends(scene.start_on(&spy, "r2"), Ending::Finished);
    drop(spy);
    never(
        &records,
        &["set-aside staging/nodes", "failed staging/nodes"],
    );
    assert!(records.last().unwrap().at > free);
    // Six hours at ten seconds would be more than two thousand.
    let asked = node_steps(&records)
        .into_iter()
        .filter(|(at, e)| *at < free && matches!(e, NodeEffect::Evict { .. }))
        .count();
    assert!((300..500).contains(&asked), "asked {asked} times");
    clean(&scene);
}

#[test]
fn force_takes_old_pods_and_of_one_owner_one_at_a_time() {
    let dir = folder();
    let scene = held(dir.path(), OnTimeout::Force);
    let records = rolls(&scene, "r2");
    let age = scene.rolling.drain.min_pod_age;
    let mut last: BTreeMap<String, Timestamp> = BTreeMap::new();
    let mut deleted = 0;
    for (at, effect) in node_steps(&records) {
        let NodeEffect::Delete { pods, .. } = effect else {
            continue;
        };
        for pod in pods {
            deleted += 1;
            let owner = pod.pod.rsplit_once('-').unwrap().0.to_owned();
            if let Some(before) = last.insert(owner.clone(), at) {
                assert!(
                    at.since(before) >= age,
                    "{owner} lost two pods within {}",
                    at.since(before)
                );
            }
        }
    }
    assert!(deleted > 4, "{deleted} pods deleted");
    in_order(
        &records,
        &[
            "step cordon staging/nodes",
            "step evict staging/nodes",
            "step delete staging/nodes",
            "step terminate staging/nodes",
        ],
    );
}

#[test]
fn old_nodes_are_tainted_once_the_canary_is_proven() {
    let dir = folder();
    let scene = Scene::small(dir.path(), &[("nodes", 3, 6, false)]).made();
    let records = rolls(&scene, "r2");
    in_order(
        &records,
        &[
            "canary-proven staging/nodes",
            "step taint staging/nodes",
            "step cordon staging/nodes",
            "step evict staging/nodes",
        ],
    );
    let tainted: Vec<_> = node_steps(&records)
        .into_iter()
        .filter(|(_, e)| matches!(e, NodeEffect::Taint { nodes, .. } if nodes.len() == 3))
        .collect();
    assert_eq!(tainted.len(), 1, "one step for all nodes of the group");

    let dir = folder();
    let scene = held(dir.path(), OnTimeout::Stop);
    let records = scene.start("r2").1;
    in_order(
        &records,
        &[
            "failed staging/nodes",
            "rollback-started",
            "step untaint staging/nodes",
        ],
    );
}

#[test]
fn what_will_hold_drains_is_said_before_anything_is_touched() {
    let finding = "disruption budget default/nodes-app-0 allows no disruption now: it holds ";
    let dir = folder();
    let scene = held(dir.path(), OnTimeout::Skip);
    let notes = scene
        .plan(&scene.world(), Allow::default())
        .clusters
        .into_values()
        .flat_map(|c| c.notes)
        .map(|note| note.what)
        .collect::<Vec<_>>();
    let is_held = |note: &Fact| matches!(note, Fact::Drain { blocker } if kfleet::report::drain_blocker_text(blocker).starts_with(finding));
    assert!(notes.iter().any(is_held), "{notes:?}");
    let (_, records) = scene.start("r2");
    in_order(
        &records,
        &[
            "cluster-started staging",
            "preflight staging",
            "group-started staging/control-plane-a",
        ],
    );
    let said = records.iter().find_map(|r| match &r.event {
        Event::Cluster(
            _,
            ClusterEvent::Preflight {
                findings,
                uid,
                unready: 0,
                unready_of: _,
                failing: _,
            },
        ) if uid == "simulated-staging.k8s.test" => Some(findings.clone()),
        _ => None,
    });
    let said = said.unwrap();
    let is_held = |found: &PreflightFinding| {
        matches!(found, PreflightFinding::Drain { blocker: DrainBlocker::Budget { budget, owners, .. } }
            if budget == "default/nodes-app-0" && owners.contains("ReplicaSet default/nodes-app-0"))
    };
    assert!(said.len() >= 2 && is_held(&said[0]), "{said:?}");

    let dir = folder();
    let mut scene = held(dir.path(), OnTimeout::Skip);
    scene.rolling.drain.preflight = Preflight::Stop;
    let before = scene.shape();
    let records = sticks(scene.start("r2"), finding);
    assert!(
        trace(&records).iter().all(|l| !l.starts_with("step ")),
        "{:#?}",
        trace(&records)
    );
    assert_eq!(scene.shape(), before);
    scene.faults.clear();
    let records = ends(scene.resume("r2"), Ending::Finished);
    in_order(
        &records,
        &[
            "preflight staging",
            "group-started staging/control-plane-a",
            "finished",
        ],
    );
    clean(&scene);
}

#[test]
fn a_replacement_that_cannot_launch_is_said_first() {
    let dir = folder();
    let mut scene = held(dir.path(), OnTimeout::Skip);
    scene.faults.clear();
    let group: kfleet::model::AsgName = name("nodes.staging.k8s.test");
    let place = kfleet::cloud::Place {
        cluster: scene.staging[0].clone(),
        account: name("111122223333"),
        region: name("eu-west-3"),
    };
    let suspend = CloudEffect::Suspend {
        group,
        processes: std::collections::BTreeSet::from(["Launch".to_owned()]),
    };
    support::block(scene.world().apply(&place, &suspend)).unwrap();
    scene.rolling.drain.preflight = Preflight::Stop;
    let finding =
        "nodes.staging.k8s.test: no replacement can launch: its process Launch is suspended";
    let notes = scene
        .plan(&scene.world(), Allow::default())
        .clusters
        .into_values()
        .flat_map(|c| c.notes)
        .map(|note| note.what)
        .collect::<Vec<_>>();
    let blocker = LaunchBlocker::LaunchSuspended;
    assert!(notes.contains(&Fact::Launch { blocker }), "{notes:?}");
    let records = sticks(scene.start("r2"), finding);
    assert!(
        trace(&records).iter().all(|l| !l.starts_with("step ")),
        "{:#?}",
        trace(&records)
    );
}

#[test]
fn nobody_drains_blindly_from_the_start() {
    let dir = folder();
    let scene = Scene::small(dir.path(), &[NODES]).made();
    let spy = Spy::new(scene.world());
    let now = spy.now();
    spy.blind(&scene.staging[0], now, now + Span::from_secs(600));
    let records = ends(scene.start_on(&spy, "r2"), Ending::Finished);
    let first = records
        .iter()
        .find(|r| matches!(r.event, Event::Group(_, _, GroupEvent::Started { .. })))
        .unwrap();
    assert!(first.at.since(now) >= Span::from_secs(600), "{}", first.at);
}

#[test]
fn journals_of_before_are_read() {
    let drain: DrainPolicy =
        serde_json::from_str(r#"{"timeout":"15m","on_timeout":"skip"}"#).unwrap();
    assert_eq!(drain, DrainPolicy::default());
    let effect: NodeEffect = serde_json::from_str(r#"{"evict":{"node":"n"}}"#).unwrap();
    assert_eq!(
        serde_json::to_string(&effect).unwrap(),
        r#"{"evict":{"node":"n"}}"#
    );
    let baseline = r#"{"version":1,"cluster":"a.b","digest":"D","release":"D","rollout":"r","since":"2026-01-05T08:00:00Z","documents":{}}"#;
    let baseline: kfleet::plan::Baseline =
        serde_json::from_str(&baseline.replace('D', &"0".repeat(64))).unwrap();
    assert_eq!(baseline.kubernetes, None);
}

#[test]
fn a_baseline_says_which_cluster_it_is_of() {
    let dir = folder();
    let scene = Scene::small(dir.path(), &[NODES]).made();
    let uid = || {
        scene
            .store()
            .baselines()
            .unwrap()
            .into_values()
            .map(|b| b.kubernetes.unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(uid(), ["simulated-staging.k8s.test"]);
    rolls(&scene, "r2");
    assert_eq!(uid(), ["simulated-staging.k8s.test"]);
}

/// A place in the window of the rate is not held by a drain before it can be used: the node is drained on the way to it.
#[test]
fn under_a_rate_ends_follow_each_other_a_window_apart() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[("nodes", 8, 12, false)]);
    scene.rolling.max_surge = kfleet::fleet::Amount::Count(2);
    scene.rolling.rate = kfleet::fleet::Rate {
        instances: 2,
        per: Span::from_secs(1200),
    };
    let mut scene = scene.made();
    scene.odd_image = Some(("control-plane-a", "image-1".into()));
    let records = ends(scene.start("r2"), Ending::Finished);
    let terminates = |r: &&Record| match &r.event {
        Event::Step(_, StepEvent::Intent { effect, .. }) => matches!(
            &**effect,
            Effect::Cloud(kfleet::model::CloudEffect::Terminate { .. })
        ),
        _ => false,
    };
    let ended: Vec<Timestamp> = records.iter().filter(terminates).map(|r| r.at).collect();
    assert_eq!(ended.len(), 8);
    // The first two may be as late as the second launch; never is a window broken, and none of it is lost after that.
    let apart: Vec<i64> = ended
        .windows(3)
        .map(|w| w[2].since(w[0]).millis() / 1000)
        .collect();
    assert!(apart.iter().all(|s| *s >= 1200), "{apart:?}");
    assert!(apart.iter().all(|s| *s <= 1220), "{apart:?}");
    clean(&scene);
}

#[test]
fn an_unanswered_end_is_dropped_once_there_is_a_node() {
    // The autoscaler starts an old instance just before the group's turn; its end, decided while it had no node, is not heard.
    let mut met = 0;
    for after in (0..600).step_by(20) {
        let dir = folder();
        let mut scene = Scene::small(dir.path(), &[("nodes", 0, 3, false)]).made();
        scene.rolling.max_surge = Amount::Count(0);
        scene.faults = vec!["no-answer:2".into()];
        scene.scenario = vec![format!(
            "{{act: \"scale:nodes:+1\", when: terminate control-plane-a, after: {after}s}}"
        )];
        let spy = Spy::new(scene.world());
        let (mut journal, first) =
            Journal::begin(&scene.store(), &scene.rollout(spy.world(), "r2", &[])).unwrap();
        let mut records = vec![first];
        // Between two looks a node comes up.
        let drive = kfleet::run::Drive {
            poll: Span::from_secs(60),
            ..scene.drive()
        };
        let outcome = scene.carry(&spy, &mut journal, &drive, &mut records);
        drop((spy, journal));
        let records = ends((outcome, records), Ending::Finished);
        let given_up = |r: &Record| {
            matches!(
                &r.event,
                Event::Step(
                    _,
                    StepEvent::Outcome {
                        result: StepResult::GivenUp(_)
                    }
                )
            )
        };
        let Some(at) = records.iter().position(given_up) else {
            continue;
        };
        met += 1;
        in_order(
            &records[..at],
            &[
                "drain-started staging/nodes",
                "step terminate staging/nodes",
            ],
        );
        never(&records[..at], &["step cordon staging/nodes"]);
        in_order(
            &records[at..],
            &[
                "drain-started staging/nodes",
                "step cordon staging/nodes",
                "step terminate staging/nodes",
            ],
        );
        clean(&scene);
    }
    assert!(met > 0, "it never came to that");
}

/// A right that is missing, a policy or a webhook: the drain is blocked in the API's words, a person is asked, and nothing is turned round.
#[test]
fn an_eviction_that_the_api_denies_waits_for_a_person() {
    for (kind, words) in [
        ("right", "cannot create resource"),
        ("webhook", "denied request: not today"),
        ("broken-webhook", "failed calling webhook"),
        ("many-budgets", "more than one PodDisruptionBudget"),
        ("ending-namespace", "it is being terminated"),
    ] {
        let dir = folder();
        let mut scene = Scene::small(dir.path(), &[("nodes", 3, 6, false)]);
        scene.rolling.drain.timeout = Span::from_secs(300);
        scene.rolling.drain.on_timeout = OnTimeout::Stop;
        let mut scene = scene.made();
        scene.faults = vec![format!("refuse-evictions:nodes:{kind}")];
        let records = sticks(scene.start("r2"), words);
        never(
            &records,
            &["rollback-started", "step terminate staging/nodes"],
        );
        scene.faults.clear();
        ends(scene.resume("r2"), Ending::Finished);
        clean(&scene);
    }
}

/// A kubelet dies while its node is drained; its pods have a long grace, and the node outlives its instance.
fn dead(dir: &std::path::Path) -> Scene {
    let mut scene = Scene::small(dir, &[("nodes", 3, 6, false)]).made();
    scene.rolling.drain.timeout = Span::from_secs(1_200);
    scene.faults = vec![
        "slow-pods:nodes:300".into(),
        "lost-nodes:nodes:86400".into(),
    ];
    scene.scenario = vec!["{act: \"node-down:nodes:6\", when: evict nodes, nth: 2}".into()];
    scene
}

fn steps_named(records: &[Record], kind: &str) -> usize {
    count(records, &format!("step {kind} staging/nodes"))
}

#[test]
fn pods_of_a_dead_node_are_ended_once_its_instance_has() {
    let dir = folder();
    let mut scene = dead(dir.path());
    scene
        .scenario
        .push("{act: \"node-up:nodes:6\", when: terminate nodes, after: 30s}".into());
    let records = ends(scene.start("r2"), Ending::Finished);
    let marked = steps_named(&records, "out-of-service");
    assert!(marked > 0, "{:#?}", trace(&records));
    assert_eq!(marked, steps_named(&records, "back-in-service"));
    in_order(
        &records,
        &[
            "step evict staging/nodes",
            "dead-node staging/nodes",
            "step terminate staging/nodes",
            "step out-of-service staging/nodes",
            "step back-in-service staging/nodes",
        ],
    );
    clean(&scene);
}

#[test]
fn a_dead_node_that_is_gone_needs_nothing() {
    let dir = folder();
    let mut scene = dead(dir.path());
    scene.faults.pop();
    scene
        .scenario
        .push("{act: \"node-up:nodes:6\", when: terminate nodes, after: 30s}".into());
    let records = ends(scene.start("r2"), Ending::Finished);
    assert_eq!(steps_named(&records, "out-of-service"), 0);
    assert!(count(&records, "dead-node staging/nodes") > 0);
    assert_eq!(
        count(&records, "dead-node staging/nodes"),
        count(&records, "dead-node-ended staging/nodes")
    );
    clean(&scene);
}

#[test]
fn a_dead_node_is_ended_where_the_policy_says_so() {
    for (policy, ended) in [(DeadNodes::Wait, 0), (DeadNodes::Force, 1)] {
        let dir = folder();
        let mut scene = dead(dir.path());
        scene.rolling.drain.dead_nodes = policy;
        scene.rolling.drain.on_timeout = OnTimeout::Skip;
        // From the moment that its first pods are told to go, no budget lets any other go.
        scene.scenario = vec![
            "{fault: \"stuck-drain:nodes\", when: evict nodes}".into(),
            "{act: \"node-down:nodes:6\", when: evict nodes, after: 5s}".into(),
            "{act: \"node-up:nodes:6\", when: terminate nodes, after: 30s}".into(),
        ];
        let (_, records) = scene.start("r2");
        let forced = count(&records, "dead-node staging/nodes");
        assert_eq!(forced.min(1), ended, "{:#?}", trace(&records));
    }
}

/// A group at its maximum detaches: the one that cannot be drained holds the surge, and no other can go before it.
#[test]
fn a_detached_instance_that_cannot_be_drained_is_a_persons() {
    for why in ["webhook", "ending-namespace", "right"] {
        let dir = folder();
        let mut scene = Scene::small(dir.path(), &[("nodes", 4, 4, false)]).made();
        scene.options.autoscaler = false;
        scene.faults = vec![format!("refuse-evictions:nodes:{why}")];
        let records = sticks(scene.start("r2"), "did not end within");
        never(
            &records,
            &["failed staging", "failed staging/nodes", "rollback-started"],
        );
        scene.faults.clear();
        ends(scene.resume("r2"), Ending::Finished);
        clean(&scene);
    }
}

/// Where volumes take their time: the instances that end, each with the time between the word about its volumes and its end.
fn ends_after_volumes(scene: &Scene) -> (Vec<Record>, Vec<i64>) {
    let (_, records) = scene.start("r2");
    let mut since: BTreeMap<InstanceId, Timestamp> = BTreeMap::new();
    let mut waits = Vec::new();
    for record in &records {
        match &record.event {
            Event::Group(_, _, GroupEvent::VolumesAwaited { instance, .. }) => {
                since.entry(instance.clone()).or_insert(record.at);
            }
            Event::Step(_, StepEvent::Intent { effect, .. }) => {
                if let Effect::Cloud(CloudEffect::Terminate { instance, .. }) = &**effect
                    && let Some(at) = since.remove(instance)
                {
                    waits.push(record.at.since(at).millis() / 1000);
                }
            }
            _ => {}
        }
    }
    (records, waits)
}

fn slow_volumes(dir: &std::path::Path, seconds: u32, limit: i64) -> Scene {
    let mut scene = Scene::small(dir, &[("nodes", 4, 6, false)]);
    scene.rolling.drain.volumes = Span::from_secs(limit);
    let mut scene = scene.made();
    scene.faults = vec![format!("slow-volumes:nodes:{seconds}")];
    scene
}

#[test]
fn volumes_leave_the_node_before_its_instance_ends() {
    let dir = folder();
    let scene = slow_volumes(dir.path(), 90, 360);
    let (records, waits) = ends_after_volumes(&scene);
    in_order(&records, &["group-done staging/nodes", "finished"]);
    assert_eq!(waits.len(), 4, "{:#?}", trace(&records));
    assert!(waits.iter().all(|s| (30..=120).contains(s)), "{waits:?}");
    let over = |r: &&Record| {
        matches!(
            r.event,
            Event::Group(_, _, GroupEvent::VolumesAwaited { over: true, .. })
        )
    };
    assert_eq!(records.iter().filter(over).count(), 0);
    clean(&scene);
}

#[test]
fn volumes_that_stay_have_a_time_of_their_own() {
    let dir = folder();
    let scene = slow_volumes(dir.path(), 1_200, 60);
    let (records, waits) = ends_after_volumes(&scene);
    assert!(!waits.is_empty(), "{:#?}", trace(&records));
    assert!(waits.iter().all(|s| (60..=90).contains(s)), "{waits:?}");
    let over = |r: &&Record| {
        matches!(
            r.event,
            Event::Group(_, _, GroupEvent::VolumesAwaited { over: true, .. })
        )
    };
    assert_eq!(records.iter().filter(over).count(), waits.len());
    // What is not waited for is not asked for either.
    let dir = folder();
    let scene = slow_volumes(dir.path(), 90, 0);
    let (_, waits) = ends_after_volumes(&scene);
    assert_eq!(waits, Vec::<i64>::new());
}
