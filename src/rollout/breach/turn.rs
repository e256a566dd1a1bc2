//! A stage or a wave begins or passes before its turn.

use serde::Serialize;

use crate::model::{ClusterName, Span, StageName, Timestamp};

/// What begins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Beginning {
    Stage,
    /// A wave of it, from 0.
    Wave(usize),
    /// A cluster of it.
    Cluster(ClusterName),
}

/// A rule about stages and waves that a record breaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum TurnBreach {
    /// A stage or a wave passes before a cluster has soaked.
    NotSoaked { cluster: ClusterName, soak: Span },
    /// The rollout is finished before a stage has passed.
    StageNotPassed { stage: StageName },
    /// Something begins while its stage is frozen.
    BeginsFrozen {
        /// What was begun too early.
        what: Beginning,
        stage: StageName,
        /// The end of the freeze.
        until: Timestamp,
    },
    /// A stage begins before an earlier one has passed.
    StageEarly {
        stage: StageName,
        /// The earlier one.
        before: StageName,
    },
    /// A stage begins without an approval that is still valid.
    StageUnapproved { stage: StageName },
    /// The rollout has no such stage.
    UnknownStage { stage: StageName },
    /// A wave begins before an earlier one has passed.
    WaveEarly {
        stage: StageName,
        /// The wave, from 0.
        wave: usize,
        /// The earlier wave, from 0.
        before: usize,
    },
    /// A stage or a wave begins, or the rollout ends, before this has passed in every shard of the release.
    BeforeOtherShards {
        stage: StageName,
        /// The wave, from 0; none: the whole stage.
        wave: Option<usize>,
    },
    /// A cluster begins before one of its wave that kops makes is verified.
    BeforeMadeCluster {
        cluster: ClusterName,
        /// The one that kops makes.
        made: ClusterName,
    },
    /// A wave begins before its stage.
    WaveBeforeItsStage {
        stage: StageName,
        /// The wave, from 0.
        wave: usize,
    },
}
