//! What a person can do about a rollout that needs one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::{AsgName, RefusalKind};

/// Advice. Its `code` stays the same between versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Advice {
    /// See to which cluster the kubeconfig leads.
    CheckContext,
    /// Configure Kubernetes access.
    ConfigureKubernetes,
    /// Put right what stands in the way of drains.
    ClearTheWay,
    /// Find out why new instances of a group do not work.
    SeeInstances { group: AsgName },
    /// Make the plan anew, as a version that a rollback needs is gone.
    PlanAnew,
    /// Go on or end it, as no rollback is possible.
    NoRollback,
    /// See that the cloud and the Kubernetes API answer.
    SeeThatTheyAnswer,
    /// See that the API answers.
    SeeThatItAnswers,
    /// Give the missing right, or see to who says no.
    GiveRight,
    /// Put it right by hand.
    PutRight,
    /// A rollback to an old version failed.
    WayBackFailed { group: AsgName, version: u64 },
    /// A group that is to be deleted cannot be drained.
    DrainToDelete { group: AsgName },
    /// Put a group right by hand.
    PutGroupRight { group: AsgName },
    /// What ran before is back and not healthy.
    OldUnhealthy,
    /// Others changed the cluster.
    BringBack,
    /// A cluster on which a stage stands is not what it was.
    BringBackStage,
    /// See that a cluster on which a stage stands can be read and is healthy.
    SeeStage,
    /// See that the accounts have room, or ask for less.
    MakeRoom,
    /// See that the control plane is whole.
    SeeControlPlane,
    /// A version that the plan means to pin is gone.
    VersionsGone,
    /// The versions to which some groups would be rolled back are gone.
    WayBackGone,
    /// The version to go back to is gone.
    StaysAt {
        /// The version that the group launches from.
        version: u64,
    },
    /// The group is gone.
    FindWhoDeleted,
    /// Others pinned it.
    FindWhoPinned,
    /// The version is gone: start anew.
    StartAnewVersion,
    /// The version is another one: start anew.
    StartAnewPlan,
    /// Wait until fewer instances are wanted.
    FewerWanted {
        /// Forward, where `--allow-shrink` would drain them.
        forward: bool,
    },
    /// Others changed the group.
    LookAtGroup,
    /// Something else moves the group.
    FindWhoMoves,
    /// Instances do not stay what they are.
    FindWhyNotStay,
    /// AWS has no capacity for the types and zones of the group: name others.
    FindCapacity,
    /// Others are ending the node.
    SeeNodeEnds,
    /// A dead node's instance may still run.
    SeeInEc2,
    /// Pods on a node that is out of service do not go.
    SeePodsOutOfService,
    /// A drain is held.
    FreePods {
        /// By what the API refuses.
        refused: BTreeSet<RefusalKind>,
        /// Whether finalizers hold pods.
        finalizers: bool,
    },
    /// See what a hook has done, and say it.
    SettleHook {
        /// The hook and its place, as `--hook` takes it.
        hook: String,
    },
    /// In the words of a journal of version 1.
    #[serde(untagged)]
    Words(String),
}
