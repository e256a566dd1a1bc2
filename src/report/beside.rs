//! What is known of a rollout beside its journal. Only holds it.

use std::collections::BTreeMap;

use crate::model::{ClusterName, Owner};
use crate::plan::Warned;
use crate::rollout::Waits;

/// What is known of a rollout beside its journal.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    /// Who drives it.
    pub owner: &'a Owner,
    /// What it waited for when it last said so.
    pub waits: Option<&'a Waits>,
    /// What was wrong in the clusters when they were last looked at.
    pub warned: &'a BTreeMap<ClusterName, Warned>,
}
