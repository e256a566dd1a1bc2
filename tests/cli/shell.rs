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

/// A name that is only the beginning of one must not be taken for a cluster in which nothing is wrong.
#[test]
fn a_beginning_means_the_whole_cluster_everywhere() {
    let bed = Bed::new();
    bed.run("render prod-small --check").ends(2);
    bed.run("render prod-small").ends(0);
    assert!(bed.path("rendered/prod-small.k8s.foo.bar").is_dir());
    assert!(!bed.path("rendered/prod-acme.k8s.foo.bar").exists());
    bed.change("fleet.yaml", "until: 2027-12-31", "until: 2024-12-31");
    let full = bed.run("lint prod-acme.k8s.foo.bar --fail-on note");
    let short = bed.run("lint prod-acme --fail-on note");
    assert_eq!((short.code, short.out), (full.code, full.out.clone()));
    assert!(full.out.contains("prod-acme.k8s.foo.bar"), "{}", full.out);
    bed.run("rollout start --auto-approve --quiet").ends(0);
    let said = bed.run("stop --cluster prod-sm --reason test").ends(0);
    assert!(said.out.contains("prod-small.k8s.foo.bar"), "{}", said.out);
    bed.run("stop --cluster prod --reason test")
        .refuses(&["`prod` is the beginning of several clusters"]);
    let said = bed.run("go --cluster prod-sm").ends(0);
    assert!(said.out.contains("lifted: "), "{}", said.out);
    bed.run("plan --no-way-back nobody")
        .refuses(&["the fleet has no cluster `nobody`"]);
}

#[test]
fn a_command_that_this_version_lacks_is_said_to_be_so() {
    let bed = Bed::new();
    bed.run("scale up").refuses(&[
        concat!(
            "kfleet ",
            env!("CARGO_PKG_VERSION"),
            " has no command `scale`"
        ),
        "`kfleet help` lists the commands of this version",
    ]);
    bed.run("rollout strat")
        .refuses(&["has no command `strat`", "did you mean `start`?"]);
}

/// What went wrong is the last that is said, after all that went before.
#[test]
fn errors_come_last() {
    let bed = Bed::with_new_image();
    for words in ["rollout start --stage prod", "rollout start --max-wait 1x"] {
        let said = bed.run(words).ends(1);
        let is_late = said
            .err
            .lines()
            .next()
            .is_some_and(|line| !line.starts_with("error: "));
        assert_eq!(is_late, words.ends_with("prod"), "{}", said.err);
        let lines: Vec<&str> = said.err.lines().collect();
        let error = lines.iter().position(|line| line.starts_with("error: "));
        let after = &lines[error.unwrap() + 1..];
        let is_of_it = |line: &&str| {
            line.is_empty()
                || line.starts_with("hint: ")
                || line.starts_with("For more")
                || line.starts_with("Usage")
        };
        assert!(after.iter().all(is_of_it), "{}", said.err);
    }
}

#[test]
fn quiet_and_verbose_say_less_and_more() {
    let bed = Bed::with_new_image();
    let usual = bed.run("plan").ends(2);
    let quiet = bed.run("plan --quiet").ends(2);
    let verbose = bed.run("plan --verbose").ends(2);
    assert_eq!(quiet.err, "");
    assert_eq!(quiet.out, usual.out);
    assert!(verbose.out.len() > usual.out.len(), "{}", verbose.out);
    let quiet = bed.run("rollout start --auto-approve -q").ends(0);
    assert_eq!(quiet.err, "");
    bed.run("plan -q -v").refuses(&["cannot be used with"]);
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
