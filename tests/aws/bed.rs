//! A copy of the bundled fleet for accounts of its own on moto, the binary as a user runs it there, and looks at what it left behind.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{Server, account};

pub(crate) const REGION: &str = "eu-west-3";

/// How quickly these rollouts may go: there is nobody to be careful of.
const SETTINGS: &str = "
rolling:
  max_surge: 1
  max_unavailable: 0
  canary: 1
  bake: 0s
  rate: {instances: 1000, per: 1s}
  drain: {timeout: 1m, on_timeout: stop}
";

/// A fleet, and the accounts that it lives in.
pub(crate) struct Bed {
    dir: tempfile::TempDir,
    pub(crate) server: &'static Server,
    pub(crate) staging: String,
    pub(crate) prod: String,
    /// The account of whoever runs kfleet: roles in the others are assumed from here.
    pub(crate) home: String,
    clusters: Vec<String>,
    /// What the environment says beside; none: not even what it says otherwise.
    environment: Vec<(String, Option<String>)>,
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Said {
        assert_eq!(
            self.code,
            Some(code),
            "\n--- stdout\n{}\n--- stderr\n{}",
            self.out,
            self.err
        );
        self
    }
}

/// Whether the clusters' own APIs are to be looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eyes {
    Open,
    Closed,
}

impl Bed {
    /// The bundled fleet, or only the clusters named.
    pub(crate) fn new(server: &'static Server, only: &[&str], eyes: Eyes) -> Bed {
        let dir = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in ["clusters", "vars", "templates", "snippets", "tools"] {
            copy(&root.join(folder), &dir.path().join(folder));
        }
        let mut bed = Bed {
            dir,
            server,
            staging: account(),
            prod: account(),
            home: account(),
            clusters: Vec::new(),
            environment: Vec::new(),
        };
        for entry in fs::read_dir(bed.dir.path().join("clusters")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if !only.is_empty() && !only.contains(&name.as_str()) {
                fs::remove_file(path).unwrap();
                continue;
            }
            let text = fs::read_to_string(&path)
                .unwrap()
                .replace("111122223333", &bed.prod)
                .replace("222233334444", &bed.staging);
            let blind = |text: String| {
                text.lines()
                    .filter(|l| !l.starts_with("kubernetes:"))
                    .map(|l| format!("{l}\n"))
                    .collect()
            };
            fs::write(
                &path,
                if eyes == Eyes::Open {
                    text
                } else {
                    blind(text)
                },
            )
            .unwrap();
            bed.clusters.push(name);
        }
        bed.clusters.sort();
        bed.settings(eyes);
        bed.kubeconfig();
        bed
    }

    fn settings(&self, eyes: Eyes) {
        let mut text = "version: 1\nstages:\n".to_owned();
        let has = |environment: &str| self.clusters.iter().any(|c| c.starts_with(environment));
        if has("staging") {
            text += "  - {name: staging, clusters: {environment: staging}, waves: [{parallel: 2}], soak: 0s}\n";
        }
        if has("prod") {
            let after = if has("staging") {
                "after: staging, approval: required, "
            } else {
                ""
            };
            text += &format!(
                "  - {{name: prod, {after}clusters: {{environment: prod}}, waves: [{{parallel: 3}}], soak: 0s}}\n"
            );
        }
        text += SETTINGS;
        text += "gates:\n  - {name: instances, kind: asg}\n";
        text += if eyes == Eyes::Open {
            "  - {name: nodes, kind: kubernetes}\n"
        } else {
            ""
        };
        fs::write(self.dir.path().join("fleet.yaml"), text).unwrap();
    }

    /// A context for every cluster, as its file names it: the server plays their APIs too.
    fn kubeconfig(&self) {
        let (mut clusters, mut contexts) = (Vec::new(), Vec::new());
        for cluster in &self.clusters {
            let context = cluster.split('.').next().unwrap();
            let server = format!(
                "{}/k8s/{}/{cluster}",
                self.server.url(),
                self.account_of(cluster)
            );
            clusters.push(json!({"name": context, "cluster": {"server": server}}));
            contexts
                .push(json!({"name": context, "context": {"cluster": context, "user": "anna"}}));
        }
        let users = json!([{"name": "anna", "user": {"token": "not checked"}}]);
        let config = json!({"apiVersion": "v1", "kind": "Config", "clusters": clusters, "contexts": contexts, "users": users});
        fs::write(self.dir.path().join("kubeconfig"), config.to_string()).unwrap();
    }

    pub(crate) fn clusters(&self) -> &[String] {
        &self.clusters
    }

    pub(crate) fn account_of(&self, cluster: &str) -> &str {
        if cluster.starts_with("staging") {
            &self.staging
        } else {
            &self.prod
        }
    }

    /// Builds what the fleet describes as kops would have, its groups at that launch template version.
    pub(crate) fn seed(&self, version: &str) {
        self.run("render --out seeded").ends(0);
        for cluster in &self.clusters {
            let groups = self.definitions(cluster);
            self.server.order("seed", &json!({"account": self.account_of(cluster), "region": REGION, "groups": groups, "version": version}));
        }
    }

    /// The definitions of a cluster, as they were rendered.
    pub(crate) fn definitions(&self, cluster: &str) -> Vec<Value> {
        let folder = self.dir.path().join("seeded").join(cluster).join("groups");
        let entries = fs::read_dir(folder)
            .unwrap()
            .map(|e| fs::read_to_string(e.unwrap().path()).unwrap());
        entries
            .map(|text| serde_yaml::from_str(&text).unwrap())
            .collect()
    }

    /// Takes a variable out of the environment.
    pub(crate) fn unset(&mut self, name: &str) {
        self.environment.push((name.to_owned(), None));
    }

    /// Sets a variable of the environment.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment
            .push((name.to_owned(), Some(value.to_owned())));
    }

    /// What the environment was set to say beside.
    pub(crate) fn extra(&self) -> Vec<(String, String)> {
        let set = |(name, value): &(String, Option<String>)| Some((name.clone(), value.clone()?));
        self.environment.iter().filter_map(set).collect()
    }

    pub(crate) fn path(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join(path)
    }

    /// Goes to another machine: only what is in git, and who reaches the clusters, is there.
    pub(crate) fn move_to_another_machine(&mut self) {
        let elsewhere = tempfile::tempdir().unwrap();
        for folder in ["clusters", "vars", "templates", "snippets", "tools"] {
            copy(&self.path(folder), &elsewhere.path().join(folder));
        }
        for file in ["fleet.yaml", "kubeconfig"] {
            fs::copy(self.path(file), elsewhere.path().join(file)).unwrap();
        }
        self.dir = elsewhere;
    }

    /// Runs with these words.
    pub(crate) fn run(&self, words: &str) -> Said {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Said {
            code: status.code(),
            out: text(&stdout),
            err: text(&stderr),
        }
    }

    /// Begins with these words; what it says is nobody's.
    pub(crate) fn begin(&self, words: &str) -> Child {
        self.command(words)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kfleet"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.server.environment(&self.home));
        command
            .env("KFLEET_CLOUD", "aws")
            .env("KFLEET_USER", "anna")
            .env("KFLEET_POLL", "200ms")
            .env("KUBECONFIG", self.dir.path().join("kubeconfig"));
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
            .current_dir(self.dir.path())
            .args(words.split_whitespace())
            .stdin(Stdio::null());
        command
    }

    /// The plan as JSON; it has to exit with that code.
    #[track_caller]
    pub(crate) fn plan(&self, code: i32) -> Value {
        let said = self.run("plan --format json").ends(code);
        serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {}", said.out))
    }

    /// Nothing differs.
    #[track_caller]
    pub(crate) fn plan_is_empty(&self) {
        let said = self.run("plan --verbose");
        assert_eq!(said.code, Some(0), "\n{}\n{}", said.out, said.err);
    }

    /// Carries a rollout to its end, approving prod where it waits for that.
    #[track_caller]
    pub(crate) fn rolls_out(&self, words: &str) {
        let said = self.run(&format!("rollout {words} --quiet"));
        if said.code == Some(3) {
            let first = self.records().into_iter().next().unwrap();
            let plan = text_under(&first, "plan").unwrap_or_else(|| panic!("no plan in {first}"));
            self.run(&format!("rollout approve prod --plan {plan}"))
                .ends(0);
            self.run("rollout resume --quiet").ends(0);
        } else {
            said.ends(0);
        }
    }

    /// The records of the newest rollout.
    pub(crate) fn records(&self) -> Vec<Value> {
        let said = self.run("rollout show --format jsonl").ends(0);
        said.out
            .lines()
            .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}")))
            .collect()
    }

    pub(crate) fn add(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        fs::write(&path, fs::read_to_string(&path).unwrap() + text).unwrap();
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        fs::write(self.dir.path().join(path), text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.dir.path().join(path)).unwrap()
    }

    #[track_caller]
    pub(crate) fn change(&self, path: &str, from: &str, to: &str) {
        let path = self.dir.path().join(path);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{} has no {from}", path.display());
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }
}

/// The changes of groups in a plan: `group` → fields.
pub(crate) fn changed_fields(plan: &Value) -> std::collections::BTreeMap<String, Vec<String>> {
    let mut all = std::collections::BTreeMap::new();
    for cluster in plan["clusters"].as_object().unwrap().values() {
        for (group, change) in cluster["groups"].as_object().unwrap() {
            let fields = change["update"]["fields"]
                .as_array()
                .unwrap_or_else(|| panic!("{group} is not only changed: {change}"));
            all.insert(
                group.clone(),
                fields
                    .iter()
                    .map(|f| f["field"].as_str().unwrap().to_owned())
                    .collect(),
            );
        }
    }
    all
}

/// The first text under that name, however deep.
fn text_under(value: &Value, name: &str) -> Option<String> {
    match value {
        Value::Object(map) => {
            let here = map.get(name).and_then(Value::as_str).map(str::to_owned);
            here.or_else(|| map.values().find_map(|v| text_under(v, name)))
        }
        Value::Array(list) => list.iter().find_map(|v| text_under(v, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// What a record says happened, and to what: `canary-up`, `intent start-refresh`.
pub(crate) fn happened(record: &Value) -> String {
    let name = |value: &Value| {
        value
            .as_object()
            .and_then(|o| o.keys().next().cloned())
            .or_else(|| value.as_str().map(str::to_owned))
    };
    let what = name(&record["event"]).unwrap_or_default();
    let effect = record
        .pointer(&format!("/event/{what}/effect"))
        .and_then(|e| name(e.as_object()?.values().next()?));
    effect.map_or(what.clone(), |effect| format!("{what} {effect}"))
}

/// These happened in this order, whatever else did.
#[track_caller]
pub(crate) fn in_order(records: &[Value], wanted: &[&str]) {
    let all: Vec<String> = records.iter().map(happened).collect();
    let mut rest = all.iter();
    for what in wanted {
        assert!(
            rest.any(|h| h == what),
            "{what} is not there, or too early, in\n{}",
            all.join("\n")
        );
    }
}
