//! A record says that something is done which the books do not bear out.

use serde::Serialize;

use crate::model::{AsgName, ClusterName, Span};
use crate::rollout::event::StepId;

/// A rule about steps, canaries and the end of a rollout that a record breaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum RecordBreach {
    /// Something counts as done while a step of it has no outcome.
    StepOpen { step: StepId, group: AsgName },
    /// Something begins in a group while the launch template version for its rollback is gone.
    RollbackVersionGone { group: AsgName, version: u64 },
    /// A canary is proven before it has baked.
    NotBaked { group: AsgName, bake: Span },
    /// A canary is proven that was never up.
    CanaryNeverUp { group: AsgName },
    /// The rollout is rolled back without a rollback.
    NoRollback,
    /// The rollout is rolled back before a cluster is restored.
    NotRestored { cluster: ClusterName },
    /// A cluster is rolled back of which a group was deleted: a rollback cannot bring it back.
    DeletedRolledBack {
        cluster: ClusterName,
        group: AsgName,
    },
    /// The rollout is aborted before a group is as it was.
    NotReleased { group: AsgName },
    /// A record that cannot follow the ones before it.
    IllegalRecord {
        /// What the record says, against what stands before it.
        why: String,
    },
}
