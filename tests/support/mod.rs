//! A small fleet without files: clusters from manifests in code, planned and rolled out on the simulated account.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "each test binary uses its own part"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kfleet::cloud::local::{Fault, Options, World};
use kfleet::desired::{DesiredCluster, GroupExtras};
use kfleet::fleet::{GateKind, GateSpec, Rolling, Settings, Stage, Wave};
use kfleet::model::{ClusterName, GroupName, Live, Span, StageName, digest_of};
use kfleet::plan::{Allow, Plan, Wanted, plan};
use kfleet::rollout::{Event, Inputs, Progress, Record, Rollout, build};
use kfleet::run::{Drive, Outcome, RunError, Signal, look, run};
use kfleet::store::{CloudKind, Journal, Store};
use kfleet::{kops, yaml};

/// Staging and prod clusters, their manifests made from a few knobs.
#[derive(Clone)]
pub struct Scene {
    pub dir: PathBuf,
    pub image: String,
    pub nodes: (u32, u32),
    pub spot: bool,
    pub extra_group: bool,
    pub rolling: Rolling,
    pub gates: Vec<GateSpec>,
    pub options: Options,
    pub faults: Vec<String>,
    pub staging: Vec<ClusterName>,
    pub prod: Vec<ClusterName>,
    pub soak: Span,
}

pub fn name<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

impl Scene {
    pub fn new(dir: &Path) -> Scene {
        let gate = |name: &str, kind| GateSpec { name: name.into(), kind, deadline: Span::from_secs(1800) };
        Scene {
            dir: dir.to_owned(),
            image: "image-1".into(),
            nodes: (3, 6),
            spot: false,
            extra_group: false,
            rolling: Rolling::default(),
            gates: vec![gate("instances", GateKind::Asg), gate("nodes", GateKind::Kubernetes)],
            options: Options::default(),
            faults: Vec::new(),
            staging: vec![name("staging.k8s.test")],
            prod: vec![name("prod-a.k8s.test"), name("prod-b.k8s.test")],
            soak: Span::from_secs(1800),
        }
    }

    fn manifests(&self, cluster: &ClusterName) -> String {
        let group = |name: &str, role: &str, min: u32, max: u32, subnets: &str| {
            format!(
                "---\napiVersion: kops.k8s.io/v1alpha2\nkind: InstanceGroup\nmetadata:\n  name: {name}\n  labels:\n    kops.k8s.io/cluster: {cluster}\nspec:\n  role: {role}\n  image: {}\n  machineType: m5.large\n  minSize: {min}\n  maxSize: {max}\n  subnets: [{subnets}]\n  cloudLabels:\n    k8s.io/cluster-autoscaler/enabled: \"true\"\n",
                self.image
            )
        };
        let member = |zone: &str| format!("    - {{name: {zone}, instanceGroup: control-plane-{zone}}}\n");
        let etcd = |name: &str| format!("  - name: {name}\n    etcdMembers:\n{}{}{}", member("a"), member("b"), member("c"));
        let subnet = |zone: &str| format!("  - {{name: zone-{zone}, zone: eu-west-3{zone}, type: Private, cidr: 10.0.0.0/19}}\n");
        let mut text = format!(
            "apiVersion: kops.k8s.io/v1alpha2\nkind: Cluster\nmetadata:\n  name: {cluster}\nspec:\n  cloudProvider: aws\n  kubernetesVersion: 1.32.0\n  networking: {{calico: {{}}}}\n  networkCIDR: 10.0.0.0/16\n  subnets:\n{}{}{}  etcdClusters:\n{}{}",
            subnet("a"),
            subnet("b"),
            subnet("c"),
            etcd("main"),
            etcd("events"),
        );
        for zone in ["a", "b", "c"] {
            text += &group(&format!("control-plane-{zone}"), "Master", 1, 1, &format!("zone-{zone}"));
        }
        text += &group("nodes", "Node", self.nodes.0, self.nodes.1, "zone-a, zone-b, zone-c");
        text += &group("full", "Node", 2, 2, "zone-a, zone-b");
        if self.extra_group {
            text += &group("extra", "Node", 2, 4, "zone-a");
        }
        text
    }

    pub fn clusters(&self) -> impl Iterator<Item = &ClusterName> {
        self.staging.iter().chain(&self.prod)
    }

    pub fn desired(&self, cluster: &ClusterName) -> DesiredCluster {
        let documents = yaml::parse(&self.manifests(cluster), yaml::Schema::Kops).unwrap();
        let manifests = kops::read(&documents).unwrap();
        let extras =
            manifests.groups.iter().map(|g| (g.name.clone(), GroupExtras { user_data: Some("IyEvYmluL3NoCg==".into()), protect: false })).collect();
        DesiredCluster::new(&manifests, name("111122223333"), name("eu-west-3"), &extras).unwrap()
    }

    pub fn settings(&self) -> Settings {
        let wave = |clusters: &[ClusterName], parallel| Wave { clusters: clusters.to_vec(), parallel, soak: Span::ZERO };
        let stage = |name_: &str, after: Option<&str>, waves, soak, approval| Stage {
            name: name(name_),
            after: after.map(name::<StageName>),
            waves,
            soak,
            approval,
            freeze: Vec::new(),
        };
        Settings {
            store: ".kfleet".into(),
            stages: vec![
                stage("staging", None, vec![wave(&self.staging, 2)], self.soak, false),
                stage("prod", Some("staging"), self.prod.iter().map(|c| wave(std::slice::from_ref(c), 1)).collect(), Span::ZERO, true),
            ],
            rolling: self.rolling.clone(),
            gates: self.gates.clone(),
        }
    }

    pub fn store(&self) -> Store {
        Store::open(&self.dir, CloudKind::Local).unwrap()
    }

    pub fn world(&self) -> World {
        let world = World::open(&self.dir.join("local"), self.options).unwrap();
        world.set_faults(self.faults.iter().map(|f| f.parse::<Fault>().unwrap()).collect());
        world
    }

    pub fn live(&self, world: &World) -> Live {
        let places: Vec<_> =
            self.clusters().map(|c| kfleet::cloud::Place { cluster: c.clone(), account: name("111122223333"), region: name("eu-west-3") }).collect();
        block(look(world, &places)).unwrap()
    }

    pub fn plan(&self, world: &World, allow: Allow) -> Plan {
        let desired: Vec<DesiredCluster> = self.clusters().map(|c| self.desired(c)).collect();
        let baselines = self.store().baselines().unwrap();
        let protect: BTreeSet<GroupName> = BTreeSet::new();
        let wanted: Vec<Wanted<'_>> = desired.iter().map(|d| Wanted { desired: d, baseline: baselines.get(&d.cluster), protect: &protect }).collect();
        plan(digest_of(&"release"), &wanted, &self.live(world), &self.rolling, allow)
    }

    pub fn rollout(&self, world: &World, id: &str, only: &[&str]) -> Rollout {
        let plan = self.plan(world, Allow { retire: true, shrink: true, documents: true });
        self.build(&plan, world, id, only).unwrap()
    }

    pub fn build(&self, plan: &Plan, world: &World, id: &str, only: &[&str]) -> Result<Rollout, kfleet::rollout::BuildError> {
        let wanted: BTreeMap<_, _> =
            self.clusters().map(|c| self.desired(c)).map(|d| (d.cluster.clone(), (d.digest.clone(), d.beside_definitions()))).collect();
        build(
            plan,
            &Inputs {
                settings: &self.settings(),
                only: &only.iter().map(|s| name(s)).collect(),
                baselines: &self.store().baselines().unwrap(),
                wanted: &wanted,
                id: id.into(),
                now: kfleet::cloud::Cloud::now(world),
                by: "test".into(),
                break_glass: None,
            },
        )
    }

    pub fn drive(&self) -> Drive {
        Drive {
            by: "test".into(),
            folder: self.dir.clone(),
            poll: Span::from_secs(10),
            watch: Span::from_secs(60),
            max_wait: Span::from_secs(100_000_000),
            auto_approve: true,
        }
    }

    /// Begins a rollout and carries it as far as it goes.
    pub fn start(&self, id: &str) -> (Result<Outcome, RunError>, Vec<Record>) {
        let world = self.world();
        let rollout = self.rollout(&world, id, &[]);
        let (mut journal, first) = Journal::begin(&self.store(), &rollout).unwrap();
        let mut records = vec![first];
        let outcome = self.carry(&world, &mut journal, &self.drive(), &mut records);
        (outcome, records)
    }

    pub fn resume(&self, id: &str) -> (Result<Outcome, RunError>, Vec<Record>) {
        let world = self.world();
        let mut journal = Journal::take_up(&self.store(), id).unwrap();
        let mut records = Vec::new();
        let outcome = self.carry(&world, &mut journal, &self.drive(), &mut records);
        (outcome, records)
    }

    pub fn carry(&self, world: &World, journal: &mut Journal, drive: &Drive, records: &mut Vec<Record>) -> Result<Outcome, RunError> {
        let mut turns = 0u32;
        block(run(
            world,
            &self.store(),
            journal,
            drive,
            || false,
            |signal| match signal {
                Signal::Recorded(record) => records.push(record.clone()),
                Signal::Waiting { waiting, now, .. } => {
                    turns += 1;
                    assert!(turns < 100_000, "it never ends: {now}: {waiting:#?}");
                }
            },
        ))
    }

    pub fn progress(&self, id: &str) -> Progress {
        self.store().rollout(id).unwrap().1
    }
}

pub fn block<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The facts of a trace, one a line, steps left out.
pub fn facts(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .filter_map(|r| match &r.event {
            Event::Intent { .. } | Event::Outcome { .. } => None,
            Event::Started { .. } => Some("started".into()),
            event => Some(serde_json::to_string(event).unwrap()),
        })
        .collect()
}
