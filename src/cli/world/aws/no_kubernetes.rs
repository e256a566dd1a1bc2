//! What stands for the clusters' own APIs in a build that cannot ask them.

use std::collections::BTreeMap;

use crate::model::{Applied, ClusterName, NodeEffect, Nodes, Timestamp, Unseen, UnseenKind};
use crate::nodes::{NodeAccess, NodeApi, NodeError};

pub(in crate::cli) struct Clusters {
    access: BTreeMap<ClusterName, NodeAccess>,
}

impl Clusters {
    pub(in crate::cli) fn new(
        access: BTreeMap<ClusterName, NodeAccess>,
        _: Option<std::path::PathBuf>,
        _: fn() -> Timestamp,
    ) -> Clusters {
        Clusters { access }
    }

    pub(in crate::cli) fn attended_by(self, _: Option<std::path::PathBuf>) -> Clusters {
        self
    }
}

fn no_client() -> Unseen {
    Unseen {
        kind: UnseenKind::Context,
        why: "this build has no Kubernetes client".into(),
    }
}

impl NodeApi for Clusters {
    async fn nodes(&self, cluster: &ClusterName) -> Nodes {
        if self.access.contains_key(cluster) {
            Nodes::Unknown(no_client())
        } else {
            Nodes::NotAsked
        }
    }

    async fn act(&self, cluster: &ClusterName, _: &NodeEffect) -> Result<Applied, NodeError> {
        Err(NodeError::Shut {
            cluster: cluster.clone(),
            unseen: no_client(),
        })
    }
}
