//! `kfleet doctor` against AWS as moto plays it, and what a real cloud refuses to roll out. Needs no lock and changes nothing.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

use crate::bed::{Bed, Eyes, REGION};
use crate::support::server_or_skip;

const CLUSTER: &str = "staging-acme.k8s.foo.bar";

#[test]
fn doctor_says_who_we_are_and_what_time_it_is() {
    let Some(server) = server_or_skip("doctor_says_who_we_are_and_what_time_it_is") else {
        return;
    };
    let bed = Bed::new(server, &[CLUSTER], Eyes::Closed);
    bed.seed("1");
    // A store in a folder is wrong for a real cloud.
    let said = bed.run("doctor").ends(2);
    for line in [
        "store        wrong        ",
        "it keeps no other machine away",
        &format!(
            "credentials  ok           account {}: arn:aws:",
            bed.staging
        ),
        "permissions  ok           plan: all that a plan reads could be read, in 1 cluster",
        "room         ok           wave 1 of stage staging",
        "permissions  not checked  rollout: Auto Scaling has no dry run",
    ] {
        assert!(said.out.contains(line), "no {line:?} in\n{}", said.out);
    }
    assert!(
        said.out.contains("clock        ok           "),
        "{}",
        said.out
    );
    // A launch is tried, and nothing is launched.
    let gone = format!("nodes.{CLUSTER}");
    let missing = serde_json::json!({"account": bed.staging, "region": REGION, "missing": [gone]});
    server.order("profiles", &missing);
    let said = bed.run("doctor").ends(2);
    let words = format!("Value ({gone}) for parameter iamInstanceProfile.name is invalid");
    assert!(said.out.contains(&words), "no {words:?} in\n{}", said.out);
    let log = server.log(&bed.staging);
    assert!(log.iter().any(|c| c.action() == "RunInstances"));
    assert!(!log.iter().any(crate::support::Call::mutates));
}

#[test]
fn a_real_cloud_refuses_what_is_not_rendered() {
    let Some(server) = server_or_skip("a_real_cloud_refuses_what_is_not_rendered") else {
        return;
    };
    let bed = Bed::new(server, &[CLUSTER], Eyes::Closed);
    bed.seed("1");
    bed.run("render").ends(0);
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        command
            .arg("-C")
            .arg(bed.path(""))
            .args(["-c", "user.name=a", "-c", "user.email=a@b"]);
        assert!(command.args(words).status().unwrap().success());
    };
    git(&["init", "--quiet"]);
    git(&[
        "add",
        "fleet.yaml",
        "clusters",
        "vars",
        "templates",
        "snippets",
        "tools",
        "rendered",
    ]);
    git(&["commit", "--quiet", "--message=first"]);
    let vars = bed.path("vars/staging.yaml");
    let text = std::fs::read_to_string(&vars).unwrap();
    std::fs::write(&vars, text.clone() + "# not committed\n").unwrap();
    let said = bed.run("rollout start").ends(1);
    assert!(
        said.err.contains("not committed: vars/staging.yaml"),
        "{}",
        said.err
    );
    assert!(said.err.contains("--allow-dirty REASON"), "{}", said.err);
    std::fs::write(&vars, text).unwrap();
    std::fs::remove_file(
        bed.path("")
            .join(format!("rendered/{CLUSTER}/manifests.yaml")),
    )
    .unwrap();
    let said = bed.run("rollout start").ends(1);
    assert!(
        said.err.contains("rendered/ is not up to date: 1 file"),
        "{}",
        said.err
    );
}
