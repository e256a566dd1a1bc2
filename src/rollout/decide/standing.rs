//! What can become of a step without an answer, as data.

use crate::model::{Span, Timestamp};
use crate::rollout::event::StepResult;

/// What a call that got no answer has not brought about after this long, it never will: twice the time that one try is given.
pub(crate) const SETTLED: Span = Span::from_secs(120);

/// What becomes of a step without an answer.
pub(crate) enum Standing {
    /// It is taken again.
    Repeat,
    /// Not now: what would have to be known for it is not, or its last try may still be under way.
    Wait(String, Option<Timestamp>),
    /// It is seen to have happened: the books say so from now on.
    Happened,
    /// Never: it did not happen, and is no longer what should.
    GivenUp(String),
    /// A look shows what became of it.
    Closed(StepResult),
}
