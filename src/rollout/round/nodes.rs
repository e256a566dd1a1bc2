//! The nodes of a cluster by instance, and whether an instance can take work. What is not known is never "no".

use std::collections::BTreeMap;

use crate::kops::Role;
use crate::model::{
    Health, Instance, InstanceId, LeavesBy, Lifecycle, Node, NodeName, Nodes, Unseen,
};

/// The nodes of a cluster by instance.
pub(crate) struct NodeView<'a> {
    nodes: &'a Nodes,
    by_instance: BTreeMap<&'a InstanceId, (&'a NodeName, &'a Node)>,
}

/// Whether an instance can take work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// In service, and its node is Ready.
    Ready,
    NotYet(&'static str),
    /// It takes no work, and the rollout does not wait for it: in the warm pool, in Standby, detached, or on its way out, started by the rollout or by others.
    Aside,
    /// The Kubernetes API does not answer.
    Unknown(Unseen),
}

impl Readiness {
    /// Whether it is waited for: it takes no work yet, or that is not known.
    pub(crate) fn is_coming(&self) -> bool {
        match self {
            Readiness::NotYet(_) | Readiness::Unknown(_) => true,
            Readiness::Ready | Readiness::Aside => false,
        }
    }
}

impl<'a> NodeView<'a> {
    pub(crate) fn new(nodes: &'a Nodes) -> Self {
        let mut by_instance: BTreeMap<&InstanceId, (&NodeName, &Node)> = BTreeMap::new();
        let known = match nodes {
            Nodes::Known(seen) => Some(&seen.nodes),
            Nodes::NotAsked | Nodes::Unknown(_) => None,
        };
        for (name, node) in known.into_iter().flatten() {
            // A kubelet that changed its name leaves the old node behind: the one that is Ready is the instance's.
            let better = |(_, other): &(&NodeName, &Node)| {
                (node.ready, node.silent_since.is_none())
                    > (other.ready, other.silent_since.is_none())
            };
            if by_instance.get(&node.instance).is_none_or(better) {
                by_instance.insert(&node.instance, (name, &**node));
            }
        }
        NodeView { nodes, by_instance }
    }

    pub(crate) fn of(&self, instance: &InstanceId) -> Option<(&'a NodeName, &'a Node)> {
        self.by_instance.get(instance).copied()
    }

    pub(crate) fn named(&self, name: &NodeName) -> Option<&'a Node> {
        match self.nodes {
            Nodes::Known(seen) => seen.nodes.get(name).map(|node| &**node),
            Nodes::NotAsked | Nodes::Unknown(_) => None,
        }
    }

    /// Pods of a node that has no Node object any more, as far as the API still has them.
    pub(crate) fn orphans(&self, name: &NodeName) -> u32 {
        match self.nodes {
            Nodes::Known(seen) => seen.orphans.get(name).copied().unwrap_or(0),
            Nodes::NotAsked | Nodes::Unknown(_) => 0,
        }
    }

    pub(crate) fn unknown(&self) -> Option<&'a Unseen> {
        match self.nodes {
            Nodes::Unknown(why) => Some(why),
            Nodes::NotAsked | Nodes::Known(_) => None,
        }
    }

    pub(crate) fn asked(&self) -> bool {
        !matches!(self.nodes, Nodes::NotAsked)
    }

    /// Who else is ending the node of an instance.
    pub(crate) fn leaves_by(&self, instance: &InstanceId) -> Option<LeavesBy> {
        self.of(instance).and_then(|(_, node)| node.leaves_by)
    }

    /// Whether the instance can take work: in service, healthy, and with a Ready node where its role has one and nodes are looked at.
    pub(crate) fn readiness(&self, role: Role, id: &InstanceId, instance: &Instance) -> Readiness {
        if !instance.lifecycle.rules().is_awaited {
            return Readiness::Aside;
        }
        if instance.lifecycle != Lifecycle::InService || instance.health != Health::Healthy {
            return Readiness::NotYet("is not in service");
        }
        if !role.rules().is_node {
            return Readiness::Ready;
        }
        match self.nodes {
            Nodes::NotAsked => Readiness::Ready,
            Nodes::Unknown(why) => Readiness::Unknown(why.clone()),
            Nodes::Known(_) => match self.of(id) {
                None => Readiness::NotYet("has no node yet"),
                Some((_, node)) if node.leaves_by.is_some() => Readiness::Aside,
                Some((_, node)) if !node.ready => Readiness::NotYet("has a node that is not Ready"),
                Some(_) => Readiness::Ready,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Market, Seen, Timestamp};

    fn instance(lifecycle: Lifecycle) -> Instance {
        Instance {
            lifecycle,
            health: Health::Healthy,
            zone: "a".into(),
            instance_type: "t3.micro".into(),
            market: Market::OnDemand,
            version: Some(1),
            launched_at: Timestamp::from_millis(0),
            protected: false,
        }
    }

    #[test]
    fn readiness_follows_the_tables_of_roles_and_states() {
        let nodes = Nodes::Known(Seen::default());
        let view = NodeView::new(&nodes);
        let id = InstanceId::new("i-0123456789abcdef0").unwrap();
        for role in Role::ALL {
            for state in Lifecycle::ALL {
                let is = view.readiness(role, &id, &instance(state));
                let (role, state) = (role.rules(), state.rules());
                let wanted = match (state.is_awaited, state.may_serve, role.is_node) {
                    (false, _, _) => Readiness::Aside,
                    (true, false, _) => Readiness::NotYet("is not in service"),
                    (true, true, true) => Readiness::NotYet("has no node yet"),
                    (true, true, false) => Readiness::Ready,
                };
                assert_eq!(is, wanted, "{role:?} {state:?}");
                assert_eq!(is.is_coming(), state.is_awaited && is != Readiness::Ready);
            }
        }
    }

    fn node(ready: bool, silent: bool) -> Node {
        let mut node: Node = serde_json::from_value(serde_json::json!({
            "instance": "i-1", "ready": ready, "unready_because": null, "kubelet": "v1.32.0", "control_plane": false, "cordoned": false,
            "ours": [], "tainted": false, "evictable_pods": 0, "leaving_pods": 0, "blocked": [], "sick": [], "components": [],
        }))
        .unwrap();
        node.silent_since = silent.then(|| Timestamp::from_millis(0));
        node
    }

    /// A kubelet that changed its name leaves the old Node object behind, whatever the names are.
    #[test]
    fn of_two_nodes_of_one_instance_the_ready_one_counts() {
        for (first, second, counts) in [
            (node(true, false), node(false, true), "a"),
            (node(false, true), node(true, false), "b"),
            (node(false, true), node(false, false), "b"),
            (node(false, false), node(false, true), "a"),
        ] {
            let nodes = Nodes::Known(Seen {
                nodes: [("a", first), ("b", second)]
                    .map(|(name, node)| (name.parse().unwrap(), node.into()))
                    .into(),
                ..Seen::default()
            });
            let view = NodeView::new(&nodes);
            let (name, _) = view.of(&"i-1".parse().unwrap()).unwrap();
            assert_eq!(name.as_str(), counts);
        }
    }
}
