//! A Cluster document into [`Cluster`]: decoding, defaults, and the rules that concern the Cluster alone.

use std::collections::BTreeSet;

use super::cluster::{
    ApiLoadBalancer, Autoscaler, Cluster, Dns, EtcdCluster, PriorityExpander, RollingUpdate,
    Subnet, SubnetKind, TerminationQueue, WarmPoolSpec,
};
use super::error::Problems;
use super::labels;
use super::schema::{self, Strict};
use super::values::amount;
use super::view::{View, integer};
use crate::fleet::Amount;
use crate::model::ClusterName;
use crate::yaml::Node;

/// What kops calls the tag of groups watched by the node termination handler.
const MANAGED_TAG: &str = "aws-node-termination-handler/managed";

/// Decodes the Cluster. `control_plane_subnets`: names of the subnets of control-plane groups, on which the API's default depends.
pub(super) fn read(
    root: &Node,
    control_plane_subnets: &BTreeSet<String>,
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
    networking(spec, problems);
    let subnets = subnets(spec, problems);
    let dns = dns(spec, problems);
    let private = subnets
        .iter()
        .any(|s| s.kind == SubnetKind::Private && control_plane_subnets.contains(&s.name));
    let api_load_balancer = api(spec, private, dns, problems);
    let rolling_update = rolling_update(spec.sub("rollingUpdate"), problems);
    let warm_pool = warm_pool(spec.sub("warmPool"), problems);
    let etcd_clusters = etcd(spec, problems);
    Some(Cluster {
        name: name?,
        pos: root.pos,
        value: root.to_json(),
        cloud_labels: spec.map("cloudLabels"),
        subnets,
        ipv6_only: spec.str("nonMasqueradeCIDR") == Some("::/0"),
        api_load_balancer,
        dns,
        cilium_etcd: spec.sub("networking").sub("cilium").bool("etcdManaged") == Some(true),
        termination_queue: termination_queue(spec),
        kubelet_labels: spec.sub("kubelet").map("nodeLabels"),
        control_plane_labels: spec.sub("masterKubelet").map("nodeLabels"),
        ssh_key_name: spec.owned("sshKeyName"),
        etcd_clusters,
        terraform: spec.sub("target").has("terraform"),
        autoscaler: autoscaler(spec.sub("clusterAutoscaler")),
        warm_pool,
        rolling_update,
        nvidia_gpu: spec.sub("containerd").sub("nvidiaGPU").bool("enabled") == Some(true),
    })
}

/// The name of the cluster, checked.
fn name(root: &Node, problems: &mut Problems) -> Option<ClusterName> {
    let node = root.at(["metadata", "name"])?;
    match ClusterName::new(node.as_str().unwrap_or_default()) {
        Ok(name) => Some(name),
        Err(e) => {
            problems.error(node.pos, e.to_string());
            None
        }
    }
}

fn provider(spec: View<'_>, problems: &mut Problems) {
    match spec.str("cloudProvider") {
        Some("aws") => {}
        Some(other) => problems.error(
            spec.at("cloudProvider"),
            format!("`spec.cloudProvider` is `{other}`; only `aws` is supported"),
        ),
        None if spec.has("cloudProvider") => {}
        None => problems.error(spec.pos, "`spec.cloudProvider` is missing"),
    }
}

fn networking(spec: View<'_>, problems: &mut Problems) {
    let providers: Vec<String> = spec
        .sub("networking")
        .places()
        .into_keys()
        .filter(|key| spec.sub("networking").has(key))
        .collect();
    if providers.len() > 1 {
        problems.error(
            spec.at("networking"),
            format!(
                "`spec.networking` has more than one provider: {}",
                providers.join(", ")
            ),
        );
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
        let kind = match subnet.text("type") {
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
        };
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

fn dns(spec: View<'_>, problems: &mut Problems) -> Dns {
    let dns = spec.sub("topology").sub("dns");
    match dns.text("type") {
        None | Some("Public") => Dns::Public,
        Some("Private") => Dns::Private,
        Some("None") => Dns::None,
        Some(_) => {
            problems.error_hint(
                dns.at("type"),
                "`spec.topology.dns.type` is none that kops knows",
                "Public, Private or None",
            );
            Dns::Public
        }
    }
}

/// The load balancer of the API: as given, else one when a control plane is in a private subnet.
fn api(
    spec: View<'_>,
    private: bool,
    dns: Dns,
    problems: &mut Problems,
) -> Option<ApiLoadBalancer> {
    let api = spec.sub("api");
    let given = api.sub("loadBalancer");
    if let Some(class) = given.text("class").filter(|c| *c != "Network") {
        let message =
            format!("`spec.api.loadBalancer.class` is `{class}`, which kops has given up");
        problems.error_hint(
            given.at("class"),
            message,
            "migrate to `class: Network` with kops first",
        );
    }
    let wanted = given.is_present() || !api.has("dns") && private;
    if !wanted && dns == Dns::None {
        problems.error_hint(
            spec.at("api"),
            "`topology.dns.type: None` needs `spec.api.loadBalancer`",
            "add `api: {loadBalancer: {class: Network, type: Public}}`",
        );
    }
    wanted.then(|| ApiLoadBalancer {
        tls: given.text("sslCertificate").is_some(),
        additional_security_groups: given.strings("additionalSecurityGroups"),
    })
}

/// Queue mode is on unless said otherwise; with Karpenter kops applies no defaults.
fn termination_queue(spec: View<'_>) -> Option<TerminationQueue> {
    let handler = spec.sub("nodeTerminationHandler");
    let defaults = spec.sub("karpenter").bool("enabled") != Some(true);
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
fn autoscaler(view: View<'_>) -> Option<Autoscaler> {
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
    (view.bool("enabled") == Some(true)).then_some(Autoscaler { priorities })
}

fn etcd(spec: View<'_>, problems: &mut Problems) -> Vec<EtcdCluster> {
    let mut names = BTreeSet::new();
    let mut clusters = Vec::new();
    for etcd in spec.list("etcdClusters") {
        let Some(name) = etcd.text("name") else {
            problems.error(etcd.pos, "an etcd cluster has no `name`");
            continue;
        };
        if !names.insert(name) {
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
        let mut members = Vec::new();
        for member in etcd.list("etcdMembers") {
            match member.text("instanceGroup") {
                Some(group) => members.push((group.to_owned(), member.at("instanceGroup"))),
                None => problems.error(
                    member.pos,
                    format!("a member of the etcd cluster `{name}` has no `instanceGroup`"),
                ),
            }
        }
        if etcd.list("etcdMembers").count() % 2 == 0 {
            problems.error(
                etcd.at("etcdMembers"),
                format!("the etcd cluster `{name}` must have an odd number of members"),
            );
        }
        clusters.push(EtcdCluster {
            name: name.into(),
            pos: etcd.pos,
            members,
        });
    }
    clusters
}

/// A rolling update as written, its rules checked.
pub(super) fn rolling_update(view: View<'_>, problems: &mut Problems) -> RollingUpdate {
    let update = RollingUpdate {
        drain_and_terminate: view.bool("drainAndTerminate"),
        max_unavailable: rolling_amount(view, "maxUnavailable", problems),
        max_surge: rolling_amount(view, "maxSurge", problems),
    };
    if update.max_surge.is_some_and(is_zero) && update.max_unavailable.is_some_and(is_zero) {
        problems.error(
            view.pos,
            "`maxSurge` and `maxUnavailable` are both zero: nothing could ever be replaced",
        );
    }
    update
}

fn rolling_amount(view: View<'_>, key: &str, problems: &mut Problems) -> Option<Amount> {
    let node = view.get(key)?;
    let value = match integer(node) {
        Some(n) => u32::try_from(n).ok().map(Amount::Count),
        None => amount(node.as_str()?),
    };
    if value.is_none() {
        problems.error(node.pos, format!("`rollingUpdate.{key}` must be a number of instances or a percentage such as 25%, not negative"));
    }
    value
}

pub(super) fn is_zero(amount: Amount) -> bool {
    match amount {
        Amount::Count(n) | Amount::Percent(n) => n == 0,
    }
}

/// A warm pool as written.
pub(super) fn warm_pool(view: View<'_>, problems: &mut Problems) -> Option<WarmPoolSpec> {
    view.is_present().then(|| WarmPoolSpec {
        min_size: view.count("minSize", problems),
        max_size: view.count("maxSize", problems),
        hook: view.bool("enableLifecycleHook"),
        hook_timeout: view.count("lifecycleHookTimeout", problems),
    })
}
