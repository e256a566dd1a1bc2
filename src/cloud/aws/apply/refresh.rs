//! Instance refreshes: AWS's own engine for replacing instances, started at a version by number, cancelled, taken back.

use aws_sdk_autoscaling::types as sdk;

use super::hand::Hand;
use super::write::group::repeated;
use super::write::{TooMuch, refresh};
use crate::cloud::CloudError;
use crate::cloud::aws::convert::group::template;
use crate::cloud::aws::convert::past;
use crate::model::{Applied, Refresh, RefreshPreferences, RefreshStatus};

impl Hand<'_> {
    pub(super) async fn start_refresh(
        &self,
        from: u64,
        version: u64,
        preferences: &RefreshPreferences,
    ) -> Result<Applied, CloudError> {
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
        if let Some(newest) = self.newest_refresh().await? {
            let done = newest.status == RefreshStatus::Successful && is == version;
            if newest.version == Some(version) && (goes_on(newest.status) || done) {
                return Ok(Applied::Already);
            }
            if newest.status.is_active() {
                let to = newest.version.map_or_else(
                    || "no version by number".to_owned(),
                    |v| format!("version {v}"),
                );
                return Ok(Applied::Moved(format!(
                    "{} has another active instance refresh, to {to}",
                    self.group
                )));
            }
        }
        if is != from && is != version {
            return Ok(Applied::Moved(format!(
                "{} is at launch template version {is}, not {from}",
                self.group
            )));
        }
        let template = template.at(version);
        let wanted = sdk::DesiredConfiguration::builder();
        let wanted = match group.mixed_instances_policy() {
            Some(policy) => wanted.mixed_instances_policy(repeated(policy, &template)),
            None => wanted.launch_template(template.specification()),
        };
        let (wanted, preferences) = (
            wanted.build(),
            refresh::preferences(preferences).map_err(|e: TooMuch| self.refused(e.to_string()))?,
        );
        let call = || {
            let call = self
                .write
                .autoscaling
                .start_instance_refresh()
                .auto_scaling_group_name(self.group.as_str());
            call.strategy(sdk::RefreshStrategy::Rolling)
                .desired_configuration(wanted.clone())
                .preferences(preferences.clone())
        };
        self.sent(|| call().send()).await?;
        Ok(Applied::Done)
    }

    pub(super) async fn cancel_refresh(&self) -> Result<Applied, CloudError> {
        if let Err(none) = self.existing().await? {
            return Ok(Applied::Moved(none));
        }
        match self.newest_refresh().await? {
            Some(newest)
                if newest.status.is_active() && newest.status != RefreshStatus::Cancelling =>
            {
                let call = || {
                    self.write
                        .autoscaling
                        .cancel_instance_refresh()
                        .auto_scaling_group_name(self.group.as_str())
                };
                self.sent(|| call().send()).await?;
                Ok(Applied::Done)
            }
            Some(_) | None => Ok(Applied::Already),
        }
    }

    pub(super) async fn rollback_refresh(&self) -> Result<Applied, CloudError> {
        let moved = |what: &str| Applied::Moved(format!("{} {what}", self.group));
        if let Err(none) = self.existing().await? {
            return Ok(Applied::Moved(none));
        }
        let Some(newest) = self.newest_refresh().await? else {
            return Ok(moved("has no instance refresh"));
        };
        if matches!(
            newest.status,
            RefreshStatus::RollbackInProgress | RefreshStatus::RollbackSuccessful
        ) {
            return Ok(Applied::Already);
        }
        if !goes_on(newest.status) {
            return Ok(moved("has no instance refresh that could be taken back"));
        }
        let call = || {
            self.write
                .autoscaling
                .rollback_instance_refresh()
                .auto_scaling_group_name(self.group.as_str())
        };
        self.sent(|| call().send()).await?;
        Ok(Applied::Done)
    }

    /// AWS lists the newest first; it is looked for by its start all the same.
    async fn newest_refresh(&self) -> Result<Option<Refresh>, CloudError> {
        let call = self
            .read
            .autoscaling
            .describe_instance_refreshes()
            .auto_scaling_group_name(self.group.as_str());
        let all = call
            .send()
            .await
            .map_err(|e| self.error(&e))?
            .instance_refreshes
            .unwrap_or_default();
        let newest = all.iter().max_by_key(|r| {
            (
                r.start_time().map(|t| (t.secs(), t.subsec_nanos())),
                r.end_time().is_none(),
            )
        });
        newest
            .map(past::refresh)
            .transpose()
            .map_err(|e| self.strange(&e))
    }
}

/// Whether it goes forward: neither over, nor given up, nor taken back.
fn goes_on(status: RefreshStatus) -> bool {
    match status {
        RefreshStatus::Pending | RefreshStatus::InProgress | RefreshStatus::Baking => true,
        RefreshStatus::Successful
        | RefreshStatus::Failed
        | RefreshStatus::Cancelling
        | RefreshStatus::Cancelled
        | RefreshStatus::RollbackInProgress
        | RefreshStatus::RollbackFailed
        | RefreshStatus::RollbackSuccessful => false,
    }
}
