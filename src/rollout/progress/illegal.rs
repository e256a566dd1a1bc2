//! Why a record cannot follow the ones before it.

use crate::model::{AsgName, ClusterName, StageName};
use crate::rollout::event::StepId;

/// A record that cannot be: the journal was cut in the middle, mixed up, or written by something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} cannot follow what stands before it: {why}")]
pub struct IllegalRecord {
    /// The record.
    pub seq: u64,
    /// The rule that it breaks.
    pub why: Illegal,
}

/// In what way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// The first record is another one.
    #[error("the first record has to hold the rollout")]
    NoRollout,
    /// Records are missing, or in another order.
    #[error("it should be number {0}")]
    Sequence(u64),
    /// Nothing follows an end but a rollback.
    #[error("the rollout had ended")]
    Ended,
    /// A second beginning.
    #[error("a rollout starts once")]
    StartedTwice,
    /// A stage began or passed twice.
    #[error("stage {0} begins or passes twice")]
    StageTwice(StageName),
    /// A wave began or passed twice.
    #[error("wave {1} of stage {0} begins or passes twice")]
    WaveTwice(StageName, usize),
    /// A rollout ends the way it goes: forward, back or to a stop.
    #[error("the rollout goes another way")]
    OtherWay,
    /// A cluster in another state than the one this follows.
    #[error("{0} is not in a state that this can follow")]
    ClusterTurn(ClusterName),
    /// A group began twice on one way.
    #[error("{0} begins twice")]
    GroupTwice(AsgName),
    /// Not of this rollout.
    #[error("{0} is no cluster of this rollout")]
    NoCluster(ClusterName),
    /// Not of this rollout.
    #[error("{0} is no group of this rollout")]
    NoGroup(AsgName),
    /// Not of this rollout.
    #[error("{0} is no hook of this rollout")]
    NoHook(String),
    /// A hook runs once at a time.
    #[error("the hook {0} begins while it runs")]
    HookTwice(String),
    /// A hook that may not run twice, and of whose last run it is not known how it ended.
    #[error("the hook {0} begins again, and may have done its work already")]
    HookInDoubt(String),
    /// An end without a beginning.
    #[error("the hook {0} was not begun, or had ended")]
    HookNotRunning(String),
    /// A word about a hook that needs none.
    #[error("the hook {0} is not in doubt, and has not failed")]
    HookNotInDoubt(String),
    /// A step with another number.
    #[error("step {found} should be step {expected}")]
    StepNumber {
        /// The number it has.
        found: StepId,
        /// The number it should have.
        expected: StepId,
    },
    /// An outcome without an open step.
    #[error("step {0} was not begun, or had ended")]
    NoStep(StepId),
    /// A step that has to be taken to its end.
    #[error(
        "step {0} cannot be given up: only the end of an instance, a launch in a zone, less desired capacity, what is done to a node, and what belongs to a direction that was left can"
    )]
    NotToGiveUp(StepId),
}
