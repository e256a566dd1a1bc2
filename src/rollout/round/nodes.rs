//! The nodes of a cluster by instance, and whether an instance can take work. What is not known is never "no".

use std::collections::BTreeMap;

use crate::model::{Health, Instance, InstanceId, Lifecycle, Node, NodeName, Nodes, Unseen};

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
    /// Not yet.
    NotYet(&'static str),
    /// The Kubernetes API does not answer.
    Unknown(Unseen),
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

    /// Whether the instance can take work: in service, healthy, and with a Ready node where nodes are looked at.
    pub(crate) fn readiness(&self, id: &InstanceId, instance: &Instance) -> Readiness {
        if instance.lifecycle != Lifecycle::InService || instance.health != Health::Healthy {
            return Readiness::NotYet("is not in service");
        }
        match self.nodes {
            Nodes::NotAsked => Readiness::Ready,
            Nodes::Unknown(why) => Readiness::Unknown(why.clone()),
            Nodes::Known(_) => match self.of(id) {
                None => Readiness::NotYet("has no node yet"),
                Some((_, node)) if !node.ready => Readiness::NotYet("has a node that is not Ready"),
                Some(_) => Readiness::Ready,
            },
        }
    }
}
