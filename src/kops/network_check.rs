//! kops' rules about a cluster's network: the provider, the names, address ranges, subnets and their zones. Decodes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::{Dns, Subnet, SubnetKind};
use super::error::Problems;
use super::ranges_check;
use super::releases::{Subject, ended, kubernetes_minor_of, kubernetes_range};
use super::schema;
use super::target::KopsTarget;
use super::view::View;
use super::zones;
use crate::model::{ClusterName, KopsVersion};
use crate::yaml::Pos;

/// Checks what only the Cluster says. `subnets` are those of `spec`, in its order.
pub(super) fn check(
    spec: View<'_>,
    name: Option<&ClusterName>,
    dns: Dns,
    subnets: &[Subnet],
    target: &KopsTarget,
    problems: &mut Problems,
) {
    let kubernetes = kubernetes(spec, target, problems);
    provider(spec, kubernetes, target, problems);
    gossip(spec, name, dns, target, problems);
    ranges_check::check(spec, problems);
    shared_or_not(spec, problems);
    utility(spec, problems);
    zones::check(spec, target, problems);
    let ipv6 = spec.str("nonMasqueradeCIDR") == Some("::/0");
    for (view, subnet) in spec.list("subnets").zip(subnets) {
        if subnet.kind == SubnetKind::DualStack && !ipv6 {
            problems.error(
                view.at("type"),
                format!(
                    "the subnet `{}` is of type DualStack, which only IPv6 clusters have (`nonMasqueradeCIDR: ::/0`)",
                    subnet.name
                ),
            );
        }
    }
}

/// The minor version of Kubernetes; a warning when this kops does not carry it out.
fn kubernetes(spec: View<'_>, target: &KopsTarget, problems: &mut Problems) -> Option<u32> {
    spec.text("kubernetesVersion")?;
    let Some(minor) = kubernetes_minor(spec) else {
        problems.error_hint(
            spec.at("kubernetesVersion"),
            "`spec.kubernetesVersion` is not a version of Kubernetes",
            "write it as 1.34.2",
        );
        return None;
    };
    let (oldest, newest) = kubernetes_range(target.version);
    if !(oldest..=newest).contains(&minor) {
        problems.warn(
            spec.at("kubernetesVersion"),
            format!(
                "kops {} carries out Kubernetes 1.{oldest} to 1.{newest}, and this is 1.{minor}",
                target.version
            ),
            Some("say which kops is used: `--kops-version`, or `kops: {version: ...}` in the cluster's file".into()),
        );
    }
    Some(minor)
}

/// N of Kubernetes 1.N; none: it is not written, or is no version.
pub(super) fn kubernetes_minor(spec: View<'_>) -> Option<u32> {
    kubernetes_minor_of(spec.text("kubernetesVersion")?)
}

/// One provider, and one that this kops still has.
fn provider(spec: View<'_>, kubernetes: Option<u32>, target: &KopsTarget, problems: &mut Problems) {
    let networking = spec.sub("networking");
    let places = networking.places();
    let mut providers = Vec::new();
    for (key, pos) in &places {
        if !networking.has(key) {
            continue;
        }
        if schema::kind("Cluster.networking", key).is_some() {
            providers.push(key.as_str());
        } else if schema::kind("Cluster", key).is_some() {
            misplaced(key, *pos, problems);
        }
        let Some((subject, _)) = PROVIDERS.iter().find(|(_, name)| name == key) else {
            continue;
        };
        if let Some(change) = ended(*subject, target.version, kubernetes) {
            problems.error_hint(
                *pos,
                format!("`networking.{key}` is not possible since {}", change.since),
                change.instead,
            );
        }
    }
    last_release(networking, target, problems);
    one_provider(spec, &providers, problems);
}

/// kops 1.37.0 takes kopeio away; the alpha releases before it, whose rules are these, do not.
fn last_release(networking: View<'_>, target: &KopsTarget, problems: &mut Problems) {
    if networking.has("kopeio") && target.version >= KopsVersion::of_minor(37) {
        problems.warn(
            networking.at("kopeio"),
            "kops 1.37.0 takes no `networking.kopeio`",
            Some("move to calico, cilium or kindnet with kops 1.36 or older first".into()),
        );
    }
}

/// In v1alpha3 these stand under `networking`; of a v1alpha2 manifest kops drops them.
fn misplaced(key: &str, pos: Pos, problems: &mut Problems) {
    problems.error_hint(
        pos,
        format!(
            "`{key}` does not stand under `spec.networking` in v1alpha2, so kops would drop it"
        ),
        format!("write it as `spec.{key}`"),
    );
}

fn one_provider(spec: View<'_>, providers: &[&str], problems: &mut Problems) {
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

/// Providers that are no longer possible everywhere.
const PROVIDERS: [(Subject, &str); 6] = [
    (Subject::Networking("canal"), "canal"),
    (Subject::Networking("classic"), "classic"),
    (Subject::Networking("external"), "external"),
    (Subject::Networking("lyftvpc"), "lyftvpc"),
    (Subject::Networking("romana"), "romana"),
    (Subject::Networking("weave"), "weave"),
];

/// A cluster below `.k8s.local` has its names by gossip, unless it has none.
pub(super) fn is_gossip(name: Option<&ClusterName>, dns: Dns) -> bool {
    dns != Dns::None && name.is_some_and(|n| n.as_str().ends_with(".k8s.local"))
}

fn gossip(
    spec: View<'_>,
    name: Option<&ClusterName>,
    dns: Dns,
    target: &KopsTarget,
    problems: &mut Problems,
) {
    if is_gossip(name, dns)
        && let Some(change) = ended(Subject::Gossip, target.version, None)
    {
        problems.error_hint(
            spec.sub("topology").at("dns"),
            format!(
                "a cluster below `.k8s.local` whose `topology.dns.type` is not None is not possible since {}",
                change.since
            ),
            change.instead,
        );
    }
}

/// Either all subnets are shared or none.
fn shared_or_not(spec: View<'_>, problems: &mut Problems) {
    let mut subnets = spec.list("subnets");
    let Some(first) = subnets.next() else { return };
    let shared = first.text("id").is_some();
    for subnet in subnets.filter(|s| s.text("id").is_some() != shared) {
        problems.error(
            subnet.at("id"),
            format!(
                "the subnet `{}` has {} `id`, unlike the first one: kops takes subnets that all have an id, or none",
                subnet.text("name").unwrap_or_default(),
                if shared { "no" } else { "an" },
            ),
        );
    }
}

/// A private subnet that kops routes through a NAT gateway needs a utility subnet in its zone to put that into.
fn utility(spec: View<'_>, problems: &mut Problems) {
    let mut utility: BTreeMap<&str, u32> = BTreeMap::new();
    for subnet in spec
        .list("subnets")
        .filter(|s| s.text("type") == Some("Utility"))
    {
        *utility
            .entry(subnet.text("zone").unwrap_or_default())
            .or_default() += 1;
    }
    let mut said = BTreeSet::new();
    for subnet in spec.list("subnets") {
        let private = matches!(subnet.text("type"), Some("Private" | "DualStack"));
        let egress = subnet.text("egress").unwrap_or_default();
        let own_gateway =
            subnet.text("id").is_none() && egress != "External" && !egress.starts_with("tgw-");
        let zone = subnet.text("zone").unwrap_or_default();
        if private && own_gateway && !utility.contains_key(zone) && said.insert(zone) {
            problems.error_hint(
                subnet.pos,
                format!(
                    "the subnet `{}` is private and there is no subnet of type Utility in its zone",
                    subnet.text("name").unwrap_or_default()
                ),
                "add one for the NAT gateway, or say `egress: External`",
            );
        }
    }
}
