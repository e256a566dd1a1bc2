//! Rules for cloud labels and node labels, which end up as AWS tags. Builds no tags.

use super::error::Problems;
use super::view::View;

/// Cloud labels must not take the keys that kops itself writes; `group`: the group whose own name its label may carry.
pub(super) fn check_cloud_labels(spec: View<'_>, group: Option<&str>, problems: &mut Problems) {
    for (key, value, pos) in spec.pairs("cloudLabels") {
        let own = key == "kops.k8s.io/instancegroup" && group == Some(value);
        let reserved = matches!(key, "Name" | "KubernetesCluster")
            || ["kubernetes.io/cluster/", "k8s.io/role/", "kops.k8s.io/"]
                .iter()
                .any(|prefix| key.starts_with(prefix));
        if reserved && !own {
            problems.error(
                pos,
                format!("the cloud label `{key}` is reserved: kops writes it itself"),
            );
        }
    }
}

/// Node label keys have at most one `/`.
pub(super) fn check_node_labels(spec: View<'_>, problems: &mut Problems) {
    for (key, _, pos) in spec.pairs("nodeLabels") {
        if key.matches('/').count() > 1 {
            problems.error(pos, format!("the node label `{key}` has more than one `/`"));
        }
    }
}
