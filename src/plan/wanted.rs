//! What a plan is asked for.

use std::collections::BTreeSet;

use super::Baseline;
use crate::desired::DesiredCluster;
use crate::fleet::Engine;
use crate::model::GroupName;

/// What the person who asked allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// Retire groups that disappeared from git, whichever they are: for a rehearsal.
    pub retire: bool,
    /// End instances by a lower maximum.
    pub shrink: bool,
    /// Record documents that changed as applied by other means.
    pub documents: bool,
    /// Plan changes of nodes where nodes cannot be seen: for a rehearsal, which brings its own.
    pub nodes: bool,
}

/// One cluster's inputs.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// What git wants.
    pub desired: &'a DesiredCluster,
    /// What the last verified rollout left, if there was one.
    pub baseline: Option<&'a Baseline>,
    /// Groups that are never retired.
    pub protect: &'a BTreeSet<GroupName>,
    /// Groups that may be retired: a person has named each of them.
    pub retire: &'a BTreeSet<GroupName>,
    /// Who carries changes out.
    pub engine: Engine,
    /// A person knows that the control plane goes to a newer minor version of Kubernetes and never back.
    pub no_way_back: bool,
}
