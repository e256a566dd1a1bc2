//! The binary against moto: an account as kops leaves it, planned, rolled out, changed, drifted by hand, healed; what it costs in calls;
//! and what happens when the API misbehaves in the middle.
#![cfg(all(test, feature = "aws"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod bastions;
mod bed;
mod by_kops;
mod calls;
mod doctor;
mod drift;
mod hooks;
mod hostile;
mod images;
mod job;
mod login;
mod reach;
mod real;
mod refresh;
mod shards;
#[path = "../support/stored.rs"]
mod stored;
mod stores;
mod story;
#[path = "../support/moto.rs"]
mod support;
mod user_data;
