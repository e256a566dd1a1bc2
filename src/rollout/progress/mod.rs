//! Where a rollout stands: the fold of its records. A record that cannot follow the ones before it is refused loudly.

mod canary;
mod fold;
mod hook_state;
mod hooks;
mod illegal;
mod legal;
mod no_way_back;
mod obstacles;
mod outstanding;
mod pairs;
mod state;
mod steps;

pub use canary::Canary;
pub use hook_state::{HookProgress, HookRun, HookState};
pub use illegal::{Illegal, IllegalRecord};
pub(crate) use no_way_back::no_way_back;
pub use obstacles::{CapacityState, Conflicts, ZonePlacement, ZoneRefused};
pub use outstanding::{Awaited, Cordoned, DeadNode, Drain, Outstanding};
pub use state::{
    Answer, Before, ClusterProgress, ClusterState, Direction, Ending, GroupProgress, GroupState,
    Intent, Progress, RefreshSeen, Spent, StepRefusal, Stuck, WayBack, deleted_groups,
};
pub(crate) use state::{SETTLED, touched};
