//! What one round of decisions knows, and the form of what it decides. Decides nothing itself.

mod budget;
mod builder;
mod context;
mod decision;
mod instances;
mod known;
mod made;
mod nodes;

pub(crate) use budget::{Budget, budget};
pub(crate) use builder::{DecisionBuilder, Mark};
pub(crate) use context::{
    ClusterContext, GroupContext, Mode, RoundContext, group_context, ready_instances, staying,
};
pub use decision::{Check, Decision, HookStep, Question, State, Step, Waiting, Waits};
pub(crate) use instances::{
    SETTLED, by_zone, in_service, is_capacity, missing, outdated, outstanding_surge, present,
};
pub(crate) use known::known;
pub(crate) use made::with_made;
pub(crate) use nodes::{NodeView, Readiness};
