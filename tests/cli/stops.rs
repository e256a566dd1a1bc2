//! `kfleet stop` and `kfleet go`, with real processes; and a disk that is full in the middle of a rollout.

use std::process::{Command, Stdio};

use kfleet::model::Timestamp;
use kfleet::store::{CloudKind, Stop, Store};

use crate::bed::{Bed, assert_same, desired_moved};

const CLUSTER: &str = "staging-acme.k8s.foo.bar";

/// Without the time, and the number of the process.
fn plain(text: &str) -> String {
    let mut words = Vec::new();
    let mut skip = 0;
    for word in text.split(' ') {
        match word {
            _ if skip > 0 => skip -= 1,
            "(process" => skip = 1,
            "since" => {
                // A day and a time, as everywhere.
                words.extend(["since", "TIME:"]);
                skip = 2;
            }
            word => words.push(word),
        }
    }
    words.join(" ")
}

/// Runs without being told which cloud it is.
fn untold(bed: &Bed, words: &[&str]) -> (Option<i32>, String, String) {
    let output = bed
        .command(words)
        .env_remove("KFLEET_CLOUD")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_stopped_line_starts_nothing_until_it_is_lifted() {
    let bed = Bed::with_new_image();
    // The store says which cloud it is, and the simulated one announces itself.
    let (code, out, _) = untold(&bed, &["stop", "--reason", "prod burns"]);
    assert_eq!(code, Some(0));
    let begin = "[local] the line is stopped by anna since TIME: prod burns; running rollouts halt at their next round, none begins until `kfleet go`\n";
    assert_eq!(plain(&out), begin);
    let before = bed.tree();
    bed.run("rollout start --auto-approve").refuses(&[
        "the line is stopped by anna",
        "prod burns",
        "hint: `kfleet go` lifts it",
    ]);
    assert_same(&before, &bed.tree());
    let plan = bed.run("plan").ends(2);
    assert!(
        plain(&plan.out).starts_with("[local] STOPPED: the line is stopped by anna since TIME: prod burns; `kfleet go` lifts it\n"),
        "{}",
        plan.out
    );
    let status = bed.run("rollout status").ends(0);
    assert!(
        status
            .out
            .starts_with("[local] STOPPED: the line is stopped by anna"),
        "{}",
        status.out
    );
    // The first reason stays.
    assert!(
        bed.run_words(&["stop", "--reason", "me too"])
            .ends(0)
            .out
            .contains("already stopped: the line is stopped by anna")
    );

    assert!(
        bed.run_words(&["stop", "--cluster", CLUSTER, "--reason", "a disk swap"])
            .ends(0)
            .out
            .contains(CLUSTER)
    );
    let (code, out, _) = untold(&bed, &["go"]);
    assert_eq!(code, Some(0));
    assert!(
        out.contains("lifted: the line")
            && out.contains(&format!("still stopped: {CLUSTER} is stopped by anna")),
        "{out}"
    );
    let said = bed.run("rollout start --auto-approve").ends(1);
    assert!(
        said.err
            .contains(&format!("error: {CLUSTER} is stopped by anna")),
        "{}",
        said.err
    );
    assert!(
        said.err
            .contains(&format!("hint: `kfleet go --cluster {CLUSTER}` lifts it")),
        "{}",
        said.err
    );
    assert_eq!(bed.journals().len(), 1, "it began");
    // What does not change it is not stopped.
    bed.run("rollout start --stage prod --auto-approve --break-glass why --quiet")
        .ends(0);
    bed.run(&format!("go --cluster {CLUSTER}")).ends(0);
    bed.run("rollout start --auto-approve --quiet").ends(0);
    bed.run("plan").ends(0);
}

#[test]
fn what_stop_and_go_do_not_know_is_refused() {
    let bed = Bed::new();
    let (code, _, err) = untold(&bed, &["stop", "--reason", "why"]);
    assert!(
        code == Some(1) && err.contains("no cloud was named"),
        "{err}"
    );
    bed.refuses(
        "stop --cluster nobody.k8s.foo.bar --reason why",
        &["the fleet has no cluster `nobody.k8s.foo.bar`"],
    );
    bed.refuses(
        "go --cluster nobody.k8s.foo.bar",
        &["the fleet has no cluster `nobody.k8s.foo.bar`"],
    );
    bed.run_words(&["stop", "--reason", " "])
        .refuses(&["the reason is empty"]);
    assert_eq!(bed.run("stop").code, Some(1));
    assert_eq!(bed.run("go").ends(0).out, "[local] nothing was stopped\n");
    bed.run_words(&["stop", "--reason", "before the first rollout"])
        .ends(0);
    bed.run("rollout start --auto-approve")
        .refuses(&["before the first rollout"]);
    bed.write(".kfleet/stops/all.json", "{\"cluster\":");
    for command in ["plan", "rollout start --auto-approve", "rollout status"] {
        bed.run(command).refuses(&["stops/all.json is damaged"]);
    }
}

#[test]
fn a_running_rollout_halts_and_goes_on_when_the_line_does() {
    let bed = Bed::with_new_image();
    let child = bed
        .command(&["rollout", "start", "--auto-approve"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while bed.journals().len() < 2 {
        std::thread::yield_now();
    }
    let stop = Stop {
        cluster: None,
        by: "ben".into(),
        since: Timestamp::from_millis(1_767_600_000_000),
        reason: "pager".into(),
    };
    Store::open(&bed.path(".kfleet"), CloudKind::Local)
        .unwrap()
        .stop(&stop)
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let (out, err) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert_eq!(output.status.code(), Some(3), "{out}{err}");
    assert!(
        err.contains(
            "rollout: paused: the line is stopped by ben since 2026-01-05 08:00:00Z: pager\n"
        ),
        "{err}"
    );
    bed.run("rollout resume")
        .refuses(&["the line is stopped by ben", "hint: `kfleet go` lifts it"]);
    bed.run("go").ends(0);
    bed.run("rollout resume --auto-approve --quiet").ends(0);
    bed.run("plan").ends(0);
    bed.assert_at_rest();
    assert_eq!(
        desired_moved(&bed.records()),
        std::collections::BTreeMap::new()
    );
}

#[test]
fn a_full_disk_leaves_a_whole_journal() {
    let bed = Bed::with_new_image();
    // No file may be longer: the journal is the only one that gets there. In blocks of 512 bytes.
    let limited = "trap '' XFSZ; ulimit -f 1600; exec \"$@\"";
    let mut command = Command::new("sh");
    command
        .args(["-c", limited, "sh", env!("CARGO_BIN_EXE_kfleet"), "-C"])
        .arg(bed.path(""))
        .args(["rollout", "start", "--auto-approve", "--quiet"]);
    let output = command
        .env("KFLEET_CLOUD", "local")
        .env("KFLEET_USER", "anna")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(
        err.contains("error: cannot write ") && err.contains(".jsonl: File too large"),
        "{err}"
    );
    let journal = std::fs::read(bed.journals().pop().unwrap()).unwrap();
    assert_eq!(journal.last(), Some(&b'\n'), "half a record is left");
    bed.run("rollout resume --auto-approve --quiet").ends(0);
    bed.run("plan").ends(0);
    bed.assert_at_rest();
    assert_eq!(
        desired_moved(&bed.records()),
        std::collections::BTreeMap::new(),
        "surge is left"
    );
}
