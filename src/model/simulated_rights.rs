//! Rights that IAM is asked about without using them, and what it says. Makes no calls.

use std::collections::{BTreeMap, BTreeSet};

/// Rights on resources, in a situation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightsQuestion {
    /// As policies name them.
    pub rights: BTreeSet<&'static str>,
    /// ARNs of what they are asked on, or `*`.
    pub resources: Vec<String>,
    /// Condition keys with the value that a call of kfleet's would have.
    pub context: BTreeMap<String, String>,
}

/// What is said of one right on one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RightAnswer {
    pub right: String,
    pub resource: String,
    pub is_allowed: bool,
    /// Condition keys of the policies that the question had no value for: the answer holds only where they do not matter.
    pub lacks: Vec<String>,
}
