//! What AWS answers to an effect: done, nothing to do, not as expected, refused. Decides nothing.

use std::fmt::Display;

use crate::cloud::CloudError;
use crate::model::{Applied, AsgName};

/// Everything the scaling processes of a group can be called. Source: AWS Auto Scaling guide, "Suspend and resume processes".
pub(super) const PROCESSES: [&str; 9] = [
    "AZRebalance",
    "AddToLoadBalancer",
    "AlarmNotification",
    "HealthCheck",
    "InstanceRefresh",
    "Launch",
    "ReplaceUnhealthy",
    "ScheduledActions",
    "Terminate",
];

/// What an effect came to, and whether the state is another one now.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum EffectOutcome {
    /// The state changed.
    Changed(Applied),
    /// Nothing was touched.
    Unchanged(Applied),
}

pub(super) fn done() -> EffectOutcome {
    EffectOutcome::Changed(Applied::Done)
}

pub(super) fn moved(found: String) -> EffectOutcome {
    EffectOutcome::Unchanged(Applied::Moved(found))
}

pub(super) fn refused(subject: &impl Display, message: String) -> CloudError {
    CloudError::Refused {
        subject: subject.to_string(),
        message,
    }
}

/// AWS's refusal of a mixed instances policy on a launch template version that asks for Spot Instances itself.
/// Source: Auto Scaling guide, "Create a launch template for an Auto Scaling group", and the error that kops quotes (issue 10082).
pub(super) fn spot_template(name: &AsgName) -> CloudError {
    refused(
        name,
        "ValidationError: You cannot use a launch template that is set to request Spot Instances (InstanceMarketOptions) when you \
         configure an Auto Scaling group with a mixed instances policy. Add a different launch template to the group and try again."
            .into(),
    )
}

/// AWS's refusal of a version that does not exist.
pub(super) fn unknown_version(name: &AsgName, number: u64) -> CloudError {
    refused(
        name,
        format!(
            "InvalidLaunchTemplateId.VersionNotFound: launch template {name} has no version {number}"
        ),
    )
}

/// AWS's refusal of a name that is taken.
pub(super) fn already_exists(name: &AsgName) -> CloudError {
    refused(
        name,
        "AlreadyExists: there is another AutoScalingGroup of this name in the account and region"
            .into(),
    )
}
