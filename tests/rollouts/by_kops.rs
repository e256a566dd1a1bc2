//! Clusters whose engine is kops: made, changed and taken back by the simulated kops, group by group.

use super::*;
use std::collections::{BTreeMap, BTreeSet};

use kfleet::cloud::Place;
use kfleet::engine::Engine as _;
use kfleet::fleet::{Engine, Strategy};
use kfleet::model::{KopsEffect, Stored};
use support::block;

/// A scene whose clusters kops has made.
fn made(dir: &std::path::Path) -> Scene {
    let mut scene = Scene::small(dir, &[NODES]);
    scene.zones = vec!["a", "b", "c"];
    scene.engine = Engine::Kops;
    ends(scene.start("made"), Ending::Finished);
    scene
}

/// Where staging is.
fn staging() -> Place {
    Place {
        cluster: name("staging.k8s.test"),
        account: name("111122223333"),
        region: name("eu-west-3"),
    }
}

/// What kops has stored of staging.
fn stored(scene: &Scene) -> BTreeMap<String, serde_json::Value> {
    let (Stored::Known(documents), _) = block(scene.world().stored(&staging())) else {
        panic!("the simulated kops always answers");
    };
    documents
}

/// The Kubernetes version that kops has stored of staging.
fn stored_version(scene: &Scene) -> String {
    let cluster = &stored(scene)["Cluster/staging.k8s.test"];
    let version = cluster["spec"]["kubernetesVersion"].as_str();
    version.unwrap().to_owned()
}

#[track_caller]
fn nothing_to_do(scene: &Scene) {
    let plan = scene.plan(&scene.world(), Allow::default());
    assert!(plan.is_empty(), "{plan:#?}");
}

fn rollback() -> Request {
    Request::Rollback {
        by: "test".into(),
        reason: "test".into(),
    }
}

#[test]
fn kops_makes_a_cluster_and_then_nothing_is_left() {
    let dir = folder();
    let scene = made(dir.path());
    nothing_to_do(&scene);
}

#[test]
fn a_kubernetes_version_goes_through_the_control_plane_first() {
    let dir = folder();
    let mut scene = made(dir.path());
    scene.kubernetes = "1.32.9";
    let plan = scene.plan(&scene.world(), Allow::default());
    let staging = plan.clusters.values().next().unwrap();
    assert!(staging.blocked.is_empty(), "{:?}", staging.blocked);
    let replaced: usize = staging.groups.values().map(|g| g.instances()).sum();
    assert_eq!(replaced, 3 + 3, "all of them: {:?}", staging.groups.keys());
    let records = ends(scene.start("patch"), Ending::Finished);
    in_order(
        &records,
        &[
            "step publish staging/control-plane-a",
            "step update staging/control-plane-a",
            "step pin-version staging/control-plane-a",
            "group-done staging/control-plane-a",
            "step update staging/control-plane-b",
            "group-done staging/control-plane-c",
            "step update staging/nodes",
            "step pin-version staging/nodes",
            "canary-up staging/nodes",
            "cluster-verified staging",
        ],
    );
    assert_eq!(count(&records, "step publish staging/control-plane-a"), 1);
    nothing_to_do(&scene);
}

#[test]
fn a_sick_version_of_kops_goes_back_by_kops() {
    let dir = folder();
    let mut scene = made(dir.path());
    scene.image = "image-2".into();
    scene.kubernetes = "1.32.9";
    scene.faults = vec!["sick-image:image-2".into()];
    let records = goes_back(&scene);
    in_order(
        &records,
        &[
            "step update staging/control-plane-a",
            "failed staging/control-plane-a",
            "rollback-started",
            "step publish staging/control-plane-a",
            "step update staging/control-plane-a",
            "step pin-version staging/control-plane-a",
            "cluster-restored staging",
            "rolled-back",
        ],
    );
    never(&records, &["step update staging/nodes"]);
    assert_eq!(stored_version(&scene), "1.32.0");
    scene.image = "image-1".into();
    scene.kubernetes = "1.32.0";
    nothing_to_do(&scene);
}

#[test]
fn a_person_can_go_back_while_kops_is_at_work() {
    for stop in [
        "step publish staging/control-plane-a",
        "group-started staging/control-plane-b",
        "canary-up staging/nodes",
        "group-done staging/nodes",
    ] {
        let dir = folder();
        let mut scene = made(dir.path());
        let before = scene.shape();
        scene.kubernetes = "1.32.9";
        let records = ends(asked_at(&scene, stop, &rollback()), Ending::RolledBack);
        assert_eq!(scene.shape(), before, "{stop}");
        assert_eq!(stored_version(&scene), "1.32.0");
        scene.kubernetes = "1.32.0";
        nothing_to_do(&scene);
        if stop == "group-done staging/nodes" {
            // The nodes first: their kubelets may not be newer than the API servers.
            in_order(
                &records,
                &[
                    "rollback-started",
                    "step publish staging/nodes",
                    "step update staging/nodes",
                    "group-done staging/nodes",
                    "step update staging/control-plane-c",
                    "step update staging/control-plane-a",
                    "rolled-back",
                ],
            );
        }
    }
}

#[test]
fn what_was_stored_and_not_carried_out_is_planned_again() {
    let dir = folder();
    let mut scene = made(dir.path());
    scene.kubernetes = "1.32.9";
    let request = Request::Abort {
        by: "test".into(),
        reason: "test".into(),
    };
    ends(
        asked_at(&scene, "group-started staging/control-plane-b", &request),
        Ending::Aborted,
    );
    assert_eq!(stored_version(&scene), "1.32.9");
    let plan = scene.plan(&scene.world(), Allow::default());
    let staging = plan.clusters.values().next().unwrap();
    assert!(staging.documents.is_empty() && staging.groups.len() == 4);
    ends(scene.start("again"), Ending::Finished);
    nothing_to_do(&scene);
}

/// What kops itself would still do to all of a cluster.
fn left(scene: &Scene) -> Vec<String> {
    let documents = stored(scene);
    let groups = documents
        .keys()
        .filter_map(|key| Some(name(key.strip_prefix("InstanceGroup/")?)))
        .collect();
    let left = block(scene.world().left(&staging(), &groups)).unwrap();
    left.tasks.into_iter().collect()
}

/// kops makes add-ons (replicas, the groups that an autoscaler may size) of the groups that it is told: of all that are as stored, not of the one
/// whose turn it is.
#[test]
fn what_kops_makes_of_all_groups_is_made_of_all() {
    let dir = folder();
    let mut scene = made(dir.path());
    assert_eq!(left(&scene), Vec::<String>::new(), "made");
    scene.kubernetes = "1.32.9";
    let records = ends(scene.start("patch"), Ending::Finished);
    assert_eq!(left(&scene), Vec::<String>::new(), "rolled");
    // Of a group whose turn has not come, nothing is made.
    let beside: Vec<usize> = records
        .iter()
        .filter_map(|record| match &record.event {
            Event::Step(_, StepEvent::Intent { effect, .. }) => match &**effect {
                Effect::Kops(KopsEffect::Update { beside, .. }) => Some(beside.len()),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(beside, [0, 1, 2, 3]);
    // One group of many: the others are told along.
    scene.groups = Some(vec![NODES, ("more", 1, 2, false)]);
    ends(scene.start("more"), Ending::Finished);
    assert_eq!(left(&scene), Vec::<String>::new(), "one more");
    // Several in one round: the last of them knows of all.
    scene.kubernetes = "1.32.10";
    ends(scene.start("side-by-side"), Ending::Finished);
    assert_eq!(left(&scene), Vec::<String>::new(), "side by side");
    // And on the way back.
    scene.kubernetes = "1.32.11";
    ends(
        asked_at(&scene, "group-done staging/control-plane-b", &rollback()),
        Ending::RolledBack,
    );
    assert_eq!(left(&scene), Vec::<String>::new(), "taken back");
}

/// A cluster that kops has made, and out of whose manifests a group went.
fn one_goes(dir: &std::path::Path) -> Scene {
    let mut scene = Scene::small(dir, &[NODES, ("old", 2, 4, false)]);
    scene.engine = Engine::Kops;
    ends(scene.start("made"), Ending::Finished);
    scene.groups = Some(vec![NODES]);
    scene
}

/// Whether kops has the group stored.
fn is_stored(scene: &Scene, group: &str) -> bool {
    stored(scene).contains_key(&format!("InstanceGroup/{group}"))
}

#[test]
fn kops_forgets_a_group_once_it_is_gone() {
    let dir = folder();
    let scene = one_goes(dir.path());
    let plan = scene.plan(&scene.world(), Allow::default());
    let staging = plan.clusters.values().next().unwrap();
    let blocked = serde_json::to_string(&staging.blocked).unwrap();
    assert!(
        blocked.contains("\"retire\"") && !blocked.contains("by-kops"),
        "{blocked}"
    );
    assert!(is_stored(&scene, "old"));
    let records = ends(scene.start("r2"), Ending::Finished);
    in_order(
        &records,
        &[
            "group-done staging/old",
            "step delete-group staging/old",
            "cluster-verified staging",
        ],
    );
    assert!(!is_stored(&scene, "old") && is_stored(&scene, "nodes"));
    nothing_to_do(&scene);
}

#[test]
fn a_deletion_whose_answers_are_lost_is_finished() {
    for fault in ["no-answer", "lost-answer"] {
        for at in 3..=12 {
            let dir = folder();
            let mut scene = one_goes(dir.path());
            scene.faults = vec![format!("{fault}:{at}")];
            ends(scene.start("r2"), Ending::Finished);
            assert!(!is_stored(&scene, "old"), "{fault} {at}");
            nothing_to_do(&scene);
        }
    }
}

/// What stands in the way of this Kubernetes version.
fn blocked(scene: &Scene) -> String {
    let plan = scene.plan(&scene.world(), Allow::default());
    let blocked = &plan.clusters.values().next().unwrap().blocked;
    serde_json::to_string(blocked).unwrap()
}

#[test]
fn minor_versions_go_up_one_at_a_time_and_never_back() {
    let dir = folder();
    let mut scene = made(dir.path());
    for (version, code) in [
        ("1.34.0", "kubernetes-skips"),
        ("1.31.9", "kubernetes-back"),
        ("1.33.0", "kubernetes-no-way-back"),
    ] {
        scene.kubernetes = version;
        assert!(blocked(&scene).contains(code), "{version}");
    }
    scene.no_way_back = true;
    assert_eq!(blocked(&scene), "[]");
    ends(scene.start("minor"), Ending::Finished);
    nothing_to_do(&scene);
}

#[test]
fn what_fails_after_a_minor_version_is_held_for_a_person() {
    let dir = folder();
    let mut scene = made(dir.path());
    (scene.kubernetes, scene.no_way_back) = ("1.33.0", true);
    scene.image = "image-2".into();
    scene.faults = vec!["sick-image:image-2".into()];
    let (outcome, records) = scene.start("minor");
    assert_eq!(
        outcome.unwrap(),
        Outcome::Held,
        "{}",
        facts(&records).join("\n")
    );
    never(&records, &["rollback-started"]);
}

#[test]
fn what_somebody_stores_meanwhile_is_not_carried_out() {
    let dir = folder();
    let mut scene = made(dir.path());
    scene.kubernetes = "1.32.9";
    let spy = Spy::new(scene.world());
    let rollout = scene.rollout(spy.world(), "r2", &[]);
    let mut other = scene.clone();
    other.kubernetes = "1.32.5";
    let document = other.desired(&name("staging.k8s.test")).manifest().unwrap();
    block(spy.world().publish(&staging(), &[document])).unwrap();
    let (mut journal, first) = Journal::begin(&scene.store(), &rollout).unwrap();
    let mut records = vec![first];
    let outcome = scene.carry(&spy, &mut journal, &scene.drive(), &mut records);
    assert_eq!(outcome.unwrap(), Outcome::Stuck);
    says(&records, "neither what it was nor what it should be");
    never(&records, &["step update staging/control-plane-a"]);
}

#[test]
fn answers_of_kops_that_are_lost_are_asked_for_again() {
    for fault in ["no-answer:5", "lost-answer:4"] {
        let dir = folder();
        let mut scene = made(dir.path());
        scene.kubernetes = "1.32.9";
        scene.faults = vec![fault.into()];
        ends(scene.start("patch"), Ending::Finished);
        nothing_to_do(&scene);
    }
}

#[test]
fn a_kops_that_ends_well_and_does_nothing_is_not_believed() {
    let dir = folder();
    let mut scene = made(dir.path());
    scene.kubernetes = "1.32.9";
    let spy = Spy::new(scene.world());
    spy.idle_kops();
    let (outcome, records) = scene.start_on(&spy, "r2");
    assert_eq!(outcome.unwrap(), Outcome::Stuck);
    never(&records, &["step pin-version staging/control-plane-a"]);
    let journal = serde_json::to_string(&records).unwrap();
    assert!(journal.contains("would still change LaunchTemplate/control-plane-a"));
}

/// The control plane follows a document without a change of its own: the plan says why it is there.
#[test]
fn a_group_that_is_only_asked_says_so() {
    let dir = folder();
    let mut scene = made(dir.path());
    scene.node_spec = "  kubelet: {maxPods: 70}\n";
    let plan = scene.plan(&scene.world(), Allow::default());
    let plain = kfleet::report::Style {
        colour: false,
        full: false,
    };
    let text = kfleet::report::plan_text(&plan, &[], plain);
    for part in [
        "control-plane-c.masters: kops is asked at its turn, for what belongs to no group",
        "nodes: new launch template version, replaces 3 instances",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

fn validated(scene: &mut Scene) {
    scene.gates.push(GateSpec {
        name: "validate".into(),
        kind: GateKind::Kops,
        deadline: Span::from_secs(1800),
        at: None,
        samples: kfleet::fleet::Samples::default(),
    });
}

#[test]
fn kops_is_asked_whether_a_cluster_of_its_own_is_healthy() {
    let dir = folder();
    let mut scene = made(dir.path());
    scene.kubernetes = "1.32.9";
    validated(&mut scene);
    let records = ends(scene.start("patch"), Ending::Finished);
    let said = facts(&records).join("\n");
    assert!(
        said.contains("kops validates the cluster, with 6 nodes"),
        "{said}"
    );
    // Where kops is not the engine there is nobody to ask.
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]).made();
    validated(&mut scene);
    let records = rolls(&scene, "r2");
    assert_eq!(count(&records, "answered staging"), 0);
}

/// A cluster that kops has made, whose nodes AWS replaces, and which waits for another Kubernetes.
fn refreshed(dir: &std::path::Path) -> Scene {
    let mut scene = Scene::small(dir, &[("nodes", 6, 9, false)]);
    scene.engine = Engine::Kops;
    ends(scene.start("made"), Ending::Finished);
    scene.rolling.strategy = Strategy::InstanceRefresh;
    scene.kubernetes = "1.32.9";
    scene
}

/// The version that each instance of the nodes runs.
fn nodes_run(scene: &Scene) -> BTreeSet<u64> {
    let live = scene.live(&scene.world());
    let group = &live.clusters[&scene.staging[0]].groups[&name("nodes.staging.k8s.test")];
    group.instances.values().filter_map(|i| i.version).collect()
}

#[test]
fn a_refresh_brings_the_version_that_kops_has_made() {
    let dir = folder();
    let scene = refreshed(dir.path());
    assert_eq!(blocked(&scene), "[]");
    let records = ends(scene.start("patch"), Ending::Finished);
    in_order(
        &records,
        &[
            // The control plane is ours in any case.
            "step terminate staging/control-plane-a",
            "step update staging/nodes",
            // Before AWS launches anything: what the group ran before does not boot any more.
            "step pin-version staging/nodes",
            "step start-refresh staging/nodes",
            "canary-up staging/nodes",
            "canary-proven staging/nodes",
            "group-done staging/nodes",
        ],
    );
    never(&records, &["step terminate staging/nodes"]);
    let started = records.iter().find_map(|record| match &record.event {
        Event::Step(_, StepEvent::Intent { effect, .. }) => match &**effect {
            Effect::Cloud(CloudEffect::StartRefresh { version, .. }) => Some(*version),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(nodes_run(&scene), BTreeSet::from([started.unwrap()]));
    assert_eq!(started, Some(2));
    nothing_to_do(&scene);
}

/// What AWS would take the refresh back to does not boot before kops has brought the group back.
#[test]
fn a_refresh_of_kops_goes_back_once_kops_has() {
    for stop in [
        "step update staging/nodes",
        "step pin-version staging/nodes",
        "step start-refresh staging/nodes",
        "canary-up staging/nodes",
        "canary-proven staging/nodes",
        "group-done staging/nodes",
    ] {
        let dir = folder();
        let mut scene = refreshed(dir.path());
        let before = scene.shape();
        let records = ends(asked_at(&scene, stop, &rollback()), Ending::RolledBack);
        never(&records, &["step rollback-refresh staging/nodes"]);
        assert_eq!(scene.shape(), before, "{stop}");
        assert_eq!(stored_version(&scene), "1.32.0");
        if stop.starts_with("canary-") {
            in_order(
                &records,
                &[
                    "rollback-started",
                    "step cancel-refresh staging/nodes",
                    "step update staging/nodes",
                    "step pin-version staging/nodes",
                    "step start-refresh staging/nodes",
                    "group-done staging/nodes",
                    "rolled-back",
                ],
            );
        }
        assert_eq!(nodes_run(&scene), BTreeSet::from([1]), "{stop}");
        scene.kubernetes = "1.32.0";
        nothing_to_do(&scene);
    }
}

#[test]
fn an_aborted_refresh_of_kops_is_planned_again() {
    let dir = folder();
    let scene = refreshed(dir.path());
    let request = Request::Abort {
        by: "test".into(),
        reason: "test".into(),
    };
    let records = ends(
        asked_at(&scene, "canary-up staging/nodes", &request),
        Ending::Aborted,
    );
    in_order(&records, &["step cancel-refresh staging/nodes", "aborted"]);
    // What the group launches meanwhile boots.
    let live = scene.live(&scene.world());
    let group = &live.clusters[&scene.staging[0]].groups[&name("nodes.staging.k8s.test")];
    assert_eq!(group.version.number(), 2);
    ends(scene.start("again"), Ending::Finished);
    assert_eq!(nodes_run(&scene), BTreeSet::from([2]));
    nothing_to_do(&scene);
}

/// What a rollout keeps of what kops printed, by name.
fn kept(scene: &Scene, rollout: &str) -> BTreeMap<String, String> {
    let store = scene.store();
    let names = store.outputs(rollout).unwrap();
    let text = |name: String| {
        let text = store.output(rollout, &name).unwrap().unwrap();
        (name, text)
    };
    names.into_iter().map(text).collect()
}

#[test]
fn what_kops_printed_is_kept() {
    let dir = folder();
    let mut scene = made(dir.path());
    validated(&mut scene);
    scene.kubernetes = "1.32.9";
    ends(scene.start("patch"), Ending::Finished);
    let kept = kept(&scene, "patch");
    let of = |part: &str| {
        let found = kept.iter().find(|(name, _)| name.contains(part));
        found
            .unwrap_or_else(|| panic!("{part} in {:?}", kept.keys()))
            .1
    };
    assert!(of(".control-plane-a.masters.staging").contains("$ kops replace"));
    // Before anything is brought to them, of all groups.
    let before = of(".dry-run.staging.k8s.test");
    for task in [
        "LaunchTemplate/control-plane-c",
        "LaunchTemplate/nodes",
        "ManagedFile/nodeupconfig-nodes",
    ] {
        assert!(before.contains(task), "{before}");
    }
    let nodes = of(".nodes.staging.k8s.test");
    assert!(
        nodes.contains("$ kops update cluster --yes --instance-group")
            && nodes.contains("No changes need"),
        "{nodes}"
    );
    assert!(kept.contains_key("kops-validate.staging.k8s.test"));
}

/// A cluster that kops makes is proven before anything else of its wave is touched: what fails in it takes nothing back of what ran.
#[test]
fn a_new_cluster_comes_before_the_others_of_its_wave() {
    let together = || {
        let dir = folder();
        let mut scene = made(dir.path());
        scene.prod = Vec::new();
        scene.staging.push(name("young.k8s.test"));
        scene.image = "image-2".into();
        (dir, scene)
    };
    let (_dir, scene) = together();
    let records = ends(scene.start("r2"), Ending::Finished);
    in_order(
        &records,
        &["cluster-verified young", "cluster-started staging"],
    );
    let (_dir, mut scene) = together();
    scene.faults = vec!["sick-image:image-2".into()];
    // A control plane that never had a quorum is a person's to look at.
    let (outcome, records) = scene.start("r2");
    assert_eq!(outcome.unwrap(), Outcome::Stuck);
    in_order(&records, &["failed young", "stuck young"]);
    never(&records, &["cluster-started staging"]);
}
