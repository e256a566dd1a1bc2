//! What a plan found wrong is left in the store, so that `rollout status`, which looks at nothing else, says it too.

use std::collections::BTreeSet;

use super::output::Output;
use crate::model::{ClusterName, Timestamp};
use crate::plan::{Plan, Warned};
use crate::store::{Store, StoreError, Warnings};

/// What the maker of a plan is up to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// Git as it is here is rolled out.
    Rolling,
    /// A look, perhaps from a branch that is not rolled out.
    Looking,
}

/// Leaves it. Who may only read the store plans as well as others.
pub(super) fn leave(
    store: &Store,
    plan: &Plan,
    fleet: &BTreeSet<&ClusterName>,
    (aim, now): (For, Timestamp),
    output: &Output,
) {
    if let Err(error) = try_leave(store, plan, fleet, (aim, now)) {
        output.cloud_story(&format!(
            "the warnings of this plan are not left for `rollout status`: {error}"
        ));
    }
}

fn try_leave(
    store: &Store,
    plan: &Plan,
    fleet: &BTreeSet<&ClusterName>,
    (aim, now): (For, Timestamp),
) -> Result<(), StoreError> {
    let Warnings { known, damaged } = store.warned()?;
    let baselines = store.baselines()?;
    for (name, cluster) in &plan.clusters {
        let before = known.get(name);
        let runs = baselines.get(name).map(|b| &b.digest);
        let is_rolled = aim == For::Rolling || runs == Some(&cluster.digest);
        let after = Warned::after((name, cluster), before, is_rolled, now);
        if after.as_ref() != before || damaged.contains_key(name.as_str()) {
            store.put_warned(name.as_str(), after.as_ref())?;
        }
    }
    // Of a cluster that left the fleet no plan will ever say that it is well. One that something was rolled out to may have left on this branch alone.
    let rolled = |name: &str| baselines.keys().any(|b| b.as_str() == name);
    let named = |name: &str| fleet.iter().any(|f| f.as_str() == name);
    let left = known.keys().map(ClusterName::as_str);
    let left = left.chain(damaged.keys().map(String::as_str));
    left.filter(|name| !named(name) && (aim == For::Rolling || !rolled(name)))
        .try_for_each(|name| store.put_warned(name, None))
}
