//! A step in a cluster before its turn.

use serde::Serialize;

use crate::model::{ClusterName, Span, StageName};

/// A rule of order that a step would break.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum OrderBreach {
    /// A cluster of a later stage is changed before an earlier stage has passed.
    BeforeStage {
        cluster: ClusterName,
        /// The earlier stage.
        stage: StageName,
    },
    /// A cluster of a later stage is changed before a cluster of an earlier stage is verified and has soaked.
    BeforeSoaked {
        /// The cluster that is changed.
        cluster: ClusterName,
        /// The cluster of the earlier stage.
        before: ClusterName,
        /// The soak of the earlier stage.
        soak: Span,
    },
    /// The rollout has no such cluster.
    UnknownCluster { cluster: ClusterName },
    /// A cluster is changed before a person has approved its stage.
    StageNotApproved {
        cluster: ClusterName,
        stage: StageName,
    },
    /// A cluster is changed before its wave has begun.
    BeforeItsWave { cluster: ClusterName },
    /// A cluster is changed before an earlier wave of its stage has passed.
    BeforeWave {
        cluster: ClusterName,
        stage: StageName,
        /// The earlier wave, from 0.
        wave: usize,
    },
    /// More clusters of a wave are rolled at the same time than its `parallel` allows.
    TooManyClusters {
        /// How many are rolled.
        rolling: usize,
        /// How many may be.
        most: usize,
    },
    /// A hook runs before or after its moment.
    HookOutOfTurn {
        /// The hook and its place.
        hook: String,
    },
    /// A hook still runs when what it belongs to is done.
    HookLeftRunning {
        /// The hook and its place.
        hook: String,
    },
}
