//! What a simulated account is like, said when it is opened.

use crate::model::Span;

/// What a simulated account is like. The seed of an account that exists already stays what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// What all chance is drawn from.
    pub seed: u64,
    /// Whether an autoscaler moves desired capacities on its own.
    pub autoscaler: bool,
    /// How long spot instances live about (half to one and a half of it), counted for those launched from then on; none: for ever.
    pub spot_life: Option<Span>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            seed: 1,
            autoscaler: true,
            spot_life: None,
        }
    }
}
