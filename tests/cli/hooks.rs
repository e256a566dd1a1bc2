//! Hooks: what the bundled fleet rolls with Helm, on the simulated account and with a `helm` that writes down what it is asked; and what happens to a
//! hook when the process that runs it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bed::{Bed, Said};

const VALUES: &str = "tools/values.acme.yaml";

fn both(said: &Said) -> String {
    format!("{}{}", said.out, said.err)
}

fn executable(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The built fleet, with another hook behind its own.
fn with_hook(hook: &str) -> Bed {
    let bed = Bed::built();
    let text = bed.read("fleet.yaml");
    let (before, after) = text.split_once("\ngates:").unwrap();
    bed.write("fleet.yaml", &format!("{before}\n{hook}\ngates:{after}"));
    bed
}

/// A hook of staging that says when it runs, and runs for so long.
fn slow(seconds: u32, more: &str) -> String {
    format!(
        "  - name: slow\n    at: before-stage\n    stages: [staging]\n    when: changed\n    files: [{VALUES}]\n    run: [sh, -c, \"echo $$ > running; sleep {seconds}; echo ran >> ran\"]\n    simulated: true\n{more}"
    )
}

fn wait_for(path: &Path) {
    let since = Instant::now();
    while !fs::read_to_string(path).is_ok_and(|t| t.ends_with('\n')) {
        assert!(
            since.elapsed() < Duration::from_secs(60),
            "{}",
            path.display()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn begun(bed: &Bed) -> Child {
    let words = ["rollout", "start", "--auto-approve"];
    let mut command = bed.command(&words);
    let child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(&bed.path("running"));
    child
}

fn is_alive(pid: &str) -> bool {
    // A process that has ended and that nobody has asked for is no process.
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_ok_and(|s| !s.contains(") Z "))
}

#[test]
fn the_bundled_tools_are_rolled_with_the_fleet() {
    let bed = Bed::new();
    let plan = bed.run("plan").ends(2);
    for part in [
        "[local] hooks\n",
        "tenancy (after clusters of stage staging): runs for staging-acme.k8s.foo.bar, staging-globex.k8s.foo.bar",
        "tools/roll tenancy tools/values.acme.yaml",
        "it has not run there yet; within 6m; up to 1 attempt more; has an undo; skipped where `helm` is not on the PATH",
    ] {
        assert!(
            plan.out.contains(part),
            "nothing about {part:?} in\n{}",
            plan.out
        );
    }
    let started = bed.run("rollout start --auto-approve").ends(0);
    let said = "prod-small.k8s.foo.bar hook room: not run: the account is simulated, and what a hook reaches is real";
    assert!(started.err.contains(said), "{}", started.err);
    let empty = bed.run("plan").ends(0).out;
    assert!(
        empty.contains("no changes") && !empty.contains("hook"),
        "{empty}"
    );
    let status = bed.run("status").ends(0).out;
    let all = "] hook room: as git has it at 5 places, last at 2026-01-05";
    assert!(status.contains(all), "{status}");
    let each = "] staging-acme.k8s.foo.bar: hook room: as git has it since rollout 20260105T";
    assert!(bed.run("status --verbose").ends(0).out.contains(each));

    // Values of one customer: its clusters, staging first, and no group.
    bed.change(VALUES, "replicas: 3", "replicas: 4");
    let status = bed.run("status").ends(0).out;
    assert!(
        status.contains("its files or commands have changed since"),
        "{status}"
    );
    let plan = bed.run("plan").ends(2).out;
    assert!(
        plan.contains("room (after clusters of stage prod): runs for prod-acme.k8s.foo.bar\n")
            && plan.contains("its files or commands changed")
            && !plan.contains("globex"),
        "{plan}"
    );
    let markdown = bed.run("plan --format markdown").ends(2).out;
    assert!(
        markdown.contains("4 runs by hooks, 4 of them for what has changed"),
        "{markdown}"
    );
    let plan: Value = serde_json::from_str(&bed.run("plan --format json").ends(2).out).unwrap();
    assert_eq!(plan["hooks"].as_array().unwrap().len(), 4);
    // Prod alone would pass staging by.
    let said = bed.run("rollout start --auto-approve --stage prod").ends(1);
    for part in ["has to wait for stage staging", "its hook"] {
        assert!(said.err.contains(part), "{}", said.err);
    }
    bed.run("rollout start --auto-approve").ends(0);
    let records = bed.records();
    let count = |kind: &str| records.iter().filter(|r| r["code"] == kind).count();
    assert_eq!((count("hook-started"), count("hook-ended")), (4, 4));
    assert_eq!(count("group-started"), 0);
    bed.run("plan").ends(0);
    let status: Value = serde_json::from_str(&bed.run("status --format json").ends(0).out).unwrap();
    let hooks = status["hooks"].as_array().unwrap();
    assert!(hooks.len() == 10 && hooks.iter().all(|h| h["as_git_wants"] == true));
}

#[test]
fn helm_is_asked_as_the_scripts_say() {
    let bed = Bed::built();
    let text = bed.read("fleet.yaml");
    let text = text.replace(
        "skip_without: helm",
        "skip_without: helm\n    simulated: true",
    );
    bed.write("fleet.yaml", &text);
    // Three releases come up, the fourth does not; of those before it two were there already.
    let helm = "#!/bin/sh\necho \"$*\" >> asked\ncase \"$1 $2\" in\n\"upgrade room\") test ! -f broken;;\n\"history tenancy\") printf -- '- description: kfleet %s\\n  revision: 1\\n  status: superseded\\n- description: kfleet %s\\n  revision: 2\\n  status: deployed\\n' before \"$KFLEET_ROLLOUT\";;\n\"history room\") printf -- '- description: Rollback to 1\\n  revision: 3\\n  status: deployed\\n';;\nesac\n";
    executable(&bed.path("bin/helm"), helm);
    bed.change(VALUES, "replicas: 3", "replicas: 4");
    let on_path = |words: &[&str]| -> Said {
        let path = format!(
            "{}:{}",
            bed.path("bin").display(),
            std::env::var("PATH").unwrap()
        );
        let out = bed.command(words).env("PATH", path).output().unwrap();
        Said {
            code: out.status.code(),
            out: String::from_utf8(out.stdout).unwrap(),
            err: String::from_utf8(out.stderr).unwrap(),
        }
    };
    fs::write(bed.path("broken"), "").unwrap();
    let said = on_path(&["rollout", "start", "--auto-approve"]).ends(4);
    assert!(
        said.err.contains("hook room: failed with exit code 1"),
        "{}",
        both(&said)
    );
    let asked = bed.read("asked");
    for part in [
        "upgrade tenancy tools/charts/tenancy --install --atomic --timeout 5m --namespace kube-system --kube-context staging-acme --values tools/values.acme.yaml --set-string cluster=staging-acme.k8s.foo.bar --description kfleet ",
        "upgrade room tools/charts/room --install --atomic",
        "rollback tenancy 1 --namespace kube-system --kube-context staging-acme --wait",
    ] {
        assert!(asked.contains(part), "nothing about {part:?} in\n{asked}");
    }
    // Helm took the one that failed back itself.
    assert!(!asked.contains("rollback room"), "{asked}");
    // It was tried once more, and prod was not asked.
    assert_eq!(asked.matches("upgrade room").count(), 2, "{asked}");
    assert!(!asked.contains("prod-acme"), "{asked}");

    fs::remove_file(bed.path("broken")).unwrap();
    on_path(&["rollout", "start", "--auto-approve", "--again", "mended"]).ends(0);
    assert!(bed.read("asked").contains("--kube-context prod-acme"));
    on_path(&["plan"]).ends(0);
}

#[test]
fn without_helm_its_hooks_are_left_out() {
    let bed = Bed::built();
    let text = bed.read("fleet.yaml");
    let text = text.replace(
        "skip_without: helm",
        "skip_without: no-helm-here\n    simulated: true",
    );
    bed.write("fleet.yaml", &text);
    bed.change(VALUES, "replicas: 3", "replicas: 4");
    let said = bed.run("rollout start --auto-approve").ends(0);
    let left_out = "warning: the hook `room` is left out: `no-helm-here` is not on the PATH here";
    assert!(said.err.contains(left_out), "{}", said.err);
    // What nothing can be done about from here is no change, and its files need not be there either.
    let said = bed.run("plan").ends(0);
    assert!(said.err.contains(left_out), "{}", said.err);
    fs::remove_dir_all(bed.path("tools")).unwrap();
    bed.run("plan").ends(0);
    executable(&bed.path("bin/no-helm-here"), "#!/bin/sh\n");
    let mut command = bed.command(&["plan"]);
    let out = command.env("PATH", bed.path("bin")).output().unwrap();
    assert_eq!(out.status.code(), Some(1), "its files are missing");
}

#[test]
fn the_charts_are_what_helm_takes() {
    if Command::new("helm").arg("version").output().is_err() {
        eprintln!("skipped: no `helm` on the PATH");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools");
    for customer in ["acme", "globex"] {
        for chart in ["room", "tenancy"] {
            let out = Command::new("helm")
                .args(["template", chart, &format!("charts/{chart}")])
                .args(["--values", &format!("values.{customer}.yaml")])
                .args(["--set-string", "cluster=c.k8s.foo.bar"])
                .current_dir(&root)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&out.stderr);
            assert!(out.status.success(), "{chart} of {customer}: {said}");
            let text = String::from_utf8(out.stdout).unwrap();
            let kinds = text.lines().filter(|l| l.starts_with("kind: ")).count();
            assert!(kinds >= 2, "{text}");
        }
    }
}

/// What `tools/back` has Helm do, of a release with this history, and how it ends.
fn taken_back(bed: &Bed, history: &str) -> (Option<i32>, String) {
    let answer = match history.strip_prefix("Error: ") {
        Some(error) => format!("echo 'Error: {error}' >&2; exit 1"),
        None => format!("printf '%b' '{history}'"),
    };
    let helm =
        format!("#!/bin/sh\ncase $1 in\nhistory) {answer};;\n*) echo \"$1 $2 $3\";;\nesac\n");
    executable(&bed.path("bin/helm"), &helm);
    let path = std::env::var("PATH").unwrap();
    let out = Command::new(bed.path("tools/back"))
        .arg("room")
        .env("PATH", format!("{}:{path}", bed.path("bin").display()))
        .env("KFLEET_KUBE_CONTEXT", "c")
        .env("KFLEET_ROLLOUT", "now")
        .output()
        .unwrap();
    let said = String::from_utf8(out.stdout).unwrap();
    (out.status.code(), said.trim().to_owned())
}

#[test]
fn an_undo_takes_back_what_this_rollout_did() {
    let bed = Bed::new();
    let of = |all: &[(&str, &str)]| -> String {
        let one = |(n, (description, status)): (usize, &(&str, &str))| {
            format!(
                "- app_version: \"1\"\\n  chart: room-1\\n  description: {description}\\n  revision: {}\\n  status: {status}\\n",
                n + 1
            )
        };
        all.iter().enumerate().map(one).collect()
    };
    let (before, now) = (("kfleet before", "superseded"), ("kfleet now", "deployed"));
    for (history, code, said) in [
        (of(&[before, now]), 0, "rollback room 1"),
        // It ran twice: what it made first is not what was there before.
        (
            of(&[before, ("kfleet now", "superseded"), now]),
            0,
            "rollback room 1",
        ),
        (
            of(&[before, ("kfleet other", "failed"), now]),
            0,
            "rollback room 1",
        ),
        (of(&[now]), 0, "uninstall room --namespace"),
        (
            of(&[("kfleet now", "superseded"), now]),
            0,
            "uninstall room --namespace",
        ),
        (
            of(&[
                before,
                ("kfleet now", "failed"),
                ("Rollback to 1", "deployed"),
            ]),
            0,
            "room is not what rollout now made of it: left as it is",
        ),
        (
            "Error: release: not found".into(),
            0,
            "room is not installed",
        ),
        // Helm that cannot say whether there is a release does not say that there is none.
        ("Error: Kubernetes cluster unreachable".into(), 1, ""),
    ] {
        assert_eq!(
            taken_back(&bed, &history),
            (Some(code), said.into()),
            "{history}"
        );
    }
}

#[test]
fn a_killed_hook_waits_for_a_word() {
    let bed = with_hook(&slow(30, ""));
    let mut child = begun(&bed);
    let pid = bed.read("running");
    child.kill().unwrap();
    child.wait().unwrap();
    // It does not outlive the process that watched over it.
    let since = Instant::now();
    while is_alive(&pid) {
        assert!(since.elapsed() < Duration::from_secs(10), "{pid} is alive");
        std::thread::sleep(Duration::from_millis(50));
    }
    let said = bed.run("rollout resume --auto-approve").ends(5);
    assert!(
        both(&said).contains(
            "whether it did its work is not known, and it does not say that it may run twice"
        ) && said
            .out
            .contains("kfleet rollout resume --hook slow@staging=done"),
        "{}",
        both(&said)
    );
    let status = bed.run("rollout status").ends(5).out;
    assert!(
        status.contains("stage staging hook slow: IN DOUBT: begun at 2026-01-05"),
        "{status}"
    );
    bed.run("rollout resume --hook fast=done").refuses(&[
        "`fast` is no hook that waits for a word",
        "in doubt or failed: slow@staging",
    ]);
    let said = bed.run("rollout resume --hook slow=maybe");
    assert!(said.code == Some(2) || said.code == Some(1), "{said:?}");
    let said = bed
        .run("rollout resume --auto-approve --hook slow@staging=done")
        .ends(0);
    assert!(
        both(&said).contains("says that it has done its work"),
        "{}",
        both(&said)
    );
    assert!(!bed.path("ran").exists());
    bed.run("plan").ends(0);
}

#[test]
fn a_killed_hook_that_may_repeat_is_repeated() {
    let bed = with_hook(&slow(2, "    repeatable: true\n"));
    let mut child = begun(&bed);
    child.kill().unwrap();
    child.wait().unwrap();
    bed.run("rollout resume --auto-approve").ends(0);
    assert_eq!(bed.read("ran"), "ran\n");
}

#[test]
fn an_interrupt_lets_a_hook_end() {
    let bed = with_hook(&slow(2, ""));
    let child = begun(&bed);
    let interrupted = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    let out = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(3), "{said}");
    assert!(said.contains("stage staging hook slow: done"), "{said}");
    assert_eq!(bed.read("ran"), "ran\n");
    bed.run("rollout resume --auto-approve").ends(0);
    assert_eq!(bed.read("ran"), "ran\n");
}

#[test]
fn what_hooks_print_is_kept_without_secrets() {
    let bed = with_hook(
        "  - name: talks\n    at: before-stage\n    stages: [staging]\n    when: changed\n    files: [tools/values.acme.yaml]\n    run: [sh, -c, \"echo token=abc123; printf '\\\\033[31mred'; exit 9\"]\n    simulated: true\n    on_failure: continue\n",
    );
    let said = bed.run("rollout start --auto-approve").ends(0);
    let line = said.err.lines().find(|l| l.contains("hook talks: failed"));
    let line = line.unwrap_or_else(|| panic!("{}", both(&said)));
    assert!(line.contains("failed with exit code 9"), "{line}");
    let shown = bed
        .run("rollout show --output talks@staging.run.1")
        .ends(0)
        .out;
    assert!(
        shown.contains("token=***") && shown.contains("\\u{1b}[31mred"),
        "{shown}"
    );
    bed.run("rollout show --output ../../fleet.yaml").ends(1);
    bed.run("rollout show --output talks@prod.run.1")
        .refuses(&["keeps no output"]);
    let status = bed.run("rollout status").ends(0).out;
    assert!(
        status.contains("and the rollout goes on (on_failure: continue)"),
        "{status}"
    );
}

#[test]
fn a_saved_plan_is_bound_to_what_its_hooks_read() {
    let bed = Bed::built();
    bed.change(VALUES, "replicas: 3", "replicas: 4");
    let path = bed.path("plan.json").display().to_string();
    bed.run_words(&["plan", "--out", &path]).ends(2);
    bed.change(VALUES, "replicas: 4", "replicas: 5");
    let words = ["rollout", "start", "--auto-approve", "--plan", &path];
    bed.run_words(&words).refuses(&[
        "the hooks, or what they read, are not what the plan was made for: `room`, `tenancy`",
    ]);
    bed.change(VALUES, "replicas: 5", "replicas: 4");
    bed.run_words(&words).ends(0);
}

#[test]
fn a_hook_that_makes_no_sense_is_refused() {
    for (lines, naming) in [
        (
            "at: after-noon\n    run: [x]",
            vec!["fleet.yaml:", "after-noon"],
        ),
        ("at: after-stage\n    run: []", vec!["has no command"]),
        (
            "at: after-stage\n    run: [x]\n    when: changed",
            vec!["runs when its files changed, and has none"],
        ),
        (
            "at: after-stage\n    run: [x]\n    retries: 2",
            vec!["repeatable: true"],
        ),
        (
            "at: after-stage\n    run: [x]\n    files: [../secrets]",
            vec!["`../secrets`", "no path below the fleet"],
        ),
        (
            "at: after-stage\n    run: [x]\n    stages: [prodd]",
            vec!["prodd", "prod"],
        ),
        (
            "at: after-stage\n    run: [x]\n    clusters: [prod-acme.k8s.foo.bar]",
            vec!["at: before-cluster"],
        ),
        (
            "at: after-stage\n    run: [x, \"{cluster}\"]",
            vec!["names {cluster}, which means nothing there"],
        ),
        (
            "at: after-cluster\n    run: [x, \"{custommer}\"]",
            vec!["names {custommer}", "has no text or number for"],
        ),
        (
            "at: after-cluster\n    run: [x]\n    files: [tools/nothing]\n    simulated: true",
            vec!["reads tools/nothing: it is not there"],
        ),
        (
            "at: after-cluster\n    run: [x]\n    environment: [\"1X\"]",
            vec!["`1X`"],
        ),
        (
            "at: after-cluster\n    run: [x]\n    timeout: 0s",
            vec!["is given no time"],
        ),
    ] {
        let bed = Bed::new();
        let text = bed.read("fleet.yaml");
        let (before, after) = text.split_once("\ngates:").unwrap();
        let odd = format!("{before}\n  - name: odd\n    {lines}\n\ngates:{after}");
        bed.write("fleet.yaml", &odd);
        bed.refuses("plan", &naming);
    }
}

#[test]
fn a_simulated_account_does_without_what_hooks_read() {
    let bed = Bed::new();
    fs::remove_dir_all(bed.path("tools")).unwrap();
    let said = bed.run("rollout start --auto-approve").ends(0);
    let warning = "warning: fleet.yaml: the hook `room` reads tools/charts/room: it is not there";
    assert_eq!(said.err.matches(warning).count(), 1, "{}", said.err);
    bed.run("plan").ends(0);
}

/// Its command failed and its undo is in doubt: what a person says of it is said of the undo, which is what the rollback waits for.
#[test]
fn a_word_on_the_way_back_is_of_the_undo() {
    let hook = format!(
        "  - name: torn\n    at: after-cluster\n    clusters: [staging-acme.k8s.foo.bar]\n    when: changed\n    files: [{VALUES}]\n    run: [sh, -c, \"exit 3\"]\n    undo: [sh, -c, \"echo $$ > running; sleep 30\"]\n    simulated: true\n"
    );
    let bed = with_hook(&hook);
    let mut child = begun(&bed);
    child.kill().unwrap();
    child.wait().unwrap();
    let said = bed.run("rollout resume").ends(5);
    assert!(said.err.contains("the undo of hook `torn`"), "{}", said.err);
    bed.run("rollout resume --hook torn=done").ends(4);
}

/// One shard of two, in the background.
fn shard(bed: &Bed, number: u32, more: &str) -> Child {
    let words = format!("rollout start --stage staging --shard {number}/2 --auto-approve {more}");
    let mut command = bed.command(&words.split_whitespace().collect::<Vec<_>>());
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.env("KFLEET_POLL", "20s").spawn().unwrap()
}

/// Two hooks that write down which shard ran them, the first of which takes its time; and a git with another image.
fn around_the_stage(before: &str) -> Bed {
    let said = |way: &str| format!("echo {way} $KFLEET_HOOK $KFLEET_ROLLOUT >> ran");
    let ran = said("run");
    let bed = with_hook(&format!(
        "  - {{name: first, at: before-stage, run: [sh, -c, \"{ran}; echo $$ > running; {before}\"], undo: [sh, -c, \"{}\"], repeatable: true, simulated: true}}\n  - {{name: last, at: after-wave, run: [sh, -c, \"{ran}\"], simulated: true}}\n",
        said("undo")
    ));
    bed.change(
        "vars/defaults.yaml",
        crate::bed::OLD_IMAGE,
        crate::bed::NEW_IMAGE,
    );
    bed
}

/// What ran, and in which shard.
fn ran_in(bed: &Bed) -> Vec<String> {
    let text = bed.read("ran");
    let line = |line: &str| {
        let (what, rollout) = line.rsplit_once(' ').unwrap();
        let shard = rollout.rsplit_once("-s").unwrap().1;
        format!("{what} {shard}")
    };
    text.lines().map(line).collect()
}

/// What runs once for a stage or a wave runs in one shard, and the others wait for it: before, until it is through; after, until all are.
#[test]
fn one_shard_runs_what_runs_once_for_all() {
    let bed = around_the_stage("sleep 4");
    let second = shard(&bed, 2, "");
    let mut first = shard(&bed, 1, "");
    wait_for(&bed.path("running"));
    first.kill().unwrap();
    first.wait().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let all = |bed: &Bed| -> String {
        let read = |path| fs::read_to_string(path).unwrap();
        bed.journals().iter().map(read).collect()
    };
    let begun = |bed: &Bed| all(bed).matches("\"cluster-started\"").count();
    let before = begun(&bed);
    // The same words go on with it; it may run twice.
    for mut child in [shard(&bed, 1, ""), second] {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    assert_eq!(
        ran_in(&bed),
        ["run first 1of2", "run first 1of2", "run last 1of2"]
    );
    let journals = all(&bed);
    // Five are of the rollout that made the fleet; nothing began while the hook ran.
    assert_eq!((before, begun(&bed)), (5, 7));
    assert_eq!(journals.matches("\"hook-ran-beside\"").count(), 1);
    bed.assert_at_rest();
    bed.run("plan --stage staging --quiet").ends(0);
}

/// A hook that fails fails in all: what they have done goes back in all of them, and its undo runs where it ran.
#[test]
fn a_hook_that_fails_in_one_shard_fails_in_all() {
    let bed = around_the_stage("true");
    bed.change(
        "fleet.yaml",
        "name: last, at: after-wave, run: [sh, -c, \"",
        "name: last, at: after-stage, run: [sh, -c, \"exit 3; ",
    );
    let shards = [shard(&bed, 1, ""), shard(&bed, 2, "")];
    assert!(shards.map(|mut s| s.wait().unwrap().code()) == [Some(4); 2]);
    assert_eq!(ran_in(&bed), ["run first 1of2", "undo first 1of2"]);
    let said = bed.run("rollout status").ends(4).out;
    assert_eq!(said.matches("rolled back").count(), 2, "{said}");
    bed.assert_at_rest();
}
