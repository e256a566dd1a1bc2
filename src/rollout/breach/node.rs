//! A node is changed without a reason in the books, or what others did to it is undone.

use serde::Serialize;

use crate::model::{InstanceId, NodeName};

/// A rule about nodes that a step would break.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum NodeBreach {
    /// A node of a group that the plan does not change.
    NodeNotPlanned { node: NodeName },
    /// A node is cordoned while nodes cannot be seen.
    CordonUnseen { node: NodeName },
    /// A node is tainted while nodes cannot be seen.
    TaintUnseen { node: NodeName },
    /// Nodes are annotated while they cannot be seen.
    MarkUnseen,
    /// An abort marks nodes.
    AbortMarks,
    /// A node is drained that an autoscaler or another controller is ending.
    EndedByOthers { node: NodeName },
    /// A node is uncordoned that this rollout did not cordon.
    UncordonsOthers { node: NodeName },
    /// A node loses a taint that this rollout did not give it.
    UntaintsOthers { node: NodeName },
    /// A node loses an annotation for the autoscaler that this rollout did not give it.
    ReleasesOthers { node: NodeName },
    /// A node is tainted out of service while AWS still has its instance.
    OutOfServiceInAws {
        node: NodeName,
        instance: InstanceId,
    },
    /// A node is tainted out of service that this rollout did not end.
    OutOfServiceNotEnded { node: NodeName },
    /// A node is tainted out of service while its kubelet answers.
    OutOfServiceAnswers { node: NodeName },
    /// A node loses an out-of-service taint that this rollout did not give it.
    BackInServiceOthers { node: NodeName },
}
