//! Where a rollout stands: the fold of its records. A record that cannot follow the ones before it is refused loudly.

mod fold;
mod illegal;
mod state;
mod steps;

pub use illegal::{Illegal, IllegalRecord};
pub use state::{
    Answer, Awaited, Before, ClusterProgress, ClusterState, Cordoned, DeadNode, Direction, Drain,
    Ending, GroupProgress, GroupState, Intent, Placement, Progress, RefreshSeen, Spent,
    StepRefusal, Stuck, WayBack, ZoneRefused, deleted_groups,
};
pub(crate) use state::{SETTLED, touched};
