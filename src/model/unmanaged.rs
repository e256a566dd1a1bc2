//! Fields of a launch template version that no definition says, and what becomes of them when a new version is made. Knows only names.

/// What a new version takes over from the one before, by the beginning of AWS's name for it.
const CARRIED: [&str; 14] = [
    "KernelId",
    "RamDiskId",
    "DisableApiTermination",
    "DisableApiStop",
    "InstanceInitiatedShutdownBehavior",
    "CpuOptions",
    "CapacityReservationSpecification",
    "LicenseSpecifications",
    "HibernationOptions",
    "EnclaveOptions",
    "PrivateDnsNameOptions",
    "MaintenanceOptions",
    "MetadataOptions.InstanceMetadataTags",
    "Placement.",
];

/// Whether a new launch template version takes the field over from the version that the group runs. The others belong to parts that a definition
/// says as a whole (network interfaces, volumes, market options): there git is what counts.
pub fn is_carried(field: &str) -> bool {
    let instance_store =
        field.starts_with("BlockDeviceMappings[") && field.ends_with("].VirtualName");
    instance_store
        || field == "NetworkPerformanceOptions"
        || CARRIED.iter().any(|begin| field.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_definition_says_as_a_whole_is_not_carried() {
        for (field, carried) in [
            ("KernelId", true),
            ("Placement.GroupName", true),
            ("BlockDeviceMappings[/dev/sdc].VirtualName", true),
            ("BlockDeviceMappings[/dev/sdc].SnapshotId", false),
            ("NetworkInterfaces[0].SubnetId", false),
            ("SecurityGroupIds", false),
            ("InstanceMarketOptions.ValidUntil", false),
        ] {
            assert_eq!(is_carried(field), carried, "{field}");
        }
    }
}
