//! An InstanceGroup document into [`InstanceGroup`], with the defaults kops takes from the Cluster. The rules are in `group_check` and its like.

use std::collections::BTreeMap;

use super::cluster::Cluster;
use super::cluster::LoadBalancerClass;
use super::error::Problems;
use super::group::{
    ExternalLoadBalancer, GroupVolumes, InstanceGroup, InstanceMetadata, MixedPolicy, Requirements,
    RootVolume, SpotSettings, Volume, WarmPoolSpec,
};
use super::releases::{Subject, ended};
use super::role::Role;
use super::types_check::has_gpu;
use super::values::{Taint, arn_resource, duration, quantity, taint};
use super::view::{View, scalar};
use super::{ebs_check, group_check, rolling, subnets, warm_pool};
use crate::model::GroupName;
use crate::yaml::Node;

/// Decodes a group whose fields have been checked. None: a fault was found.
pub(super) fn read(
    root: &Node,
    role: Role,
    cluster: &Cluster,
    problems: &mut Problems,
) -> Option<InstanceGroup> {
    let name_node = root.at(["metadata", "name"])?;
    let name = GroupName::new(name_node.as_str()?).ok()?;
    let spec = View::new(root.get("spec")?);
    let (min_size, max_size) = group_check::sizes(spec, role, problems);
    group_check::on_demand_base(spec, max_size, problems);
    ebs_check::root(spec, role, problems);
    let subnets = subnets::resolve(spec, role, cluster, problems);
    let warm_pool = resolve_warm_pool(spec, role, cluster, problems);
    let own_update = rolling::read(spec.sub("rollingUpdate"), problems);
    rolling::control_plane(spec, role, &own_update, problems);
    interface(spec, role, cluster, problems);
    if cluster.terraform {
        kept_volumes(spec, problems);
    }
    let image = required(spec, "image", problems);
    let machine_type = required(spec, "machineType", problems)
        .and_then(|types| first_type(&types, spec, problems));
    let (node_labels, taints) = labels_and_taints(
        spec,
        cluster,
        machine_type.as_deref().unwrap_or_default(),
        problems,
    );
    Some(InstanceGroup {
        name,
        pos: root.pos,
        name_pos: name_node.pos,
        fields: spec.places(),
        value: root.to_json(),
        role,
        min_size,
        max_size,
        image: image?,
        machine_type: machine_type?,
        subnets: subnets?,
        volumes: volumes(spec, problems),
        mixed: spec
            .has("mixedInstancesPolicy")
            .then(|| mixed(spec.sub("mixedInstancesPolicy"), cluster, problems)),
        spot: spot(spec, problems),
        metadata: metadata(spec.sub("instanceMetadata"), problems),
        security_group_override: spec.owned("securityGroupOverride"),
        additional_security_groups: spec.strings("additionalSecurityGroups"),
        associate_public_ip: spec.bool("associatePublicIp"),
        tenancy: spec.owned("tenancy"),
        cpu_credits: spec.owned("cpuCredits"),
        ebs_optimized: spec.bool("rootVolumeOptimization"),
        detailed_monitoring: spec.bool("detailedInstanceMonitoring") == Some(true),
        iam_profile: iam_profile(spec),
        cloud_labels: spec.map("cloudLabels"),
        kubelet_labels: spec.sub("kubelet").map("nodeLabels"),
        node_labels,
        taints,
        suspend_processes: spec.strings("suspendProcesses"),
        load_balancers: load_balancers(spec),
        instance_protection: spec.bool("instanceProtection") == Some(true),
        capacity_rebalance: spec.bool("capacityRebalance"),
        max_instance_lifetime: lifetime(spec),
        warm_pool,
        rolling_update: own_update.or(&cluster.rolling_update),
        autoscale: spec.bool("autoscale"),
        autoscale_priority: spec.int("autoscalePriority").unwrap_or(0),
    })
}

/// Most security groups of a network interface. Source: Amazon VPC user guide, "Amazon VPC quotas": 5 unless raised, 16 at most.
const MOST_SECURITY_GROUPS: usize = 16;

/// A group's instances have one interface, with all of its security groups.
fn interface(spec: View<'_>, role: Role, cluster: &Cluster, problems: &mut Problems) {
    let of_api = cluster
        .api_load_balancer
        .iter()
        .filter(|api| {
            api.class == LoadBalancerClass::Network
                && matches!(role, Role::ControlPlane | Role::ApiServer)
        })
        .map(|api| api.additional_security_groups.len())
        .sum::<usize>();
    let all = 1 + of_api + spec.items("additionalSecurityGroups").len();
    if all > MOST_SECURITY_GROUPS {
        problems.error(
            spec.at("additionalSecurityGroups"),
            format!("instances of the group would have {all} security groups, the group's own counted; AWS takes {MOST_SECURITY_GROUPS} on an interface"),
        );
    }
}

/// What kops would look up in AWS when it is absent, and kfleet must not guess.
fn required(spec: View<'_>, key: &str, problems: &mut Problems) -> Option<String> {
    let value = spec.owned(key);
    if value.is_none() {
        problems.error_hint(
            spec.at(key),
            format!("`spec.{key}` is missing"),
            "kops would look one up in AWS; a manifest that is compiled must name it",
        );
    }
    value
}

/// `machineType` up to the first comma.
fn first_type(types: &str, spec: View<'_>, problems: &mut Problems) -> Option<String> {
    let first = types.split(',').next().unwrap_or_default();
    if first.is_empty() || types.contains(char::is_whitespace) {
        problems.error(
            spec.at("machineType"),
            "`machineType` must be an instance type, or several with commas and no blanks between",
        );
        return None;
    }
    Some(first.to_owned())
}

fn volumes(spec: View<'_>, problems: &mut Problems) -> GroupVolumes {
    let root = RootVolume {
        // Zero counts as absent: kops takes a size only when it is positive.
        size: spec
            .count("rootVolumeSize", problems)
            .filter(|size| *size > 0),
        kind: spec.owned("rootVolumeType"),
        iops: spec.count("rootVolumeIops", problems),
        throughput: spec.count("rootVolumeThroughput", problems),
        encryption: spec.bool("rootVolumeEncryption"),
        key: spec.owned("rootVolumeEncryptionKey"),
    };
    let extra = spec.list("volumes").map(|v| Volume {
        device: v.owned("device").unwrap_or_default(),
        size: v.count("size", problems).unwrap_or_default(),
        kind: v.owned("type"),
        iops: v.count("iops", problems),
        throughput: v.count("throughput", problems),
        encrypted: v.bool("encrypted"),
        key: v.owned("key"),
        delete_on_termination: v.bool("deleteOnTermination"),
    });
    GroupVolumes {
        root,
        extra: extra.collect(),
    }
}

/// Through Terraform kops makes every volume go with its instance; a cluster that asks for something else should be told.
fn kept_volumes(spec: View<'_>, problems: &mut Problems) {
    for volume in spec
        .list("volumes")
        .filter(|v| v.bool("deleteOnTermination") == Some(false))
    {
        let message = "`deleteOnTermination: false` has no effect in a cluster with `target.terraform`: kops ignores it there";
        problems.warn(volume.at("deleteOnTermination"), message, None);
    }
}

fn mixed(view: View<'_>, cluster: &Cluster, problems: &mut Problems) -> MixedPolicy {
    let strategy = view.owned("onDemandAllocationStrategy");
    let unsent = ended(Subject::UnsentOnDemandStrategy, cluster.kops, None).is_none();
    let unsent = unsent && !cluster.terraform;
    if unsent && strategy.is_some() {
        problems.warn(
            view.at("onDemandAllocationStrategy"),
            format!(
                "`onDemandAllocationStrategy` has no effect: kops {} does not send it",
                cluster.kops
            ),
            None,
        );
    }
    MixedPolicy {
        instances: view.strings("instances"),
        requirements: view
            .has("instanceRequirements")
            .then(|| requirements(view.sub("instanceRequirements"), problems)),
        on_demand_allocation_strategy: strategy.filter(|_| !unsent),
        on_demand_base: view.count("onDemandBase", problems),
        on_demand_above_base: view.count("onDemandAboveBase", problems),
        spot_allocation_strategy: view.owned("spotAllocationStrategy"),
        spot_instance_pools: view.count("spotInstancePools", problems),
    }
}

fn requirements(view: View<'_>, problems: &mut Problems) -> Requirements {
    Requirements {
        cpu: view.has("cpu").then(|| range(view.sub("cpu"), 1, problems)),
        // kops scales memory to 10^6 bytes and sends that as MiB.
        memory: view
            .has("memory")
            .then(|| range(view.sub("memory"), 1_000_000, problems)),
        excluded: view.strings("excludedInstanceTypes"),
    }
}

fn range(view: View<'_>, unit: u128, problems: &mut Problems) -> (Option<i64>, Option<i64>) {
    let mut bound = |key: &str| {
        let node = view.get(key)?;
        let text = node
            .as_str()
            .map(str::to_owned)
            .or_else(|| scalar(node).map(ToString::to_string))?;
        let value = quantity(&text)
            .and_then(|q| q.in_units_of(unit))
            .filter(|n| *n >= 0);
        if value.is_none() {
            problems.error(node.pos, format!("`{key}` must be a quantity from 0 up"));
        }
        value
    };
    let (min, max) = (bound("min"), bound("max"));
    // Source: Amazon EC2 Auto Scaling API, InstanceRequirements.
    if let (Some(least), Some(most)) = (min, max)
        && least > most
    {
        problems.error(view.at("max"), "`max` is below `min`");
    }
    (min, max)
}

fn spot(spec: View<'_>, problems: &mut Problems) -> SpotSettings {
    SpotSettings {
        max_price: spec.owned("maxPrice"),
        duration_minutes: spec.count("spotDurationInMinutes", problems),
        interruption: spec.owned("instanceInterruptionBehavior"),
    }
}

fn metadata(view: View<'_>, problems: &mut Problems) -> InstanceMetadata {
    InstanceMetadata {
        http_tokens: view.owned("httpTokens"),
        hop_limit: view.count("httpPutResponseHopLimit", problems),
    }
}

/// The name is the last path element of the ARN.
fn iam_profile(spec: View<'_>) -> Option<String> {
    let resource = arn_resource(spec.sub("iam").text("profile")?)?;
    resource.rsplit('/').next().map(str::to_owned)
}

fn load_balancers(spec: View<'_>) -> Vec<ExternalLoadBalancer> {
    let one = |lb: View<'_>| {
        let classic = lb
            .owned("loadBalancerName")
            .map(ExternalLoadBalancer::Classic);
        classic.or_else(|| {
            lb.owned("targetGroupArn")
                .map(ExternalLoadBalancer::TargetGroup)
        })
    };
    spec.list("externalLoadBalancers").filter_map(one).collect()
}

fn lifetime(spec: View<'_>) -> Option<u32> {
    let seconds = duration(spec.text("maxInstanceLifetime")?)?;
    u32::try_from(seconds).ok().filter(|s| *s > 0)
}

/// Node labels and taints as written, with what kops adds for GPUs and gVisor.
fn labels_and_taints(
    spec: View<'_>,
    cluster: &Cluster,
    machine_type: &str,
    problems: &mut Problems,
) -> (BTreeMap<String, String>, Vec<Taint>) {
    let mut labels = spec.map("nodeLabels");
    let mut taints: Vec<Taint> = spec
        .items("taints")
        .into_iter()
        .filter_map(|(text, _)| taint(text))
        .collect();
    let own = spec.sub("containerd");
    let nvidia = cluster.nvidia_gpu || own.sub("nvidiaGPU").bool("enabled") == Some(true);
    // kops asks AWS about the whole of `machineType`, so a list of types ends in an error.
    if nvidia && spec.text("machineType").is_some_and(|t| t.contains(',')) {
        problems.error(
            spec.at("machineType"),
            "`machineType` must be one type where `containerd.nvidiaGPU` is on",
        );
    }
    if nvidia && has_gpu(machine_type) {
        mark_gpu(&mut labels, &mut taints);
    }
    // On other roles it is a fault: see `boot_check`.
    if own.sub("gvisor").bool("enabled") == Some(true) {
        labels.insert("kops.k8s.io/gvisor".into(), "1".into());
    }
    (labels, taints)
}

/// What kops gives nodes with an NVIDIA GPU.
fn mark_gpu(labels: &mut BTreeMap<String, String>, taints: &mut Vec<Taint>) {
    labels.insert("kops.k8s.io/gpu".into(), "1".into());
    if !taints.iter().any(|t| t.key.starts_with("nvidia.com/gpu")) {
        taints.push(Taint {
            key: "nvidia.com/gpu".into(),
            value: None,
            effect: Some("NoSchedule".into()),
        });
    }
}

/// The warm pool in force: the group's, missing parts from the cluster's; control planes and bastions have only their own.
fn resolve_warm_pool(
    spec: View<'_>,
    role: Role,
    cluster: &Cluster,
    problems: &mut Problems,
) -> Option<WarmPoolSpec> {
    let own = warm_pool::read(spec.sub("warmPool"), problems);
    let inherited = cluster
        .warm_pool
        .filter(|_| matches!(role, Role::Node | Role::ApiServer));
    let base = inherited.unwrap_or_default();
    let pool = own.or(inherited)?;
    let max_size = pool.max_size.or(base.max_size);
    let min_size = pool
        .min_size
        .filter(|n| *n > 0)
        .or(base.min_size)
        .unwrap_or(0);
    let hook = pool.hook == Some(true) || base.hook == Some(true);
    let timeout = pool.hook_timeout.or(base.hook_timeout).unwrap_or(600);
    // What the group has from the cluster unchanged has its faults there.
    if own.is_some() {
        warm_pool::check_sizes(spec.sub("warmPool"), min_size, max_size, problems);
    }
    if max_size == Some(0) {
        return None;
    }
    warm_pool::check(spec, role, cluster.kops, problems);
    Some(WarmPoolSpec {
        min_size,
        max_size,
        hook_timeout: hook.then_some(timeout),
    })
}

/// The subnets of a group by name, as far as they are written.
pub(super) fn written_subnets(root: &Node) -> impl Iterator<Item = &str> {
    root.at(["spec", "subnets"])
        .map(Node::items)
        .unwrap_or_default()
        .iter()
        .filter_map(Node::as_str)
}
