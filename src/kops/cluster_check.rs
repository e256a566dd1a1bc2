//! Rules of a Cluster about what is beside its groups: who may reach it, add-ons, kubelets. Decodes nothing.
//!
//! Source: kops' own validation (`pkg/apis/kops/validation`, `validation.go` and `aws.go`): `kops update` ends with each of these.

use super::cidr::Cidr;
use super::error::Problems;
use super::view::View;

/// Checks what no other file of these rules is about.
pub(super) fn check(spec: View<'_>, problems: &mut Problems) {
    for key in ["sshAccess", "kubernetesApiAccess", "nodePortAccess"] {
        access(spec, key, problems);
    }
    balancer_subnets(spec, problems);
    add_ons(spec, problems);
    termination(spec.sub("nodeTerminationHandler"), problems);
    removed(spec, problems);
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

fn add_ons(spec: View<'_>, problems: &mut Problems) {
    let driver = spec.sub("cloudConfig").sub("awsEBSCSIDriver");
    if driver.bool("enabled") == Some(false) {
        problems.error(
            driver.at("enabled"),
            "the EBS CSI driver must not be disabled (`managed: false` leaves it to somebody else)",
        );
    }
    const EXPANDERS: [&str; 4] = ["least-waste", "random", "most-pods", "priority"];
    let autoscaler = spec.sub("clusterAutoscaler");
    if autoscaler
        .text("expander")
        .is_some_and(|e| !EXPANDERS.contains(&e))
    {
        problems.error(
            autoscaler.at("expander"),
            format!(
                "`clusterAutoscaler.expander` must be one of {}",
                EXPANDERS.join(", ")
            ),
        );
    }
}

/// What the node termination handler cannot do without in queue mode, which is on unless it is turned off.
fn termination(handler: View<'_>, problems: &mut Problems) {
    let off = handler.bool("enabled") == Some(false)
        || handler.bool("enableSQSTerminationDraining") == Some(false);
    if off {
        return;
    }
    for key in [
        "enableSpotInterruptionDraining",
        "enableScheduledEventDraining",
    ] {
        if handler.bool(key) == Some(false) {
            problems.error(
                handler.at(key),
                format!("`nodeTerminationHandler.{key}` cannot be turned off in queue mode"),
            );
        }
    }
    let drains = handler.bool("enableRebalanceDraining") == Some(true);
    if handler.bool("enableRebalanceMonitoring") == Some(true) && !drains {
        problems.error(
            handler.at("enableRebalanceMonitoring"),
            "`nodeTerminationHandler.enableRebalanceMonitoring` needs `enableRebalanceDraining` in queue mode",
        );
    }
}

/// What kops and Kubernetes no longer have.
fn removed(spec: View<'_>, problems: &mut Problems) {
    if spec.text("containerRuntime") == Some("docker") || spec.has("docker") {
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
    if spec.sub("iam").bool("legacy") == Some(true) {
        problems.error_hint(
            spec.sub("iam").at("legacy"),
            "`iam.legacy: true` is not possible any more",
            "write `iam: {legacy: false}`",
        );
    }
    const OF_KUBELET: [&str; 10] = [
        "apiServers",
        "bootstrapKubeconfig",
        "configureCbr0",
        "cpuCFSQuotaPeriod",
        "enableCadvisorJsonEndpoints",
        "experimentalAllowedUnsafeSysctls",
        "networkPluginMTU",
        "networkPluginName",
        "nonMasqueradeCIDR",
        "requireKubeconfig",
    ];
    for kubelet in ["kubelet", "masterKubelet"] {
        let view = spec.sub(kubelet);
        for key in OF_KUBELET.into_iter().filter(|key| view.has(key)) {
            problems.warn(
                view.at(key),
                format!(
                    "`{kubelet}.{key}` is not possible any more: kubelets have no such setting"
                ),
                None,
            );
        }
    }
}
