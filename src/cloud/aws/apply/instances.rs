//! Instances that leave a group: detached and running on, or ended. Each is named, so that nothing said twice ends a second one.

use aws_sdk_autoscaling::types::AutoScalingGroup;
use aws_sdk_ec2::types as sdk;

use super::hand::{Found, Hand, OWNER, is_ending, member};
use crate::cloud::CloudError;
use crate::cloud::aws::convert::group::{desired, fields};
use crate::cloud::aws::ec2::{DETACHED_FROM, present, tag};
use crate::model::{Applied, InstanceId};

/// An instance that the group does not list.
enum Outside {
    /// Ended, or never there.
    Gone,
    /// Taken out of this group by us, and still there.
    Detached,
    /// In the group's warm pool.
    Warmed,
    /// Still there, and not ours to touch.
    Stranger,
}

impl Hand<'_> {
    pub(super) async fn detach(&self, instance: &InstanceId) -> Result<Applied, CloudError> {
        let group = match self.existing().await? {
            Ok(group) => group,
            Err(none) => return Ok(Applied::Moved(none)),
        };
        let Some(found) = member(&group, instance) else {
            return Ok(match self.outside(instance).await? {
                Outside::Detached => Applied::Already,
                Outside::Warmed => {
                    return Err(self.refused(format!(
                        "instance {instance} is in the warm pool, so it cannot be detached"
                    )));
                }
                Outside::Gone | Outside::Stranger => {
                    Applied::Moved(format!("{} has no instance {instance}", self.group))
                }
            });
        };
        if is_ending(found.lifecycle_state()) {
            return Ok(Applied::Moved(format!(
                "instance {instance} of {} is terminating",
                self.group
            )));
        }
        if found
            .lifecycle_state()
            .is_some_and(|s| s.as_str().starts_with("Pending"))
        {
            return Err(self.refused(format!(
                "instance {instance} is not in service yet, so it cannot be detached"
            )));
        }
        // The mark comes first: an instance that is out of the group and has none would have no owner.
        self.mark(instance).await?;
        let call = || {
            self.write
                .autoscaling
                .detach_instances()
                .auto_scaling_group_name(self.group.as_str())
                .instance_ids(instance.as_str())
        };
        match self
            .sent(|| call().should_decrement_desired_capacity(false).send())
            .await
        {
            Ok(_) => Ok(Applied::Done),
            Err(refusal @ CloudError::Refused { .. }) => {
                // It stays the group's. A mark left on it would make it ours if others took it out; the refusal counts more than that.
                let _ = self.unmark(instance).await;
                Err(refusal)
            }
            Err(other) => Err(other),
        }
    }

    async fn mark(&self, instance: &InstanceId) -> Result<(), CloudError> {
        let mark = sdk::Tag::builder()
            .key(DETACHED_FROM)
            .value(self.group.as_str())
            .build();
        self.sent(|| {
            self.write
                .ec2
                .create_tags()
                .resources(instance.as_str())
                .tags(mark.clone())
                .send()
        })
        .await
        .map(drop)
    }

    async fn unmark(&self, instance: &InstanceId) -> Result<(), CloudError> {
        let mark = sdk::Tag::builder()
            .key(DETACHED_FROM)
            .value(self.group.as_str())
            .build();
        self.sent(|| {
            self.write
                .ec2
                .delete_tags()
                .resources(instance.as_str())
                .tags(mark.clone())
                .send()
        })
        .await
        .map(drop)
    }

    pub(super) async fn terminate(
        &self,
        instance: &InstanceId,
        decrement: bool,
    ) -> Result<Applied, CloudError> {
        if let Found::Here(group) = self.found().await?
            && let Some(found) = member(&group, instance)
        {
            return if is_ending(found.lifecycle_state()) {
                Ok(Applied::Already)
            } else {
                self.terminate_member(&group, instance, decrement).await
            };
        }
        match self.outside(instance).await? {
            Outside::Gone => Ok(Applied::Already),
            // No longer the group's, or not counted in its capacity: that stays as it is.
            Outside::Detached | Outside::Warmed => {
                self.terminate_outside(instance).await?;
                Ok(Applied::Done)
            }
            Outside::Stranger => Ok(Applied::Moved(format!(
                "instance {instance} is not in {}, and was not taken out of it by kfleet",
                self.group
            ))),
        }
    }

    /// Ends an instance that is not in the group, or not counted in its capacity.
    async fn terminate_outside(&self, instance: &InstanceId) -> Result<(), CloudError> {
        self.sent(|| {
            self.write
                .ec2
                .terminate_instances()
                .instance_ids(instance.as_str())
                .send()
        })
        .await?;
        Ok(())
    }

    async fn terminate_member(
        &self,
        group: &AutoScalingGroup,
        instance: &InstanceId,
        decrement: bool,
    ) -> Result<Applied, CloudError> {
        let (desired, least) = (desired(group), fields(group).map(|f| f.min_size));
        let (desired, least) = (
            desired.map_err(|e| self.strange(&e))?,
            least.map_err(|e| self.strange(&e))?,
        );
        if decrement && desired <= least {
            let found = format!(
                "{} has desired capacity {desired}, its minimum: ending {instance} without replacement would go below",
                self.group
            );
            return Ok(Applied::Moved(found));
        }
        let call = || {
            self.write
                .autoscaling
                .terminate_instance_in_auto_scaling_group()
                .instance_id(instance.as_str())
        };
        self.sent(|| call().should_decrement_desired_capacity(decrement).send())
            .await?;
        Ok(Applied::Done)
    }

    /// What there is to know of an instance that the group does not list.
    async fn outside(&self, instance: &InstanceId) -> Result<Outside, CloudError> {
        let by_id = by_id(instance);
        let call = self
            .read
            .ec2
            .describe_instances()
            .filters(by_id)
            .filters(present());
        let answer = call.send().await.map_err(|e| self.error(&e))?;
        let Some(found) = answer
            .reservations()
            .iter()
            .flat_map(|r| r.instances())
            .find(|i| i.instance_id() == Some(instance.as_str()))
        else {
            return Ok(Outside::Gone);
        };
        let is = |key: &str, value: &str| tag(found.tags(), key) == Some(value);
        if !is(OWNER, self.place.cluster.as_str()) {
            return Ok(Outside::Stranger);
        }
        if is(DETACHED_FROM, self.group.as_str()) {
            return Ok(Outside::Detached);
        }
        Ok(if is("aws:autoscaling:groupName", self.group.as_str()) {
            Outside::Warmed
        } else {
            Outside::Stranger
        })
    }

    /// Instances that were taken out of the group and are still there.
    pub(super) async fn detached(&self) -> Result<usize, CloudError> {
        let ours = sdk::Filter::builder()
            .name(format!("tag:{DETACHED_FROM}"))
            .values(self.group.as_str())
            .build();
        let call = self
            .read
            .ec2
            .describe_instances()
            .filters(ours)
            .filters(present());
        let pages = call
            .into_paginator()
            .send()
            .try_collect()
            .await
            .map_err(|e| self.error(&e))?;
        Ok(pages
            .iter()
            .flat_map(|page| page.reservations())
            .map(|r| r.instances().len())
            .sum())
    }
}

fn by_id(instance: &InstanceId) -> sdk::Filter {
    sdk::Filter::builder()
        .name("instance-id")
        .values(instance.as_str())
        .build()
}
