//! The rules of an InstanceGroup about what becomes its AutoScalingGroup and launch template. Source: kops' own validation.

use std::collections::BTreeSet;

use super::error::Problems;
use super::role::Role;
use super::values::{arn_resource, duration};
use super::view::View;
use super::{api, ebs_check, labels, taints};
use crate::fleet::closest;

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
    if role == Role::ControlPlane {
        one_instance(spec, [("minSize", least), ("maxSize", most)], problems);
    }
    (least, most)
}

fn one_instance(spec: View<'_>, sizes: [(&str, u32); 2], problems: &mut Problems) {
    for (key, size) in sizes {
        if size > 1 {
            problems.error_hint(
                spec.at(key),
                format!("`{key}` of a control-plane group must not be above 1"),
                "more control planes are more groups",
            );
        }
    }
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
    ebs_check::others(spec, problems);
    mixed(spec, problems);
    processes(spec, problems);
    api::security_groups(spec, "additionalSecurityGroups", problems);
    api::security_group(spec, "securityGroupOverride", problems);
    load_balancers(spec, problems);
    iam(spec.sub("iam"), problems);
    labels::check_cloud_labels(spec, Some(name), problems);
    labels::check_node_labels(spec, problems);
    labels::check_kubelet_labels(spec, "kubelet", problems);
    taints::of_group(spec, problems);
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
    // Source: EC2 API, LaunchTemplateSpotMarketOptionsRequest: a price below $0.001 is refused.
    if spec.text("maxPrice").is_some_and(|p| !is_price(p)) {
        problems.error_hint(
            spec.at("maxPrice"),
            "`maxPrice` is not a price: dollars an hour, at least 0.001",
            "such as \"0.10\"; without `maxPrice` the price of on-demand is the limit",
        );
    }
    unused_spot_fields(spec, problems);
}

fn unused_spot_fields(spec: View<'_>, problems: &mut Problems) {
    let unused = spec.text("maxPrice").is_none() || spec.has("mixedInstancesPolicy");
    // Source: AWS News Blog, "New – EC2 Spot Blocks for Defined-Duration Workloads", update of July 2021.
    if spec.has("spotDurationInMinutes") && !unused {
        problems.warn(
            spec.at("spotDurationInMinutes"),
            "`spotDurationInMinutes`: AWS ended spot instances of a fixed duration in December 2022",
            Some("remove it".to_owned()),
        );
    }
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

/// A decimal number of at least a tenth of a cent.
fn is_price(text: &str) -> bool {
    let form = text.chars().all(|c| c.is_ascii_digit() || c == '.')
        && text.starts_with(|c: char| c.is_ascii_digit());
    form && text.parse::<f64>().is_ok_and(|price| price >= 0.001)
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

/// Source: Amazon EC2 Auto Scaling API, MaxInstanceLifetime: a day to a year.
fn lifetime(spec: View<'_>, problems: &mut Problems) {
    let seconds = spec.text("maxInstanceLifetime").and_then(duration);
    if seconds.is_some_and(|s| s != 0 && !(86_400..=31_536_000).contains(&s)) {
        problems.error(
            spec.at("maxInstanceLifetime"),
            "`maxInstanceLifetime` must be 0 or 24h to 8760h",
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

fn strategies(policy: View<'_>, problems: &mut Problems) {
    const SPOT: [&str; 4] = [
        "lowest-price",
        "capacity-optimized",
        "capacity-optimized-prioritized",
        "price-capacity-optimized",
    ];
    if policy.text("spotAllocationStrategy") == Some("diversified") {
        problems.error_hint(
            policy.at("spotAllocationStrategy"),
            "`spotAllocationStrategy` is `diversified`: a strategy of EC2 Fleet that kops takes and an AutoScalingGroup does not have",
            format!("one of {}", SPOT.join(", ")),
        );
    } else {
        one_of(policy, "spotAllocationStrategy", &SPOT, problems);
    }
    one_of(
        policy,
        "onDemandAllocationStrategy",
        &["prioritized", "lowest-price"],
        problems,
    );
}

fn mixed(spec: View<'_>, problems: &mut Problems) {
    let policy = spec.sub("mixedInstancesPolicy");
    strategies(policy, problems);
    if policy.int("onDemandAboveBase").is_some_and(|n| n > 100) {
        problems.error(
            policy.at("onDemandAboveBase"),
            "`onDemandAboveBase` is a percentage: 0 to 100",
        );
    }
    pools(policy, problems);
    let types = policy.items("instances");
    // Karpenter's own API takes both.
    let asg = spec.text("manager") != Some("Karpenter");
    if asg && policy.has("instanceRequirements") && !types.is_empty() {
        problems.error(
            policy.at("instanceRequirements"),
            "AWS takes `instances` or `instanceRequirements`, not both",
        );
    }
    if asg && policy.has("instanceRequirements") {
        requirements(policy, problems);
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

/// Source: Amazon EC2 Auto Scaling API, InstancesDistribution: SpotInstancePools, 1 to 20, only with the strategy lowest-price (which is
/// also the one of a policy that says none).
fn pools(policy: View<'_>, problems: &mut Problems) {
    let Some(pools) = policy.int("spotInstancePools") else {
        return;
    };
    let strategy = policy.text("spotAllocationStrategy");
    let at = policy.at("spotInstancePools");
    match strategy {
        None | Some("lowest-price") if pools == 0 || pools > 20 => {
            problems.error(at, "`spotInstancePools` must be from 1 to 20");
        }
        None | Some("lowest-price") => {}
        Some(other) if pools > 0 => problems.error_hint(
            at,
            format!("`spotInstancePools` is only possible with the strategy lowest-price, and this is {other}"),
            "remove it",
        ),
        Some(_) => {}
    }
}

/// Source: Amazon EC2 Auto Scaling API, InstanceRequirements: VCpuCount and MemoryMiB need their Min (kops sends 0 for a block that is missing and
/// nothing for a block without `min`); InstancesDistribution: neither `prioritized` strategy can be used with them.
fn requirements(policy: View<'_>, problems: &mut Problems) {
    let requirements = policy.sub("instanceRequirements");
    for key in ["cpu", "memory"] {
        let range = requirements.sub(key);
        if requirements.has(key) && !range.has("min") {
            problems.error_hint(
                requirements.at(key),
                format!("`instanceRequirements.{key}` has no `min`, which AWS insists on"),
                "write `min: 0` when there is no least",
            );
        }
    }
    for (key, strategy) in [
        ("onDemandAllocationStrategy", "prioritized"),
        ("spotAllocationStrategy", "capacity-optimized-prioritized"),
    ] {
        if policy.text(key) == Some(strategy) {
            problems.error(
                policy.at(key),
                format!("`{strategy}` needs a list of types: it is not possible with `instanceRequirements`"),
            );
        }
    }
}

/// On-demand instances that are always there cannot be more than the group has at most, its default counted.
pub(super) fn on_demand_base(spec: View<'_>, max_size: u32, problems: &mut Problems) {
    let policy = spec.sub("mixedInstancesPolicy");
    if let Some(base) = policy.int("onDemandBase")
        && base > i64::from(max_size)
    {
        let by_default = if spec.has("maxSize") {
            ""
        } else {
            " by default"
        };
        problems.error(
            policy.at("onDemandBase"),
            format!("`onDemandBase` is {base}, above `maxSize` {max_size}{by_default}"),
        );
    }
}

/// The processes of an AutoScalingGroup. Source: Amazon EC2 Auto Scaling user guide, "Suspend and resume Amazon EC2 Auto Scaling processes".
const PROCESSES: [&str; 9] = [
    "AZRebalance",
    "AddToLoadBalancer",
    "AlarmNotification",
    "HealthCheck",
    "InstanceRefresh",
    "Launch",
    "ReplaceUnhealthy",
    "ScheduledActions",
    "Terminate",
];

fn processes(spec: View<'_>, problems: &mut Problems) {
    for (name, pos) in spec.items("suspendProcesses") {
        if !PROCESSES.contains(&name) {
            let hint = closest(name, PROCESSES).map_or_else(
                || format!("there are {}", PROCESSES.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            problems.error_hint(
                pos,
                format!("an AutoScalingGroup has no process `{name}`"),
                hint,
            );
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
