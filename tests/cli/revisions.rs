//! Git is part of a release: what a plan and a rollout say of commit, tree and rendering, what is left of clusters that git no longer names.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::bed::Bed;

const ORPHAN: &str = "staging-globex.k8s.foo.bar";

/// Runs git in the fleet.
#[track_caller]
pub(crate) fn git(bed: &Bed, words: &str) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(bed.path("")).args([
        "-c",
        "user.name=Anna",
        "-c",
        "user.email=anna@foo.bar",
    ]);
    let output = command.args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "git {words}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The fleet rendered and committed.
pub(crate) fn committed() -> Bed {
    let bed = Bed::new();
    bed.run("render").ends(0);
    bed.write(".gitignore", ".kfleet/\n");
    git(&bed, "init --quiet --initial-branch=main");
    git(&bed, "add .");
    git(&bed, "commit --quiet --message=first");
    bed
}

fn head(bed: &Bed) -> String {
    git(bed, "rev-parse --short=12 HEAD")
}

#[test]
fn a_plan_names_its_commit_and_the_tree() {
    let bed = committed();
    let line = |state: &str| {
        format!(
            "[local] commit {} on main by Anna <anna@foo.bar>, {state}\n",
            head(&bed)
        )
    };
    let plan = bed.run("plan").ends(2);
    let clean = line("clean; rendered/ up to date");
    assert!(plan.out.contains(&clean), "{}", plan.out);
    // Who made it is no part of what it does: the id is the same where there is no git.
    assert_eq!(plan.plan_id(), Bed::new().run("plan").ends(2).plan_id());

    bed.change("vars/prod.yaml", "max: 40", "max: 41");
    let changed = line("1 file not committed; rendered/ is not up to date: ");
    let plan = bed.run("plan").ends(2);
    assert!(plan.out.contains(changed.trim_end()), "{}", plan.out);
    let json = bed.run("plan --format json").ends(2);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    let commit = &json["revision"]["git"]["commit"];
    assert_eq!(commit["changed"], serde_json::json!(["vars/prod.yaml"]));
    assert!(commit["id"].as_str().unwrap().starts_with(&head(&bed)));
    let markdown = bed.run("plan --format markdown").ends(2).out;
    assert!(markdown.contains("- commit "), "{markdown}");

    // A branch that only the pipeline knows.
    git(&bed, "checkout --quiet --detach");
    let words = ["plan"];
    let told = bed.command(&words).env("BRANCH_NAME", "feature/x").output();
    let told = String::from_utf8(told.unwrap().stdout).unwrap();
    assert!(told.contains(" on feature/x by Anna"), "{told}");
}

#[test]
fn without_git_the_commit_is_not_known() {
    let bed = Bed::new();
    let said = bed.run("plan").ends(2);
    let line = "commit not known: not in a git repository; no rendered/ folder";
    assert!(said.out.contains(line), "{}", said.out);
    let mut command = bed.command(&["plan"]);
    let output = command.env("PATH", "").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("commit not known: cannot run git"), "{text}");
}

#[test]
fn a_rollout_records_its_commit() {
    let bed = committed();
    let said = bed.run("rollout start --auto-approve --quiet").ends(0);
    assert!(!said.err.contains("warning"), "{}", said.err);
    let short = head(&bed);
    let named = format!("commit {short}");
    for command in ["rollout history", "rollout status", "rollout show"] {
        let said = bed.run(command).ends(0);
        assert!(said.out.contains(&named), "{command}: {}", said.out);
    }
    let baseline = bed.read(&format!(".kfleet/baselines/{ORPHAN}.json"));
    assert!(
        baseline.contains(&format!("\"commit\": \"{short}")),
        "{baseline}"
    );

    // What changed since then, whatever was committed meanwhile.
    bed.change("vars/prod.yaml", "max: 40", "max: 41");
    bed.run("render").ends(0);
    git(&bed, "commit --quiet --all --message=second");
    let diff = bed.run("diff --since LAST-ROLLOUT").ends(2);
    assert!(diff.out.contains(&short), "{}", diff.out);
    assert!(diff.out.contains("MaxSize: 40 → 41"), "{}", diff.out);
}

#[test]
fn what_is_not_committed_is_warned_of_and_recorded() {
    let bed = committed();
    bed.change("vars/prod.yaml", "max: 40", "max: 41");
    let said = bed.run("rollout start --auto-approve").ends(0);
    let warning = "[local] warning: not committed: vars/prod.yaml; rendered/ is not up to date: ";
    assert!(said.err.contains(warning), "{}", said.err);
    let history = bed.run("rollout history").ends(0);
    assert!(
        history.out.contains("(not all committed)"),
        "{}",
        history.out
    );
    // The difference to that commit is not all there was.
    let diff = bed.run("diff --since LAST-ROLLOUT").ends(2);
    assert!(
        diff.err
            .contains("was of more than its commit: not committed: vars/prod.yaml"),
        "{}",
        diff.err
    );

    bed.change("vars/prod.yaml", "max: 41", "max: 42");
    bed.run_words(&["rollout", "start", "--auto-approve", "--allow-dirty", " "])
        .refuses(&["the reason is empty", "--allow-dirty"]);
    let words = [
        "rollout",
        "start",
        "--auto-approve",
        "--allow-dirty",
        "INC-7",
    ];
    let said = bed.run_words(&words).ends(0);
    assert!(!said.err.contains("warning: not committed"), "{}", said.err);
    for command in ["rollout history", "rollout status", "rollout show"] {
        let said = bed.run(command).ends(0);
        assert!(said.out.contains("ALLOW DIRTY"), "{command}: {}", said.out);
    }
    let status = bed.run("rollout status --format json").ends(0);
    let status: Value = serde_json::from_str(&status.out).unwrap();
    assert_eq!(status["revision"]["allow_dirty"], "INC-7");

    // What runs where says so as long as it runs there, and no longer.
    let status = bed.run("status prod-acme").ends(0).out;
    assert!(
        status.contains(
            "prod-acme.k8s.foo.bar: runs more than what was committed; `kfleet rollout status "
        ) && status.contains("ALLOW DIRTY: INC-7"),
        "{status}"
    );
    let status = bed.run("status --format json").ends(0);
    let status: Value = serde_json::from_str(&status.out).unwrap();
    assert_eq!(status["clusters"][2]["applied"]["allow_dirty"], "INC-7");
    assert_eq!(status["clusters"][2]["applied"]["more_than_commit"], true);
    bed.run("render").ends(0);
    git(&bed, "commit --quiet --all --message=second");
    bed.change("vars/prod.yaml", "max: 42", "max: 43");
    bed.run("render").ends(0);
    git(&bed, "commit --quiet --all --message=third");
    bed.run("rollout start --auto-approve --quiet").ends(0);
    let status = bed.run("status prod-acme").ends(0).out;
    assert!(!status.contains("more than what"), "{status}");
}

#[test]
fn the_last_rollout_may_be_typed_in_small_letters() {
    let bed = committed();
    bed.run("rollout start --auto-approve --quiet").ends(0);
    let short = head(&bed);
    for name in ["last-rollout", "LAST_ROLLOUT", "Last-Rollout"] {
        let diff = bed.run(&format!("diff --since {name}")).ends(0);
        assert!(diff.out.contains(&short), "{name}: {}", diff.out);
    }
    bed.run("diff --since last-rolout")
        .refuses(&["git knows no revision", "did you mean `LAST-ROLLOUT`?"]);
    // What git calls so is git's.
    bed.change("vars/prod.yaml", "max: 40", "max: 41");
    git(&bed, "commit --quiet --all --message=second");
    git(&bed, "tag last-rollout");
    bed.run("diff --since last-rollout").ends(0);
    bed.run("diff --since LAST-ROLLOUT").ends(2);
}

#[test]
fn last_rollout_has_to_be_known() {
    let bed = committed();
    bed.run("diff --since LAST-ROLLOUT")
        .refuses(&["no rollout has finished yet"]);
    let bed = Bed::built();
    git(&bed, "init --quiet");
    bed.run("diff --since LAST-ROLLOUT")
        .refuses(&["does not know which commit it was of"]);
}

#[test]
fn a_cluster_that_git_forgot_is_an_orphan() {
    let bed = Bed::built();
    bed.run(&format!("forget {ORPHAN}"))
        .refuses(&["is in git", "remove the file first"]);
    bed.run("forget staging-globe.k8s.foo.bar")
        .refuses(&["the store knows no cluster", "did you mean `staging-globex"]);

    std::fs::remove_file(bed.path(&format!("clusters/{ORPHAN}.yaml"))).unwrap();
    let plan = bed.run("plan").ends(0);
    assert!(
        plan.out
            .contains(&format!("[local] orphan {ORPHAN}: rollout ")),
        "{}",
        plan.out
    );
    assert!(plan.out.contains(&format!("then `kfleet forget {ORPHAN}`")));
    let json = bed.run("plan --format json").ends(0).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["orphans"][0]["cluster"], ORPHAN);

    bed.run(&format!("forget {ORPHAN}"))
        .refuses(&["still has 10 groups in account 222233334444", "--abandon"]);
    bed.run_words(&["forget", ORPHAN, "--abandon", "team infra has it"])
        .ends(0);
    assert!(!bed.run("plan").ends(0).out.contains("orphan"));
    let kept = bed.read(&format!(".kfleet/forgotten/{ORPHAN}.json"));
    assert!(
        kept.contains("team infra has it") && kept.contains("anna"),
        "{kept}"
    );
}

#[test]
fn a_cluster_that_is_gone_is_forgotten() {
    let bed = Bed::built();
    std::fs::remove_file(bed.path(&format!("clusters/{ORPHAN}.yaml"))).unwrap();
    // The whole simulated account is gone, and with it the cluster.
    std::fs::remove_dir_all(bed.path(".kfleet/local")).unwrap();
    // Giving up what may still be there takes the full name.
    bed.run_words(&["forget", "staging-glob", "--abandon", "gone"])
        .refuses(&[
            "the store knows no cluster `staging-glob`",
            "did you mean `staging-globex.k8s.foo.bar`? With `--abandon` a cluster is named in full",
        ]);
    let said = bed.run("forget staging-glob").ends(0);
    assert_eq!(said.out, format!("[local] {ORPHAN} is forgotten\n"));
    assert!(
        !bed.path(&format!(".kfleet/baselines/{ORPHAN}.json"))
            .exists()
    );
}

#[test]
fn a_plan_says_which_rollout_is_under_way() {
    let bed = Bed::with_new_image();
    bed.run("rollout start --quiet").ends(3);
    let plan = bed.run("plan").ends(2);
    let line = plan.out.lines().find(|l| l.contains("under way: rollout "));
    let line = line.unwrap_or_else(|| panic!("{}", plan.out));
    assert!(
        line.contains("started by anna") && line.contains("no process drives it"),
        "{line}"
    );
    let json = bed.run("plan --format json").ends(2).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["rollout_under_way"]["state"], "waiting-for-approval");
}

#[test]
fn the_version_names_the_build() {
    let output = Command::new(env!("CARGO_BIN_EXE_kfleet"))
        .arg("-V")
        .stdin(Stdio::null())
        .output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let version = format!("kfleet {} (", env!("CARGO_PKG_VERSION"));
    assert!(text.starts_with(&version), "{text}");
    let features = if cfg!(feature = "aws") {
        "features aws, "
    } else {
        "no features"
    };
    assert!(text.contains(features), "{text}");
}
