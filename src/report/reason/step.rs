//! Steps without an answer, and what others did to a group, in sentences.

use crate::rollout::Reason;

/// A reason about a step. The last of the functions over reasons: it names every one that has its words elsewhere.
pub(super) fn of_step(reason: &Reason) -> String {
    match reason {
        Reason::ChangedByOthers { found } => format!("changed outside this rollout: {found}"),
        Reason::Conflicts { times } => format!(
            "its desired capacity or instances were changed outside this rollout {times} times just before a step"
        ),
        Reason::NoAnswer { step, times } => {
            format!("step {step} was tried {times} times without an answer")
        }
        Reason::AskedAgain { words, times } => format!("{words} (asked {times} times)"),
        Reason::EndUnknown { instance, unseen } => {
            format!("whether {instance} may end is not known, {unseen}")
        }
        Reason::EndNotDrained { instance, node } => {
            format!("{instance} was to end, and has the node {node} now, which is not drained")
        }
        Reason::NotEnded {
            instance,
            node,
            after,
            pods,
        } => format!(
            "{instance} is still there {after} later, and has the node {node} to be drained first ({pods} pods)"
        ),
        Reason::OtherDirection => "a step that was asked for before may still be under way".into(),
        Reason::NotHappened { after } => format!("it has not happened {after} later"),
        Reason::DecidedAnew => "it is decided anew".into(),
        Reason::NodeShowsNot => "the node shows that it did not happen".into(),
        Reason::NotNeeded => "nothing depends on it any more".into(),
        // Those that have their words elsewhere.
        Reason::Unread { .. }
        | Reason::ClusterUnread
        | Reason::NodesUnseen { .. }
        | Reason::NoKubernetes
        | Reason::NoNodes { .. }
        | Reason::InTheWay { .. }
        | Reason::NothingMoved { .. }
        | Reason::ControlPlane { .. }
        | Reason::ControlPlaneWithout { .. }
        | Reason::DrainedControlPlane { .. }
        | Reason::GateWaits { .. }
        | Reason::GateOverdue { .. }
        | Reason::GateFailed { .. }
        | Reason::NotAsPlanned { .. }
        | Reason::NotAsVerified { .. }
        | Reason::NoRoom { .. }
        | Reason::RoomAwaited { .. }
        | Reason::StageWaits { .. }
        | Reason::StageUnhealthy { .. }
        | Reason::StageOverdue { .. }
        | Reason::Frozen { .. }
        | Reason::NotApproved { .. }
        | Reason::NoAccess { .. }
        | Reason::Interrupted
        | Reason::Soaks { .. }
        | Reason::SoaksOn { .. }
        | Reason::SoakWaits { .. }
        | Reason::SoakOverdue { .. }
        | Reason::Unhealthy { .. }
        | Reason::SoakBrokenAgain { .. }
        | Reason::DeletesLater
        | Reason::ClusterFailed { .. }
        | Reason::ShardAwaited { .. }
        | Reason::WaveFull { .. }
        | Reason::OtherShardFailed { .. }
        | Reason::DeletedForGood { .. }
        | Reason::KubernetesStays { .. }
        | Reason::Drain(_)
        | Reason::Group(_)
        | Reason::Hook(_)
        | Reason::Version(_)
        | Reason::Words(_) => String::new(),
    }
}
