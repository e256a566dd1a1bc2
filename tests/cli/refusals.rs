//! Bad input: one clear error that names the place, exit 1, and not a byte written.

use std::fs;

use crate::bed::{Bed, assert_same};

const COMMANDS: [&str; 4] = [
    "render",
    "render --check",
    "plan",
    "rollout start --auto-approve",
];

/// Every command refuses the fleet as `spoil` leaves it.
#[track_caller]
fn refused(spoil: impl Fn(&Bed), naming: &[&str]) {
    let bed = Bed::new();
    spoil(&bed);
    for command in COMMANDS {
        bed.refuses(command, naming);
    }
}

#[test]
fn unknown_key_in_a_cluster_file() {
    let spoil = |b: &Bed| b.change("clusters/prod-acme.k8s.foo.bar.yaml", "region:", "regoin:");
    refused(
        spoil,
        &[
            "clusters/prod-acme.k8s.foo.bar.yaml:2:1",
            "regoin",
            "region",
        ],
    );
}

#[test]
fn undefined_variable_in_a_snippet() {
    let spoil = |b: &Bed| {
        b.change(
            "snippets/node_group.yaml.j2",
            "{{ ",
            "{{ nobody_knows }}{{ ",
        )
    };
    refused(
        spoil,
        &[
            "`nobody_knows` is undefined",
            "snippets/node_group.yaml.j2:",
            "templates/",
        ],
    );
}

#[test]
fn malformed_yaml_in_vars() {
    refused(
        |b| b.write("vars/staging.yaml", "admin_nodes: {min: 2\nother: [\n"),
        &["vars/staging.yaml:"],
    );
}

#[test]
fn two_clusters_of_one_name() {
    let spoil = |b: &Bed| {
        b.write(
            "clusters/prod-acme.k8s.foo.bar.yml",
            &b.read("clusters/prod-acme.k8s.foo.bar.yaml"),
        )
    };
    refused(
        spoil,
        &[
            "clusters/prod-acme.k8s.foo.bar.yaml",
            "clusters/prod-acme.k8s.foo.bar.yml",
        ],
    );
}

#[test]
fn two_groups_of_one_name() {
    let spoil = |b: &Bed| {
        b.write(
            "templates/9_again.yaml.j2",
            &b.read("templates/3_admin-nodes.yaml.j2"),
        )
    };
    refused(
        spoil,
        &[
            "admin-nodes",
            "templates/9_again.yaml.j2",
            "templates/3_admin-nodes.yaml.j2",
        ],
    );
}

#[test]
fn a_stage_without_clusters() {
    let spoil = |b: &Bed| {
        b.change(
            "fleet.yaml",
            "  - name: prod\n",
            "  - name: nobody\n    clusters: {environment: nobody}\n    waves: [{parallel: 1}]\n  - name: prod\n",
        );
    };
    refused(spoil, &["fleet.yaml:", "nobody"]);
}

#[test]
fn unknown_names_as_arguments() {
    let bed = Bed::new();
    bed.refuses(
        "plan prod-acne.k8s.foo.bar",
        &[
            "the fleet has no cluster `prod-acne.k8s.foo.bar`",
            "did you mean `prod-acme.k8s.foo.bar`?",
        ],
    );
    bed.refuses(
        "plan --stage prdo",
        &[
            "the fleet has no stage `prdo`",
            "its stages are staging, prod",
        ],
    );
    bed.refuses(
        "rollout start --stage prdo",
        &["the fleet has no stage `prdo`"],
    );
    bed.refuses("plan --fault sick:a", &["`sick` is no fault"]);
    bed.refuses(
        "rollout resume nothing",
        &["there is no rollout nothing in the store"],
    );
    let before = bed.tree();
    let said = bed.run("plan --cloud moon").ends(1);
    assert!(said.err.contains("'moon'"), "{}", said.err);
    assert_same(&before, &bed.tree());
    if cfg!(feature = "aws") {
        bed.refuses(
            "plan --cloud aws --fault throttle:3",
            &["faults can be ordered from the simulated account only"],
        );
        bed.refuses(
            "rollout start --cloud aws --auto-approve",
            &["a real cloud refuses `--auto-approve`"],
        );
    } else {
        bed.refuses("plan --cloud aws", &["no AWS in it"]);
    }
}

#[test]
fn a_store_that_cannot_be_read() {
    let bed = Bed::new();
    bed.write(".kfleet", "a file\n");
    for command in ["plan", "rollout start --auto-approve", "rollout status"] {
        bed.refuses(command, &[".kfleet", "it is a file, not a folder"]);
    }
    let other = Bed::new();
    other.write(
        ".kfleet/store.json",
        "{\"version\": 1, \"cloud\": \"aws\"}\n",
    );
    for command in ["plan", "rollout start --auto-approve", "rollout status"] {
        other.refuses(
            command,
            &["belongs to the aws cloud, and this is the local cloud"],
        );
    }
    other.write(
        ".kfleet/store.json",
        "{\"version\": 2, \"cloud\": \"local\"}\n",
    );
    other.refuses(
        "plan",
        &["store.json is damaged: version 2 is newer than this kfleet"],
    );
}

#[test]
fn a_store_that_is_damaged() {
    let bed = Bed::with_new_image();
    let damage = |path: &str, text: &str, commands: &[&str], naming: &[&str]| {
        let whole = bed.read(path);
        bed.write(path, text);
        for command in commands {
            bed.refuses(command, naming);
        }
        bed.write(path, &whole);
    };
    let acting = ["plan", "rollout start --auto-approve"];
    damage(
        ".kfleet/baselines/prod-small.k8s.foo.bar.json",
        "{\"version\": 1,",
        &acting,
        &["baselines/prod-small.k8s.foo.bar.json is damaged"],
    );
    damage(
        ".kfleet/baselines/prod-small.k8s.foo.bar.json",
        "",
        &acting,
        &["baselines/prod-small.k8s.foo.bar.json is damaged"],
    );
    let journal = bed.journals().pop().unwrap();
    let journal = journal
        .strip_prefix(bed.path(""))
        .unwrap()
        .display()
        .to_string();
    let text = bed.read(&journal).replacen("\"seq\":20,", "\"seq\":2", 1);
    damage(
        &journal,
        &text,
        &["plan", "rollout start --auto-approve", "rollout status"],
        &[".jsonl is damaged"],
    );
    for entry in fs::read_dir(bed.path(".kfleet/local")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".json") {
            damage(
                &format!(".kfleet/local/{name}"),
                "{\"version\":1",
                &acting,
                &[&name],
            );
            damage(
                &format!(".kfleet/local/{name}"),
                "{\"version\":7}",
                &acting,
                &[&name, "version"],
            );
        }
    }
    bed.run("plan").ends(2);
}
