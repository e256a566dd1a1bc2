//! A store of which something is damaged: what the error says to do about it can be done, and the fleet goes on.

use std::fs;

use crate::bed::{Bed, NEW_IMAGE, OLD_IMAGE};

const CLUSTER: &str = "staging-acme.k8s.foo.bar";

#[track_caller]
fn damage(bed: &Bed, path: &str) {
    let path = bed.path(&format!(".kfleet/{path}"));
    assert!(path.exists(), "{}", path.display());
    fs::write(path, "{").unwrap();
}

/// Its rollout of staging was killed half-way.
fn killed() -> Bed {
    let bed = Bed::with_new_image();
    bed.write(
        "kill.yaml",
        "version: 1\nscenario:\n  - {act: kill, when: terminate, nth: 4}\n",
    );
    let file = bed.path("kill.yaml");
    let words = format!(
        "rollout start --stage staging --auto-approve --scenario {}",
        file.display()
    );
    let said = bed.run(&words);
    assert!(said.code != Some(0), "{}", said.err);
    bed
}

#[test]
fn a_damaged_journal_is_put_back_or_moved_away() {
    let bed = killed();
    let journal = bed.journals().pop().unwrap();
    let id = journal.file_stem().unwrap().to_str().unwrap().to_owned();
    let kept = bed.read(&format!(".kfleet/journals/{id}.jsonl"));
    damage(&bed, &format!("journals/{id}.jsonl"));
    for command in ["plan", "status", "rollout status", "rollout resume"] {
        bed.run(command).refuses(&[
            &format!("{id}.jsonl is damaged"),
            "hint: put it back from a backup of the store",
            &format!("without one, move all that begins with `journals/{id}` out of the store while no process drives it, and keep it"),
        ]);
    }
    // With a backup it goes on.
    fs::write(&journal, kept).unwrap();
    bed.run("rollout status").ends(3);
    // Without one the rollout is forgotten, and the next does not wait for it.
    for ending in ["jsonl", "head"] {
        fs::remove_file(journal.with_extension(ending)).unwrap();
    }
    bed.run("rollout start --stage staging --auto-approve --quiet")
        .ends(0);
    bed.run("plan --stage staging").ends(0);
}

#[test]
fn what_else_is_damaged_can_be_done_without_as_the_hint_says() {
    let cases = [
        (
            format!("baselines/{CLUSTER}.json"),
            "plan",
            "the next rollout of the cluster writes it anew",
        ),
        (
            format!("hooks/room@{CLUSTER}.json"),
            "plan",
            "counts as one that has not run there",
        ),
        (
            "board.json".to_owned(),
            "rollout status",
            "those that are resumed write it anew",
        ),
    ];
    let killed = killed();
    for (path, command, expected) in cases {
        let bed = killed.copy();
        damage(&bed, &path);
        bed.run(command)
            .refuses(&["is damaged", "put it back from a backup", expected]);
        fs::remove_file(bed.path(&format!(".kfleet/{path}"))).unwrap();
        bed.run("rollout resume --auto-approve --quiet").ends(0);
        // A hook that was forgotten runs again.
        bed.run("rollout start --stage staging --auto-approve --quiet")
            .ends(0);
        bed.run("plan --stage staging").ends(0);
    }
}

#[test]
fn a_damaged_store_of_one_file_is_written_anew() {
    let bed = Bed::built();
    damage(&bed, "store.json");
    bed.run("plan").refuses(&[
        "store.json is damaged",
        "write it anew: {\"version\": 1, \"cloud\": \"aws\"}, or \"local\"",
    ]);
    bed.write(
        ".kfleet/store.json",
        "{\"version\": 1, \"cloud\": \"local\"}",
    );
    bed.run("plan").ends(0);
}

#[test]
fn shards_that_are_not_finished_are_named_with_their_processes() {
    let bed = Bed::built();
    bed.change("vars/defaults.yaml", OLD_IMAGE, NEW_IMAGE);
    // Each waits for the other at the end of staging, and then for no longer.
    for shard in 1..=2 {
        let words = format!("rollout start --shard {shard}/2 --auto-approve --max-wait 1s --quiet");
        bed.run(&words).ends(3);
    }
    let said = bed
        .run("rollout resume")
        .refuses(&["2 rollouts are not finished", "name one"]);
    let (first, second) = (
        said.err.find("-s1of2 (shard 1/2, no process drives it)"),
        said.err.find("-s2of2 (shard 2/2, "),
    );
    assert!(first.is_some() && first < second, "{}", said.err);
}

#[test]
fn what_a_rollback_asks_to_be_typed_can_be_typed() {
    let bed = Bed::with_new_image();
    bed.run("rollout start --stage staging --auto-approve --quiet")
        .ends(0);
    let words = [
        "rollout",
        "rollback",
        "--reason",
        "it's slow; customers wait",
    ];
    let said = bed.run_words(&words).ends(3);
    let (_, line) = said.err.split_once("then `kfleet ").unwrap();
    let (line, _) = line.split_once('`').unwrap();
    bed.shell(&format!("kfleet --cloud local {line} --quiet"));
    assert!(
        bed.run("rollout show")
            .ends(0)
            .out
            .contains("it's slow; customers wait")
    );
}

/// What the system refuses is no reason to throw the simulated account away.
#[test]
fn an_account_out_of_reach_is_not_told_to_be_removed() {
    let bed = Bed::built();
    let clock = bed.path(".kfleet/local/clock.json");
    let whole = fs::read(&clock).unwrap();
    fs::write(&clock, &whole[..whole.len() / 2]).unwrap();
    let said = bed.run("plan").refuses(&[
        "clock.json is unusable",
        "remove the store's `local` folder",
    ]);
    assert!(!said.err.contains("is sound"), "{}", said.err);
    fs::remove_file(&clock).unwrap();
    fs::create_dir(&clock).unwrap();
    let said = bed.run("plan").refuses(&[
        "clock.json is unusable",
        "what the simulated account holds is sound",
    ]);
    assert!(!said.err.contains("remove"), "{}", said.err);
    fs::remove_dir(&clock).unwrap();
    fs::write(&clock, whole).unwrap();
    bed.run("plan").ends(0);
}

/// A journal names user data by its digest: what is missing is that, and not the journal.
#[test]
fn user_data_that_is_gone_is_named_as_what_to_put_back() {
    let bed = Bed::new();
    bed.run("rollout start --stage staging --auto-approve --quiet")
        .ends(0);
    let contents = bed.path(".kfleet/contents");
    let aside = bed.path("aside");
    fs::rename(&contents, &aside).unwrap();
    let _checkpoints = fs::remove_dir_all(bed.path(".kfleet/checkpoints"));
    bed.run("rollout status").refuses(&[
        "`contents/",
        "of the store, is missing or changed: that is what to put back",
    ]);
    fs::rename(&aside, &contents).unwrap();
    bed.run("rollout status").ends(0);
}
