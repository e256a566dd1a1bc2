//! What `kfleet plan` of 300, 1,000 and 3,000 groups in one account and region costs: calls by API, seconds, and peak memory of the one process.
//!
//! `cargo bench --bench aws_plan`, against moto (see `tests/support/moto.rs` for where that comes from). The seconds are
//! mostly moto's own, which is one Python thread; calls and memory are kfleet's.
//!
//! `-- fleet`: 200 clusters, 3,000 groups over six accounts. Calls by account and API beside the fewest that the pages allow, and how long they take at
//! the rates that AWS publishes, which moto does not keep.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
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
    if std::env::args().any(|a| a == "fleet") {
        return whole_fleet(server);
    }
    println!(
        "{:>7} {:>8} {:>9} {:>9} {:>13}  calls by API",
        "groups", "calls", "seconds", "peak MB", "kB a group"
    );
    let mut before: Option<(usize, f64)> = None;
    for size in SIZES {
        let dir = tempfile::tempdir().unwrap();
        let account = support::account();
        write_fleet(dir.path(), GROUPS, &vec![account.clone(); size / GROUPS]);
        seed(server, dir.path(), std::slice::from_ref(&account));
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

/// What an account may call of an API that reads by filter or in pages, at once and a second. Source: Amazon EC2 developer guide, "Request throttling
/// for the Amazon EC2 API"; Auto Scaling publishes none, and gets the same here.
const RATE: (f64, f64) = (100.0, 20.0);
/// What kfleet uses of it when nobody says otherwise, in percent.
const SHARE: f64 = 50.0;
/// Objects of one page, as AWS gives them: Auto Scaling 100 groups, EC2 200 launch templates and versions by name, 1,000 instances.
const PAGES: [(&str, usize); 3] = [
    ("DescribeAutoScalingGroups", 100),
    ("DescribeLaunchTemplates", 200),
    ("DescribeLaunchTemplateVersions", 200),
];

/// 200 clusters of 15 groups over six accounts, planned at once.
fn whole_fleet(server: &support::Server) {
    const CLUSTERS: usize = 200;
    const EACH: usize = 15;
    let dir = tempfile::tempdir().unwrap();
    let accounts: Vec<String> = (0..6).map(|_| support::account()).collect();
    let of_clusters: Vec<String> = (0..CLUSTERS)
        .map(|n| accounts[n % accounts.len()].clone())
        .collect();
    write_fleet(dir.path(), EACH, &of_clusters);
    seed(server, dir.path(), &accounts);
    accounts.iter().for_each(|a| server.forget_log(a));
    let (_, kilobytes) = plan(server, dir.path(), &accounts[0]);
    println!("account groups API calls fewest s_at_the_rates s_with_the_share");
    let (mut calls, mut least, mut longest) = (0, 0, [0.0_f64; 2]);
    for (number, account) in accounts.iter().enumerate() {
        let groups = of_clusters.iter().filter(|a| *a == account).count() * EACH;
        for (api, n) in support::counted(&server.log(account)) {
            let page = PAGES.iter().find(|(name, _)| *name == api);
            let fewest = page.map_or(1, |(_, size)| groups.div_ceil(*size));
            let at = |part: f64| {
                let (burst, per_second) = (RATE.0 * part, RATE.1 * part);
                (n as f64 - burst).max(0.0) / per_second
            };
            let seconds = [at(1.0), at(SHARE / 100.0)];
            println!(
                "{} {groups} {api} {n} {fewest} {:.1} {:.1}",
                number + 1,
                seconds[0],
                seconds[1]
            );
            (calls, least) = (calls + n, least + fewest);
            longest = [0, 1].map(|i| longest[i].max(seconds[i]));
        }
    }
    println!(
        "{CLUSTERS} clusters, {} groups, {} accounts: {calls} calls, {least} at least ({:.2}); buckets keep it waiting {:.1} s, {:.1} s with half of them; peak {:.0} MB",
        CLUSTERS * EACH,
        accounts.len(),
        calls as f64 / least as f64,
        longest[0],
        longest[1],
        kilobytes / 1024.0
    );
}

/// Clusters of so many groups, each in its account.
fn write_fleet(folder: &Path, groups: usize, accounts: &[String]) {
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
        &format!("{{% for n in range(1, {groups}) %}}\n"),
        &group("nodes-{{ n }}", "Node", "{{ 1 if n % 10 == 0 else 0 }}", 9, "zone-a, zone-b"),
        "{% endfor %}\n",
    ]
    .concat();
    put("templates/1.yaml.j2", &template);
    for (number, account) in accounts.iter().enumerate() {
        put(
            &format!("clusters/c{number:03}.k8s.test.yaml"),
            &format!(
                "environment: test\nregion: {REGION}\naccount: \"{account}\"\nrole_arn: arn:aws:iam::{account}:role/kfleet\n"
            ),
        );
    }
}

/// As kops leaves it, the n-th cluster in the n-th account, which come round again and again.
fn seed(server: &support::Server, folder: &Path, accounts: &[String]) {
    let rendered = command(server, folder, &accounts[0])
        .args(["render", "--out", "seeded"])
        .output()
        .unwrap();
    assert!(
        rendered.status.success(),
        "{}",
        String::from_utf8_lossy(&rendered.stderr)
    );
    let mut clusters: Vec<_> = fs::read_dir(folder.join("seeded"))
        .unwrap()
        .map(|c| c.unwrap().path())
        .collect();
    clusters.sort();
    for (cluster, account) in clusters.iter().zip(accounts.iter().cycle()) {
        let files = fs::read_dir(cluster.join("groups"))
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
