//! Whole rollouts beside servers that go away and come back, webhooks that answer for themselves, and a machine that is off for good.

use std::cell::Cell;

use kfleet::model::{Effect, NodeEffect, OldNodes, Span};
use kfleet::rollout::{Ending, Event, StepEvent};
use kfleet::run::Outcome;
use kfleet::store::Journal;

use crate::api::{Admission, Api};
use crate::support::folder;
use crate::trouble::{events, nothing_failed, resumed, workers};
use crate::whole::{Kill, at_rest, begun, carry_beside, prepared, some_of, unmarked};

fn eviction(event: &Event) -> bool {
    let Event::Step(_, StepEvent::Intent { effect, .. }) = event else {
        return false;
    };
    matches!(**effect, Effect::Node(NodeEffect::Evict { .. }))
}

/// A roll of the control plane restarts every API server: here it is killed just before pods are asked to go.
#[test]
fn an_api_server_that_restarts_in_drains_costs_nothing() {
    let (dir, api) = (folder(), Api::new());
    let scene = prepared(dir.path(), &api);
    let rollout = scene.rollout(&api.meet(scene.world()), "r2", &[]);
    let (mut journal, _) = Journal::begin(&scene.store(), &rollout).unwrap();
    let asked = Cell::new(0);
    let outcome = carry_beside(&scene, &api, &mut journal, None, |event| {
        if eviction(event) {
            asked.set(asked.get() + 1);
            if asked.get() <= 3 {
                api.restarts();
            }
        }
    });
    drop(journal);
    assert_eq!(outcome.unwrap().unwrap(), Outcome::Ended(Ending::Finished));
    assert!(asked.get() >= 3, "{}", asked.get());
    nothing_failed(&scene);
    at_rest(&scene, &api);
}

/// What a webhook with a server of its own says no to for a while, or takes too long over, is waited for.
#[test]
fn a_webhook_of_its_own_words_is_waited_for() {
    for admission in [Admission::Webhook(429, "not now"), Admission::Slow] {
        let (dir, api) = (folder(), Api::new());
        let scene = prepared(dir.path(), &api);
        let kill: Kill = (|e| matches!(e, NodeEffect::Cordon { .. }), 1);
        begun(&scene, &api, "r2", Some(kill));
        api.with(|kept| {
            kept.admission = Some(admission);
            kept.mended_at = Some(kept.now + api.either(240, 30));
        });
        assert_eq!(resumed(&scene, &api), Outcome::Ended(Ending::Finished));
        nothing_failed(&scene);
        at_rest(&scene, &api);
    }
}

/// The instance of a dead kubelet has ended, and its Node object is still there: the pods on it are ended by Kubernetes once it is tainted as
/// out of service, and the taint is gone with them.
#[test]
fn a_machine_that_is_off_is_told_to_be_out_of_service() {
    for canary in some_of([0, 1]) {
        let (dir, api) = (folder(), Api::new());
        let mut scene = prepared(dir.path(), &api);
        scene.rolling.canary = canary;
        if api.is_real() {
            scene.rolling.drain.timeout = Span::from_secs(120);
        }
        let dead = workers(&api).remove(1);
        api.kubelet_dies(&dead);
        // Whoever deletes nodes of instances that have ended is not there.
        api.with(|kept| kept.left_over.insert(dead.clone()));
        begun(&scene, &api, "r2", None);
        nothing_failed(&scene);
        let steps: Vec<NodeEffect> = events(&scene).iter().filter_map(node_step).collect();
        let of = |fits: fn(&NodeEffect) -> bool| {
            let at = steps.iter().position(fits);
            at.unwrap_or_else(|| panic!("canary {canary}: {steps:?}"))
        };
        let off = of(|e| matches!(e, NodeEffect::OutOfService { .. }));
        let back = of(|e| matches!(e, NodeEffect::BackInService { .. }));
        assert!(off < back, "canary {canary}: {steps:?}");
        let left = api.with(|kept| {
            let on = |p: &serde_json::Value| {
                p["spec"]["nodeName"] == *dead && p["metadata"]["namespace"] == "default"
            };
            let left = kept.pods.values().filter(|p| on(p)).count();
            // The object goes in the end, with what the drain wrote on it.
            kept.left_over.clear();
            kept.nodes.remove(&dead);
            left
        });
        assert_eq!(left, 0, "canary {canary}");
        unmarked(&scene, &api);
    }
}

fn node_step(event: &Event) -> Option<NodeEffect> {
    let Event::Step(_, StepEvent::Intent { effect, .. }) = event else {
        return None;
    };
    match &**effect {
        Effect::Node(effect) => Some(effect.clone()),
        Effect::Cloud(_) | Effect::Kops(_) => None,
    }
}

/// Each pod has to move once. Where old nodes are only the second choice, the scheduler may still take one of them, and the pod moves again.
#[test]
fn where_old_nodes_are_avoided_each_pod_moves_once() {
    for old_nodes in [OldNodes::Prefer, OldNodes::Avoid] {
        let (dir, api) = (folder(), Api::new());
        let mut scene = prepared(dir.path(), &api);
        scene.rolling.old_nodes = old_nodes;
        let pods = |api: &Api| {
            api.with(|kept| {
                let ours = kept.pods.keys().filter(|(space, _)| space == "default");
                ours.count()
            })
        };
        let before = pods(&api);
        begun(&scene, &api, "r2", None);
        nothing_failed(&scene);
        let moves = api.with(|kept| kept.evicted.len());
        println!("{old_nodes:?}: {moves} moves of {before} pods");
        assert!(moves >= before, "{old_nodes:?}: {moves} of {before}");
        if old_nodes == OldNodes::Avoid {
            assert_eq!(moves, before);
        }
        at_rest(&scene, &api);
    }
}
