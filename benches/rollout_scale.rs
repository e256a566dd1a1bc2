//! What a rollout of 10, 100 and 1,000 clusters of 12 groups costs on the simulated account: seconds of one core, and the
//! largest the process has been. Both have to grow with the clusters and not faster: ten times the clusters, ten times the cost.
//! `cargo bench --bench rollout_scale`; `-- SIZE` runs one size in this process and prints its row.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs;
use std::process::Command;
use std::time::Instant;

use kfleet::fleet::Wave;
use kfleet::model::Span;
use kfleet::rollout::Ending;
use kfleet::run::{Outcome, run};
use kfleet::store::Journal;
use support::{Scene, block, folder, name};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// With the control-plane group, 12.
const GROUPS: [(&str, u32, u32, bool); 11] = [
    ("g01", 1, 4, false),
    ("g02", 1, 4, false),
    ("g03", 1, 4, false),
    ("g04", 1, 4, false),
    ("g05", 1, 4, false),
    ("g06", 1, 4, false),
    ("g07", 1, 4, false),
    ("g08", 1, 4, false),
    ("g09", 1, 4, false),
    ("g10", 1, 4, false),
    ("g11", 1, 4, false),
];

/// Clusters of a wave, all side by side: the number of waves grows with the fleet, as it does in real life.
const WAVE: usize = 10;

fn main() {
    let sizes: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|a| a.parse().ok())
        .collect();
    if let [size] = sizes.as_slice() {
        return println!("{}", one(*size));
    }
    println!("clusters\tgroups\tseconds\tMiB\trounds\tseconds per cluster\tKiB per cluster");
    // Each in a process of its own: the largest that a process has been is never less afterwards.
    let rows: Vec<(usize, f64, f64)> = [10, 100, 1000].into_iter().map(child).collect();
    for pair in rows.windows(2) {
        let [(a, seconds_a, bytes_a), (b, seconds_b, bytes_b)] = pair else {
            continue;
        };
        println!(
            "{a} -> {b} clusters: time x {:.1}, memory x {:.1}",
            seconds_b / seconds_a,
            bytes_b / bytes_a
        );
    }
}

fn child(size: usize) -> (usize, f64, f64) {
    let output = Command::new(std::env::current_exe().unwrap())
        .arg(size.to_string())
        .output()
        .unwrap();
    let row = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{row}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    print!("{row}");
    let numbers: Vec<f64> = row.split_whitespace().map(|n| n.parse().unwrap()).collect();
    (size, numbers[2], numbers[3])
}

/// A first rollout builds the fleet; the second, which is measured, replaces every instance of it.
fn one(size: usize) -> String {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &GROUPS);
    scene.prod = (1..size)
        .map(|n| name(&format!("prod-{n:04}.k8s.test")))
        .collect();
    let wave = |clusters: &[_]| Wave {
        clusters: clusters.to_vec(),
        parallel: WAVE,
        soak: Span::ZERO,
    };
    scene.stage_waves = Some(scene.prod.chunks(WAVE).map(wave).collect());
    scene.soak = Span::ZERO;
    roll(&scene, "r1");
    scene.image = "image-2".into();
    let (before, began) = (on_core(), Instant::now());
    let rounds = roll(&scene, "r2");
    let seconds = match (before, on_core()) {
        (Some(before), Some(after)) => after - before,
        (None | Some(_), None | Some(_)) => began.elapsed().as_secs_f64(),
    };
    let bytes = peak() as f64;
    let each = size as f64;
    format!(
        "{size}\t{}\t{seconds:.2}\t{:.1}\t{rounds}\t{:.4}\t{:.0}",
        size * (GROUPS.len() + 1),
        bytes / 1_048_576.0,
        seconds / each,
        bytes / 1024.0 / each
    )
}

/// Carries a rollout out; how often live state was read.
fn roll(scene: &Scene, id: &str) -> u64 {
    let world = scene.world();
    let rollout = scene.rollout(&world, id, &[]);
    let before = world.reads();
    let (mut journal, _) = Journal::begin(&scene.store(), &rollout).unwrap();
    let outcome = block(run(
        &world,
        &scene.store(),
        &mut journal,
        &scene.drive(),
        || false,
        |_| {},
    ));
    assert_eq!(outcome.unwrap(), Outcome::Ended(Ending::Finished));
    world.reads() - before
}

/// Seconds this thread has run so far, where Linux counts them.
fn on_core() -> Option<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}

/// The largest this process has been, in bytes.
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<usize>().ok())
        .unwrap_or(0)
        * 1024
}
