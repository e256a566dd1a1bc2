//! The names kops gives things on AWS, cut and hashed where AWS limits their length. Knows no ids.

use std::collections::BTreeSet;

use crate::kops::Role;
use crate::model::{AsgName, ClusterName, GroupName, NameError};

/// Longest name of a target group.
const TARGET_GROUP: usize = 32;
/// Longest name of an instance profile.
const INSTANCE_PROFILE: usize = 64;
/// Digits of the hash behind a cut name.
const HASH: usize = 6;

/// The name of a group's AutoScalingGroup and launch template: never cut.
pub(super) fn group(
    group: &GroupName,
    role: Role,
    cluster: &ClusterName,
) -> Result<AsgName, NameError> {
    AsgName::new(match role {
        Role::ControlPlane => format!("{group}.masters.{cluster}"),
        Role::ApiServer => format!("{group}.apiservers.{cluster}"),
        Role::Node | Role::Bastion => format!("{group}.{cluster}"),
    })
}

/// The security group of a role: API servers have that of control planes.
pub(super) fn security_group(role: Role, cluster: &ClusterName) -> String {
    let prefix = match role {
        Role::ControlPlane | Role::ApiServer => "masters",
        Role::Node => "nodes",
        Role::Bastion => "bastion",
    };
    format!("{prefix}.{cluster}")
}

/// The names of all security groups that kops makes for a cluster.
pub fn security_groups(cluster: &ClusterName) -> BTreeSet<String> {
    [Role::ControlPlane, Role::Node, Role::Bastion]
        .into_iter()
        .map(|role| security_group(role, cluster))
        .collect()
}

/// The names of all target groups that kops makes for a cluster.
pub fn target_groups(cluster: &ClusterName) -> BTreeSet<String> {
    ["tcp", "tls", "kops-controller", "etcd-cilium", "bastion"]
        .into_iter()
        .map(|prefix| target_group(prefix, cluster))
        .collect()
}

/// The instance profile of a role.
pub(super) fn instance_profile(role: Role, cluster: &ClusterName) -> String {
    let prefix = match role {
        Role::ControlPlane => "masters",
        Role::ApiServer => "apiservers",
        Role::Node => "nodes",
        Role::Bastion => "bastions",
    };
    let name = format!("{prefix}.{cluster}");
    if name.len() <= INSTANCE_PROFILE {
        name
    } else {
        hashed(&name, INSTANCE_PROFILE)
    }
}

/// A target group: hashed even when it is short.
pub(super) fn target_group(prefix: &str, cluster: &ClusterName) -> String {
    hashed(
        &format!("{prefix}-{}", cluster.as_str().replace('.', "-")),
        TARGET_GROUP,
    )
}

/// A subnet that kops makes.
pub(super) fn subnet(name: &str, cluster: &ClusterName) -> String {
    format!("{name}.{cluster}")
}

/// The first characters of `name` and a hash of all of it, `limit` characters at most.
fn hashed(name: &str, limit: usize) -> String {
    let kept: String = name.chars().take(limit.saturating_sub(HASH + 1)).collect();
    format!("{kept}-{}", hash(name))
}

/// FNV-1a (32 bits, big-endian) in lower-case base32hex, the first six digits.
fn hash(text: &str) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    let sum = text.bytes().fold(0x811c_9dc5_u32, |sum, byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let digit = |i: u32| {
        DIGITS
            .get(usize::try_from(sum >> (27 - 5 * i) & 31).unwrap_or_default())
            .copied()
            .unwrap_or_default()
    };
    (0..6).map(|i| char::from(digit(i))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_what_kops_made() {
        let target =
            |prefix, cluster: &str| target_group(prefix, &ClusterName::new(cluster).unwrap());
        assert_eq!(
            target("tcp", "complex.example.com"),
            "tcp-complex-example-com-vpjolq"
        );
        assert_eq!(
            target("tls", "complex.example.com"),
            "tls-complex-example-com-5nursn"
        );
        assert_eq!(
            target("bastion", "privatecalico.example.com"),
            "bastion-privatecalico-exa-hocohm"
        );
        assert_eq!(
            target("tcp", "privatecalico.example.com"),
            "tcp-privatecalico-example-lveo5b"
        );
    }

    #[test]
    fn long_profile_names_are_cut_and_hashed() {
        let long = ClusterName::new(format!(
            "this.is.truly.a.{}long.cluster-name.minimal.example.com",
            "really.".repeat(5)
        ))
        .unwrap();
        assert_eq!(
            instance_profile(Role::Node, &long),
            "nodes.this.is.truly.a.really.really.really.really.really.-d86ibl"
        );
        assert!(instance_profile(Role::ControlPlane, &long).ends_with("-g6fsnu"));
        let fits = ClusterName::new(format!("{}.example.com", "a".repeat(46))).unwrap();
        assert_eq!(
            instance_profile(Role::Node, &fits),
            format!("nodes.{fits}"),
            "64 characters fit"
        );
    }
}
