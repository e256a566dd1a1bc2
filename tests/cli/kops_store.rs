//! kops' state store in a folder: what kops stored of the fleet is no difference, what it stored otherwise is shown and stops a rollout.

use std::fs;

use kfleet::yaml;
use serde_json::json;

use crate::bed::Bed;

const CLUSTER: &str = "staging-acme.k8s.foo.bar";
const CONFIG: &str = "kops-state/staging-acme.k8s.foo.bar/config";
const GROUP: &str = "kops-state/staging-acme.k8s.foo.bar/instancegroup/admin-nodes";

/// The built fleet, and a state store in which kops has stored what git wants.
fn stored() -> Bed {
    let bed = Bed::built();
    bed.run("render --quiet").ends(0);
    let clusters = kfleet::fleet::load(&bed.path(".")).unwrap().clusters;
    for (name, cluster) in &clusters {
        bed.write(
            &cluster.file,
            &(bed.read(&cluster.file) + "kops: {state_store: ./kops-state}\n"),
        );
        let manifests = bed.read(&format!("rendered/{name}/manifests.yaml"));
        for (path, text) in crate::kept::stored(&manifests, name.as_str()) {
            bed.write(&format!("kops-state/{name}/{path}"), &text);
        }
    }
    // What a plan has no business with is not read.
    bed.write(&format!("kops-state/{CLUSTER}/instancegroup/.keep/x"), "[");
    bed.write(&format!("kops-state/{CLUSTER}/secrets/admin"), "[");
    bed
}

#[test]
fn what_kops_stored_of_the_fleet_is_no_difference() {
    let bed = stored();
    assert_eq!(
        bed.run("plan").ends(0).out,
        "[local] no changes\n[local] looked at 5 clusters and 56 groups\n[local] commit not known: not in a git repository; rendered/ up to date\n"
    );
    bed.run("rollout start --auto-approve").ends(0);
    // Without a baseline too: the store is what is compared with.
    fs::remove_dir_all(bed.path(".kfleet/baselines")).unwrap();
    assert_eq!(
        bed.run("plan").ends(0).out,
        "[local] no changes\n[local] looked at 5 clusters and 56 groups\n[local] commit not known: not in a git repository; rendered/ up to date\n"
    );
}

#[test]
fn a_difference_in_the_kops_store_stops_the_rollout() {
    let bed = stored();
    bed.change(
        CONFIG,
        "maxRequestsInflight: 800",
        "maxRequestsInflight: 100",
    );
    bed.change(GROUP, "net.core.somaxconn=32768", "net.core.somaxconn=128");
    let said = bed.run("plan").ends(2).out;
    for part in [
        "maxRequestsInflight: 100 → 800",
        "net.core.somaxconn",
        "Cluster/staging-acme.k8s.foo.bar",
        "InstanceGroup/admin-nodes",
        "only kops",
    ] {
        assert!(said.contains(part), "nothing about {part:?} in\n{said}");
    }
    assert!(
        !said.contains("maxSize") && !said.contains("creationTimestamp"),
        "{said}"
    );
    bed.run("rollout start --auto-approve").ends(1);
    // Going on without kops hides nothing: the store still says otherwise.
    bed.run("rollout start --auto-approve --adopt-documents --stage staging")
        .ends(0);
    let again = bed.run("plan").ends(2).out;
    for part in [
        "maxRequestsInflight: 100 → 800",
        "InstanceGroup/admin-nodes",
        "it was recorded as done",
    ] {
        assert!(again.contains(part), "nothing about {part:?} in\n{again}");
    }
    bed.change(
        CONFIG,
        "maxRequestsInflight: 100",
        "maxRequestsInflight: 800",
    );
    bed.change(GROUP, "net.core.somaxconn=128", "net.core.somaxconn=32768");
    // The text is as wanted now. That a node boots with it has not been seen, and is said until then.
    let stored = bed.run("plan").ends(2).out;
    assert!(
        stored.contains("still boot as before") && !stored.contains("100 → 800"),
        "{stored}"
    );
}

#[test]
fn a_store_that_lags_behind_git_is_said_until_it_is_published() {
    let bed = stored();
    bed.change(GROUP, "maxSize: 4", "maxSize: 3");
    let said = bed.run("plan").ends(0).out;
    for part in [
        "warning: staging-acme.k8s.foo.bar: kops' state store has 1 group otherwise than git, and the next `kops update` would set that:",
        "admin-nodes: maxSize 4 → 3",
        "kops replace -f rendered/staging-acme.k8s.foo.bar/manifests.yaml",
        "no changes",
    ] {
        assert!(said.contains(part), "nothing about {part:?} in\n{said}");
    }
    // Whoever asks the store alone is told, too.
    let said = bed.run("rollout status").ends(0).out;
    assert!(
        said.starts_with("[local] warning: staging-acme.k8s.foo.bar: kops' state store has 1 group otherwise than git")
            && said.contains("admin-nodes: maxSize 4 → 3"),
        "{said}"
    );
    bed.change(GROUP, "maxSize: 3", "maxSize: 4");
    let said = bed.run("plan").ends(0).out;
    assert!(!said.contains("warning"), "{said}");
    let said = bed.run("rollout status").ends(0).out;
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn groups_that_only_one_side_has_are_named() {
    let bed = stored();
    let text = bed.read(GROUP);
    bed.write(
        "kops-state/staging-acme.k8s.foo.bar/instancegroup/forgotten",
        &text.replace("name: admin-nodes", "name: forgotten"),
    );
    fs::remove_file(bed.path(GROUP)).unwrap();
    let said = bed.run("plan").ends(2).out;
    assert!(
        said.contains("- document InstanceGroup/forgotten")
            && said.contains("+ document InstanceGroup/admin-nodes"),
        "{said}"
    );
    assert!(said.contains("InstanceGroup/forgotten is in kops' state store and not in git: `kops replace` never deletes it"), "{said}");
    bed.run("rollout start --auto-approve").ends(1);
}

#[test]
fn additional_objects_are_compared_when_kops_keeps_them() {
    let bed = stored();
    let manifests = bed.read(&format!("rendered/{CLUSTER}/manifests.yaml"));
    let documents = yaml::parse(&manifests, yaml::Schema::Kops).unwrap();
    let ladder = documents
        .iter()
        .map(|d| d.root.to_json())
        .find(|d| d["metadata"]["name"] == "overprovisioning-ladder")
        .unwrap();
    let path = format!("kops-state/{CLUSTER}/clusteraddons/default");
    bed.write(&path, &yaml::emit(&ladder));
    bed.run("plan").ends(0);
    let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "old", "namespace": "kube-system"}});
    bed.write(
        &path,
        &format!(
            "{}---\n{}",
            yaml::emit(&ladder).replace("[1,1]", "[1,9]"),
            yaml::emit(&other)
        ),
    );
    let said = bed.run("plan").ends(2).out;
    assert!(
        said.contains("~ document ConfigMap/kube-system/overprovisioning-ladder")
            && said.contains("- document ConfigMap/kube-system/old"),
        "{said}"
    );
}

#[test]
fn a_store_that_cannot_be_read_is_no_empty_store() {
    let bed = stored();
    for (path, text, naming) in [
        (CONFIG, "kind: [\n", "config: "),
        (CONFIG, "", "config: 1:1: is no object"),
        (
            GROUP,
            "apiVersion: kops.k8s.io/v1alpha2\nkind: InstanceGroup\nmetadata: {name: other}\n",
            "holds `other`, and kops keeps `admin-nodes` here",
        ),
    ] {
        let good = bed.read(path);
        bed.write(path, text);
        let said = bed.run("plan").ends(2).out;
        assert!(
            said.contains("kops' state store could not be read: ") && said.contains(naming),
            "{said}"
        );
        assert!(
            !said.contains("Cluster/") && !said.contains("InstanceGroup/"),
            "what is not known is no difference\n{said}"
        );
        bed.run("rollout start --auto-approve").ends(1);
        bed.run("rollout start --auto-approve --adopt-documents")
            .ends(1);
        bed.write(path, &good);
    }
    fs::rename(bed.path("kops-state"), bed.path("elsewhere")).unwrap();
    let said = bed.run("plan").ends(2).out;
    assert!(
        said.contains("could not be read: DIR/kops-state: No such file or directory"),
        "{said}"
    );
}

#[test]
fn a_cluster_that_the_store_does_not_know_is_named() {
    let bed = stored();
    fs::rename(
        bed.path(&format!("kops-state/{CLUSTER}")),
        bed.path("elsewhere"),
    )
    .unwrap();
    let said = bed.run("plan").ends(2).out;
    assert!(
        said.contains("kops' state store has no cluster staging-acme.k8s.foo.bar"),
        "{said}"
    );
    assert!(
        said.contains("+ document Cluster/") && !said.contains("InstanceGroup/"),
        "{said}"
    );
}

#[test]
fn a_saved_plan_is_of_what_kops_had_stored() {
    let bed = stored();
    bed.change(
        "vars/staging.yaml",
        "admin_nodes: {min: 2, max: 4}",
        "admin_nodes: {min: 2, max: 5}",
    );
    let file = bed.path("plan.json").display().to_string();
    let start = format!("rollout start --auto-approve --plan {file}");
    bed.run(&format!("plan --out {file}")).ends(2);
    bed.change(
        CONFIG,
        "maxRequestsInflight: 800",
        "maxRequestsInflight: 100",
    );
    bed.refuses(
        &start,
        &["staging-acme.k8s.foo.bar: the live state has moved since the plan was made"],
    );
    // Written again is not changed.
    bed.change(
        CONFIG,
        "maxRequestsInflight: 100",
        "maxRequestsInflight: 800",
    );
    bed.change(CONFIG, "generation: 3", "generation: 4");
    bed.change(GROUP, "maxSize: 4", "maxSize: 9");
    bed.run(&start).ends(0);
}

#[test]
fn a_simulated_account_asks_no_bucket() {
    let bed = stored();
    bed.change(
        "clusters/staging-acme.k8s.foo.bar.yaml",
        "./kops-state",
        "s3://acme-kops-state",
    );
    bed.run("plan").ends(0);
}

/// What kops makes of manifests depends on its release: the simulated one is of the release that the fleet names.
#[test]
fn a_simulated_kops_is_of_the_release_that_is_named() {
    let bed = Bed::new();
    let clusters = kfleet::fleet::load(&bed.path(".")).unwrap().clusters;
    for (name, cluster) in &clusters {
        if name.as_str() != CLUSTER {
            fs::remove_file(bed.path(&cluster.file)).unwrap();
            continue;
        }
        let kops = "engine: kops\nkops: {version: \"1.33\", state_store: ./kops-state}\n";
        bed.write(&cluster.file, &(bed.read(&cluster.file) + kops));
    }
    bed.write(
        "fleet.yaml",
        "version: 1\nstages:\n  - {name: staging, clusters: {environment: staging}, waves: [{parallel: 1}], soak: 0s}\n",
    );
    bed.run("rollout start --auto-approve --allow-dirty test --quiet")
        .ends(0);
    let said = bed.run("plan").ends(0).out;
    assert!(said.contains("no changes"), "{said}");
}

/// What kops would do is asked for by name: with the documents that git has, which are stored nowhere yet; its tasks in the plan, its words in the file.
#[test]
fn a_plan_has_what_kops_would_do() {
    let bed = Bed::new();
    for file in fs::read_dir(bed.path("clusters")).unwrap() {
        let file = format!("clusters/{}", file.unwrap().file_name().display());
        let kops = "engine: kops\nkops: {version: \"1.35\", state_store: s3://acme-kops-state}\n";
        bed.write(&file, &(bed.read(&file) + kops));
    }
    bed.run("rollout start --auto-approve --quiet").ends(0);
    let said = bed.run("plan --kops-dry-run").ends(0).out;
    let quiet =
        format!("kops update of {CLUSTER}, with what git has: nothing: all of it is carried out");
    assert!(said.contains(&quiet), "{said}");
    assert!(!bed.run("plan").ends(0).out.contains("with what git has"));

    bed.change("vars/staging.yaml", "max: 4}", "max: 5}");
    bed.change("vars/defaults.yaml", "max_pods: 110", "max_pods: 70");
    let out = bed.path("plan.json").display().to_string();
    let words = format!("plan --kops-dry-run --verbose --out {out}");
    let said = bed.run(&words).ends(2).out;
    for part in [
        format!("kops update of {CLUSTER}, with what git has: "),
        "LaunchTemplate/admin-nodes.".into(),
        "    Must specify --yes to apply changes".into(),
    ] {
        assert!(said.contains(&part), "no {part:?} in\n{said}");
    }
    let plan: serde_json::Value = serde_json::from_str(&bed.read("plan.json")).unwrap();
    let found = &plan["kops_dry_runs"][CLUSTER]["known"];
    assert!(
        found["text"]
            .as_str()
            .unwrap()
            .contains("Will modify resources"),
        "{found}"
    );
    // Nothing of it is stored: the same plan again.
    let again = bed.run(&words).ends(2).out;
    assert_eq!(again, said);
    // Beside the plan: the file is still one that can be carried out, and what kops said stays with the rollout.
    bed.run(&format!(
        "rollout start --auto-approve --fault kops-refuses:spec.kubelet --plan {out}"
    ))
    .ends(4);
    let said = bed.run(&format!("rollout show --output kops-plan.{CLUSTER}"));
    assert!(said.out.contains("Will modify resources"), "{}", said.out);
}

/// Words alone leave a person with a document of 200 lines that no file holds: the file and line that write the field are named, and stay named.
#[test]
fn what_kops_refuses_is_shown_where_git_has_it() {
    let bed = Bed::new();
    for file in fs::read_dir(bed.path("clusters")).unwrap() {
        let file = format!("clusters/{}", file.unwrap().file_name().display());
        let kops = "engine: kops\nkops: {version: \"1.35\", state_store: s3://acme-kops-state}\n";
        bed.write(&file, &(bed.read(&file) + kops));
    }
    bed.run("render --quiet").ends(0);
    let refused = |field: &str, told: &[&str]| {
        let bed = bed.copy();
        let words = format!("rollout start --auto-approve --fault kops-refuses:{field}");
        let said = bed.run(&words).ends(4);
        let status = bed.run("rollout status").ends(4);
        for part in told {
            for text in [&said.out, &status.out] {
                assert!(text.contains(part), "no {part:?} in\n{text}");
            }
        }
    };
    let line = |file: &str, text: &str| {
        let read = bed.read(file);
        let found = read.lines().position(|l| l.trim().starts_with(text));
        format!("{file}:{}", found.unwrap() + 1)
    };
    let rendered = format!("rendered/{CLUSTER}/manifests.yaml");
    let field = "spec.kubelet.maxPods";
    refused(
        field,
        &[
            &format!("kops replace` refuses: error replacing cluster: {field}: Forbidden"),
            &format!("the document is Cluster/{CLUSTER} in {rendered}; {field} is written at "),
            &line("templates/1_cluster.yaml.j2", "maxPods:"),
            &line("vars/defaults.yaml", "max_pods:"),
            &line(&rendered, "maxPods:"),
        ],
    );
    // The documents before it are stored: it is the first that is not.
    refused(
        "spec.taints",
        &[
            "the document is InstanceGroup/",
            "spec.taints is written at templates/",
        ],
    );
}
