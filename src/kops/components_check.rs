//! kops' rules about Kubernetes' own programs: API server, controller manager, scheduler, proxy, kubelets, containerd. Decodes nothing.
//!
//! Source: kops' own validation (`pkg/apis/kops/validation/validation.go` and `legacy.go`): `kops update` ends with each of these.

use super::cidr::Cidr;
use super::error::Problems;
use super::target::KopsTarget;
use super::values::duration;
use super::view::View;
use crate::model::KopsVersion;
use crate::yaml::Pos;

/// Checks what a Cluster says. `kubernetes`: the minor version; none: a recent one.
pub(super) fn check(
    spec: View<'_>,
    kubernetes: Option<u32>,
    target: &KopsTarget,
    problems: &mut Problems,
) {
    let since = |minor: u32| kubernetes.is_none_or(|k| k >= minor);
    let server = spec.sub("kubeAPIServer");
    admission(server, &since, problems);
    authentication(spec, server, problems);
    if server.bool("enableBootstrapTokenAuth") == Some(true) && since(19) {
        problems.error(
            server.at("enableBootstrapTokenAuth"),
            "bootstrap tokens are not possible since Kubernetes 1.19",
        );
    }
    authorization(spec, server, &since, problems);
    audit(server, problems);
    server_network(spec, server, problems);
    let manager = spec.sub("kubeControllerManager");
    if manager.has("experimentalClusterSigningDuration") && since(25) {
        problems.error_hint(
            manager.at("experimentalClusterSigningDuration"),
            "`experimentalClusterSigningDuration` is not possible since Kubernetes 1.25",
            "write it as `clusterSigningDuration`",
        );
    }
    let scheduler = spec.sub("kubeScheduler");
    if scheduler.has("usePolicyConfigMap") {
        problems.error_hint(
            scheduler.at("usePolicyConfigMap"),
            "`kubeScheduler.usePolicyConfigMap` is not possible any more",
            "configure the scheduler with a KubeSchedulerConfiguration",
        );
    }
    proxy(spec.sub("kubeProxy"), problems);
    for kubelet in ["kubelet", "masterKubelet"] {
        shutdown(spec.sub(kubelet), problems);
    }
    for program in [
        "kubelet",
        "masterKubelet",
        "kubeAPIServer",
        "kubeControllerManager",
    ] {
        cloud_provider(spec, program, problems);
    }
    containerd(spec.sub("containerd"), problems);
    of_all_groups(spec.sub("containerd"), target, problems);
}

/// What a Cluster says of containerd for all of its groups. Sources: kops 1.36 release notes, gVisor; kops 1.37 release notes, other breaking changes.
fn of_all_groups(view: View<'_>, target: &KopsTarget, problems: &mut Problems) {
    let gvisor = view.sub("gvisor");
    if gvisor.bool("enabled") == Some(true) {
        problems.error_hint(
            gvisor.at("enabled"),
            "`containerd.gvisor` is not possible for all groups of a cluster",
            "write it into the groups of role Node that are to have it",
        );
    }
    let old = view
        .text("version")
        .and_then(version)
        .is_some_and(|v| v < [2, 1, 0]);
    if old && target.version >= KopsVersion::of_minor(37) {
        problems.warn(
            view.at("version"),
            "kops 1.37.0 takes no containerd before 2.1.0",
            Some("remove the version before that upgrade".into()),
        );
    }
}

fn admission(server: View<'_>, since: &impl Fn(u32) -> bool, problems: &mut Problems) {
    if !server.items("admissionControl").is_empty() {
        if since(26) {
            problems.error_hint(
                server.at("admissionControl"),
                "`kubeAPIServer.admissionControl` is not possible since Kubernetes 1.26",
                "write it as `enableAdmissionPlugins`",
            );
        } else if !server.items("disableAdmissionPlugins").is_empty() {
            problems.error(
                server.at("admissionControl"),
                "`kubeAPIServer` has `admissionControl` or `disableAdmissionPlugins`, not both",
            );
        }
    }
    for key in ["enableAdmissionPlugins", "admissionControl"] {
        for (plugin, pos) in server.items(key) {
            if plugin == "PodSecurityPolicy" && since(25) {
                problems.error(pos, "Kubernetes has no PodSecurityPolicy since 1.25");
            }
        }
    }
}

fn authentication(spec: View<'_>, server: View<'_>, problems: &mut Problems) {
    const OF_OIDC: [&str; 7] = [
        "oidcUsernameClaim",
        "oidcUsernamePrefix",
        "oidcGroupsClaim",
        "oidcGroupsPrefix",
        "oidcIssuerURL",
        "oidcClientID",
        "oidcRequiredClaim",
    ];
    let oidc = OF_OIDC.iter().any(|key| server.has(key))
        || !spec.sub("authentication").sub("oidc").places().is_empty();
    if server.text("authenticationConfigFile").is_some() && oidc {
        problems.error(
            server.at("authenticationConfigFile"),
            "`authenticationConfigFile` and options of OIDC are not possible together",
        );
    }
    let pair = ["proxyClientCertFile", "proxyClientKeyFile"];
    if let [Some(one), None] | [None, Some(one)] = pair.map(|key| server.has(key).then_some(key)) {
        problems.error(
            server.at(one),
            format!(
                "`kubeAPIServer` needs both of {}, or none",
                pair.join(" and ")
            ),
        );
    }
}

/// With RBAC, kops on AWS needs the modes Node and RBAC, since Kubernetes 1.19.
fn authorization(
    spec: View<'_>,
    server: View<'_>,
    since: &impl Fn(u32) -> bool,
    problems: &mut Problems,
) {
    let Some(written) = server.text("authorizationMode") else {
        return;
    };
    let at = server.at("authorizationMode");
    if written.contains("Webhook") && !server.has("authorizationWebhookConfigFile") {
        problems.error(
            at,
            "the authorization mode Webhook needs `authorizationWebhookConfigFile`",
        );
    }
    if !spec.sub("authorization").has("rbac") {
        return;
    }
    rbac_modes(written, at, since(19), problems);
}

/// With RBAC, the modes are checked one by one.
fn rbac_modes(written: &str, at: Pos, needs_both: bool, problems: &mut Problems) {
    const MODES: [&str; 6] = [
        "ABAC",
        "Webhook",
        "Node",
        "RBAC",
        "AlwaysAllow",
        "AlwaysDeny",
    ];
    let modes: Vec<&str> = written.split(',').collect();
    if let Some(unknown) = modes.iter().find(|mode| !MODES.contains(mode)) {
        problems.error_hint(
            at,
            format!("`{unknown}` is no authorization mode"),
            format!("one of {}", MODES.join(", ")),
        );
    }
    if needs_both && !(modes.contains(&"Node") && modes.contains(&"RBAC")) {
        problems.error(at, "`authorizationMode` must have Node and RBAC");
    }
}

fn audit(server: View<'_>, problems: &mut Problems) {
    let Some(webhook) = server.text("auditWebhookConfigFile") else {
        return;
    };
    let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    let at = server.at("auditWebhookConfigFile");
    match server.text("auditPolicyFile") {
        None => problems.error(at, "`auditWebhookConfigFile` needs an `auditPolicyFile`"),
        Some(policy) if folder(policy) != folder(webhook) => problems.error(
            at,
            "`auditWebhookConfigFile` must be in the folder of `auditPolicyFile`",
        ),
        Some(_) => {}
    }
}

fn server_network(spec: View<'_>, server: View<'_>, problems: &mut Problems) {
    if let Some(range) = server.text("serviceNodePortRange")
        && !is_port_range(range)
    {
        problems.error_hint(
            server.at("serviceNodePortRange"),
            "`serviceNodePortRange` is no range of ports",
            "such as 30000-32767",
        );
    }
    let own = server.text("serviceClusterIPRange");
    if own.is_some() && own != spec.text("serviceClusterIPRange") {
        problems.error(
            server.at("serviceClusterIPRange"),
            "`kubeAPIServer.serviceClusterIPRange` is not the cluster's `serviceClusterIPRange`",
        );
    }
}

/// `first-last`, `first+more` or one port. Source: k8s.io/apimachinery, `net.PortRange`.
fn is_port_range(text: &str) -> bool {
    let text = text.trim();
    let number = |part: &str| part.parse::<u32>().ok();
    let ends = match (text.split_once('-'), text.split_once('+')) {
        (Some((low, high)), None) => (number(low), number(high)),
        (None, Some((low, more))) => {
            let low = number(low);
            (
                low,
                low.zip(number(more)).and_then(|(a, b)| a.checked_add(b)),
            )
        }
        (None, None) => (number(text), number(text)),
        (Some(_), Some(_)) => (None, None),
    };
    matches!(ends, (Some(low), Some(high)) if low <= high && high <= 65535)
}

fn proxy(proxy: View<'_>, problems: &mut Problems) {
    for (text, pos) in proxy.items("ipvsExcludeCidrs") {
        if let Err(why) = Cidr::parse(text)
            && why.is_form()
        {
            problems.error_hint(
                pos,
                format!("this is not an address range: {why}"),
                why.hint(),
            );
        }
    }
    let is_url = |text: &str| {
        text.split_once("://")
            .is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty())
    };
    if proxy.text("master").is_some_and(|url| !is_url(url)) {
        problems.error(proxy.at("master"), "`kubeProxy.master` is no URL");
    }
}

fn shutdown(kubelet: View<'_>, problems: &mut Problems) {
    let span = |key: &str| kubelet.text(key).and_then(duration);
    let Some(critical) = span("shutdownGracePeriodCriticalPods") else {
        return;
    };
    let at = kubelet.at("shutdownGracePeriodCriticalPods");
    if !kubelet.has("shutdownGracePeriod") {
        problems.error(
            at,
            "`shutdownGracePeriodCriticalPods` needs a `shutdownGracePeriod`",
        );
    } else if span("shutdownGracePeriod").is_some_and(|whole| whole < critical) {
        problems.error(
            at,
            "`shutdownGracePeriodCriticalPods` is longer than `shutdownGracePeriod`",
        );
    }
}

fn cloud_provider(spec: View<'_>, program: &str, problems: &mut Problems) {
    let view = spec.sub(program);
    if let Some(other) = view
        .text("cloudProvider")
        .filter(|p| !matches!(*p, "aws" | "external"))
    {
        problems.error_hint(
            view.at("cloudProvider"),
            format!("`{program}.cloudProvider` is `{other}` in a cluster on AWS"),
            "remove it: kops sets it",
        );
    }
}

/// The rules of a `containerd` block, of a Cluster or of a group.
pub(super) fn containerd(view: View<'_>, problems: &mut Problems) {
    let written = view.text("version");
    let version = written.and_then(version);
    let at = view.at("version");
    match (written, version) {
        (Some(_), None) => problems.error(at, "`containerd.version` is no version"),
        (Some(_), Some(v)) if v < [1, 3, 4] => {
            problems.error(at, "containerd before 1.3.4 is not possible");
        }
        (Some(_) | None, _) => {}
    }
    let nri = view.sub("nri");
    if nri.bool("enabled") == Some(true) && version.is_some_and(|v| v < [1, 7, 0]) {
        problems.error(
            nri.at("enabled"),
            "`containerd.nri` needs containerd 1.7.0 or newer",
        );
    }
    containerd_packages(view.sub("packages"), problems);
}

fn containerd_packages(packages: View<'_>, problems: &mut Problems) {
    for (url, hash) in [("urlAmd64", "hashAmd64"), ("urlArm64", "hashArm64")] {
        if packages.has(url) != packages.has(hash) {
            problems.error(
                packages.pos,
                format!("`containerd.packages` needs both of {url} and {hash}, or none"),
            );
        }
        if packages.text(hash).is_some_and(|h| h.len() > 64) {
            problems.error(
                packages.at(hash),
                format!("`containerd.packages.{hash}` is longer than 64 characters"),
            );
        }
    }
}

/// Numbers of a version, what is left out being 0; what follows them does not count.
pub(super) fn version(text: &str) -> Option<[u32; 3]> {
    let plain = text.trim().trim_start_matches('v');
    let numbers = plain.split(['-', '+']).next()?;
    let mut all = [0; 3];
    for (index, part) in numbers.split('.').enumerate() {
        *all.get_mut(index)? = part.parse().ok()?;
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_ports_are_those_of_kubernetes() {
        for (text, is) in [
            ("30000-32767", true),
            ("30000+100", true),
            ("80", true),
            ("30000-", false),
            ("-30000", false),
            ("32000-30000", false),
            ("1-2+3", false),
            ("1-70000", false),
            ("4000000000+4000000000", false),
        ] {
            assert_eq!(is_port_range(text), is, "{text}");
        }
    }

    #[test]
    fn versions_are_read_with_what_is_left_out() {
        assert_eq!(version("v1.7.2"), Some([1, 7, 2]));
        assert_eq!(version("2.1"), Some([2, 1, 0]));
        assert_eq!(version("1.7.0-rc.1+x"), Some([1, 7, 0]));
        for no in ["", "x", "1.2.3.4", "1..2", "1.-2"] {
            assert_eq!(version(no), None, "{no}");
        }
    }
}
