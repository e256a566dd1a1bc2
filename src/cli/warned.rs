//! What a plan found wrong is left in the store, so that `rollout status`, which looks at nothing else, says it too.

use std::collections::BTreeMap;

use super::output::Output;
use crate::model::{ClusterName, Timestamp};
use crate::plan::{Plan, Warned};
use crate::store::{Store, StoreError};

/// What the maker of a plan is up to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// Git as it is here is rolled out.
    Rolling,
    /// A look, perhaps from a branch that nobody rolls out.
    Looking,
}

/// Leaves it. Who may only read the store plans as well as others.
pub(super) fn leave(store: &Store, plan: &Plan, aim: For, now: Timestamp, output: &Output) {
    if let Err(error) = try_leave(store, plan, aim, now) {
        output.cloud_story(&format!(
            "the warnings of this plan are not left for `rollout status`: {error}"
        ));
    }
}

fn try_leave(store: &Store, plan: &Plan, aim: For, now: Timestamp) -> Result<(), StoreError> {
    let known: BTreeMap<ClusterName, Warned> = store.warned()?;
    let baselines = store.baselines()?;
    for (name, cluster) in &plan.clusters {
        let before = known.get(name);
        let runs = baselines.get(name).map(|b| &b.digest);
        let is_rolled = aim == For::Rolling || runs == Some(&cluster.digest);
        let after = Warned::after((name, cluster), before, is_rolled, now);
        if after.as_ref() != before {
            store.put_warned(name, after.as_ref())?;
        }
    }
    Ok(())
}
