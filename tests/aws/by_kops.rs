//! The binary with a real kops for its engine, on moto: what `kops` (its path is `KFLEET_KOPS`) makes of the cluster, and what kfleet has it make.
//! `.ci/nightly-kops` builds it; without it nothing here runs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::bed::{Bed, Eyes, REGION, changed_fields, in_order};
use crate::refresh::{pass, until};
use crate::support::{key, server_or_skip, skip};

const CLUSTER: &str = "staging-globex.k8s.foo.bar";
const IMAGE: &str =
    "099720109477/ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260801";

/// A cluster of the bundled fleet whose engine is kops, an account for it, and the binary.
struct ByKops {
    bed: Bed,
    kops: PathBuf,
}

impl ByKops {
    /// None: there is no kops here, which is said.
    fn new(test: &str) -> Option<ByKops> {
        let Some(kops) = std::env::var_os("KFLEET_KOPS").map(PathBuf::from) else {
            skip(test, "KFLEET_KOPS names no kops; see .ci/nightly-kops");
            return None;
        };
        let server = server_or_skip(test)?;
        let bed = Bed::new(server, &[CLUSTER], Eyes::Open);
        let mut by_kops = ByKops { bed, kops };
        by_kops.settle();
        Some(by_kops)
    }

    /// No names to resolve, nothing to download: a channel and hashes of its own. Few nodes.
    fn settle(&mut self) {
        let bed = &mut self.bed;
        let bucket = format!("state-{}", bed.staging);
        bed.change(
            "vars/customers/globex.yaml",
            "s3://globex-kops-state",
            &format!("s3://{bucket}"),
        );
        bed.change(
            "templates/1_cluster.yaml.j2",
            "channel: stable",
            "channel: none",
        );
        bed.change(
            "templates/1_cluster.yaml.j2",
            "type: Public\n    masters",
            "type: None\n    masters",
        );
        bed.change(
            "vars/defaults.yaml",
            "kubernetes_version: \"1.34.2\"",
            "kubernetes_version: \"1.31.3\"",
        );
        bed.add(
            &format!("vars/{CLUSTER}.yaml"),
            "admin_nodes: {min: 2}\nspot_nodes:\n  4x_16Gb: {min: 1}\n  4x_32Gb: {min: 0}\ndedicated_nodes:\n  prometheus: {min: 0}\n  checkout-api: {min: 0}\n",
        );
        bed.add(
            &format!("clusters/{CLUSTER}.yaml"),
            &format!(
                "engine: kops\nkops: {{version: \"1.32\", state_store: \"s3://{bucket}\", binary: {}}}\n",
                self.kops.display()
            ),
        );
        let account = key(&bed.staging);
        let base = format!("file://{}", bed.path("kops-base").display());
        for (name, value) in [
            ("S3_ENDPOINT", bed.server.url()),
            ("S3_ACCESS_KEY_ID", account),
            ("S3_SECRET_ACCESS_KEY", "not checked".into()),
            ("KOPS_BASE_URL", base),
            ("KOPS_FEATURE_FLAGS", "-ImageDigest".into()),
        ] {
            bed.set(name, &value);
        }
        hashes(&bed.path("kops-base"));
        let images = json!({"account": bed.staging, "region": REGION, "images": [IMAGE]});
        bed.server.order("network", &images);
        let made = boto(
            bed,
            &format!(
                "session.client('s3').create_bucket(Bucket='{bucket}', CreateBucketConfiguration={{'LocationConstraint': '{REGION}'}})"
            ),
        );
        assert!(made.is_empty(), "{made}");
    }

    /// kops as a person runs it.
    fn kops(&self, words: &str) -> (bool, String) {
        let state = format!("s3://state-{}", self.bed.staging);
        let mut command = Command::new(&self.kops);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.bed.path("kops-home"))
            .envs(self.bed.server.environment(&self.bed.staging))
            .envs(self.bed.extra())
            .env("AWS_REGION", REGION)
            .env("KOPS_STATE_STORE", state)
            .current_dir(self.bed.path("."))
            .args(words.split_whitespace())
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.success(),
            text(&output.stdout) + &text(&output.stderr),
        )
    }

    /// moto closes each connection after its answer, and sometimes kops finds it closed too soon.
    #[track_caller]
    fn kops_does(&self, words: &str) -> String {
        let mut said = String::new();
        for _ in 0..10 {
            let (ended_well, now) = self.kops(words);
            said = now;
            if ended_well {
                return said;
            }
            if !said.contains("use of closed network connection") {
                break;
            }
        }
        panic!("kops {words}\n{said}");
    }

    /// The cluster, made by kops itself out of what git renders.
    fn made_by_kops(&self) {
        self.bed.run("render --out seeded").ends(0);
        let manifests = self.bed.read(&format!("seeded/{CLUSTER}/manifests.yaml"));
        let own: Vec<&str> = manifests
            .split("\n---\n")
            .filter(|d| d.contains("apiVersion: kops.k8s.io/"))
            .collect();
        self.bed.write("of-kops.yaml", &own.join("\n---\n"));
        self.kops_does("create -f of-kops.yaml");
        self.kops_does(&format!("update cluster --name {CLUSTER} --yes"));
    }

    /// Carries a rollout to its end; neither kfleet nor kops has anything left to do then.
    #[track_caller]
    fn rolls(&self, words: &str) {
        self.bed.rolls_out(words);
        self.bed.plan_is_empty();
        self.says_nothing_is_left();
    }

    /// kops, asked for all of the cluster, would change nothing.
    #[track_caller]
    fn says_nothing_is_left(&self) {
        let said = self.kops_does(&format!("update cluster --name {CLUSTER}"));
        assert!(said.contains("No changes need to be applied"), "{said}");
    }
}

/// A group of its own in one zone, and a gate that nothing passes.
const BATCH: &str =
    "  batch: {machine_type: m5.large, az: [eu-west-3a], min: 1, max: 2, root_volume: standard}\n";
const GATE: &str = "  - {name: smoke, kind: command, run: [\"false\"]}\n";

/// Hashes of what instances would download.
fn hashes(base: &Path) {
    for architecture in ["amd64", "arm64"] {
        let files =
            ["nodeup", "protokube", "channels"].map(|f| format!("linux/{architecture}/{f}"));
        let images = [
            "kops-utils-cp",
            "kops-controller",
            "dns-controller",
            "kube-apiserver-healthcheck",
        ]
        .map(|i| format!("images/{i}-{architecture}.tar.gz"));
        for file in files.iter().chain(&images) {
            let path = base.join(format!("{file}.sha256"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "0f".repeat(32)).unwrap();
        }
    }
}

/// What a line of boto3 in the cluster's account prints when it goes wrong.
fn boto(bed: &Bed, line: &str) -> String {
    let program =
        format!("import boto3\nsession = boto3.Session(region_name='{REGION}')\n{line}\n");
    let output = Command::new(bed.server.python())
        .args(["-c", &program])
        .envs(bed.server.environment(&bed.staging))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if output.status.success() {
        return String::new();
    }
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A cluster that kops has made: its groups follow `$Latest`, and nothing else of it differs. Taken over, a kubelet's flag goes through it.
#[test]
fn a_cluster_of_a_real_kops_is_taken_over() {
    let Some(by_kops) = ByKops::new("a_cluster_of_a_real_kops_is_taken_over") else {
        return;
    };
    by_kops.made_by_kops();
    by_kops.says_nothing_is_left();
    let bed = &by_kops.bed;
    for (group, fields) in changed_fields(&bed.plan(2)) {
        assert_eq!(fields, ["launchTemplate.Version"], "{group}");
    }
    by_kops.rolls("start");
    bed.change("vars/defaults.yaml", "max_pods: 110", "max_pods: 70");
    let said = bed.run("plan").ends(2);
    assert!(said.out.contains("maxPods: 110 → 70"), "{}", said.out);
    by_kops.rolls("start");
}

/// A fleet around what a real kops has stored: the release among it, without which every group would differ.
#[test]
fn a_fleet_around_a_real_kops_is_no_change() {
    let Some(by_kops) = ByKops::new("a_fleet_around_a_real_kops_is_no_change") else {
        return;
    };
    by_kops.made_by_kops();
    let (bed, state) = (&by_kops.bed, format!("s3://state-{}", by_kops.bed.staging));
    let account = &bed.staging;
    let words = format!("-C adopted init --from-kops --state-store {state} --account {account}");
    let mut home = bed.command(&words);
    // Before there is a fleet nothing says which role to take.
    let init = home
        .env("AWS_ACCESS_KEY_ID", key(account))
        .env("AWS_REGION", REGION)
        .output()
        .unwrap();
    assert!(
        init.status.success(),
        "{}",
        String::from_utf8_lossy(&init.stderr)
    );
    bed.add(
        &format!("adopted/clusters/{CLUSTER}.yaml"),
        &format!("role_arn: arn:aws:iam::{account}:role/kfleet\n"),
    );
    let said = bed.run("-C adopted plan --format json").ends(2);
    for (group, fields) in changed_fields(&serde_json::from_str(&said.out).unwrap()) {
        assert_eq!(fields, ["launchTemplate.Version"], "{group}");
    }
    // No API of a cluster is there to ask.
    bed.change(
        "adopted/fleet.yaml",
        "  - {name: nodes, kind: kubernetes}\n",
        "",
    );
    bed.run("-C adopted rollout start --quiet").ends(0);
    bed.run("-C adopted plan").ends(0);
}

/// A cluster that kfleet has kops make; then a Kubernetes version, another group, one that fails and is taken back, one that goes.
#[test]
fn a_real_kops_makes_what_kfleet_wants() {
    let Some(by_kops) = ByKops::new("a_real_kops_makes_what_kfleet_wants") else {
        return;
    };
    let bed = &by_kops.bed;
    by_kops.rolls("start");

    // The next minor version of Kubernetes, control plane first.
    bed.change("vars/defaults.yaml", "\"1.31.3\"", "\"1.32.0\"");
    let said = bed.run("plan");
    assert!(said.out.contains("has no way back"), "{}", said.out);
    by_kops.rolls(&format!("start --no-way-back {CLUSTER}"));

    // One group more.
    let vars = format!("vars/{CLUSTER}.yaml");
    bed.add(&vars, BATCH);
    by_kops.rolls("start");

    // A flag of all kubelets that a gate does not like: everything as it was.
    bed.change("vars/defaults.yaml", "max_pods: 110", "max_pods: 70");
    bed.add("fleet.yaml", GATE);
    bed.run("rollout start --quiet").ends(4);
    bed.change("fleet.yaml", GATE, "");
    bed.change("vars/defaults.yaml", "max_pods: 70", "max_pods: 110");
    bed.plan_is_empty();
    by_kops.says_nothing_is_left();

    // The group goes again.
    bed.change(&vars, BATCH, "");
    bed.run("rollout start --quiet").ends(1);
    by_kops.rolls("start --allow-retire dedicated-batch");
    let listed = by_kops.kops_does(&format!("get instancegroups --name {CLUSTER}"));
    assert!(
        listed.contains("admin-nodes") && !listed.contains("batch"),
        "{listed}"
    );
}

/// Whoever runs kfleet is killed with kops at work, over and over: the next one goes on, and it comes to the same end.
#[test]
fn a_kfleet_that_dies_while_a_real_kops_works_goes_on() {
    let Some(by_kops) = ByKops::new("a_kfleet_that_dies_while_a_real_kops_works_goes_on") else {
        return;
    };
    by_kops.made_by_kops();
    let bed = &by_kops.bed;
    by_kops.rolls("start");
    bed.change("vars/defaults.yaml", "max_pods: 110", "max_pods: 70");
    let mut words = "start";
    for seconds in [3, 5, 4, 7] {
        let mut kfleet = bed.begin(&format!("rollout {words} --quiet"));
        if words == "start" {
            until(bed, &mut kfleet, "intent publish");
        }
        std::thread::sleep(Duration::from_secs(seconds));
        kfleet.kill().unwrap();
        kfleet.wait().unwrap();
        words = "resume";
    }
    by_kops.rolls(words);
}

/// AWS replaces the nodes of one group, at the version that a real kops made and that was pinned before; ours are the others.
#[test]
fn aws_refreshes_to_what_a_real_kops_made() {
    let Some(by_kops) = ByKops::new("aws_refreshes_to_what_a_real_kops_made") else {
        return;
    };
    by_kops.made_by_kops();
    let bed = &by_kops.bed;
    by_kops.rolls("start");
    bed.change(
        "fleet.yaml",
        "rolling:\n",
        "rolling:\n  groups: {admin-nodes: {strategy: instance-refresh}}\n",
    );
    bed.change("vars/defaults.yaml", "max_pods: 110", "max_pods: 70");
    let mut rollout = bed.begin("rollout start --quiet");
    // kops takes its time by our clock; of the account's none passes before AWS is at work.
    let status = (0..600).find_map(|_| {
        std::thread::sleep(Duration::from_secs(1));
        let said = bed.run("rollout show --format jsonl").out;
        if said.contains("start-refresh") {
            pass(bed, 60);
        }
        rollout.try_wait().unwrap()
    });
    assert_eq!(status.and_then(|s| s.code()), Some(0));
    bed.plan_is_empty();
    by_kops.says_nothing_is_left();
    let log = bed.server.log(&bed.staging);
    let refreshes = log.iter().filter(|c| c.action() == "StartInstanceRefresh");
    assert_eq!(refreshes.filter(|c| c.landed()).count(), 1);
    in_order(
        &bed.records(),
        &[
            "intent update",
            "intent pin-version",
            "intent start-refresh",
        ],
    );
}

/// What a real kops says before anything is done, and what it says of a document that it does not take: with the lines of ours that make it.
#[test]
fn a_real_kops_is_asked_beforehand_and_refuses() {
    let Some(by_kops) = ByKops::new("a_real_kops_is_asked_beforehand_and_refuses") else {
        return;
    };
    by_kops.made_by_kops();
    let bed = &by_kops.bed;
    by_kops.rolls("start");
    // The dry run is of what git has, and the store is as it was.
    bed.change("vars/defaults.yaml", "max_pods: 110", "max_pods: 70");
    let said = bed.run("plan --kops-dry-run --verbose").ends(2);
    assert!(said.out.contains("Will modify resources"), "{}", said.out);
    by_kops.says_nothing_is_left();
    bed.change("vars/defaults.yaml", "max_pods: 70", "max_pods: 110");
    bed.plan_is_empty();

    bed.change(
        "templates/1_cluster.yaml.j2",
        "provider: CoreDNS",
        "provider: BIND",
    );
    let said = bed.run("rollout start --quiet");
    let told = said.out + &said.err;
    for part in ["spec.kubeDNS.provider", "templates/1_cluster.yaml.j2:"] {
        assert!(told.contains(part), "no {part} in\n{told}");
    }
    bed.change(
        "templates/1_cluster.yaml.j2",
        "provider: BIND",
        "provider: CoreDNS",
    );
    bed.run("rollout abort --reason test");
    bed.plan_is_empty();
    by_kops.says_nothing_is_left();
}
