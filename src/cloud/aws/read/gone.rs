//! Whether launch template versions are still there: asked anew each time, since anybody may delete them. Keeps nothing.

use std::collections::BTreeSet;

use aws_sdk_ec2::types as ec2;
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;

use crate::cloud::aws::connect::Clients;
use crate::cloud::aws::error::cloud_error;
use crate::cloud::{CloudError, Place};
use crate::model::{AsgName, Versions};

/// Those that are gone. One call a template: only its newest and its default version could be asked for with those of others.
/// Source: EC2 API, DescribeLaunchTemplateVersions.
pub(in crate::cloud::aws) async fn gone(
    clients: &Clients,
    place: &Place,
    asked: &Versions,
) -> Result<Versions, CloudError> {
    let mut gone = Versions::new();
    for (template, numbers) in asked {
        let there = there(clients, place, template, numbers).await?;
        let missing: BTreeSet<u64> = numbers.difference(&there).copied().collect();
        if !missing.is_empty() {
            gone.insert(template.clone(), missing);
        }
    }
    Ok(gone)
}

/// Those that there are. One that is deleted makes AWS refuse the whole question: then each is asked for by itself.
async fn there(
    clients: &Clients,
    place: &Place,
    template: &AsgName,
    numbers: &BTreeSet<u64>,
) -> Result<BTreeSet<u64>, CloudError> {
    if let Some(found) = asked_for(clients, place, template, numbers).await? {
        return Ok(found);
    }
    let mut there = BTreeSet::new();
    for number in numbers.iter().filter(|_| numbers.len() > 1) {
        let one = BTreeSet::from([*number]);
        there.extend(
            asked_for(clients, place, template, &one)
                .await?
                .unwrap_or_default(),
        );
    }
    Ok(there)
}

/// None: one of them, or the template itself, is not there.
async fn asked_for(
    clients: &Clients,
    place: &Place,
    template: &AsgName,
    numbers: &BTreeSet<u64>,
) -> Result<Option<BTreeSet<u64>>, CloudError> {
    let call = clients
        .ec2
        .describe_launch_template_versions()
        .launch_template_name(template.as_str())
        .set_versions(Some(numbers.iter().map(u64::to_string).collect()));
    match call.send().await {
        Ok(answer) => Ok(Some(
            answer
                .launch_template_versions()
                .iter()
                .filter_map(number)
                .collect(),
        )),
        Err(error) if is_not_there(error.code()) => Ok(None),
        Err(error) => Err(cloud_error(place, "launch template versions", &error)),
    }
}

/// Source: EC2 API, Error codes.
fn is_not_there(code: Option<&str>) -> bool {
    matches!(
        code,
        Some(
            "InvalidLaunchTemplateId.VersionNotFound"
                | "InvalidLaunchTemplateId.NotFound"
                | "InvalidLaunchTemplateName.NotFoundException"
        )
    )
}

fn number(version: &ec2::LaunchTemplateVersion) -> Option<u64> {
    u64::try_from(version.version_number()?).ok()
}
