//! kops' rules about the add-ons of a Cluster: what each needs, and the cluster's DNS. Decodes nothing.
//!
//! Source: kops' own validation (`pkg/apis/kops/validation`, `validation.go`, `legacy.go` and `aws.go`): `kops update` ends with each of these.

use core::net::IpAddr;

use super::cidr::Cidr;
use super::cluster::Dns;
use super::error::Problems;
use super::releases::{Subject, ended};
use super::target::KopsTarget;
use super::view::View;

/// Checks what a Cluster says. `gossip`: its names are made by gossip.
pub(super) fn check(
    spec: View<'_>,
    dns: Dns,
    gossip: bool,
    target: &KopsTarget,
    problems: &mut Problems,
) {
    add_ons(spec, problems);
    certificates(spec, problems);
    external_dns(spec.sub("externalDns"), dns, gossip, problems);
    cluster_dns(spec, problems);
    termination(spec.sub("nodeTerminationHandler"), target, problems);
}

fn add_ons(spec: View<'_>, problems: &mut Problems) {
    let driver = spec.sub("cloudConfig").sub("awsEBSCSIDriver");
    if driver.bool("enabled") == Some(false) {
        problems.error(
            driver.at("enabled"),
            "the EBS CSI driver must not be disabled (`managed: false` leaves it to you)",
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

/// Add-ons whose webhooks have certificates of cert-manager. One that others manage (`managed: false`) is as good.
fn certificates(spec: View<'_>, problems: &mut Problems) {
    let manager = spec.sub("certManager");
    let has_manager = manager.bool("enabled") == Some(true);
    let external = spec.sub("iam").bool("useServiceAccountExternalPermissions") == Some(true);
    if has_manager && !manager.items("hostedZoneIDs").is_empty() && !external {
        problems.error_hint(
            manager.at("hostedZoneIDs"),
            "`certManager.hostedZoneIDs` needs service accounts with permissions of their own",
            "add `iam: {useServiceAccountExternalPermissions: true}`",
        );
    }
    if has_manager {
        return;
    }
    let hubble = spec.sub("networking").sub("cilium").sub("hubble");
    let enabled = |view: View<'_>, name: &str| {
        let on = view.bool("enabled") == Some(true);
        on.then(|| (view.at("enabled"), name.to_owned()))
    };
    let metrics = spec.sub("metricsServer");
    // Where it is not written, `insecure` is true.
    let secure = (metrics.bool("enabled") == Some(true) && metrics.bool("insecure") == Some(false))
        .then(|| {
            (
                metrics.at("insecure"),
                "`metricsServer` with `insecure: false`".to_owned(),
            )
        });
    let needing = [
        "awsLoadBalancerController",
        "podIdentityWebhook",
        "snapshotController",
    ]
    .map(|key| enabled(spec.sub(key), &format!("`{key}`")));
    for (pos, what) in needing
        .into_iter()
        .chain([enabled(hubble, "`networking.cilium.hubble`"), secure])
        .flatten()
    {
        problems.error_hint(
            pos,
            format!("{what} needs cert-manager"),
            "add `certManager: {enabled: true}` (and `managed: false` where you run it yourself)",
        );
    }
}

fn external_dns(external: View<'_>, dns: Dns, gossip: bool, problems: &mut Problems) {
    if external
        .text("watchNamespace")
        .is_some_and(|namespace| namespace != "kube-system")
    {
        problems.error(
            external.at("watchNamespace"),
            "`externalDns.watchNamespace` must be kube-system, or left out for all namespaces",
        );
    }
    if external.text("provider") == Some("external-dns") && (gossip || dns == Dns::None) {
        problems.error(
            external.at("provider"),
            "external-dns needs a hosted zone: `topology.dns.type` Public or Private",
        );
    }
}

fn cluster_dns(spec: View<'_>, problems: &mut Problems) {
    let dns = spec.sub("kubeDNS");
    let services = spec
        .text("serviceClusterIPRange")
        .and_then(|range| Cidr::parse(range).ok());
    match dns.text("serverIP").map(str::parse::<IpAddr>) {
        Some(Err(_)) => problems.error(dns.at("serverIP"), "`kubeDNS.serverIP` is no IP address"),
        Some(Ok(address)) if services.is_some_and(|s| !s.holds(address)) => problems.error(
            dns.at("serverIP"),
            "`kubeDNS.serverIP` does not lie in `serviceClusterIPRange`",
        ),
        Some(Ok(_)) | None => {}
    }
    let local = dns.sub("nodeLocalDNS");
    if local.bool("enabled") == Some(true) {
        if dns.text("provider").is_some_and(|p| p != "CoreDNS") && dns.has("serverIP") {
            problems.error(
                dns.at("provider"),
                "`kubeDNS.nodeLocalDNS` needs `provider: CoreDNS`",
            );
        }
        if dns.has("serverIP") {
            address(local, "localIP", problems);
        }
    }
    for (text, pos) in dns.items("upstreamNameservers") {
        if text.parse::<IpAddr>().is_err() {
            problems.error(pos, "a nameserver must be an IP address");
        }
    }
    let domains = dns.get("stubDomains").map(crate::yaml::Node::entries);
    for (domain, servers) in domains.unwrap_or_default() {
        if servers.items().is_empty() {
            problems.error(
                servers.pos,
                format!("the stub domain `{}` has no nameserver", domain.text),
            );
        }
        for server in servers.items() {
            let is_address = server.as_str().is_some_and(|s| s.parse::<IpAddr>().is_ok());
            if !is_address {
                problems.error(server.pos, "a nameserver must be an IP address");
            }
        }
    }
}

fn address(view: View<'_>, key: &str, problems: &mut Problems) {
    if view.text(key).is_some_and(|a| a.parse::<IpAddr>().is_err()) {
        problems.error(view.at(key), format!("`{key}` is no IP address"));
    }
}

/// What the node termination handler cannot do without in queue mode, which is on unless it is turned off.
fn termination(handler: View<'_>, target: &KopsTarget, problems: &mut Problems) {
    let off = handler.bool("enabled") == Some(false)
        || handler.bool("enableSQSTerminationDraining") == Some(false);
    if off {
        return;
    }
    let scheduled = ended(Subject::ScheduledEventsInQueue, target.version, None).is_none();
    for (key, always) in [
        ("enableSpotInterruptionDraining", true),
        ("enableScheduledEventDraining", scheduled),
    ] {
        if always && handler.bool(key) == Some(false) {
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
