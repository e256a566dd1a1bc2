//! The definition of a group: its AutoScalingGroup and launch template in the AWS API's own field names, in one canonical form. No AWS, no kops.
//!
//! Both sides of a comparison are of these types, so a field that is compared is a field that exists here. Sets are
//! sets, defaults that AWS fills in are written out by [`Definition::canonical`]. `DesiredCapacity` is not here: it
//! belongs to the autoscaler. Of user data only the digest is here: see [`super::UserData`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::digest_of::digest_of;
use super::market::Market;
use super::{AsgName, Digest, GroupName, Shared, TagText};

/// What a group is on AWS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Definition {
    /// The kops InstanceGroup it was compiled from.
    pub instance_group: GroupName,
    /// The AutoScalingGroup.
    pub auto_scaling_group: AutoScalingGroup,
    pub launch_template: LaunchTemplate,
    /// Lifecycle hooks of the group. Not read only in a definition that was found: then nothing is expected of them and nothing is done to them.
    #[serde(default, skip_serializing_if = "Hooks::are_none")]
    pub lifecycle_hooks: Hooks,
}

/// An AutoScalingGroup, the fields we own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct AutoScalingGroup {
    /// Its name, unique in account and region.
    pub auto_scaling_group_name: AsgName,
    /// Fewest instances.
    pub min_size: u32,
    /// Most instances.
    pub max_size: u32,
    /// Subnets, by the name kops gives them or by id; a set.
    #[serde(rename = "VPCZoneIdentifier")]
    pub vpc_zone_identifier: BTreeSet<String>,
    /// Whether new instances are protected from scale-in.
    pub new_instances_protected_from_scale_in: bool,
    /// Tags, sorted by key.
    pub tags: Shared<Vec<Tag>>,
    /// Group metrics.
    pub enabled_metrics: EnabledMetrics,
    /// Instance types and purchase options, when the group mixes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixed_instances_policy: Option<MixedInstancesPolicy>,
    /// Seconds an instance may live; none: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_instance_lifetime: Option<u32>,
    /// Processes the manifest wants suspended; a set.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub suspended_processes: BTreeSet<String>,
    /// Classic load balancers, by name; a set.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub load_balancer_names: BTreeSet<String>,
    /// Target groups, by ARN or by the name kops gives them; a set.
    #[serde(
        default,
        rename = "TargetGroupARNs",
        skip_serializing_if = "BTreeSet::is_empty"
    )]
    pub target_group_arns: BTreeSet<String>,
    /// Whether AWS replaces spot instances at risk; none: not set, which is AWS's default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_rebalance: Option<bool>,
    /// Warm pool, when the group has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_pool: Option<WarmPool>,
}

/// A tag of an AutoScalingGroup.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Tag {
    /// At most 128 characters; unique in its resource.
    pub key: TagText,
    /// Value; may be empty.
    pub value: TagText,
    /// Copied to instances launched by the group.
    pub propagate_at_launch: bool,
}

/// Group metrics collected by AWS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct EnabledMetrics {
    /// `1Minute`, the only one there is.
    pub granularity: String,
    /// Names; a set.
    pub metrics: Shared<BTreeSet<String>>,
}

/// Instance types and purchase options of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MixedInstancesPolicy {
    /// How on-demand and spot are divided and chosen.
    pub instances_distribution: InstancesDistribution,
    /// Types in order of preference.
    #[serde(default)]
    pub overrides: Vec<Override>,
}

/// How on-demand and spot are divided and chosen. Absent: not given, AWS's default counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct InstancesDistribution {
    /// `prioritized` or `lowest-price`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_demand_allocation_strategy: Option<String>,
    /// Instances that are always on-demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_demand_base_capacity: Option<u32>,
    /// Percent on-demand above the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_demand_percentage_above_base_capacity: Option<u32>,
    /// e.g. `price-capacity-optimized`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot_allocation_strategy: Option<String>,
    /// Pools, with `lowest-price` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot_instance_pools: Option<u32>,
    /// Highest spot price; empty: the on-demand price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot_max_price: Option<String>,
}

impl InstancesDistribution {
    /// The one market that all its instances are bought in; none: it mixes on-demand and Spot.
    ///
    /// Left out, the base is 0 and the percentage 100. Source: Auto Scaling API, InstancesDistribution.
    pub fn market(&self) -> Option<Market> {
        let base = self.on_demand_base_capacity.unwrap_or(0);
        match (
            base,
            self.on_demand_percentage_above_base_capacity.unwrap_or(100),
        ) {
            (_, 100) => Some(Market::OnDemand),
            (0, 0) => Some(Market::Spot),
            _ => None,
        }
    }
}

/// One instance type (or one set of requirements) of a mixed group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Override {
    /// e.g. `m5.xlarge`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// Attributes instead of a type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_requirements: Option<InstanceRequirements>,
}

/// Attribute-based selection of instance types.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct InstanceRequirements {
    /// How many vCPUs a type may have.
    pub v_cpu_count: Range,
    /// Memory in MiB.
    #[serde(rename = "MemoryMiB")]
    pub memory_mib: Range,
    /// `included`: kops always sends it.
    pub burstable_performance: String,
    /// Types never taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded_instance_types: Vec<String>,
}

/// A range with open ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Range {
    /// The fewest that a type may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// The most that a type may have; no limit where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
}

/// Stopped or running instances that wait beside a group to be taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct WarmPool {
    /// Fewest instances kept warm.
    pub min_size: u32,
    /// Most instances in group and pool together; -1: as many as the group's maximum.
    pub max_group_prepared_capacity: i64,
}

/// The lifecycle hooks of a group, as far as anybody looked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hooks {
    /// Not read: there may be any.
    NotRead,
    /// These and no others, by name.
    #[serde(untagged)]
    Known(Shared<BTreeMap<String, LifecycleHook>>),
}

impl Default for Hooks {
    fn default() -> Hooks {
        Hooks::Known(BTreeMap::new().into())
    }
}

impl Hooks {
    /// Known, and there are none.
    pub fn are_none(&self) -> bool {
        match self {
            Hooks::NotRead => false,
            Hooks::Known(hooks) => hooks.is_empty(),
        }
    }

    /// These, or the others where these were not read.
    #[must_use]
    pub fn or(&self, others: &Hooks) -> Hooks {
        match self {
            Hooks::NotRead => others.clone(),
            Hooks::Known(_) => self.clone(),
        }
    }

    /// Whether nothing is known that speaks against both being the same.
    pub fn fit(&self, others: &Hooks) -> bool {
        match (self, others) {
            (Hooks::NotRead, _) | (_, Hooks::NotRead) => true,
            (Hooks::Known(one), Hooks::Known(other)) => one == other,
        }
    }
}

/// Holds an instance on its way in or out until something answers, or its time is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct LifecycleHook {
    /// `CONTINUE` or `ABANDON` when the time is over.
    pub default_result: String,
    /// Seconds that an instance waits in the hook.
    pub heartbeat_timeout: u32,
    /// `autoscaling:EC2_INSTANCE_LAUNCHING` or `…_TERMINATING`.
    pub lifecycle_transition: String,
}

/// The template of a group: its name, and what its newest version holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct LaunchTemplate {
    /// Its name: kops gives it the name of the group's AutoScalingGroup.
    pub launch_template_name: AsgName,
    /// What its version holds.
    pub launch_template_data: LaunchTemplateData,
}

/// What a launch template version holds, user data left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct LaunchTemplateData {
    /// AMI id, or the `image` of the manifest while it is not resolved.
    pub image_id: String,
    /// e.g. `m5.xlarge`.
    pub instance_type: String,
    /// The instance profile.
    pub iam_instance_profile: InstanceProfile,
    /// Volumes, sorted by device name.
    pub block_device_mappings: Vec<BlockDevice>,
    /// IMDS options.
    pub metadata_options: MetadataOptions,
    /// Detailed monitoring.
    pub monitoring: Monitoring,
    pub network_interfaces: Vec<NetworkInterface>,
    /// CPU credits of burstable types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit_specification: Option<CreditSpecification>,
    /// EBS optimisation; none: the type's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ebs_optimized: Option<bool>,
    /// Spot, when the launch template itself asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_market_options: Option<InstanceMarketOptions>,
    /// The key pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
    /// `default`, `dedicated` or `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// Tags put on what an instance brings with it, sorted by resource type.
    pub tag_specifications: Vec<TagSpecification>,
    /// Its user data by digest; none in what is wanted: nothing is asked of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<super::UserDataDigest>,
}

/// An instance profile by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct InstanceProfile {
    pub name: String,
}

/// One block device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct BlockDevice {
    /// e.g. `/dev/xvdd`; `<root>` while the image's root device is not known.
    pub device_name: String,
    /// The volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ebs: Option<Ebs>,
    /// `ephemeral0`, … for instance-store disks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_name: Option<String>,
}

/// An EBS volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Ebs {
    /// Deleted with the instance.
    pub delete_on_termination: bool,
    /// With the key of the account, or the one that is named.
    pub encrypted: bool,
    /// IOPS, where the type has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iops: Option<u32>,
    /// KMS key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    /// MB/s, gp3 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughput: Option<u32>,
    /// In GiB.
    pub volume_size: u32,
    /// e.g. `gp3`.
    pub volume_type: String,
}

/// IMDS options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MetadataOptions {
    /// `enabled`.
    pub http_endpoint: String,
    /// `enabled` or `disabled`.
    pub http_protocol_ipv6: String,
    /// Hops a token may travel.
    pub http_put_response_hop_limit: u32,
    /// `required` or `optional`.
    pub http_tokens: String,
}

/// Detailed monitoring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Monitoring {
    /// One-minute metrics.
    pub enabled: bool,
}

/// How an instance is attached to its subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct NetworkInterface {
    /// Public IPv4 address.
    pub associate_public_ip_address: bool,
    /// Deleted with the instance.
    pub delete_on_termination: bool,
    /// Security groups, by the name kops gives them or by id; sorted.
    pub groups: Vec<String>,
    /// IPv6 addresses.
    pub ipv6_address_count: u32,
}

/// CPU credits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct CreditSpecification {
    /// `standard` or `unlimited`.
    pub cpu_credits: String,
}

/// Spot by launch template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct InstanceMarketOptions {
    /// `spot`.
    pub market_type: String,
    /// Its options.
    pub spot_options: SpotOptions,
}

/// Options of spot by launch template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct SpotOptions {
    /// Highest price.
    pub max_price: String,
    /// Length of a spot block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_duration_minutes: Option<u32>,
    /// What an interruption does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_interruption_behavior: Option<String>,
}

/// Where an instance is placed: its tenancy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Placement {
    /// `default`, `dedicated` or `host`.
    pub tenancy: String,
}

/// Tags for one kind of resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct TagSpecification {
    /// `instance`, `volume`, `network-interface`.
    pub resource_type: String,
    /// Key → value; the same for all resources of a group, as a rule.
    pub tags: Shared<BTreeMap<TagText, TagText>>,
}

impl Definition {
    /// The one canonical form: lists that are sets sorted, AWS's own defaults where nothing is given.
    /// Both sides of every comparison go through it.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        self.auto_scaling_group = self.auto_scaling_group.canonical();
        self.launch_template.launch_template_data =
            self.launch_template.launch_template_data.canonical();
        self
    }

    /// SHA-256 of the canonical form.
    pub fn digest(&self) -> Digest {
        self.clone().with_digest().1
    }

    /// The same with its digest, without a copy: only what the canonical form fills in is put back. Its lists are sorted from then on.
    #[must_use]
    pub fn with_digest(self) -> (Self, Digest) {
        let group = &self.auto_scaling_group;
        let given = (
            group.mixed_instances_policy.clone(),
            group.capacity_rebalance,
            group.max_instance_lifetime,
        );
        let mut own = self.canonical();
        let digest = digest_of(&own);
        let group = &mut own.auto_scaling_group;
        (
            group.mixed_instances_policy,
            group.capacity_rebalance,
            group.max_instance_lifetime,
        ) = given;
        (own, digest)
    }
}

impl LaunchTemplateData {
    /// Whether a version that holds this is what is wanted: all of it is equal, user data too where any is asked for.
    pub fn is(&self, wanted: &LaunchTemplateData) -> bool {
        // Asked for every version in every round: what differs in its image needs no canonical form to differ.
        if self.image_id != wanted.image_id {
            return false;
        }
        if wanted.user_data.is_some() && self.user_data != wanted.user_data {
            return false;
        }
        if self == wanted {
            return true;
        }
        let plain = |data: &LaunchTemplateData| {
            let mut data = data.clone().canonical();
            data.user_data = None;
            data
        };
        plain(self) == plain(wanted)
    }

    /// The canonical form of what a version holds: lists that are sets sorted.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        self.block_device_mappings
            .sort_by(|a, b| a.device_name.cmp(&b.device_name));
        self.tag_specifications
            .sort_by(|a, b| a.resource_type.cmp(&b.resource_type));
        for interface in &mut self.network_interfaces {
            interface.groups.sort();
        }
        self
    }
}

impl AutoScalingGroup {
    /// The part of [`Definition::canonical`] that concerns the group itself.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        if !self.tags.is_sorted() {
            self.tags.sort();
        }
        if self.capacity_rebalance == Some(false) {
            self.capacity_rebalance = None;
        }
        if self.max_instance_lifetime == Some(0) {
            self.max_instance_lifetime = None;
        }
        if let Some(policy) = &mut self.mixed_instances_policy {
            policy.instances_distribution.canonical(
                policy
                    .overrides
                    .iter()
                    .any(|o| o.instance_requirements.is_some()),
            );
        }
        self
    }
}

impl InstancesDistribution {
    /// What AWS fills in where nothing is given. Source: AWS API reference, InstancesDistribution.
    fn canonical(&mut self, by_attributes: bool) {
        let on_demand = if by_attributes {
            "lowest-price"
        } else {
            "prioritized"
        };
        self.on_demand_allocation_strategy
            .get_or_insert_with(|| on_demand.into());
        self.on_demand_base_capacity.get_or_insert(0);
        self.on_demand_percentage_above_base_capacity
            .get_or_insert(100);
        let spot = self
            .spot_allocation_strategy
            .get_or_insert_with(|| "lowest-price".into());
        // None of them is what is said where the strategy has no use for pools.
        self.spot_instance_pools = self.spot_instance_pools.filter(|pools| *pools > 0);
        if spot == "lowest-price" {
            self.spot_instance_pools.get_or_insert(2);
        }
        self.spot_max_price.get_or_insert_with(String::new);
    }
}
