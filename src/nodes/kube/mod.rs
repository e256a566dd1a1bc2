//! The clusters' own APIs, through the `kube` crate: the only home of its types. Decides nothing.
//!
//! A context of the kubeconfig is connected to when it is first needed, and kept. Before anything is read or done, the
//! cluster behind it is held against the one that is meant; a connection that fails is forgotten, so that the next one
//! asks the credential plugin anew.

mod call;
mod connect;
mod effects;
mod pods;
mod read;

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::sync::Mutex;

use super::{Access, NodeApi, NodeError};
use crate::model::{Applied, ClusterName, NodeEffect, Nodes};
use call::Fault;
use connect::Connection;

/// The Kubernetes APIs of a fleet.
#[derive(Debug)]
pub struct Clusters {
    /// How each cluster that can be asked is reached.
    access: BTreeMap<ClusterName, Access>,
    /// A kubeconfig in place of the user's own (`KUBECONFIG`, else `~/.kube/config`).
    kubeconfig: Option<PathBuf>,
    connections: Mutex<BTreeMap<ClusterName, Connection>>,
}

impl Clusters {
    /// Gets ready to ask; asks nothing yet.
    pub fn new(access: BTreeMap<ClusterName, Access>, kubeconfig: Option<PathBuf>) -> Clusters {
        Clusters {
            access,
            kubeconfig,
            connections: Mutex::default(),
        }
    }

    async fn connection(
        &self,
        cluster: &ClusterName,
        access: &Access,
    ) -> Result<Connection, Fault> {
        let mut connections = self.connections.lock().await;
        if let Some(connection) = connections.get(cluster) {
            return Ok(connection.clone());
        }
        let foreign: Vec<&ClusterName> = self
            .access
            .keys()
            .filter(|other| *other != cluster)
            .collect();
        let connection = connect::connect(access, self.kubeconfig.as_deref(), &foreign).await?;
        connections.insert(cluster.clone(), connection.clone());
        Ok(connection)
    }

    /// Credentials may have expired, or the API moved: the next call begins anew.
    async fn forget<T>(&self, cluster: &ClusterName, result: Result<T, Fault>) -> Result<T, Fault> {
        if let Err(Fault::Silent(_) | Fault::Unauthorized(_)) = &result {
            self.connections.lock().await.remove(cluster);
        }
        result
    }

    async fn look(
        &self,
        cluster: &ClusterName,
        access: &Access,
    ) -> Result<crate::model::Seen, Fault> {
        let connection = self.connection(cluster, access).await?;
        self.forget(cluster, read::seen(&connection).await).await
    }

    async fn carry_out(
        &self,
        cluster: &ClusterName,
        access: &Access,
        effect: &NodeEffect,
    ) -> Result<Applied, Fault> {
        let connection = self.connection(cluster, access).await?;
        self.forget(cluster, effects::apply(&connection, effect).await)
            .await
    }
}

impl NodeApi for Clusters {
    async fn nodes(&self, cluster: &ClusterName) -> Nodes {
        match self.access.get(cluster) {
            None => Nodes::NotAsked,
            Some(access) => match self.look(cluster, access).await {
                Ok(seen) => Nodes::Known(seen),
                Err(fault) => Nodes::Unknown(fault.to_string()),
            },
        }
    }

    async fn act(&self, cluster: &ClusterName, effect: &NodeEffect) -> Result<Applied, NodeError> {
        let cluster = cluster.clone();
        let Some(access) = self.access.get(&cluster) else {
            return Err(NodeError::Refused {
                cluster,
                message: "no context is configured for it".into(),
            });
        };
        match self.carry_out(&cluster, access, effect).await {
            Ok(applied) => Ok(applied),
            Err(fault @ (Fault::Silent(_) | Fault::Unauthorized(_) | Fault::Busy(_))) => {
                Err(NodeError::Unreachable {
                    cluster,
                    message: fault.to_string(),
                })
            }
            Err(
                fault @ (Fault::Gone | Fault::Conflict(_) | Fault::Refused(_) | Fault::Stranger(_)),
            ) => Err(NodeError::Refused {
                cluster,
                message: fault.to_string(),
            }),
        }
    }
}
