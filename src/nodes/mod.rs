//! The [`NodeApi`] trait: what a roll needs from a cluster's own API, in our words. Decides nothing.

use std::future::Future;

use crate::model::{Applied, ClusterName, NodeEffect, Nodes};

#[cfg(feature = "kubernetes")]
pub mod kube;

/// How the Kubernetes API of a cluster is reached, and what is known of the cluster behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Context of the kubeconfig.
    pub context: String,
    /// Uid of its namespace `kube-system`, from the baseline: another one is another cluster, and refused.
    pub uid: Option<String>,
}

/// The Kubernetes API of the clusters of a fleet.
pub trait NodeApi: Send + Sync {
    /// The nodes of a cluster; an API that does not answer is [`Nodes::Unknown`], never no nodes.
    fn nodes(&self, cluster: &ClusterName) -> impl Future<Output = Nodes> + Send;

    /// Carries out one effect on a node. A node that is gone is [`Applied::Already`].
    fn act(
        &self,
        cluster: &ClusterName,
        effect: &NodeEffect,
    ) -> impl Future<Output = Result<Applied, NodeError>> + Send;
}

/// What the Kubernetes API refused or could not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// No answer.
    #[error("the Kubernetes API of {cluster} does not answer: {message}")]
    Unreachable {
        /// Cluster.
        cluster: ClusterName,
        /// What was seen.
        message: String,
    },
    /// Refused for good.
    #[error("the Kubernetes API of {cluster} refuses: {message}")]
    Refused {
        /// Cluster.
        cluster: ClusterName,
        /// Its words.
        message: String,
    },
}
