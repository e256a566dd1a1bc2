//! The embedded simulated account: groups, templates, instances that take virtual time to boot, nodes with pods. Announces nothing, prints nothing.
//!
//! Every group lives by itself: what happens to it follows from its own saved state, its own salt and the time, so
//! that a group that is added changes no other, and a state that is replayed from its file meets the same future.
//! That is why moving time costs one small write: a cluster's file may lag behind the clock and is caught up when opened.

mod act;
mod acts;
mod answers;
mod api;
mod autoscaler;
mod balancers;
mod capacity;
mod chance;
mod cluster;
mod cluster_files;
mod denial;
mod faults;
mod files;
mod groups;
mod images;
mod index;
mod kept;
mod kops;
mod kubernetes;
mod lack;
mod launch;
mod logged;
mod named;
mod node;
mod options;
mod pages;
mod playing;
mod pod_moves;
mod pool;
mod refresh;
mod room;
mod scenario;
mod sharing;
mod simulate;
mod snapshot;
mod state;
mod state_store;
mod templates;
mod views;
mod world;
mod zones;

pub use act::{Act, Field};
pub use acts::repinned;
pub use denial::Denial;
pub use faults::{Aim, Fault, FaultError};
pub use images::images;
pub use lack::{Lack, Pool};
pub use logged::LoggedCall;
pub use named::{Named, NamedGroup};
pub use options::Options;
pub use scenario::{Item, Scenario, ScenarioError, Trigger, What};
pub use world::World;
