//! A launch template version as EC2 is told about it.

use std::collections::BTreeMap;

use aws_sdk_ec2::types as sdk;

use super::{TooMuch, list, number, optional};
use crate::desired::instance_store;
use crate::model::{
    BlockDevice, CreditSpecification, Ebs, InstanceMarketOptions, InstanceProfile,
    LaunchTemplateData, MetadataOptions, Monitoring, NetworkInterface, Placement, SpotOptions,
    TagSpecification, TagText,
};

/// All that a version holds, as kops sends it: the complete data, no source version.
pub(in crate::cloud::aws::apply) fn data(
    data: &LaunchTemplateData,
    user_data: Option<String>,
) -> Result<sdk::RequestLaunchTemplateData, TooMuch> {
    let LaunchTemplateData {
        image_id,
        instance_type,
        iam_instance_profile: InstanceProfile { name: profile },
        block_device_mappings,
        metadata_options,
        monitoring: Monitoring {
            enabled: monitoring,
        },
        network_interfaces,
        credit_specification,
        ebs_optimized,
        instance_market_options,
        key_name,
        placement,
        tag_specifications,
        // Said by digest only; the text itself comes beside.
        user_data: _,
    } = data;
    let is_mapped = |d: &BlockDevice| {
        block_device_mappings
            .iter()
            .any(|own| own.device_name == d.device_name)
    };
    let mut disks = instance_store(instance_type);
    disks.retain(|d| !is_mapped(d));
    let devices: Vec<_> = block_device_mappings
        .iter()
        .chain(&disks)
        .map(block_device)
        .collect::<Result<_, _>>()?;
    let interfaces: Vec<_> = network_interfaces
        .iter()
        .zip(0..)
        .map(|(interface, index)| network_interface(interface, index))
        .collect::<Result<_, _>>()?;
    let profile = sdk::LaunchTemplateIamInstanceProfileSpecificationRequest::builder()
        .name(profile)
        .build();
    Ok(sdk::RequestLaunchTemplateData::builder()
        .image_id(image_id)
        .instance_type(sdk::InstanceType::from(instance_type.as_str()))
        .iam_instance_profile(profile)
        .set_block_device_mappings(list(devices))
        .metadata_options(metadata(metadata_options)?)
        .monitoring(
            sdk::LaunchTemplatesMonitoringRequest::builder()
                .enabled(*monitoring)
                .build(),
        )
        .set_network_interfaces(list(interfaces))
        .set_credit_specification(credit_specification.as_ref().map(credits).transpose()?)
        .set_ebs_optimized(*ebs_optimized)
        .set_instance_market_options(instance_market_options.as_ref().map(market).transpose()?)
        .set_key_name(key_name.clone())
        .set_placement(placement.as_ref().map(placed))
        .set_tag_specifications(list(
            tag_specifications.iter().map(tag_specification).collect(),
        ))
        .set_user_data(user_data.filter(|text| !text.is_empty()))
        .build())
}

fn block_device(
    device: &BlockDevice,
) -> Result<sdk::LaunchTemplateBlockDeviceMappingRequest, TooMuch> {
    let BlockDevice {
        device_name,
        ebs: volume,
        virtual_name,
    } = device;
    let volume = volume.as_ref().map(ebs).transpose()?;
    Ok(sdk::LaunchTemplateBlockDeviceMappingRequest::builder()
        .device_name(device_name)
        .set_ebs(volume)
        .set_virtual_name(virtual_name.clone())
        .build())
}

fn ebs(volume: &Ebs) -> Result<sdk::LaunchTemplateEbsBlockDeviceRequest, TooMuch> {
    let Ebs {
        delete_on_termination,
        encrypted,
        iops,
        kms_key_id,
        throughput,
        volume_size,
        volume_type,
    } = volume;
    Ok(sdk::LaunchTemplateEbsBlockDeviceRequest::builder()
        .delete_on_termination(*delete_on_termination)
        .encrypted(*encrypted)
        .set_iops(optional("Iops", *iops)?)
        .set_kms_key_id(kms_key_id.clone())
        .set_throughput(optional("Throughput", *throughput)?)
        .volume_size(number("VolumeSize", *volume_size)?)
        .volume_type(sdk::VolumeType::from(volume_type.as_str()))
        .build())
}

fn metadata(
    options: &MetadataOptions,
) -> Result<sdk::LaunchTemplateInstanceMetadataOptionsRequest, TooMuch> {
    let MetadataOptions {
        http_endpoint,
        http_protocol_ipv6,
        http_put_response_hop_limit,
        http_tokens,
    } = options;
    Ok(sdk::LaunchTemplateInstanceMetadataOptionsRequest::builder()
        .http_endpoint(http_endpoint.as_str().into())
        .http_protocol_ipv6(http_protocol_ipv6.as_str().into())
        .http_put_response_hop_limit(number(
            "HttpPutResponseHopLimit",
            *http_put_response_hop_limit,
        )?)
        .http_tokens(http_tokens.as_str().into())
        .build())
}

fn network_interface(
    interface: &NetworkInterface,
    index: i32,
) -> Result<sdk::LaunchTemplateInstanceNetworkInterfaceSpecificationRequest, TooMuch> {
    let NetworkInterface {
        associate_public_ip_address,
        delete_on_termination,
        groups,
        ipv6_address_count,
    } = interface;
    Ok(
        sdk::LaunchTemplateInstanceNetworkInterfaceSpecificationRequest::builder()
            .device_index(index)
            .associate_public_ip_address(*associate_public_ip_address)
            .delete_on_termination(*delete_on_termination)
            .set_groups(list(groups.clone()))
            .ipv6_address_count(number("Ipv6AddressCount", *ipv6_address_count)?)
            .build(),
    )
}

fn credits(credits: &CreditSpecification) -> Result<sdk::CreditSpecificationRequest, TooMuch> {
    let CreditSpecification { cpu_credits } = credits;
    Ok(sdk::CreditSpecificationRequest::builder()
        .cpu_credits(cpu_credits)
        .build())
}

fn market(
    market: &InstanceMarketOptions,
) -> Result<sdk::LaunchTemplateInstanceMarketOptionsRequest, TooMuch> {
    let InstanceMarketOptions {
        market_type,
        spot_options,
    } = market;
    let SpotOptions {
        max_price,
        block_duration_minutes,
        instance_interruption_behavior,
    } = spot_options;
    let spot = sdk::LaunchTemplateSpotMarketOptionsRequest::builder()
        .max_price(max_price)
        .set_block_duration_minutes(optional("BlockDurationMinutes", *block_duration_minutes)?)
        .set_instance_interruption_behavior(
            instance_interruption_behavior.as_deref().map(Into::into),
        )
        .build();
    Ok(sdk::LaunchTemplateInstanceMarketOptionsRequest::builder()
        .market_type(market_type.as_str().into())
        .spot_options(spot)
        .build())
}

fn placed(placement: &Placement) -> sdk::LaunchTemplatePlacementRequest {
    let Placement { tenancy } = placement;
    sdk::LaunchTemplatePlacementRequest::builder()
        .tenancy(tenancy.as_str().into())
        .build()
}

fn tag_specification(
    specification: &TagSpecification,
) -> sdk::LaunchTemplateTagSpecificationRequest {
    let TagSpecification {
        resource_type,
        tags: map,
    } = specification;
    sdk::LaunchTemplateTagSpecificationRequest::builder()
        .resource_type(resource_type.as_str().into())
        .set_tags(list(tags(map)))
        .build()
}

/// Tags of anything that EC2 has.
pub(in crate::cloud::aws::apply) fn tags(tags: &BTreeMap<TagText, TagText>) -> Vec<sdk::Tag> {
    tags.iter()
        .map(|(key, value)| {
            let tag = sdk::Tag::builder().key(key.as_str());
            tag.value(value.as_str()).build()
        })
        .collect()
}
