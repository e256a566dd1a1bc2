//! Desired capacity, processes, the version a group launches from, and protection from scale-in.

use std::collections::BTreeSet;

use super::hand::{Hand, member};
use super::templates;
use super::write::group::repeated;
use crate::cloud::CloudError;
use crate::cloud::aws::convert::group::{TemplateReference, desired, template};
use crate::model::{Applied, InstanceId};

impl Hand<'_> {
    pub(super) async fn set_desired(&self, from: u32, to: u32) -> Result<Applied, CloudError> {
        let group = match self.existing().await? {
            Ok(group) => group,
            Err(none) => return Ok(Applied::Moved(none)),
        };
        let is = desired(&group).map_err(|e| self.strange(&e))?;
        if is == to {
            return Ok(Applied::Already);
        }
        if is != from {
            return Ok(Applied::Moved(format!(
                "{} has desired capacity {is}, not {from}",
                self.group
            )));
        }
        let capacity = i32::try_from(to).map_err(|_| {
            self.refused(format!(
                "a desired capacity of {to} is more than AWS can be told"
            ))
        })?;
        let call = || {
            self.write
                .autoscaling
                .set_desired_capacity()
                .auto_scaling_group_name(self.group.as_str())
                .desired_capacity(capacity)
        };
        self.sent(|| call().honor_cooldown(false).send()).await?;
        Ok(Applied::Done)
    }

    pub(super) async fn suspend(
        &self,
        processes: &BTreeSet<String>,
    ) -> Result<Applied, CloudError> {
        let group = match self.existing().await? {
            Ok(group) => group,
            Err(none) => return Ok(Applied::Moved(none)),
        };
        if processes.is_subset(&suspended(&group)) {
            return Ok(Applied::Already);
        }
        self.suspend_now(processes).await?;
        Ok(Applied::Done)
    }

    pub(super) async fn resume(&self, processes: &BTreeSet<String>) -> Result<Applied, CloudError> {
        let group = match self.existing().await? {
            Ok(group) => group,
            Err(none) => return Ok(Applied::Moved(none)),
        };
        if processes.is_disjoint(&suspended(&group)) {
            return Ok(Applied::Already);
        }
        self.resume_now(processes).await?;
        Ok(Applied::Done)
    }

    /// Without names the API would suspend all there are.
    pub(super) async fn suspend_now(&self, processes: &BTreeSet<String>) -> Result<(), CloudError> {
        if processes.is_empty() {
            return Ok(());
        }
        let call = || {
            self.write
                .autoscaling
                .suspend_processes()
                .auto_scaling_group_name(self.group.as_str())
        };
        self.sent(|| {
            call()
                .set_scaling_processes(Some(processes.iter().cloned().collect()))
                .send()
        })
        .await
        .map(drop)
    }

    /// Without names the API would resume all there are.
    pub(super) async fn resume_now(&self, processes: &BTreeSet<String>) -> Result<(), CloudError> {
        if processes.is_empty() {
            return Ok(());
        }
        let call = || {
            self.write
                .autoscaling
                .resume_processes()
                .auto_scaling_group_name(self.group.as_str())
        };
        self.sent(|| {
            call()
                .set_scaling_processes(Some(processes.iter().cloned().collect()))
                .send()
        })
        .await
        .map(drop)
    }

    /// Always by number. A group at `$Latest` or `$Default` means a number that moves by itself: it is pinned from either end.
    pub(super) async fn pin(&self, from: u64, to: u64) -> Result<Applied, CloudError> {
        let group = match self.existing().await? {
            Ok(group) => group,
            Err(none) => return Ok(Applied::Moved(none)),
        };
        let Some(template) = template(&group) else {
            return Ok(Applied::Moved(format!(
                "{} has no launch template",
                self.group
            )));
        };
        let is = self.number_of(&template).await?;
        if is == to && template.version.as_deref() == Some(to.to_string().as_str()) {
            return Ok(Applied::Already);
        }
        if is != from && is != to {
            return Ok(Applied::Moved(format!(
                "{} is at launch template version {is}, not {from}",
                self.group
            )));
        }
        let template = template.at(to);
        let call = || {
            let call = self
                .write
                .autoscaling
                .update_auto_scaling_group()
                .auto_scaling_group_name(self.group.as_str());
            match group.mixed_instances_policy() {
                Some(policy) => call.mixed_instances_policy(repeated(policy, &template)),
                None => call.launch_template(template.specification()),
            }
        };
        self.sent(|| call().send()).await?;
        Ok(Applied::Done)
    }

    /// The number that a reference means now.
    pub(super) async fn number_of(&self, template: &TemplateReference) -> Result<u64, CloudError> {
        let version = template.version.as_deref().unwrap_or("$Default");
        if let Ok(number) = version.parse() {
            return Ok(number);
        }
        let found = self.template_of(template).await?;
        let found = found.ok_or_else(|| {
            self.refused(format!("the launch template of {} is gone", self.group))
        })?;
        let number = if version == "$Latest" {
            found.latest_version_number()
        } else {
            found.default_version_number()
        };
        templates::positive(number).ok_or_else(|| {
            self.refused(format!(
                "the launch template of {} has no version {version}",
                self.group
            ))
        })
    }

    pub(super) async fn protect(
        &self,
        instances: &BTreeSet<InstanceId>,
        protect: bool,
    ) -> Result<Applied, CloudError> {
        let group = match self.existing().await? {
            Ok(group) => group,
            Err(none) => return Ok(Applied::Moved(none)),
        };
        let wanting = |id: &&InstanceId| {
            let serving = member(&group, id).filter(|i| {
                let state = i.lifecycle_state().map(|s| s.as_str());
                // Any other one is refused, and all of the call with it: "is not in InService or EnteringStandby or Standby".
                matches!(state, Some("InService" | "EnteringStandby" | "Standby"))
            });
            serving.is_some_and(|i| i.protected_from_scale_in() != Some(protect))
        };
        let ids: Vec<String> = instances
            .iter()
            .filter(wanting)
            .map(ToString::to_string)
            .collect();
        if ids.is_empty() {
            return Ok(Applied::Already);
        }
        let call = || {
            self.write
                .autoscaling
                .set_instance_protection()
                .auto_scaling_group_name(self.group.as_str())
        };
        self.sent(|| {
            call()
                .set_instance_ids(Some(ids.clone()))
                .protected_from_scale_in(protect)
                .send()
        })
        .await?;
        Ok(Applied::Done)
    }
}

/// Processes suspended now, by the rollout or by others.
fn suspended(group: &aws_sdk_autoscaling::types::AutoScalingGroup) -> BTreeSet<String> {
    group
        .suspended_processes()
        .iter()
        .filter_map(|p| p.process_name())
        .map(str::to_owned)
        .collect()
}
