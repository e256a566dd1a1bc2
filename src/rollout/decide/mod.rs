//! From what a round knows to what comes next: pure functions, one file a concern.

mod again;
mod before;
mod canary;
mod capacity;
mod cluster;
mod conflict;
mod control_plane;
mod create;
mod fallback;
mod gate;
mod group;
mod health;
mod late;
mod look;
mod node_steps;
mod patience;
mod phases;
mod preflight;
mod prune;
mod refresh;
mod replace;
mod retire;
mod soak;
mod stages;
mod undo;
mod update;
mod validate;
mod verify;

pub use stages::decide;
pub use validate::{COMPONENTS, Failure, Limits, failures, of_this_cluster};
