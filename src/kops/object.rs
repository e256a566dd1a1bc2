//! A document as a whole, and a group as the rules between documents see it. Checks nothing.

use serde_json::Value as Json;

use super::role::Role;
use crate::yaml::{Node, Pos};

/// A document that is carried along whole.
#[derive(Clone, Debug, PartialEq)]
pub struct ManifestObject {
    /// `kind`.
    pub kind: String,
    /// `metadata.namespace`.
    pub namespace: Option<String>,
    /// `metadata.name`; configuration objects such as KubeSchedulerConfiguration have none.
    pub name: Option<String>,
    /// Where it begins.
    pub pos: Pos,
    /// The whole document.
    pub value: Json,
}

impl ManifestObject {
    /// `Kind/name` or `Kind/namespace/name`; `Kind` when it has no name.
    pub fn key(&self) -> String {
        let parts = [
            Some(self.kind.as_str()),
            self.namespace.as_deref(),
            self.name.as_deref(),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("/")
    }
}

/// A group as the rules between documents see it.
pub(super) struct GroupMember<'a> {
    pub(super) name: &'a str,
    pub(super) role: Role,
    pub(super) pos: Pos,
    pub(super) role_pos: Pos,
}

/// `Kind/name` as far as there are such.
pub(super) fn label(root: &Node) -> String {
    let text = |node: Option<&Node>| node.and_then(Node::as_str).unwrap_or("?").to_owned();
    format!(
        "{}/{}",
        text(root.get("kind")),
        text(root.at(["metadata", "name"]))
    )
}
