//! A record says of a cluster what its live state does not show.

use serde::Serialize;

use crate::model::{AsgName, ClusterName, InstanceId};
use crate::rollout::reason::Difference;

/// What a record says of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// It runs the release.
    Verified,
    /// It runs what it ran before.
    Restored,
}

/// A rule about what counts as verified or restored that a record breaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum ClaimBreach {
    /// A cluster is verified without a gate that passed.
    NoGatePassed { cluster: ClusterName },
    /// A cluster is verified and is not what the plan makes of it.
    NotAsDesired {
        cluster: ClusterName,
        /// In what.
        difference: Difference,
    },
    /// A cluster was not read.
    ClusterNotRead {
        cluster: ClusterName,
        /// What the record says of it.
        claim: Claim,
    },
    /// The nodes of a cluster cannot be seen.
    ClusterNodesUnseen {
        cluster: ClusterName,
        /// What the record says of it.
        claim: Claim,
    },
    /// A group has fewer instances in service than it wants.
    TooFewInService {
        cluster: ClusterName,
        /// What the record says of it.
        claim: Claim,
        group: AsgName,
        /// Instances in service.
        serving: usize,
        /// Its desired capacity.
        desired: u32,
    },
    /// An instance of the control plane does not work.
    ControlPlaneDown {
        cluster: ClusterName,
        /// What the record says of it.
        claim: Claim,
        instance: InstanceId,
        group: AsgName,
    },
}
