//! A hook as resolved: a command that runs before or after a stage, a wave or a cluster, or between waves. Runs nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::{ClusterName, HookName, Span, StageName};

/// One hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookSpec {
    /// Its name, unique.
    pub name: HookName,
    /// When it runs.
    pub at: HookAt,
    /// The stages it is for; all when empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub stages: BTreeSet<StageName>,
    /// The clusters it is for, where it runs for clusters; all when empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub clusters: BTreeSet<ClusterName>,
    /// Program and arguments; run in the fleet's folder, without a shell.
    pub run: Vec<String>,
    /// Program and arguments of what takes it back; empty: a rollback leaves what it did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<String>,
    /// In which rollouts it runs.
    pub when: HookWhen,
    /// Files and folders of the fleet that it reads: what they hold decides with `when: changed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// How long one run may take; then it and all that it started is ended.
    pub timeout: Span,
    /// How often it is tried again after it failed.
    pub retries: u32,
    /// It may run twice: a run of which it is not known how it ended is repeated.
    pub repeatable: bool,
    /// What follows when it failed for good; none: what its stage says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<HookFailure>,
    /// Environment variables that it is given beside those that every hook has; a name may end with `*`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub environment: BTreeSet<String>,
    /// A program without which, on the `PATH`, it is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_without: Option<String>,
    /// It also runs on the simulated account: it reaches nothing that is real.
    pub simulated: bool,
}

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookAt {
    /// When a stage has begun, before its first wave.
    BeforeStage,
    /// When every cluster of a stage is verified and soaked, before the stage passes.
    AfterStage,
    /// When a wave has begun and its locks are held, before its first cluster.
    BeforeWave,
    /// When every cluster of a wave is verified and soaked, before the wave passes.
    AfterWave,
    /// When a wave has passed, before the next one of its stage begins.
    BetweenWaves,
    /// When a cluster's turn has come and nothing of it is changed yet.
    BeforeCluster,
    /// When the groups of a cluster are done and its gates pass; they have to pass again after it.
    AfterCluster,
}

/// In which rollouts a hook runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookWhen {
    /// In each that changes something where it runs.
    #[default]
    Always,
    /// Where its files, or its command, are not those of the last time it ran there. It is then a change of its own.
    Changed,
}

/// What follows when a hook failed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookFailure {
    /// The clusters of the wave go back to what they ran.
    Rollback,
    /// Everything stays as it is until a person says what comes.
    Hold,
    /// What is half-done is undone, groups stay as they are, and the rollout is over.
    Stop,
    /// It is said, and the rollout goes on.
    Continue,
}

impl HookAt {
    /// Whether it runs once for each cluster.
    pub fn is_of_cluster(self) -> bool {
        match self {
            HookAt::BeforeCluster | HookAt::AfterCluster => true,
            HookAt::BeforeStage
            | HookAt::AfterStage
            | HookAt::BeforeWave
            | HookAt::AfterWave
            | HookAt::BetweenWaves => false,
        }
    }

    /// Whether it runs once for each wave, or each but the first.
    pub fn is_of_wave(self) -> bool {
        match self {
            HookAt::BeforeWave | HookAt::AfterWave | HookAt::BetweenWaves => true,
            HookAt::BeforeStage
            | HookAt::AfterStage
            | HookAt::BeforeCluster
            | HookAt::AfterCluster => false,
        }
    }
}
