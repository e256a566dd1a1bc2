//! Rollouts in worlds that nobody thought of: whatever the sizes, settings, faults, the autoscaler and other people do, and whichever way it
//! goes, no rule of a rollout is broken on the way (`support/spy.rs` looks on), it comes to an end, and nothing is left behind.
//!
//! A world is drawn from its number. `KFLEET_WORLDS=5000` looks at as many, from `KFLEET_WORLDS_FROM` on; `KFLEET_WORLD=4711` at that one, and
//! tells its story. `KFLEET_WORLDS_REPORT` names a file that gets a line for each.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    reason = "tests"
)]

mod found;
mod made;
mod people;
mod play;
#[path = "../support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use kfleet::fleet::{
    Amount, Capacity, CapacityPolicy, DrainPolicy, GroupRolling, OnTimeout, Rate, Rolling,
    Strategy as Way,
};
use kfleet::model::Span;
use support::spy::Death;
use support::{Scene, Spy, facts, folder, name};

/// Worlds that are looked at where nobody asks for more.
const FEW: u64 = 32;

/// So many tests share the worlds, to be run side by side.
const PARTS: u64 = 4;

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|n| n.parse().ok())
}

/// Every `PARTS`th world; those that went wrong are named with what went wrong.
fn look_at(part: u64) {
    let from = asked("KFLEET_WORLDS_FROM").unwrap_or(0);
    let until = from + asked("KFLEET_WORLDS").unwrap_or(FEW);
    let numbers: Vec<u64> = match asked("KFLEET_WORLD") {
        Some(one) if part == 0 => vec![one],
        Some(_) => Vec::new(),
        None => (from..until).filter(|n| n % PARTS == part).collect(),
    };
    let mut wrong = Vec::new();
    for number in numbers {
        let said = one(number);
        if let Err(why) = said {
            wrong.push(format!("world {number}: {why}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} worlds went wrong\n{}",
        wrong.len(),
        wrong.join("\n=====\n")
    );
}

fn one(number: u64) -> Result<(), String> {
    let made = made::world(number);
    let begun = std::time::Instant::now();
    let ran = catch_unwind(AssertUnwindSafe(|| play::check(&made)));
    let (line, result) = match ran {
        Ok(played) => (played.to_string(), Ok(())),
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("panic");
            let first = text.lines().take(3).collect::<Vec<_>>().join(" | ");
            (format!("WRONG {first}"), Err(format!("{text}\n{made:#?}")))
        }
    };
    let mut text = String::new();
    let _ = writeln!(text, "{number} {line} ({}ms)", begun.elapsed().as_millis());
    if let Ok(path) = std::env::var("KFLEET_WORLDS_REPORT") {
        use std::io::Write as _;
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
    if asked("KFLEET_WORLD").is_some() {
        eprint!("{text}");
    }
    result
}

#[test]
fn no_world_breaks_a_rule_or_has_no_end() {
    look_at(0);
}

#[test]
fn no_world_of_the_second_part_does() {
    look_at(1);
}

#[test]
fn no_world_of_the_third_part_does() {
    look_at(2);
}

#[test]
fn no_world_of_the_fourth_part_does() {
    look_at(3);
}
