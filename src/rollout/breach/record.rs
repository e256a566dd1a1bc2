//! A record says that something is done which the books do not bear out.

use serde::Serialize;

use crate::model::{AsgName, ClusterName, Span};
use crate::rollout::event::StepId;

/// A rule about steps, canaries and the end of a rollout that a record breaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum RecordBreach {
    /// Something counts as done while a step of it has no outcome.
    StepOpen {
        /// The step.
        step: StepId,
        /// Its group.
        group: AsgName,
    },
    /// Something begins in a group while the launch template version for its rollback is gone.
    RollbackVersionGone {
        /// The group.
        group: AsgName,
        /// The version.
        version: u64,
    },
    /// A canary is proven before it has baked.
    NotBaked {
        /// The group.
        group: AsgName,
        /// Its bake.
        bake: Span,
    },
    /// A canary is proven that was never up.
    CanaryNeverUp {
        /// The group.
        group: AsgName,
    },
    /// The rollout is rolled back without a rollback.
    NoRollback,
    /// The rollout is rolled back before a cluster is restored.
    NotRestored {
        /// The cluster.
        cluster: ClusterName,
    },
    /// A cluster is rolled back of which a group was deleted: a rollback cannot bring it back.
    DeletedRolledBack {
        /// The cluster.
        cluster: ClusterName,
        /// The group.
        group: AsgName,
    },
    /// The rollout is aborted before a group is as it was.
    NotReleased {
        /// The group.
        group: AsgName,
    },
    /// A record that cannot follow the ones before it.
    IllegalRecord {
        /// Why.
        why: String,
    },
}
