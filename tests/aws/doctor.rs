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

/// What IAM would allow the role is asked, where the account has it; where it has not, it is said what that takes.
#[test]
fn doctor_has_iam_simulate_what_a_rollout_needs() {
    let Some(server) = server_or_skip("doctor_has_iam_simulate_what_a_rollout_needs") else {
        return;
    };
    let bed = Bed::new(server, &[CLUSTER], Eyes::Closed);
    bed.seed("1");
    let account = &bed.staging;
    let role = format!("arn:aws:iam::{account}:role/kfleet");
    let line = |state: &str| format!("permissions  {state:<11}  rollout in account {account}: ");
    let seen = |words: &[&str]| {
        let said = bed.run("doctor").ends(2);
        for word in words {
            assert!(said.out.contains(word), "no {word:?} in\n{}", said.out);
        }
    };
    let allowed = format!("{}IAM's simulation allows {role} all ", line("ok"));
    seen(&[&allowed, &format!(" rights of a rollout of {CLUSTER}")]);
    let asked = server.log(account);
    assert!(
        asked
            .iter()
            .any(|c| c.action() == "SimulatePrincipalPolicy"),
        "nothing was asked"
    );
    assert!(!asked.iter().any(crate::support::Call::mutates));

    let denied = serde_json::json!({"account": account, "denied": ["autoscaling:LaunchInstances", "ec2:CreateTags"]});
    server.order("rights", &denied);
    let found = format!(
        "{}IAM's simulation does not allow {role}, for {CLUSTER}: autoscaling:LaunchInstances, ec2:CreateTags",
        line("wrong")
    );
    seen(&[
        &found,
        "give its role what `kfleet doctor --policy rollout` prints",
    ]);

    server.order(
        "rights",
        &serde_json::json!({"account": account, "asked": false}),
    );
    seen(&[&format!(
        "{}needs `iam:SimulatePrincipalPolicy` on {role}",
        line("not checked")
    )]);
}

/// A session does not tell the path of its role; those of single sign-on have one.
#[test]
fn the_role_of_a_session_is_asked_about_by_its_whole_name() {
    let Some(server) = server_or_skip("the_role_of_a_session_is_asked_about_by_its_whole_name")
    else {
        return;
    };
    let bed = Bed::new(server, &[CLUSTER], Eyes::Closed);
    let home = &bed.home;
    let file = format!("clusters/{CLUSTER}.yaml");
    let role = format!("role_arn: arn:aws:iam::{}:role/kfleet\n", bed.staging);
    bed.change(&file, &role, "");
    bed.change(&file, &bed.staging, home);
    let seen = |words: &str| {
        let said = bed.run("doctor").ends(2);
        assert!(said.out.contains(words), "no {words:?} in\n{}", said.out);
    };
    seen(
        "is neither; run doctor as the role that rolls out; `kfleet doctor --policy rollout` prints",
    );
    let path = "/aws-reserved/sso.amazonaws.com/";
    let session = serde_json::json!({"account": home, "session": "Ops", "path": path});
    server.order("rights", &session);
    seen(&format!(
        "IAM's simulation allows arn:aws:iam::{home}:role{path}Ops all "
    ));
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
