//! Why kops, as the engine, is not asked: as sentences. Lays nothing out.

use super::wording::{count, plain};
use crate::plan::KopsFault;

/// What stands in the way.
pub(super) fn text(why: &KopsFault) -> String {
    match why {
        KopsFault::NoStore => "the engine is kops, and its state store was not read".into(),
        KopsFault::NotItsStore { groups } => format!(
            "the state store does not have the cluster, and {} of it exist",
            count(*groups, "group")
        ),
        KopsFault::Removed { document } => format!(
            "kops has {} stored and git does not: the next kops update would bring it back",
            plain(document)
        ),
        KopsFault::Spot { group } => format!(
            "{group} changes whether its launch template asks for Spot, which AWS takes only together with the group's own fields"
        ),
        KopsFault::KubernetesSkips { from, to } => format!(
            "Kubernetes {} to {} skips a minor version",
            plain(from),
            plain(to)
        ),
        KopsFault::KubernetesBack { from, to } => format!(
            "Kubernetes {} to {} goes back by a minor version, which no control plane does",
            plain(from),
            plain(to)
        ),
        KopsFault::KubernetesNoWayBack { from, to } => format!(
            "Kubernetes {} to {} has no way back: no rollback takes a control plane to an older minor version",
            plain(from),
            plain(to)
        ),
    }
}

/// What a person can do about it.
pub(super) fn hint(why: &KopsFault) -> &'static str {
    match why {
        KopsFault::NoStore => "name it as kops.state_store in the cluster's file",
        KopsFault::NotItsStore { .. } => {
            "see that kops.state_store in the cluster's file is the store that the cluster was made with"
        }
        KopsFault::Removed { .. } => {
            "delete it with kops (kops delete instancegroup NAME --yes), or bring it back into git, then plan again"
        }
        KopsFault::Spot { .. } => {
            "use a mixedInstancesPolicy, or change the group with kops by hand"
        }
        KopsFault::KubernetesSkips { .. } => "go up one minor version at a time",
        KopsFault::KubernetesBack { .. } => "keep the minor version that is stored",
        KopsFault::KubernetesNoWayBack { .. } => {
            "say that it is known with --no-way-back CLUSTER: what fails after that is held for a person, not rolled back"
        }
    }
}
