//! The load balancer of the Kubernetes API: whether there is one, of which class, and kops' rules about it.

use std::collections::BTreeSet;

use super::cluster::{ApiLoadBalancer, Dns, LoadBalancerClass};
use super::error::Problems;
use super::releases::{Subject, ended};
use super::target::KopsTarget;
use super::view::View;

/// The load balancer of the API: as given, else one when an instance that serves the API is in a private subnet.
pub(super) fn read(
    spec: View<'_>,
    private: bool,
    dns: Dns,
    target: &KopsTarget,
    problems: &mut Problems,
) -> Option<ApiLoadBalancer> {
    let api = spec.sub("api");
    let given = api.sub("loadBalancer");
    let wanted = given.is_present() || !api.has("dns") && private;
    if !wanted {
        if dns == Dns::None {
            needs_balancer(spec, problems);
        }
        return None;
    }
    let class = class(spec, given, target, problems);
    if class == LoadBalancerClass::Classic {
        needs_network(given, dns, problems);
    }
    rules(given, class, problems);
    internal(spec, given, problems);
    Some(ApiLoadBalancer {
        class,
        tls: given.text("sslCertificate").is_some(),
        additional_security_groups: given.strings("additionalSecurityGroups"),
    })
}

/// Without DNS, nodes find the API by a load balancer alone.
fn needs_balancer(spec: View<'_>, problems: &mut Problems) {
    problems.error_hint(
        spec.at("api"),
        "`topology.dns.type: None` needs `spec.api.loadBalancer`",
        "add `api: {loadBalancer: {class: Network, type: Public}}`",
    );
}

/// A class that is left out is Classic, also of a load balancer that kops adds by itself.
fn class(
    spec: View<'_>,
    given: View<'_>,
    target: &KopsTarget,
    problems: &mut Problems,
) -> LoadBalancerClass {
    let written = given.text("class");
    match written {
        Some("Network") => return LoadBalancerClass::Network,
        Some("Classic") | None => {}
        Some(other) => {
            problems.error_hint(
                given.at("class"),
                format!("`spec.api.loadBalancer.class` is `{other}`, which kops does not know"),
                "Network, or Classic before kops 1.37",
            );
            return LoadBalancerClass::Network;
        }
    }
    if let Some(change) = ended(Subject::ClassicApiLoadBalancer, target.version, None) {
        let (at, what) = match (written, given.is_present()) {
            (Some(_), _) => (
                given.at("class"),
                "`spec.api.loadBalancer.class` is `Classic`",
            ),
            (None, true) => (
                given.pos,
                "`spec.api.loadBalancer` has no `class`, which makes it `Classic`",
            ),
            (None, false) => (
                spec.at("api"),
                "the control plane is private and `spec.api` is not set, so kops gives the API a load balancer of class `Classic`",
            ),
        };
        problems.error_hint(
            at,
            format!("{what}: not possible since {}", change.since),
            format!(
                "{}; a cluster of an older kops: `kops: {{version: \"1.36\"}}` in its file, or `--kops-version 1.36`",
                change.instead
            ),
        );
    }
    LoadBalancerClass::Classic
}

/// What only a network load balancer can do.
fn needs_network(given: View<'_>, dns: Dns, problems: &mut Problems) {
    if dns == Dns::None {
        problems.error(
            given.at("class"),
            "`topology.dns.type: None` needs a load balancer of `class: Network`",
        );
    }
    for key in ["sslCertificate", "sslPolicy"] {
        if given.text(key).is_some() {
            problems.error(
                given.at(key),
                format!("`spec.api.loadBalancer.{key}` needs a load balancer of `class: Network`"),
            );
        }
    }
}

fn rules(given: View<'_>, class: LoadBalancerClass, problems: &mut Problems) {
    if given
        .text("type")
        .is_some_and(|kind| !matches!(kind, "Public" | "Internal"))
    {
        problems.error(
            given.at("type"),
            "`spec.api.loadBalancer.type` must be Public or Internal",
        );
    }
    security_groups(given, "additionalSecurityGroups", problems);
    security_group(given, "securityGroupOverride", problems);
    if given.text("sslPolicy").is_some() && given.text("sslCertificate").is_none() {
        problems.error(
            given.at("sslPolicy"),
            "`spec.api.loadBalancer.sslPolicy` needs `sslCertificate`",
        );
    }
    if class == LoadBalancerClass::Network
        && given.bool("useForInternalApi") == Some(true)
        && given.text("type") == Some("Internal")
    {
        problems.error(
            given.at("useForInternalApi"),
            "`spec.api.loadBalancer.useForInternalApi` is not possible with an internal network load balancer",
        );
    }
}

/// An internal load balancer is put into private subnets.
fn internal(spec: View<'_>, given: View<'_>, problems: &mut Problems) {
    let private = |s: View<'_>| s.text("type") == Some("Private");
    if given.text("type") == Some("Internal") && !spec.list("subnets").any(private) {
        problems.error(
            given.at("type"),
            "`spec.api.loadBalancer.type: Internal` needs a subnet of type Private",
        );
    }
}

const NO_GROUP: &str = "this is not a security group id: `sg-` and letters and digits";

/// A list of security group ids: each one an id, none twice.
pub(super) fn security_groups(view: View<'_>, key: &str, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (id, pos) in view.items(key) {
        if !is_security_group(id) {
            problems.error(pos, NO_GROUP);
        } else if !seen.insert(id) {
            problems.error(pos, "this security group stands here twice");
        }
    }
}

/// One security group id.
pub(super) fn security_group(view: View<'_>, key: &str, problems: &mut Problems) {
    if view.text(key).is_some_and(|id| !is_security_group(id)) {
        problems.error(view.at(key), NO_GROUP);
    }
}

/// `sg-` and more, as one word. (AWS has hexadecimal digits after it; kops looks at `sg-` only, and so do its own examples.)
fn is_security_group(id: &str) -> bool {
    id.strip_prefix("sg-").is_some_and(|rest| {
        !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    })
}
