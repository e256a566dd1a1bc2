//! What `kfleet plan` of 300, 1,000 and 3,000 groups in one account and region costs: calls by API, seconds, and peak memory of the one process.
//!
//! `cargo bench --bench aws_plan`, against moto (see `tests/support/moto.rs` for where that comes from). The seconds are
//! mostly moto's own, which is one Python thread; calls and memory are kfleet's.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a measurement prints, and stops where it cannot measure"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

#[path = "../tests/support/moto.rs"]
mod support;

const SIZES: [usize; 3] = [300, 1_000, 3_000];
/// Groups of one cluster; every tenth has an instance.
const GROUPS: usize = 100;
const REGION: &str = "eu-west-3";

fn main() {
    let Some(server) = support::server_or_skip("aws_plan") else {
        return;
    };
    println!(
        "{:>7} {:>8} {:>9} {:>9} {:>13}  calls by API",
        "groups", "calls", "seconds", "peak MB", "kB a group"
    );
    let mut before: Option<(usize, f64)> = None;
    for size in SIZES {
        let dir = tempfile::tempdir().unwrap();
        let account = support::account();
        write_fleet(dir.path(), size / GROUPS, &account);
        seed(server, dir.path(), &account);
        server.forget_log(&account);
        let (seconds, kilobytes) = plan(server, dir.path(), &account);
        let log = server.log(&account);
        let counts: Vec<String> = support::counted(&log)
            .into_iter()
            .map(|(action, n)| format!("{action} {n}"))
            .collect();
        let marginal = before
            .map(|(groups, kb)| format!("{:.1}", (kilobytes - kb) / (size - groups) as f64))
            .unwrap_or_default();
        println!(
            "{size:>7} {:>8} {seconds:>9.1} {:>9.0} {marginal:>13}  {}",
            log.len(),
            kilobytes / 1024.0,
            counts.join(", ")
        );
        before = Some((size, kilobytes));
    }
    println!(
        "kB a group: what each further group adds to the peak; pages are let go of when they are read"
    );
}

/// Clusters of so many groups, all in one account.
fn write_fleet(folder: &Path, clusters: usize, account: &str) {
    let put = |path: &str, text: &str| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put(
        "fleet.yaml",
        "version: 1\nvars: [\"defaults.yaml\"]\nstages:\n  - {name: all, clusters: {environment: test}}\n",
    );
    put("vars/defaults.yaml", "image: ami-0123456789abcdef0\n");
    let subnet = |z: &str| {
        format!(
            "  - {{name: zone-{z}, zone: {REGION}{z}, type: Private, egress: External, cidr: 10.0.0.0/19}}\n"
        )
    };
    let group = |name: &str, role: &str, least: &str, most: u32, subnets: &str| {
        format!(
            "---\napiVersion: kops.k8s.io/v1alpha2\nkind: InstanceGroup\nmetadata:\n  name: {name}\n  labels:\n    kops.k8s.io/cluster: {{{{ cluster.name }}}}\nspec:\n  \
             role: {role}\n  image: {{{{ image }}}}\n  machineType: m5.large\n  minSize: {least}\n  maxSize: {most}\n  subnets: [{subnets}]\n"
        )
    };
    let member = |name: &str| {
        format!("  - {{name: {name}, etcdMembers: [{{name: a, instanceGroup: control-plane}}]}}\n")
    };
    let template = [
        "apiVersion: kops.k8s.io/v1alpha2\nkind: Cluster\nmetadata:\n  name: {{ cluster.name }}\nspec:\n  cloudProvider: aws\n  kubernetesVersion: 1.32.0\n",
        "  networking: {calico: {}}\n  api: {loadBalancer: {class: Network, type: Public}}\n  networkCIDR: 10.0.0.0/16\n  etcdClusters:\n",
        &(member("main") + &member("events") + "  subnets:\n" + &subnet("a") + &subnet("b")),
        &group("control-plane", "Master", "1", 1, "zone-a"),
        &format!("{{% for n in range(1, {GROUPS}) %}}\n"),
        &group("nodes-{{ n }}", "Node", "{{ 1 if n % 10 == 0 else 0 }}", 9, "zone-a, zone-b"),
        "{% endfor %}\n",
    ]
    .concat();
    put("templates/1.yaml.j2", &template);
    for number in 0..clusters {
        put(
            &format!("clusters/c{number:03}.k8s.test.yaml"),
            &format!("environment: test\nregion: {REGION}\naccount: \"{account}\"\n"),
        );
    }
}

fn seed(server: &support::Server, folder: &Path, account: &str) {
    let rendered = command(server, folder, account)
        .args(["render", "--out", "seeded"])
        .output()
        .unwrap();
    assert!(
        rendered.status.success(),
        "{}",
        String::from_utf8_lossy(&rendered.stderr)
    );
    for cluster in fs::read_dir(folder.join("seeded")).unwrap() {
        let files = fs::read_dir(cluster.unwrap().path().join("groups"))
            .unwrap()
            .map(|f| fs::read_to_string(f.unwrap().path()).unwrap());
        let groups: Vec<Value> = files
            .map(|text| serde_yaml::from_str(&text).unwrap())
            .collect();
        server.order(
            "seed",
            &json!({"account": account, "region": REGION, "groups": groups, "version": "1"}),
        );
    }
}

fn command(server: &support::Server, folder: &Path, account: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kfleet"));
    command
        .env_clear()
        .envs(server.environment(account))
        .env("KFLEET_CLOUD", "aws")
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

/// Seconds, and the most memory that the process ever had, in kB.
fn plan(server: &support::Server, folder: &Path, account: &str) -> (f64, f64) {
    let begin = Instant::now();
    let mut child = command(server, folder, account)
        .args(["plan", "--quiet"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut peak = 0.0_f64;
    let status = loop {
        peak = peak.max(high_water(child.id()).unwrap_or(0.0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(status.code(), Some(0), "nothing differs");
    (begin.elapsed().as_secs_f64(), peak)
}

/// `VmHWM` of a process, in kB. Linux only.
fn high_water(process: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    text.lines()
        .find_map(|l| l.strip_prefix("VmHWM:"))?
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .ok()
}
