//! Whole rollouts that meet what people, webhooks and dead machines do: a wrong kubeconfig, a right that is away, a dead kubelet, a node that
//! somebody deletes. Nothing of it turns a rollout round.

use kfleet::model::{Effect, NodeEffect, Span};
use kfleet::rollout::{ClusterEvent, Ending, Event, GroupEvent, RolloutEvent, StepEvent};
use kfleet::run::Outcome;
use kfleet::store::Journal;

use crate::api::{Admission, Api, Kept};
use crate::support::{Scene, folder};
use crate::whole::{
    IN_A_DRAIN, Kill, at_rest, begun, carry, prepared, some_of, unmarked, with_grace,
};

pub fn resumed(scene: &Scene, api: &Api) -> Outcome {
    let mut journal = Journal::take_up(&scene.store(), "r2").unwrap();
    let outcome = carry(scene, api, &mut journal, None);
    outcome.unwrap().unwrap()
}

pub fn events(scene: &Scene) -> Vec<Event> {
    let records = scene.store().records("r2").unwrap();
    records.into_iter().map(|r| r.event).collect()
}

/// Nobody turned round for what a person's file, right or webhook did.
pub fn nothing_failed(scene: &Scene) {
    let failed = |e: &Event| {
        matches!(
            e,
            Event::Cluster(_, ClusterEvent::Failed { .. })
                | Event::Rollout(RolloutEvent::RollbackStarted { .. })
        )
    };
    let found: Vec<Event> = events(scene).into_iter().filter(failed).collect();
    assert_eq!(found, []);
}

/// Another cluster that has nodes of the same names, with pods on them.
pub fn namesakes(api: &Api) -> Api {
    let other = Api::stand_in();
    let names: Vec<String> = api.with(|kept| kept.nodes.keys().cloned().collect());
    other.with(|kept| {
        kept.uid = "uid-of-another".into();
        for (n, name) in names.iter().enumerate() {
            kept.node(name, &format!("i-of-another-{n}"));
            kept.pod("default", "web", name, |_| {});
        }
    });
    other
}

/// A rollout is killed in a drain, and resumed with a kubeconfig whose context leads to another cluster.
#[test]
fn a_resume_with_the_wrong_kubeconfig_touches_nothing() {
    let kills: [Kill; 3] = [
        (|e| matches!(e, NodeEffect::Taint { .. }), 1),
        (|e| matches!(e, NodeEffect::Cordon { .. }), 2),
        IN_A_DRAIN,
    ];
    for kill in some_of(kills) {
        let (dir, api) = (folder(), Api::new());
        let scene = prepared(dir.path(), &api);
        // No rollout before this one has left a uid.
        for name in scene.clusters().cloned().collect::<Vec<_>>() {
            scene.store().remove_baseline(&name).unwrap();
        }
        begun(&scene, &api, "r2", Some(kill));
        let right = std::fs::read_to_string(api.file()).unwrap();
        let other = namesakes(&api);
        std::fs::copy(other.file(), api.file()).unwrap();
        match resumed(&scene, &api) {
            Outcome::WaitingForAccess { why, .. } => {
                assert!(why.contains("another cluster"), "{why}")
            }
            outcome => panic!("{outcome:?}"),
        }
        assert_eq!(other.with(|kept| kept.log.clone()), Vec::<String>::new());
        assert!(other.with(|kept| kept.calls.iter().all(|c| !c.contains("pods"))));
        nothing_failed(&scene);
        std::fs::write(api.file(), right).unwrap();
        assert_eq!(resumed(&scene, &api), Outcome::Ended(Ending::Finished));
        at_rest(&scene, &api);
    }
}

/// The same, and a person asks for the way back before the file is right again: what is in doubt is closed by looking.
#[test]
fn a_rollback_after_the_wrong_kubeconfig_leaves_no_mark() {
    let kills: [Kill; 2] = [
        (|e| matches!(e, NodeEffect::Taint { .. }), 1),
        (|e| matches!(e, NodeEffect::Cordon { .. }), 2),
    ];
    for kill in some_of(kills) {
        let (dir, api) = (folder(), Api::new());
        let scene = prepared(dir.path(), &api);
        begun(&scene, &api, "r2", Some(kill));
        let right = std::fs::read_to_string(api.file()).unwrap();
        let other = namesakes(&api);
        std::fs::copy(other.file(), api.file()).unwrap();
        let request = kfleet::store::Request::Rollback {
            by: "test".into(),
            reason: "enough".into(),
        };
        scene.store().request("r2", &request).unwrap();
        let outcome = resumed(&scene, &api);
        assert!(
            matches!(outcome, Outcome::WaitingForAccess { .. }),
            "{outcome:?}"
        );
        assert_eq!(other.with(|kept| kept.log.clone()), Vec::<String>::new());
        std::fs::write(api.file(), right).unwrap();
        assert_eq!(resumed(&scene, &api), Outcome::Ended(Ending::RolledBack));
        unmarked(&scene, &api);
    }
}

/// A right that is away for some minutes, and an admission that says no for as long, are waited for.
#[test]
fn a_right_that_is_away_for_a_while_turns_nothing_back() {
    let situations: [fn(&mut Kept); 4] = [
        |kept| {
            kept.denied.insert("patch nodes".into());
        },
        |kept| kept.admission = Some(Admission::Webhook(429, "not now")),
        |kept| kept.admission = Some(Admission::Unreachable),
        |kept| {
            kept.denied.insert("create pods/eviction".into());
        },
    ];
    for situation in some_of(situations) {
        let (dir, api) = (folder(), Api::new());
        let scene = prepared(dir.path(), &api);
        begun(
            &scene,
            &api,
            "r2",
            Some((|e| matches!(e, NodeEffect::Cordon { .. }), 1)),
        );
        api.with(|kept| {
            situation(kept);
            kept.mended_at = Some(kept.now + api.either(240, 45));
        });
        assert_eq!(resumed(&scene, &api), Outcome::Ended(Ending::Finished));
        nothing_failed(&scene);
        at_rest(&scene, &api);
    }
}

/// A webhook that denies for good is a drain that is blocked: its words are told, the node is given back, a person decides.
#[test]
fn a_webhook_that_denies_is_a_blocked_drain_with_its_words() {
    let (dir, api) = (folder(), Api::new());
    let mut scene = prepared(dir.path(), &api);
    if api.is_real() {
        scene.rolling.drain.timeout = Span::from_secs(20);
    }
    let words = "the database is moving until Monday";
    let admission = match api.is_real() {
        true => Admission::Policy(403, "Forbidden", words),
        false => Admission::Webhook(403, words),
    };
    api.with(|kept| kept.admission = Some(admission));
    let rollout = scene.rollout(&api.meet(scene.world()), "r2", &[]);
    let (mut journal, _) = Journal::begin(&scene.store(), &rollout).unwrap();
    let outcome = carry(&scene, &api, &mut journal, None);
    assert_eq!(outcome.unwrap().unwrap(), Outcome::Stuck);
    drop(journal);
    nothing_failed(&scene);
    let said = events(&scene).into_iter().find_map(|e| match e {
        Event::Cluster(_, ClusterEvent::Stuck { why, advice, .. }) => Some((
            kfleet::report::reason_text(&why),
            kfleet::report::advice_text(&advice, kfleet::report::RESUME),
        )),
        _ => None,
    });
    let (why, advice) = said.unwrap();
    assert!(
        why.contains("403") && why.contains("the database is moving until Monday"),
        "{why}"
    );
    assert!(
        why.contains("ReplicaSet default/web") && why.contains("asked"),
        "{why}"
    );
    assert!(advice.contains("admission webhook"), "{advice}");
    let cordoned = api.with(|kept| {
        kept.nodes
            .values()
            .filter(|n| n["spec"]["unschedulable"] == true)
            .count()
    });
    assert_eq!(cordoned, 0, "the node works on until somebody decides");
    api.with(|kept| kept.admission = None);
    assert_eq!(resumed(&scene, &api), Outcome::Ended(Ending::Finished));
    at_rest(&scene, &api);
}

pub fn workers(api: &Api) -> Vec<String> {
    api.with(|kept| {
        let worker = |n: &serde_json::Value| {
            n["metadata"]["labels"]["node-role.kubernetes.io/control-plane"].is_null()
        };
        kept.nodes
            .iter()
            .filter(|(_, n)| worker(n))
            .map(|(name, _)| name.clone())
            .collect()
    })
}

/// One dead kubelet costs one dead kubelet: it is replaced first, its pods are not waited for beyond their grace, and no gate is failed by it.
#[test]
fn a_node_with_a_dead_kubelet_is_replaced_alone() {
    for canary in some_of([0, 1]) {
        let (dir, api) = (folder(), Api::new());
        let mut scene = prepared(dir.path(), &api);
        scene.rolling.canary = canary;
        let dead = workers(&api).remove(1);
        // As the taint manager leaves its pods: told to go, and nobody there to end them.
        api.kubelet_dies(&dead);
        begun(&scene, &api, "r2", None);
        nothing_failed(&scene);
        assert!(
            events(&scene)
                .iter()
                .all(|e| !matches!(e, Event::Group(_, _, GroupEvent::SetAside { .. }))),
            "canary {canary}"
        );
        let first = events(&scene).into_iter().find_map(|e| match e {
            Event::Group(
                _,
                group,
                GroupEvent::DrainStarted {
                    node: Some(node), ..
                },
            ) if group.as_str().starts_with("nodes.") => Some(node),
            _ => None,
        });
        assert_eq!(
            first.unwrap().as_str(),
            dead,
            "canary {canary}: the dead one goes first"
        );
        unmarked(&scene, &api);
        assert!(api.with(|kept| !kept.nodes.contains_key(&dead)));
    }
}

/// Somebody deletes the Node object in the middle of its drain: gone from the API is not empty.
#[test]
fn a_deleted_node_object_keeps_the_grace_of_its_pods() {
    let (dir, api) = (folder(), Api::new());
    let grace = api.either(120, 12);
    let scene = with_grace(dir.path(), &api, grace);
    begun(
        &scene,
        &api,
        "r2",
        Some((|e| matches!(e, NodeEffect::Evict { .. }), 1)),
    );
    let node = api.with(|kept| {
        let drained = kept
            .nodes
            .iter()
            .find(|(_, n)| n["spec"]["unschedulable"] == true);
        let name = drained.unwrap().0.clone();
        kept.nodes.remove(&name);
        kept.deleted.insert(name.clone());
        name
    });
    assert_eq!(resumed(&scene, &api), Outcome::Ended(Ending::Finished));
    nothing_failed(&scene);
    let records = scene.store().records("r2").unwrap();
    let (mut drained, mut asked, mut ended) = (None, None, None);
    for record in &records {
        match &record.event {
            Event::Group(
                _,
                _,
                GroupEvent::DrainStarted {
                    node: Some(name),
                    instance,
                    ..
                },
            ) if name.as_str() == node => drained = Some(instance.clone()),
            Event::Step(_, StepEvent::Intent { effect, .. }) => match &**effect {
                Effect::Node(NodeEffect::Evict { node: name, .. }) if name.as_str() == node => {
                    asked = Some(record.at)
                }
                Effect::Cloud(kfleet::model::CloudEffect::Terminate { instance, .. })
                    if Some(instance) == drained.as_ref() =>
                {
                    ended = ended.or(Some(record.at))
                }
                _ => {}
            },
            _ => {}
        }
    }
    let waited = ended.unwrap().since(asked.unwrap());
    assert!(waited >= Span::from_secs(grace), "{waited}");
}

/// Forced pods have a grace of more than a look: the node is neither set aside nor uncordoned meanwhile, and no two of one owner go at once.
#[test]
fn force_takes_one_pod_of_an_owner_at_a_time() {
    use kfleet::fleet::OnTimeout;
    let (dir, api) = (folder(), Api::new());
    let mut scene = with_grace(dir.path(), &api, api.either(45, 5));
    scene.rolling.drain.on_timeout = OnTimeout::Force;
    scene.rolling.drain.timeout = Span::from_secs(api.either(60, 5));
    scene.rolling.drain.min_pod_age = Span::from_secs(api.either(30, 2));
    api.with(|kept| kept.budgets.values_mut().for_each(|b| *b = None));
    begun(&scene, &api, "r2", None);
    nothing_failed(&scene);
    assert!(
        events(&scene)
            .iter()
            .all(|e| !matches!(e, Event::Group(_, _, GroupEvent::SetAside { .. })))
    );
    let (overlaps, forced) = api.with(|kept| {
        let forced = kept.log.iter().filter(|l| l.starts_with("delete ")).count();
        (kept.overlaps.clone(), forced)
    });
    assert_eq!(overlaps, Vec::<String>::new());
    assert!(forced >= if api.is_real() { 6 } else { 12 }, "{forced}");
    unmarked(&scene, &api);
}

/// A context that leads to an empty cluster proves nothing: whatever has no node there would be ended undrained.
#[test]
fn an_api_without_a_node_is_not_taken_for_the_cluster() {
    let (dir, api) = (folder(), Api::new());
    let mut scene = prepared(dir.path(), &api);
    if api.is_real() {
        scene.rolling.ready_timeout = Span::from_secs(20);
    }
    for name in scene.clusters().cloned().collect::<Vec<_>>() {
        scene.store().remove_baseline(&name).unwrap();
    }
    let empty = Api::stand_in();
    empty.with(|kept| kept.uid = "uid-of-an-empty-cluster".into());
    std::fs::copy(empty.file(), api.file()).unwrap();
    let rollout = scene.rollout(&api.meet(scene.world()), "r2", &[]);
    let (mut journal, _) = Journal::begin(&scene.store(), &rollout).unwrap();
    let outcome = carry(&scene, &api, &mut journal, None);
    assert_eq!(outcome.unwrap().unwrap(), Outcome::Stuck);
    drop(journal);
    let touched = |e: &Event| {
        matches!(
            e,
            Event::Step(_, StepEvent::Intent { .. })
                | Event::Cluster(_, ClusterEvent::Preflight { .. })
        )
    };
    assert_eq!(events(&scene).iter().filter(|e| touched(e)).count(), 0);
}
