//! What the binary costs on fleets like the bundled one: 10, 100 and 1,000 clusters made from its templates, snippets and vars. User CPU, wall clock,
//! peak memory and bytes of the commands that a pipeline runs without a cloud, each against the size before and against its goal.
//!
//! `cargo bench --bench binary`; `-- 10 100` measures those sizes only, `-- --instructions` counts those of ten clusters with callgrind.
//! `KFLEET_BENCH_BINARY=/path/to/kfleet` measures another build, `KFLEET_BLESS=1` writes the table into `docs/performance.md`.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement prints, and stops where it cannot measure"
)]

#[path = "../tests/support/generated.rs"]
mod generated;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SIZES: [usize; 3] = [10, 100, 1_000];
/// The clock ticks of `/proc/PID/stat`: `USER_HZ` is 100 on every Linux.
const TICK: f64 = 0.01;
/// Runs of a small size, whose time would otherwise be less than a tick.
const SMALL_RUNS: u32 = 20;
/// What the table stands between.
const MARKS: [&str; 2] = ["<!-- table: binary -->\n", "<!-- end -->\n"];

/// What 1,000 clusters may cost: seconds of user CPU, MiB at the peak.
const GOALS: [(&str, f64, f64); 9] = [
    ("render, first time", 2.5, 80.0),
    ("render, nothing new", 2.5, 80.0),
    ("render --check", 2.5, 80.0),
    ("lint, shared networks", 6.0, 700.0),
    ("lint, own networks", 6.0, 700.0),
    ("plan --cloud local, first time", 4.0, 250.0),
    ("diff, one var of defaults", 5.0, 150.0),
    ("diff, one var of one cluster", 5.0, 150.0),
    ("diff, nothing", 5.0, 150.0),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == "--instructions") {
        return instructions();
    }
    let asked: Vec<usize> = arguments.iter().filter_map(|a| a.parse().ok()).collect();
    let sizes = if asked.is_empty() { &SIZES[..] } else { &asked };
    let mut table = String::from(
        "| clusters | command | user CPU s | a cluster, ms | to the size before | system s | wall s | peak MiB | to the size before | MB on disk | of the goal: CPU, memory |\n|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---|\n",
    );
    let mut before: BTreeMap<&str, (usize, Cost)> = BTreeMap::new();
    for size in sizes {
        for (name, cost) in measured(*size) {
            table.push_str(&row(*size, name, cost, before.get(name)));
            before.insert(name, (*size, cost));
        }
    }
    let one = smallest();
    table.push_str(&format!(
        "| 1 | render --check, the whole process | {:.4} | {:.1} | | {:.4} | {:.4} | {:.1} | | | wall {:.2} of 5 ms |\n",
        one.user,
        one.user * 1e3,
        one.system,
        one.wall,
        one.peak,
        one.wall / 0.005
    ));
    print!("{table}");
    if std::env::var_os("KFLEET_BLESS").is_some() {
        bless(&table);
    }
}

fn row(size: usize, name: &str, cost: Cost, before: Option<&(usize, Cost)>) -> String {
    let ratio = |part: fn(&Cost) -> f64, each: f64| {
        before.map_or(String::new(), |(smaller, b)| {
            let growth = size as f64 / *smaller as f64;
            format!("{:.2}", part(&cost) / part(b).max(1e-9) / growth.powf(each))
        })
    };
    let goal = GOALS
        .iter()
        .find(|(n, ..)| size == 1_000 && *n == name)
        .map(|(_, cpu, peak)| format!("{:.2}, {:.2}", cost.user / cpu, cost.peak / peak))
        .unwrap_or_default();
    format!(
        "| {size} | {name} | {:.3} | {:.2} | {} | {:.3} | {:.2} | {:.1} | {} | {:.1} | {goal} |\n",
        cost.user,
        cost.user * 1e3 / size as f64,
        ratio(|c| c.user, 1.0),
        cost.system,
        cost.wall,
        cost.peak,
        ratio(|c| c.peak, 0.0),
        cost.bytes,
    )
}

/// What one command took.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    user: f64,
    system: f64,
    wall: f64,
    /// MiB.
    peak: f64,
    /// MB that the fleet has on disk in what the command wrote.
    bytes: f64,
}

/// Every command once, in the order in which a repository meets them.
fn measured(size: usize) -> Vec<(&'static str, Cost)> {
    let dir = tempfile::tempdir().unwrap();
    let fleet = dir.path();
    generated::write_fleet(fleet, size);
    generated::commit(fleet, "the fleet");
    let rendered = fleet.join("rendered");
    let mut all = Vec::new();
    let mut take = |name, arguments: &[&str], codes: &[i32], wrote: &Path| {
        let mut cost = run(fleet, arguments, codes);
        cost.bytes = bytes(wrote) as f64 / 1e6;
        all.push((name, cost));
    };
    let none = PathBuf::new();
    take("render, first time", &["render"], &[0], &rendered);
    take("render, nothing new", &["render"], &[0], &none);
    take("render --check", &["render", "--check"], &[0], &none);
    take(
        "lint, shared networks",
        &["lint", "--quiet"],
        &[0, 2],
        &none,
    );
    few_findings(fleet, size);
    let shared = apart(fleet);
    take("lint, own networks", &["lint", "--quiet"], &[0, 2], &none);
    few_findings(fleet, size);
    for (path, text) in shared {
        fs::write(path, text).unwrap();
    }
    let plan = ["--cloud", "local", "plan"];
    let store = fleet.join(".kfleet");
    take("plan --cloud local, first time", &plan, &[0, 2], &store);
    take(
        "diff, nothing",
        &["diff", "--since", "HEAD"],
        &[0, 2],
        &none,
    );
    let replaced = |file: &str, from: &str, to: &str| {
        let path = fleet.join("vars").join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has {from}");
        fs::write(&path, text.replace(from, to)).unwrap();
    };
    let changed = "prod-acme.k8s.foo.bar.yaml";
    replaced(changed, "max: 80", "max: 81");
    let since = ["diff", "--since", "HEAD"];
    take("diff, one var of one cluster", &since, &[2], &none);
    replaced(changed, "max: 81", "max: 80");
    replaced(
        "defaults.yaml",
        "max_requests_inflight: 800",
        "max_requests_inflight: 900",
    );
    take("diff, one var of defaults", &since, &[2], &none);
    all
}

/// What is wrong with many clusters at once is one finding: their number does not grow with the pairs of clusters.
fn few_findings(fleet: &Path, size: usize) {
    let said = Command::new(binary())
        .arg("-C")
        .arg(fleet)
        .args(["lint", "--fail-on", "error"])
        .output()
        .unwrap();
    let text = String::from_utf8(said.stdout).unwrap();
    let shown = text
        .lines()
        .filter(|line| line.contains("[L") || line.contains("[S"));
    let shown = shown.count();
    assert!(
        shown <= 10 + size / 10,
        "{shown} findings of {size} clusters"
    );
}

/// Gives every cluster a network of its own; what the files of vars were before.
fn apart(fleet: &Path) -> Vec<(PathBuf, String)> {
    let mut before = Vec::new();
    for entry in fs::read_dir(fleet.join("vars")).unwrap() {
        let path = entry.unwrap().path();
        let text = if path.is_file() {
            fs::read_to_string(&path).unwrap()
        } else {
            continue;
        };
        let Some(from) = text.split("cidr: ").nth(1).map(|t| t[..6].to_owned()) else {
            continue;
        };
        let n = before.len();
        let own = format!("{}.{}.", 20 + n / 250, n % 250);
        fs::write(&path, text.replace(&from, &own)).unwrap();
        before.push((path, text));
    }
    before
}

/// One cluster, many times.
fn smallest() -> Cost {
    let dir = tempfile::tempdir().unwrap();
    generated::write_fleet(dir.path(), 1);
    // The bundled stages name environments that one cluster has not.
    let settings = "version: 1\nstages:\n  - {name: prod, clusters: {environment: prod}}\n";
    fs::write(dir.path().join("fleet.yaml"), settings).unwrap();
    run(dir.path(), &["render"], &[0]);
    let all: Vec<Cost> = (0..SMALL_RUNS)
        .map(|_| run(dir.path(), &["render", "--check"], &[0]))
        .collect();
    let runs = f64::from(SMALL_RUNS);
    Cost {
        user: all.iter().map(|c| c.user).sum::<f64>() / runs,
        system: all.iter().map(|c| c.system).sum::<f64>() / runs,
        // Others may use the machine: the fastest is what the process itself takes.
        wall: all.iter().map(|c| c.wall).fold(f64::MAX, f64::min),
        peak: all.iter().map(|c| c.peak).fold(0.0, f64::max),
        bytes: 0.0,
    }
}

fn binary() -> PathBuf {
    std::env::var_os("KFLEET_BENCH_BINARY")
        .map_or_else(|| env!("CARGO_BIN_EXE_kfleet").into(), PathBuf::from)
}

/// Runs the binary, and looks at it while it runs.
fn run(fleet: &Path, arguments: &[&str], codes: &[i32]) -> Cost {
    let (user, system) = of_children();
    let start = Instant::now();
    let mut child = Command::new(binary())
        .arg("-C")
        .arg(fleet)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = std::thread::spawn({
        let mut stderr = child.stderr.take().unwrap();
        move || {
            let mut text = String::new();
            std::io::Read::read_to_string(&mut stderr, &mut text).unwrap();
            text
        }
    });
    let mut peak = 0.0_f64;
    let status = loop {
        peak = peak.max(high_water(child.id()));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let wall = start.elapsed().as_secs_f64();
    let said = said.join().unwrap();
    let code = status.code().unwrap_or(-1);
    assert!(
        codes.contains(&code),
        "{arguments:?} ended with {code}:\n{said}"
    );
    let (user_after, system_after) = of_children();
    Cost {
        user: user_after - user,
        system: system_after - system,
        wall,
        peak,
        bytes: 0.0,
    }
}

/// Seconds of user and system time of all children that have ended.
fn of_children() -> (f64, f64) {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    // Behind the name, which may hold blanks, `cutime` and `cstime` are the 14th and 15th field.
    let fields: Vec<&str> = text
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let seconds = |field: usize| fields[field].parse::<f64>().unwrap() * TICK;
    (seconds(13), seconds(14))
}

/// The largest that a process has been so far, in MiB.
fn high_water(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<f64>().ok())
        .unwrap_or(0.0)
        / 1024.0
}

fn bytes(path: &Path) -> u64 {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return 0;
    };
    if !meta.is_dir() {
        return meta.len();
    }
    let entries = fs::read_dir(path).unwrap();
    entries.map(|e| bytes(&e.unwrap().path())).sum()
}

/// Instructions of ten clusters, which other processes do not change. Under valgrind SHA-256 runs in software: its share is not that of a real run.
fn instructions() {
    let dir = tempfile::tempdir().unwrap();
    generated::write_fleet(dir.path(), 10);
    run(dir.path(), &["render"], &[0]);
    for arguments in [&["render", "--check"][..], &["render"]] {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(binary())
            .arg("-C")
            .arg(dir.path())
            .args(arguments)
            .output();
        let Ok(output) = output else {
            return println!("skipped: there is no valgrind");
        };
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let count = text
            .lines()
            .find_map(|l| l.split("Collected :").nth(1))
            .and_then(|n| n.trim().parse::<f64>().ok())
            .unwrap_or_else(|| panic!("callgrind says no number:\n{text}"));
        println!(
            "{}: {:.1} million instructions, {:.1} a cluster",
            arguments.join(" "),
            count / 1e6,
            count / 1e7
        );
    }
}

fn bless(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    let text = fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(MARKS[0]).expect("the table's beginning");
    let (_, tail) = rest.split_once(MARKS[1]).expect("the table's end");
    fs::write(path, format!("{head}{}{table}{}{tail}", MARKS[0], MARKS[1])).unwrap();
}
