//! `kfleet status`: what runs where, by the store, by git and, when asked, by the account.

use serde_json::Value;

use crate::bed::{Bed, assert_same};
use crate::revisions::{committed, git};

const ONE: &str = "prod-acme.k8s.foo.bar";

fn line<'a>(out: &'a str, cluster: &str) -> &'a str {
    let begin = format!("[local] {cluster} ");
    let line = out.lines().find(|l| l.starts_with(&begin));
    line.unwrap_or_else(|| panic!("no {cluster} in\n{out}"))
}

#[test]
fn every_cluster_has_its_release_and_commit() {
    let bed = committed();
    let said = bed.run("status").ends(0);
    assert!(
        line(&said.out, ONE).contains("never rolled out"),
        "{}",
        said.out
    );
    bed.run("rollout start --auto-approve --quiet").ends(0);
    let before = bed.tree();
    let said = bed.run("status").ends(0);
    assert_same(&before, &bed.tree());
    let short = git(&bed, "rev-parse --short=12 HEAD");
    let row = line(&said.out, ONE);
    assert!(
        row.contains("verified  same") && row.contains(&short),
        "{row}"
    );
    let order: Vec<&str> = said
        .out
        .lines()
        .filter_map(|l| l.split_whitespace().nth(1))
        .collect();
    assert_eq!(order.first(), Some(&"cluster"));
    assert!(
        order[1].starts_with("staging-"),
        "stages in order: {order:?}"
    );

    bed.change(
        "vars/prod-acme.k8s.foo.bar.yaml",
        "8x_32Gb: {min: 2, max: 80}",
        "8x_32Gb: {min: 2, max: 90}",
    );
    let said = bed.run(&format!("status {ONE} --live")).ends(0);
    assert!(
        line(&said.out, ONE).contains("verified  ahead"),
        "{}",
        said.out
    );
    let text = format!("[local] {ONE}: spot-8x-32gb: differs, no instance is outdated\n");
    assert!(said.out.contains(&text), "{}", said.out);
    assert!(!said.out.contains("staging-acme"), "{}", said.out);
    bed.run("status prod-acm.k8s.foo.bar")
        .refuses(&["did you mean `prod-acme.k8s.foo.bar`?"]);
}

#[test]
fn what_is_under_way_outdated_or_left_is_said() {
    let bed = Bed::with_new_image();
    bed.run("rollout start --quiet").ends(3);
    bed.run_words(&["stop", "--cluster", ONE, "--reason", "INC-7"])
        .ends(0);
    std::fs::remove_file(bed.path("clusters/prod-globex.k8s.foo.bar.yaml")).unwrap();
    let said = bed.run("status").ends(0);
    assert!(said.out.contains("under way: rollout "), "{}", said.out);
    assert!(line(&said.out, ONE).contains("  waits  "), "{}", said.out);
    assert!(
        line(&said.out, "staging-acme.k8s.foo.bar").contains("done, rollout goes on"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains(&format!("{ONE}: STOPPED: ")),
        "{}",
        said.out
    );
    let json: Value =
        serde_json::from_str(&bed.run("status --live --format json").ends(0).out).unwrap();
    let clusters = json["clusters"].as_array().unwrap();
    let one = clusters.iter().find(|c| c["cluster"] == ONE).unwrap();
    assert!(
        !one["live"]["outdated"].as_object().unwrap().is_empty(),
        "{one}"
    );
    assert_eq!(one["state"]["under-way"][1], "waiting");

    // A fault in the fleet's files stands in nobody's way.
    bed.write("vars/defaults.yaml", "a: [");
    let said = bed.run("status").ends(0);
    assert!(
        said.err.contains("warning: the fleet cannot be read"),
        "{}",
        said.err
    );
    assert!(said.out.contains(ONE), "{}", said.out);
}

#[test]
fn an_orphan_is_in_the_table() {
    let bed = Bed::built();
    std::fs::remove_file(bed.path("clusters/staging-globex.k8s.foo.bar.yaml")).unwrap();
    let said = bed.run("status").ends(0);
    assert!(
        line(&said.out, "staging-globex.k8s.foo.bar").contains("orphan"),
        "{}",
        said.out
    );
    assert!(
        said.out
            .contains("then `kfleet forget staging-globex.k8s.foo.bar`"),
        "{}",
        said.out
    );
}
