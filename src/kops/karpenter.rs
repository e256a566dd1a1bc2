//! Groups that Karpenter runs, and a cluster that has Karpenter: kops' rules. They make no AutoScalingGroup.

use super::error::Problems;
use super::releases::{Subject, ended};
use super::role::Role;
use super::target::KopsTarget;
use super::view::View;

/// The rules of the cluster.
pub(super) fn cluster(spec: View<'_>, target: &KopsTarget, problems: &mut Problems) {
    let karpenter = spec.sub("karpenter");
    if karpenter.bool("enabled") != Some(true) {
        return;
    }
    if spec.sub("iam").bool("useServiceAccountExternalPermissions") != Some(true) {
        problems.error_hint(
            karpenter.at("enabled"),
            "Karpenter needs service accounts with permissions of their own",
            "add `iam: {useServiceAccountExternalPermissions: true}`",
        );
    }
    let excluded = ended(Subject::QueueBesideKarpenter, target.version, None).is_some();
    if excluded && spec.sub("nodeTerminationHandler").bool("enabled") == Some(true) {
        problems.error_hint(
            spec.sub("nodeTerminationHandler").at("enabled"),
            "the node termination handler is not possible together with Karpenter",
            "Karpenter handles interruptions itself: remove `nodeTerminationHandler`",
        );
    }
}

/// The rules of a group. `gates`: the cluster's `karpenter.featureGates`, when it has any.
pub(super) fn group(spec: View<'_>, role: Role, gates: Option<&str>, problems: &mut Problems) {
    if role != Role::Node {
        problems.error(
            spec.at("role"),
            "a group of manager Karpenter must have the role Node",
        );
    }
    if spec.int("maxSize").is_some_and(|n| n <= 0) {
        problems.error(
            spec.at("maxSize"),
            "`maxSize` of a group of manager Karpenter must be above 0",
        );
    }
    if spec.text("image").is_some_and(|image| !is_selected(image)) {
        problems.error_hint(
            spec.at("image"),
            "this is no `image` that Karpenter can select",
            "ami-..., ssm:PARAMETER, NAME or OWNER/NAME",
        );
    }
    min_size(spec, gates, problems);
}

fn min_size(spec: View<'_>, gates: Option<&str>, problems: &mut Problems) {
    match spec.int("minSize") {
        None => {}
        Some(min) if min <= 0 => problems.error_hint(
            spec.at("minSize"),
            "`minSize` of a group of manager Karpenter must be above 0",
            "leave it out: Karpenter then has as many nodes as pods need",
        ),
        Some(_) if !static_capacity(gates) => problems.error_hint(
            spec.at("minSize"),
            "`minSize` of a group of manager Karpenter needs the feature gate StaticCapacity",
            "add StaticCapacity=true to `karpenter.featureGates`",
        ),
        Some(_) => {}
    }
}

/// Source: kops, `validateKarpenterAMISelectorImage`.
fn is_selected(image: &str) -> bool {
    let image = image.trim();
    let halves = image.split_once('/');
    match image.strip_prefix("ssm:") {
        _ if image.contains("://") => false,
        Some(parameter) => !parameter.is_empty(),
        None if image.starts_with("ami-") => true,
        None => halves.is_none_or(|(owner, name)| !owner.is_empty() && !name.is_empty()),
    }
}

/// kops switches the gate on unless the gates are written, and then the last word counts.
fn static_capacity(gates: Option<&str>) -> bool {
    let Some(gates) = gates else { return true };
    let mut named = gates
        .split(',')
        .filter_map(|gate| gate.trim().split_once('='))
        .filter(|(name, _)| name.trim() == "StaticCapacity");
    named
        .next_back()
        .is_some_and(|(_, value)| value.trim().eq_ignore_ascii_case("true"))
}
