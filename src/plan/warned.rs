//! The warnings of a cluster between two looks at it. Compares; reads no store.

use serde::{Deserialize, Serialize};

use super::{Blocked, ClusterPlan, Remark};
use crate::model::{ClusterName, Timestamp};

/// The warnings of a cluster, as they stood when it was last looked at: for commands that ask the store alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warned {
    /// Form of this file, 1.
    pub version: u32,
    pub cluster: ClusterName,
    /// Since when they stand as they do.
    pub since: Timestamp,
    /// What is wrong.
    pub remarks: Vec<Remark>,
}

impl Warned {
    /// What is known after a look, from the plan that was made of it. `is_rolled`: git is what the cluster runs or is about to run; a plan of
    /// another branch knows nothing of what kops would do to it. None: nothing is wrong.
    pub fn after(
        (cluster, plan): (&ClusterName, &ClusterPlan),
        before: Option<&Warned>,
        is_rolled: bool,
        now: Timestamp,
    ) -> Option<Warned> {
        let unread = plan.blocked.iter().any(Blocked::is_unknown);
        if unread {
            return before.cloned();
        }
        let remarks = remarks_now(plan, before, is_rolled);
        match before {
            _ if remarks.is_empty() => None,
            Some(before) if before.remarks == remarks => Some(before.clone()),
            Some(_) | None => Some(Warned {
                version: 1,
                cluster: cluster.clone(),
                since: now,
                remarks,
            }),
        }
    }

    /// What is left when every node of the cluster was rolled and boots: none, nothing.
    pub fn rolled(mut self) -> Option<Warned> {
        self.remarks
            .retain(|r| !matches!(r, Remark::CannotBoot { .. }));
        (!self.remarks.is_empty()).then_some(self)
    }
}

/// What is found now; what is of git stays as it was while nothing is rolled.
fn remarks_now(plan: &ClusterPlan, before: Option<&Warned>, is_rolled: bool) -> Vec<Remark> {
    let of_git = |r: &&Remark| matches!(r, Remark::Unpublished { .. });
    let found = plan.remarks.iter().filter(|r| r.is_warning());
    let old = before.iter().flat_map(|b| &b.remarks);
    if is_rolled {
        found.cloned().collect()
    } else {
        found
            .filter(|r| !of_git(r))
            .chain(old.filter(of_git))
            .cloned()
            .collect()
    }
}
