//! Instances on moto, their nodes on real servers: whole rollouts by the binary, killed on the way. `.ci/nightly-kube` starts the servers and says
//! where they are; elsewhere these tests say "skipped".
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bed::{Bed, Eyes, REGION};
use crate::support::{fault, server_or_skip, skip};

const CLUSTER: &str = "staging-globex.k8s.foo.bar";
const OLD_IMAGE: &str = "ubuntu-noble-24.04-amd64-server-20260801";
const NEW_IMAGE: &str = "ubuntu-noble-24.04-amd64-server-20260901";
const REPLICAS: usize = 30;
const PATIENCE: Duration = Duration::from_secs(180);

/// The program dies in a drain and is taken up again: each pod is asked to go once, none is cut, each instance ends once, nothing is left.
#[test]
fn killed_in_a_drain_on_real_servers() {
    let Some(real) = Real::start("killed_in_a_drain_on_real_servers") else {
        return;
    };
    let mut run = real.bed.begin("rollout start --quiet");
    real.until("two pods were asked to go", || real.evicted().len() >= 2);
    run.kill().unwrap();
    run.wait().unwrap();
    real.bed.run("rollout resume --quiet").ends(0);
    real.all_is_well();
}

/// The API server dies in a drain and starts again, while AWS throttles and loses an answer: it takes longer, and that is all.
#[test]
fn servers_and_aws_away_in_a_drain() {
    let Some(real) = Real::start("servers_and_aws_away_in_a_drain") else {
        return;
    };
    let account = &real.bed.staging;
    let throttled =
        json!({"code": "Throttling", "message": "Rate exceeded", "times": 12, "after": 30});
    let lost = json!({"drop": true, "apply_first": true, "times": 1, "after": 2});
    real.bed.server.order(
        "faults",
        &json!([
            fault(account, "Describe.*", throttled),
            fault(account, "TerminateInstanceInAutoScalingGroup", lost),
        ]),
    );
    let mut run = real.bed.begin("rollout start --quiet");
    real.until("a pod was asked to go", || !real.evicted().is_empty());
    real.restart();
    assert_eq!(run.wait().unwrap().code(), Some(0));
    real.bed.server.forget_faults(account);
    real.all_is_well();
}

/// A fleet of one cluster as kops made it, taken over, with another image in git; its nodes and a protected application are on real servers.
struct Real {
    bed: Bed,
    audit: PathBuf,
    process: PathBuf,
    /// Of the audit log, what was there before.
    seen: usize,
    /// Instances that are to be replaced.
    old: BTreeSet<String>,
}

impl Real {
    fn start(test: &str) -> Option<Real> {
        let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let (Some(kubeconfig), Some(admin)) =
            (path("KFLEET_KUBE_SERVERS"), path("KFLEET_KUBE_ADMIN"))
        else {
            skip(test, "no real servers: .ci/nightly-kube starts them");
            return None;
        };
        let server = server_or_skip(test)?;
        let bed = Bed::new(server, &[CLUSTER], Eyes::Open);
        let here = std::fs::read_to_string(kubeconfig).unwrap();
        let context = CLUSTER.split('.').next().unwrap();
        bed.write("kubeconfig", &here.replace("here", context));
        bed.seed("$Latest");
        let admin: Value = serde_yaml::from_str(&std::fs::read_to_string(admin).unwrap()).unwrap();
        let joins = json!({
            "account": bed.staging, "cluster": CLUSTER, "replicas": REPLICAS,
            "server": admin["clusters"][0]["cluster"]["server"], "token": admin["users"][0]["user"]["token"],
        });
        server.order("join", &joins);
        bed.rolls_out("start");
        bed.plan_is_empty();
        let image = format!("099720109477/ubuntu/images/hvm-ssd-gp3/{NEW_IMAGE}");
        let images = json!({"account": bed.staging, "region": REGION, "images": [image]});
        server.order("network", &images);
        bed.change("vars/defaults.yaml", OLD_IMAGE, NEW_IMAGE);
        server.forget_log(&bed.staging);
        let audit = path("KFLEET_KUBE_AUDIT").unwrap();
        let mut real = Real {
            seen: std::fs::read_to_string(&audit).unwrap().len(),
            process: path("KFLEET_KUBE_PROCESS").unwrap(),
            old: BTreeSet::new(),
            audit,
            bed,
        };
        real.old = real.providers();
        Some(real)
    }

    fn joined(&self) -> Value {
        let asked = json!({"account": self.bed.staging, "cluster": CLUSTER});
        self.bed.server.order("joined", &asked)
    }

    fn providers(&self) -> BTreeSet<String> {
        let joined = self.joined();
        let named = joined["providers"].as_array().unwrap().iter();
        named.map(|p| p.as_str().unwrap().to_owned()).collect()
    }

    /// The pods that were asked to go and may, by uid, as the API server's own log has them.
    fn evicted(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.audit).unwrap();
        let end = text.rfind('\n').map_or(0, |at| at + 1);
        let events = text[self.seen.min(end)..end].lines();
        events
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|e| {
                e["user"]["username"] == "kfleet"
                    && e["stage"] == "ResponseComplete"
                    && e["responseStatus"]["code"]
                        .as_i64()
                        .is_some_and(|c| (200..300).contains(&c))
                    && e["objectRef"]["subresource"] == "eviction"
                    && !e["requestURI"].as_str().unwrap().contains("dryRun=All")
            })
            .map(|e| {
                let uid = &e["requestObject"]["deleteOptions"]["preconditions"]["uid"];
                uid.as_str().unwrap().to_owned()
            })
            .collect()
    }

    /// The API server is killed, and is away until it has started anew.
    fn restart(&self) {
        let process = std::fs::read_to_string(&self.process).unwrap();
        let killed = std::process::Command::new("kill")
            .args(["-9", process.trim()])
            .status();
        assert!(killed.unwrap().success());
    }

    fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < end, "not in time: {what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    #[track_caller]
    fn all_is_well(&self) {
        self.bed.plan_is_empty();
        self.until("the new pods run", || self.joined()["ready"] == REPLICAS);
        let joined = self.joined();
        assert_eq!(joined["cut"], json!([]), "pods go before their instance");
        let left = joined["nodes"].as_object().unwrap();
        let left: Vec<_> = left
            .iter()
            .filter(|(_, marks)| **marks != json!([]))
            .collect();
        assert!(left.is_empty(), "left on nodes: {left:?}");
        let new = self.providers();
        assert_eq!(new.len(), self.old.len());
        assert!(new.is_disjoint(&self.old), "all are replaced");
        let evicted = self.evicted();
        let once: BTreeSet<&String> = evicted.iter().collect();
        assert!(evicted.len() >= 2, "{evicted:?}");
        assert_eq!(once.len(), evicted.len(), "each pod is asked to go once");
        let log = self.bed.server.log(&self.bed.staging);
        let ended = log
            .iter()
            .filter(|c| c.action() == "TerminateInstanceInAutoScalingGroup" && c.landed())
            .count();
        assert_eq!(ended, self.old.len(), "each instance ends once");
    }
}

/// A cluster on real servers whose charts are rolled by hooks with a real Helm, as an administrator.
struct Charts {
    bed: Bed,
    helm: PathBuf,
}

impl Charts {
    fn start(test: &str) -> Option<Charts> {
        let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let (Some(helm), Some(admin)) = (path("KFLEET_HELM"), path("KFLEET_KUBE_ADMIN")) else {
            skip(
                test,
                "no helm and no real servers: .ci/nightly-kube builds and starts them",
            );
            return None;
        };
        let server = server_or_skip(test)?;
        let mut bed = Bed::new(server, &[CLUSTER], Eyes::Open);
        let here = std::fs::read_to_string(&admin).unwrap();
        let context = CLUSTER.split('.').next().unwrap();
        bed.write("kubeconfig", &here.replace("here", context));
        bed.seed("$Latest");
        let admin: Value = serde_yaml::from_str(&here).unwrap();
        let joins = json!({
            "account": bed.staging, "cluster": CLUSTER, "replicas": REPLICAS,
            "server": admin["clusters"][0]["cluster"]["server"], "token": admin["users"][0]["user"]["token"],
        });
        server.order("join", &joins);
        let fleet = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fleet.yaml");
        let fleet = std::fs::read_to_string(fleet).unwrap();
        let (_, hooks) = fleet.split_once("\nhooks:\n").unwrap();
        let (hooks, _) = hooks.split_once("\ngates:").unwrap();
        bed.add("fleet.yaml", &format!("hooks:\n{hooks}\n"));
        for _ in 0..3 {
            bed.change("tools/roll", "--timeout 5m", "--timeout 30s");
        }
        bed.change(
            "tools/values.globex.yaml",
            "{replicas: 2, cpu: \"3\", memory: 12Gi}",
            "{replicas: 2, cpu: 10m, memory: 16Mi}",
        );
        let folders = [helm.parent().unwrap().to_owned()];
        let before = std::env::var_os("PATH").unwrap_or_default();
        let all = folders.into_iter().chain(std::env::split_paths(&before));
        let all = std::env::join_paths(all).unwrap();
        bed.set("PATH", all.to_str().unwrap());
        Some(Charts { bed, helm })
    }

    /// Helm as a person runs it.
    fn helm(&self, words: &str) -> String {
        let output = std::process::Command::new(&self.helm)
            .args(words.split(' '))
            .args(["--namespace", "kube-system"])
            .env("KUBECONFIG", self.bed.path("kubeconfig"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The releases that are there: name, revision, status.
    fn releases(&self) -> Vec<String> {
        let all: Value = serde_json::from_str(&self.helm("list --output json")).unwrap();
        let line = |r: &Value| {
            let word = |key: &str| r[key].as_str().unwrap().to_owned();
            format!("{} {} {}", word("name"), word("revision"), word("status"))
        };
        all.as_array().unwrap().iter().map(line).collect()
    }

    /// How many pods the newest revision of `room` wants.
    fn replicas(&self) -> String {
        let text = self.helm("get values room --output json");
        let values: Value = serde_json::from_str(&text).unwrap();
        values["room"]["replicas"].to_string()
    }
}

/// Made, changed, taken back by a person, and taken back by Helm where it does not come up.
#[test]
fn helm_rolls_charts_on_real_servers() {
    let Some(charts) = Charts::start("helm_rolls_charts_on_real_servers") else {
        return;
    };
    let bed = &charts.bed;
    bed.rolls_out("start");
    assert_eq!(charts.releases(), ["room 1 deployed", "tenancy 1 deployed"]);
    bed.plan_is_empty();

    let values = "tools/values.globex.yaml";
    bed.change(values, "replicas: 2", "replicas: 3");
    bed.run("plan").ends(2);
    bed.rolls_out("start");
    assert_eq!(charts.releases(), ["room 2 deployed", "tenancy 2 deployed"]);
    assert_eq!(charts.replicas(), "3");
    // What is finished is looked at before it is taken back.
    let rollback = "rollout rollback --reason test --quiet";
    let looked = bed.run(rollback).ends(3).out;
    let plan = looked
        .lines()
        .find_map(|line| line.strip_prefix("rollback plan "));
    bed.run(&format!("{rollback} --plan {}", plan.unwrap()))
        .ends(0);
    assert_eq!(charts.releases(), ["room 3 deployed", "tenancy 3 deployed"]);
    assert_eq!(charts.replicas(), "2");

    bed.change(values, "cpu: 10m", "cpu: \"1000\"");
    bed.run("rollout start --again test --quiet").ends(4);
    // It was tried twice, and each time Helm took it back by itself.
    let releases = charts.releases();
    assert!(releases[0].ends_with(" deployed"), "{releases:?}");
    let text = charts.helm("get values room --output json");
    assert!(text.contains("\"10m\""), "{text}");
    let kept = bed.run("rollout show").ends(0).out;
    assert!(kept.contains(&format!("room@{CLUSTER}.run.2")), "{kept}");
}
