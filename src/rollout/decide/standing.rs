//! What can become of a step without an answer, as data.

use crate::model::Timestamp;
use crate::rollout::event::StepResult;
use crate::rollout::reason::Reason;

pub(crate) use crate::rollout::round::SETTLED;

/// What becomes of a step without an answer.
pub(crate) enum Standing {
    /// It is taken again.
    Repeat,
    /// Not now: what would have to be known for it is not, or its last try may still be under way.
    Wait(Reason, Option<Timestamp>),
    /// It is seen to have happened: the books say so from now on.
    Happened,
    /// Never: it did not happen, and is no longer what should.
    GivenUp(Reason),
    /// A look shows what became of it.
    Closed(StepResult),
}
