//! The Go templates of 100 clusters of 12 groups: as 100 processes of `kfleet template`, as one process for all of them, and as 100 processes of
//! `kops toolbox template` where the original is on PATH. Prints the times, and the ratios only where both sides were measured.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const CLUSTERS: u32 = 100;

const TEMPLATE: &str = "\
apiVersion: kops.k8s.io/v1alpha2
kind: Cluster
metadata:
  name: {{ .clusterName }}
spec:
  kubernetesVersion: {{ .version }}
{{- range $name, $group := .groups }}
---
apiVersion: kops.k8s.io/v1alpha2
kind: InstanceGroup
metadata:
  name: {{ $name }}
  labels:
    kops.k8s.io/cluster: {{ $.clusterName }}
spec:
  role: Node
  machineType: {{ $group.type }}
  minSize: {{ $group.min }}
  maxSize: {{ $group.max }}
  subnets:
  {{- range $.zones }}
  - {{ . }}
  {{- end }}
{{- end }}
";

fn values(cluster: u32) -> String {
    let mut text = format!(
        "clusterName: c{cluster}.example.com\nversion: \"1.34.0\"\nzones: [eu-west-3a, eu-west-3b, eu-west-3c]\ngroups:\n"
    );
    for group in 0..12 {
        text.push_str(&format!(
            "  nodes-{group}: {{type: m5.large, min: 1, max: {}}}\n",
            cluster + group
        ));
    }
    text
}

fn write(dir: &Path) {
    for folder in ["clusters", "templates", "vars"] {
        fs::create_dir_all(dir.join(folder)).unwrap();
    }
    fs::write(dir.join("templates/all.yaml.tpl"), TEMPLATE).unwrap();
    fs::write(
        dir.join("fleet.yaml"),
        "version: 1\nstages: [{name: all, clusters: {environment: prod}}]\n",
    )
    .unwrap();
    for cluster in 0..CLUSTERS {
        let name = format!("c{cluster}.example.com.yaml");
        fs::write(dir.join("vars").join(&name), values(cluster)).unwrap();
        fs::write(
            dir.join("clusters").join(&name),
            "environment: prod\nregion: eu-west-3\naccount: \"111122223333\"\n",
        )
        .unwrap();
    }
}

/// One process a cluster, one after the other. None: a program that is not there.
fn singly(dir: &Path, program: &str, first: &[&str]) -> Option<Duration> {
    let begin = Instant::now();
    for cluster in 0..CLUSTERS {
        let name = format!("c{cluster}.example.com");
        let values = dir.join("vars").join(format!("{name}.yaml"));
        let status = Command::new(program)
            .args(first)
            .args(["--name", &name, "--channel", "none", "--template"])
            .arg(dir.join("templates/all.yaml.tpl"))
            .arg("--values")
            .arg(values)
            .stdout(Stdio::null())
            .status()
            .ok()?;
        assert!(status.success(), "{program} failed");
    }
    Some(begin.elapsed())
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let kfleet = env!("CARGO_BIN_EXE_kfleet");
    let processes = singly(dir.path(), kfleet, &["template"]).unwrap();
    let begin = Instant::now();
    let fleet = kfleet::fleet::load(dir.path()).unwrap();
    let renderer = kfleet::render::Renderer::new(&fleet).unwrap();
    for cluster in fleet.clusters.keys() {
        assert_eq!(renderer.render(cluster).unwrap().documents.len(), 13);
    }
    let one = begin.elapsed();
    println!("{CLUSTERS} clusters as {CLUSTERS} processes: {processes:?}");
    println!("{CLUSTERS} clusters in one process:   {one:?}");
    match singly(dir.path(), "kops", &["toolbox", "template"]) {
        Some(original) => {
            let ratio = |ours: Duration| original.as_secs_f64() / ours.as_secs_f64();
            println!("{CLUSTERS} clusters as {CLUSTERS} processes of kops: {original:?}");
            println!(
                "processes against processes: {:.1} times faster",
                ratio(processes)
            );
            println!(
                "one process against them:    {:.1} times faster",
                ratio(one)
            );
        }
        None => println!("kops is not on PATH: the comparison is skipped"),
    }
}
