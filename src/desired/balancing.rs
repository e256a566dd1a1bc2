//! Which load balancers a group is attached to. Resolves no ids.

use std::collections::BTreeSet;

use super::names::target_group;
use crate::kops::{Cluster, Dns, ExternalLoadBalancer, InstanceGroup, Role};

/// Target groups: those of the cluster by the name kops gives them, the manifest's own by ARN.
pub(super) fn target_groups(cluster: &Cluster, group: &InstanceGroup) -> BTreeSet<String> {
    let mut prefixes = Vec::new();
    if let Some(api) = &cluster.api_load_balancer
        && serves_api(group.role)
    {
        prefixes.push("tcp");
        if api.tls {
            prefixes.push("tls");
        }
    }
    if group.role == Role::ControlPlane && cluster.dns == Dns::None {
        prefixes.push("kops-controller");
        if cluster.cilium_etcd {
            prefixes.push("etcd-cilium");
        }
    }
    if group.role == Role::Bastion {
        prefixes.push("bastion");
    }
    let own = prefixes
        .into_iter()
        .map(|prefix| target_group(prefix, &cluster.name));
    let external = group.load_balancers.iter().filter_map(|lb| match lb {
        ExternalLoadBalancer::TargetGroup(arn) => Some(arn.clone()),
        ExternalLoadBalancer::Classic(_) => None,
    });
    own.chain(external).collect()
}

/// Classic load balancers, by name.
pub(super) fn classic(group: &InstanceGroup) -> BTreeSet<String> {
    let name = |lb: &ExternalLoadBalancer| match lb {
        ExternalLoadBalancer::Classic(name) => Some(name.clone()),
        ExternalLoadBalancer::TargetGroup(_) => None,
    };
    group.load_balancers.iter().filter_map(name).collect()
}

/// Whether instances of the role answer for the Kubernetes API.
pub(super) fn serves_api(role: Role) -> bool {
    match role {
        Role::ControlPlane | Role::ApiServer => true,
        Role::Node | Role::Bastion => false,
    }
}
