//! Who ends a node beside a rollout, as the node's taints tell. Knows no node.

use serde::{Deserialize, Serialize};

/// Who is ending a node, beside a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeavesBy {
    /// cluster-autoscaler, which takes its place in desired capacity with it. Source: cluster-autoscaler, `utils/taints`: the taint
    /// `ToBeDeletedByClusterAutoscaler`; `DeletionCandidateOfClusterAutoscaler` is soft, and may be taken back at any look.
    Autoscaler,
    /// aws-node-termination-handler, because AWS ends the instance (spot, maintenance, the group's own end). Source: its README, taints
    /// `aws-node-termination-handler/...`.
    TerminationHandler,
}

impl LeavesBy {
    /// What the key of a taint says.
    pub fn of_taint(key: &str) -> Option<LeavesBy> {
        match key {
            "ToBeDeletedByClusterAutoscaler" => Some(LeavesBy::Autoscaler),
            _ if key.starts_with("aws-node-termination-handler/") => {
                Some(LeavesBy::TerminationHandler)
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for LeavesBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            LeavesBy::Autoscaler => "cluster-autoscaler",
            LeavesBy::TerminationHandler => "aws-node-termination-handler",
        })
    }
}
