//! A copy of the bundled fleet in a folder of its own, the binary as a user runs it, and looks at what it left behind.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test binary uses its own part"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kfleet::cloud::Place;
use kfleet::cloud::local::{Options, World};
use kfleet::model::{AsgName, Lifecycle, LiveCluster, LiveGroup, Nodes, Shared};
use kfleet::run::look;
use serde_json::Value;

pub const OLD_IMAGE: &str = "ubuntu-noble-24.04-amd64-server-20260801";
pub const NEW_IMAGE: &str = "ubuntu-noble-24.04-amd64-server-20260901";

/// A fleet, and the store in it.
pub struct Bed {
    dir: tempfile::TempDir,
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    /// It must have ended so.
    #[track_caller]
    pub fn ends(self, code: i32) -> Said {
        assert_eq!(
            self.code,
            Some(code),
            "\n--- stdout\n{}\n--- stderr\n{}",
            self.out,
            self.err
        );
        self
    }

    /// One error that names these things, and nothing on standard output.
    #[track_caller]
    pub fn refuses(self, naming: &[&str]) -> Said {
        let said = self.ends(1);
        assert_eq!(
            said.err
                .lines()
                .filter(|l| l.starts_with("error: "))
                .count(),
            1,
            "{}",
            said.err
        );
        for part in naming {
            assert!(
                said.err.contains(part),
                "nothing about {part:?} in\n{}",
                said.err
            );
        }
        assert!(!said.err.contains("panicked"), "{}", said.err);
        assert_eq!(said.out, "");
        said
    }

    /// The id in the last line of the plan.
    #[track_caller]
    pub fn plan_id(&self) -> String {
        let line = self
            .out
            .lines()
            .find_map(|l| l.strip_prefix("[local] plan "))
            .unwrap_or_else(|| panic!("no plan in\n{}", self.out));
        line.split(' ').next().unwrap().to_owned()
    }
}

impl Bed {
    /// The fleet of the repository, without a store.
    pub fn new() -> Bed {
        let dir = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::copy(root.join("fleet.yaml"), dir.path().join("fleet.yaml")).unwrap();
        for folder in ["clusters", "vars", "templates", "snippets", "tools"] {
            copy(&root.join(folder), &dir.path().join(folder));
        }
        Bed { dir }
    }

    /// The fleet with everything in it built, and a baseline for each cluster.
    pub fn built() -> Bed {
        let bed = Bed::new();
        bed.run("rollout start --auto-approve --quiet").ends(0);
        bed
    }

    /// The built fleet, and a git that wants another image.
    pub fn with_new_image() -> Bed {
        let bed = Bed::built();
        bed.change("vars/defaults.yaml", OLD_IMAGE, NEW_IMAGE);
        bed
    }

    /// All of it, in another folder.
    pub fn copy(&self) -> Bed {
        let dir = tempfile::tempdir().unwrap();
        copy(self.dir.path(), dir.path());
        Bed { dir }
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A line of a shell in it, with kfleet on the path; it must succeed.
    #[track_caller]
    pub fn shell(&self, line: &str) {
        let bin = Path::new(env!("CARGO_BIN_EXE_kfleet")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let out = Command::new("bash")
            .args(["-ec", line])
            .current_dir(self.dir.path())
            .env("PATH", path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{line}: {said}");
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[track_caller]
    pub fn change(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{path} has no {from}");
        self.write(path, &text.replacen(from, to, 1));
    }

    /// Runs with these words, on the simulated account.
    pub fn run(&self, words: &str) -> Said {
        self.run_words(&words.split_whitespace().collect::<Vec<_>>())
    }

    pub fn run_words(&self, words: &[&str]) -> Said {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command(words).output().unwrap();
        Said {
            code: status.code(),
            out: self.text(&stdout),
            err: self.text(&stderr),
        }
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kfleet"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("KFLEET_CLOUD", "local")
            .env("KFLEET_USER", "anna");
        command
            .arg("-C")
            .arg(self.dir.path())
            .args(words)
            .stdin(Stdio::null());
        command
    }

    /// What was said, without where this test happens to run.
    fn text(&self, bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec())
            .unwrap()
            .replace(&self.dir.path().display().to_string(), "DIR")
    }

    /// Every file, with its content.
    pub fn tree(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut all = BTreeMap::new();
        walk(self.dir.path(), self.dir.path(), &mut all);
        all
    }

    /// Refused, and not a byte changed.
    #[track_caller]
    pub fn refuses(&self, words: &str, naming: &[&str]) -> Said {
        let before = self.tree();
        let said = self.run(words).refuses(naming);
        assert_same(&before, &self.tree());
        said
    }

    /// The records of the newest rollout.
    pub fn records(&self) -> Vec<Value> {
        let said = self.run("rollout show --format jsonl").ends(0);
        said.out
            .lines()
            .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}")))
            .collect()
    }

    /// The journals, oldest first.
    pub fn journals(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.path(".kfleet/journals")) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries
            .map(|e| e.unwrap().path())
            .filter(|p| p.extension().is_some_and(|e| e == "jsonl"))
            .collect();
        paths.sort();
        paths
    }

    /// What each baseline says is running.
    pub fn digests(&self) -> BTreeMap<String, String> {
        let entries = fs::read_dir(self.path(".kfleet/baselines")).unwrap();
        let baselines = entries.map(|e| {
            serde_json::from_str::<Value>(&fs::read_to_string(e.unwrap().path()).unwrap()).unwrap()
        });
        baselines
            .map(|b| {
                (
                    b["cluster"].as_str().unwrap().to_owned(),
                    b["digest"].as_str().unwrap().to_owned(),
                )
            })
            .collect()
    }

    /// Every group of the simulated account as it is now.
    pub fn groups(&self) -> Vec<Group> {
        let fleet = kfleet::fleet::load(self.dir.path()).unwrap();
        let world = World::open(&self.path(".kfleet/local"), Options::default()).unwrap();
        let places = fleet.clusters.values();
        let places: Vec<Place> = places
            .map(|c| Place {
                cluster: c.name.clone(),
                account: c.account.clone(),
                region: c.region.clone(),
            })
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let live = runtime.block_on(look(&world, &places)).unwrap();
        live.clusters.values().flat_map(Group::all).collect()
    }

    /// Nothing half done: no cordon, nothing suspended, no more in service than wanted.
    #[track_caller]
    pub fn assert_at_rest(&self) {
        let groups = self.groups();
        assert!(!groups.is_empty());
        for group in groups {
            assert_eq!(group.cordoned, 0, "a cordoned node is left: {group:?}");
            assert_eq!(
                group.suspended,
                BTreeSet::new(),
                "processes are left suspended: {group:?}"
            );
            // Fewer than desired: the autoscaler has asked for more this very moment. `desired_moved` tells that it was not us.
            assert!(
                (group.min..=group.desired).contains(&group.in_service),
                "more or fewer in service than wanted: {group:?}"
            );
        }
    }

    /// Desired capacity by group.
    pub fn desired(&self) -> BTreeMap<String, u64> {
        self.groups()
            .into_iter()
            .map(|g| (g.name, g.desired))
            .collect()
    }
}

/// A group of the simulated account.
#[derive(Debug, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    pub min: u64,
    pub desired: u64,
    pub in_service: u64,
    pub cordoned: usize,
    pub suspended: BTreeSet<String>,
}

impl Group {
    fn all(cluster: &LiveCluster) -> Vec<Group> {
        let Nodes::Known(seen) = &cluster.nodes else {
            panic!("no nodes are known")
        };
        // What is on its way out stays cordoned; what is on its way in was ordered by the autoscaler, which acts when it likes.
        let one = |(name, group): (&AsgName, &Shared<LiveGroup>)| Group {
            name: name.to_string(),
            min: group.group.min_size.into(),
            desired: group.desired.into(),
            in_service: group
                .instances
                .values()
                .filter(|i| matches!(i.lifecycle, Lifecycle::InService | Lifecycle::Pending))
                .count() as u64,
            cordoned: seen
                .nodes
                .values()
                .filter(|n| n.cordoned || n.tainted)
                .filter(|n| {
                    group
                        .instances
                        .get(&n.instance)
                        .is_some_and(|i| i.lifecycle != Lifecycle::Terminating)
                })
                .count(),
            suspended: group.suspended.clone(),
        };
        cluster.groups.iter().map(one).collect()
    }
}

/// What a rollout did to the desired capacity of each group, by its journal. All of it has to be given back.
pub fn desired_moved(records: &[Value]) -> BTreeMap<String, i64> {
    let mut steps = BTreeMap::new();
    let mut moved = BTreeMap::new();
    for record in records {
        let (kind, held) = event(record);
        if kind == "intent" {
            let effect = &held["effect"]["cloud"];
            let set = effect
                .get("set-desired")
                .map(|s| s["to"].as_i64().unwrap() - s["from"].as_i64().unwrap());
            let by = set
                .or_else(|| (effect["terminate"]["decrement"] == true).then_some(-1))
                .unwrap_or(0);
            steps.insert(
                held["step"].as_u64().unwrap(),
                (held["group"].as_str().unwrap().to_owned(), by),
            );
        } else if kind == "outcome"
            && matches!(held["result"]["applied"].as_str(), Some("done" | "already"))
        {
            let (group, by) = steps
                .remove(&held["step"].as_u64().unwrap())
                .unwrap_or_default();
            *moved.entry(group).or_insert(0) += by;
        } else if let Some(launched) = held["result"]["applied"].get("launched") {
            let (group, _) = steps
                .remove(&held["step"].as_u64().unwrap())
                .unwrap_or_default();
            let brought = launched["instances"].as_array().unwrap().len();
            *moved.entry(group).or_insert(0) += i64::try_from(brought).unwrap();
        } else if kind == "surge-taken" {
            // The autoscaler took it: what it left is what is still ours.
            moved.insert(
                held["group"].as_str().unwrap().to_owned(),
                held["left"].as_i64().unwrap(),
            );
        }
    }
    moved.retain(|_, by| *by != 0);
    moved
}

/// The kind of an event, and what it holds.
pub fn event(record: &Value) -> (&str, &Value) {
    match &record["event"] {
        Value::String(kind) => (kind, &Value::Null),
        Value::Object(map) => map
            .iter()
            .next()
            .map(|(kind, held)| (kind.as_str(), held))
            .unwrap(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            panic!("no event: {record}")
        }
    }
}

/// Says which files differ, not how.
#[track_caller]
pub fn assert_same(before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) {
    let changed: Vec<&PathBuf> = before
        .iter()
        .filter(|(path, text)| after.get(*path) != Some(*text))
        .map(|(path, _)| path)
        .collect();
    let new: Vec<&PathBuf> = after
        .keys()
        .filter(|path| !before.contains_key(*path))
        .collect();
    assert!(
        changed.is_empty() && new.is_empty(),
        "changed or gone: {changed:?}\nnew: {new:?}"
    );
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

fn walk(root: &Path, folder: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(root, &path, into);
        } else {
            into.insert(
                path.strip_prefix(root).unwrap().to_owned(),
                fs::read(&path).unwrap(),
            );
        }
    }
}
