//! kill -9 at random moments, with real processes: whatever moment it was, `resume` ends where an undisturbed rollout ends.

#![cfg(test)]

#[path = "cli/bed.rs"]
mod bed;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::OnceLock;
use std::time::Duration;

use bed::{Bed, NEW_IMAGE, OLD_IMAGE, assert_same, desired_moved, event};

/// Milliseconds before the kill of the first rounds: they hit the planning and the first record. The others are drawn.
const EARLY: [u64; 3] = [5, 120, 220];
/// Rollouts that are killed at least once each, unless they are quicker. KFLEET_KILL_ROUNDS in the environment asks for more.
const ROUNDS: usize = 12;
/// How often a rollout is killed again while it heals or goes on.
const AGAIN: usize = 6;
/// At least so many kills there are in all; there are more rounds where these did not bring them.
const KILLS: usize = 50;
/// What the moments are drawn from.
const SEED: u64 = 20_260_105;

#[test]
fn killed_at_any_moment_it_ends_as_if_nothing_had_been() {
    let quiet = copy_of_built();
    quiet.run("rollout start --auto-approve --quiet").ends(0);
    quiet.assert_at_rest();

    let mut chance = Chance(SEED);
    let rounds = std::env::var("KFLEET_KILL_ROUNDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(ROUNDS);
    let wanted = if rounds < ROUNDS { rounds } else { KILLS };
    let (mut kills, mut round) = (0, 0);
    // On a quick machine a rollout ends before it is killed so often: then there are more of them.
    while round < rounds || (kills < wanted && round < 4 * rounds) {
        round += 1;
        kills += one_life(&mut chance, round, &quiet);
    }
    assert!(kills >= wanted, "{kills} kills in {round} rounds");
}

/// A rollout that is killed once or more and then carried to its end. How often it was killed.
fn one_life(chance: &mut Chance, round: usize, quiet: &Bed) -> usize {
    let bed = copy_of_built();
    let mut kills = 0;
    let first = EARLY
        .get(round - 1)
        .copied()
        .unwrap_or_else(|| chance.up_to(1_500).max(5));
    let mut done = killed_after(
        &bed,
        "rollout start --auto-approve --quiet",
        first,
        &mut kills,
    );
    for _ in 0..AGAIN {
        if !done && bed.journals().len() == 2 {
            done = killed_after(
                &bed,
                "rollout resume --auto-approve --quiet",
                chance.up_to(600).max(5),
                &mut kills,
            );
        }
    }
    if bed.journals().len() < 2 && !done {
        // It died before its first record: there is nothing to resume, and starting again is not refused.
        bed.run("rollout start --auto-approve --quiet").ends(0);
    } else if !done {
        bed.run("rollout resume --auto-approve --quiet").ends(0);
    }
    assert_whole(&bed, quiet, round);
    kills
}

/// Whether it ended well by itself before it could be killed.
fn killed_after(bed: &Bed, words: &str, milliseconds: u64, kills: &mut usize) -> bool {
    let mut child = bed
        .command(&words.split(' ').collect::<Vec<_>>())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(milliseconds));
    // SIGKILL: nothing in the process gets to say goodbye.
    child.kill().unwrap();
    let status = child.wait().unwrap();
    if status.signal() == Some(9) {
        *kills += 1;
        return false;
    }
    assert_eq!(
        status.code(),
        Some(0),
        "{words} ended by itself, and not well"
    );
    true
}

/// What an undisturbed rollout leaves, as far as chance and time allow to compare.
#[track_caller]
fn assert_whole(bed: &Bed, quiet: &Bed, round: usize) {
    let plan = bed.run("plan").ends(0);
    assert!(
        plan.out.starts_with("[local] no changes\n"),
        "round {round}: {}",
        plan.out
    );
    bed.assert_at_rest();
    assert_eq!(
        desired_moved(&bed.records()),
        BTreeMap::new(),
        "round {round}: surge is left"
    );
    assert_eq!(bed.digests(), quiet.digests(), "round {round}");
    assert!(
        bed.run("rollout resume")
            .ends(0)
            .err
            .contains("nothing to resume")
    );
    // No lock is left that anybody would have to break.
    assert!(
        bed.run("rollout start --auto-approve")
            .ends(0)
            .out
            .starts_with("[local] no changes\n")
    );
    assert_steps_done_once(bed);
}

/// Every step has one intent and at most one `done`: no effect was had twice.
#[track_caller]
fn assert_steps_done_once(bed: &Bed) {
    let mut done: BTreeMap<u64, u32> = BTreeMap::new();
    let mut meant: BTreeMap<u64, u32> = BTreeMap::new();
    let mut last = 0;
    for record in bed.records() {
        let seq = record["seq"].as_u64().unwrap();
        assert_eq!(seq, last + 1, "a hole in the journal");
        last = seq;
        let (kind, held) = event(&record);
        let eviction = held["effect"]["node"].get("evict").is_some();
        match kind {
            "intent" if !eviction => *meant.entry(held["step"].as_u64().unwrap()).or_default() += 1,
            "outcome"
                if held["result"]["applied"] == "done"
                    || held["result"]["applied"].get("version").is_some() =>
            {
                *done.entry(held["step"].as_u64().unwrap()).or_default() += 1;
            }
            _ => {}
        }
    }
    assert!(!meant.is_empty());
    for (step, times) in meant {
        assert_eq!(times, 1, "step {step} was meant more than once");
        assert!(
            done.get(&step).copied().unwrap_or(0) <= 1,
            "step {step} was done more than once"
        );
    }
}

#[test]
fn a_torn_last_line_is_cut_off_and_any_other_damage_is_refused() {
    let bed = copy_of_built();
    bed.run("rollout start --quiet").ends(3);
    let journal = bed.journals().pop().unwrap();
    let whole = fs::read(&journal).unwrap();
    let last_line = whole[..whole.len() - 1]
        .iter()
        .rposition(|b| *b == b'\n')
        .unwrap()
        + 1;

    // In the middle: refused, whatever is asked, and nothing is touched.
    let mut cut = whole.clone();
    let middle = cut
        .iter()
        .enumerate()
        .filter(|(_, b)| **b == b'\n')
        .map(|(i, _)| i)
        .nth(40)
        .unwrap();
    cut.drain(middle - 30..middle);
    fs::write(&journal, &cut).unwrap();
    let before = bed.tree();
    for words in [
        "rollout resume --auto-approve",
        "rollout start --auto-approve",
        "rollout status",
        "rollout abort",
        "plan",
    ] {
        bed.run(words)
            .refuses(&[".jsonl is damaged", "line 41", "put it back from a backup"]);
    }
    assert_same(&before, &bed.tree());

    // A line that is gone altogether.
    let mut cut = whole.clone();
    let next = middle + 1 + cut[middle + 1..].iter().position(|b| *b == b'\n').unwrap();
    cut.drain(middle..next);
    fs::write(&journal, &cut).unwrap();
    bed.run("rollout resume --auto-approve")
        .refuses(&[".jsonl is damaged", "put it back from a backup"]);

    // Whole lines that are gone from the end: what was written is noted beside the journal.
    fs::write(&journal, &whole[..last_line]).unwrap();
    for words in ["rollout resume --auto-approve", "rollout status", "plan"] {
        bed.run(words).refuses(&[
            ".jsonl is damaged",
            "its end is missing",
            "put it back from a backup",
        ]);
    }

    // At the end, wherever in the line: it was being written when the process died, and that is noted only afterwards.
    // As after a loss of power: the note was never written.
    fs::write(journal.with_extension("head"), "").unwrap();
    for keep in [
        whole.len() - 1,
        last_line + 1,
        (last_line + whole.len()) / 2,
    ] {
        fs::write(&journal, &whole[..keep]).unwrap();
        bed.run("rollout status").ends(3);
    }
    bed.run("rollout resume --auto-approve --quiet").ends(0);
    assert_steps_done_once(&bed);
    assert!(
        bed.run("plan")
            .ends(0)
            .out
            .starts_with("[local] no changes\n")
    );
    bed.assert_at_rest();
}

/// A built fleet of three clusters, and a git that wants another image. It takes its time; it is built once and copied.
fn copy_of_built() -> Bed {
    static BUILT: OnceLock<Bed> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let bed = Bed::new();
        for cluster in ["staging-globex", "prod-acme"] {
            fs::remove_file(bed.path(&format!("clusters/{cluster}.k8s.foo.bar.yaml"))).unwrap();
        }
        bed.run("rollout start --auto-approve --quiet").ends(0);
        bed.change("vars/defaults.yaml", OLD_IMAGE, NEW_IMAGE);
        bed
    });
    built.copy()
}

/// splitmix64: the same moments in every run.
struct Chance(u64);

impl Chance {
    fn up_to(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}
