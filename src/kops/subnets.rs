//! Which subnets a group is in: as written, or what kops takes when nothing is written. Resolves no ids.

use super::cluster::{Cluster, Subnet, SubnetKind};
use super::error::Problems;
use super::role::Role;
use super::view::View;

/// The subnets of a group, at least one and all of one kind. None: a fault was found.
pub(super) fn resolve(
    spec: View<'_>,
    role: Role,
    cluster: &Cluster,
    problems: &mut Problems,
) -> Option<Vec<Subnet>> {
    let written = spec.items("subnets");
    let before = problems.errors.len();
    let mut found: Vec<Subnet> = Vec::new();
    for (name, pos) in &written {
        match cluster.subnets.iter().find(|s| s.name == *name) {
            None => problems.error_hint(
                *pos,
                format!("the cluster has no subnet `{name}`"),
                known(cluster),
            ),
            Some(subnet) if found.contains(subnet) => {
                problems.error(*pos, format!("the subnet `{name}` stands here twice"))
            }
            Some(subnet) => found.push(subnet.clone()),
        }
    }
    if written.is_empty() {
        if role == Role::ControlPlane {
            problems.error(
                spec.at("subnets"),
                "a control-plane group must name its subnets",
            );
        } else {
            found = default(role, cluster);
        }
    }
    if found
        .windows(2)
        .any(|pair| pair.first().map(|s| s.kind) != pair.last().map(|s| s.kind))
    {
        problems.error(
            spec.at("subnets"),
            "the subnets of a group must all be of one type",
        );
    }
    if found.is_empty() && problems.errors.len() == before {
        problems.error(
            spec.at("subnets"),
            "the group names no subnets and the cluster has none to take by default",
        );
    }
    (problems.errors.len() == before).then_some(found)
}

fn known(cluster: &Cluster) -> String {
    let names: Vec<&str> = cluster.subnets.iter().map(|s| s.name.as_str()).collect();
    format!("it has {}", names.join(", "))
}

/// What kops takes when a group names no subnets, in the order of the cluster.
fn default(role: Role, cluster: &Cluster) -> Vec<Subnet> {
    let without = |kinds: &[SubnetKind]| {
        cluster
            .subnets
            .iter()
            .filter(|s| !kinds.contains(&s.kind))
            .cloned()
            .collect::<Vec<_>>()
    };
    if role == Role::ApiServer && cluster.ipv6_only {
        return without(&[SubnetKind::Private, SubnetKind::Utility]);
    }
    let first = without(&[SubnetKind::DualStack, SubnetKind::Utility]);
    if first.is_empty() {
        without(&[SubnetKind::Utility])
    } else {
        first
    }
}
