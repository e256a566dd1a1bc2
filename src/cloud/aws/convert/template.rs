//! A launch template version as AWS describes it → ours.

use std::collections::BTreeMap;

use aws_sdk_ec2::types as sdk;

use super::{Foreign, Strange, needed, note, note_text, optional};
use crate::model::{
    BlockDevice, CreditSpecification, Ebs, InstanceMarketOptions, InstanceProfile,
    LaunchTemplateData, MetadataOptions, Monitoring, NetworkInterface, Placement, SpotOptions,
    TagSpecification, TagText, TemplateVersion,
};

/// What kfleet writes before the token of the step that made a version, in its description.
const TOKEN: &str = "kfleet ";

/// What it writes behind the token when the fleet gave the version's user data. No token has a space.
const OF_FLEET: &str = " with the fleet's user data";

/// What a version of ours says of itself, so that it is known again when the answer to its creation was lost, hours later too.
pub(in crate::cloud::aws) fn description(token: &str, user_data_of_fleet: bool) -> String {
    let mark = if user_data_of_fleet { OF_FLEET } else { "" };
    format!("{TOKEN}{token}{mark}")
}

/// The token in a description of ours, and whether the fleet gave the user data.
pub(in crate::cloud::aws) fn described(description: Option<&str>) -> Option<(&str, bool)> {
    let ours = description?.strip_prefix(TOKEN)?;
    Some(match ours.strip_suffix(OF_FLEET) {
        Some(token) => (token, true),
        None => (ours, false),
    })
}

/// The number of a version, and what it holds.
///
/// # Errors
/// When something is missing that AWS never leaves out.
pub(in crate::cloud::aws) fn version(
    version: &sdk::LaunchTemplateVersion,
) -> Result<(u64, TemplateVersion), Strange> {
    let number = needed(
        version.version_number.and_then(|n| u64::try_from(n).ok()),
        "VersionNumber",
    )?;
    let given = needed(version.launch_template_data(), "LaunchTemplateData")?;
    let ours = described(version.version_description());
    let token = ours.map(|(token, _)| token.to_owned());
    Ok((
        number,
        TemplateVersion {
            user_data_of_fleet: ours.is_some_and(|(_, of_fleet)| of_fleet),
            unmanaged: unmanaged(given),
            ..TemplateVersion::new(data(given)?, given.user_data.clone(), token)
        },
    ))
}

/// The fields we own, ids as AWS gives them, in canonical form. A template holds only what it was given: what AWS does without, is written out.
///
/// # Errors
/// When a number makes no sense.
pub(in crate::cloud::aws) fn data(
    given: &sdk::ResponseLaunchTemplateData,
) -> Result<LaunchTemplateData, Strange> {
    let devices = given
        .block_device_mappings()
        .iter()
        .filter(|d| !is_instance_store(d));
    let data = LaunchTemplateData {
        image_id: given.image_id.clone().unwrap_or_default(),
        instance_type: given.instance_type().map_or("", |t| t.as_str()).to_owned(),
        iam_instance_profile: InstanceProfile {
            name: profile(given.iam_instance_profile()),
        },
        block_device_mappings: devices.map(device).collect::<Result<_, _>>()?,
        metadata_options: metadata(given.metadata_options())?,
        monitoring: Monitoring {
            enabled: given.monitoring().and_then(|m| m.enabled).unwrap_or(false),
        },
        network_interfaces: interfaces(given)?,
        credit_specification: credits(given),
        ebs_optimized: given.ebs_optimized,
        instance_market_options: given.instance_market_options().map(market).transpose()?,
        key_name: given.key_name.clone(),
        placement: tenancy(given),
        tag_specifications: given.tag_specifications().iter().filter_map(tags).collect(),
        user_data: None,
    };
    Ok(data.canonical())
}

/// Disks that come with the type, as kops maps those of old types: `/dev/sdc` to `ephemeral0` and so on. They follow from the type, and kops does not
/// compare them either. Source: kops-facts, B.10 and C.3.
pub(in crate::cloud::aws) fn is_instance_store(
    device: &sdk::LaunchTemplateBlockDeviceMapping,
) -> bool {
    let letter = device
        .device_name()
        .and_then(|d| d.strip_prefix("/dev/sd"))
        .filter(|l| l.len() == 1)
        .and_then(|l| l.bytes().next());
    let number: Option<u8> = device
        .virtual_name()
        .and_then(|v| v.strip_prefix("ephemeral"))
        .and_then(|n| n.parse().ok());
    device.ebs().is_none() && number.is_some_and(|n| letter == b'c'.checked_add(n))
}

fn profile(given: Option<&sdk::LaunchTemplateIamInstanceProfileSpecification>) -> String {
    let by_arn = || {
        given
            .and_then(|p| p.arn())
            .and_then(|a| a.rsplit('/').next())
    };
    given
        .and_then(|p| p.name())
        .or_else(by_arn)
        .unwrap_or_default()
        .to_owned()
}

fn device(given: &sdk::LaunchTemplateBlockDeviceMapping) -> Result<BlockDevice, Strange> {
    Ok(BlockDevice {
        device_name: given.device_name.clone().unwrap_or_default(),
        ebs: given.ebs().map(ebs).transpose()?,
        virtual_name: given.virtual_name.clone().filter(|v| !v.is_empty()),
    })
}

fn ebs(given: &sdk::LaunchTemplateEbsBlockDevice) -> Result<Ebs, Strange> {
    Ok(Ebs {
        delete_on_termination: given.delete_on_termination.unwrap_or(true),
        encrypted: given.encrypted.unwrap_or(false),
        iops: optional(given.iops, "Ebs.Iops")?.filter(|n| *n > 0),
        kms_key_id: given.kms_key_id.clone().filter(|k| !k.is_empty()),
        throughput: optional(given.throughput, "Ebs.Throughput")?.filter(|n| *n > 0),
        volume_size: optional(given.volume_size, "Ebs.VolumeSize")?.unwrap_or(0),
        volume_type: given.volume_type().map_or("gp2", |t| t.as_str()).to_owned(),
    })
}

/// Source of what counts where nothing is given: EC2 API reference, InstanceMetadataOptionsRequest.
fn metadata(
    given: Option<&sdk::LaunchTemplateInstanceMetadataOptions>,
) -> Result<MetadataOptions, Strange> {
    let hops = given.and_then(|m| m.http_put_response_hop_limit);
    Ok(MetadataOptions {
        http_endpoint: given
            .and_then(|m| m.http_endpoint())
            .map_or("enabled", |e| e.as_str())
            .to_owned(),
        http_protocol_ipv6: given
            .and_then(|m| m.http_protocol_ipv6())
            .map_or("disabled", |e| e.as_str())
            .to_owned(),
        http_put_response_hop_limit: optional(hops, "HttpPutResponseHopLimit")?.unwrap_or(1),
        http_tokens: given
            .and_then(|m| m.http_tokens())
            .map_or("optional", |t| t.as_str())
            .to_owned(),
    })
}

/// Security groups of the template itself, as kops of old wrote them, are shown as those of an interface that does not exist.
fn interfaces(given: &sdk::ResponseLaunchTemplateData) -> Result<Vec<NetworkInterface>, Strange> {
    let interfaces = given.network_interfaces().iter().map(|n| {
        Ok(NetworkInterface {
            associate_public_ip_address: n.associate_public_ip_address.unwrap_or(false),
            delete_on_termination: n.delete_on_termination.unwrap_or(true),
            groups: n.groups().to_vec(),
            ipv6_address_count: optional(n.ipv6_address_count, "Ipv6AddressCount")?.unwrap_or(0),
        })
    });
    interfaces.collect()
}

fn tenancy(given: &sdk::ResponseLaunchTemplateData) -> Option<Placement> {
    let tenancy = given.placement()?.tenancy()?.as_str().to_owned();
    Some(Placement { tenancy })
}

fn credits(given: &sdk::ResponseLaunchTemplateData) -> Option<CreditSpecification> {
    let cpu_credits = given
        .credit_specification()?
        .cpu_credits
        .clone()
        .filter(|c| !c.is_empty())?;
    Some(CreditSpecification { cpu_credits })
}

fn market(
    given: &sdk::LaunchTemplateInstanceMarketOptions,
) -> Result<InstanceMarketOptions, Strange> {
    let spot = given.spot_options();
    Ok(InstanceMarketOptions {
        market_type: given.market_type().map_or("", |m| m.as_str()).to_owned(),
        spot_options: SpotOptions {
            max_price: spot.and_then(|s| s.max_price.clone()).unwrap_or_default(),
            block_duration_minutes: optional(
                spot.and_then(|s| s.block_duration_minutes),
                "BlockDurationMinutes",
            )?
            .filter(|m| *m > 0),
            instance_interruption_behavior: spot
                .and_then(|s| s.instance_interruption_behavior())
                .map(|b| b.as_str().to_owned()),
        },
    })
}

fn tags(given: &sdk::LaunchTemplateTagSpecification) -> Option<TagSpecification> {
    let resource_type = given.resource_type()?.as_str().to_owned();
    let tags = given
        .tags()
        .iter()
        .filter_map(|t| Some((t.key()?.into(), t.value().unwrap_or_default().into())));
    let tags: BTreeMap<TagText, TagText> = tags.collect();
    Some(TagSpecification {
        resource_type,
        tags: tags.into(),
    })
}

/// What a version holds and we have no word for. The next version will not have it.
///
/// Disks that come with the type are not among them: kops maps them in every version of such a type.
pub(in crate::cloud::aws) fn foreign(given: &sdk::ResponseLaunchTemplateData) -> Foreign {
    let mut foreign = Foreign::new();
    foreign_life(given, &mut foreign);
    foreign_options(given, &mut foreign);
    foreign_hardware(given, &mut foreign);
    foreign_network(given, &mut foreign);
    if let Some(placement) = given.placement() {
        foreign_placement(placement, &mut foreign);
    }
    if let Some(market) = given.instance_market_options() {
        foreign_market(market, &mut foreign);
    }
    for device in given.block_device_mappings() {
        foreign_device(device, &mut foreign);
    }
    foreign
}

/// How the end of an instance goes, and how it is started again.
fn foreign_life(given: &sdk::ResponseLaunchTemplateData, out: &mut Foreign) {
    // kops sends false, which is what counts without.
    note(
        out,
        "DisableApiTermination",
        given.disable_api_termination.filter(|on| *on),
    );
    note(
        out,
        "DisableApiStop",
        given.disable_api_stop.filter(|on| *on),
    );
    let shutdown = given
        .instance_initiated_shutdown_behavior()
        .map(|b| b.as_str());
    note_text(
        out,
        "InstanceInitiatedShutdownBehavior",
        shutdown.filter(|b| *b != "stop"),
    );
    note(
        out,
        "HibernationOptions",
        given
            .hibernation_options()
            .filter(|h| h.configured == Some(true)),
    );
    note(out, "MaintenanceOptions", given.maintenance_options());
}

/// What is reserved, licensed or switched on for an instance.
fn foreign_options(given: &sdk::ResponseLaunchTemplateData, out: &mut Foreign) {
    note(
        out,
        "CapacityReservationSpecification",
        given.capacity_reservation_specification(),
    );
    note(
        out,
        "LicenseSpecifications",
        some(given.license_specifications()),
    );
    note(
        out,
        "EnclaveOptions",
        given.enclave_options().filter(|e| e.enabled == Some(true)),
    );
    let tags = given
        .metadata_options()
        .and_then(|m| m.instance_metadata_tags())
        .map(|t| t.as_str());
    note_text(
        out,
        "MetadataOptions.InstanceMetadataTags",
        tags.filter(|t| *t != "disabled"),
    );
}

/// What an instance is made of.
fn foreign_hardware(given: &sdk::ResponseLaunchTemplateData, out: &mut Foreign) {
    note_text(out, "KernelId", given.kernel_id());
    note_text(out, "RamDiskId", given.ram_disk_id());
    note(out, "CpuOptions", given.cpu_options());
    note(
        out,
        "InstanceRequirements",
        given.instance_requirements().map(|_| "set"),
    );
    note(
        out,
        "ElasticGpuSpecifications",
        some(given.elastic_gpu_specifications()),
    );
    note(
        out,
        "ElasticInferenceAccelerators",
        some(given.elastic_inference_accelerators()),
    );
}

/// Security groups of the template itself, names, and interfaces.
fn foreign_network(given: &sdk::ResponseLaunchTemplateData, out: &mut Foreign) {
    note(out, "SecurityGroupIds", some(given.security_group_ids()));
    note(out, "SecurityGroups", some(given.security_groups()));
    note(
        out,
        "PrivateDnsNameOptions",
        given.private_dns_name_options(),
    );
    note(
        out,
        "NetworkPerformanceOptions",
        given.network_performance_options(),
    );
    note(
        out,
        "SecondaryInterfaces",
        some(given.secondary_interfaces()).map(<[_]>::len),
    );
    for (index, interface) in given.network_interfaces().iter().enumerate() {
        foreign_interface(index, interface, out);
    }
}

/// All that is set and not ours, what kops sets by itself too: a new version takes it over.
fn unmanaged(given: &sdk::ResponseLaunchTemplateData) -> Foreign {
    let mut all = foreign(given);
    let disks = given
        .block_device_mappings()
        .iter()
        .filter(|d| is_instance_store(d));
    for disk in disks {
        let field = format!(
            "BlockDeviceMappings[{}].VirtualName",
            disk.device_name().unwrap_or_default()
        );
        note_text(&mut all, &field, disk.virtual_name());
    }
    all
}

fn foreign_placement(placement: &sdk::LaunchTemplatePlacement, out: &mut Foreign) {
    let texts = [
        ("AvailabilityZone", placement.availability_zone()),
        ("AvailabilityZoneId", placement.availability_zone_id()),
        ("Affinity", placement.affinity()),
        ("GroupName", placement.group_name()),
        ("GroupId", placement.group_id()),
        ("HostId", placement.host_id()),
        ("SpreadDomain", placement.spread_domain()),
        ("HostResourceGroupArn", placement.host_resource_group_arn()),
    ];
    texts
        .into_iter()
        .for_each(|(field, text)| note_text(out, &format!("Placement.{field}"), text));
    note(out, "Placement.PartitionNumber", placement.partition_number);
}

fn foreign_market(market: &sdk::LaunchTemplateInstanceMarketOptions, out: &mut Foreign) {
    let Some(spot) = market.spot_options() else {
        return;
    };
    note_text(
        out,
        "InstanceMarketOptions.SpotInstanceType",
        spot.spot_instance_type()
            .map(|t| t.as_str())
            .filter(|t| *t != "one-time"),
    );
    note(out, "InstanceMarketOptions.ValidUntil", spot.valid_until());
}

fn foreign_device(device: &sdk::LaunchTemplateBlockDeviceMapping, out: &mut Foreign) {
    let at = |field: &str| {
        format!(
            "BlockDeviceMappings[{}].{field}",
            device.device_name().unwrap_or_default()
        )
    };
    note_text(
        out,
        &at("SnapshotId"),
        device.ebs().and_then(|e| e.snapshot_id()),
    );
    note(
        out,
        &at("VolumeInitializationRate"),
        device.ebs().and_then(|e| e.volume_initialization_rate),
    );
    note(out, &at("NoDevice"), device.no_device());
}

fn foreign_interface(
    index: usize,
    n: &sdk::LaunchTemplateInstanceNetworkInterfaceSpecification,
    out: &mut Foreign,
) {
    let at = |field: &str| format!("NetworkInterfaces[{index}].{field}");
    note(
        out,
        &at("DeviceIndex"),
        n.device_index.filter(|i| usize::try_from(*i) != Ok(index)),
    );
    note(
        out,
        &at("NetworkCardIndex"),
        n.network_card_index.filter(|i| *i != 0),
    );
    note_text(
        out,
        &at("InterfaceType"),
        n.interface_type().filter(|t| *t != "interface"),
    );
    note_text(out, &at("SubnetId"), n.subnet_id());
    note_text(out, &at("NetworkInterfaceId"), n.network_interface_id());
    note_text(out, &at("Description"), n.description());
    foreign_ena(&at, n, out);
    foreign_addresses(&at, n, out);
}

/// Settings of the elastic network adapter.
fn foreign_ena(
    at: &dyn Fn(&str) -> String,
    n: &sdk::LaunchTemplateInstanceNetworkInterfaceSpecification,
    out: &mut Foreign,
) {
    note(out, &at("EnaSrdSpecification"), n.ena_srd_specification());
    note(
        out,
        &at("ConnectionTrackingSpecification"),
        n.connection_tracking_specification(),
    );
    note(out, &at("EnaQueueCount"), n.ena_queue_count);
}

/// Addresses and prefixes that an interface is given beside the first address of its subnet.
fn foreign_addresses(
    at: &dyn Fn(&str) -> String,
    n: &sdk::LaunchTemplateInstanceNetworkInterfaceSpecification,
    out: &mut Foreign,
) {
    foreign_counts(at, n, out);
    let lists = [
        ("Ipv6Addresses", n.ipv6_addresses().len()),
        ("PrivateIpAddresses", n.private_ip_addresses().len()),
        ("Ipv4Prefixes", n.ipv4_prefixes().len()),
        ("Ipv6Prefixes", n.ipv6_prefixes().len()),
    ];
    for (field, length) in lists {
        note(out, &at(field), (length > 0).then_some(length));
    }
    let switches = [
        ("AssociateCarrierIpAddress", n.associate_carrier_ip_address),
        ("PrimaryIpv6", n.primary_ipv6),
    ];
    for (field, on) in switches {
        note(out, &at(field), on.filter(|on| *on));
    }
    note_text(out, &at("PrivateIpAddress"), n.private_ip_address());
}

/// Addresses and prefixes that AWS chooses, by their number.
fn foreign_counts(
    at: &dyn Fn(&str) -> String,
    n: &sdk::LaunchTemplateInstanceNetworkInterfaceSpecification,
    out: &mut Foreign,
) {
    let counts = [
        (
            "SecondaryPrivateIpAddressCount",
            n.secondary_private_ip_address_count,
        ),
        ("Ipv4PrefixCount", n.ipv4_prefix_count),
        ("Ipv6PrefixCount", n.ipv6_prefix_count),
    ];
    for (field, number) in counts {
        note(out, &at(field), number.filter(|c| *c > 0));
    }
}

/// A list that has anything in it.
fn some<T>(list: &[T]) -> Option<&[T]> {
    (!list.is_empty()).then_some(list)
}
