//! What a signal does to a rollout that waits for a slow gate, and to what that gate started.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command};

use serde_json::Value;

use crate::bed::{Bed, event};
use crate::brake::start;

/// Ended, and perhaps not yet collected by whoever inherited it, is not alive.
fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(')')
        .next()
        .and_then(|rest| rest.trim().chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

/// Whether it has ended within ten seconds: what is killed ends only when the kernel next lets it run, which takes its time on a busy machine.
fn has_ended(pid: &str) -> bool {
    let began = std::time::Instant::now();
    while is_alive(pid) {
        if began.elapsed().as_secs() >= 10 {
            return false;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    true
}

/// A rollout whose gate takes its time, with a child of its own; and the id of that child.
fn slow() -> (Bed, Child, String) {
    let bed = Bed::with_new_image();
    bed.change(
        "fleet.yaml",
        "gates:\n",
        "gates:\n  - {name: slow, kind: command, run: [./slow.sh]}\n",
    );
    bed.write(
        "slow.sh",
        "#!/bin/sh\nsleep 300 &\necho $! > child.pid.new\nmv child.pid.new child.pid\nwait\n",
    );
    fs::set_permissions(bed.path("slow.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let child = start(&bed, &["rollout", "start", "--auto-approve"]);
    let began = std::time::Instant::now();
    while !bed.path("child.pid").exists() {
        assert!(began.elapsed().as_secs() < 120, "the gate is never asked");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let pid = bed.read("child.pid").trim().to_owned();
    assert!(is_alive(&pid));
    (bed, child, pid)
}

fn send(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args([signal, &pid])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_signal_stops_a_rollout_and_what_its_gates_started() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        let (bed, child, pid) = slow();
        let status: Value =
            serde_json::from_str(&bed.run("rollout status --format json").ends(3).out).unwrap();
        assert_eq!(status["owner"]["lease"], "alive", "{signal}");
        let began = std::time::Instant::now();
        send(&child, signal);
        let output = child.wait_with_output().unwrap();
        assert!(
            began.elapsed().as_secs() < 5,
            "{signal}: it took {:?}",
            began.elapsed()
        );
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{signal}: {err}");
        assert!(err.contains("stopping at the next safe point"), "{err}");
        assert!(err.contains("paused: interrupted"), "{err}");
        assert!(has_ended(&pid), "{signal}: a child of the gate is left");
        let said = bed.run("rollout status").ends(3);
        assert!(said.out.contains("no process drives it"), "{}", said.out);
        // It is no failure of the gate, and the rollout goes on.
        assert!(
            bed.records().iter().all(|r| event(r).0 != "failed"),
            "{signal}"
        );
        bed.write("slow.sh", "#!/bin/sh\nexit 0\n");
        if signal == "-TERM" {
            bed.run("rollout resume --auto-approve --quiet").ends(0);
        }
    }
}

/// Two signals, in whatever order they are heard, and a rollout that cannot stop at once.
#[test]
fn the_second_signal_ends_it_now() {
    let (bed, child, pid) = slow();
    let began = std::time::Instant::now();
    // From one process: nothing comes in between.
    let both = format!("kill -INT {0}; kill -TERM {0}", child.id());
    assert!(
        Command::new("sh")
            .args(["-c", &both])
            .status()
            .unwrap()
            .success()
    );
    let output = child.wait_with_output().unwrap();
    assert!(
        began.elapsed().as_secs() < 5,
        "it took {:?}",
        began.elapsed()
    );
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{err}");
    for part in [
        "stopping at the next safe point; a second Ctrl-C or SIGTERM ends it at once",
        "ending now",
        "ended at once; everything that was begun is in the journal, and `kfleet rollout resume",
    ] {
        assert!(err.contains(part), "nothing about {part:?} in\n{err}");
    }
    assert!(has_ended(&pid), "a child of the gate is left");
    // The journal is whole: it ends with a record, and the rollout goes on from it.
    let journal = fs::read(bed.journals().pop().unwrap()).unwrap();
    assert_eq!(journal.last(), Some(&b'\n'));
    let records = bed.records();
    assert!(records.iter().all(|r| event(r).0 != "failed"));
    bed.write("slow.sh", "#!/bin/sh\nexit 0\n");
    bed.run("rollout resume --auto-approve --quiet").ends(0);
}

#[test]
fn a_rollout_that_was_killed_has_no_owner() {
    let (bed, child, pid) = slow();
    send(&child, "-KILL");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), None);
    let said = bed.run("rollout status").ends(3);
    assert!(
        said.out.contains("no process drives it: anna") && said.out.contains("rollout resume"),
        "{}",
        said.out
    );
    // Nobody was left to end what its gate had started, and it ended all the same.
    assert!(has_ended(&pid), "a child of the gate is left");
    bed.write("slow.sh", "#!/bin/sh\nexit 0\n");
    bed.run("rollout resume --auto-approve --quiet").ends(0);
    bed.run("rollout status").ends(0);
}
