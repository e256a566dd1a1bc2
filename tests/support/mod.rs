//! A small fleet without files: clusters from manifests in code, planned and rolled out on the simulated account.
#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "each test binary uses its own part"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kfleet::cloud::local::{Fault, Options, Scenario, World};
use kfleet::desired::{DesiredCluster, GroupExtras};
use kfleet::fleet::{GateKind, GateSpec, Rolling, Settings, Stage, Wave};
use kfleet::model::{
    ClusterName, GroupName, Lifecycle, Live, NodeMark, Nodes, Span, StageName, digest_of,
};
use kfleet::plan::{Allow, Plan, Policy, Wanted, plan};
use kfleet::rollout::{Inputs, Progress, Record, Rollout, build};
use kfleet::run::{Drive, Outcome, RunError, Signal, look, run};
use kfleet::store::{CloudKind, Journal, Store};
use kfleet::{kops, yaml};

mod crowds;
mod deeds;
mod hook_tasks;
mod leftovers;
pub mod spy;
mod spy_kops;
mod stand_in;
mod trace;

pub use spy::Spy;
pub(crate) use stand_in::asks_world;
pub use trace::*;

/// Staging and prod clusters, their manifests made from a few knobs.
#[derive(Clone)]
pub struct Scene {
    pub dir: PathBuf,
    pub image: String,
    pub nodes: (u32, u32),
    pub spot: bool,
    pub extra_group: bool,
    /// Lines that every node group has beside the usual ones.
    pub node_spec: &'static str,
    /// Zones with a control-plane group each.
    pub zones: Vec<&'static str>,
    /// Node groups in place of the usual ones: name, minimum, maximum, labelled for the autoscaler.
    pub groups: Option<Vec<(&'static str, u32, u32, bool)>>,
    /// Groups and clusters that run another image than the rest.
    pub odd_image: Option<(&'static str, String)>,
    pub stage_waves: Option<Vec<Wave>>,
    pub freeze: Vec<kfleet::fleet::Freeze>,
    pub rolling: Rolling,
    pub gates: Vec<GateSpec>,
    pub options: Options,
    pub faults: Vec<String>,
    /// Items of a scenario, played from the moment that a world is opened.
    pub scenario: Vec<String>,
    pub staging: Vec<ClusterName>,
    pub prod: Vec<ClusterName>,
    pub soak: Span,
    pub on_failure: kfleet::fleet::OnFailure,
    pub rollback: kfleet::fleet::Rollback,
    /// Groups of other roles than the usual ones: name and role.
    pub others: Vec<(&'static str, &'static str)>,
    /// Hooks of the fleet.
    pub hooks: Vec<kfleet::fleet::HookSpec>,
    pub hook_context: Option<&'static str>,
    pub engine: kfleet::fleet::Engine,
    pub no_way_back: bool,
    pub kubernetes: &'static str,
    /// Subnets that all clusters share, by id.
    pub shared_subnets: bool,
    /// Another store than the folder.
    pub kept: Option<Store>,
}

pub fn name<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

impl Scene {
    pub fn new(dir: &Path) -> Scene {
        let gate = |name: &str, kind| GateSpec {
            name: name.into(),
            kind,
            deadline: Span::from_secs(1800),
            at: None,
            samples: kfleet::fleet::Samples::default(),
        };
        Scene {
            dir: dir.to_owned(),
            image: "image-1".into(),
            nodes: (3, 6),
            spot: false,
            extra_group: false,
            node_spec: "",
            zones: vec!["a", "b", "c"],
            groups: None,
            odd_image: None,
            stage_waves: None,
            freeze: Vec::new(),
            rolling: Rolling::default(),
            gates: vec![
                gate("instances", GateKind::Asg),
                gate("nodes", GateKind::Kubernetes),
            ],
            options: Options::default(),
            faults: Vec::new(),
            scenario: Vec::new(),
            staging: vec![name("staging.k8s.test")],
            prod: vec![name("prod-a.k8s.test"), name("prod-b.k8s.test")],
            soak: Span::from_secs(1800),
            on_failure: kfleet::fleet::OnFailure::Rollback,
            others: Vec::new(),
            hooks: Vec::new(),
            hook_context: None,
            // All of it, so that what is left can be compared with what was.
            rollback: kfleet::fleet::Rollback {
                control_plane: kfleet::fleet::ProvenControlPlane::Restore,
            },
            engine: kfleet::fleet::Engine::Asg,
            no_way_back: false,
            kubernetes: "1.32.0",
            shared_subnets: false,
            kept: None,
        }
    }

    fn cluster_manifest(&self, cluster: &ClusterName) -> String {
        let member =
            |zone: &str| format!("    - {{name: {zone}, instanceGroup: control-plane-{zone}}}\n");
        let etcd = |name: &str| {
            format!(
                "  - name: {name}\n    etcdMembers:\n{}",
                self.zones.iter().map(|z| member(z)).collect::<String>()
            )
        };
        let subnet = |zone: &str| {
            let id = if self.shared_subnets {
                format!("id: subnet-eu-west-3{zone}, ")
            } else {
                String::new()
            };
            format!(
                "  - {{name: eu-west-3{zone}, {id}zone: eu-west-3{zone}, type: Private, egress: External, cidr: 10.0.0.0/19}}\n"
            )
        };
        format!(
            "apiVersion: kops.k8s.io/v1alpha2\nkind: Cluster\nmetadata:\n  name: {cluster}\nspec:\n  cloudProvider: aws\n  api: {{dns: {{}}}}\n  kubernetesVersion: {}\n  networking: {{calico: {{}}}}\n  networkCIDR: 10.0.0.0/16\n  subnets:\n{}{}{}  etcdClusters:\n{}{}",
            self.kubernetes,
            subnet("a"),
            subnet("b"),
            subnet("c"),
            etcd("main"),
            etcd("events"),
        )
    }

    fn manifests(&self, cluster: &ClusterName) -> String {
        let image = |name: &str| {
            self.odd_image
                .as_ref()
                .filter(|(odd, _)| *odd == name || *odd == cluster.as_str())
                .map_or(&self.image, |(_, image)| image)
        };
        let group = |name: &str, role: &str, min: u32, max: u32, subnets: &str, scaled: bool| {
            let labels = if scaled {
                "  cloudLabels:\n    k8s.io/cluster-autoscaler/enabled: \"true\"\n"
            } else {
                ""
            };
            format!(
                "---\napiVersion: kops.k8s.io/v1alpha2\nkind: InstanceGroup\nmetadata:\n  name: {name}\n  labels:\n    kops.k8s.io/cluster: {cluster}\nspec:\n  role: {role}\n  image: {}\n  machineType: m5.large\n  minSize: {min}\n  maxSize: {max}\n  subnets: [{subnets}]\n{}{}{labels}",
                image(name),
                if self.spot && role == "Node" {
                    "  maxPrice: \"1\"\n"
                } else {
                    ""
                },
                if role == "Node" { self.node_spec } else { "" },
            )
        };
        let mut text = self.cluster_manifest(cluster);
        for zone in &self.zones {
            text += &group(
                &format!("control-plane-{zone}"),
                "Master",
                1,
                1,
                &format!("eu-west-3{zone}"),
                true,
            );
        }
        for (name, role) in &self.others {
            text += &group(name, role, 2, 3, "eu-west-3a", false);
        }
        if let Some(groups) = &self.groups {
            for (name, min, max, scaled) in groups {
                text += &group(
                    name,
                    "Node",
                    *min,
                    *max,
                    "eu-west-3a, eu-west-3b, eu-west-3c",
                    *scaled,
                );
            }
            return text;
        }
        text += &group(
            "nodes",
            "Node",
            self.nodes.0,
            self.nodes.1,
            "eu-west-3a, eu-west-3b, eu-west-3c",
            true,
        );
        text += &group("full", "Node", 2, 2, "eu-west-3a, eu-west-3b", true);
        if self.extra_group {
            text += &group("extra", "Node", 2, 4, "eu-west-3a", true);
        }
        text
    }

    pub fn clusters(&self) -> impl Iterator<Item = &ClusterName> {
        self.staging.iter().chain(&self.prod)
    }

    pub fn desired(&self, cluster: &ClusterName) -> DesiredCluster {
        let documents = yaml::parse(&self.manifests(cluster), yaml::Schema::Kops).unwrap();
        let manifests = kops::read(&documents).unwrap();
        let extras = manifests
            .groups
            .iter()
            .map(|g| {
                (
                    g.name.clone(),
                    GroupExtras {
                        user_data: Some("IyEvYmluL3NoCg==".into()),
                        protect: false,
                    },
                )
            })
            .collect();
        DesiredCluster::new(&manifests, name("111122223333"), name("eu-west-3"), &extras).unwrap()
    }

    pub fn settings(&self) -> Settings {
        let wave = |clusters: &[ClusterName], parallel| Wave {
            clusters: clusters.to_vec(),
            parallel,
            soak: Span::ZERO,
        };
        let stage = |name_: &str, after: Option<&str>, waves, soak, approval| Stage {
            name: name(name_),
            after: after.map(name::<StageName>),
            waves,
            soak,
            approval,
            freeze: if name_ == "prod" {
                self.freeze.clone()
            } else {
                Vec::new()
            },
            on_failure: self.on_failure,
        };
        let prod = || {
            self.prod
                .iter()
                .map(|c| wave(std::slice::from_ref(c), 1))
                .collect()
        };
        Settings {
            store: ".kfleet".into(),
            stages: vec![
                stage(
                    "staging",
                    None,
                    vec![wave(&self.staging, 2)],
                    self.soak,
                    false,
                ),
                stage(
                    "prod",
                    Some("staging"),
                    self.stage_waves.clone().unwrap_or_else(prod),
                    Span::ZERO,
                    true,
                ),
            ],
            rolling: self.rolling.clone(),
            gates: self.gates.clone(),
            hooks: self.hooks.clone(),
            rollback: self.rollback,
            call_rates: kfleet::fleet::CallRates::default(),
            accept: Default::default(),
            lint: Default::default(),
            notify: Vec::new(),
        }
    }

    pub fn store(&self) -> Store {
        self.kept
            .clone()
            .unwrap_or_else(|| Store::open(&self.dir, CloudKind::Local).unwrap())
    }

    pub fn world(&self) -> World {
        let world = World::open(&self.dir.join("local"), self.options).unwrap();
        self.play(&world);
        world
    }

    /// Orders the scene's faults and its scenario.
    pub fn play(&self, world: &World) {
        world.set_faults(
            self.faults
                .iter()
                .map(|f| f.parse::<Fault>().unwrap())
                .collect(),
        );
        if !self.scenario.is_empty() {
            let items: String = self
                .scenario
                .iter()
                .map(|item| format!("  - {item}\n"))
                .collect();
            world
                .set_scenario(
                    Scenario::parse("scenario", &format!("version: 1\nscenario:\n{items}"))
                        .unwrap(),
                )
                .unwrap();
        }
    }

    pub fn live(&self, world: &World) -> Live {
        let places: Vec<_> = self
            .clusters()
            .map(|c| kfleet::cloud::Place {
                cluster: c.clone(),
                account: name("111122223333"),
                region: name("eu-west-3"),
            })
            .collect();
        let mut live = block(look(world, &places)).unwrap();
        if self.engine == kfleet::fleet::Engine::Kops {
            for place in &places {
                let (documents, nodeup) = block(kfleet::engine::Engine::stored(world, place));
                let cluster = live.clusters.get_mut(&place.cluster).unwrap();
                (cluster.documents, cluster.nodeup) = (documents, nodeup);
            }
        }
        live
    }

    pub fn plan(&self, world: &World, allow: Allow) -> Plan {
        let desired: Vec<DesiredCluster> = self.clusters().map(|c| self.desired(c)).collect();
        let baselines = self.store().baselines().unwrap();
        let protect: BTreeSet<GroupName> = BTreeSet::new();
        let wanted: Vec<Wanted<'_>> = desired
            .iter()
            .map(|d| Wanted {
                desired: d,
                baseline: baselines.get(&d.cluster),
                protect: &protect,
                retire: &protect,
                engine: self.engine,
                no_way_back: self.no_way_back,
            })
            .collect();
        plan(
            digest_of(&"release"),
            &wanted,
            &self.live(world),
            &Policy::of(&self.settings()),
            allow,
        )
        .with_hooks(self.hook_tasks())
    }

    pub fn rollout(&self, world: &World, id: &str, only: &[&str]) -> Rollout {
        let plan = self.plan(
            world,
            Allow {
                retire: true,
                shrink: true,
                documents: true,
                nodes: false,
            },
        );
        self.build(&plan, world, id, only).unwrap()
    }

    pub fn build(
        &self,
        plan: &Plan,
        world: &World,
        id: &str,
        only: &[&str],
    ) -> Result<Rollout, kfleet::rollout::BuildError> {
        let wanted: BTreeMap<_, _> = self
            .clusters()
            .map(|c| self.desired(c))
            .map(|d| {
                (
                    d.cluster.clone(),
                    (d.digest.clone(), d.beside_definitions()),
                )
            })
            .collect();
        build(
            plan,
            &Inputs {
                only: &only.iter().map(|s| name(s)).collect(),
                baselines: &self.store().baselines().unwrap(),
                wanted: &wanted,
                id: id.into(),
                now: kfleet::cloud::Cloud::now(world),
                by: "test".into(),
                break_glass: None,
                behind: &BTreeMap::new(),
                before: &BTreeMap::new(),
                part: None,
                elsewhere: &BTreeSet::new(),
            },
        )
    }

    pub fn drive(&self) -> Drive {
        Drive {
            by: "test".into(),
            folder: self.dir.clone(),
            attendant: None,
            environment: |name| (name == "KFLEET_TEST_TOKEN").then(|| "s3cret-token".to_owned()),
            poll: Span::from_secs(10),
            watch: Span::from_secs(60),
            max_wait: Span::from_secs(100_000_000),
            auto_approve: true,
            hooks: hook_tasks::drive(),
            written: None,
        }
    }

    /// Begins a rollout and carries it as far as it goes, watched for every rule.
    pub fn start(&self, id: &str) -> (Result<Outcome, RunError>, Vec<Record>) {
        self.start_on(&Spy::new(self.world()), id)
    }

    pub fn start_on(&self, spy: &Spy, id: &str) -> (Result<Outcome, RunError>, Vec<Record>) {
        let rollout = self.rollout(spy.world(), id, &[]);
        let (mut journal, first) = Journal::begin(&self.store(), &rollout).unwrap();
        let mut records = vec![first];
        let outcome = self.carry(spy, &mut journal, &self.drive(), &mut records);
        (outcome, records)
    }

    pub fn resume(&self, id: &str) -> (Result<Outcome, RunError>, Vec<Record>) {
        self.resume_on(&Spy::new(self.world()), id)
    }

    pub fn resume_on(&self, spy: &Spy, id: &str) -> (Result<Outcome, RunError>, Vec<Record>) {
        let mut journal = Journal::take_up(&self.store(), id).unwrap();
        let mut records = Vec::new();
        let outcome = self.carry(spy, &mut journal, &self.drive(), &mut records);
        (outcome, records)
    }

    pub fn carry(
        &self,
        spy: &Spy,
        journal: &mut Journal,
        drive: &Drive,
        records: &mut Vec<Record>,
    ) -> Result<Outcome, RunError> {
        let mut turns = 0u32;
        spy.begin(journal.rollout(), journal.progress());
        let outcome = block(run(
            spy,
            &self.store(),
            journal,
            drive,
            || false,
            |signal| match signal {
                Signal::Recorded(record) => {
                    records.push(record.clone());
                    spy.hear(record);
                    assert!(
                        records.len() < 20_000,
                        "it never ends: {:#?}",
                        &records[records.len() - 20..]
                    );
                }
                Signal::Waiting { waiting, now, .. } => {
                    turns += 1;
                    assert!(turns < 20_000, "it never ends: {now}: {waiting:#?}");
                }
            },
        ));
        let wrong = spy.wrong();
        assert!(
            wrong.is_empty(),
            "rules broken:\n{}\n--- trace\n{}",
            wrong.join("\n"),
            facts(records).join("\n")
        );
        outcome
    }

    /// Desired capacity and definition of every group.
    pub fn shape(&self) -> BTreeMap<String, (u32, String)> {
        let live = self.live(&self.world());
        let groups = live.clusters.values().flat_map(|c| &c.groups);
        groups
            .map(|(name, g)| {
                let data = g
                    .versions
                    .get(&g.version.number())
                    .map(|v| v.data.image_id.clone())
                    .unwrap_or_default();
                (
                    name.to_string(),
                    (
                        g.desired,
                        format!("{data} {}..{}", g.group.min_size, g.group.max_size),
                    ),
                )
            })
            .collect()
    }

    pub fn progress(&self, id: &str) -> Progress {
        self.store().rollout(id).unwrap().1
    }
}

pub fn block<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

impl Scene {
    /// One staging cluster with one control-plane group and these node groups; made, and waiting for another image.
    pub fn small(dir: &Path, groups: &[(&'static str, u32, u32, bool)]) -> Scene {
        let mut scene = Scene::new(dir);
        scene.zones = vec!["a"];
        scene.groups = Some(groups.to_vec());
        scene.prod = Vec::new();
        scene.options.autoscaler = false;
        scene.rolling.bake = Span::from_secs(60);
        scene
    }

    /// Rolls it out for the first time, then wants another image.
    #[track_caller]
    pub fn made(mut self) -> Scene {
        let (outcome, records) = self.start("r1");
        assert_eq!(
            outcome.unwrap(),
            Outcome::Ended(kfleet::rollout::Ending::Finished),
            "{}",
            reasons(&records).join("\n")
        );
        self.image = "image-2".into();
        self
    }
}

/// A folder in memory where there is such a thing: a journal is synced with every record.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// A pod that no version made unready.
fn limping_pod(nth: u32, since: kfleet::model::Timestamp) -> kfleet::model::UnreadyPod {
    kfleet::model::UnreadyPod {
        since,
        pod: format!("default/limping-{nth}"),
        owner: Some("ReplicaSet default/limping".into()),
        without_node: false,
    }
}
