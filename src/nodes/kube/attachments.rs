//! Which volumes are attached to the nodes that are being emptied, and whose claims they are. Asked while there are such nodes, and not before. Judges nothing.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PersistentVolume;
use kube::api::Api;

use super::call::{Fault, call};
use super::connect::Connection;
use super::kinds::{Kind, Lane};
use super::nodes::NodeFacts;
use super::pods::Words;
use super::table::Table;
use super::watch::renew;
use super::wire;
use crate::model::{NodeMark, NodeName};

/// One VolumeAttachment: it is there from when a volume is asked for until it has left its node. Source: Kubernetes API, `storage.k8s.io/v1`.
#[derive(Clone, Debug)]
pub(super) struct Attachment {
    node: Box<str>,
    volume: Box<str>,
}

impl Kind for Attachment {
    const RESOURCE: &'static str = "volumeattachments";
    const LANE: Lane = Lane::Attachments;
    const ALL: &'static str = "/apis/storage.k8s.io/v1/volumeattachments";
    const NEAR: &'static str = "/apis/storage.k8s.io/v1/volumeattachments";
    type Wire = wire::Attachment;

    fn meta(found: &wire::Attachment) -> &wire::Meta {
        &found.metadata
    }

    fn facts(found: wire::Attachment, _: &mut Words) -> Option<Attachment> {
        Some(Attachment {
            node: found.spec.node_name.into(),
            volume: found.spec.source.persistent_volume_name?.into(),
        })
    }
}

/// By node, the volumes attached to it, by claim.
pub(super) type ByNode = BTreeMap<NodeName, BTreeMap<String, String>>;

/// What is known of attachments.
#[derive(Default)]
pub(super) struct Attachments {
    table: Option<Table<Attachment>>,
    /// Whose each volume is. None: without an owner, or more than one node can have it. A volume stays what it is as long as it is attached.
    claims: BTreeMap<Box<str>, Option<String>>,
}

impl Attachments {
    /// Brings them up to what is there now, where they are known.
    pub(super) async fn renew(
        &mut self,
        connection: &Connection,
        continues: bool,
    ) -> Result<(), Fault> {
        if self.table.is_none() || !connection.volumes_unseen.is_empty() {
            return Ok(());
        }
        renew(&mut self.table, connection, continues).await
    }

    /// What is attached to the nodes that we have cordoned.
    pub(super) async fn of_emptied(
        &mut self,
        nodes: &Table<NodeFacts>,
        connection: &Connection,
    ) -> Result<ByNode, Fault> {
        let emptied: Vec<NodeName> = nodes
            .all()
            .filter_map(|facts| facts.node.as_ref())
            .filter(|(_, node)| node.ours.contains(&NodeMark::Cordoned))
            .map(|(name, _)| name.clone())
            .collect();
        if emptied.is_empty() || !connection.volumes_unseen.is_empty() {
            *self = Attachments::default();
            return Ok(ByNode::new());
        }
        if self.table.is_none() {
            renew(&mut self.table, connection, false).await?;
        }
        let Attachments { table, claims } = self;
        let mut found = ByNode::new();
        for attachment in table.iter().flat_map(Table::all) {
            let on = emptied
                .iter()
                .find(|name| *name.as_str() == *attachment.node);
            let Some(on) = on else { continue };
            if !claims.contains_key(&attachment.volume) {
                let claim = claim_of(connection, &attachment.volume).await?;
                claims.insert(attachment.volume.clone(), claim);
            }
            if let Some(claim) = claims.get(&attachment.volume).cloned().flatten() {
                let volumes = found.entry(on.clone()).or_default();
                volumes.insert(claim, attachment.volume.to_string());
            }
        }
        Ok(found)
    }
}

/// Whose volume it is, `namespace/name` of the claim; none: it is left over, or more than one node can have it at a time.
async fn claim_of(connection: &Connection, volume: &str) -> Result<Option<String>, Fault> {
    let volumes: Api<PersistentVolume> = Api::all(connection.client.clone());
    let found = match call(|| volumes.get(volume)).await {
        Ok(found) => found,
        Err(Fault::Gone) => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let Some(spec) = found.spec else {
        return Ok(None);
    };
    // Source: Kubernetes, "Persistent Volumes", access modes.
    let shared = |mode: &String| matches!(mode.as_str(), "ReadWriteMany" | "ReadOnlyMany");
    if spec.access_modes.iter().flatten().any(shared) {
        return Ok(None);
    }
    let claim = spec.claim_ref.unwrap_or_default();
    Ok(claim
        .namespace
        .zip(claim.name)
        .map(|(namespace, name)| format!("{namespace}/{name}")))
}
