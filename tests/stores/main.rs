//! Stores: one list of cases for a folder, for objects in memory and for S3 (as moto plays it); races for the same wave; and what goes
//! wrong with a store in the middle of a rollout.
#![cfg(test)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    clippy::type_complexity,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod cases;
mod faults;
mod leases;
mod looks;
mod memory;
mod probe;
mod race;
mod s3;
mod stops;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use memory::Memory;

fn in_memory() -> cases::Place {
    let memory = Arc::new(Memory::default());
    let wire = memory.wire();
    cases::Place {
        objects: Arc::new(wire.clone()),
        open: Box::new(move |token| wire.store(token)),
    }
}

#[test]
fn every_case_holds_in_a_folder() {
    let dir = support::folder();
    cases::all_on(|case| cases::folder(&dir.path().join(case)));
}

#[test]
fn every_case_holds_on_objects() {
    cases::all_on(|_| in_memory());
}
