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
