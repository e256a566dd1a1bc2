//! The rules between the documents of a cluster: there is one Cluster, names are unique, etcd members and groups know each other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::cluster::{Cluster, Dns};
use super::error::Problems;
use super::object::{GroupMember, ManifestObject, label};
use super::role::Role;
use crate::yaml::{Node, Pos};

/// Checks everything that takes more than one document to see.
pub(super) fn check(
    clusters: &[&Node],
    cluster: Option<&Cluster>,
    groups: &[&Node],
    members: &[GroupMember<'_>],
    problems: &mut Problems,
) {
    one_cluster(clusters, problems);
    unique(members, problems);
    let Some(cluster) = cluster else { return };
    problems.of(format!("Cluster/{}", cluster.name));
    if groups.is_empty() {
        problems.error_hint(
            cluster.pos,
            "there is no InstanceGroup beside the Cluster",
            "a Cluster is read with its groups: `kops get --name CLUSTER -o yaml` prints both",
        );
        return;
    }
    whole(cluster, members, problems);
    etcd(cluster, members, problems);
    for member in members
        .iter()
        .filter(|m| m.role == Role::ApiServer && cluster.dns == Dns::None)
    {
        problems.of(format!("InstanceGroup/{}", member.name));
        problems.error(
            member.role_pos,
            "groups of role APIServer are not possible with `topology.dns.type: None`",
        );
    }
}

fn one_cluster(clusters: &[&Node], problems: &mut Problems) {
    if clusters.is_empty() {
        problems.of("Cluster/?");
        problems.error_hint(
            Pos { line: 1, column: 1 },
            "there is no document of kind Cluster (kops.k8s.io/v1alpha2)",
            "groups are read with their Cluster: `kops get --name CLUSTER -o yaml` prints both",
        );
    }
    for second in clusters.iter().skip(1) {
        problems.of(label(second));
        problems.error(
            second.pos,
            "a second Cluster: the manifests of one cluster are read at a time",
        );
    }
}

fn unique(members: &[GroupMember<'_>], problems: &mut Problems) {
    let mut seen: BTreeMap<&str, Pos> = BTreeMap::new();
    for member in members {
        if let Some(first) = seen.insert(member.name, member.pos) {
            problems.of(format!("InstanceGroup/{}", member.name));
            problems.error(
                member.pos,
                format!("the group is defined twice, first at line {}", first.line),
            );
        }
    }
}

fn whole(cluster: &Cluster, members: &[GroupMember<'_>], problems: &mut Problems) {
    let control_planes = members
        .iter()
        .filter(|m| m.role == Role::ControlPlane)
        .count();
    if control_planes == 0 {
        problems.error(cluster.pos, "the cluster has no control-plane group");
    }
    if control_planes == members.len() {
        problems.error(
            cluster.pos,
            "the cluster has no group beside control planes",
        );
    }
}

/// Every member's group exists and is a control plane, and every control plane has a member in every etcd cluster.
fn etcd(cluster: &Cluster, members: &[GroupMember<'_>], problems: &mut Problems) {
    let control_planes: BTreeSet<&str> = members
        .iter()
        .filter(|m| m.role == Role::ControlPlane)
        .map(|m| m.name)
        .collect();
    for etcd in &cluster.etcd_clusters {
        for (group, pos) in etcd
            .members
            .iter()
            .filter(|(g, _)| !control_planes.contains(g.as_str()))
        {
            problems.error(*pos, format!("the etcd cluster `{}` has a member in `{group}`, which is no control-plane group here", etcd.name));
        }
        let with_member: BTreeSet<&str> = etcd.members.iter().map(|(g, _)| g.as_str()).collect();
        for group in control_planes.difference(&with_member) {
            problems.error(
                etcd.pos,
                format!(
                    "the control-plane group `{group}` has no member in the etcd cluster `{}`",
                    etcd.name
                ),
            );
        }
    }
}

/// The file by which a scheduler finds the API is kops' own. Source: kops, `pkg/apis/kops/validation/additionalobjects.go`.
pub(super) fn schedulers(others: &[ManifestObject], problems: &mut Problems) {
    for object in others {
        let version = object.value.get("apiVersion").and_then(Json::as_str);
        let of_scheduler = version.is_some_and(|v| v.starts_with("kubescheduler.config.k8s.io/"));
        let file = object.value.pointer("/clientConnection/kubeconfig");
        let written = file.and_then(Json::as_str).is_some_and(|f| !f.is_empty());
        if of_scheduler && object.kind == "KubeSchedulerConfiguration" && written {
            problems.of(object.key());
            problems.error(
                object.pos,
                "`clientConnection.kubeconfig` must not be set: kops writes it",
            );
        }
    }
}

/// Other objects are known by kind, namespace and name. One without a name is a configuration file: there may be several.
pub(super) fn same_names(others: &[ManifestObject], problems: &mut Problems) {
    let mut seen: BTreeMap<String, Pos> = BTreeMap::new();
    for object in others.iter().filter(|o| o.name.is_some()) {
        let key = object.key();
        if let Some(first) = seen.insert(key.clone(), object.pos) {
            problems.of(key);
            problems.error(
                object.pos,
                format!("the object is defined twice, first at line {}", first.line),
            );
        }
    }
}
