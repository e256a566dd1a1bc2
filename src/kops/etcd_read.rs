//! The etcd clusters of a Cluster, and kops' rules about them. Who runs their members is checked in `cross`.

use std::collections::BTreeSet;

use super::cluster::EtcdCluster;
use super::components_check::version;
use super::error::Problems;
use super::target::KopsTarget;
use super::view::View;
use crate::model::KopsVersion;

/// The etcd clusters as written.
pub(super) fn read(
    spec: View<'_>,
    kubernetes: Option<u32>,
    target: &KopsTarget,
    problems: &mut Problems,
) -> Vec<EtcdCluster> {
    let mut names = BTreeSet::new();
    let mut clusters = Vec::new();
    for etcd in spec.list("etcdClusters") {
        let Some(name) = etcd.text("name") else {
            problems.error(etcd.pos, "an etcd cluster has no `name`");
            continue;
        };
        check_name(etcd, name, names.insert(name), problems);
        clusters.push(EtcdCluster {
            name: name.into(),
            pos: etcd.pos,
            members: members(etcd, name, problems),
        });
    }
    versions(spec, kubernetes, problems);
    runnable(spec, target, problems);
    if spec.list("etcdClusters").next().is_none() {
        problems.error_hint(
            spec.at("etcdClusters"),
            "the cluster has no etcd clusters",
            "`spec.etcdClusters` needs `main` and `events`, with a member for each control-plane group",
        );
    }
    clusters
}

fn check_name(etcd: View<'_>, name: &str, is_new: bool, problems: &mut Problems) {
    if !is_new {
        problems.error(
            etcd.at("name"),
            format!("the etcd cluster `{name}` is defined twice"),
        );
    }
    if !matches!(name, "main" | "events" | "cilium" | "leases") {
        problems.error_hint(
            etcd.at("name"),
            format!("`{name}` is no etcd cluster that kops knows"),
            "main, events, cilium or leases",
        );
    }
}

/// Source: kops 1.36 release notes, breaking changes: its etcd-manager has no etcd 3.4.
fn runnable(spec: View<'_>, target: &KopsTarget, problems: &mut Problems) {
    for etcd in spec.list("etcdClusters") {
        let written = etcd.text("version").and_then(version);
        let old = matches!(written, Some([3, minor, _]) if minor < 5);
        if old && target.version >= KopsVersion::of_minor(36) {
            problems.warn(
                etcd.at("version"),
                format!("kops {} runs no etcd before 3.5", target.version),
                Some("upgrade etcd with kops 1.35 or older first, or remove the version".into()),
            );
        }
    }
}

/// Versions of etcd 3, the same everywhere: that of the first cluster is what the others are measured by, also when it says none.
///
/// etcd 2 ends with Kubernetes 1.13, etcd without a manager with 1.18. Source: kops#5820, kops#8826.
fn versions(spec: View<'_>, kubernetes: Option<u32>, problems: &mut Problems) {
    let since = |minor: u32| kubernetes.is_none_or(|k| k >= minor);
    let first = spec
        .list("etcdClusters")
        .next()
        .and_then(|etcd| etcd.text("version"));
    for etcd in spec.list("etcdClusters") {
        let name = etcd.text("name").unwrap_or_default();
        if since(18) {
            provider(etcd, name, problems);
        }
        let Some(written) = etcd.text("version") else {
            continue;
        };
        let at = etcd.at("version");
        match version(written) {
            Some([3, _, _]) if Some(written) != first => problems.error(
                at,
                format!("the etcd cluster `{name}` has another `version` than the first one"),
            ),
            Some([3, _, _]) => {}
            Some([2, _, _]) if !since(13) => {}
            Some(_) | None => problems.error(
                at,
                format!("the `version` of the etcd cluster `{name}` is not a version of etcd 3"),
            ),
        }
    }
}

fn provider(etcd: View<'_>, name: &str, problems: &mut Problems) {
    if etcd.text("provider").is_some_and(|p| p != "Manager") {
        problems.error(
            etcd.at("provider"),
            format!("the etcd cluster `{name}` has another `provider` than Manager"),
        );
    }
}

/// The groups of the members with their places.
fn members(etcd: View<'_>, name: &str, problems: &mut Problems) -> Vec<(String, crate::yaml::Pos)> {
    let mut members = Vec::new();
    let mut names = BTreeSet::new();
    for member in etcd.list("etcdMembers") {
        match member.text("name") {
            None => problems.error(
                member.pos,
                format!("a member of the etcd cluster `{name}` has no `name`"),
            ),
            Some(own) if !names.insert(own) => problems.error(
                member.at("name"),
                format!("the etcd cluster `{name}` has two members named `{own}`"),
            ),
            Some(_) => {}
        }
        match member.text("instanceGroup") {
            Some(group) => members.push((group.to_owned(), member.at("instanceGroup"))),
            None => problems.error(
                member.pos,
                format!("a member of the etcd cluster `{name}` has no `instanceGroup`"),
            ),
        }
    }
    odd_number(etcd, name, problems);
    members
}

fn odd_number(etcd: View<'_>, name: &str, problems: &mut Problems) {
    if etcd.list("etcdMembers").count().is_multiple_of(2) {
        problems.error(
            etcd.at("etcdMembers"),
            format!("the etcd cluster `{name}` must have an odd number of members"),
        );
    }
}
