//! Which load balancers still send to a node that is being emptied: those of Services, with which no AutoScalingGroup registers instances. Makes no calls.
//!
//! Sources: Kubernetes, well-known labels, `node.kubernetes.io/exclude-from-external-load-balancers`: the service controller takes a node that has it out of
//! the balancers of Services of type LoadBalancer, and so does the AWS Load Balancer Controller with targets of type instance. Elastic Load Balancing user
//! guide, "Deregistration delay": a target that is taken out is `draining`, and has connections still, for 300 seconds unless said otherwise.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::InstanceId;

/// Balancers that send to instances, by instance. One that is not in it gets nothing.
pub type Senders = BTreeMap<InstanceId, BTreeSet<String>>;

/// What sends to a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Traffic {
    /// Not asked: only nodes that are being emptied are asked about.
    #[default]
    NotAsked,
    /// These balancers, by the names of their target groups.
    From(BTreeSet<String>),
    /// Asked, and there was no (complete) answer: that is not none.
    Unknown(String),
}

impl Traffic {
    /// Whether it was not asked.
    pub fn is_not_asked(&self) -> bool {
        *self == Traffic::NotAsked
    }

    /// Whether an end now could cut connections.
    pub fn may_flow(&self) -> bool {
        match self {
            Traffic::NotAsked => false,
            Traffic::From(balancers) => !balancers.is_empty(),
            Traffic::Unknown(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_may_flow() {
        assert!(!Traffic::NotAsked.may_flow());
        assert!(!Traffic::From(BTreeSet::new()).may_flow());
        assert!(Traffic::From(["web".to_owned()].into()).may_flow());
        assert!(Traffic::Unknown("no answer".into()).may_flow());
    }
}
