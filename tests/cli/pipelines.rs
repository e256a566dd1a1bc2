//! Pipelines: every command line of the Jenkinsfile, of the one that `init` writes, and of the pages for GitHub and GitLab runs in their order, and JUnit is read again.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use quick_junit::{Report, TestCaseStatus};

use crate::bed::{Bed, NEW_IMAGE, OLD_IMAGE};

/// The command lines of a Jenkinsfile: `sh '…'` and `sh(script: '…'`.
fn of_jenkins(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for line in text.lines() {
        for before in ["sh '", "sh(script: '"] {
            let after = line.split_once(before).map(|(_, after)| after);
            all.extend(after.and_then(|a| Some(a.split_once('\'')?.0.to_owned())));
        }
    }
    all
}

/// The command lines of every job, in the order of the page.
fn of_yaml(text: &str) -> Vec<String> {
    let page: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
    let page = page.as_mapping().unwrap();
    let jobs = page
        .get("jobs")
        .and_then(|j| j.as_mapping())
        .unwrap_or(page);
    let lines = |job: &serde_yaml::Value| -> Vec<String> {
        let steps = job.get("steps").and_then(|s| s.as_sequence());
        let runs = steps.into_iter().flatten().filter_map(|s| s.get("run"));
        let scripts = ["script", "after_script"].map(|key| job.get(key));
        let scripts = scripts.into_iter().flatten();
        let scripts = scripts.filter_map(|s| s.as_sequence()).flatten();
        runs.chain(scripts)
            .filter_map(|line| line.as_str().map(str::to_owned))
            .collect()
    };
    jobs.values().flat_map(lines).collect()
}

/// Runs them one after the other, as one shell would that knows of the plan; each ends as a pipeline takes for good.
fn run(dir: &Path, lines: &[String]) -> BTreeMap<String, (i32, String)> {
    let bin = Path::new(env!("CARGO_BIN_EXE_kfleet")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let (mut plan, mut ended) = (String::new(), BTreeMap::new());
    for line in lines {
        let out = Command::new("bash")
            .args(["-ec", line])
            .current_dir(dir)
            .env("PATH", &path)
            .env("KFLEET_CLOUD", "local")
            .env("KFLEET_USER", "anna")
            .env("PLAN", &plan)
            .env("CHANGE_TARGET", "main")
            .env("GITHUB_BASE_REF", "main")
            .env("GITHUB_STEP_SUMMARY", dir.join("summary.md"))
            .env("GITHUB_OUTPUT", dir.join("output.txt"))
            .env("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main")
            .env_remove("KFLEET_STORE")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        let code = out.status.code().unwrap();
        let is_start = line.starts_with("kfleet rollout start") && !line.contains("||");
        let good = if is_start {
            [0, 3].contains(&code)
        } else {
            code == 0
        };
        let err = String::from_utf8_lossy(&out.stderr);
        assert!(good, "{line}: {code}\n{said}{err}");
        if line.contains("--print-id") {
            plan = id_in(dir, &said);
            assert_eq!(plan.len(), 12, "{line}: {said}");
        }
        ended.insert(line.clone(), (code, said));
    }
    ended
}

/// Printed, or written for the next job.
fn id_in(dir: &Path, said: &str) -> String {
    if !said.trim().is_empty() {
        return said.trim().to_owned();
    }
    // GitHub keeps it in a file; in GitLab the shell of the job knows it, and this test asks again.
    let kept = std::fs::read_to_string(dir.join("output.txt")).unwrap_or_default();
    match kept.strip_prefix("id=") {
        Some(id) => id.trim().to_owned(),
        None => {
            let plan = std::fs::read_to_string(dir.join("plan.json")).unwrap();
            let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
            plan["id"].as_str().unwrap()[..12].to_owned()
        }
    }
}

/// A fleet that has been rolled out, with a change that has not, and a branch to compare with.
fn changed() -> Bed {
    let bed = Bed::new();
    for line in [
        "git init -q -b main && git config user.name Anna && git config user.email anna@foo.bar",
        "printf '/.kfleet/\\n' > .gitignore && git add -A && git commit -qm fleet",
        "git update-ref refs/remotes/origin/main main",
    ] {
        bed.shell(line);
    }
    bed.run("rollout start --auto-approve").ends(0);
    bed.change("vars/defaults.yaml", OLD_IMAGE, NEW_IMAGE);
    bed.run("render").ends(0);
    bed.shell("git commit -qam image");
    bed
}

fn approved(bed: &Bed) {
    let said = bed.run("rollout show").ends(0).out;
    assert!(said.contains("approved by anna"), "{said}");
    bed.run("plan").ends(0);
}

#[test]
fn the_jenkinsfile_rolls_out() {
    let bed = changed();
    let lines = of_jenkins(include_str!("../../Jenkinsfile"));
    assert!(lines.len() >= 12, "{lines:#?}");
    let ended = run(bed.dir(), &lines);
    assert_eq!(ended["kfleet rollout start --plan plan.json"].0, 3);
    approved(&bed);
    for file in [
        "lint.xml",
        "plan.xml",
        "staging.xml",
        "prod.xml",
        "drift.xml",
    ] {
        let text = std::fs::read_to_string(bed.path(file)).unwrap();
        let report = Report::deserialize_from_str(&text).unwrap();
        assert_eq!(report.failures + report.errors, 0, "{file}: {text}");
        assert!(report.tests > 0, "{file}");
    }
}

#[test]
fn the_pipelines_of_the_pages_roll_out() {
    for page in [
        include_str!("../../docs/pipelines/github.yaml"),
        include_str!("../../docs/pipelines/gitlab.yaml"),
    ] {
        let bed = changed();
        let lines = of_yaml(page);
        assert!(lines.len() >= 10, "{lines:#?}");
        let apart: Vec<String> = lines
            .into_iter()
            // What only their own shells know between two lines.
            .map(|line| line.replace("echo \"PLAN=$plan\" > plan.env", "true"))
            .collect();
        run(bed.dir(), &apart);
        approved(&bed);
    }
}

#[test]
fn the_jenkinsfile_of_a_new_fleet_rolls_out() {
    let bed = Bed::new();
    let dir = bed.path("new");
    bed.shell("kfleet -C new init --cluster staging.example.com --cluster prod.example.com --account 111122223333 --region eu-west-3");
    let lines = of_jenkins(&std::fs::read_to_string(dir.join("Jenkinsfile")).unwrap());
    assert!(lines.len() >= 7, "{lines:#?}");
    bed.shell("cd new && git init -q -b main && git config user.name Anna && git config user.email anna@foo.bar");
    bed.shell("kfleet -C new render");
    bed.shell("cd new && git add -A && git commit -qm fleet");
    run(&dir, &lines);
}

#[test]
fn what_is_in_the_way_fails_in_junit() {
    let bed = changed();
    bed.shell("sed -i '/checkout-api/d' vars/*.yaml");
    bed.run("render").ends(0);
    let plan = bed.run("plan --format junit").ends(2).out;
    let report = Report::deserialize_from_str(&plan).unwrap();
    assert_eq!((report.failures, report.errors), (5, 0), "{plan}");

    bed.shell("git checkout -q . && kfleet render");
    let fault = format!("sick-pods:099720109477/ubuntu/images/hvm-ssd-gp3/{NEW_IMAGE}");
    bed.run(&format!("rollout start --auto-approve --fault {fault}"))
        .ends(4);
    let told = bed.run("rollout show --format junit").ends(0).out;
    let report = Report::deserialize_from_str(&told).unwrap();
    assert_eq!((report.failures, report.errors), (1, 0), "{told}");
    let skipped = report
        .test_suites
        .iter()
        .find(|suite| suite.name.as_str() == "prod-acme.k8s.foo.bar");
    let all_skipped = skipped
        .unwrap()
        .test_cases
        .iter()
        .all(|case| matches!(case.status, TestCaseStatus::Skipped { .. }));
    assert!(all_skipped, "{told}");
}
