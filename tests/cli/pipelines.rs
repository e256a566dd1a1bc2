//! Pipelines: every command line of the Jenkinsfile, of the one that `init` writes, and of the pages for GitHub and GitLab runs in their order, and JUnit is read again.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use quick_junit::{Report, TestCaseStatus};

use crate::bed::{Bed, NEW_IMAGE, OLD_IMAGE};
use crate::shards::SHARDS;

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
    // An approver is shown which plan, and how much it changes.
    let counts = ended
        .iter()
        .find(|(line, _)| line.contains("grep \"^|\" plan.md"));
    let (_, (_, counts)) = counts.unwrap();
    assert!(counts.contains("| prod | 3 of 3 | - | 36 |"), "{counts}");
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

/// The one stage that waits for a person holds no executor, names the plan and its counts, and keeps who answered for the journal; credentials begin
/// only after it.
#[test]
fn the_approval_of_the_jenkinsfile_is_bound_to_the_plan() {
    let text = include_str!("../../Jenkinsfile");
    let stages: Vec<&str> = text.split("    stage('").skip(1).collect();
    let of = |name: &str| {
        stages
            .iter()
            .position(|stage| stage.starts_with(name))
            .unwrap()
    };
    let (approval, prod) = (stages[of("Approval")], stages[of("Prod")]);
    assert!(of("Approval") + 1 == of("Prod") && of("Staging") < of("Approval"));
    assert!(!approval.contains("agent any") && approval.contains("env.APPROVER = input("));
    for part in [
        "${env.PLAN}",
        "${env.COUNTS}",
        "submitterParameter: 'APPROVER'",
    ] {
        assert!(approval.contains(part), "no {part} in {approval}");
    }
    assert!(prod.contains("KFLEET_USER = \"${env.APPROVER}\""));
    assert!(prod.contains("rollout approve prod --plan \"$PLAN\""));
    assert!(!approval.contains("withAWS") && prod.contains("withAWS"));
    assert!(!text.contains("sed "));
}

/// A parser of Groovy reads it, where one is there: `KFLEET_GROOVY` is the folder of its jars.
#[test]
fn groovy_parses_the_jenkinsfiles() {
    let Ok(jars) = std::env::var("KFLEET_GROOVY") else {
        println!("skipped: KFLEET_GROOVY names no folder with Groovy's jars");
        return;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = "args.each { new GroovyShell().parse(new File(it)) }";
    let read = Command::new("java")
        .args([
            "-cp",
            &format!("{jars}/*"),
            "groovy.ui.GroovyMain",
            "-e",
            script,
        ])
        .args([
            root.join("Jenkinsfile"),
            root.join("docs/pipelines/Jenkinsfile.shards"),
        ])
        .output()
        .unwrap();
    assert!(
        read.status.success(),
        "{}",
        String::from_utf8_lossy(&read.stderr)
    );
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

/// Begins a line of a page, as one of its workers.
fn begin(bed: &Bed, line: &str, variable: &str, value: usize) -> Child {
    let bin = Path::new(env!("CARGO_BIN_EXE_kfleet")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    Command::new("bash")
        .args(["-ec", line])
        .current_dir(bed.dir())
        .env("PATH", path)
        .env("KFLEET_CLOUD", "local")
        .env("KFLEET_USER", "anna")
        .env("KFLEET_POLL", "20s")
        .env(variable, value.to_string())
        .env_remove("KFLEET_STORE")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// All workers at the same time; each ends well.
fn run_together(bed: &Bed, line: &str) {
    let all: Vec<Child> = (1..=SHARDS).map(|n| begin(bed, line, "SHARD", n)).collect();
    for mut child in all {
        assert_eq!(child.wait().unwrap().code(), Some(0), "{line}");
    }
}

#[test]
fn the_jenkinsfile_of_shards_rolls_out() {
    let bed = crate::shards::with_other_nodes();
    let text = include_str!("../../docs/pipelines/Jenkinsfile.shards");
    let values: Vec<String> = (1..=SHARDS).map(|n| format!("'{n}'")).collect();
    assert_eq!(text.matches(&values.join(", ")).count(), 2);
    let mut plan = String::new();
    let lines = of_jenkins(text);
    assert_eq!(lines.len(), 5, "{lines:#?}");
    for line in &lines {
        if line.contains("$SHARD") {
            run_together(&bed, line);
            continue;
        }
        let line = line.replace("$PLAN", &plan);
        let ended = run(bed.dir(), &[line]);
        let (line, (_, said)) = ended.into_iter().next().unwrap();
        if line.contains("--print-id") {
            plan = said.trim().to_owned();
        }
    }
    assert_eq!(plan.len(), 12);
    bed.run("plan --quiet").ends(0);
}

#[test]
fn the_job_of_kubernetes_rolls_out() {
    let text = include_str!("../../docs/pipelines/kubernetes.yaml");
    let job: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
    let spec = &job["spec"];
    assert_eq!(spec["completionMode"], "Indexed");
    assert_eq!(spec["completions"], SHARDS as u64);
    assert_eq!(spec["parallelism"], SHARDS as u64);
    // `podFailurePolicy` is refused with any other. Source: Kubernetes API, `JobSpec.podFailurePolicy`.
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "Never");
    let container = &pod["containers"][0];
    let store = container["env"].as_sequence().unwrap().iter();
    let mut store = store.filter(|e| e["name"] == "KFLEET_STORE");
    assert!(
        store.next().unwrap()["value"]
            .as_str()
            .unwrap()
            .starts_with("s3://")
    );
    let command = container["command"].as_sequence().unwrap().iter();
    assert_eq!(
        command.map(|c| c.as_str().unwrap()).collect::<Vec<_>>(),
        ["bash", "-ec"]
    );
    let line = container["args"][0].as_str().unwrap();
    let line = line.replace("sleep 60", "sleep 0.2");

    let bed = crate::shards::with_other_nodes();
    let pod = |n: usize| begin(&bed, &line, "JOB_COMPLETION_INDEX", n);
    let mut pods: Vec<Child> = (0..SHARDS).map(pod).collect();
    // A pod that is told to go is replaced.
    std::thread::sleep(Duration::from_secs(2));
    let told = Command::new("kill").arg(pods[3].id().to_string()).status();
    assert!(told.unwrap().success());
    assert_eq!(pods[3].wait().unwrap().code(), Some(143));
    pods[3] = pod(3);
    let approved = Instant::now();
    loop {
        let status = bed.run("rollout status");
        if status.out.contains("stage prod waits for an approval: ") {
            break;
        }
        assert!(
            approved.elapsed() < Duration::from_secs(240),
            "{}",
            status.out
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    let plan = bed.run("rollout status --print-id").ends(3).out;
    bed.run(&format!("rollout approve prod --plan {}", plan.trim()))
        .ends(0);
    for mut pod in pods {
        assert_eq!(pod.wait().unwrap().code(), Some(0));
    }
    bed.run("plan --quiet").ends(0);
    bed.assert_at_rest();
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
    let ended = run(&dir, &lines);
    // Who approves is shown how much.
    let mut counts = ended
        .iter()
        .filter(|(line, _)| line.contains("grep \"^|\" plan.md"));
    let (_, (_, counts)) = counts.next().unwrap();
    assert!(counts.contains("| prod | 1 of 1 |"), "{counts}");
    // A plan that began no rollout shows none of before.
    let (code, said) = &run(
        &dir,
        &["kfleet rollout show --plan 123456789012 || echo none".to_owned()],
    )["kfleet rollout show --plan 123456789012 || echo none"];
    assert_eq!((*code, said.as_str()), (0, "none\n"));
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
