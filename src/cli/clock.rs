//! The clock of this machine.

use crate::model::Timestamp;

/// What time it is here.
pub(in crate::cli) fn now_here() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}
