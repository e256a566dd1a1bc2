//! kops' rules about the address under which kubelets tell pods to find the cluster's DNS. Decodes nothing.
//!
//! Source: kops' own validation (`pkg/apis/kops/validation`, `ValidateCluster` in `legacy.go` and `validateNodeLocalDNS` in `validation.go`), after its
//! defaults (`pkg/model/components`, `kubedns.go`).

use core::net::Ipv4Addr;

use super::cidr::Cidr;
use super::error::Problems;
use super::view::View;

/// What kops gives the cache on each node when nothing is written.
const LOCAL: &str = "169.254.20.10";
/// The outside of pods and services when nothing is written.
const OUTSIDE: &str = "100.64.0.0/10";

/// Checks what a Cluster says.
pub(super) fn check(spec: View<'_>, problems: &mut Problems) {
    let dns = spec.sub("kubeDNS");
    let cache = dns.sub("nodeLocalDNS");
    let cached = cache.bool("enabled") == Some(true);
    let local = cache.text("localIP").or(cached.then_some(LOCAL));
    let replaces = spec.sub("kubeProxy").text("proxyMode") == Some("ipvs")
        || spec.sub("networking").has("cilium");
    let Some(server) = server(spec) else { return };
    for kubelet in ["kubelet", "masterKubelet"] {
        let view = spec.sub(kubelet);
        let Some(written) = view.text("clusterDNS") else {
            continue;
        };
        let at = view.at("clusterDNS");
        if written != server && Some(written) != local {
            problems.error_hint(
                at,
                format!("`{kubelet}.clusterDNS` is not the address of the cluster's DNS, which is {server}"),
                "remove it: kops sets it (`kubeDNS.serverIP`, or `kubeDNS.nodeLocalDNS.localIP` of a cache on each node)",
            );
        } else if cached && replaces && Some(written) != local {
            problems.error_hint(
                at,
                format!("`{kubelet}.clusterDNS` must be that of `kubeDNS.nodeLocalDNS` with ipvs or Cilium"),
                "remove it: kops sets it",
            );
        }
    }
}

/// The address of the cluster's DNS: as written, else the tenth of the services. None: it is not known, as in an IPv6 cluster.
fn server(spec: View<'_>) -> Option<String> {
    if let Some(written) = spec.sub("kubeDNS").text("serverIP") {
        return Some(written.to_owned());
    }
    let services = spec
        .text("serviceClusterIPRange")
        .or(spec.text("nonMasqueradeCIDR"))
        .unwrap_or(OUTSIDE);
    Cidr::parse(services).ok()?;
    let (first, _) = services.split_once('/')?;
    let first: Ipv4Addr = first.parse().ok()?;
    let tenth = u32::from(first).checked_add(10)?;
    Some(Ipv4Addr::from(tenth).to_string())
}
