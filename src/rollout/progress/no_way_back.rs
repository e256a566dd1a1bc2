//! What a rollout has done and no rollback takes back. Decides nothing.

use std::collections::BTreeSet;

use super::state::Progress;
use crate::model::{AsgName, ClusterName};
use crate::rollout::schedule::{ClusterRun, Rollout};

/// A cluster among these whose control plane kops was asked to bring to a newer minor version of Kubernetes: its etcd and its API objects move with it,
/// and Kubernetes takes neither back. Source: Kubernetes documentation, "Version Skew Policy", "kube-apiserver upgrade"; kops documentation,
/// "Upgrading Kubernetes" (no downgrade).
pub(crate) fn no_way_back(
    rollout: &Rollout,
    progress: &Progress,
    clusters: &BTreeSet<ClusterName>,
) -> Option<ClusterName> {
    let stays = |run: &&ClusterRun| {
        let found = progress.clusters.get(&run.cluster);
        let asked =
            |asg: &AsgName| found.is_some_and(|c| c.groups.get(asg).is_some_and(|g| g.kops_asked));
        let mut planes = run
            .groups
            .iter()
            .filter(|g| g.role.rules().proves_control_plane);
        run.kops.as_ref().is_some_and(|k| k.no_way_back) && planes.any(|g| asked(&g.asg))
    };
    let mut runs = rollout
        .clusters()
        .filter(|run| clusters.contains(&run.cluster));
    runs.find(stays).map(|run| run.cluster.clone())
}
