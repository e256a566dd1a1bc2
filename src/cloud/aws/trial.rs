//! Launches that AWS is asked about without doing them. Launches nothing: every call carries `DryRun`.
//!
//! A trial says whether image, type, profile, key pair, security groups and subnet are such that AWS takes the request. It says nothing of
//! capacity. Source: EC2 API reference, RunInstances, `DryRun` ("if you have the required permissions, the error response is
//! `DryRunOperation`"), and "Error codes for the Amazon EC2 API".

use std::collections::BTreeMap;

use aws_sdk_ec2::error::ProvideErrorMetadata as _;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types as sdk;

use super::connect::Clients;
use super::error::{cloud_error, reading};
use super::names::Asking;
use crate::cloud::{CloudError, Place};
use crate::model::{
    AsgName, ClusterName, LaunchTemplateData, Reading, SubnetRoom, Trial, TrialLaunch,
};

/// Codes that say nothing of what is launched: of the caller's rights, which a policy may tie to a launch template, or of capacity and limits.
const OF_SOMETHING_ELSE: [&str; 9] = [
    "AccessDenied",
    "AuthFailure",
    "InsufficientFreeAddressesInSubnet",
    "InsufficientInstanceCapacity",
    "InstanceLimitExceeded",
    "MaxSpotInstanceCountExceeded",
    "SpotMaxPriceTooLow",
    "UnauthorizedOperation",
    "VcpuLimitExceeded",
];

/// Tries them one after the other. What AWS does not say is unknown.
pub(super) async fn launches(
    clients: &Clients,
    place: &Place,
    asked: &BTreeMap<AsgName, TrialLaunch>,
    subnets: &Reading<BTreeMap<ClusterName, BTreeMap<String, SubnetRoom>>>,
) -> Result<BTreeMap<AsgName, Reading<Trial>>, CloudError> {
    let mut said = BTreeMap::new();
    for (group, launch) in asked {
        let subnet = match subnets {
            Reading::Known(of) => of.get(&launch.cluster).and_then(|o| o.get(&launch.subnet)),
            Reading::Unknown(why) => {
                said.insert(group.clone(), Reading::Unknown(why.clone()));
                continue;
            }
        };
        // One that is not there is named where free addresses are asked of it.
        let Some(subnet) = subnet else { continue };
        let place = Place {
            cluster: launch.cluster.clone(),
            ..place.clone()
        };
        let trial = trial(clients, &place, (group, &launch.data), &subnet.id).await;
        said.insert(group.clone(), reading(trial)?);
    }
    Ok(said)
}

async fn trial(
    clients: &Clients,
    place: &Place,
    (group, launched): (&AsgName, &LaunchTemplateData),
    subnet: &str,
) -> Result<Trial, CloudError> {
    let asking = Asking { clients, place };
    let names = asking.of_definition(None, Some(launched)).await?;
    let data = match names.data_by_id(&place.cluster, launched.clone()) {
        Ok(data) => data,
        Err(unclear) => return Ok(Trial::Refused(unclear.to_string())),
    };
    let call = request(clients.ec2.run_instances(), &data, subnet);
    match call.send().await {
        Ok(_) => Ok(Trial::Accepted),
        Err(error) => match error.as_service_error().and_then(|e| e.code()) {
            Some("DryRunOperation") => Ok(Trial::Accepted),
            Some(code) if OF_SOMETHING_ELSE.contains(&code) || code.starts_with("AuthFailure") => {
                Err(cloud_error(place, group, &error))
            }
            Some(_) | None => match cloud_error(place, group, &error) {
                CloudError::Refused { message, .. } => Ok(Trial::Refused(message)),
                other @ (CloudError::Throttled { .. }
                | CloudError::Credentials { .. }
                | CloudError::Unknown { .. }
                | CloudError::State { .. }) => Err(other),
            },
        },
    }
}

/// The request that Auto Scaling would make of the version, as far as it may be refused whatever the capacity.
fn request(
    call: RunInstancesFluentBuilder,
    data: &LaunchTemplateData,
    subnet: &str,
) -> RunInstancesFluentBuilder {
    let interfaces = data.network_interfaces.first();
    let mut interface = sdk::InstanceNetworkInterfaceSpecification::builder()
        .device_index(0)
        .subnet_id(subnet);
    if let Some(given) = interfaces {
        interface = interface
            .associate_public_ip_address(given.associate_public_ip_address)
            .set_groups(Some(given.groups.clone()).filter(|g| !g.is_empty()));
    }
    let tags = data.tag_specifications.iter().map(|specification| {
        let tags = specification.tags.iter();
        let tags = tags.map(|(key, value)| {
            let tag = sdk::Tag::builder().key(key.as_str());
            tag.value(value.as_str()).build()
        });
        sdk::TagSpecification::builder()
            .resource_type(specification.resource_type.as_str().into())
            .set_tags(Some(tags.collect()))
            .build()
    });
    let tags: Vec<sdk::TagSpecification> = tags.collect();
    let market = data.instance_market_options.as_ref().map(|_| {
        sdk::InstanceMarketOptionsRequest::builder()
            .market_type(sdk::MarketType::Spot)
            .build()
    });
    let profile = sdk::IamInstanceProfileSpecification::builder()
        .name(&data.iam_instance_profile.name)
        .build();
    call.dry_run(true)
        .min_count(1)
        .max_count(1)
        .image_id(&data.image_id)
        .instance_type(data.instance_type.as_str().into())
        .iam_instance_profile(profile)
        .set_key_name(data.key_name.clone())
        .network_interfaces(interface.build())
        .set_tag_specifications(Some(tags).filter(|t| !t.is_empty()))
        .set_instance_market_options(market)
}
