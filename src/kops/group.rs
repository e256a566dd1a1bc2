//! The kops InstanceGroup as far as definitions, plans and rollouts depend on it. Decodes nothing itself: see `group_read`.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::cluster::{RollingUpdate, Subnet};
use super::role::Role;
use super::values::Taint;
use crate::model::GroupName;
use crate::yaml::Pos;

/// A group that is an AutoScalingGroup. (Karpenter's groups are not: see [`super::Manifests::karpenter`].)
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceGroup {
    pub name: GroupName,
    /// Where its document begins.
    pub pos: Pos,
    /// Where its name stands.
    pub name_pos: Pos,
    /// Where each field of its `spec` stands.
    pub fields: BTreeMap<String, Pos>,
    /// The whole document.
    pub value: Json,
    /// What its instances are.
    pub role: Role,
    /// Fewest instances.
    pub min_size: u32,
    /// Most instances.
    pub max_size: u32,
    /// Image as written.
    pub image: String,
    /// Instance type of the launch template: `machineType` up to the first comma.
    pub machine_type: String,
    /// Its subnets, defaults resolved; all of one kind, never empty.
    pub subnets: Vec<Subnet>,
    /// The root volume and those beside it.
    pub volumes: GroupVolumes,
    /// Several instance types or purchase options.
    pub mixed: Option<MixedPolicy>,
    /// Used only where the group asks for spot instances.
    pub spot: SpotSettings,
    /// Metadata service.
    pub metadata: InstanceMetadata,
    /// Replaces the security group of the role.
    pub security_group_override: Option<String>,
    /// Security groups on top of that.
    pub additional_security_groups: Vec<String>,
    /// Public IPv4 addresses, where the subnets leave a choice.
    pub associate_public_ip: Option<bool>,
    /// `default`, `dedicated` or `host`.
    pub tenancy: Option<String>,
    /// `standard` or `unlimited`.
    pub cpu_credits: Option<String>,
    /// EBS optimisation.
    pub ebs_optimized: Option<bool>,
    /// One-minute metrics.
    pub detailed_monitoring: bool,
    /// The name of an instance profile that kops does not make.
    pub iam_profile: Option<String>,
    /// Tags of the AutoScalingGroup and its instances, beside those of kops.
    pub cloud_labels: BTreeMap<String, String>,
    /// Node labels of `kubelet`.
    pub kubelet_labels: BTreeMap<String, String>,
    /// Node labels, those that kops derives from GPU and gVisor settings among them.
    pub node_labels: BTreeMap<String, String>,
    /// Taints, the one that kops derives from a GPU among them.
    pub taints: Vec<Taint>,
    /// Processes of the AutoScalingGroup to suspend.
    pub suspend_processes: Vec<String>,
    /// Load balancers that kops does not make.
    pub load_balancers: Vec<ExternalLoadBalancer>,
    /// Scale-in protection of new instances.
    pub instance_protection: bool,
    /// Capacity rebalancing.
    pub capacity_rebalance: Option<bool>,
    /// Longest life of an instance in seconds; none: no limit.
    pub max_instance_lifetime: Option<u32>,
    /// Warm pool, the cluster's default applied; none: no pool.
    pub warm_pool: Option<WarmPoolSpec>,
    /// Rolling update, the cluster's default applied.
    pub rolling_update: RollingUpdate,
    /// Whether kops' cluster-autoscaler handles the group; none: yes, but it is left out of the priority expander.
    pub autoscale: Option<bool>,
    /// Priority for the priority expander.
    pub autoscale_priority: i64,
}

/// The volumes of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupVolumes {
    /// Root volume.
    pub root: RootVolume,
    /// The others, in the order written.
    pub extra: Vec<Volume>,
}

/// The root volume, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RootVolume {
    /// In GiB; none where the manifest does not say.
    pub size: Option<u32>,
    /// EBS type.
    pub kind: Option<String>,
    /// Only for types that take it.
    pub iops: Option<u32>,
    /// MB/s.
    pub throughput: Option<u32>,
    /// None where the manifest does not say.
    pub encryption: Option<bool>,
    /// KMS key.
    pub key: Option<String>,
}

/// Another volume, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Device name.
    pub device: String,
    /// In GiB.
    pub size: u32,
    /// EBS type.
    pub kind: Option<String>,
    /// Only for types that take it.
    pub iops: Option<u32>,
    /// MB/s.
    pub throughput: Option<u32>,
    /// None where the manifest does not say.
    pub encrypted: Option<bool>,
    /// KMS key.
    pub key: Option<String>,
    /// Deleted with the instance.
    pub delete_on_termination: Option<bool>,
}

/// Several instance types or purchase options, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MixedPolicy {
    /// Types in order of preference.
    pub instances: Vec<String>,
    /// Attributes instead of types.
    pub requirements: Option<Requirements>,
    pub on_demand_allocation_strategy: Option<String>,
    /// Instances that are always on-demand.
    pub on_demand_base: Option<u32>,
    /// Percent on-demand above the base.
    pub on_demand_above_base: Option<u32>,
    pub spot_allocation_strategy: Option<String>,
    /// Spot pools.
    pub spot_instance_pools: Option<u32>,
}

/// Attributes instead of instance types. Outer none: the block is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    /// vCPUs: least, most.
    pub cpu: Option<(Option<i64>, Option<i64>)>,
    /// Memory in the unit kops sends (see `values`): least, most.
    pub memory: Option<(Option<i64>, Option<i64>)>,
    /// Types never taken.
    pub excluded: Vec<String>,
}

/// How a group buys and loses spot instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpotSettings {
    /// Highest price.
    pub max_price: Option<String>,
    /// Length of a spot block in minutes.
    pub duration_minutes: Option<u32>,
    /// What an interruption does.
    pub interruption: Option<String>,
}

/// Metadata service of an instance, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceMetadata {
    /// `required` or `optional`.
    pub http_tokens: Option<String>,
    /// Hops a token may travel.
    pub hop_limit: Option<u32>,
}

/// A load balancer that kops does not make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternalLoadBalancer {
    /// A classic one, by name.
    Classic(String),
    /// A target group, by ARN.
    TargetGroup(String),
}

/// A warm pool that is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarmPoolSpec {
    /// Fewest instances kept warm.
    pub min_size: u32,
    /// Most instances prepared; none: as many as the group's maximum.
    pub max_size: Option<u32>,
    /// Seconds of the hook that holds a new instance until it is warm; none: no hook.
    pub hook_timeout: Option<u32>,
}
