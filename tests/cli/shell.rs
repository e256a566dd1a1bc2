//! Small things of every day: completions and man pages, a fleet found upward, clusters named by their beginning, variables that are empty.

use std::process::{Command, Stdio};

use crate::bed::Bed;

fn plain(words: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_kfleet"))
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

#[test]
fn shells_and_man_know_every_command() {
    let commands = [
        "render", "plan", "rollout", "status", "drift", "doctor", "forget",
    ];
    for shell in ["bash", "zsh", "fish"] {
        let (code, text) = plain(&["completions", shell]);
        assert_eq!(code, Some(0));
        for command in commands {
            assert!(text.contains(command), "{shell}: no {command}");
        }
    }
    let (code, text) = plain(&["man"]);
    assert_eq!(code, Some(0));
    assert!(
        text.starts_with(".ie") || text.contains(".TH kfleet"),
        "{text}"
    );
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("man1").display().to_string();
    plain(&["man", "--out", &out]);
    for page in ["kfleet.1", "kfleet-drift.1", "kfleet-rollout-start.1"] {
        assert!(dir.path().join("man1").join(page).is_file(), "no {page}");
    }
}

#[test]
fn the_fleet_is_found_upward() {
    let bed = Bed::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kfleet"));
    let output = command
        .args(["plan", "prod-small", "--cloud", "local", "--quiet"])
        .current_dir(bed.path("vars"))
        .env_remove("KFLEET_STORE")
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{err}");
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(
        out.contains("[local] prod-small.k8s.foo.bar (stage prod"),
        "{out}"
    );
    // The store is that of the fleet, not of where one stands.
    bed.run("rollout start --auto-approve --quiet").ends(0);
    assert!(!bed.path("vars/.kfleet").exists());
    assert_eq!(bed.read(".kfleet/.gitignore"), "*\n");
}

#[test]
fn a_cluster_is_named_by_its_beginning() {
    let bed = Bed::new();
    let said = bed.run("plan prod-small").ends(2);
    assert!(
        said.out.contains("prod-small.k8s.foo.bar (stage prod"),
        "{}",
        said.out
    );
    bed.run("plan prod").refuses(&[
        "`prod` is the beginning of several clusters",
        "name one of prod-acme.k8s.foo.bar",
    ]);
    bed.run("plan prod-smal.k8s.foo.bar")
        .refuses(&["did you mean `prod-small.k8s.foo.bar`?"]);
    bed.run("explain prod-small image").ends(0);
    bed.run("autoscaler prod-small").ends(0);
    bed.run("status prod-small").ends(0);
}

#[test]
fn an_empty_variable_names_no_cloud() {
    let bed = Bed::new();
    let run = |cloud: &str| {
        let mut command = bed.command(&["render", "--check"]);
        let output = command.env("KFLEET_CLOUD", cloud).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    assert_eq!(run("").0, Some(2));
    let (code, said) = run("azure");
    assert_eq!(code, Some(1));
    assert!(
        said.contains("KFLEET_CLOUD is `azure`, which is no cloud"),
        "{said}"
    );
}
