//! The kinds of objects that are watched: where they are found, and what is kept of one.

use serde::de::DeserializeOwned;

use super::budgets::Budget;
use super::nodes::NodeFacts;
use super::pods::{Pod, Words};
use super::wire;

/// A version of the objects of one kind. Larger is newer, within a kind. Source: Kubernetes, KEP-5504 (comparable resource versions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u64);

impl Version {
    /// None: it is no number, and says nothing about what is newer.
    pub(super) fn new(text: Option<&str>) -> Option<Version> {
        text?.parse().ok().map(Version)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The connection of its own that each kind is watched over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Nodes,
    Pods,
    Budgets,
    Attachments,
}

/// A kind of objects.
pub(super) trait Kind: Sized + Send + 'static {
    /// What it is called in a right.
    const RESOURCE: &'static str;
    const LANE: Lane;
    /// Where all of them are.
    const ALL: &'static str;
    /// Where those of one namespace are, or all where they have none: a question for a name there is one of etcd's cheapest.
    const NEAR: &'static str;
    /// What is read of an object.
    type Wire: DeserializeOwned + Clone + Send + 'static;

    fn meta(found: &Self::Wire) -> &wire::Meta;
    /// What is kept of it. None: it has no name.
    fn facts(found: Self::Wire, words: &mut Words) -> Option<Self>;
}

impl Kind for NodeFacts {
    const RESOURCE: &'static str = "nodes";
    const LANE: Lane = Lane::Nodes;
    const ALL: &'static str = "/api/v1/nodes";
    const NEAR: &'static str = "/api/v1/nodes";
    type Wire = wire::Node;

    fn meta(found: &wire::Node) -> &wire::Meta {
        &found.metadata
    }

    fn facts(found: wire::Node, _: &mut Words) -> Option<NodeFacts> {
        NodeFacts::new(found)
    }
}

impl Kind for Pod {
    const RESOURCE: &'static str = "pods";
    const LANE: Lane = Lane::Pods;
    const ALL: &'static str = "/api/v1/pods";
    const NEAR: &'static str = "/api/v1/namespaces/kube-system/pods";
    type Wire = wire::Pod;

    fn meta(found: &wire::Pod) -> &wire::Meta {
        &found.metadata
    }

    fn facts(found: wire::Pod, words: &mut Words) -> Option<Pod> {
        Pod::new(found, words)
    }
}

impl Kind for Budget {
    const RESOURCE: &'static str = "poddisruptionbudgets";
    const LANE: Lane = Lane::Budgets;
    const ALL: &'static str = "/apis/policy/v1/poddisruptionbudgets";
    const NEAR: &'static str = "/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets";
    type Wire = wire::Budget;

    fn meta(found: &wire::Budget) -> &wire::Meta {
        &found.metadata
    }

    fn facts(found: wire::Budget, _: &mut Words) -> Option<Budget> {
        Budget::new(found)
    }
}
