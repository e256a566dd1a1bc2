//! The [`NodeApi`] trait: what a roll needs from a cluster's own API, in our words. Decides nothing.

use std::future::Future;

use crate::model::{Applied, ClusterName, NodeEffect, Nodes, Unseen};

#[cfg(feature = "kubernetes")]
pub mod kube;

/// How the Kubernetes API of a cluster is reached, and what is known of the cluster behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAccess {
    /// Context of the kubeconfig.
    pub context: String,
    /// Uid of its namespace `kube-system`, from the baseline: another one is another cluster, and refused.
    pub uid: Option<String>,
}

/// The Kubernetes API of the clusters of a fleet.
pub trait NodeApi: Send + Sync {
    /// From now on only the cluster with this uid (of its namespace `kube-system`) is meant by that name: the rollout has seen it. Nothing is
    /// read or done on a connection that leads to another one.
    fn expect(&self, cluster: &ClusterName, uid: &str) {
        let _ = (cluster, uid);
    }

    /// The nodes of a cluster; an API that does not answer is [`Nodes::Unknown`], never no nodes.
    fn nodes(&self, cluster: &ClusterName) -> impl Future<Output = Nodes> + Send;

    /// Carries out one effect on a node. A node that is gone is [`Applied::Already`], one that is another instance [`Applied::Moved`].
    fn act(
        &self,
        cluster: &ClusterName,
        effect: &NodeEffect,
    ) -> impl Future<Output = Result<Applied, NodeError>> + Send;
}

/// What the Kubernetes API refused or could not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// No answer: whether it happened is not known.
    #[error("the Kubernetes API of {cluster} does not answer: {message}")]
    Unreachable {
        cluster: ClusterName,
        /// What was seen.
        message: String,
    },
    /// Nothing was asked: the way to the cluster's API is shut until a person puts it right.
    #[error("{cluster}: {unseen}")]
    Shut {
        cluster: ClusterName,
        /// What is wrong.
        unseen: Unseen,
    },
    /// The API said no: a right, an admission webhook or a policy. It did not happen.
    #[error("the Kubernetes API of {cluster} refuses: {message}")]
    Denied {
        cluster: ClusterName,
        /// Its words.
        message: String,
    },
}
