//! kops' rules about the address ranges of a Cluster and of its subnets, and about the ways out of them. Decodes nothing.
//!
//! Source: kops' own validation (`pkg/apis/kops/validation`, `validateNetworking`, `validateSubnet` and `awsValidateAdditionalRoutes`).

use std::collections::BTreeSet;

use super::cidr::Cidr;
use super::error::Problems;
use super::view::View;

/// Checks what a Cluster says.
pub(super) fn check(spec: View<'_>, problems: &mut Problems) {
    let of = Ranges {
        network: range(spec, "networkCIDR", problems),
        additional: additional(spec, problems),
        outside: range(spec, "nonMasqueradeCIDR", problems),
        pods: range(spec, "podCIDR", problems),
        services: range(spec, "serviceClusterIPRange", problems),
    };
    of.cluster(spec, problems);
    for subnet in spec.list("subnets") {
        of.subnet(spec, subnet, problems);
        egress(subnet, problems);
        of.routes(subnet, problems);
    }
}

/// The ranges of a cluster, as far as they are written and are ranges.
struct Ranges {
    network: Option<Cidr>,
    additional: Vec<Cidr>,
    outside: Option<Cidr>,
    pods: Option<Cidr>,
    services: Option<Cidr>,
}

fn additional(spec: View<'_>, problems: &mut Problems) -> Vec<Cidr> {
    let mut all = Vec::new();
    for (text, pos) in spec.items("additionalNetworkCIDRs") {
        match Cidr::parse(text) {
            Ok(cidr) => all.push(cidr),
            Err(why) => problems.error_hint(
                pos,
                format!("this is not an address range: {why}"),
                why.hint(),
            ),
        }
    }
    all
}

impl Ranges {
    fn networks(&self) -> impl Iterator<Item = Cidr> {
        self.network.into_iter().chain(self.additional.clone())
    }

    fn cluster(&self, spec: View<'_>, problems: &mut Problems) {
        let at = spec.at("nonMasqueradeCIDR");
        let networking = spec.sub("networking");
        let written = spec.text("nonMasqueradeCIDR");
        if written.is_some_and(|text| text.contains(':') && text != "::/0") {
            problems.error(at, "an IPv6 cluster needs `nonMasqueradeCIDR: ::/0`");
        }
        // With these, pods have addresses of the network.
        let of_network =
            networking.has("amazonvpc") || networking.sub("cilium").text("ipam") == Some("eni");
        let overlap = self
            .outside
            .is_some_and(|range| self.networks().any(|n| n.overlaps(range)));
        if overlap && !of_network {
            problems.error(at, "`nonMasqueradeCIDR` and the cluster's network overlap");
        }
        let pods = self.outside.zip(self.pods);
        if pods.is_some_and(|(outside, pods)| !outside.contains(pods)) {
            problems.error(
                spec.at("podCIDR"),
                "`podCIDR` does not lie in `nonMasqueradeCIDR`",
            );
        }
        let manager = spec.sub("kubeControllerManager");
        let pods = self.outside.zip(range(manager, "clusterCIDR", problems));
        if pods.is_some_and(|(outside, pods)| !outside.contains(pods)) {
            problems.error(
                manager.at("clusterCIDR"),
                "`kubeControllerManager.clusterCIDR` does not lie in `nonMasqueradeCIDR`",
            );
        }
    }

    fn subnet(&self, spec: View<'_>, subnet: View<'_>, problems: &mut Problems) {
        let name = subnet.text("name").unwrap_or_default();
        let cidr = range(subnet, "cidr", problems);
        let shares = |range: Option<Cidr>| cidr.zip(range).is_some_and(|(a, b)| a.overlaps(b));
        let outside = cidr.is_some_and(|c| !self.networks().any(|n| n.contains(c)));
        if outside && self.network.is_some() {
            problems.error(
                subnet.at("cidr"),
                format!("the subnet `{name}` does not lie in `networkCIDR`"),
            );
        }
        if shares(self.pods) && !spec.sub("networking").has("amazonvpc") {
            problems.error(
                subnet.at("cidr"),
                format!("the subnet `{name}` and `podCIDR` overlap"),
            );
        }
        if shares(self.services) {
            problems.error(
                subnet.at("cidr"),
                format!("the subnet `{name}` and `serviceClusterIPRange` overlap"),
            );
        }
        ipv6_range(subnet, problems);
        let ipv6 = subnet.text("ipv6CIDR").and_then(|t| Cidr::parse(t).ok());
        let ipv6 = ipv6.filter(|c| c.is_v6());
        if ipv6.zip(self.services).is_some_and(|(a, b)| a.overlaps(b)) {
            problems.error(
                subnet.at("ipv6CIDR"),
                format!(
                    "the `ipv6CIDR` of the subnet `{name}` and `serviceClusterIPRange` overlap"
                ),
            );
        }
    }

    fn routes(&self, subnet: View<'_>, problems: &mut Problems) {
        const TARGETS: [&str; 6] = ["pcx-", "i-", "nat-", "tgw-", "igw-", "eigw-"];
        let mut seen: BTreeSet<String> = BTreeSet::new();
        may_have_routes(subnet, problems);
        for route in subnet.list("additionalRoutes") {
            let target = route.text("target").unwrap_or_default();
            if !TARGETS.iter().any(|begin| target.starts_with(begin)) {
                problems.error_hint(
                    route.at("target"),
                    "this is no target of a route that kops knows",
                    format!("an id that begins with {}", TARGETS.join(", ")),
                );
            }
            let cidr = range(route, "cidr", problems);
            let within = cidr.is_some_and(|c| self.networks().any(|n| n.contains(c)));
            if within && target.starts_with("pcx-") {
                problems.error(
                    route.at("target"),
                    "a route within the network cannot lead to a peering connection",
                );
            }
            if cidr.is_some_and(|c| self.networks().any(|n| n == c)) {
                problems.error(
                    route.at("cidr"),
                    "every subnet has a route to the whole network already",
                );
            } else if let Some(text) = route.text("cidr")
                && !seen.insert(text.to_owned())
            {
                problems.error(route.at("cidr"), "this route stands here twice");
            }
        }
    }
}

fn may_have_routes(subnet: View<'_>, problems: &mut Problems) {
    if subnet.has("additionalRoutes") {
        let at = subnet.at("additionalRoutes");
        if subnet.text("id").is_some() {
            problems.error(at, "a shared subnet has no `additionalRoutes`");
        } else if subnet.text("type") != Some("Private") {
            problems.error(at, "only a private subnet has `additionalRoutes`");
        }
    }
}

fn ipv6_range(subnet: View<'_>, problems: &mut Problems) {
    if let Some(text) = subnet.text("ipv6CIDR")
        && !is_ipv6(text)
    {
        problems.error_hint(
            subnet.at("ipv6CIDR"),
            "`ipv6CIDR` is no range of IPv6 addresses",
            "such as 2001:db8::/64, or /64#0 for the first one of the network",
        );
    }
}

/// `ADDRESS/LENGTH`, or `/LENGTH#NUMBER` for one that is taken of the network's. Source: kops, `ParseCIDRNotation`.
fn is_ipv6(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('/') else {
        return Cidr::parse(text).is_ok_and(Cidr::is_v6);
    };
    let hexadecimal = |n: &str| !n.is_empty() && n.chars().all(|c| c.is_ascii_hexdigit());
    rest.split_once('#').is_some_and(|(length, number)| {
        length.parse::<u32>().is_ok_and(|l| l <= 128) && hexadecimal(number)
    })
}

/// The way out of a subnet.
fn egress(subnet: View<'_>, problems: &mut Problems) {
    let Some(egress) = subnet.text("egress") else {
        return;
    };
    let kind = egress.split('-').next().unwrap_or_default();
    if !matches!(kind, "nat" | "eipalloc" | "i" | "External" | "tgw") {
        problems.error_hint(
            subnet.at("egress"),
            "this is no `egress` that kops knows",
            "the id of a NAT gateway (nat-), an elastic IP (eipalloc-), an instance (i-) or a transit gateway (tgw-), or External",
        );
    }
    let ipv6_public = subnet.text("ipv6CIDR").is_some() && subnet.text("type") == Some("Public");
    let has_egress = matches!(subnet.text("type"), Some("Private" | "DualStack")) || ipv6_public;
    if egress != "External" && !has_egress {
        problems.error(
            subnet.at("egress"),
            "only a private subnet has an `egress` (or a public one with `ipv6CIDR`)",
        );
    }
}

fn range(view: View<'_>, key: &str, problems: &mut Problems) -> Option<Cidr> {
    match Cidr::parse(view.text(key)?) {
        Ok(cidr) => Some(cidr),
        Err(why) => {
            problems.error_hint(
                view.at(key),
                format!("`{key}` is not an address range: {why}"),
                why.hint(),
            );
            None
        }
    }
}
