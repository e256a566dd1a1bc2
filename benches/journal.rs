//! What the journal of a rollout costs at 10, 100 and 1,000 clusters of 12 groups: puts and bytes a group in a store of objects, as S3 is one, and what
//! it takes a process that has read nothing yet to say how the rollout stands. Puts are counted by kind: appends of a round, leases that are renewed, everything else.
//! `cargo bench --bench journal`; `-- SIZE` measures one size.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing,
    clippy::print_stdout,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "a bench"
)]

#[path = "../tests/stores/memory.rs"]
mod memory;
#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use kfleet::fleet::Wave;
use kfleet::model::Span;
use kfleet::rollout::Ending;
use kfleet::run::{Outcome, run};
use kfleet::store::{Journal, Objects as _};
use memory::{Fault, Memory, Verb};
use support::{Scene, block, folder, name};

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
/// Clusters side by side.
const WAVE: usize = 10;

type Counts = Arc<Mutex<BTreeMap<(&'static str, String), u64>>>;

fn main() {
    let asked: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|a| a.parse().ok())
        .collect();
    let sizes = if asked.is_empty() {
        vec![10, 100, 1_000]
    } else {
        asked
    };
    println!(
        "clusters\tgroups\trecords\tKiB a group\tappends\tappends a group\tother puts a group\tMiB of the largest append\tcheckpoints\tMiB of the last\tgets of status\tseconds of status"
    );
    for size in sizes {
        println!("{}", one(size));
    }
}

fn one(size: usize) -> String {
    let dir = folder();
    let wire = Arc::new(Memory::default()).wire();
    let counts = Counts::default();
    let counted = Arc::clone(&counts);
    wire.fails(move |verb, key| {
        let verb = match verb {
            Verb::Get => "get",
            Verb::Put => "put",
            Verb::Delete => "delete",
            Verb::List => "list",
        };
        let kind = key.split('/').next().unwrap_or_default().to_owned();
        *counted.lock().unwrap().entry((verb, kind)).or_default() += 1;
        Fault::Fine
    });
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
    scene.kept = Some(wire.store("bench"));
    roll(&scene, "r1");
    scene.image = "image-2".into();
    counts.lock().unwrap().clear();
    roll(&scene, "r2");
    let of = |verb: &str, is: &dyn Fn(&str) -> bool| {
        let counts = counts.lock().unwrap();
        let found = counts
            .iter()
            .filter(|((v, kind), _)| *v == verb && is(kind));
        found.map(|(_, n)| *n).sum::<u64>()
    };
    let of_r2 = |folder: &str| -> Vec<String> {
        let begin = format!("{folder}/r2/");
        let keys = wire.memory.keys().into_iter();
        keys.filter(|k| k.starts_with(&begin)).collect()
    };
    let bytes_of = |key: &String| wire.get(key).unwrap().unwrap().bytes.len();
    let batches: Vec<usize> = of_r2("journals").iter().map(bytes_of).collect();
    let beside: usize = of_r2("checkpoints").iter().map(bytes_of).sum();
    let (appends, checkpoints) = (
        of("put", &|k| k == "journals"),
        of("put", &|k| k == "checkpoints"),
    );
    let puts = of("put", &|_| true);
    counts.lock().unwrap().clear();
    let began = Instant::now();
    let (rollout, progress) = wire.store("another").outline("r2").unwrap();
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!(rollout.id, "r2");
    let each = (size * (GROUPS.len() + 1)) as f64;
    let bytes: usize = batches.iter().sum();
    format!(
        "{size}\t{each}\t{}\t{:.2}\t{appends}\t{:.2}\t{:.2}\t{:.2}\t{checkpoints}\t{:.2}\t{}\t{seconds:.3}",
        progress.seq,
        bytes as f64 / 1024.0 / each,
        appends as f64 / each,
        (puts - appends) as f64 / each,
        *batches.iter().max().unwrap() as f64 / 1_048_576.0,
        beside as f64 / 1_048_576.0,
        of("get", &|_| true),
    )
}

/// Carries a rollout out.
fn roll(scene: &Scene, id: &str) {
    let world = scene.world();
    let rollout = scene.rollout(&world, id, &[]);
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
}
