//! The embedded simulated account: groups, templates, instances that take virtual time to boot, nodes with pods. Announces nothing, prints nothing.
//!
//! Every group lives by itself: what happens to it follows from its own saved state, its own salt and the time, so
//! that a group that is added changes no other, and a state that is replayed from its file meets the same future.
//! That is why moving time costs one small write: a cluster's file may lag behind the clock and is caught up when opened.

mod acts;
mod api;
mod autoscaler;
mod capacity;
mod chance;
mod cluster;
mod faults;
mod files;
mod groups;
mod index;
mod kept;
mod kubernetes;
mod playing;
mod refresh;
mod scenario;
mod simulate;
mod snapshot;
mod templates;
mod views;
mod world;

pub use faults::{Aim, Fault, FaultError, Pool};
pub use scenario::{Act, Field, Item, Scenario, ScenarioError, Trigger, What};
pub use world::{LoggedCall, Options, World};
