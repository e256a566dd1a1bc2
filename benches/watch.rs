//! What a roll asks of a cluster's API: four workers are replaced beside 207 nodes and 2,069 pods, each object as large as a real one, looked at every
//! ten seconds. Calls, bytes on the wire, processor time and memory, beside those of an uncompressed list at each look.
//! `cargo bench --bench watch --no-default-features --features kubernetes [-- NODES PODS REPLACED CLUSTERS]`.
//!
//! The API is a process of its own, which keeps pods alive, makes evicted ones anew and lets kubelets write. A list at each look is a third process.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a benchmark beside the tests' own API"
)]

#[path = "../tests/kube/administrator.rs"]
mod administrator;
#[path = "../tests/kube/api.rs"]
mod api;
#[path = "../tests/kube/beside.rs"]
mod beside;
#[path = "../tests/kube/eviction.rs"]
mod eviction;
#[path = "../tests/kube/hindered.rs"]
mod hindered;
#[path = "../tests/kube/pages.rs"]
mod pages;
#[path = "../tests/kube/patch.rs"]
mod patch;
#[path = "../tests/kube/real.rs"]
mod real;
#[path = "../tests/kube/server.rs"]
mod server;
#[path = "../tests/kube/streams.rs"]
mod streams;

/// What the stand-in takes from the tests' support.
mod support {
    pub fn block<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(future)
    }
}

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use kfleet::model::{Applied, NodeEffect, Nodes, Seen, Timestamp};
use kfleet::nodes::kube::Clusters;
use kfleet::nodes::{NodeAccess, NodeApi};
use serde_json::{Value as Json, json};

/// Seconds between two looks.
const LOOK: i64 = 10;

/// How often a kubelet writes the status of its node where nothing changes, in seconds. Source: kubelet, `nodeStatusReportFrequency`.
const HEARTBEAT: i64 = 300;

/// How often something is written to a pod between its making and its being Ready: bound, pulled, started, Ready.
const BIRTH: usize = 4;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let number = |at: usize, default: usize| {
        arguments
            .get(at)
            .map_or(default, |text| text.parse().unwrap())
    };
    if arguments.first().is_some_and(|a| a == "serve") {
        return serve(number(1, 0), number(2, 0));
    }
    if arguments.first().is_some_and(|a| a == "poll") {
        return block(poll(&arguments[1]));
    }
    let (nodes, pods, replaced) = (number(0, 207), number(1, 2_069), number(2, 4));
    block(roll((nodes, pods, replaced), number(3, 20)));
}

fn block(whole: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(whole);
}

/// One look of the way before: everything listed page by page, and kept as it is until all of it is there. Tells its memory.
async fn poll(kubeconfig: &str) {
    let config = kube::config::Kubeconfig::read_from(kubeconfig).unwrap();
    let options = kube::config::KubeConfigOptions {
        context: Some("here".into()),
        ..kube::config::KubeConfigOptions::default()
    };
    let config = kube::Config::from_custom_kubeconfig(config, &options);
    let client = kube::Client::try_from(config.await.unwrap()).unwrap();
    let nodes = every(kube::Api::<k8s_openapi::api::core::v1::Node>::all(
        client.clone(),
    ))
    .await;
    let pods = every(kube::Api::<k8s_openapi::api::core::v1::Pod>::all(client)).await;
    assert!(!nodes.is_empty() && !pods.is_empty());
    println!("{}", memory().1);
}

async fn every<K: Clone + std::fmt::Debug + serde::de::DeserializeOwned>(
    api: kube::Api<K>,
) -> Vec<K> {
    let (mut all, mut select) = (Vec::new(), kube::api::ListParams::default().limit(500));
    loop {
        let page = api.list(&select).await.unwrap();
        all.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => select = select.continue_token(&token),
            None => return all,
        }
    }
}

/// What a real object has beside what the tests keep: a pod of 11 kB, a node of 9.
fn ballast(object: &Json) -> Option<Json> {
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    let lines = match object["kind"].as_str() {
        Some("Node") => 72,
        _ if object["metadata"]["creationTimestamp"].is_string() => 86,
        _ => return None,
    };
    let text: String = (0..lines)
        .map(|n| format!("f:spec.f:containers.k:name-main.f:env.k:VARIABLE_{n}.f:valueFrom.f:secretKeyRef {uid} , sha256:{:016x}", n * 7919))
        .collect();
    Some(json!([{"manager": "kubelet", "operation": "Update", "fieldsV1": text}]))
}

/// The API's process: one command a line, one answer a line.
fn serve(nodes: usize, pods: usize) {
    let api = api::Api::new();
    api.with(|kept| {
        kept.ballast = ballast;
        for n in 1..=nodes {
            kept.node(&format!("node-{n}"), &format!("i-{n}"));
        }
        for n in 0..pods {
            let app = format!("app-{}", n % (pods / 10).max(1));
            kept.pod("default", &app, &format!("node-{}", n % nodes + 1), |p| {
                p["spec"]["terminationGracePeriodSeconds"] = json!(15);
            });
        }
        for n in 0..(pods / 40).max(1) {
            kept.budgets
                .insert(("default".into(), format!("app-{n}")), Some(0));
        }
    });
    api.with(|kept| {
        kept.watches.trim();
        kept.notes_all = true;
    });
    println!("{}", api.file().display());
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        api.with(|kept| match words.as_slice() {
            ["join", node] => kept.node(node, &node.replace("node-", "i-")),
            ["end", node] => kept.lose(node),
            _ => {}
        });
        if words == ["pass"] {
            pass(&api);
        }
        let told = api.with(|kept| {
            json!({"bytes": kept.bytes, "unpacked": kept.unpacked, "calls": kept.calls, "evicted": kept.evicted.len()})
        });
        println!("{told}");
    }
}

/// Ten seconds: graces end, pods are made anew and come up, some kubelets write their nodes.
fn pass(api: &api::Api) {
    let known = api.with(|kept| kept.pods.keys().cloned().collect::<Vec<_>>());
    api.with(|kept| kept.pass(LOOK));
    let new = api.with(|kept| {
        let new = kept
            .pods
            .keys()
            .filter(|key| known.binary_search(key).is_err());
        new.cloned().collect::<Vec<_>>()
    });
    for step in 0..BIRTH {
        api.with(|kept| {
            for key in &new {
                kept.pods.get_mut(key).unwrap()["status"]["step"] = json!(step);
                kept.touched.insert(key.clone());
            }
        });
    }
    api.with(|kept| {
        let (now, every) = (kept.now, HEARTBEAT / LOOK);
        for (n, node) in kept.nodes.values_mut().enumerate() {
            if i64::try_from(n).unwrap() % every == now / LOOK % every {
                node["status"]["heartbeat"] = json!(now);
            }
        }
    });
}

/// The API's process, as the roll sees it.
struct Served {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    kubeconfig: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Served {
    fn start(nodes: usize, pods: usize) -> Served {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["serve", &nodes.to_string(), &pods.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let mut kubeconfig = String::new();
        answers.read_line(&mut kubeconfig).unwrap();
        let kubeconfig = kubeconfig.trim().to_owned();
        Served {
            child,
            commands,
            answers,
            kubeconfig,
        }
    }

    fn told(&mut self, command: &str) -> Json {
        writeln!(self.commands, "{command}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }
}

/// A roll under way.
struct Roll {
    served: Served,
    client: Clusters,
    now: Arc<AtomicI64>,
    looks: u32,
    /// Rounds of evictions.
    rounds: usize,
    lists: Vec<usize>,
}

impl Roll {
    async fn look(&mut self) -> Seen {
        let seen = match self.client.nodes(&cluster()).await {
            Nodes::Known(seen) => seen,
            other => panic!("{other:?}"),
        };
        self.looks += 1;
        let told = self.served.told("");
        self.lists.push(count(&told, is_list));
        seen
    }

    async fn pass(&mut self) {
        self.now.fetch_add(LOOK, Ordering::Relaxed);
        self.served.told("pass");
        // Time for what the watches tell.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn cluster() -> kfleet::model::ClusterName {
    api::CLUSTER.parse().unwrap()
}

fn is_list(call: &str) -> bool {
    [
        "GET /api/v1/nodes",
        "GET /api/v1/pods",
        "GET /apis/policy/v1/poddisruptionbudgets",
    ]
    .contains(&call)
}

fn count(told: &Json, is: impl Fn(&str) -> bool) -> usize {
    let calls = told["calls"].as_array().unwrap();
    calls.iter().filter(|c| is(c.as_str().unwrap())).count()
}

/// Memory of this process in MiB: now, and the most until now.
fn memory() -> (f64, f64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| {
        let line = status
            .lines()
            .find_map(|l| l.strip_prefix(name))
            .unwrap_or_default();
        line.trim_end_matches("kB")
            .trim()
            .parse::<f64>()
            .unwrap_or_default()
            / 1024.0
    };
    (of("VmRSS:"), of("VmHWM:"))
}

async fn roll((nodes, pods, replaced): (usize, usize, usize), clusters: usize) {
    let served = Served::start(nodes, pods);
    let now = Arc::new(AtomicI64::new(1_767_600_000));
    let clock = Arc::clone(&now);
    let access = || NodeAccess {
        context: "here".into(),
        uid: None,
    };
    let client = Clusters::new(
        std::iter::once(cluster())
            .chain(others(clusters))
            .map(|cluster| (cluster, access()))
            .collect::<BTreeMap<_, _>>(),
        Some(served.kubeconfig.clone().into()),
        move || Timestamp::from_millis(clock.load(Ordering::Relaxed) * 1000),
    );
    let mut roll = Roll {
        served,
        client,
        now,
        looks: 0,
        rounds: 0,
        lists: Vec::new(),
    };
    roll.client.expect(&cluster(), "uid-of-kube-system");
    let before = memory();
    assert_eq!(roll.look().await.nodes.len(), nodes);
    let listed = roll.served.told("");
    let (began, worked) = (std::time::Instant::now(), processor());
    for n in 1..=replaced {
        replace(&mut roll, n, nodes + n).await;
    }
    let told = roll.served.told("");
    let (after, worked) = (memory(), processor() - worked);
    let polled = polled(&roll.served.kubeconfig);
    report(&roll, (nodes, pods, replaced), (&listed, &told));
    println!(
        "memory      {:.1} MiB before the first look, {:.1} MiB after the last, {:.1} MiB at the most; a list of all {polled:.1} MiB: 1/{:.1}",
        before.0,
        after.0,
        after.1,
        polled / after.1
    );
    let simulated = f64::from(roll.looks) * LOOK as f64;
    println!(
        "processor   {worked:.2} s of {simulated:.0} s that the roll would take: {:.1} %; {:.1} s of real time",
        100.0 * worked / simulated,
        began.elapsed().as_secs_f64()
    );
    side_by_side(&mut roll, clusters).await;
}

/// Names of further clusters; the stand-in API is that of each of them.
fn others(clusters: usize) -> impl Iterator<Item = kfleet::model::ClusterName> {
    (2..=clusters).map(|n| format!("c{n}.k8s.foo.bar").parse().unwrap())
}

/// As many clusters of that size in one process, all under way: a minute of looks at each of them.
async fn side_by_side(roll: &mut Roll, clusters: usize) {
    const LOOKS: u32 = 6;
    let before = memory().0;
    for other in others(clusters) {
        roll.client.expect(&other, "uid-of-kube-system");
        let seen = roll.client.nodes(&other).await;
        assert!(matches!(seen, Nodes::Known(_)), "{seen:?}");
    }
    let listed = count(&roll.served.told(""), is_list);
    let worked = processor();
    for _ in 0..LOOKS {
        roll.pass().await;
        for name in std::iter::once(cluster()).chain(others(clusters)) {
            let seen = roll.client.nodes(&name).await;
            assert!(matches!(seen, Nodes::Known(_)), "{seen:?}");
        }
    }
    let worked = processor() - worked;
    let (after, most) = memory();
    assert_eq!(
        count(&roll.served.told(""), is_list),
        listed,
        "listed in the middle"
    );
    println!(
        "{clusters} clusters {after:.1} MiB, {most:.1} MiB at the most, {:.1} MiB for each more; {:.1} % of one core for all of them, a look of each every {LOOK} s",
        (after - before) / (clusters.max(2) - 1) as f64,
        100.0 * worked / (f64::from(LOOKS) * LOOK as f64)
    );
}

/// Memory of a look as it was before, at the most, in MiB.
fn polled(kubeconfig: &str) -> f64 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command
        .args(["poll", kubeconfig])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().parse().unwrap()
}

/// Seconds that this process has worked: user and system. A tick is 10 ms on every Linux there is.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split(' ')
        .collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok());
    (ticks(12).unwrap_or_default() + ticks(13).unwrap_or_default()) / 100.0
}

/// One worker: its replacement joins, it is drained, and ends when a look shows nothing on it.
async fn replace(roll: &mut Roll, old: usize, new: usize) {
    let (node, instance) = (
        format!("node-{old}").parse().unwrap(),
        format!("i-{old}").parse().unwrap(),
    );
    roll.served.told(&format!("join node-{new}"));
    roll.pass().await;
    roll.look().await;
    let cordon = NodeEffect::Cordon { node, instance };
    roll.client.act(&cluster(), &cordon).await.unwrap();
    let evict = server::evict(&format!("node-{old}"));
    loop {
        let seen = roll.look().await;
        let left = seen.nodes[&format!("node-{old}").parse().unwrap()].evictable_pods;
        if left == 0 {
            break;
        }
        roll.rounds += 1;
        let applied = roll.client.act(&cluster(), &evict).await.unwrap();
        assert_eq!(applied, Applied::Done);
        roll.pass().await;
    }
    roll.served.told(&format!("end node-{old}"));
    roll.pass().await;
    roll.look().await;
}

fn report(
    roll: &Roll,
    (nodes, pods, replaced): (usize, usize, usize),
    (listed, told): (&Json, &Json),
) {
    let mb = |json: &Json, what: &str| json[what].as_f64().unwrap() / 1e6;
    let (list, packed, all) = (
        mb(listed, "unpacked"),
        mb(listed, "bytes"),
        mb(told, "bytes"),
    );
    let looks = f64::from(roll.looks);
    println!(
        "{nodes} nodes, {pods} pods, {replaced} replaced, {looks} looks, {} evictions",
        told["evicted"]
    );
    println!(
        "one list    {list:.1} MB, {packed:.2} MB compressed, {} calls",
        count(listed, |_| true)
    );
    println!("polled      {:.1} MB, not compressed", list * looks);
    println!(
        "watched     {all:.2} MB: 1/{:.0} of polled; {packed:.2} MB of it the first list",
        list * looks / all
    );
    let of = |is: fn(&str) -> bool| count(told, is);
    // Each look asked for all pages, and each round of evictions for the pods of its node.
    let (pages, asked) = (count(listed, is_list), of(|_| true));
    let before = pages * roll.looks as usize + roll.rounds + of(|c| c.ends_with("/eviction"));
    println!(
        "calls       {asked} of which {} pages of lists, {} watches, {} questions for the newest version, {} lists of one node, {} evictions; polled {before}",
        of(is_list),
        of(|c| c.starts_with("WATCH")),
        of(|c| c.starts_with("PROBE")),
        of(|c| c.ends_with("?of-a-node")),
        of(|c| c.ends_with("/eviction")),
    );
    let (first, last) = (roll.lists.first().unwrap(), roll.lists.last().unwrap());
    println!(
        "lists       {first} pages at the first look, {} at all others",
        last - first
    );
    assert_eq!(last, first, "listed in the middle");
    assert!(
        replaced == 0 || list * looks / all >= 50.0,
        "more than a fiftieth of a list at each look"
    );
}
