//! Every check of `kops validate cluster`, and the gate `kubernetes` that is made of them.

use std::collections::{BTreeMap, BTreeSet};

use kfleet::kops::Role;
use kfleet::model::{AsgName, InstanceId, Lifecycle, LiveCluster, Nodes, Seen, SickPod};
use kfleet::rollout::{Limits, failures, of_this_cluster};

use super::*;

const CLUSTER: &str = "staging.k8s.test";

/// A whole cluster: one control-plane group, and the groups `nodes` and `other`.
fn whole() -> LiveCluster {
    let dir = folder();
    let scene = Scene::small(dir.path(), &[NODES, ("other", 2, 4, false)]).made();
    let live = scene.live(&scene.world());
    live.clusters[&scene.staging[0]].clone()
}

fn group(name: &str) -> AsgName {
    let name = if name == "control-plane-a" {
        format!("{name}.masters.{CLUSTER}")
    } else {
        format!("{name}.{CLUSTER}")
    };
    name.parse().unwrap()
}

fn seen(live: &mut LiveCluster) -> &mut Seen {
    match &mut live.nodes {
        Nodes::Known(seen) => seen,
        other => panic!("{other:?}"),
    }
}

/// The first instance of a group, and what is said of it as `INSTANCE` and of its node as `NODE`.
fn first(live: &LiveCluster, name: &str) -> InstanceId {
    live.groups[&group(name)]
        .instances
        .keys()
        .next()
        .unwrap()
        .clone()
}

fn judged(live: &LiveCluster, groups: &[&str]) -> Vec<String> {
    let roles: BTreeMap<AsgName, Role> = [
        ("control-plane-a", Role::ControlPlane),
        ("nodes", Role::Node),
        ("other", Role::Node),
    ]
    .map(|(n, r)| (group(n), r))
    .into();
    let names: Vec<AsgName> = groups.iter().map(|g| group(g)).collect();
    let groups: BTreeSet<&AsgName> = names.iter().collect();
    let Nodes::Known(seen) = &live.nodes else {
        panic!()
    };
    failures(
        live,
        seen,
        Limits {
            roles: &roles,
            groups: &groups,
        },
    )
    .into_iter()
    .map(|f| kfleet::report::symptom_text(&f.symptom))
    .collect()
}

fn sick(cluster_critical: bool) -> SickPod {
    SickPod {
        pod: "kube-system/p".into(),
        why: "is pending".into(),
        since: Timestamp::from_millis(0),
        cluster_critical,
        owner: None,
    }
}

type Break = fn(&mut LiveCluster, &InstanceId);

/// What is broken; what is then said, with the instance and its node as `I` and `N`; whether it is said when only `other` is looked at.
const CHECKS: [(&str, Break, &str, bool); 11] = [
    (
        "nodes",
        |live, id| {
            drop(
                live.groups
                    .get_mut(&group("nodes"))
                    .unwrap()
                    .instances
                    .remove(id),
            )
        },
        "G: 2 of 3 instances are there",
        false,
    ),
    (
        "nodes",
        |live, id| {
            live.groups
                .get_mut(&group("nodes"))
                .unwrap()
                .instances
                .get_mut(id)
                .unwrap()
                .lifecycle = Lifecycle::Detached
        },
        "G: 2 of 3 instances are there",
        false,
    ),
    (
        "nodes",
        |live, id| seen(live).nodes.retain(|_, n| n.instance != *id),
        "G: I has no node yet",
        false,
    ),
    (
        "nodes",
        |live, id| {
            let node = seen(live)
                .nodes
                .values_mut()
                .find(|n| n.instance == *id)
                .unwrap();
            (node.ready, node.unready_because) = (false, Some("KubeletNotReady: cni".into()));
        },
        "G: I has a node that is not Ready: N (KubeletNotReady: cni)",
        false,
    ),
    (
        "control-plane-a",
        |live, id| seen(live).nodes.retain(|_, n| n.instance != *id),
        "G: I has no node yet",
        true,
    ),
    (
        "nodes",
        |live, _| drop(live.groups.remove(&group("nodes"))),
        "G does not exist",
        false,
    ),
    (
        "nodes",
        |live, id| {
            seen(live)
                .nodes
                .values_mut()
                .find(|n| n.instance == *id)
                .unwrap()
                .sick
                .push(sick(false))
        },
        "critical pod kube-system/p is pending",
        false,
    ),
    (
        "nodes",
        |live, id| {
            seen(live)
                .nodes
                .values_mut()
                .find(|n| n.instance == *id)
                .unwrap()
                .sick
                .push(sick(true))
        },
        "critical pod kube-system/p is pending",
        true,
    ),
    (
        "nodes",
        |live, _| seen(live).waiting.push(sick(true)),
        "critical pod kube-system/p is pending",
        true,
    ),
    (
        "control-plane-a",
        |live, id| {
            seen(live)
                .nodes
                .values_mut()
                .find(|n| n.instance == *id)
                .unwrap()
                .components
                .remove("kube-scheduler");
        },
        "control-plane node N has no pod of kube-scheduler",
        true,
    ),
    (
        "control-plane-a",
        |live, id| {
            seen(live)
                .nodes
                .values_mut()
                .find(|n| n.instance == *id)
                .unwrap()
                .components
                .clear()
        },
        "control-plane node N has no pod of kube-apiserver, kube-controller-manager, kube-scheduler",
        true,
    ),
];

#[test]
fn the_checks_of_kops_are_of_the_group_and_the_plane() {
    let live = whole();
    assert_eq!(judged(&live, &["nodes", "other"]), Vec::<String>::new());
    for (broken, change, said, of_all) in CHECKS {
        let id = first(&live, broken);
        let Nodes::Known(known) = &live.nodes else {
            panic!()
        };
        let node = known
            .nodes
            .iter()
            .find(|(_, n)| n.instance == id)
            .unwrap()
            .0
            .to_string();
        let said: Vec<String> = said
            .split(' ')
            .map(|w| w.replace(':', "\0"))
            .map(|w| match w.trim_end_matches('\0') {
                "G" => w.replace('G', group(broken).as_str()),
                "I" => w.replace('I', id.as_str()),
                "N" => w.replace('N', &node),
                _ => w.clone(),
            })
            .collect();
        let said = said.join(" ").replace('\0', ":");
        let mut sick = live.clone();
        change(&mut sick, &id);
        assert_eq!(judged(&sick, &["nodes"]), std::slice::from_ref(&said));
        assert_eq!(
            judged(&sick, &["other"]),
            if of_all { vec![said] } else { vec![] }
        );
    }
}

#[test]
fn nodes_of_another_cluster_are_nobodys() {
    let (live, mut other) = (whole(), whole());
    let seen = seen(&mut other);
    for (n, node) in seen.nodes.values_mut().enumerate() {
        node.instance = format!("i-other-{n}").parse().unwrap();
    }
    let Nodes::Unknown(why) = of_this_cluster(&live, other.nodes.clone()) else {
        panic!()
    };
    assert!(
        why.why.contains("another cluster") && why.why.contains("i-other-0"),
        "{why}"
    );
    assert_eq!(of_this_cluster(&live, live.nodes.clone()), live.nodes);
    assert_eq!(
        of_this_cluster(&LiveCluster::default(), other.nodes.clone()),
        other.nodes,
        "a cluster that is just being made"
    );
    assert_eq!(
        of_this_cluster(&live, Nodes::Known(Seen::default())),
        Nodes::Known(Seen::default())
    );
}

#[test]
fn critical_pods_that_do_not_run_on_the_new_image_turn_it_back() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES, ("other", 2, 4, false)]).made();
    scene.faults = vec!["sick-pods:image-3".into()];
    scene.odd_image = Some(("nodes", "image-3".into()));
    let before = scene.shape();
    let records = ends(scene.start("r2"), Ending::RolledBack);
    in_order(
        &records,
        &[
            "canary-up staging/nodes",
            "failed staging/nodes",
            "rollback-started",
            "rolled-back",
        ],
    );
    never(&records, &["canary-proven staging/nodes"]);
    says(
        &records,
        "gate `nodes` failed: critical pod kube-system/calico-node-ip-",
    );
    assert_eq!(scene.shape(), before);
    clean(&scene);
}

#[test]
fn more_unready_pods_than_before_the_change_hold_it_back() {
    let dir = folder();
    let scene = Scene::small(dir.path(), &[NODES]).made();
    for (from, held) in [(Span::from_secs(60), true), (Span::ZERO, false)] {
        let dir = folder();
        let scene = Scene {
            dir: dir.path().to_owned(),
            ..scene.clone()
        };
        let scene = Scene {
            image: "image-1".into(),
            ..scene
        }
        .made();
        let spy = Spy::new(scene.world());
        let now = spy.now();
        // One that was unready long before does not count against it.
        let since = if held {
            now + from
        } else {
            Timestamp::from_millis(now.millis() - 3_600_000)
        };
        let until = now + Span::from_secs(1500);
        spy.limping(&scene.staging[0], since, until);
        let records = ends(scene.start_on(&spy, "r2"), Ending::Finished);
        let proven = records
            .iter()
            .find(|r| matches!(r.event, Event::Group(_, _, GroupEvent::CanaryProven { .. })))
            .unwrap()
            .at;
        assert_eq!(proven >= until, held, "{proven} {until}");
    }
}
