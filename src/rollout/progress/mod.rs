//! Where a rollout stands: the fold of its records. A record that cannot follow the ones before it is refused loudly.

mod canary;
mod fold;
mod illegal;
mod no_way_back;
mod state;
mod steps;

pub use canary::Canary;
pub use illegal::{Illegal, IllegalRecord};
pub(crate) use no_way_back::no_way_back;
pub use state::{
    Answer, Awaited, Before, ClusterProgress, ClusterState, Cordoned, DeadNode, Direction, Drain,
    Ending, GroupProgress, GroupState, Intent, Placement, Progress, RefreshSeen, Spent,
    StepRefusal, Stuck, WayBack, ZoneRefused, deleted_groups,
};
pub(crate) use state::{SETTLED, touched};
