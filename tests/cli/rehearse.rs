//! Snapshots, rehearsals and scenario files, through the binary.

use crate::bed::{Bed, assert_same};

fn small(bed: &Bed) {
    // A rehearsal of the whole fleet takes a while without optimisation: one stage is enough here.
    bed.change(
        "vars/defaults.yaml",
        crate::bed::OLD_IMAGE,
        crate::bed::NEW_IMAGE,
    );
}

/// User data, of which a snapshot has digests.
fn has_only_digests(snapshot: &str) {
    let secrets: Vec<&str> = snapshot
        .split("\"user_data\":\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(!secrets.is_empty());
    assert!(
        secrets
            .iter()
            .all(|s| s.len() == 64 && s.chars().all(|c| c.is_ascii_hexdigit())),
        "user data in the snapshot"
    );
}

fn is_a_page_by_itself(page: &str) {
    assert!(
        page.starts_with("<!doctype html>")
            && page.contains("<svg ")
            && page.contains("nothing of this has happened")
            && page.contains("<b>staging-acme.k8s.foo.bar</b>")
            && page.contains("fewest at work")
    );
    // It needs nothing from anywhere.
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
}

#[test]
fn a_rehearsal_says_so_on_every_line_and_touches_nothing() {
    let bed = Bed::built();
    small(&bed);
    bed.run(&format!(
        "snapshot --out {}",
        bed.path("snap.json").display()
    ))
    .ends(0);
    let snapshot = bed.read("snap.json");
    has_only_digests(&snapshot);
    let before = bed.tree();
    let html = tempfile::tempdir().unwrap();
    let report = html.path().join("report.html");
    let words = format!(
        "rehearse --snapshot {} --stage staging --fault throttle:3 --out {}",
        bed.path("snap.json").display(),
        report.display()
    );
    let said = bed.run(&words).ends(0);
    assert!(
        said.out.lines().all(|l| l.starts_with("[rehearsal]")),
        "{}",
        said.out
    );
    for part in [
        "timeline",
        "finished after ",
        "calls: ",
        "no rule of a rollout was broken",
        "peak surge ",
        "capacity while it was rolled",
        "what would go wrong",
    ] {
        assert!(said.out.contains(part), "no `{part}` in\n{}", said.out);
    }
    assert!(
        said.out
            .lines()
            .any(|l| l.contains("throttle:3  after ") && l.ends_with("finished")),
        "{}",
        said.out
    );
    assert_same(&before, &bed.tree());
    is_a_page_by_itself(&std::fs::read_to_string(report).unwrap());

    // What the other stage was verified to run went along, without its documents.
    assert!(
        snapshot.contains("\"proven\":{\"prod-")
            && snapshot.contains("\"since\":\"")
            && !snapshot.contains("\"documents\":{")
    );

    // The same by chance, twice.
    let again = bed.run(&words).ends(0);
    let without_pid = |text: &str| {
        text.lines()
            .filter(|l| !l.contains("started by"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(without_pid(&said.out), without_pid(&again.out));
    // And many of them in short, from the store's own account.
    let said = bed.run("rehearse --stage staging --seeds 3").ends(0);
    assert!(
        said.out.contains("3 runs")
            && said.out.contains("makespan p50 ")
            && said.out.contains("3 x finished"),
        "{}",
        said.out
    );
}

/// What happened and when, of lines that begin with more than that.
fn story(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.find("2026-").map(|from| line[from..].to_owned()))
        .filter(|line| line.contains("Z  "))
        .filter(|line| {
            ![": waits: ", "still waits", "more wait", "started by"]
                .iter()
                .any(|w| line.contains(w))
        })
        .collect()
}

#[test]
fn a_rehearsal_tells_what_the_rollout_then_does() {
    let bed = Bed::with_new_image();
    bed.change(
        "fleet.yaml",
        "on_timeout: skip}\n",
        "on_timeout: skip}\n  groups:\n    spot-4x-16gb:\n      capacity: {policy: on-demand, twin: on-demand-4x-16gb, patience: 10m}\n",
    );
    bed.write(
        "capacity.yaml",
        "version: 1\nscenario:\n  - {fault: \"no-capacity:spot-4x-16gb\", for: 90m}\n",
    );
    let played = format!(
        "--stage staging --scenario {}",
        bed.path("capacity.yaml").display()
    );
    let rehearsed = bed.run(&format!("rehearse {played}")).ends(0);
    let ran = bed
        .run(&format!("rollout start --auto-approve {played}"))
        .ends(0);
    let (there, here) = (story(&rehearsed.out), story(&ran.err));
    let first = there.iter().zip(&here).position(|(a, b)| a != b);
    assert_eq!(first.map(|n| (&there[n], &here[n])), None);
    assert_eq!(there.len(), here.len());
    // A refusal that comes again every few minutes is told once for its types and zones.
    assert!(there.iter().any(|l| l.contains(" borrows from ")));
    assert!(!ran.err.contains("nothing was launched"), "{}", ran.err);
}

#[test]
fn what_cannot_be_rehearsed_is_refused() {
    let bed = Bed::new();
    bed.write("not.json", "{}");
    let not = bed.path("not.json").display().to_string();
    bed.run(&format!("rehearse --snapshot {not}"))
        .refuses(&["not.json", "not a snapshot"]);
    bed.write("bad.yaml", "version: 1\nscenario:\n  - {act: explode}\n");
    let bad = bed.path("bad.yaml").display().to_string();
    bed.run(&format!("plan --scenario {bad}"))
        .refuses(&["bad.yaml:3:11", "`explode` is no act"]);
    bed.run("rehearse --fault explode")
        .refuses(&["`explode` is no fault"]);
    bed.run("rehearse --plan nowhere.json")
        .refuses(&["nowhere.json"]);
}

#[test]
fn a_scenario_kills_the_process_and_resume_goes_on() {
    let bed = Bed::built();
    small(&bed);
    bed.write(
        "kill.yaml",
        "version: 1\nscenario:\n  - {act: kill, when: terminate, nth: 2}\n",
    );
    let words = format!(
        "rollout start --stage staging --auto-approve --quiet --scenario {}",
        bed.path("kill.yaml").display()
    );
    let said = bed.run(&words);
    assert_eq!(said.code, None, "it has to die: {}", said.err);
    bed.run("rollout resume --auto-approve --quiet").ends(0);
    bed.assert_at_rest();
}

/// The bundled fleet, whose clusters the simulated kops has made, and a git that wants another Kubernetes.
fn by_kops() -> Bed {
    let bed = Bed::new();
    for entry in std::fs::read_dir(bed.path("clusters")).unwrap() {
        let file = format!("clusters/{}", entry.unwrap().file_name().display());
        let kops = "engine: kops\nkops: {version: \"1.35\", state_store: s3://acme-kops-state}\n";
        bed.write(&file, &(bed.read(&file) + kops));
    }
    bed.run("rollout start --auto-approve --quiet").ends(0);
    bed.change("vars/defaults.yaml", "\"1.34.2\"", "\"1.34.3\"");
    bed
}

#[test]
fn what_kops_would_do_is_rehearsed() {
    let bed = by_kops();
    bed.change(
        "fleet.yaml",
        "rolling:\n",
        "rolling:\n  groups: {admin-nodes: {strategy: instance-refresh}}\n",
    );
    let before = bed.tree();
    let said = bed.run("rehearse --stage staging --seeds 1").ends(0);
    assert!(said.out.contains("1 x finished"), "{}", said.out);
    assert_same(&before, &bed.tree());

    // A snapshot says what kops has stored where that is asked for.
    let out = bed.path("snap.json").display().to_string();
    bed.run(&format!("snapshot --out {out}")).ends(0);
    let words = format!("rehearse --snapshot {out} --stage staging --seeds 1");
    bed.run(&words).refuses(&[
        "the snapshot does not have what kops has stored of it",
        "kfleet snapshot --documents",
    ]);
    bed.run(&format!("snapshot --documents --out {out}"))
        .ends(0);
    let said = bed.run(&words).ends(0);
    assert!(said.out.contains("1 x finished"), "{}", said.out);
}
