//! The hand that writes to one cluster's groups: the fence before each write, a look at the one group, and calls that are sent
//! once: what is to be sent again is looked at again first.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use aws_sdk_autoscaling::config::retry::RetryConfig;
use aws_sdk_autoscaling::types::{AutoScalingGroup, LifecycleState};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::cloud::aws::connect::Clients;
use crate::cloud::aws::convert::Strange;
use crate::cloud::aws::error::cloud_error;
use crate::cloud::{CloudError, Place};
use crate::model::{AsgName, InstanceId};

/// The tag that says whose a group, a template or an instance is. Source: kops, B.6 of its tags.
pub(super) const OWNER: &str = "KubernetesCluster";

/// Waits before an effect is attempted again, of which AWS said that it did nothing: throttled, or the group was busy. A busy group is the rule
/// while instances come and go, and over in a minute. Meanwhile others act: each attempt begins with a look of its own.
const WAITS: [Duration; 7] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
    Duration::from_secs(15),
    Duration::from_secs(15),
];

/// What carries out one effect on one group.
pub(super) struct Hand<'a> {
    pub(super) place: &'a Place,
    pub(super) group: &'a AsgName,
    /// For questions: the SDK asks them again by itself.
    pub(super) read: Clients,
    /// For changes: the SDK sends each of them once. Whether one whose answer was lost took effect is found out by looking, not by sending it again.
    pub(super) write: Clients,
    /// Before it is attempted again.
    pub(super) waits: [Duration; 7],
}

/// How a group was found.
pub(super) enum Found {
    /// It does not exist.
    None,
    /// AWS is deleting it: no longer to be reckoned with, and its name is not free yet.
    Going,
    /// There is one, and it is the cluster's.
    Here(Box<AutoScalingGroup>),
}

impl<'a> Hand<'a> {
    /// Ready for the first look; the caller's account has been compared with the cluster's.
    pub(super) fn new(place: &'a Place, group: &'a AsgName, clients: Clients) -> Hand<'a> {
        Hand {
            place,
            group,
            write: once(&clients),
            read: clients,
            waits: WAITS,
        }
    }

    /// The group as it is now.
    pub(super) async fn found(&self) -> Result<Found, CloudError> {
        let answer = self
            .read
            .autoscaling
            .describe_auto_scaling_groups()
            .auto_scaling_group_names(self.group.as_str())
            .send()
            .await;
        let groups = answer
            .map_err(|e| self.error(&e))?
            .auto_scaling_groups
            .unwrap_or_default();
        match groups
            .into_iter()
            .find(|g| g.auto_scaling_group_name() == Some(self.group.as_str()))
        {
            None => Ok(Found::None),
            Some(group) if group.status().is_some_and(|s| !s.is_empty()) => Ok(Found::Going),
            Some(group) => {
                let owner = group
                    .tags()
                    .iter()
                    .find(|t| t.key() == Some(OWNER))
                    .and_then(|t| t.value());
                self.fenced("AutoScalingGroup", owner)?;
                Ok(Found::Here(Box::new(group)))
            }
        }
    }

    /// The group, or what to answer when it does not exist.
    pub(super) async fn existing(
        &self,
    ) -> Result<Result<Box<AutoScalingGroup>, String>, CloudError> {
        Ok(match self.found().await? {
            Found::Here(group) => Ok(group),
            Found::None | Found::Going => Err(format!("there is no group {}", self.group)),
        })
    }

    /// Nothing is written to what is not tagged as this cluster's.
    pub(super) fn fenced(&self, kind: &str, owner: Option<&str>) -> Result<(), CloudError> {
        if owner == Some(self.place.cluster.as_str()) {
            return Ok(());
        }
        let found = owner.map_or_else(
            || format!("it has no tag {OWNER}"),
            |o| format!("its tag {OWNER} is {o}"),
        );
        Err(self.refused(format!(
            "the {kind} {} is not this cluster's, {}: {found}",
            self.group, self.place.cluster
        )))
    }

    pub(super) fn refused(&self, message: impl Into<String>) -> CloudError {
        CloudError::Refused {
            subject: self.group.to_string(),
            message: message.into(),
        }
    }

    /// Not done, and worth asking again.
    pub(super) fn later(&self, message: impl Into<String>) -> CloudError {
        CloudError::Throttled {
            account: self.place.account.clone(),
            region: self.place.region.clone(),
            message: message.into(),
        }
    }

    pub(super) fn error<E: ProvideErrorMetadata + Error + 'static>(
        &self,
        error: &SdkError<E, HttpResponse>,
    ) -> CloudError {
        cloud_error(self.place, self.group, error)
    }

    /// An answer that makes no sense: nothing is written on its strength.
    pub(super) fn strange(&self, error: &Strange) -> CloudError {
        CloudError::Unknown {
            subject: self.group.to_string(),
            message: error.to_string(),
        }
    }

    /// The answer to a change, which is sent once: what stands in the way of a second one is found out by looking again.
    pub(super) async fn sent<T, E, F>(&self, call: impl Fn() -> F) -> Result<T, CloudError>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + Error + 'static,
    {
        call().await.map_err(|e| self.error(&e))
    }
}

/// The same clients, which send a request once.
fn once(clients: &Clients) -> Clients {
    let Clients {
        autoscaling,
        ec2,
        classic,
        elb,
        quotas,
        iam,
        sts,
    } = clients;
    let never = RetryConfig::disabled();
    Clients {
        autoscaling: aws_sdk_autoscaling::Client::from_conf(
            autoscaling
                .config()
                .to_builder()
                .retry_config(never.clone())
                .build(),
        ),
        ec2: aws_sdk_ec2::Client::from_conf(ec2.config().to_builder().retry_config(never).build()),
        classic: classic.clone(),
        elb: elb.clone(),
        quotas: quotas.clone(),
        iam: iam.clone(),
        sts: sts.clone(),
    }
}

/// Whether an instance of a group is on its way out, or out of its hands.
pub(super) fn is_ending(state: Option<&LifecycleState>) -> bool {
    match state.map(LifecycleState::as_str) {
        Some(text) => ["Terminating", "Terminated", "Detaching", "Detached"]
            .iter()
            .any(|s| text.starts_with(s)),
        None => false,
    }
}

/// An instance as the group lists it.
pub(super) fn member<'g>(
    group: &'g AutoScalingGroup,
    instance: &InstanceId,
) -> Option<&'g aws_sdk_autoscaling::types::Instance> {
    group
        .instances()
        .iter()
        .find(|i| i.instance_id() == Some(instance.as_str()))
}
