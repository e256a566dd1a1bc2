//! What only kops can carry out and was recorded as done: said until it is seen, or until a person says that it never will be.

use crate::bed::Bed;

const REBALANCE: &str = "enableRebalanceMonitoring: false";

/// Recorded as done with other means: a change that kops puts into an addon, and no node ever shows.
fn adopted() -> Bed {
    let bed = Bed::built();
    bed.change(
        "templates/1_cluster.yaml.j2",
        REBALANCE,
        "enableRebalanceMonitoring: true\n    enableRebalanceDraining: true",
    );
    bed.run("rollout start --auto-approve --adopt-documents --quiet")
        .ends(0);
    bed
}

#[test]
fn what_no_node_will_show_is_acknowledged_by_name() {
    let bed = adopted();
    let waits = bed.run("plan").ends(2).out;
    for part in [
        "nodeTerminationHandler.enableRebalanceMonitoring",
        "still boot as before",
        "rollout acknowledge",
    ] {
        assert!(waits.contains(part), "nothing about {part:?} in\n{waits}");
    }
    let acknowledge = |clusters: &[&str], document: &str, reason: &str| {
        let words = [
            "rollout",
            "acknowledge",
            "--document",
            document,
            "--reason",
            reason,
        ];
        bed.run_words(&[&words[..], clusters].concat())
    };
    let (acme, globex) = ("staging-acme.k8s.foo.bar", "staging-globex.k8s.foo.bar");
    let before = bed.tree();
    acknowledge(&[acme], "Cluster", " ").refuses(&["the reason is empty"]);
    acknowledge(&[acme, globex], "InstanceGroup/admin-nodes", "why").refuses(&[
        "staging-acme.k8s.foo.bar: `InstanceGroup/admin-nodes` waits for nothing",
        "waiting to be seen: Cluster/staging-acme.k8s.foo.bar",
    ]);
    acknowledge(&[acme, "nobody.k8s.foo.bar"], "Cluster", "why")
        .refuses(&["the fleet has no cluster `nobody.k8s.foo.bar`"]);
    let same = |path: &std::path::PathBuf, _: &mut Vec<u8>| path.starts_with(".kfleet/baselines");
    let (mut before, mut after) = (before, bed.tree());
    before.retain(same);
    after.retain(same);
    crate::bed::assert_same(&before, &after);

    let said = acknowledge(&[acme, globex], "Cluster", "kops update was run on Monday").ends(0);
    assert!(
        said.out
            .contains("staging-acme.k8s.foo.bar: Cluster/staging-acme.k8s.foo.bar is acknowledged"),
        "{}",
        said.out
    );
    let stage = bed.run("plan --stage staging").ends(0).out;
    for part in [
        "no changes",
        "acknowledged by anna",
        "kops update was run on Monday",
    ] {
        assert!(stage.contains(part), "nothing about {part:?} in\n{stage}");
    }
    // The others still wait.
    bed.run("plan").ends(2);
    // The next rollout forgets neither.
    bed.change(
        "vars/staging.yaml",
        "admin_nodes: {min: 2, max: 4}",
        "admin_nodes: {min: 2, max: 5}",
    );
    bed.run("rollout start --auto-approve --quiet").ends(0);
    let later = bed.run("plan --verbose").ends(2).out;
    assert!(
        later.contains("acknowledged by anna") && later.contains("still boot as before"),
        "{later}"
    );
    // Another change of the same document is another one.
    bed.change(
        "templates/1_cluster.yaml.j2",
        "enableSQSTerminationDraining: true",
        "enableSQSTerminationDraining: false",
    );
    bed.run("rollout start --auto-approve --adopt-documents --quiet")
        .ends(0);
    let other = bed.run("plan --stage staging").ends(2).out;
    assert!(
        other.contains("enableSQSTerminationDraining") && other.contains("still boot as before"),
        "{other}"
    );
}

#[test]
fn a_saved_plan_does_not_forget_what_was_acknowledged_since() {
    let bed = adopted();
    bed.change(
        "vars/staging.yaml",
        "admin_nodes: {min: 2, max: 4}",
        "admin_nodes: {min: 2, max: 5}",
    );
    let file = bed.path("plan.json").display().to_string();
    bed.run(&format!("plan --stage staging --out {file}"))
        .ends(2);
    let clusters = "staging-acme.k8s.foo.bar staging-globex.k8s.foo.bar";
    bed.run(&format!(
        "rollout acknowledge {clusters} --document Cluster --reason done"
    ))
    .ends(0);
    bed.run(&format!("rollout start --auto-approve --plan {file}"))
        .ends(0);
    let said = bed.run("plan --stage staging").ends(0).out;
    assert!(said.contains("acknowledged by anna"), "{said}");
}

#[test]
fn nothing_is_acknowledged_while_a_rollout_is_under_way() {
    let bed = adopted();
    bed.change(
        "vars/staging.yaml",
        "admin_nodes: {min: 2, max: 4}",
        "admin_nodes: {min: 2, max: 5}",
    );
    bed.run("rollout start --quiet --stage staging --max-wait 0s")
        .ends(3);
    bed.run("rollout acknowledge staging-acme.k8s.foo.bar --document Cluster --reason done")
        .refuses(&["is not finished", "kfleet rollout resume"]);
}
