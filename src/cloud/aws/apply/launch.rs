//! Launches in a zone that is named: one call, which answers with the instances or with the reason.
//!
//! Source: Auto Scaling API, LaunchInstances; user guide, "Launch instances synchronously".

use std::collections::BTreeSet;

use aws_sdk_autoscaling::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_autoscaling::operation::launch_instances::LaunchInstancesOutput;
use aws_sdk_autoscaling::types as sdk;

use super::hand::Hand;
use crate::cloud::CloudError;
use crate::cloud::aws::convert::group::desired;
use crate::cloud::aws::convert::past::lacks_capacity;
use crate::model::{Applied, InstanceId, LaunchRefusal, ZonalLaunch};

/// Codes by which AWS says that this cannot be asked for: the right is missing, the group is not one that it can be asked for, or there is no such
/// call. Sources: common errors of the Auto Scaling API reference; user guide, "Launch instances synchronously", limitations.
const NOT_OFFERED: [&str; 7] = [
    "AccessDenied",
    "AccessDeniedException",
    "InvalidAction",
    "UnauthorizedOperation",
    "UnknownOperationException",
    "UnsupportedOperation",
    INVALID,
];

const INVALID: &str = "ValidationError";

/// An earlier call with this token is still under way. Source: Auto Scaling API, LaunchInstances, errors.
const IN_PROGRESS: &str = "IdempotentCallInProgress";

impl Hand<'_> {
    /// Asks for `count` instances, once for each token: a second call gets the answer of the first.
    pub(super) async fn launch(
        &self,
        count: u32,
        launch: &ZonalLaunch,
    ) -> Result<Applied, CloudError> {
        let group = match self.existing().await? {
            Ok(group) => group,
            Err(none) => return Ok(Applied::Moved(none)),
        };
        let is = desired(&group).map_err(|e| self.strange(&e))?;
        let wanted = is.saturating_add(count);
        let most = group.max_size().and_then(|n| u32::try_from(n).ok());
        let count = i32::try_from(count)
            .map_err(|_| self.refused("more instances than AWS can be asked for"))?;
        let answer = self
            .write
            .autoscaling
            .launch_instances()
            .auto_scaling_group_name(self.group.as_str())
            .requested_capacity(count)
            .availability_zones(&launch.zone)
            .client_token(&launch.token)
            .retry_strategy(sdk::RetryStrategy::None)
            .send()
            .await;
        match answer {
            Ok(answer) => self.launched(&answer),
            // What an earlier call of this token brought is counted already: only AWS knows whether there is room for it.
            Err(SdkError::ServiceError(e))
                if e.err().code() == Some(INVALID) && most.is_some_and(|most| wanted > most) =>
            {
                Ok(Applied::NotYet(format!(
                    "{} would have desired capacity {wanted}, above its maximum",
                    self.group
                )))
            }
            Err(SdkError::ServiceError(e))
                if e.err().code().is_some_and(|c| NOT_OFFERED.contains(&c)) =>
            {
                let (code, words) = (e.err().code(), e.err().message());
                Ok(Applied::Launched {
                    instances: BTreeSet::new(),
                    refused: Some(LaunchRefusal::NotOffered(format!(
                        "{}: {}",
                        code.unwrap_or_default(),
                        words.unwrap_or_default()
                    ))),
                })
            }
            Err(SdkError::ServiceError(e)) if e.err().code() == Some(IN_PROGRESS) => {
                Err(CloudError::Unknown {
                    subject: self.group.to_string(),
                    message: format!("{IN_PROGRESS}: AWS is still at an earlier call"),
                })
            }
            Err(e) => Err(self.error(&e)),
        }
    }

    fn launched(&self, answer: &LaunchInstancesOutput) -> Result<Applied, CloudError> {
        let instances: BTreeSet<InstanceId> = answer
            .instances()
            .iter()
            .flat_map(sdk::InstanceCollection::instance_ids)
            .map(|id| InstanceId::new(id.clone()))
            .collect::<Result<_, _>>()
            .map_err(|e| CloudError::Unknown {
                subject: self.group.to_string(),
                message: e.to_string(),
            })?;
        let errors: Vec<String> = answer.errors().iter().map(words).collect();
        if instances.is_empty() && errors.is_empty() {
            return Err(CloudError::Unknown {
                subject: self.group.to_string(),
                message: "LaunchInstances named neither instances nor errors".into(),
            });
        }
        // A wrong image or a missing right is no want of capacity that anybody should wait for.
        let refused = errors.iter().find(|words| !lacks_capacity(words));
        if let (true, Some(words)) = (instances.is_empty(), refused) {
            return Err(self.refused(words.clone()));
        }
        Ok(Applied::Launched {
            instances,
            refused: (!errors.is_empty()).then(|| LaunchRefusal::NoCapacity(errors.join("; "))),
        })
    }
}

/// What AWS says of one type in one zone, with the names of both.
fn words(error: &sdk::LaunchInstancesError) -> String {
    format!(
        "{}: {} ({} in {})",
        error.error_code().unwrap_or("no code"),
        error.error_message().unwrap_or_default(),
        error.instance_type().unwrap_or("no type"),
        error.availability_zone().unwrap_or("no zone")
    )
}
