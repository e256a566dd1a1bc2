//! A Cluster document into [`Cluster`]: decoding, defaults, and the rules that concern the Cluster alone.

use std::collections::BTreeSet;

use super::cluster::{
    AutoscalerAddon, Cluster, Dns, PriorityExpander, Subnet, SubnetKind, TerminationQueue,
};
use super::error::Problems;
use super::releases::{Subject, ended};
use super::schema::{self, Strict};
use super::target::KopsTarget;
use super::view::View;
use super::{
    addons_check, api, boot_check, choices, cluster_check, components_check, dns_check, ebs_check,
    etcd_read, identity_check, karpenter, labels, network_check, newer, provider_check, rolling,
    taints, warm_pool,
};
use crate::model::ClusterName;
use crate::yaml::Node;

/// What kops calls the tag of groups watched by the node termination handler.
const MANAGED_TAG: &str = "aws-node-termination-handler/managed";

/// Decodes the Cluster. `api_subnets`: names of the subnets of groups that serve the API, on which the default of `api` depends.
pub(super) fn read(
    root: &Node,
    api_subnets: &BTreeSet<String>,
    target: &KopsTarget,
    problems: &mut Problems,
) -> Option<Cluster> {
    let name = name(root, problems);
    let Some(node) = root.get("spec").filter(|n| !n.is_null()) else {
        problems.error(root.pos, "has no `spec`");
        return None;
    };
    schema::check("Cluster", node, "spec", Strict::WhatIsRead, problems);
    let spec = View::new(node);
    provider(spec, problems);
    labels::check_cloud_labels(spec, None, problems);
    labels::check_kubelet_labels(spec, "kubelet", problems);
    labels::check_kubelet_labels(spec, "masterKubelet", problems);
    taints::of_cluster(spec, problems);
    boot_check::of_all(spec, problems);
    let kubernetes = network_check::kubernetes_minor(spec);
    cluster_check::check(spec, kubernetes, problems);
    let subnets = subnets(spec, problems);
    let dns = dns(spec, problems);
    network_check::check(spec, name.as_ref(), dns, &subnets, target, problems);
    provider_check::check(spec, target, problems);
    components_check::check(spec, kubernetes, target, problems);
    choices::check(spec, problems);
    let gossip = network_check::is_gossip(name.as_ref(), dns);
    addons_check::check(spec, dns, gossip, target, problems);
    dns_check::check(spec, problems);
    newer::of_cluster(spec, target.version, problems);
    identity_check::check(spec, problems);
    karpenter::cluster(spec, target, problems);
    let private = subnets
        .iter()
        .any(|s| s.kind == SubnetKind::Private && api_subnets.contains(&s.name));
    let api_load_balancer = api::read(spec, private, dns, target, problems);
    let rolling_update = rolling::read(spec.sub("rollingUpdate"), problems);
    let warm_pool = warm_pool::of_cluster(spec.sub("warmPool"), problems);
    let etcd_clusters = etcd_read::read(spec, kubernetes, target, problems);
    ebs_check::etcd(spec, problems);
    Some(Cluster {
        name: name?,
        pos: root.pos,
        value: root.to_json(),
        kops: target.version,
        cloud_labels: spec.map("cloudLabels"),
        subnets,
        ipv6_only: spec.str("nonMasqueradeCIDR") == Some("::/0"),
        api_load_balancer,
        dns,
        cilium_etcd: spec.sub("networking").sub("cilium").bool("etcdManaged") == Some(true),
        termination_queue: termination_queue(spec, target),
        kubelet_labels: spec.sub("kubelet").map("nodeLabels"),
        control_plane_labels: spec.sub("masterKubelet").map("nodeLabels"),
        ssh_key_name: spec.owned("sshKeyName"),
        etcd_clusters,
        terraform: spec.sub("target").has("terraform"),
        tags_interfaces: target.version.minor() >= TAGS_INTERFACES,
        autoscaler: autoscaler(spec.sub("clusterAutoscaler")),
        warm_pool,
        rolling_update,
        nvidia_gpu: spec.sub("containerd").sub("nvidiaGPU").bool("enabled") == Some(true),
        karpenter_gates: spec.sub("karpenter").owned("featureGates"),
    })
}

/// kops 1.N, the first that tags network interfaces. Source: kops, #17773, which release-1.34 took over; a real kops 1.32 tags none.
const TAGS_INTERFACES: u32 = 34;

/// A cluster that kops took over from elsewhere may have any name. Source: kops, `AnnotationNameManagement`.
fn imported(root: &Node) -> bool {
    let annotation = ["metadata", "annotations", "kops.kubernetes.io/management"];
    root.at(annotation).and_then(Node::as_str) == Some("imported")
}

/// The name of the cluster, checked.
fn name(root: &Node, problems: &mut Problems) -> Option<ClusterName> {
    let node = root.at(["metadata", "name"])?;
    match ClusterName::new(node.as_str().unwrap_or_default()) {
        Ok(name) => {
            if !name.as_str().contains('.') && !imported(root) {
                problems.error_hint(
                    node.pos,
                    format!("the cluster's name `{name}` is no full DNS name"),
                    "such as staging.example.com",
                );
            }
            Some(name)
        }
        Err(e) => {
            problems.error(node.pos, e.to_string());
            None
        }
    }
}

fn provider(spec: View<'_>, problems: &mut Problems) {
    match spec.str("cloudProvider") {
        Some("aws") => {}
        // Any other has ended the reading before.
        Some(_) => {}
        None if spec.has("cloudProvider") => {}
        None => problems.error(spec.pos, "`spec.cloudProvider` is missing"),
    }
}

fn subnets(spec: View<'_>, problems: &mut Problems) -> Vec<Subnet> {
    let mut names = BTreeSet::new();
    let mut subnets = Vec::new();
    for subnet in spec.list("subnets") {
        let Some(name) = subnet.text("name") else {
            problems.error(subnet.pos, "a subnet has no `name`");
            continue;
        };
        if !names.insert(name) {
            problems.error(
                subnet.at("name"),
                format!("the subnet `{name}` is defined twice"),
            );
        }
        let kind = subnet_kind(subnet, name, problems);
        subnets.push(Subnet {
            name: name.into(),
            id: subnet.owned("id"),
            kind,
            ipv6: subnet.text("ipv6CIDR").is_some(),
            zone: subnet.owned("zone"),
        });
    }
    if names.is_empty() {
        problems.error(spec.pos, "the cluster has no subnets");
    }
    subnets
}

fn subnet_kind(subnet: View<'_>, name: &str, problems: &mut Problems) -> SubnetKind {
    match subnet.text("type") {
        Some("Public") => SubnetKind::Public,
        Some("Private") => SubnetKind::Private,
        Some("Utility") => SubnetKind::Utility,
        Some("DualStack") => SubnetKind::DualStack,
        Some(_) | None => {
            problems.error_hint(
                subnet.at("type"),
                format!("the subnet `{name}` has no known `type`"),
                "Public, Private, Utility or DualStack",
            );
            SubnetKind::Public
        }
    }
}

fn dns(spec: View<'_>, problems: &mut Problems) -> Dns {
    let dns = spec.sub("topology").sub("dns");
    match dns.text("type") {
        None | Some("Public") => Dns::Public,
        Some("Private") => Dns::Private,
        Some("None") => Dns::None,
        Some(_) => {
            problems.error_hint(
                dns.at("type"),
                "`spec.topology.dns.type` is not one that kops knows",
                "Public, Private or None",
            );
            Dns::Public
        }
    }
}

/// Queue mode is on unless said otherwise; with Karpenter kops applies no defaults, since it excludes the handler.
fn termination_queue(spec: View<'_>, target: &KopsTarget) -> Option<TerminationQueue> {
    let handler = spec.sub("nodeTerminationHandler");
    let excluded = ended(Subject::QueueBesideKarpenter, target.version, None).is_some();
    let defaults = spec.sub("karpenter").bool("enabled") != Some(true) || !excluded;
    let on = handler.bool("enabled").unwrap_or(defaults)
        && handler.bool("enableSQSTerminationDraining").unwrap_or(true);
    let tag = match handler.str("managedASGTag") {
        Some("") => None,
        Some(tag) => Some(tag.to_owned()),
        None => defaults.then(|| MANAGED_TAG.to_owned()),
    };
    on.then_some(TerminationQueue {
        managed_asg_tag: tag,
    })
}

/// The add-on; with the priority expander kops writes its ConfigMap unless told not to.
fn autoscaler(view: View<'_>) -> Option<AutoscalerAddon> {
    let writes = view.text("expander") == Some("priority")
        && view.bool("createPriorityExpanderConfig") != Some(false);
    let custom = view
        .get("customPriorityExpanderConfig")
        .map(Node::entries)
        .unwrap_or_default();
    let patterns = |node: &Node| {
        node.items()
            .iter()
            .filter_map(Node::as_str)
            .map(str::to_owned)
            .collect()
    };
    let priorities = writes.then(|| match custom {
        [] => PriorityExpander::Groups,
        custom => PriorityExpander::Custom(
            custom
                .iter()
                .map(|(key, node)| (key.text.clone(), patterns(node)))
                .collect(),
        ),
    });
    (view.bool("enabled") == Some(true)).then_some(AutoscalerAddon { priorities })
}
