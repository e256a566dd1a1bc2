//! What is asked of each group by itself, which depends on who asks; and what could not be read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cloud::aws::options::HooksOf;
use crate::model::{AsgName, ClusterName, Gap};

/// Most groups of an account and region (and role) whose lifecycle hooks are read along with them. AWS describes the hooks of one group a call, every
/// group of kops has some, and about ten such calls a second are what an account is seen to be granted: so many take ten seconds of it.
const HOOKS: usize = 100;

/// What each group is asked for by itself.
#[derive(Clone, Debug)]
pub(in crate::cloud::aws) enum Singly {
    /// By comparisons: hooks; and where there are few groups, what a rollout that may begin has to know of instance refreshes.
    Compares(HooksOf),
    /// By a rollout under way: these for their instance refresh. It compares nothing, and looks at the hooks of a group before writing to it.
    Acts(Arc<BTreeSet<AsgName>>),
}

impl Singly {
    /// Whether the hooks of so many groups are read.
    pub(super) fn hooks(&self, groups: usize) -> bool {
        match self {
            Singly::Compares(HooksOf::Few) => groups <= HOOKS,
            Singly::Compares(HooksOf::Everybody) => true,
            Singly::Acts(_) => false,
        }
    }

    /// Whether a group, one of so many, is asked for its newest instance refresh though no activity names one. `only_reads`: who only compares
    /// has no use for it.
    pub(super) fn refresh(&self, group: &AsgName, groups: usize, only_reads: bool) -> bool {
        match self {
            Singly::Compares(HooksOf::Few | HooksOf::Everybody) => !only_reads && groups <= HOOKS,
            Singly::Acts(refreshing) => refreshing.contains(group),
        }
    }
}

/// What could not be read, by cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gaps(pub(super) BTreeMap<ClusterName, BTreeSet<Gap>>);

impl Gaps {
    pub(super) fn add<'a>(
        &mut self,
        clusters: impl IntoIterator<Item = &'a ClusterName>,
        what: &str,
        why: impl ToString,
    ) {
        for cluster in clusters {
            self.0.entry(cluster.clone()).or_default().insert(Gap {
                what: what.to_owned(),
                why: why.to_string(),
            });
        }
    }
}
