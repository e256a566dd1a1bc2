//! Scale-in protection of what a surge brings.

use std::collections::BTreeSet;

use kfleet::model::InstanceId;

use super::*;

/// Instances protected, those given free again, and those ended, in the order of the journal.
fn protections(
    records: &[Record],
    group: &str,
) -> (Vec<InstanceId>, BTreeSet<InstanceId>, BTreeSet<InstanceId>) {
    let (mut held, mut free, mut ended) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for record in records {
        let Event::Step(_, StepEvent::Intent { effect, .. }) = &record.event else {
            continue;
        };
        match &**effect {
            Effect::Cloud(CloudEffect::Protect {
                group: of,
                instances,
                protect,
            }) if of.as_str() == group => {
                if *protect {
                    held.extend(instances.iter().cloned())
                } else {
                    free.extend(instances.iter().cloned())
                }
            }
            Effect::Cloud(CloudEffect::Terminate {
                group: of,
                instance,
                ..
            }) if of.as_str() == group => drop(ended.insert(instance.clone())),
            _ => {}
        }
    }
    (held, free, ended)
}

fn surging(dir: &std::path::Path) -> Scene {
    Scene::small(dir, &[("nodes", 6, 12, false), ("full", 2, 2, false)])
}

#[test]
fn surge_is_protected_until_it_is_released() {
    let dir = folder();
    let scene = surging(dir.path()).made();
    let records = rolls(&scene, "r2");
    in_order(
        &records,
        &[
            "step set-desired staging/nodes",
            "step protect staging/nodes",
            "step cordon staging/nodes",
            "step terminate staging/nodes",
            "step protect staging/nodes",
            "group-done staging/nodes",
        ],
    );
    let (held, free, ended) = protections(&records, "nodes.staging.k8s.test");
    let once: BTreeSet<InstanceId> = held.iter().cloned().collect();
    assert_eq!((once.len(), held.len()), (6, 6), "each new instance once");
    assert_eq!(free, once);
    assert!(ended.is_disjoint(&once));
    // What is detached and what is of the control plane has no surge.
    never(
        &records,
        &[
            "step protect staging/full",
            "step protect staging/control-plane-a",
        ],
    );
}

#[test]
fn protection_by_definition_is_left_alone() {
    let dir = folder();
    let mut scene = surging(dir.path());
    scene.node_spec = "  instanceProtection: true\n";
    let scene = scene.made();
    let records = rolls(&scene, "r2");
    in_order(
        &records,
        &[
            "step set-desired staging/nodes",
            "step cordon staging/nodes",
            "group-done staging/nodes",
        ],
    );
    never(&records, &["step protect staging/nodes"]);
}

#[test]
fn on_the_way_back_what_has_to_go_is_protected_no_more() {
    let dir = folder();
    let mut scene = surging(dir.path()).made();
    scene.rolling.canary = 0;
    // Only the whole cluster is asked, when everything is changed; it does not pass without a command.
    scene.gates.push(GateSpec {
        name: "smoke".into(),
        kind: GateKind::Command(Vec::new()),
        deadline: Span::from_secs(600),
        at: None,
        samples: kfleet::fleet::Samples::default(),
    });
    let records = goes_back(&scene);
    let (held, free, _) = protections(&records, "nodes.staging.k8s.test");
    assert_eq!(
        held.len(),
        12,
        "those of the way there, and those of the way back"
    );
    assert_eq!(free, held.into_iter().collect());
    // The canary failed in the middle of its surge: its protection ends before it is drained.
    let dir = folder();
    let mut scene = surging(dir.path()).made();
    scene.faults = vec!["sick-image:image-2".into()];
    scene.rolling.ready_timeout = Span::from_secs(900);
    goes_back(&scene);
}
