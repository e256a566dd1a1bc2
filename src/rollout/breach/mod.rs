//! What breaks a rule of a rollout: facts with their data, each with a code. The sentences are in `report`.

mod claim;
mod group;
mod instance;
mod node;
mod order;
mod pod;
mod record;
mod turn;

use serde::Serialize;

pub use claim::{Claim, ClaimBreach};
pub use group::GroupBreach;
pub use instance::{InstanceBreach, PlaneLack};
pub use node::NodeBreach;
pub use order::OrderBreach;
pub use pod::{PodBreach, Removal};
pub use record::RecordBreach;
pub use turn::{Beginning, TurnBreach};

/// A rule that a step would break, or that a record breaks. Its `code` stays the same between versions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum Breach {
    /// A step in a cluster before its turn.
    Order(OrderBreach),
    /// A step on a group.
    Group(GroupBreach),
    /// A step on an instance.
    Instance(InstanceBreach),
    /// A step on a node.
    Node(NodeBreach),
    /// A step on pods.
    Pod(PodBreach),
    /// A record of a stage or a wave.
    Turn(TurnBreach),
    /// A record of a cluster that is verified or restored.
    Claim(ClaimBreach),
    /// Another record.
    Record(RecordBreach),
}

macro_rules! theme {
    ($($of:ident => $theme:ident),*) => {
        $(impl From<$theme> for Breach {
            fn from(breach: $theme) -> Self {
                Self::$of(breach)
            }
        })*
    };
}

theme!(
    Order => OrderBreach,
    Group => GroupBreach,
    Instance => InstanceBreach,
    Node => NodeBreach,
    Pod => PodBreach,
    Turn => TurnBreach,
    Claim => ClaimBreach,
    Record => RecordBreach
);
