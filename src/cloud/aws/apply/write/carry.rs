//! What a new launch template version takes over from the one before, as EC2 described it: fields that no definition says. Which ones is
//! said in `model` (`is_carried`); here they are only put into EC2's other words.

use aws_sdk_ec2::types as sdk;

use crate::cloud::aws::convert::template::is_instance_store;
use crate::kops::instance_type;

/// Adds what `source` has and no definition says.
pub(in crate::cloud::aws::apply) fn carry(
    request: &mut sdk::RequestLaunchTemplateData,
    source: &sdk::ResponseLaunchTemplateData,
) {
    request.kernel_id.clone_from(&source.kernel_id);
    request.ram_disk_id.clone_from(&source.ram_disk_id);
    request.disable_api_termination = source.disable_api_termination;
    request.disable_api_stop = source.disable_api_stop;
    request
        .instance_initiated_shutdown_behavior
        .clone_from(&source.instance_initiated_shutdown_behavior);
    request.cpu_options = source.cpu_options().map(cpu);
    request.capacity_reservation_specification =
        source.capacity_reservation_specification().map(reservation);
    request.license_specifications = licenses(source.license_specifications());
    request.hibernation_options = source.hibernation_options().map(|h| {
        sdk::LaunchTemplateHibernationOptionsRequest::builder()
            .set_configured(h.configured)
            .build()
    });
    request.enclave_options = source.enclave_options().map(|e| {
        sdk::LaunchTemplateEnclaveOptionsRequest::builder()
            .set_enabled(e.enabled)
            .build()
    });
    request.private_dns_name_options = source.private_dns_name_options().map(|p| {
        sdk::LaunchTemplatePrivateDnsNameOptionsRequest::builder()
            .set_hostname_type(p.hostname_type.clone())
            .set_enable_resource_name_dns_a_record(p.enable_resource_name_dns_a_record)
            .set_enable_resource_name_dns_aaaa_record(p.enable_resource_name_dns_aaaa_record)
            .build()
    });
    request.maintenance_options = source.maintenance_options().map(|m| {
        sdk::LaunchTemplateInstanceMaintenanceOptionsRequest::builder()
            .set_auto_recovery(m.auto_recovery.clone())
            .build()
    });
    request.network_performance_options = source.network_performance_options().map(|n| {
        sdk::LaunchTemplateNetworkPerformanceOptionsRequest::builder()
            .set_bandwidth_weighting(n.bandwidth_weighting.clone())
            .build()
    });
    if let Some(tags) = source
        .metadata_options()
        .and_then(|m| m.instance_metadata_tags.clone())
    {
        let options = request.metadata_options.get_or_insert_with(|| {
            sdk::LaunchTemplateInstanceMetadataOptionsRequest::builder().build()
        });
        options.instance_metadata_tags = Some(tags);
    }
    if let Some(source) = source.placement() {
        placement(request, source);
    }
    disks(request, source);
}

fn cpu(source: &sdk::LaunchTemplateCpuOptions) -> sdk::LaunchTemplateCpuOptionsRequest {
    sdk::LaunchTemplateCpuOptionsRequest::builder()
        .set_core_count(source.core_count)
        .set_threads_per_core(source.threads_per_core)
        .set_amd_sev_snp(source.amd_sev_snp.clone())
        .set_nested_virtualization(source.nested_virtualization.clone())
        .build()
}

fn reservation(
    source: &sdk::LaunchTemplateCapacityReservationSpecificationResponse,
) -> sdk::LaunchTemplateCapacityReservationSpecificationRequest {
    let target = source.capacity_reservation_target().map(|t| {
        sdk::CapacityReservationTarget::builder()
            .set_capacity_reservation_id(t.capacity_reservation_id.clone())
            .set_capacity_reservation_resource_group_arn(
                t.capacity_reservation_resource_group_arn.clone(),
            )
            .build()
    });
    sdk::LaunchTemplateCapacityReservationSpecificationRequest::builder()
        .set_capacity_reservation_preference(source.capacity_reservation_preference.clone())
        .set_capacity_reservation_target(target)
        .build()
}

fn licenses(
    source: &[sdk::LaunchTemplateLicenseConfiguration],
) -> Option<Vec<sdk::LaunchTemplateLicenseConfigurationRequest>> {
    let all: Vec<_> = source
        .iter()
        .map(|l| {
            sdk::LaunchTemplateLicenseConfigurationRequest::builder()
                .set_license_configuration_arn(l.license_configuration_arn.clone())
                .build()
        })
        .collect();
    super::list(all)
}

/// All of it but the tenancy, which the definition says.
fn placement(request: &mut sdk::RequestLaunchTemplateData, source: &sdk::LaunchTemplatePlacement) {
    let tenancy = request.placement().and_then(|p| p.tenancy.clone());
    let all = sdk::LaunchTemplatePlacementRequest::builder()
        .set_availability_zone(source.availability_zone.clone())
        .set_availability_zone_id(source.availability_zone_id.clone())
        .set_affinity(source.affinity.clone())
        .set_group_name(source.group_name.clone())
        .set_group_id(source.group_id.clone())
        .set_host_id(source.host_id.clone())
        .set_spread_domain(source.spread_domain.clone())
        .set_host_resource_group_arn(source.host_resource_group_arn.clone())
        .set_partition_number(source.partition_number)
        .set_tenancy(tenancy)
        .build();
    let empty = sdk::LaunchTemplatePlacementRequest::builder().build();
    request.placement = Some(all).filter(|p| *p != empty);
}

/// Disks that are mapped by name, but those that come with the type and are named as kops names them: of a type that is known they are in the request,
/// and those of the type before do not belong to this one.
fn disks(request: &mut sdk::RequestLaunchTemplateData, source: &sdk::ResponseLaunchTemplateData) {
    let mut all = request.block_device_mappings.take().unwrap_or_default();
    let is_known = request
        .instance_type()
        .is_some_and(|t| instance_type(t.as_str()).is_some());
    for disk in source.block_device_mappings() {
        if is_known && is_instance_store(disk) {
            continue;
        }
        let is_there = all.iter().any(|d| d.device_name == disk.device_name);
        if disk.ebs().is_none() && disk.virtual_name().is_some() && !is_there {
            all.push(
                sdk::LaunchTemplateBlockDeviceMappingRequest::builder()
                    .set_device_name(disk.device_name.clone())
                    .set_virtual_name(disk.virtual_name.clone())
                    .build(),
            );
        }
    }
    request.block_device_mappings = super::list(all);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(name: &str, ephemeral: &str) -> sdk::LaunchTemplateBlockDeviceMapping {
        sdk::LaunchTemplateBlockDeviceMapping::builder()
            .device_name(name)
            .virtual_name(ephemeral)
            .build()
    }

    #[test]
    fn disks_options_and_placement_are_taken_over() {
        let source = sdk::ResponseLaunchTemplateData::builder()
            .block_device_mappings(disk("/dev/sdc", "ephemeral0"))
            .block_device_mappings(disk("/dev/sdd", "ephemeral1"))
            .placement(
                sdk::LaunchTemplatePlacement::builder()
                    .group_name("close")
                    .tenancy(sdk::Tenancy::Dedicated)
                    .build(),
            )
            .metadata_options(
                sdk::LaunchTemplateInstanceMetadataOptions::builder()
                    .instance_metadata_tags(sdk::LaunchTemplateInstanceMetadataTagsState::Enabled)
                    .build(),
            )
            .user_data("old")
            .image_id("ami-old")
            .build();
        let mut request = sdk::RequestLaunchTemplateData::builder()
            .image_id("ami-new")
            .block_device_mappings(
                sdk::LaunchTemplateBlockDeviceMappingRequest::builder()
                    .device_name("/dev/sdd")
                    .virtual_name("ours")
                    .build(),
            )
            .build();
        carry(&mut request, &source);
        let names: Vec<_> = request
            .block_device_mappings()
            .iter()
            .map(|d| (d.device_name().unwrap(), d.virtual_name().unwrap()))
            .collect();
        assert_eq!(
            names,
            [("/dev/sdd", "ours"), ("/dev/sdc", "ephemeral0")],
            "what the definition says wins"
        );
        let placement = request.placement().unwrap();
        assert_eq!(placement.group_name(), Some("close"));
        assert_eq!(placement.tenancy(), None, "git says the tenancy");
        assert!(
            request
                .metadata_options()
                .unwrap()
                .instance_metadata_tags()
                .is_some()
        );
        assert_eq!(
            (request.image_id(), request.user_data()),
            (Some("ami-new"), None)
        );
        // The disks of a type that is known come with the request; those of the type before stay behind.
        let mut known = sdk::RequestLaunchTemplateData::builder()
            .instance_type(sdk::InstanceType::M5Large)
            .build();
        carry(&mut known, &source);
        assert!(known.block_device_mappings().is_empty());
        // A version without any of it brings nothing along.
        let mut plain = sdk::RequestLaunchTemplateData::builder()
            .image_id("i")
            .build();
        carry(
            &mut plain,
            &sdk::ResponseLaunchTemplateData::builder().build(),
        );
        assert_eq!(
            plain,
            sdk::RequestLaunchTemplateData::builder()
                .image_id("i")
                .build()
        );
    }
}
