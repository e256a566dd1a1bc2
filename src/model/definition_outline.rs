//! The outline of a definition: what it is called and how large it is. For who lists groups and does not compare them.

use std::collections::{BTreeMap, BTreeSet};

use super::definition::{
    AutoScalingGroup, Definition, EnabledMetrics, Hooks, InstanceProfile, LaunchTemplate,
    LaunchTemplateData, MetadataOptions, Monitoring,
};

impl Definition {
    /// Names, sizes, image and type; everything else is empty.
    #[must_use]
    pub fn outline(&self) -> Definition {
        let group = &self.auto_scaling_group;
        let data = &self.launch_template.launch_template_data;
        Definition {
            instance_group: self.instance_group.clone(),
            auto_scaling_group: AutoScalingGroup {
                auto_scaling_group_name: group.auto_scaling_group_name.clone(),
                min_size: group.min_size,
                max_size: group.max_size,
                vpc_zone_identifier: BTreeSet::new(),
                new_instances_protected_from_scale_in: group.new_instances_protected_from_scale_in,
                tags: Vec::new().into(),
                enabled_metrics: EnabledMetrics {
                    granularity: String::new(),
                    metrics: BTreeSet::new().into(),
                },
                mixed_instances_policy: None,
                max_instance_lifetime: None,
                suspended_processes: BTreeSet::new(),
                load_balancer_names: BTreeSet::new(),
                target_group_arns: BTreeSet::new(),
                capacity_rebalance: None,
                warm_pool: None,
            },
            launch_template: LaunchTemplate {
                launch_template_name: self.launch_template.launch_template_name.clone(),
                launch_template_data: LaunchTemplateData {
                    image_id: data.image_id.clone(),
                    instance_type: data.instance_type.clone(),
                    ..nothing()
                },
            },
            lifecycle_hooks: Hooks::Known(BTreeMap::new().into()),
        }
    }
}

fn nothing() -> LaunchTemplateData {
    LaunchTemplateData {
        image_id: String::new(),
        instance_type: String::new(),
        iam_instance_profile: InstanceProfile {
            name: String::new(),
        },
        block_device_mappings: Vec::new(),
        metadata_options: MetadataOptions {
            http_endpoint: String::new(),
            http_protocol_ipv6: String::new(),
            http_put_response_hop_limit: 0,
            http_tokens: String::new(),
        },
        monitoring: Monitoring { enabled: false },
        network_interfaces: Vec::new(),
        credit_specification: None,
        ebs_optimized: None,
        instance_market_options: None,
        key_name: None,
        placement: None,
        tag_specifications: Vec::new(),
        user_data: None,
    }
}
