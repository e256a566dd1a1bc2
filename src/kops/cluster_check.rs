//! Rules of a Cluster about what is beside its groups: who may reach it, its load balancer, what is gone. Decodes nothing.
//!
//! Source: kops' own validation (`pkg/apis/kops/validation`, `validation.go` and `aws.go`): `kops update` ends with each of these.

use core::net::Ipv4Addr;

use super::cidr::Cidr;
use super::error::Problems;
use super::view::View;

/// Checks what no other file of these rules is about.
/// `kubernetes`: the minor version; none: a recent one.
pub(super) fn check(spec: View<'_>, kubernetes: Option<u32>, problems: &mut Problems) {
    for key in ["sshAccess", "kubernetesApiAccess", "nodePortAccess"] {
        access(spec, key, problems);
    }
    balancer_subnets(spec, problems);
    removed(spec, kubernetes, problems);
    let assets = spec.sub("assets");
    if assets.has("containerProxy") && assets.has("containerRegistry") {
        problems.error(
            assets.at("containerProxy"),
            "`assets` has `containerProxy` or `containerRegistry`, not both",
        );
    }
}

/// Ranges of addresses, or prefix lists of AWS.
fn access(spec: View<'_>, key: &str, problems: &mut Problems) {
    for (text, pos) in spec.items(key) {
        if text.starts_with("pl-") {
            continue;
        }
        if let Err(why) = Cidr::parse(text) {
            problems.error_hint(
                pos,
                format!("`{key}` has an item that is not an address range: {why}"),
                why.hint(),
            );
        }
    }
}

/// The subnets of the API's load balancer are the cluster's.
fn balancer_subnets(spec: View<'_>, problems: &mut Problems) {
    let balancer = spec.sub("api").sub("loadBalancer");
    let known: Vec<&str> = spec
        .list("subnets")
        .filter_map(|s| s.text("name"))
        .collect();
    let network = balancer.text("class") == Some("Network");
    let internal = balancer.text("type") == Some("Internal");
    for subnet in balancer.list("subnets") {
        known_subnet(subnet, &known, problems);
        own_address(spec, subnet, problems);
        if subnet.has("privateIPv4Address") && !(network && internal) {
            problems.error(
                subnet.at("privateIPv4Address"),
                "`privateIPv4Address` is possible with an internal network load balancer only",
            );
        }
        if subnet.has("allocationId") && (!network || internal) {
            problems.error(
                subnet.at("allocationId"),
                "`allocationId` is possible with a public network load balancer only",
            );
        }
    }
}

fn known_subnet(subnet: View<'_>, known: &[&str], problems: &mut Problems) {
    match subnet.text("name") {
        None => problems.error(
            subnet.pos,
            "a subnet of the API's load balancer has no `name`",
        ),
        Some(name) if !known.contains(&name) => problems.error_hint(
            subnet.at("name"),
            format!("the cluster has no subnet `{name}`"),
            format!("it has {}", known.join(", ")),
        ),
        Some(_) => {}
    }
}

/// The address of a load balancer lies in its subnet.
fn own_address(spec: View<'_>, subnet: View<'_>, problems: &mut Problems) {
    let Some(text) = subnet.str("privateIPv4Address") else {
        return;
    };
    let at = subnet.at("privateIPv4Address");
    let Ok(address) = text.parse::<Ipv4Addr>() else {
        problems.error(at, "`privateIPv4Address` is no IPv4 address");
        return;
    };
    let named = |s: &View<'_>| s.text("name") == subnet.text("name");
    let range = spec.list("subnets").find(named);
    let range = range.and_then(|s| Cidr::parse(s.text("cidr")?).ok());
    if range.is_some_and(|range| !range.holds(address.into())) {
        problems.error(at, "`privateIPv4Address` does not lie in its subnet");
    }
}

/// What kops and Kubernetes no longer have.
fn removed(spec: View<'_>, kubernetes: Option<u32>, problems: &mut Problems) {
    let since = |minor: u32| kubernetes.is_none_or(|k| k >= minor);
    let docker = spec.text("containerRuntime") == Some("docker") || spec.has("docker");
    if docker && since(24) {
        let key = if spec.has("docker") {
            "docker"
        } else {
            "containerRuntime"
        };
        problems.error_hint(
            spec.at(key),
            "Docker as the container runtime is not possible since Kubernetes 1.24",
            "remove it: containerd is the runtime",
        );
    }
    if spec.has("nodeAuthorization") && since(19) {
        problems.error_hint(
            spec.at("nodeAuthorization"),
            "`nodeAuthorization` is not possible since Kubernetes 1.19",
            "remove it: kops has it by itself",
        );
    }
    if spec.sub("iam").bool("legacy") == Some(true) {
        problems.error_hint(
            spec.sub("iam").at("legacy"),
            "`iam.legacy: true` is not possible any more",
            "write `iam: {legacy: false}`",
        );
    }
    for kubelet in ["kubelet", "masterKubelet"] {
        removed_of_kubelet(spec.sub(kubelet), kubelet, &since, problems);
    }
}

/// Settings that kubelets no longer have, and the minor version of Kubernetes since which kops refuses them.
const OF_KUBELET: [(&str, u32); 10] = [
    ("apiServers", 6),
    ("bootstrapKubeconfig", 19),
    ("configureCbr0", 5),
    ("cpuCFSQuotaPeriod", 20),
    ("enableCadvisorJsonEndpoints", 21),
    ("experimentalAllowedUnsafeSysctls", 11),
    ("networkPluginMTU", 24),
    ("networkPluginName", 24),
    ("nonMasqueradeCIDR", 24),
    ("requireKubeconfig", 10),
];

fn removed_of_kubelet(
    view: View<'_>,
    kubelet: &str,
    since: &impl Fn(u32) -> bool,
    problems: &mut Problems,
) {
    for (key, minor) in OF_KUBELET {
        if view.has(key) && since(minor) {
            problems.error_hint(
                view.at(key),
                format!("`{kubelet}.{key}` is not possible since Kubernetes 1.{minor}"),
                "remove it: kubelets have no such setting (`kops get --full` prints some that kops itself does not take)",
            );
        }
    }
}
