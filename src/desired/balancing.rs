//! Which load balancers a group is attached to. Resolves no ids.

use std::collections::BTreeSet;

use super::names::target_group;
use crate::kops::{Cluster, Dns, ExternalLoadBalancer, InstanceGroup, LoadBalancerClass, Role};

/// Target groups: those of the cluster by the name kops gives them, the manifest's own by ARN.
pub(super) fn target_groups(cluster: &Cluster, group: &InstanceGroup) -> BTreeSet<String> {
    let mut prefixes = Vec::new();
    if let Some(api) = &cluster.api_load_balancer
        && api.class == LoadBalancerClass::Network
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

/// Classic load balancers by name: that of the API as kops names it (like a target group), the manifest's own as written.
pub(super) fn classic(cluster: &Cluster, group: &InstanceGroup) -> BTreeSet<String> {
    let api = cluster
        .api_load_balancer
        .iter()
        .filter(|api| api.class == LoadBalancerClass::Classic && serves_api(group.role))
        .map(|_| target_group("api", &cluster.name));
    let name = |lb: &ExternalLoadBalancer| match lb {
        ExternalLoadBalancer::Classic(name) => Some(name.clone()),
        ExternalLoadBalancer::TargetGroup(_) => None,
    };
    api.chain(group.load_balancers.iter().filter_map(name))
        .collect()
}

/// Whether instances of the role answer for the Kubernetes API.
pub(super) fn serves_api(role: Role) -> bool {
    match role {
        Role::ControlPlane | Role::ApiServer => true,
        Role::Node | Role::Bastion => false,
    }
}
