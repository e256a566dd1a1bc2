//! The launch template of a group, user data and key pairs that only kops' state store knows left out.

use std::collections::BTreeMap;

use super::{balancing, names, volumes};
use crate::kops::{Cluster, InstanceGroup, LoadBalancerClass, SubnetKind};
use crate::model::{
    AsgName, CreditSpecification, InstanceMarketOptions, InstanceProfile, LaunchTemplate,
    LaunchTemplateData, MetadataOptions, Monitoring, NetworkInterface, Placement, Shared,
    SpotOptions, TagSpecification, TagText,
};

/// Builds the launch template.
pub(super) fn launch_template(
    cluster: &Cluster,
    group: &InstanceGroup,
    name: AsgName,
    tags: BTreeMap<TagText, TagText>,
) -> LaunchTemplate {
    let ipv6 = group.subnets.iter().any(|s| s.ipv6);
    let profile = group
        .iam_profile
        .clone()
        .unwrap_or_else(|| names::instance_profile(group.role, &cluster.name));
    let tags = Shared::from(tags);
    let tagged = |kind: &str| TagSpecification {
        resource_type: kind.to_owned(),
        tags: tags.clone(),
    };
    LaunchTemplate {
        launch_template_name: name,
        launch_template_data: LaunchTemplateData {
            image_id: group.image.clone(),
            instance_type: group.machine_type.clone(),
            iam_instance_profile: InstanceProfile { name: profile },
            block_device_mappings: volumes::volumes(cluster, group),
            metadata_options: metadata(group, ipv6),
            monitoring: Monitoring {
                enabled: group.detailed_monitoring,
            },
            network_interfaces: vec![NetworkInterface {
                associate_public_ip_address: public_ip(group),
                delete_on_termination: true,
                groups: security_groups(cluster, group),
                ipv6_address_count: u32::from(ipv6),
            }],
            credit_specification: group
                .cpu_credits
                .clone()
                .map(|cpu_credits| CreditSpecification { cpu_credits }),
            ebs_optimized: group.ebs_optimized,
            instance_market_options: spot(group),
            key_name: cluster.ssh_key_name.clone(),
            placement: group.tenancy.clone().map(|tenancy| Placement { tenancy }),
            tag_specifications: ["instance", "network-interface", "volume"]
                .into_iter()
                .filter(|kind| cluster.tags_interfaces || *kind != "network-interface")
                .map(tagged)
                .collect(),
            user_data: None,
        },
    }
}

fn metadata(group: &InstanceGroup, ipv6: bool) -> MetadataOptions {
    MetadataOptions {
        http_endpoint: "enabled".into(),
        http_protocol_ipv6: if ipv6 { "enabled" } else { "disabled" }.into(),
        http_put_response_hop_limit: group.metadata.hop_limit.unwrap_or(1),
        http_tokens: group
            .metadata
            .http_tokens
            .clone()
            .unwrap_or_else(|| "required".into()),
    }
}

/// Only public and utility subnets leave a choice. All subnets of a group are of one kind.
fn public_ip(group: &InstanceGroup) -> bool {
    group
        .subnets
        .first()
        .is_some_and(|subnet| match subnet.kind {
            SubnetKind::Public | SubnetKind::Utility => group.associate_public_ip != Some(false),
            SubnetKind::Private | SubnetKind::DualStack => false,
        })
}

fn security_groups(cluster: &Cluster, group: &InstanceGroup) -> Vec<String> {
    let own = group
        .security_group_override
        .clone()
        .unwrap_or_else(|| names::security_group(group.role, &cluster.name));
    let of_api = cluster
        .api_load_balancer
        .iter()
        .filter(|api| api.class == LoadBalancerClass::Network && balancing::serves_api(group.role))
        .flat_map(|api| &api.additional_security_groups);
    let mut groups = vec![own];
    groups.extend(of_api.chain(&group.additional_security_groups).cloned());
    groups.sort();
    groups
}

/// Spot by launch template; with a mixed policy the price goes there.
fn spot(group: &InstanceGroup) -> Option<InstanceMarketOptions> {
    let max_price = group
        .spot
        .max_price
        .clone()
        .filter(|_| group.mixed.is_none())?;
    Some(InstanceMarketOptions {
        market_type: "spot".into(),
        spot_options: SpotOptions {
            max_price,
            block_duration_minutes: group.spot.duration_minutes,
            instance_interruption_behavior: group.spot.interruption.clone(),
        },
    })
}
