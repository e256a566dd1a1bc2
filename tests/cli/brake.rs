//! What stops, shows or takes back a rollout reads the store and nothing else; what is asked for is found, in the order in which it began.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::bed::{Bed, Said, assert_same};

const CLUSTER: &str = "staging-acme.k8s.foo.bar";

/// Runs in an empty folder, with the store named on the command line.
fn elsewhere(bed: &Bed, words: &[&str]) -> Said {
    let empty = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_kfleet"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("KFLEET_USER", "anna")
        .current_dir(empty.path())
        .args(words)
        .arg("--store")
        .arg(bed.path(".kfleet"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// Every file that a person may have broken in a hurry.
fn break_the_checkout(bed: &Bed) {
    bed.write("vars/defaults.yaml", "zones: [a\n  b: {");
    bed.write("templates/1_cluster.yaml.j2", "{% if %}");
    bed.write(&format!("clusters/{CLUSTER}.yaml"), "enviroment: staging\n");
    let fleet = bed.read("fleet.yaml").replacen("stages:", "stagse:", 1);
    bed.write("fleet.yaml", &fleet);
}

#[test]
fn the_brake_works_in_a_broken_checkout() {
    let bed = Bed::with_new_image();
    bed.run("rollout start --quiet").ends(3);
    break_the_checkout(&bed);
    assert_eq!(bed.run("plan").code, Some(1), "the checkout is not broken");
    for words in ["rollout status", "rollout history", "rollout show"] {
        let said = bed.run(words);
        assert!(matches!(said.code, Some(0 | 3)), "{words}: {}", said.err);
        assert!(!said.out.is_empty(), "{words}");
    }
    bed.run_words(&["stop", "--reason", "prod burns"]).ends(0);
    bed.run_words(&["stop", "--cluster", CLUSTER, "--reason", "a disk"])
        .ends(0);
    bed.run("stop --cluster staging-acmee.k8s.foo.bar --reason why")
        .refuses(&[
            "the fleet has no cluster",
            "did you mean `staging-acme.k8s.foo.bar`",
        ]);
    bed.run("go").ends(0);
    bed.run(&format!("go --cluster {CLUSTER}")).ends(0);
    let said = bed.run("rollout rollback --reason broken").ends(0);
    assert!(said.out.contains("rolled back"), "{}", said.out);
}

#[test]
fn a_rollout_is_aborted_in_a_broken_checkout() {
    let bed = Bed::with_new_image();
    bed.run("rollout start --quiet --fault stuck-drain:spot-4x-16gb")
        .ends(5);
    break_the_checkout(&bed);
    bed.run("rollout abort --reason enough").ends(0);
    let said = bed.run("rollout status");
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(said.err.contains("was aborted"), "{}", said.err);
}

#[test]
fn a_store_needs_no_checkout_and_says_its_cloud() {
    let bed = Bed::with_new_image();
    bed.run("rollout start --quiet").ends(3);
    let said = elsewhere(&bed, &["rollout", "status"]).ends(3);
    assert!(
        said.out.starts_with("[local] rollout "),
        "{}\n{}",
        said.out,
        said.err
    );
    elsewhere(&bed, &["stop", "--reason", "x"]).ends(0);
    elsewhere(&bed, &["go"]).ends(0);
    elsewhere(&bed, &["rollout", "show", "--format", "json"]).ends(0);
    elsewhere(&bed, &["rollout", "abort"]).ends(0);
    let said = elsewhere(&bed, &["rollout", "history"]).ends(0);
    assert_eq!(said.out.lines().count(), 2, "{}", said.out);
    // Without a checkout and without a store there is nothing to go by.
    let empty = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_kfleet"))
        .env_clear()
        .current_dir(empty.path())
        .args(["rollout", "status"])
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("--store"), "{err}");
}

#[test]
fn an_id_that_leads_elsewhere_is_refused() {
    let bed = Bed::built();
    for id in ["../../x", "..", ".hidden", "a/b", "", "a b"] {
        let before = bed.tree();
        for command in ["status", "show", "resume", "abort", "rollback"] {
            let mut words = vec!["rollout", command, id];
            if command == "rollback" {
                words.extend(["--reason", "x"]);
            }
            let said = bed.run_words(&words);
            assert_eq!(said.code, Some(1), "{command} {id:?}: {}", said.out);
            assert!(
                said.err.contains("is not a valid rollout id"),
                "{command} {id:?}: {}",
                said.err
            );
        }
        assert_same(&before, &bed.tree());
    }
}

fn modes(folder: &Path, wrong: &mut Vec<String>) {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    if mode(folder) != 0o700 {
        wrong.push(format!("{} {:o}", folder.display(), mode(folder)));
    }
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            modes(&path, wrong);
        } else if mode(&path) != 0o600 {
            wrong.push(format!("{} {:o}", path.display(), mode(&path)));
        }
    }
}

#[test]
fn only_its_owner_reads_a_store() {
    let bed = Bed::with_new_image();
    bed.run("rollout start --quiet").ends(3);
    bed.run_words(&["stop", "--reason", "x"]).ends(0);
    let mut wrong = Vec::new();
    modes(&bed.path(".kfleet"), &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}");
    // One that an earlier version left open is closed with the next write.
    bed.run("go").ends(0);
    let journal = bed.journals().pop().unwrap();
    for (path, mode) in [
        (bed.path(".kfleet"), 0o755),
        (bed.path(".kfleet/baselines"), 0o755),
        (journal, 0o644),
    ] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    bed.run_words(&["stop", "--reason", "x"]).ends(0);
    modes(&bed.path(".kfleet"), &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_was_changed_in_a_store_is_seen() {
    let bed = Bed::with_new_image();
    bed.run("rollout start --quiet").ends(3);
    let path = bed.journals().pop().unwrap();
    let whole = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let refused = |text: &str, naming: &[&str]| {
        fs::write(&path, text).unwrap();
        for words in ["rollout resume --auto-approve", "rollout status", "plan"] {
            bed.run(words).refuses(naming);
        }
    };
    // A value, in the middle and in the last record.
    for number in [3, lines.len() - 1] {
        let at = lines[number].find("\"at\":\"2026").unwrap() + 6;
        let mut changed = lines[number].to_owned();
        changed.replace_range(at..at + 4, "2025");
        let mut all = lines.clone();
        all[number] = &changed;
        refused(&(all.join("\n") + "\n"), &[".jsonl is damaged", "changed"]);
    }
    // The end.
    refused(
        &(lines[..lines.len() - 2].join("\n") + "\n"),
        &[".jsonl is damaged", "its end is missing"],
    );
    // The beginning.
    refused(&(lines[1..].join("\n") + "\n"), &[".jsonl is damaged"]);
    // What says where the end is.
    let (head, kept) = (path.with_extension("head"), path.with_extension("kept"));
    fs::rename(&head, &kept).unwrap();
    refused(&whole, &[".jsonl is damaged", ".head is gone"]);
    fs::rename(&kept, &head).unwrap();
    // All of it.
    fs::remove_file(&path).unwrap();
    for words in [
        "rollout status",
        "rollout resume --auto-approve",
        "plan",
        "rollout start",
    ] {
        bed.run(words).refuses(&[".jsonl is damaged", "it is gone"]);
    }
    // What a newer kfleet wrote.
    let newer = lines[0].replacen("\"version\":", "\"version\":9", 1);
    assert_ne!(newer, lines[0]);
    fs::write(&head, "").unwrap();
    refused(&(newer + "\n"), &["is newer than this kfleet"]);
    fs::write(&path, &whole).unwrap();
    let baseline = ".kfleet/baselines/prod-small.k8s.foo.bar.json";
    let text = bed.read(baseline);
    bed.write(
        baseline,
        &text.replacen("\"version\": 1", "\"version\": 2", 1),
    );
    bed.run("plan")
        .refuses(&["prod-small.k8s.foo.bar.json", "version 2 is newer"]);
    bed.write(".kfleet/baselines/prod-acme.k8s.foo.bar.json", &text);
    bed.write(baseline, &text);
    bed.run("plan").refuses(&[
        "prod-acme.k8s.foo.bar.json",
        "it is the baseline of prod-small",
    ]);
}

#[test]
fn machines_are_told_where_rollouts_stand() {
    let bed = Bed::with_new_image();
    bed.run("rollout start --quiet").ends(3);
    let json = |words: &str, code: i32| -> Value {
        let out = bed.run(words).ends(code).out;
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{words}: {e}: {out}"))
    };
    let status = json("rollout status --format json", 3);
    assert_eq!(status["state"], "waiting-for-approval");
    assert_eq!(status["exit_code"], 3);
    assert_eq!(status["approval_wanted"], "prod");
    assert_eq!(status["owner"]["lease"], "free");
    assert!(status["owner"]["by"].as_str().unwrap().starts_with("anna"));
    assert_eq!(status["stages"][0]["state"], "passed");
    let history = json("rollout history --format json", 0);
    let states: Vec<&str> = history["rollouts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["waiting-for-approval", "finished"]);
    let shown = json("rollout show --format json", 0);
    assert_eq!(shown.as_array().unwrap().len(), bed.records().len());
    let empty = Bed::new();
    assert_eq!(
        empty.run("rollout status --format json").ends(0).out,
        "null\n"
    );
    assert_eq!(empty.run("rollout show --format json").ends(0).out, "[]\n");
    for words in [
        "rollout history --format jsonl",
        "rollout status --format yaml",
    ] {
        bed.run(words).refuses(&["possible values: text, json"]);
    }
}

#[test]
fn a_finished_rollout_is_taken_back_only_once_it_was_seen() {
    let bed = Bed::with_new_image();
    bed.run("rollout start --auto-approve --quiet").ends(0);
    let before = bed.groups();
    let said = bed.run("rollout rollback --reason worse").ends(3);
    assert_eq!(before, bed.groups(), "something was done");
    let stages: Vec<&str> = said
        .out
        .lines()
        .filter_map(|l| l.strip_prefix("[local] stage "))
        .map(|l| l.split(' ').next().unwrap())
        .collect();
    assert_eq!(stages.first(), Some(&"prod"), "{}", said.out);
    assert_eq!(stages.last(), Some(&"staging"), "{}", said.out);
    let id = said
        .out
        .lines()
        .find_map(|l| l.strip_prefix("[local] rollback plan "))
        .unwrap();
    bed.run("rollout rollback --reason worse --plan 0123456789ab")
        .ends(1);
    bed.run(&format!(
        "rollout rollback --reason worse --plan {id} --quiet"
    ))
    .ends(0);
    bed.run("rollout status").ends(4);
    // The next pipeline that comes along does not start it again.
    bed.run("rollout start --auto-approve --quiet").ends(1);
    let said = bed.run("rollout start --auto-approve");
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("was rolled back by rollout"),
        "{}",
        said.err
    );
    bed.run_words(&[
        "rollout",
        "start",
        "--auto-approve",
        "--quiet",
        "--again",
        "it was the network",
    ])
    .ends(0);
    bed.run("plan").ends(0);
}

pub(crate) fn start(bed: &Bed, words: &[&str]) -> Child {
    bed.command(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn of_two_starts_at_the_same_moment_one_begins() {
    for round in 0..3 {
        let bed = Bed::with_new_image();
        let words = ["rollout", "start", "--quiet", "--max-wait", "0s"];
        let both = [start(&bed, &words), start(&bed, &words)];
        let ended: Vec<(Option<i32>, String)> = both
            .into_iter()
            .map(|child| {
                let output = child.wait_with_output().unwrap();
                (
                    output.status.code(),
                    String::from_utf8(output.stderr).unwrap(),
                )
            })
            .collect();
        let began: Vec<bool> = ended.iter().map(|(code, _)| *code == Some(3)).collect();
        assert_eq!(
            began.iter().filter(|b| **b).count(),
            1,
            "round {round}: {ended:#?}"
        );
        assert_eq!(bed.journals().len(), 2, "a ghost: {ended:#?}");
        let (code, said) = ended.iter().find(|(code, _)| *code != Some(3)).unwrap();
        assert_eq!(*code, Some(1), "{said}");
        // Whoever comes too late is told by whom.
        assert!(
            [
                "is not finished",
                "is being started by",
                "was started or taken back"
            ]
            .iter()
            .any(|part| said.contains(part))
                || said.contains("locked")
                || said.contains("another process is changing it"),
            "{said}"
        );
        bed.run("rollout abort --reason x").ends(0);
    }
}

#[test]
fn what_does_not_exist_is_found_when_the_plan_is_made() {
    let bed = Bed::built();
    bed.change("fleet.yaml", "gates:\n", "gates:\n  - {name: smoke, kind: command, run: [./smoke.sh]}\n  - {name: other, kind: command, run: [no-such-program]}\n");
    for words in ["plan", "rollout start --auto-approve"] {
        let said = bed.run(words);
        assert_eq!(said.code, Some(1), "{}", said.out);
        for part in [
            "gate smoke: `./smoke.sh` does not exist",
            "gate other: `no-such-program` does not exist",
        ] {
            assert!(said.err.contains(part), "{}", said.err);
        }
    }
    bed.write("smoke.sh", "#!/bin/sh\n");
    let said = bed.run("plan");
    assert!(
        said.err.contains("`./smoke.sh` is not executable"),
        "{}",
        said.err
    );
    fs::set_permissions(bed.path("smoke.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    bed.change(
        "fleet.yaml",
        "run: [no-such-program]",
        "run: [sh, -c, exit 0]",
    );
    bed.run("plan").ends(0);
    let bed = Bed::built();
    bed.change(
        &format!("clusters/{CLUSTER}.yaml"),
        "region: eu-west-3",
        "region: eu-wset-3",
    );
    let said = bed.run("plan");
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(
        said.err.contains(
            "region `eu-wset-3` of staging-acme.k8s.foo.bar is unknown; did you mean `eu-west-3`?"
        ),
        "{}",
        said.err
    );
}

#[test]
fn the_plan_finds_types_and_zones_aws_lacks() {
    for (from, to, parts) in [
        (
            "m5.xlarge",
            "m5.xlrage",
            ["`m5.xlrage`", "did you mean `m5.xlarge`"],
        ),
        ("m5.xlarge", "z9.huge", ["`z9.huge`", "accept"]),
    ] {
        let bed = Bed::built();
        let before = bed.tree();
        bed.change("snippets/spot_4x_16Gb_machine_type.yaml", from, to);
        let said = bed.run("plan");
        assert_eq!(said.code, Some(1), "{}", said.out);
        for part in parts {
            assert!(said.err.contains(part), "{part}: {}", said.err);
        }
        bed.change("snippets/spot_4x_16Gb_machine_type.yaml", to, from);
        assert_eq!(bed.tree(), before);
    }
    let bed = Bed::built();
    bed.change(
        "vars/defaults.yaml",
        "4x_32Gb: {az: [eu-west-3a,",
        "4x_32Gb: {az: [eu-west-3z,",
    );
    let said = bed.run("plan");
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(said.err.contains("eu-west-3z"), "{}", said.err);
}

#[test]
fn retire_unblocks_only_the_group_it_names() {
    let bed = Bed::built();
    let path = format!("clusters/{CLUSTER}.yaml");
    let line = bed
        .read("vars/defaults.yaml")
        .lines()
        .find(|l| l.starts_with("  checkout-api:"))
        .unwrap()
        .to_owned();
    bed.change("vars/defaults.yaml", &format!("{line}\n"), "");
    bed.change("vars/prod.yaml", "  checkout-api: {min: 3, max: 30}\n", "");
    bed.change(
        "vars/prod-small.k8s.foo.bar.yaml",
        "  checkout-api: {min: 2, max: 6}\n",
        "",
    );
    let blocked = |bed: &Bed| {
        let plan: serde_json::Value =
            serde_json::from_str(&bed.run("plan --format json").ends(2).out).unwrap();
        plan["clusters"][CLUSTER]["blocked"].to_string()
    };
    let named = |bed: &Bed, name: &str| {
        let text = format!("{}\nretire: [{name}]\n", bed.read(&path).trim_end());
        bed.write(&path, &text);
    };
    let before = bed.read(&path);
    assert!(blocked(&bed).contains("checkout-api"), "{}", blocked(&bed));
    named(&bed, "dedicated-prometheus");
    let other = bed.run("plan --format json");
    assert!(
        other.code == Some(1) || other.out.contains("\"retire\""),
        "{}{}",
        other.out,
        other.err
    );
    bed.write(&path, &before);
    named(&bed, "dedicated-checkout-api");
    assert_eq!(blocked(&bed), "[]");
    // By name on the command line, it is the same for every cluster; a name that is not there allows nothing.
    bed.write(&path, &before);
    let said = bed.run("plan --allow-retire dedicated-checkout-ap");
    assert!(
        said.code == Some(1) || said.out.contains("blocked"),
        "{}",
        said.out
    );
    let said = bed
        .run("plan --allow-retire dedicated-checkout-api")
        .ends(2);
    assert!(!said.out.contains("not allowed"), "{}", said.out);
}

#[test]
fn a_link_out_of_the_fleet_is_not_followed() {
    let bed = Bed::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "s3cret").unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), bed.path("snippets/aaa.txt"))
        .unwrap();
    let said = bed.run("render --out -");
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("snippets/aaa.txt") && said.err.contains("leads out of the fleet"),
        "{}",
        said.err
    );
    assert!(!said.out.contains("s3cret") && !said.err.contains("s3cret"));
    // Within it, it is as good as a file.
    fs::remove_file(bed.path("snippets/aaa.txt")).unwrap();
    bed.write("snippets/bbb.txt", "x");
    std::os::unix::fs::symlink(bed.path("snippets/bbb.txt"), bed.path("snippets/aaa.txt")).unwrap();
    bed.run("render --check").code.filter(|c| *c != 1).unwrap();
    std::os::unix::fs::symlink(outside.path(), bed.path("snippets/folder")).unwrap();
    assert_eq!(bed.run("render --out -").code, Some(1));
}

#[cfg(feature = "aws")]
#[test]
fn a_folder_is_no_store_for_real_clusters_in_ci() {
    let bed = Bed::new();
    let run = |ci: Option<&str>, words: &[&str]| {
        let mut command = bed.command(words);
        command
            .env("KFLEET_CLOUD", "aws")
            .env("AWS_ACCESS_KEY_ID", "x")
            .env("AWS_SECRET_ACCESS_KEY", "x")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            // Nobody answers here.
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
        if let Some(ci) = ci {
            command.env("CI", ci);
        }
        // Only what is said before anything is asked counts: the first refusal, or the warning.
        command.arg("--store").arg(bed.path("shared"));
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    let resume = ["rollout", "resume"];
    let refused = run(Some("true"), &["rollout", "start"]);
    assert!(
        refused.contains("is a folder") && refused.contains("and this is CI"),
        "{refused}"
    );
    assert!(refused.contains("--allow-folder-store"), "{refused}");
    assert!(!bed.path("shared").exists());
    // A person is told, once: nobody answers here, so what is said before the first call is all there is.
    let mut command = bed.command(&["rollout", "start"]);
    let mut started = command
        .env("KFLEET_CLOUD", "aws")
        .env("AWS_ACCESS_KEY_ID", "x")
        .env("AWS_SECRET_ACCESS_KEY", "x")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .env_remove("CI")
        .arg("--store")
        .arg(bed.path("other"))
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(5));
    started.kill().unwrap();
    let said = started.wait_with_output().unwrap();
    let said = String::from_utf8(said.stderr).unwrap();
    assert_eq!(
        said.matches("is a folder: it keeps no other machine")
            .count(),
        1,
        "{said}"
    );
    // What is not there needs nobody's leave, and a look changes nothing.
    for ci in [None, Some("false"), Some("true")] {
        let said = run(ci, &resume);
        assert!(said.contains("nothing to resume"), "{said}");
    }
}
