//! Load balancers of Services: a node is out of them, and they have let go of it, before its instance ends.

use std::collections::BTreeMap;

use kfleet::model::{CloudEffect, InstanceId, Timestamp};

use super::*;

/// Where a load balancer of a Service sends to the nodes: the instances that end, each with the time between the word about it and its end.
fn ends_after_balancers(scene: &Scene) -> (Vec<Record>, Vec<i64>) {
    let (_, records) = scene.start("r2");
    let mut since: BTreeMap<InstanceId, Timestamp> = BTreeMap::new();
    let mut waits = Vec::new();
    for record in &records {
        match &record.event {
            Event::Group(_, _, GroupEvent::BalancersAwaited { instance, .. }) => {
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

fn balanced(dir: &std::path::Path, fault: &str, limit: i64) -> Scene {
    let mut scene = Scene::small(dir, &[("nodes", 4, 6, false)]);
    scene.rolling.drain.balancers = Span::from_secs(limit);
    let mut scene = scene.made();
    scene.faults = vec![fault.into()];
    scene
}

fn balancers_had_their_time(record: &&Record) -> bool {
    matches!(
        record.event,
        Event::Group(_, _, GroupEvent::BalancersAwaited { over: true, .. })
    )
}

#[test]
fn balancers_let_go_of_a_node_before_its_instance_ends() {
    let dir = folder();
    let scene = balanced(dir.path(), "balancer:nodes:300", 360);
    let (records, waits) = ends_after_balancers(&scene);
    in_order(&records, &["group-done staging/nodes", "finished"]);
    assert_eq!(waits.len(), 4, "{:#?}", trace(&records));
    assert!(waits.iter().all(|s| (120..=300).contains(s)), "{waits:?}");
    assert_eq!(records.iter().filter(balancers_had_their_time).count(), 0);
    clean(&scene);
}

#[test]
fn balancers_that_send_on_have_a_time_of_their_own() {
    for fault in ["balancer:nodes:3600", "balancer:nodes:unread"] {
        let dir = folder();
        let scene = balanced(dir.path(), fault, 60);
        let (records, waits) = ends_after_balancers(&scene);
        assert_eq!(waits.len(), 4, "{fault}: {:#?}", trace(&records));
        assert!(waits.iter().all(|s| (60..=90).contains(s)), "{waits:?}");
        let over = records.iter().filter(balancers_had_their_time).count();
        assert_eq!(over, 4, "{fault}");
    }
    // What is not waited for is not said.
    let dir = folder();
    let scene = balanced(dir.path(), "balancer:nodes:300", 0);
    let (_, waits) = ends_after_balancers(&scene);
    assert_eq!(waits, Vec::<i64>::new());
}
