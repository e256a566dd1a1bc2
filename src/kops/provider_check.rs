//! kops' rules about the options of the network's provider. Which provider it is, and whether it is still possible, is in `network_check`.
//!
//! Source: kops' own validation (`pkg/apis/kops/validation/validation.go`, `validateNetworking` and below).

use core::net::IpAddr;

use super::error::Problems;
use super::releases::{Subject, ended};
use super::target::KopsTarget;
use super::view::View;
use crate::model::KopsVersion;

/// Providers that have no IPv6.
const IPV4_ONLY: [&str; 6] = [
    "kubenet",
    "kopeio",
    "kuberouter",
    "amazonvpc",
    "flannel",
    "canal",
];

/// Checks the options of the provider that a Cluster names.
pub(super) fn check(spec: View<'_>, target: &KopsTarget, problems: &mut Problems) {
    let networking = spec.sub("networking");
    let ipv6 = spec.str("nonMasqueradeCIDR") == Some("::/0");
    if ipv6 {
        ipv4_only(networking, problems);
    }
    if networking.has("gce") {
        problems.error(
            networking.at("gce"),
            "`networking.gce` is not possible on AWS",
        );
    }
    // A block that does not say `enabled: false` leaves kube-proxy on.
    let proxy = spec.sub("kubeProxy");
    let proxied = spec.has("kubeProxy") && proxy.bool("enabled") != Some(false);
    if networking.has("kuberouter") && proxied {
        problems.error_hint(
            proxy.at("enabled"),
            "`networking.kuberouter` needs kube-proxy to be off",
            "write `kubeProxy: {enabled: false}`",
        );
    }
    calico(networking.sub("calico"), ipv6, problems);
    cilium(spec, networking.sub("cilium"), ipv6, proxied, problems);
    masquerade(networking.sub("cilium"), target, problems);
}

/// With addresses of the network, Cilium masquerades; a release may have it otherwise.
fn masquerade(cilium: View<'_>, target: &KopsTarget, problems: &mut Problems) {
    let always = ended(Subject::MasqueradingEni, target.version, None).is_none();
    let off = cilium.bool("disableMasquerade") == Some(true);
    if always && off && target.version >= MASQUERADES && cilium.text("ipam") == Some("eni") {
        problems.error(
            cilium.at("disableMasquerade"),
            "`ipam: eni` is not possible with `disableMasquerade` before kops 1.36",
        );
    }
}

/// The oldest kops of which it is known; those of 1.17 to 1.19 wanted the opposite.
const MASQUERADES: KopsVersion = KopsVersion::of_minor(32);

fn ipv4_only(networking: View<'_>, problems: &mut Problems) {
    for key in IPV4_ONLY.into_iter().filter(|key| networking.has(key)) {
        problems.error(
            networking.at(key),
            format!("`networking.{key}` is not possible in an IPv6 cluster"),
        );
    }
}

fn calico(calico: View<'_>, ipv6: bool, problems: &mut Problems) {
    let mode = calico.text("encapsulationMode");
    let at = calico.at("encapsulationMode");
    match mode {
        Some("none") if !ipv6 => problems.error(
            at,
            "`encapsulationMode: none` is possible in IPv6 clusters only",
        ),
        Some(other) if ipv6 && other != "none" => {
            problems.error(at, "an IPv6 cluster needs `encapsulationMode: none`");
        }
        Some(_) | None => {}
    }
    for (key, needs) in [("ipipMode", "ipip"), ("vxlanMode", "vxlan")] {
        let on = calico.text(key).is_some_and(|m| m != "Never");
        if on && mode.is_some_and(|mode| mode != needs) {
            problems.error(
                calico.at(key),
                format!("`{key}` needs `encapsulationMode: {needs}`"),
            );
        }
    }
    let check = calico.text("awsSrcDstCheck");
    if ipv6 && check.is_some_and(|c| c != "DoNothing") {
        problems.error(
            calico.at("awsSrcDstCheck"),
            "an IPv6 cluster needs `awsSrcDstCheck: DoNothing`",
        );
    }
    if ipv6 && calico.bool("wireguardEnabled") == Some(true) {
        problems.error(
            calico.at("wireguardEnabled"),
            "`wireguardEnabled` is not possible in an IPv6 cluster",
        );
    }
    if calico.int("typhaReplicas").is_some_and(|n| n < 0) {
        problems.error(
            calico.at("typhaReplicas"),
            "`typhaReplicas` must not be negative",
        );
    }
    for (key, v4) in [
        ("ipv4AutoDetectionMethod", true),
        ("ipv6AutoDetectionMethod", false),
    ] {
        if calico.text(key).is_some_and(|m| !is_detection(m, v4)) {
            problems.error_hint(
                calico.at(key),
                format!("`{key}` is not one that kops takes"),
                "first-found, can-reach=ADDRESS, interface=NAMES or skip-interface=NAMES",
            );
        }
    }
}

/// How Calico is told to find a node's address, as far as kops takes it. Names of interfaces may be patterns, which are not looked into.
fn is_detection(text: &str, v4: bool) -> bool {
    let parts: Vec<&str> = text.split('=').collect();
    match parts.as_slice() {
        ["first-found"] | ["first-found", _] => true,
        ["can-reach", address] => address.parse::<IpAddr>().is_ok_and(|a| a.is_ipv4() == v4),
        ["interface" | "skip-interface", names] => !names
            .split(',')
            .next()
            .unwrap_or_default()
            .trim()
            .is_empty(),
        _ => false,
    }
}

fn cilium(spec: View<'_>, cilium: View<'_>, ipv6: bool, proxied: bool, problems: &mut Problems) {
    if cilium.text("version").is_some_and(|v| !v.starts_with('v')) {
        problems.error(
            cilium.at("version"),
            "`networking.cilium.version` must begin with `v`",
        );
    }
    if cilium.bool("enableNodePort") == Some(true) && proxied {
        problems.error_hint(
            spec.sub("kubeProxy").at("enabled"),
            "`networking.cilium.enableNodePort` needs kube-proxy to be off",
            "write `kubeProxy: {enabled: false}`",
        );
    }
    let managed = cilium.bool("etcdManaged") == Some(true);
    if cilium.text("identityAllocationMode") == Some("kvstore") && !managed {
        problems.error(
            cilium.at("identityAllocationMode"),
            "`identityAllocationMode: kvstore` needs `etcdManaged: true`",
        );
    }
    let own = |etcd: View<'_>| etcd.text("name") == Some("cilium");
    if managed && !spec.list("etcdClusters").any(own) {
        problems.error(
            cilium.at("etcdManaged"),
            "`networking.cilium.etcdManaged` needs an etcd cluster named `cilium`",
        );
    }
    let encrypts = cilium.bool("enableEncryption") == Some(true);
    if cilium.text("encryptionType").is_some() && !encrypts {
        problems.error(
            cilium.at("encryptionType"),
            "`encryptionType` needs `enableEncryption: true`",
        );
    }
    if encrypts && ipv6 {
        problems.error(
            cilium.at("enableEncryption"),
            "`enableEncryption` is not possible in an IPv6 cluster",
        );
    }
    if cilium.bool("enableL7Proxy") == Some(true)
        && cilium.bool("IPTablesRulesNoinstall") == Some(true)
    {
        problems.error(
            cilium.at("enableL7Proxy"),
            "`enableL7Proxy` needs the rules that `IPTablesRulesNoinstall` leaves out",
        );
    }
    if cilium.text("ipam") == Some("eni") && ipv6 {
        problems.error(
            cilium.at("ipam"),
            "`ipam: eni` is not possible in an IPv6 cluster",
        );
    }
    let ingress = cilium.sub("ingress");
    let mode = ingress.text("defaultLoadBalancerMode");
    if ingress.bool("enabled") == Some(true)
        && mode.is_some_and(|m| !matches!(m, "shared" | "dedicated"))
    {
        problems.error(
            ingress.at("defaultLoadBalancerMode"),
            "`ingress.defaultLoadBalancerMode` must be shared or dedicated",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_to_find_an_address_are_those_of_kops() {
        for (text, v4, is) in [
            ("first-found", true, true),
            ("can-reach=8.8.8.8", true, true),
            ("can-reach=8.8.8.8", false, false),
            ("can-reach=2001:db8::1", false, true),
            ("can-reach", true, false),
            ("interface=eth.*,en1", true, true),
            ("interface=", true, false),
            ("skip-interface=docker0", true, true),
            ("interface=a=b", true, false),
            ("other", true, false),
        ] {
            assert_eq!(is_detection(text, v4), is, "{text}");
        }
    }
}
