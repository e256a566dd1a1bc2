//! How a fleet of 1,000 clusters with 13 documents each fares on one core: seconds, bytes and memory of rendering and planning, and whether they grow linearly.
//!
//! `cargo bench --bench fleet`. Every size runs in a process of its own: peak memory only ever grows in one.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement prints, and stops where it cannot measure"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use base64::Engine as _;
use kfleet::cloud::Place;
use kfleet::cloud::local::{Options, World};
use kfleet::desired::{DesiredCluster, DesiredGroup, GroupExtras};
use kfleet::fleet::{self, Fleet};
use kfleet::model::{
    ClusterName, GroupName, Live, LiveCluster, LiveGroup, TemplateVersion, VersionRef, digest_of,
};
use kfleet::plan::{Allow, Baseline, Wanted, plan};
use kfleet::render::Renderer;
use kfleet::run::look;
use kfleet::{kops, report, yaml};

const SIZES: [usize; 3] = [10, 100, 1_000];
const GROUPS: usize = 12;
const GOAL: &str = "goal: 1,000 clusters rendered and checked, one after the other, on one core under 2 s in flat memory";
/// `kops toolbox template`, one process a cluster of the same 13 documents and 20 kB: seconds of wall time for each,
/// measured with kops 1.37.0-alpha.1 on two cores, 100 clusters in a shell loop.
const KOPS_EACH: f64 = 0.106;

fn main() {
    match std::env::args()
        .nth(1)
        .as_deref()
        .and_then(|a| a.strip_prefix("--clusters="))
    {
        Some(size) => measure(size.parse().expect("a number of clusters")),
        None => all(),
    }
}

/// Each size in a process of its own; what each cluster costs, compared with the size before.
fn all() {
    let mut before: BTreeMap<String, f64> = BTreeMap::new();
    println!(
        "{:>8} {:<22} {:>9} {:>12} {:>14} {:>9}",
        "clusters", "part", "seconds", "bytes", "each (us, B)", "growth"
    );
    for size in SIZES {
        let output = Command::new(std::env::current_exe().unwrap())
            .arg(format!("--clusters={size}"))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success(),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        for line in text.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let [part, seconds, bytes] = fields[..] else {
                continue;
            };
            // Memory has no seconds; what it costs is bytes.
            let cost: f64 = if seconds == "-" {
                bytes.parse().unwrap()
            } else {
                seconds.parse::<f64>().unwrap() * 1e6
            };
            let each = cost / size as f64;
            let growth = before
                .insert(part.to_owned(), each)
                .filter(|b| *b >= 1.0)
                .map(|b| format!("{:.2}", each / b))
                .unwrap_or_default();
            println!("{size:>8} {part:<22} {seconds:>9} {bytes:>12} {each:>14.0} {growth:>9}");
            if part == "render + check" {
                let ratio = KOPS_EACH / (cost / 1e6 / size as f64);
                println!(
                    "{size:>8} one `kops toolbox template` a cluster: {:.1} s of wall time, {ratio:.0} times as long",
                    KOPS_EACH * size as f64
                );
            }
        }
    }
    println!("growth: what a cluster costs against the size before; linear = 1.00");
    println!("{GOAL}");
}

/// One size: a line for each part, and one for memory.
fn measure(size: usize) {
    let dir = tempfile::tempdir().unwrap();
    write_fleet(dir.path(), size);
    let (fleet, load) = timed(|| fleet::load(dir.path()).unwrap());
    let renderer = Renderer::new(&fleet).unwrap();
    let names: Vec<&ClusterName> = fleet.clusters.keys().collect();
    // As a check of a pull request does it: nothing is kept, so memory must not grow with the fleet.
    let (kept, checked) = timed(|| {
        names
            .iter()
            .map(|name| check(&renderer, name))
            .sum::<usize>()
    });
    row("render + check", checked, kept);
    memory("memory, one at a time");
    let (rendered, render) = timed(|| {
        names
            .iter()
            .map(|name| renderer.render(name).unwrap())
            .collect::<Vec<_>>()
    });
    let documents: usize = rendered.iter().map(|r| r.documents.len()).sum();
    assert_eq!(documents, size * (GROUPS + 1));
    let bytes: usize = rendered.iter().map(|r| r.text.len()).sum();
    row("load", load, 0);
    row("render", render, bytes);
    row("load + render", load + render, bytes);

    let (parsed, copy) = timed(|| {
        rendered
            .iter()
            .map(|r| {
                r.documents
                    .iter()
                    .map(|d| d.document.clone())
                    .collect::<Vec<_>>()
            })
            .collect::<Vec<_>>()
    });
    let (manifests, read) = timed(|| {
        parsed
            .iter()
            .map(|d| kops::read(d).unwrap())
            .collect::<Vec<_>>()
    });
    let (extras, user_data) = timed(|| {
        names
            .iter()
            .zip(&manifests)
            .map(|(name, m)| extras(&renderer, name, m))
            .collect::<Vec<_>>()
    });
    let inputs = fleet.clusters.values().zip(&manifests).zip(&extras);
    let (desired, compile) = timed(|| {
        inputs
            .map(|((c, m), extras)| {
                DesiredCluster::new(m, c.account.clone(), c.region.clone(), extras).unwrap()
            })
            .collect::<Vec<_>>()
    });
    let (emitted, emit) = timed(|| emit(&desired));
    drop(parsed);
    row("copy documents", copy, 0);
    row("read as kops", read, 0);
    row("user data", user_data, 0);
    row("compile", compile, 0);
    row("emit definitions", emit, emitted);
    row(
        "all of `render`",
        load + render + copy + read + user_data + compile + emit,
        bytes + emitted,
    );
    memory("memory after render");
    measure_plans(&fleet, &desired, dir.path());
    memory("memory after plan");
}

/// Renders one cluster, checks every document as YAML and as a manifest, and lets go of it; the bytes of its text.
fn check(renderer: &Renderer<'_>, name: &ClusterName) -> usize {
    let rendered = renderer.render(name).unwrap();
    let bytes = rendered.text.len();
    let documents: Vec<yaml::Document> =
        rendered.documents.into_iter().map(|d| d.document).collect();
    black_box(kops::read(&documents).unwrap());
    bytes
}

/// Plans against an account with nothing in it, and against one in which everything is as it should be.
fn measure_plans(fleet: &Fleet, desired: &[DesiredCluster], dir: &Path) {
    let places: Vec<Place> = desired
        .iter()
        .map(|d| Place {
            cluster: d.cluster.clone(),
            account: d.account.clone(),
            region: d.region.clone(),
        })
        .collect();
    let world = World::open(&dir.join("local"), Options::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (empty, look_empty) = timed(|| runtime.block_on(look(&world, &places)).unwrap());
    let (text, plan_empty) = timed(|| planned(fleet, desired, &empty, &BTreeMap::new()));
    row("look, nothing there", look_empty, 0);
    row("plan, nothing there", plan_empty, text);

    let full = filled(desired, &empty);
    let baselines: BTreeMap<ClusterName, Baseline> = desired
        .iter()
        .map(|d| (d.cluster.clone(), baseline(d, &full)))
        .collect();
    let (text, plan_full) = timed(|| planned(fleet, desired, &full, &baselines));
    row("plan, all there", plan_full, text);
}

/// Plans and writes it as text; the bytes of that.
fn planned(
    fleet: &Fleet,
    desired: &[DesiredCluster],
    live: &Live,
    baselines: &BTreeMap<ClusterName, Baseline>,
) -> usize {
    let protect = BTreeSet::new();
    let wanted: Vec<Wanted<'_>> = desired
        .iter()
        .map(|d| Wanted {
            desired: d,
            baseline: baselines.get(&d.cluster),
            protect: &protect,
            retire: &protect,
            engine: kfleet::fleet::Engine::Asg,
            no_way_back: false,
        })
        .collect();
    let plan = plan(
        digest_of(&"release"),
        &wanted,
        live,
        &kfleet::plan::Policy::of(&fleet.settings),
        Allow::default(),
    );
    assert_eq!(plan.is_empty(), !baselines.is_empty());
    report::plan_json(&plan, &fleet.settings.stages).len()
}

/// An account in which every group is what it should be. Instances are left out: they are the cloud's, not git's.
fn filled(desired: &[DesiredCluster], empty: &Live) -> Live {
    let cluster = |d: &DesiredCluster| LiveCluster {
        groups: d
            .groups
            .values()
            .map(|g| {
                (
                    g.definition
                        .auto_scaling_group
                        .auto_scaling_group_name
                        .clone(),
                    live_group(g).into(),
                )
            })
            .collect(),
        ..empty.clusters.get(&d.cluster).cloned().unwrap_or_default()
    };
    Live {
        read_at: empty.read_at,
        clusters: desired
            .iter()
            .map(|d| (d.cluster.clone(), cluster(d)))
            .collect(),
        room: Vec::new(),
    }
}

fn live_group(desired: &DesiredGroup) -> LiveGroup {
    let definition = kfleet::model::Definition::clone(&desired.definition).canonical();
    let version = TemplateVersion::new(definition.launch_template.launch_template_data, None, None);
    LiveGroup {
        desired: definition.auto_scaling_group.min_size,
        hooks: definition.lifecycle_hooks,
        suspended: definition.auto_scaling_group.suspended_processes.clone(),
        group: definition.auto_scaling_group.into(),
        version: VersionRef::Number(1),
        versions: BTreeMap::from([(1, version.into())]),
        latest_version: 1,
        instances: BTreeMap::new(),
        activities: Vec::new(),
        refresh: None,
        by_hand: BTreeMap::new(),
    }
}

fn baseline(desired: &DesiredCluster, live: &Live) -> Baseline {
    Baseline {
        version: 1,
        cluster: desired.cluster.clone(),
        digest: desired.digest.clone(),
        release: digest_of(&"release"),
        rollout: "bench".into(),
        commit: None,
        more_than_commit: false,
        allow_dirty: None,
        since: live.read_at,
        documents: desired.beside_definitions(),
        kubernetes: None,
        pending: BTreeMap::new(),
        user_data: BTreeMap::new(),
    }
}

fn extras(
    renderer: &Renderer<'_>,
    cluster: &ClusterName,
    manifests: &kops::Manifests,
) -> BTreeMap<GroupName, GroupExtras> {
    let one = |group: &kops::InstanceGroup| {
        let user_data = renderer.user_data(cluster, &group.name, "node").unwrap();
        let user_data =
            user_data.map(|text| base64::engine::general_purpose::STANDARD.encode(text));
        (
            group.name.clone(),
            GroupExtras {
                user_data,
                protect: false,
            },
        )
    };
    manifests.groups.iter().map(one).collect()
}

fn emit(desired: &[DesiredCluster]) -> usize {
    let groups = desired.iter().flat_map(|d| d.groups.values());
    groups
        .map(|g| black_box(yaml::emit(&serde_json::to_value(&g.definition).unwrap())).len())
        .sum()
}

/// The result, and the seconds that one core spent on it: others may use the machine.
fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let (start, before) = (Instant::now(), on_core());
    let result = black_box(work());
    let seconds = match (before, on_core()) {
        (Some(before), Some(after)) => after - before,
        _ => start.elapsed().as_secs_f64(),
    };
    (result, seconds)
}

/// Seconds this thread has run so far, where Linux counts them.
fn on_core() -> Option<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}

fn row(part: &str, seconds: f64, bytes: usize) {
    println!("{part}\t{seconds:.4}\t{bytes}");
}

fn memory(part: &str) {
    println!("{part}\t-\t{}", peak());
}

/// The largest this process has been, in bytes.
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<usize>().ok())
        .unwrap_or(0)
        * 1024
}

/// The bundled fleet's templates, snippets and vars, with as many clusters as asked for and 13 documents in each.
fn write_fleet(to: &Path, size: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["templates", "snippets", "vars", "vars/customers"] {
        fs::create_dir_all(to.join(folder)).unwrap();
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            // 8 holds no groups, 7 the autoscaler's priorities; the vars of the bundled clusters belong to them.
            let left_out =
                name.starts_with('7') || name.starts_with('8') || name.contains(".k8s.foo.bar");
            if path.is_file() && !left_out {
                fs::copy(&path, to.join(folder).join(name)).unwrap();
            }
        }
    }
    fs::write(to.join("fleet.yaml"), "version: 1\nvars: [\"defaults.yaml\", \"{environment}.yaml\", \"{cluster}.yaml\"]\nstages:\n  - {name: prod, clusters: {environment: prod}, waves: [{parallel: 10}]}\n")
        .unwrap();
    fs::create_dir_all(to.join("clusters")).unwrap();
    let cluster = fs::read_to_string(root.join("clusters/prod-acme.k8s.foo.bar.yaml")).unwrap();
    let vars = fs::read_to_string(root.join("vars/prod-acme.k8s.foo.bar.yaml")).unwrap();
    for n in 0..size {
        let name = format!("prod-{n:04}.k8s.foo.bar");
        fs::write(
            to.join("clusters").join(format!("{name}.yaml")),
            cluster.replace("prod-acme", &format!("prod-{n:04}")),
        )
        .unwrap();
        fs::write(to.join("vars").join(format!("{name}.yaml")), &vars).unwrap();
    }
}
