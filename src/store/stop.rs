//! Why the line is stopped. Only says so; `run` and `cli` heed it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{ClusterName, Timestamp};
use crate::rollout::Rollout;

/// Who stopped the line, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// In which cluster only; everywhere when it names none.
    pub cluster: Option<ClusterName>,
    /// As the process names its user.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// In the words of the operator; shown to everyone who is stopped.
    pub reason: String,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stop {
            cluster,
            by,
            since,
            reason,
        } = self;
        match cluster {
            Some(cluster) => write!(
                f,
                "{cluster} is stopped by {by} since {}: {reason}",
                since.clock()
            ),
            None => write!(
                f,
                "the line is stopped by {by} since {}: {reason}",
                since.clock()
            ),
        }
    }
}

impl Stop {
    /// What lifts it.
    pub fn go(&self) -> String {
        self.cluster.as_ref().map_or_else(
            || "kfleet go".to_owned(),
            |cluster| format!("kfleet go --cluster {cluster}"),
        )
    }

    /// Whether it holds for a rollout: everywhere, or in a cluster whose groups it changes.
    pub fn holds_for(&self, rollout: &Rollout) -> bool {
        self.cluster.as_ref().is_none_or(|cluster| {
            rollout
                .cluster(cluster)
                .is_some_and(|run| !run.groups.is_empty())
        })
    }
}
