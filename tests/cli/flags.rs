//! Every flag of the reference is used by a test, and those that no story of another file needs are used here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::bed::{Bed, NEW_IMAGE, OLD_IMAGE};

/// The flags of each command in the reference; those of every command under an empty name.
fn reference() -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut command = String::new();
    for line in include_str!("../../docs/commands.md").lines() {
        if let Some(name) = line.strip_prefix("## `kfleet ") {
            command = name.trim_end_matches('`').to_owned();
        }
        let is_option = line.starts_with("  -") || line.starts_with("      --");
        let flag = line
            .split([' ', ',', '[', '='])
            .find(|word| word.starts_with("--"));
        if let Some(flag) = flag.filter(|_| is_option) {
            let flags = all.entry(command.clone()).or_default();
            flags.insert(flag.to_owned());
        }
    }
    all
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// What stands between quotes in each test, and each command line of pages and pipelines that tests run.
fn typed() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("tests"), &mut files);
    let mut all = Vec::new();
    for path in files {
        let text = fs::read_to_string(path).unwrap();
        for test in text.split("\n#[test]") {
            let quoted: Vec<&str> = test.split('"').skip(1).step_by(2).collect();
            all.push(quoted.join(" ").replace("\\\n", " "));
        }
    }
    for page in [
        "docs/adopt.md",
        "docs/howto.md",
        "docs/tutorial.md",
        "Jenkinsfile",
    ] {
        let text = fs::read_to_string(root.join(page)).unwrap();
        all.extend(
            text.lines()
                .filter(|line| line.contains("kfleet "))
                .map(str::to_owned),
        );
    }
    all
}

/// Whether a line types this flag of this command.
fn uses(line: &str, command: &str, flag: &str) -> bool {
    let words: Vec<&str> = line
        .split([' ', '\'', '(', ')', '=', '/'])
        .filter(|w| !w.is_empty())
        .collect();
    let short = match flag {
        "--directory" => "-C",
        "--quiet" => "-q",
        "--verbose" => "-v",
        "--version" => "-V",
        _ => flag,
    };
    let parts: Vec<&str> = command.split(' ').filter(|part| !part.is_empty()).collect();
    let is_command = parts.is_empty() || words.windows(parts.len()).any(|some| some == parts);
    is_command && words.iter().any(|word| [flag, short].contains(word))
}

#[test]
fn every_flag_of_the_reference_is_used_by_a_test() {
    let (reference, typed) = (reference(), typed());
    assert!(reference.len() > 25, "{reference:?}");
    let mut unused = Vec::new();
    for (command, flags) in &reference {
        for flag in flags.iter().filter(|flag| *flag != "--help") {
            if !typed.iter().any(|line| uses(line, command, flag)) {
                unused.push(format!("kfleet {command} {flag}"));
            }
        }
    }
    assert!(unused.is_empty(), "no test uses\n{}", unused.join("\n"));
}

#[test]
fn a_flag_that_nothing_uses_is_found() {
    assert!(uses("rollout start --plan x", "rollout start", "--plan"));
    assert!(uses("plan -q", "", "--quiet"));
    assert!(!uses("plan --plan x", "rollout start", "--plan"));
    assert!(!uses("rollout start --planned", "rollout start", "--plan"));
}

/// Each exit code of the reference is one that some test sees.
#[test]
fn every_exit_code_is_seen_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("tests/cli"), &mut files);
    let text: String = files
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for code in 0..=5 {
        assert!(
            text.contains(&format!(".ends({code})")),
            "no test ends with {code}"
        );
    }
}

#[test]
fn compile_takes_a_version_and_what_is_newer() {
    let bed = Bed::new();
    bed.run("render prod-small").ends(0);
    let text = bed.read("rendered/prod-small.k8s.foo.bar/manifests.yaml");
    bed.write("m.yaml", &text);
    let compile =
        |words: &str| bed.run(&format!("compile {} {words}", bed.path("m.yaml").display()));
    assert_eq!(
        compile("--kops-version 1.35").ends(0).out,
        compile("").ends(0).out
    );
    compile("--kops-version 9.9").refuses(&["`9.9` is no version of kops"]);
    bed.write("m.yaml", &text.replace("m6i.large", "m9zz.large"));
    compile("").refuses(&["AWS has no instance type `m9zz.large`"]);
    compile("--accept m9zz.large").ends(0);
    bed.write("m.yaml", &text.replace("m6i.large", "m5d.large"));
    assert!(!compile("").ends(0).out.contains("ephemeral0"));
    assert!(
        compile("--instance-store")
            .ends(0)
            .out
            .contains("ephemeral0")
    );
}

#[test]
fn template_takes_what_kops_takes() {
    let bed = Bed::new();
    for (path, text) in [
        ("t/t.yaml", "a: {{ .x }}\n{{ include \"s\" . }}\n"),
        ("t/missing.yaml", "a: {{ .nope }}\n"),
        ("t/comment.yaml", "# c\nb: 1\na: 2\n"),
        ("t/sn/s", "c: 1\n"),
        ("t/v.yaml", "x: 1\nz: two\n"),
    ] {
        bed.write(path, text);
    }
    let path = |name: &str| bed.path(name).display().to_string();
    let (values, snippets, out) = (path("t/v.yaml"), path("t/sn"), path("t/out.yaml"));
    let template = |file: &str, more: &str| {
        let file = path(&format!("t/{file}"));
        bed.run(&format!(
            "template --name c.k8s.test --template {file} --values {values} {more}"
        ))
    };
    let said = template("t.yaml", &format!("--snippets {snippets} --set x=5")).ends(0);
    assert_eq!(said.out, "a: 5\nc: 1\n\n");
    let said = template("t.yaml", "--config-value z").ends(0);
    assert_eq!(said.out.trim(), "two");
    template("missing.yaml", "").refuses(&["map has no entry for key \"nope\""]);
    let said = template("missing.yaml", "--fail-on-missing=false").ends(0);
    assert_eq!(said.out.trim(), "a: <no value>");
    let said = template("comment.yaml", "--format-yaml --strict").ends(0);
    assert_eq!(said.out, "a: 2\nb: 1\n");
    template("comment.yaml", &format!("--channel none --out {out}")).ends(0);
    assert_eq!(bed.read("t/out.yaml"), "# c\nb: 1\na: 2\n");
    template("comment.yaml", "--channel nowhere").refuses(&["channel nowhere"]);
}

#[test]
fn small_flags_do_what_they_say() {
    let bed = Bed::new();
    bed.shell(
        "git init -q -b main && git config user.name Anna && git config user.email anna@foo.bar",
    );
    bed.shell("printf '/.kfleet/\\n' > .gitignore && git add -A && git commit -qm fleet");
    bed.change("vars/defaults.yaml", OLD_IMAGE, NEW_IMAGE);
    bed.shell("git commit -qam image");
    let same = bed.run("diff --since HEAD~1 --until HEAD~1").ends(0);
    assert!(
        same.out.contains("no difference between HEAD~1"),
        "{}",
        same.out
    );
    let other = bed.run("diff --since HEAD~1 --until HEAD").ends(2);
    assert!(other.out.contains(NEW_IMAGE), "{}", other.out);

    bed.run("plan --call-share 25 --seed 7 --quiet").ends(2);
    bed.run("plan --call-share 0")
        .refuses(&["0 is not in 1..=100"]);
    let schema: Value = serde_json::from_str(&bed.run("schema --format json").ends(0).out).unwrap();
    assert!(schema["properties"]["stages"].is_object());
    let new = bed.path("new").display().to_string();
    let words = format!(
        "-C {new} init --cluster alpha.example.com --cluster beta.example.com --environment alpha.example.com=staging --environment beta.example.com=prod --account 111122223333 --region eu-west-3"
    );
    let words: Vec<&str> = words.split(' ').collect();
    let made = Command::new(env!("CARGO_BIN_EXE_kfleet"))
        .args(words)
        .stdin(Stdio::null())
        .output();
    let made = made.unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    assert!(
        bed.read("new/clusters/beta.example.com.yaml")
            .contains("environment: prod")
    );
}

#[test]
fn status_is_shown_again_and_again() {
    let bed = Bed::built();
    let mut child = bed
        .command(&["status", "--watch", "100ms"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let shown = BufReader::new(child.stdout.take().unwrap()).lines();
    let of_one = |line: &String| line.starts_with("[local] prod-small.k8s.foo.bar ");
    // It would go on for ever.
    let twice = shown
        .map(|line| line.unwrap())
        .filter(of_one)
        .take(2)
        .count();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(twice, 2);
}

#[test]
fn a_rehearsal_has_its_seed_and_its_page() {
    let bed = Bed::with_new_image();
    let html = bed.path("r.html").display().to_string();
    let words = format!("rehearse --stage staging --seed 3 --no-autoscaler --html {html}");
    let (one, two) = (bed.run(&words).ends(0).out, bed.run(&words).ends(0).out);
    let story = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| !line.contains("started by"))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(story(&one), story(&two));
    // For scripts, the same.
    let words = "rehearse --stage staging --seed 3 --no-autoscaler --format json";
    let said: Value = serde_json::from_str(&bed.run(words).ends(0).out).unwrap();
    assert_eq!(said["ended"], "finished");
    assert_eq!(said["rules_broken"], serde_json::json!([]));
    let calls: u64 = said["calls"]
        .as_object()
        .unwrap()
        .values()
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert!(one.contains(&format!("  {calls} calls: ")), "{one}");
    let nodes = &said["groups"]["admin-nodes.staging-acme.k8s.foo.bar"];
    assert_eq!(
        (&nodes["worst"]["wanted"], &nodes["surge"]),
        (&2.into(), &1.into()),
        "{nodes}"
    );
    let events = said["events"].as_array().unwrap();
    assert_eq!(events.last().unwrap()["code"], "finished");
    let words = "rehearse --stage staging --seeds 2 --no-autoscaler --format json";
    let said: Value = serde_json::from_str(&bed.run(words).ends(0).out).unwrap();
    assert_eq!(
        (
            said["runs"].as_array().unwrap().len(),
            &said["ended"]["finished"]
        ),
        (2, &2.into())
    );
    assert!(bed.read("r.html").starts_with("<!doctype html>"));
}

#[test]
fn what_is_allowed_is_not_blocked() {
    let bed = Bed::built();
    let vars = "vars/staging-acme.k8s.foo.bar.yaml";
    let fewer = "spot_nodes:\n  4x_16Gb: {min: 2, max: 2}\n";
    bed.write(vars, &format!("{}{fewer}", bed.read(vars)));
    let blocked = bed.run("plan --stage staging").ends(2).out;
    let why = "blocked: spot-4x-16gb: a maximum of 2 ends 1 of its 3 instances";
    assert!(blocked.contains(why), "{blocked}");
    let allowed = bed.run("plan --stage staging --allow-shrink").ends(2).out;
    assert!(
        allowed.contains("MaxSize: 50 → 2") && !allowed.contains("blocked: "),
        "{allowed}"
    );
    bed.run("rollout start --stage staging --allow-shrink --hooks --require kubernetes --seed 1")
        .ends(0);
    // What only kops can carry out.
    let (before, after) = (
        "enableRebalanceMonitoring: false",
        "enableRebalanceMonitoring: true\n    enableRebalanceDraining: true",
    );
    bed.change("templates/1_cluster.yaml.j2", before, after);
    let blocked = bed.run("plan").ends(2).out;
    assert!(blocked.contains("blocked: "), "{blocked}");
    let adopted = bed.run("plan --adopt-documents").ends(2).out;
    assert!(!adopted.contains("blocked: "), "{adopted}");
}

#[test]
fn a_rollout_is_followed_as_lines_by_every_command() {
    let bed = Bed::with_new_image();
    bed.run("rollout start --quiet").ends(3);
    let status: Value =
        serde_json::from_str(&bed.run("rollout status --format json").ends(3).out).unwrap();
    let (id, plan) = (
        status["rollout"].as_str().unwrap(),
        status["plan"].as_str().unwrap(),
    );
    bed.run(&format!(
        "rollout approve prod --rollout {id} --plan {}",
        &plan[..12]
    ))
    .ends(0);
    bed.write(
        "s.yaml",
        "version: 1\nscenario:\n  - {fault: \"throttle:7\", for: 5m}\n",
    );
    let scenario = bed.path("s.yaml").display().to_string();
    let said = bed
        .run(&format!(
            "rollout resume --max-wait 1s --format jsonl --scenario {scenario}"
        ))
        .ends(3);
    let last = |out: &str| -> Value { serde_json::from_str(out.lines().last().unwrap()).unwrap() };
    assert_eq!(last(&said.out)["code"], "paused");
    let said = bed.run("rollout abort --reason test --format jsonl");
    assert_eq!(last(&said.out)["code"], "aborted", "{}", said.err);
}

#[test]
fn a_group_that_a_rollout_made_goes_again_only_by_its_name() {
    let bed = Bed::built();
    let vars = "vars/staging-acme.k8s.foo.bar.yaml";
    let queue = "dedicated_nodes:\n  queue: {machine_type: r6i.large, az: [eu-west-3a], min: 1, max: 2, root_volume: standard}\n";
    bed.write(vars, &format!("{}{queue}", bed.read(vars)));
    bed.run("rollout start --stage staging --quiet").ends(0);
    let history = bed.run("rollout history").ends(0).out;
    let id = history.lines().next().unwrap().split_whitespace().nth(3);
    let rollback = format!("{} --reason test", id.unwrap());
    bed.run(&format!("rollout rollback {rollback}"))
        .refuses(&["made dedicated-queue.staging-acme.k8s.foo.bar of staging-acme.k8s.foo.bar"]);
    bed.run(&format!(
        "rollout rollback {rollback} --allow-retire dedicated-queu"
    ))
    .refuses(&["made no group dedicated-queu"]);
    // What it says to type is what does it.
    let rollback = format!("{rollback} --allow-retire dedicated-queue");
    let said = bed.run(&format!("rollout rollback {rollback}")).ends(3);
    let line = said.err.lines().last().unwrap();
    assert!(
        line.contains(" --allow-retire dedicated-queue --plan "),
        "{line}"
    );
    let plan = line.split(" --plan ").nth(1).unwrap().trim_end_matches('`');
    let said = bed
        .run(&format!(
            "rollout rollback {rollback} --plan {plan} --format jsonl"
        ))
        .ends(0);
    assert!(said.out.contains(r#""code":"rolled-back""#), "{}", said.out);
    let plan = bed.run("plan --stage staging").ends(2).out;
    assert!(plan.contains("+ dedicated-queue: create"), "{plan}");
}
