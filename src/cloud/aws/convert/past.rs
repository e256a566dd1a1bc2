//! What has happened to a group: scaling activities and instance refreshes as AWS describes them → ours.

use aws_sdk_autoscaling::types as sdk;

use super::{Strange, needed, time};
use crate::model::{Activity, ActivityStatus, Refresh, RefreshStatus};

/// What AWS says when there is no capacity. Source: Auto Scaling user guide, "Troubleshoot: EC2 instance launch failures".
const NO_CAPACITY: [&str; 7] = [
    "InsufficientInstanceCapacity",
    "we currently do not have sufficient",
    "could not launch spot instances",
    "no spot capacity available",
    "capacity-not-available",
    "insufficient capacity",
    "unfulfillablecapacity",
];

/// A scaling activity.
pub(in crate::cloud::aws) fn activity(given: &sdk::Activity) -> Result<Activity, Strange> {
    let message = given
        .status_message()
        .filter(|m| !m.is_empty())
        .or(given.description())
        .unwrap_or_default()
        .to_owned();
    let code = needed(given.status_code(), "StatusCode")?.as_str();
    let status = match code {
        "Successful" => ActivityStatus::Successful,
        "Failed" | "Cancelled" if lacks_capacity(&message) => ActivityStatus::NoCapacity,
        "Failed" => ActivityStatus::Failed,
        // One that was cancelled gave way to another: nothing went wrong with it.
        "Cancelled" => ActivityStatus::Successful,
        _ if lacks_capacity(&message) => ActivityStatus::NoCapacity,
        _ => ActivityStatus::InProgress,
    };
    Ok(Activity {
        at: time(needed(given.start_time(), "StartTime")?, "StartTime")?,
        status,
        message,
    })
}

/// Whether AWS says that it has none of these instances.
pub(in crate::cloud::aws) fn lacks_capacity(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    NO_CAPACITY
        .iter()
        .any(|words| message.contains(&words.to_ascii_lowercase()))
}

/// An instance refresh.
pub(in crate::cloud::aws) fn refresh(given: &sdk::InstanceRefresh) -> Result<Refresh, Strange> {
    let wanted = given.desired_configuration();
    let mixed = wanted
        .and_then(|d| d.mixed_instances_policy())
        .and_then(|p| p.launch_template())
        .and_then(|t| t.launch_template_specification());
    let version = mixed
        .or(wanted.and_then(|d| d.launch_template()))
        .and_then(|t| t.version());
    Ok(Refresh {
        id: needed(given.instance_refresh_id.clone(), "InstanceRefreshId")?,
        status: status(needed(given.status(), "Status")?.as_str())?,
        percentage: given
            .percentage_complete
            .and_then(|p| u32::try_from(p).ok()),
        version: version.and_then(|v| v.parse().ok()),
        reason: given.status_reason.clone().filter(|r| !r.is_empty()),
    })
}

fn status(text: &str) -> Result<RefreshStatus, Strange> {
    Ok(match text {
        "Pending" => RefreshStatus::Pending,
        "InProgress" => RefreshStatus::InProgress,
        "Baking" => RefreshStatus::Baking,
        "Successful" => RefreshStatus::Successful,
        "Failed" => RefreshStatus::Failed,
        "Cancelling" => RefreshStatus::Cancelling,
        "Cancelled" => RefreshStatus::Cancelled,
        "RollbackInProgress" => RefreshStatus::RollbackInProgress,
        "RollbackFailed" => RefreshStatus::RollbackFailed,
        "RollbackSuccessful" => RefreshStatus::RollbackSuccessful,
        _ => {
            return Err(Strange {
                what: format!("the status of an instance refresh is {text}"),
            });
        }
    })
}
