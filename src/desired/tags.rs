//! The tags of a group, one map for AutoScalingGroup, instances, volumes and network interfaces. Source: kops 1.37, `pkg/model` and its golden outputs.

use std::collections::BTreeMap;

use crate::kops::{Cluster, InstanceGroup, LABEL_TAG, Role, Subject, TAINT_TAG, ended};
use crate::model::{AsgName, KopsVersion};

/// The kops that makes the tags.
#[derive(Clone, Copy, Debug)]
pub(super) struct TaggingKops {
    pub(super) version: KopsVersion,
    /// Its feature flag of groups with API servers only, which labels control planes too.
    pub(super) api_server_nodes: bool,
}

/// All tags; later entries replace earlier ones of the same key, in kops' order.
pub(super) fn tags(
    cluster: &Cluster,
    group: &InstanceGroup,
    asg: &AsgName,
    kops: TaggingKops,
) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::from([
        ("Name".to_owned(), asg.to_string()),
        ("KubernetesCluster".to_owned(), cluster.name.to_string()),
        (
            format!("kubernetes.io/cluster/{}", cluster.name),
            "owned".to_owned(),
        ),
    ]);
    tags.extend(cluster.cloud_labels.clone());
    tags.extend(group.cloud_labels.clone());
    if let Some(tag) = cluster
        .termination_queue
        .as_ref()
        .and_then(|q| q.managed_asg_tag.clone())
    {
        tags.entry(tag).or_default();
    }
    tags.extend(
        node_labels(cluster, group, kops.api_server_nodes)
            .into_iter()
            .map(|(label, value)| (format!("{LABEL_TAG}{label}"), value)),
    );
    let all_taints = ended(Subject::UntaggedTaints, kops.version, None).is_some();
    for taint in group
        .taints
        .iter()
        .filter(|t| t.value.is_some() || all_taints)
    {
        if let Some(effect) = &taint.effect {
            tags.insert(
                format!("{TAINT_TAG}{}", taint.key),
                format!("{}:{effect}", taint.value.as_deref().unwrap_or_default()),
            );
        }
    }
    tags.extend(
        role_tags(group.role)
            .iter()
            .map(|key| ((*key).to_owned(), "1".to_owned())),
    );
    tags.insert(
        "kops.k8s.io/instancegroup".to_owned(),
        group.name.to_string(),
    );
    tags
}

/// The labels without a value that kops gives to nodes of a role.
fn role_labels(role: Role, api_server_nodes: bool) -> Vec<&'static str> {
    const API_SERVER: &str = "node-role.kubernetes.io/api-server";
    match role {
        Role::ControlPlane => {
            let mut labels = vec![
                "node-role.kubernetes.io/control-plane",
                "kops.k8s.io/kops-controller-pki",
                "node.kubernetes.io/exclude-from-external-load-balancers",
            ];
            labels.extend(api_server_nodes.then_some(API_SERVER));
            labels
        }
        Role::ApiServer => vec![API_SERVER],
        Role::Node => vec!["node-role.kubernetes.io/node"],
        Role::Bastion => Vec::new(),
    }
}

/// The labels that the nodes of a group get. `api_server_nodes`: kops' feature flag, which marks control planes too.
pub(super) fn node_labels(
    cluster: &Cluster,
    group: &InstanceGroup,
    api_server_nodes: bool,
) -> BTreeMap<String, String> {
    // Source: kops, `upup/pkg/fi/cloudup/spec_builder.go`: a control plane's kubelet is `kubelet`, then `masterKubelet`, then the group's own.
    let mut labels = cluster.kubelet_labels.clone();
    if group.role == Role::ControlPlane {
        labels.extend(cluster.control_plane_labels.clone());
    }
    labels.extend(group.kubelet_labels.clone());
    let of_role = role_labels(group.role, api_server_nodes);
    labels.extend(of_role.into_iter().map(|l| (l.to_owned(), String::new())));
    labels.extend(group.node_labels.clone());
    labels
}

fn role_tags(role: Role) -> &'static [&'static str] {
    match role {
        Role::ControlPlane => &["k8s.io/role/master", "k8s.io/role/control-plane"],
        Role::Node => &["k8s.io/role/node"],
        Role::ApiServer => &["k8s.io/role/apiserver"],
        Role::Bastion => &["k8s.io/role/bastion"],
    }
}
