//! How long a manifest of 500 groups takes from text to definitions, stage by stage. One pass: for orders of magnitude, not for percents.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

use std::time::{Duration, Instant};

use kfleet::{desired, kops, yaml};

const GROUPS: u32 = 500;

const CLUSTER: &str = "\
apiVersion: kops.k8s.io/v1alpha2
kind: Cluster
metadata: {name: c.example.com}
spec:
  cloudProvider: aws
  kubernetesVersion: 1.34.0
  networking: {cilium: {}}
  api: {loadBalancer: {class: Network, type: Public}}
  etcdClusters: [{name: main, etcdMembers: [{name: a, instanceGroup: cp}]}]
  subnets:
  - {name: a, type: Private, egress: External, zone: eu-west-3a}
  - {name: b, type: Private, egress: External, zone: eu-west-3b}
  - {name: c, type: Private, egress: External, zone: eu-west-3c}
---
apiVersion: kops.k8s.io/v1alpha2
kind: InstanceGroup
metadata: {name: cp, labels: {kops.k8s.io/cluster: c.example.com}}
spec: {role: Master, image: i, machineType: m5.large, subnets: [a]}
";

/// A group of workers with everything that production groups have.
const GROUP: &str = "\
---
apiVersion: kops.k8s.io/v1alpha2
kind: InstanceGroup
metadata:
  name: nodes-NUMBER
  labels:
    kops.k8s.io/cluster: c.example.com
spec:
  role: Node
  image: ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260801
  machineType: m5.xlarge
  minSize: 0
  maxSize: 50
  subnets: [a, b, c]
  mixedInstancesPolicy:
    instances: [m5.xlarge, m5a.xlarge, m5d.xlarge, m6i.xlarge, m6a.xlarge, m7i.xlarge]
    onDemandBase: 0
    onDemandAboveBase: 0
    spotAllocationStrategy: price-capacity-optimized
  cloudLabels:
    k8s.io/cluster-autoscaler/enabled: 'true'
    k8s.io/cluster-autoscaler/c.example.com: owned
  nodeLabels:
    pool: nodes-NUMBER
    lifecycle: spot
  taints:
  - dedicated=nodes-NUMBER:NoSchedule
  rootVolumeSize: 100
  volumes:
  - {device: /dev/xvdd, size: 50, type: gp3, encrypted: true}
  instanceMetadata: {httpTokens: required, httpPutResponseHopLimit: 1}
  sysctlParameters: [net.core.somaxconn=4096, vm.max_map_count=262144]
  rollingUpdate: {maxSurge: 25%}
";

fn main() {
    let groups = (0..GROUPS).map(|n| GROUP.replace("NUMBER", &n.to_string()));
    let text: String = std::iter::once(CLUSTER.to_owned()).chain(groups).collect();
    let (documents, parse) = timed(|| yaml::parse(&text, yaml::Schema::Kops).unwrap());
    let (manifests, read) = timed(|| kops::read(&documents).unwrap());
    let (definitions, compile) = timed(|| desired::compile(&manifests).unwrap());
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    for (stage, time) in [("parse", parse), ("read", read), ("compile", compile)] {
        println!("{stage:8} {:8.1} ms", milliseconds(time));
    }
    let all = parse + read + compile;
    println!(
        "{:8} {:8.1} ms, {:.0} groups/s, {} KiB of manifests",
        "all",
        milliseconds(all),
        f64::from(GROUPS) / all.as_secs_f64(),
        text.len() / 1024
    );
    assert_eq!(definitions.len(), 501);
}

fn timed<T>(stage: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = stage();
    (result, start.elapsed())
}
