//! What AWS describes, in our words: defaults that AWS fills in are no differences, and what we have no word for is named.

use aws_sdk_autoscaling::types as sdk;
use aws_sdk_ec2::types as ec2;
use aws_smithy_types::DateTime;

use super::group::TemplateReference;
use super::{group, instance, past, template};
use crate::model::{
    ActivityStatus, InstancesDistribution, Lifecycle, Market, MixedInstancesPolicy, RefreshStatus,
    Timestamp,
};

/// A group with everything that AWS fills in by itself.
fn plain() -> sdk::builders::AutoScalingGroupBuilder {
    sdk::AutoScalingGroup::builder()
        .auto_scaling_group_name("nodes.c.example.com")
        .min_size(1)
        .max_size(3)
        .desired_capacity(2)
        .vpc_zone_identifier("subnet-2,subnet-1")
        .health_check_type("EC2")
        .health_check_grace_period(0)
        .default_cooldown(300)
        .termination_policies("Default")
        .new_instances_protected_from_scale_in(false)
        .capacity_rebalance(false)
        .service_linked_role_arn("arn:aws:iam::1:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling")
        .traffic_sources(sdk::TrafficSourceIdentifier::builder().identifier("arn:tg").build())
        .target_group_arns("arn:tg")
        .tags(sdk::TagDescription::builder().key("aws:cloudformation:stack-name").value("x").build())
        .tags(sdk::TagDescription::builder().key("b").value("2").propagate_at_launch(true).build())
        .tags(sdk::TagDescription::builder().key("a").build())
}

fn json(value: impl serde::Serialize) -> String {
    serde_json::to_string(&value).unwrap()
}

#[test]
fn a_group_is_its_own_fields() {
    let fields = group::fields(&plain().build()).unwrap();
    assert_eq!(
        json(&fields),
        r#"{"AutoScalingGroupName":"nodes.c.example.com","MinSize":1,"MaxSize":3,"VPCZoneIdentifier":["subnet-1","subnet-2"],"NewInstancesProtectedFromScaleIn":false,"Tags":[{"Key":"a","Value":"","PropagateAtLaunch":false},{"Key":"b","Value":"2","PropagateAtLaunch":true}],"EnabledMetrics":{"Granularity":"1Minute","Metrics":[]},"TargetGroupARNs":["arn:tg"]}"#
    );
    assert_eq!(
        group::foreign(&plain().build()).len(),
        0,
        "{:?}",
        group::foreign(&plain().build())
    );
    assert!(
        group::fields(&plain().min_size(-1).build())
            .is_err_and(|e| e.to_string().contains("MinSize is -1"))
    );
}

#[test]
fn a_warm_pool_that_is_being_deleted_is_none() {
    let pool = |status| {
        sdk::WarmPoolConfiguration::builder()
            .min_size(1)
            .set_status(status)
            .build()
    };
    let warm = |status| {
        group::fields(&plain().warm_pool_configuration(pool(status)).build())
            .unwrap()
            .warm_pool
    };
    assert_eq!(
        json(warm(None)),
        r#"{"MinSize":1,"MaxGroupPreparedCapacity":-1}"#
    );
    assert_eq!(warm(Some(sdk::WarmPoolStatus::PendingDelete)), None);
}

#[test]
fn what_aws_fills_in_is_no_difference() {
    let filled = sdk::InstancesDistribution::builder()
        .on_demand_allocation_strategy("prioritized")
        .on_demand_base_capacity(0)
        .on_demand_percentage_above_base_capacity(100)
        .spot_allocation_strategy("lowest-price")
        .spot_instance_pools(2)
        .build();
    let with = |distribution: sdk::InstancesDistribution| {
        let policy = sdk::MixedInstancesPolicy::builder()
            .instances_distribution(distribution)
            .build();
        group::fields(&plain().mixed_instances_policy(policy).build())
            .unwrap()
            .mixed_instances_policy
            .unwrap()
    };
    let mut ours = group::fields(&plain().build()).unwrap();
    ours.mixed_instances_policy = Some(MixedInstancesPolicy::default());
    assert_eq!(
        Some(with(filled)),
        ours.clone().canonical().mixed_instances_policy
    );
    let best = sdk::InstancesDistribution::builder()
        .spot_allocation_strategy("price-capacity-optimized")
        .spot_instance_pools(0)
        .build();
    let spot_allocation_strategy = Some("price-capacity-optimized".into());
    let distribution = InstancesDistribution {
        spot_allocation_strategy,
        ..InstancesDistribution::default()
    };
    ours.mixed_instances_policy = Some(MixedInstancesPolicy {
        instances_distribution: distribution,
        overrides: Vec::new(),
    });
    assert_eq!(Some(with(best)), ours.canonical().mixed_instances_policy);
}

fn weighted_policy() -> sdk::MixedInstancesPolicy {
    let over = sdk::LaunchTemplateOverrides::builder()
        .instance_type("m5.large")
        .weighted_capacity("2")
        .build();
    sdk::MixedInstancesPolicy::builder()
        .launch_template(sdk::LaunchTemplate::builder().overrides(over).build())
        .build()
}

#[test]
fn what_is_not_ours_is_named() {
    let given = plain()
        .mixed_instances_policy(weighted_policy())
        .health_check_type("ELB")
        .health_check_grace_period(60)
        .default_cooldown(10)
        .default_instance_warmup(30)
        .termination_policies("OldestInstance")
        .placement_group("pg")
        .desired_capacity_type("vcpu")
        .traffic_sources(
            sdk::TrafficSourceIdentifier::builder()
                .identifier("arn:lattice")
                .build(),
        )
        .instance_maintenance_policy(
            sdk::InstanceMaintenancePolicy::builder()
                .min_healthy_percentage(90)
                .max_healthy_percentage(120)
                .build(),
        )
        .build();
    let named: Vec<String> = group::foreign(&given).into_keys().collect();
    assert_eq!(
        named.join(" "),
        "DefaultCooldown DefaultInstanceWarmup DesiredCapacityType HealthCheckGracePeriod HealthCheckType InstanceMaintenancePolicy \
         MixedInstancesPolicy.Overrides[m5.large].WeightedCapacity PlacementGroup TerminationPolicies TrafficSources"
    );
}

#[test]
fn every_state_of_an_instance_has_a_word() {
    let here = TemplateReference {
        id: Some("lt-1".into()),
        name: None,
        version: None,
    };
    let member = |state: sdk::LifecycleState, template: &str| {
        let spec = sdk::LaunchTemplateSpecification::builder()
            .launch_template_id(template)
            .version("7")
            .build();
        let given = sdk::Instance::builder()
            .instance_id("i-0123456789abcdef0")
            .lifecycle_state(state)
            .health_status("HEALTHY")
            .launch_template(spec);
        instance::member(&given.build(), Some(&here), None, Timestamp::from_millis(5))
            .map(|(_, i)| i)
    };
    for state in sdk::LifecycleState::values() {
        let expected = match state.split(':').next().unwrap() {
            "Warmed" if state.contains(":Terminat") => Lifecycle::Terminating,
            "Pending" | "Quarantined" => Lifecycle::Pending,
            "InService" => Lifecycle::InService,
            "Standby" | "EnteringStandby" => Lifecycle::Standby,
            "Warmed" => Lifecycle::Warmed,
            "Detaching" | "Detached" => Lifecycle::Detached,
            _ => Lifecycle::Terminating,
        };
        assert_eq!(
            member(sdk::LifecycleState::from(*state), "lt-1")
                .unwrap()
                .lifecycle,
            expected,
            "{state}"
        );
    }
    assert!(
        member(sdk::LifecycleState::from("Dreaming"), "lt-1")
            .is_err_and(|e| e.to_string().ends_with("LifecycleState is Dreaming"))
    );
    let found = member(sdk::LifecycleState::InService, "lt-1").unwrap();
    assert_eq!(
        (found.version, found.market, found.launched_at),
        (Some(7), Market::OnDemand, Timestamp::from_millis(5))
    );
    assert_eq!(
        member(sdk::LifecycleState::InService, "lt-2")
            .unwrap()
            .version,
        None,
        "another template's versions say nothing"
    );
}

#[test]
fn spot_is_seen_and_an_instance_without_a_start_is_strange() {
    let given = || {
        ec2::Instance::builder()
            .instance_id("i-0123456789abcdef0")
            .instance_lifecycle(ec2::InstanceLifecycleType::Spot)
    };
    let (_, details) =
        instance::details(&given().launch_time(DateTime::from_millis(1_500)).build()).unwrap();
    assert_eq!(
        (details.market, details.launched_at),
        (Market::Spot, Timestamp::from_millis(1_500))
    );
    assert!(instance::details(&given().build()).is_err());
}

/// A template as AWS answers it.
fn answered() -> ec2::builders::ResponseLaunchTemplateDataBuilder {
    let ebs = ec2::LaunchTemplateEbsBlockDevice::builder()
        .volume_size(64)
        .volume_type(ec2::VolumeType::Gp3)
        .iops(3_000)
        .throughput(125)
        .encrypted(true);
    ec2::ResponseLaunchTemplateData::builder()
        .image_id("ami-1")
        .instance_type(ec2::InstanceType::from("m5.large"))
        .iam_instance_profile(
            ec2::LaunchTemplateIamInstanceProfileSpecification::builder()
                .arn("arn:aws:iam::1:instance-profile/x/nodes.c")
                .build(),
        )
        .block_device_mappings(
            ec2::LaunchTemplateBlockDeviceMapping::builder()
                .device_name("/dev/sdc")
                .virtual_name("ephemeral0")
                .build(),
        )
        .block_device_mappings(
            ec2::LaunchTemplateBlockDeviceMapping::builder()
                .device_name("/dev/xvda")
                .ebs(ebs.build())
                .build(),
        )
        .network_interfaces(
            ec2::LaunchTemplateInstanceNetworkInterfaceSpecification::builder()
                .groups("sg-2")
                .groups("sg-1")
                .build(),
        )
        .disable_api_termination(false)
        .user_data("dXNlciBkYXRh")
}

#[test]
fn a_template_holds_what_it_was_given() {
    let given = answered();
    let version = |data: ec2::builders::ResponseLaunchTemplateDataBuilder, description: &str| {
        let given = ec2::LaunchTemplateVersion::builder()
            .version_number(4)
            .version_description(description)
            .launch_template_data(data.build());
        template::version(&given.build()).unwrap()
    };
    let (number, found) = version(given.clone(), "kfleet 20261122-1/g");
    assert_eq!(
        (number, found.token.as_deref(), found.user_data.as_deref()),
        (4, Some("20261122-1/g"), Some("dXNlciBkYXRh"))
    );
    assert_eq!(version(given.clone(), "by hand").1.token, None);
    assert_eq!(
        found.data.user_data,
        Some(crate::model::UserDataDigest::of("dXNlciBkYXRh"))
    );
    assert_eq!(
        found
            .unmanaged
            .get("BlockDeviceMappings[/dev/sdc].VirtualName")
            .map(String::as_str),
        Some("ephemeral0"),
        "a new version takes it over"
    );
    assert_eq!(
        json(template::data(&given.clone().build()).unwrap()),
        r#"{"ImageId":"ami-1","InstanceType":"m5.large","IamInstanceProfile":{"Name":"nodes.c"},"BlockDeviceMappings":[{"DeviceName":"/dev/xvda","Ebs":{"DeleteOnTermination":true,"Encrypted":true,"Iops":3000,"Throughput":125,"VolumeSize":64,"VolumeType":"gp3"}}],"MetadataOptions":{"HttpEndpoint":"enabled","HttpProtocolIpv6":"disabled","HttpPutResponseHopLimit":1,"HttpTokens":"optional"},"Monitoring":{"Enabled":false},"NetworkInterfaces":[{"AssociatePublicIpAddress":false,"DeleteOnTermination":true,"Groups":["sg-1","sg-2"],"Ipv6AddressCount":0}],"TagSpecifications":[]}"#
    );
    let by_hand = ec2::LaunchTemplateBlockDeviceMapping::builder()
        .device_name("/dev/xvdz")
        .virtual_name("ephemeral0")
        .build();
    let devices = template::data(&given.clone().block_device_mappings(by_hand).build())
        .unwrap()
        .block_device_mappings;
    assert_eq!(
        devices
            .iter()
            .map(|d| d.device_name.as_str())
            .collect::<Vec<_>>(),
        ["/dev/xvda", "/dev/xvdz"],
        "one that kops would not make"
    );
    assert_eq!(template::foreign(&given.clone().build()).len(), 0);
    let cpu = ec2::LaunchTemplateCpuOptions::builder()
        .threads_per_core(1)
        .build();
    let foreign = template::foreign(
        &given
            .security_group_ids("sg-3")
            .disable_api_stop(true)
            .cpu_options(cpu)
            .build(),
    );
    assert_eq!(
        foreign.into_keys().collect::<Vec<_>>(),
        ["CpuOptions", "DisableApiStop", "SecurityGroupIds"]
    );
}

#[test]
fn what_has_happened() {
    let activity = |code: &str, message: &str| {
        let given = sdk::Activity::builder()
            .activity_id("a")
            .auto_scaling_group_name("g")
            .cause("c")
            .status_code(code.into());
        past::activity(
            &given
                .status_message(message)
                .start_time(DateTime::from_millis(9))
                .build(),
        )
        .unwrap()
        .status
    };
    let lack = "We currently do not have sufficient m5.large capacity in the Availability Zone you requested. Launching EC2 instance failed.";
    for (code, message, status) in [
        ("Successful", "", ActivityStatus::Successful),
        ("InProgress", "", ActivityStatus::InProgress),
        (
            "WaitingForELBConnectionDraining",
            "",
            ActivityStatus::InProgress,
        ),
        (
            "Failed",
            "The image id '[ami-1]' does not exist",
            ActivityStatus::Failed,
        ),
        ("Failed", lack, ActivityStatus::NoCapacity),
        (
            "Failed",
            "Could not launch Spot Instances. InsufficientInstanceCapacity - there is none",
            ActivityStatus::NoCapacity,
        ),
    ] {
        assert_eq!(activity(code, message), status, "{code} {message}");
    }
    let refresh = |status: &str| {
        past::refresh(
            &sdk::InstanceRefresh::builder()
                .instance_refresh_id("r")
                .status(status.into())
                .build(),
        )
    };
    assert_eq!(
        refresh("RollbackInProgress").unwrap().status,
        RefreshStatus::RollbackInProgress
    );
    assert!(
        sdk::InstanceRefreshStatus::values()
            .iter()
            .all(|s| refresh(s).is_ok()),
        "{:?}",
        sdk::InstanceRefreshStatus::values()
    );
    assert!(refresh("Dozing").is_err());
}
