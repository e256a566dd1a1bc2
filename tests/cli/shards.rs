//! One release in many shards: processes of the binary on one store and one simulated account, some of which are killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bed::{Bed, NEW_IMAGE, OLD_IMAGE};

pub(crate) const SHARDS: usize = 8;

/// Cluster, stage, account.
const CLUSTERS: [(&str, &str, &str); 13] = [
    ("staging-a", "staging", "222233334444"),
    ("staging-b", "staging", "222233334444"),
    ("staging-c", "staging", "222233334444"),
    ("staging-d", "staging", "222233334444"),
    ("prod-first", "prod", "111122223333"),
    ("prod-second", "prod", "111122223333"),
    ("prod-a", "prod", "111122223333"),
    ("prod-b", "prod", "111122223333"),
    ("prod-c", "prod", "111122223333"),
    ("prod-d", "prod", "555566667777"),
    ("prod-e", "prod", "555566667777"),
    ("prod-f", "prod", "555566667777"),
    ("prod-g", "prod", "888899990000"),
];

/// How many clusters of each wave may be rolled at the same time.
const PARALLEL: [(&str, u64, usize); 3] = [("staging", 0, 3), ("prod", 0, 2), ("prod", 1, 3)];

const VARS: &str = "\
network: {cidr: 10.22.0.0/16, private: [10.22.32.0/19, 10.22.64.0/19, 10.22.96.0/19], utility: [10.22.0.0/22, 10.22.4.0/22, 10.22.8.0/22]}
control_plane: {machine_type: m6i.large}
admin_nodes: {machine_type: m6i.large, min: 2, max: 4}
spot_nodes: {}
dedicated_nodes: {}
";

fn fleet() -> Bed {
    let bed = Bed::new();
    for entry in fs::read_dir(bed.path("clusters")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for (name, environment, account) in CLUSTERS {
        let text = format!(
            "environment: {environment}\nregion: eu-west-3\naccount: \"{account}\"\nvars: [\"customers/acme.yaml\"]\n\
             kubernetes: {{context: {name}}}\ntemplates: [\"1_cluster.yaml.j2\", \"2_control-plane.yaml.j2\", \"3_admin-nodes.yaml.j2\"]\n"
        );
        bed.write(&format!("clusters/{name}.k8s.foo.bar.yaml"), &text);
        bed.write(&format!("vars/{name}.k8s.foo.bar.yaml"), VARS);
    }
    bed.write(
        "fleet.yaml",
        "version: 1\nstages:\n  - {name: staging, clusters: {environment: staging}, waves: [{parallel: 3}], soak: 10m}\n  - name: prod\n    after: staging\n    clusters: {environment: prod}\n    approval: required\n    soak: 10m\n    waves:\n      - {clusters: [prod-first.k8s.foo.bar, prod-second.k8s.foo.bar], parallel: 2, soak: 5m}\n      - {parallel: 3}\n",
    );
    bed
}

fn built() -> Bed {
    let bed = fleet();
    bed.run("rollout start --auto-approve --quiet").ends(0);
    bed
}

/// A git that wants other nodes in one group of each cluster.
pub(crate) fn with_other_nodes() -> Bed {
    let bed = built();
    for (name, ..) in CLUSTERS {
        let vars = format!("vars/{name}.k8s.foo.bar.yaml");
        bed.change(
            &vars,
            "admin_nodes: {machine_type: m6i.large",
            "admin_nodes: {machine_type: m6a.large",
        );
    }
    bed
}

/// Begins a shard; what it says is kept in a file.
fn begin(bed: &Bed, shard: usize, more: &str) -> Child {
    let words = format!("rollout start --shard {shard}/{SHARDS} --auto-approve {more}");
    let said = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(bed.path(&format!("said-{shard}")))
        .unwrap();
    let mut command = bed.command(&words.split_whitespace().collect::<Vec<_>>());
    command
        .env("KFLEET_POLL", "20s")
        .stdout(Stdio::null())
        .stderr(said)
        .spawn()
        .unwrap()
}

/// The records of each shard of the newest release.
fn records(bed: &Bed) -> BTreeMap<usize, Vec<Value>> {
    let mut found = BTreeMap::new();
    for path in bed.journals() {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let Some((_, shard)) = name.rsplit_once("-s") else {
            continue;
        };
        let shard = shard.split("of").next().unwrap().parse().unwrap();
        // The last line may be half written.
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().map_while(|l| serde_json::from_str(l).ok());
        found.insert(shard, lines.collect());
    }
    found
}

fn has(records: &[Value], kind: &str, of: &str) -> bool {
    let is = |r: &Value| {
        let what = &r["event"][kind];
        what["cluster"].as_str().is_some_and(|c| c.starts_with(of))
    };
    records.iter().any(is)
}

/// Waits until a shard, one of `among`, is where it should be.
fn wait_for(bed: &Bed, among: &[usize], is_there: impl Fn(&[Value]) -> bool) -> usize {
    let began = Instant::now();
    loop {
        let all = records(bed);
        let found = all.iter().find(|(n, r)| among.contains(n) && is_there(r));
        if let Some((shard, _)) = found {
            return *shard;
        }
        assert!(began.elapsed() < Duration::from_secs(240), "nothing comes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[track_caller]
fn ends(bed: &Bed, shard: usize, mut child: Child, code: i32) {
    let status = child.wait().unwrap();
    let said = fs::read_to_string(bed.path(&format!("said-{shard}"))).unwrap();
    let last: Vec<&str> = said.lines().rev().take(12).collect();
    assert_eq!(status.code(), Some(code), "shard {shard}: {last:#?}");
}

fn time(record: &Value) -> String {
    record["at"].to_string()
}

/// Nothing of a later stage or wave happens before all of an earlier one is verified, in whatever shard; and no more clusters of a wave are
/// at work at the same time than may be.
fn assert_in_order(all: &BTreeMap<usize, Vec<Value>>) {
    let place = |cluster: &str| match cluster {
        c if c.starts_with("staging") => 0,
        "prod-first.k8s.foo.bar" | "prod-second.k8s.foo.bar" => 1,
        _ => 2,
    };
    let (mut last_verified, mut first_touched) = (BTreeMap::new(), BTreeMap::new());
    let mut moments: Vec<(String, i32, usize)> = Vec::new();
    for record in all.values().flatten() {
        let event = &record["event"];
        let (at, of) = (time(record), |kind: &str| event[kind]["cluster"].as_str());
        if let Some(cluster) = of("cluster-verified") {
            let last = last_verified
                .entry(place(cluster))
                .or_insert_with(|| at.clone());
            *last = at.clone().max(last.clone());
            moments.push((at.clone(), -1, place(cluster)));
        }
        if let Some(cluster) = of("cluster-started") {
            moments.push((at.clone(), 1, place(cluster)));
        }
        if let Some(cluster) = of("intent") {
            let first = first_touched
                .entry(place(cluster))
                .or_insert_with(|| at.clone());
            *first = at.clone().min(first.clone());
        }
    }
    for wave in [1, 2] {
        let (before, after) = (&last_verified[&(wave - 1)], &first_touched[&wave]);
        assert!(
            before < after,
            "wave {wave} begins at {after}, before {before}"
        );
    }
    // At the same moment ends come first.
    moments.sort();
    let mut active = [0_i64; 3];
    for (at, change, wave) in moments {
        active[wave] += i64::from(change);
        let (stage, n, most) = PARALLEL[wave];
        let most = i64::try_from(most).unwrap();
        assert!(
            active[wave] <= most,
            "{} clusters of {stage} {n} at {at}",
            active[wave]
        );
    }
}

#[test]
fn eight_processes_roll_one_release_and_two_are_killed() {
    let bed = with_other_nodes();
    let mut running: BTreeMap<usize, Child> = BTreeMap::new();
    for shard in 1..=SHARDS {
        running.insert(shard, begin(&bed, shard, ""));
    }
    // One dies in the middle of staging.
    let all: Vec<usize> = (1..=SHARDS).collect();
    let first = wait_for(&bed, &all, |r| has(r, "drain-started", "staging"));
    let mut child = running.remove(&first).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // Nothing of prod begins while it is away, however long that is.
    std::thread::sleep(Duration::from_secs(3));
    for (shard, records) in records(&bed) {
        assert!(!has(&records, "intent", "prod"), "shard {shard}");
    }
    let status = bed.run("rollout status").ends(3);
    assert!(
        status.out.contains("no process drives it"),
        "{}",
        status.out
    );
    // The same words carry it on.
    running.insert(first, begin(&bed, first, ""));
    // Another one dies in prod, and is resumed by its id.
    let others: Vec<usize> = all.iter().copied().filter(|n| *n != first).collect();
    let second = wait_for(&bed, &others, |r| has(r, "drain-started", "prod"));
    let mut child = running.remove(&second).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let journals = bed.journals().into_iter();
    let mut ids = journals.map(|p| p.file_stem().unwrap().to_str().unwrap().to_owned());
    let id = ids
        .find(|id| id.ends_with(&format!("-s{second}of{SHARDS}")))
        .unwrap();
    bed.run(&format!("rollout resume {id} --auto-approve --quiet"))
        .ends(0);
    for (shard, child) in running {
        ends(&bed, shard, child, 0);
    }
    let records = records(&bed);
    assert_eq!(records.len(), SHARDS);
    assert_in_order(&records);
    for (shard, records) in &records {
        let passed: Vec<&Value> = records
            .iter()
            .map(|r| &r["event"]["passed-everywhere"])
            .filter(|e| e["stage"] == "staging")
            .collect();
        assert_eq!(passed.len(), 1, "shard {shard}");
        assert_eq!(passed[0]["rollouts"].as_object().unwrap().len(), SHARDS);
    }
    for killed in [first, second] {
        assert!(
            records[&killed]
                .iter()
                .any(|r| !r["event"]["resumed"].is_null())
        );
    }
    bed.assert_at_rest();
    bed.run("plan --quiet").ends(0);
    let status = bed.run("rollout status").ends(0);
    assert_eq!(
        status.out.matches("  finished").count(),
        SHARDS,
        "{}",
        status.out
    );
    // Who comes late finds nothing to do.
    bed.run("rollout start --shard 3/8 --auto-approve --quiet")
        .ends(0);
    assert_eq!(bed.journals().len(), SHARDS + 1);
}

#[test]
fn what_fails_in_one_shard_is_rolled_back_in_all() {
    let bed = built();
    bed.change("vars/defaults.yaml", OLD_IMAGE, NEW_IMAGE);
    let mut running = BTreeMap::new();
    let sick = format!("--fault sick-image:099720109477/ubuntu/images/hvm-ssd-gp3/{NEW_IMAGE}");
    for shard in 1..=SHARDS {
        running.insert(shard, begin(&bed, shard, &sick));
    }
    for (shard, child) in running {
        ends(&bed, shard, child, 4);
    }
    let all = records(&bed);
    assert!(all.values().all(|r| !has(r, "intent", "prod")));
    let told = all.values().filter(|r| {
        let mut events = r.iter().map(|r| &r["event"]["shard-failed"]);
        events.any(|e| !e.is_null())
    });
    assert!(told.count() > 0);
    bed.assert_at_rest();
    bed.change("vars/defaults.yaml", NEW_IMAGE, OLD_IMAGE);
    bed.run("plan --quiet").ends(0);
    bed.change("vars/defaults.yaml", OLD_IMAGE, NEW_IMAGE);
    // A pipeline that comes along does not begin it again.
    let said = bed.run("rollout start --shard 1/8 --auto-approve").ends(1);
    assert!(said.err.contains("rolled back"), "{}", said.err);
    let status = bed.run("rollout status").ends(4);
    assert!(status.out.contains("rolled back"), "{}", status.out);
}

#[test]
fn a_shard_that_has_not_begun_is_waited_for() {
    let bed = with_other_nodes();
    // Its part of staging is rolled, and nothing of prod. No more than that is waited for on the clock on the wall, so that the soak is cut off.
    bed.change(
        "fleet.yaml",
        "waves: [{parallel: 3}], soak: 10m",
        "waves: [{parallel: 3}], soak: 0s",
    );
    let said = bed.run("rollout start --shard 1/2 --max-wait 1s").ends(3);
    assert!(said.err.contains("shard 2/2 has not begun"), "{}", said.err);
    let records = records(&bed);
    assert!(has(&records[&1], "cluster-verified", "staging"));
    assert!(!has(&records[&1], "cluster-started", "prod"));
    let status = bed.run("rollout status").ends(3);
    assert!(status.out.contains("not begun"), "{}", status.out);
    // Neither the whole nor another way to split it begins meanwhile.
    for other in [
        "rollout start --auto-approve",
        "rollout start --shard 1/3 --auto-approve",
    ] {
        let said = bed.run(other).ends(1);
        assert!(
            said.err.contains("not finished") || said.err.contains("not all of them have ended"),
            "{}",
            said.err
        );
    }
    bed.run("rollout abort --reason test").ends(0);
    bed.assert_at_rest();
    let said = bed.run("rollout start --shard 2/2 --auto-approve").ends(1);
    assert!(said.err.contains("--again"), "{}", said.err);
}

#[test]
fn selections_that_do_not_meet_run_side_by_side() {
    let bed = with_other_nodes();
    // Staging first, cluster by cluster.
    let begin = |cluster: &str| {
        let words = format!("rollout start --cluster {cluster} --auto-approve --quiet");
        bed.command(&words.split_whitespace().collect::<Vec<_>>())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let said = bed
        .run("rollout start --cluster prod-first --auto-approve")
        .ends(1);
    assert!(said.err.contains("stage prod has to wait"), "{}", said.err);
    let said = bed
        .run("rollout start --wave prod/2 --stage staging")
        .ends(1);
    assert!(
        said.err.contains("nothing of the fleet is selected"),
        "{}",
        said.err
    );
    bed.run("rollout start --stage staging --auto-approve --quiet")
        .ends(0);
    let said = bed
        .run("rollout start --cluster prod-d --auto-approve")
        .ends(1);
    assert!(
        said.err.contains("wave 1 of stage prod comes first"),
        "{}",
        said.err
    );
    bed.run("rollout start --wave prod/1 --auto-approve --quiet")
        .ends(0);
    // Both wait for their approval; a plan that neither carries out is no question which one is meant.
    for cluster in ["prod-d", "prod-a"] {
        bed.run(&format!("rollout start --cluster {cluster} --quiet"))
            .ends(3);
    }
    bed.refuses(
        "rollout approve prod --plan 00000000",
        &[
            "no rollout under way carries out plan 00000000",
            "they carry out",
        ],
    );
    for journal in bed.journals().iter().rev().take(2) {
        let id = journal.file_stem().unwrap().to_str().unwrap();
        bed.run(&format!("rollout abort {id}")).ends(0);
    }
    let mut both = [begin("prod-d"), begin("prod-a")];
    for child in &mut both {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    let names: BTreeSet<String> = bed.digests().into_keys().collect();
    assert_eq!(names.len(), CLUSTERS.len());
    bed.assert_at_rest();
}
