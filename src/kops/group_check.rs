//! The rules of an InstanceGroup about what becomes its AutoScalingGroup and launch template. Source: kops' own validation.

use std::collections::BTreeSet;

use super::cluster::RollingUpdate;
use super::cluster_read::is_zero;
use super::error::Problems;
use super::group::WarmPool;
use super::labels;
use super::role::Role;
use super::values::{arn_resource, duration, taint};
use super::view::View;

const EBS_TYPES: [&str; 7] = ["standard", "gp2", "gp3", "io1", "io2", "st1", "sc1"];
const ROOT_TYPES: [&str; 5] = ["standard", "gp2", "gp3", "io1", "io2"];

/// Sizes, kops' defaults applied. Their rules are checked.
pub(super) fn sizes(spec: View<'_>, role: Role, problems: &mut Problems) -> (u32, u32) {
    let default = match role {
        Role::ControlPlane | Role::Bastion => 1,
        Role::Node | Role::ApiServer => 2,
    };
    let (min, max) = (
        spec.count("minSize", problems),
        spec.count("maxSize", problems),
    );
    if min.is_none() && spec.has("minSize") || max.is_none() && spec.has("maxSize") {
        return (default, default);
    }
    let (least, most) = (min.unwrap_or(default), max.unwrap_or(default));
    if most < least {
        let said = |given: bool| if given { "" } else { " by default" };
        let message = format!(
            "`minSize` is {least}{} and `maxSize` {most}{}",
            said(min.is_some()),
            said(max.is_some())
        );
        problems.error(
            spec.at(if max.is_some() { "maxSize" } else { "minSize" }),
            message,
        );
    }
    for (key, size) in [("minSize", least), ("maxSize", most)] {
        if role == Role::ControlPlane && size > 1 {
            problems.error_hint(
                spec.at(key),
                format!("`{key}` of a control-plane group must not be above 1"),
                "more control planes are more groups",
            );
        }
    }
    (least, most)
}

/// Everything that can be said about a group without its cluster, but sizes and rolling updates.
pub(super) fn check(spec: View<'_>, name: &str, problems: &mut Problems) {
    one_of(spec, "manager", &["CloudGroup", "Karpenter"], problems);
    one_of(spec, "tenancy", &["default", "dedicated", "host"], problems);
    one_of(spec, "cpuCredits", &["standard", "unlimited"], problems);
    one_of(
        spec,
        "instanceInterruptionBehavior",
        &["hibernate", "stop", "terminate"],
        problems,
    );
    one_of(spec, "rootVolumeType", &ROOT_TYPES, problems);
    tenancy(spec, problems);
    spot(spec, problems);
    instance_metadata(spec.sub("instanceMetadata"), problems);
    lifetime(spec, problems);
    volumes(spec, problems);
    mixed(spec, problems);
    security_groups(spec, problems);
    load_balancers(spec, problems);
    iam(spec.sub("iam"), problems);
    labels::check_cloud_labels(spec, Some(name), problems);
    labels::check_node_labels(spec, problems);
    taints(spec, problems);
}

fn one_of(view: View<'_>, key: &str, known: &[&str], problems: &mut Problems) {
    if view.text(key).is_some_and(|value| !known.contains(&value)) {
        problems.error(
            view.at(key),
            format!("`{key}` must be one of {}", known.join(", ")),
        );
    }
}

/// t2 types cannot run on dedicated hardware.
fn tenancy(spec: View<'_>, problems: &mut Problems) {
    const SHARED_ONLY: [&str; 6] = [
        "t2.nano",
        "t2.micro",
        "t2.small",
        "t2.medium",
        "t2.large",
        "t2.xlarge",
    ];
    let dedicated = spec.text("tenancy").is_some_and(|t| t != "default");
    let shared = spec
        .text("machineType")
        .is_some_and(|types| types.split(',').any(|t| SHARED_ONLY.contains(&t.trim())));
    if dedicated && shared {
        problems.error(
            spec.at("tenancy"),
            "`tenancy` other than `default` is not possible with this machine type",
        );
    }
}

fn spot(spec: View<'_>, problems: &mut Problems) {
    if spec
        .int("spotDurationInMinutes")
        .is_some_and(|m| ![60, 120, 180, 240, 300, 360].contains(&m))
    {
        problems.error(
            spec.at("spotDurationInMinutes"),
            "`spotDurationInMinutes` must be 60, 120, 180, 240, 300 or 360",
        );
    }
    let unused = spec.text("maxPrice").is_none() || spec.has("mixedInstancesPolicy");
    for key in ["spotDurationInMinutes", "instanceInterruptionBehavior"] {
        if spec.has(key) && unused {
            problems.warn(
                spec.at(key),
                format!(
                    "`{key}` has no effect without `maxPrice`, or with a `mixedInstancesPolicy`"
                ),
                None,
            );
        }
    }
}

fn instance_metadata(view: View<'_>, problems: &mut Problems) {
    one_of(view, "httpTokens", &["optional", "required"], problems);
    if view
        .int("httpPutResponseHopLimit")
        .is_some_and(|n| !(1..=64).contains(&n))
    {
        problems.error(
            view.at("httpPutResponseHopLimit"),
            "`httpPutResponseHopLimit` must be from 1 to 64",
        );
    }
}

fn lifetime(spec: View<'_>, problems: &mut Problems) {
    let seconds = spec.text("maxInstanceLifetime").and_then(duration);
    if seconds.is_some_and(|s| s != 0 && (s < 86_400 || u32::try_from(s).is_err())) {
        problems.error(
            spec.at("maxInstanceLifetime"),
            "`maxInstanceLifetime` must be 0 or at least 24h",
        );
    }
}

fn volumes(spec: View<'_>, problems: &mut Problems) {
    if spec.has("rootVolumeEncryptionKey") && spec.bool("rootVolumeEncryption") != Some(true) {
        let message =
            "`rootVolumeEncryptionKey` has no effect without `rootVolumeEncryption: true`";
        problems.warn(spec.at("rootVolumeEncryptionKey"), message, None);
    }
    let mut devices = BTreeSet::new();
    for volume in spec.list("volumes") {
        match volume.text("device") {
            None => problems.error(volume.pos, "a volume has no `device`"),
            Some(device) if !devices.insert(device) => problems.error(
                volume.at("device"),
                format!("two volumes have the device `{device}`"),
            ),
            Some(_) => {}
        }
        if volume.int("size").is_none_or(|size| size <= 0) {
            problems.error(volume.at("size"), "a volume needs a `size` above 0");
        }
        one_of(volume, "type", &EBS_TYPES, problems);
        if volume.text("key").is_some() && volume.bool("encrypted") == Some(false) {
            problems.warn(
                volume.at("key"),
                "`key` has no effect on a volume that is not encrypted",
                None,
            );
        }
    }
}

fn mixed(spec: View<'_>, problems: &mut Problems) {
    const SPOT: [&str; 5] = [
        "lowest-price",
        "diversified",
        "capacity-optimized",
        "capacity-optimized-prioritized",
        "price-capacity-optimized",
    ];
    let policy = spec.sub("mixedInstancesPolicy");
    one_of(policy, "spotAllocationStrategy", &SPOT, problems);
    one_of(
        policy,
        "onDemandAllocationStrategy",
        &["prioritized", "lowest-price"],
        problems,
    );
    if policy.int("onDemandAboveBase").is_some_and(|n| n > 100) {
        problems.error(
            policy.at("onDemandAboveBase"),
            "`onDemandAboveBase` is a percentage: 0 to 100",
        );
    }
    if let (Some(base), Some(max)) = (policy.int("onDemandBase"), spec.int("maxSize"))
        && base > max
    {
        problems.error(
            policy.at("onDemandBase"),
            format!("`onDemandBase` is {base}, above `maxSize` {max}"),
        );
    }
    let types = policy.items("instances");
    // Karpenter's own API takes both.
    let asg = spec.text("manager") != Some("Karpenter");
    if asg && policy.has("instanceRequirements") && !types.is_empty() {
        problems.error(
            policy.at("instanceRequirements"),
            "AWS takes `instances` or `instanceRequirements`, not both",
        );
    }
    let mut seen = BTreeSet::new();
    for (name, pos) in types {
        if name.is_empty() || !seen.insert(name) {
            problems.error(
                pos,
                format!("the instance type `{name}` is empty or stands here twice"),
            );
        }
    }
}

fn security_groups(spec: View<'_>, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (id, pos) in spec.items("additionalSecurityGroups") {
        if !id.starts_with("sg-") {
            problems.error(
                pos,
                "this is no security group id: it must begin with `sg-`",
            );
        } else if !seen.insert(id) {
            problems.error(pos, "this security group stands here twice");
        }
    }
}

fn load_balancers(spec: View<'_>, problems: &mut Problems) {
    for lb in spec.list("externalLoadBalancers") {
        match (lb.text("loadBalancerName"), lb.text("targetGroupArn")) {
            (Some(_), Some(_)) => problems.error(
                lb.pos,
                "an external load balancer has `loadBalancerName` or `targetGroupArn`, not both",
            ),
            (None, None) => problems.error(
                lb.pos,
                "an external load balancer needs `loadBalancerName` or `targetGroupArn`",
            ),
            (Some(name), None) if name.chars().count() > 32 => {
                problems.error(
                    lb.at("loadBalancerName"),
                    "`loadBalancerName` is longer than 32 characters",
                );
            }
            (None, Some(arn)) if !is_target_group(arn) => {
                let hint = "arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID";
                problems.error_hint(
                    lb.at("targetGroupArn"),
                    "`targetGroupArn` is not the ARN of a target group",
                    hint,
                );
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
    }
}

fn is_target_group(arn: &str) -> bool {
    let parts: Vec<&str> = arn_resource(arn).unwrap_or_default().split('/').collect();
    matches!(parts.as_slice(), ["targetgroup", name, id] if (1..=32).contains(&name.chars().count()) && !id.is_empty())
}

fn iam(view: View<'_>, problems: &mut Problems) {
    let profile = view
        .text("profile")
        .map(|arn| arn_resource(arn).and_then(|r| r.strip_prefix("instance-profile/")));
    if profile.is_some_and(|name| name.is_none_or(|n| n.is_empty() || n.ends_with('/'))) {
        let hint = "arn:aws:iam::ACCOUNT:instance-profile/NAME";
        problems.error_hint(
            view.at("profile"),
            "`iam.profile` is not the ARN of an instance profile",
            hint,
        );
    }
}

fn taints(spec: View<'_>, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (text, pos) in spec.items("taints") {
        if taint(text).is_none() {
            let hint = "key, key:Effect or key=value:Effect, the effect NoSchedule, PreferNoSchedule or NoExecute";
            problems.error_hint(pos, "this is no taint", hint);
        } else if !seen.insert(text) {
            problems.error(pos, "this taint stands here twice");
        }
    }
}

/// A control plane is never surged.
pub(super) fn rolling(spec: View<'_>, role: Role, update: &RollingUpdate, problems: &mut Problems) {
    if role == Role::ControlPlane && update.max_surge.is_some_and(|s| !is_zero(s)) {
        problems.error(
            spec.sub("rollingUpdate").at("maxSurge"),
            "a control-plane group cannot be surged: `maxSurge` must be 0",
        );
    }
}

/// The rules of a warm pool that is on.
pub(super) fn warm_pool(spec: View<'_>, role: Role, pool: WarmPool, problems: &mut Problems) {
    let pos = spec.at("warmPool");
    if !matches!(role, Role::Node | Role::ApiServer) {
        problems.error(
            pos,
            format!("a group of role {} cannot have a warm pool", role.as_str()),
        );
    }
    if spec.text("maxPrice").is_some() {
        problems.error(pos, "a group with `maxPrice` cannot have a warm pool");
    }
    if pool.max_size.is_some_and(|max| max < pool.min_size) {
        problems.error(pos, "`warmPool.minSize` is above `warmPool.maxSize`");
    }
}
