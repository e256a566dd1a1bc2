//! One release in eight processes on a store in S3, two of which are killed: their successors wait for the leases that they left.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bed::{Bed, Eyes};
use crate::support::{Server, server_or_skip};

pub(crate) const SHARDS: usize = 8;

fn begin(bed: &Bed, shard: usize) -> Child {
    let said = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(bed.path(&format!("said-{shard}")))
        .unwrap();
    bed.command(&format!(
        "rollout start --shard {shard}/{SHARDS} --max-wait 20m"
    ))
    .stdout(Stdio::null())
    .stderr(said)
    .spawn()
    .unwrap()
}

pub(crate) fn status(bed: &Bed) -> Value {
    let said = bed.run("rollout status --format json");
    serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {}{}", said.out, said.err))
}

/// The rollout of each shard that has begun.
pub(crate) fn rollouts(bed: &Bed) -> BTreeMap<usize, String> {
    let status = status(bed);
    let shards = status["shards"].as_array().cloned().unwrap_or_default();
    let of = |shard: &Value| {
        let number = shard["shard"].as_str()?.split('/').next()?.parse().ok()?;
        Some((number, shard["rollout"].as_str()?.to_owned()))
    };
    shards.iter().filter_map(of).collect()
}

fn records(bed: &Bed, id: &str) -> Vec<Value> {
    let said = bed
        .run(&format!("rollout show {id} --format jsonl"))
        .ends(0);
    said.out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

/// A shard that is at work on a cluster whose name begins so.
pub(crate) fn at_work(bed: &Bed, on: &str) -> usize {
    let began = Instant::now();
    loop {
        let status = status(bed);
        let shards = status["shards"].as_array().cloned().unwrap_or_default();
        let is_at = |shard: &&Value| {
            let active = shard["row"]["active"].as_object();
            active.is_some_and(|a| a.keys().any(|c| c.starts_with(on)))
        };
        if let Some(found) = shards.iter().find(is_at) {
            let number = found["shard"].as_str().unwrap().split('/').next().unwrap();
            return number.parse().unwrap();
        }
        let said = || -> Vec<String> {
            (1..=SHARDS)
                .map(|n| fs::read_to_string(bed.path(&format!("said-{n}"))).unwrap_or_default())
                .collect()
        };
        assert!(
            began.elapsed() < Duration::from_secs(180),
            "{status}\n{}",
            said().join("\n--\n")
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn kill(bed: &Bed, running: &mut BTreeMap<usize, Child>, shard: usize) {
    let mut child = running.remove(&shard).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // Its leases count for a while, by the clock of S3: the successor waits for them.
    let tick = json!({"account": bed.home, "seconds": 155});
    running.insert(shard, begin(bed, shard));
    std::thread::sleep(Duration::from_secs(1));
    bed.server.order("tick", &tick);
}

fn all_end(bed: &Bed, running: BTreeMap<usize, Child>, code: i32) {
    for (shard, mut child) in running {
        let ended = child.wait().unwrap();
        let said = fs::read_to_string(bed.path(&format!("said-{shard}"))).unwrap();
        let last: Vec<&str> = said.lines().rev().take(12).collect();
        assert_eq!(ended.code(), Some(code), "shard {shard}: {last:#?}");
        let asks = last[0].ends_with("stage prod has to be approved");
        assert_eq!(asks, code == 3, "shard {shard}: {last:#?}");
    }
}

/// The bundled fleet with a store in S3, as kops made it, and other nodes in git for one group of each cluster. Beside it: the store.
pub(crate) fn bed_of_shards(server: &'static Server) -> (Bed, String) {
    let mut bed = Bed::new(server, &[], Eyes::Open);
    bed.set("AWS_REGION", "us-east-1");
    let bucket = format!("kfleet-shards-{}", bed.home);
    server.put(&bed.home, &format!("/{bucket}"), "");
    let store = format!("s3://{bucket}/fleet");
    bed.change(
        "fleet.yaml",
        "version: 1\n",
        &format!("version: 1\nstore: {store}\n"),
    );
    bed.seed("1");
    // Other nodes for one group of each cluster.
    for (file, from) in [
        ("vars/staging.yaml", "admin_nodes: {min: 2"),
        (
            "vars/prod.yaml",
            "admin_nodes: {machine_type: m6i.xlarge, min: 3",
        ),
        (
            "vars/prod-small.k8s.foo.bar.yaml",
            "admin_nodes: {machine_type: m6i.large, min: 2",
        ),
    ] {
        let (_, min) = from.rsplit_once("min").unwrap();
        let to = format!("admin_nodes: {{machine_type: m6a.xlarge, min{min}");
        bed.change(file, from, &to);
    }
    (bed, store)
}

#[test]
fn eight_processes_share_a_store_in_s3_and_two_are_killed() {
    let Some(server) = server_or_skip("eight_processes_share_a_store_in_s3_and_two_are_killed")
    else {
        return;
    };
    let (bed, _) = bed_of_shards(server);
    let mut running: BTreeMap<usize, Child> = (1..=SHARDS).map(|n| (n, begin(&bed, n))).collect();
    let first = at_work(&bed, "staging");
    kill(&bed, &mut running, first);
    // All of them come to the approval of prod.
    all_end(&bed, std::mem::take(&mut running), 3);
    let ids = rollouts(&bed);
    assert_eq!(ids.len(), SHARDS);
    for id in ids.values() {
        let touched = records(&bed, id).into_iter().any(|r| {
            let cluster = r["event"]["intent"]["cluster"].as_str();
            cluster.is_some_and(|c| c.starts_with("prod"))
        });
        assert!(!touched, "{id}");
    }
    let plan = bed.run("rollout status --print-id").ends(3).out;
    bed.run(&format!("rollout approve prod --plan {}", plan.trim()))
        .ends(0);
    running = (1..=SHARDS).map(|n| (n, begin(&bed, n))).collect();
    let second = at_work(&bed, "prod");
    kill(&bed, &mut running, second);
    all_end(&bed, running, 0);
    prod_came_last(&bed, &ids);
    bed.plan_is_empty();
    bed.run("rollout status").ends(0);
}

/// Every cluster of staging was verified, in whatever shard, before any of prod was touched; and somebody has taken over from somebody.
#[track_caller]
pub(crate) fn prod_came_last(bed: &Bed, ids: &BTreeMap<usize, String>) {
    let all: Vec<Value> = ids.values().flat_map(|id| records(bed, id)).collect();
    let times = |kind: &str, of: &str| {
        let is = |r: &&Value| {
            let cluster = r["event"][kind]["cluster"].as_str();
            cluster.is_some_and(|c| c.starts_with(of))
        };
        let found: Vec<String> = all.iter().filter(is).map(|r| r["at"].to_string()).collect();
        found
    };
    let verified = times("cluster-verified", "staging")
        .into_iter()
        .max()
        .unwrap();
    let touched = times("intent", "prod").into_iter().min().unwrap();
    assert!(verified < touched, "{verified} {touched}");
    let taken = all.iter().filter(|r| !r["event"]["lock-taken"].is_null());
    assert!(taken.count() >= 2);
}
