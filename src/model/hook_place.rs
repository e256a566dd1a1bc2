//! Where a hook runs: a hook of the fleet runs once for each of its places. Runs nothing.

use serde::{Deserialize, Serialize};

use super::{ClusterName, HookName, StageName};

/// A hook, and where it runs. One of a stage has no wave, one of a wave no cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookPlace {
    /// Which hook.
    pub hook: HookName,
    pub stage: StageName,
    /// The index of the wave in the stage as `fleet.yaml` has it, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterName>,
}

impl HookPlace {
    /// What a store calls it: a cluster's stays its own, whichever stage it is moved to. Names hold no `@` and no `_`.
    pub fn key(&self) -> String {
        let HookPlace {
            hook,
            stage,
            wave,
            cluster,
        } = self;
        match (cluster, wave) {
            (Some(cluster), _) => format!("{hook}@{cluster}"),
            (None, Some(wave)) => format!("{hook}@{stage}_{}", wave.saturating_add(1)),
            (None, None) => format!("{hook}@{stage}"),
        }
    }
}
