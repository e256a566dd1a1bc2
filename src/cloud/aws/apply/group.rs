//! A group's own fields: made, changed call by call as `change` says, and deleted with its template.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::types as sdk;

use super::change::{Changed, Fields, PER_CALL, Policy, Write, differences, just_created, writes};
use super::hand::{Found, Hand};
use super::write;
use super::write::TooMuch;
use crate::cloud::CloudError;
use crate::cloud::aws::convert::group::{TemplateReference, desired, template};
use crate::model::{
    Applied, AutoScalingGroup, Definition, EnabledMetrics, Hooks, LifecycleHook, VersionChange,
    WarmPool,
};

impl Hand<'_> {
    pub(super) async fn create(
        &self,
        definition: &Definition,
        version: u64,
        desired: u32,
    ) -> Result<Applied, CloudError> {
        let taken = |why: String| {
            self.refused(format!("AlreadyExists: there is another AutoScalingGroup of this name in the account and region: {why}"))
        };
        let found = match self.found().await {
            Err(CloudError::Refused {
                subject: _,
                message,
            }) => return Err(taken(message)),
            answer => answer?,
        };
        if definition.lifecycle_hooks == Hooks::NotRead {
            return Err(self.refused("which lifecycle hooks it is to have is not known"));
        }
        let to = self.wanted(definition, &BTreeMap::new()).await?;
        let (begun, group) = match found {
            Found::Here(group) => (true, group),
            Found::Going => return Err(self.later("a group of this name is still being deleted")),
            Found::None => {
                self.create_now(definition, &to, version, desired).await?;
                let group = self.existing().await?;
                (
                    false,
                    group.map_err(|_| {
                        self.later("the group was created and is not to be seen yet")
                    })?,
                )
            }
        };
        let template = template(&group).ok_or_else(|| taken("it has no launch template".into()))?;
        let is = self.number_of(&template).await?;
        if is != version {
            return Err(taken(format!(
                "it is at launch template version {is}, not {version}"
            )));
        }
        let left = writes(&self.fields(&group).await?, &just_created(&to), &to).map_err(taken)?;
        if begun && left.is_empty() {
            return Ok(Applied::Already);
        }
        self.perform(&group, left, None).await?;
        Ok(Applied::Done)
    }

    async fn create_now(
        &self,
        definition: &Definition,
        to: &Fields,
        version: u64,
        desired: u32,
    ) -> Result<(), CloudError> {
        let template =
            TemplateReference::named(&definition.launch_template.launch_template_name).at(version);
        self.template_of(&template).await?;
        let request = self
            .creation(to, &template, desired)
            .map_err(|e| self.refused(e.to_string()))?;
        self.sent(|| request.clone().send_with(&self.write.autoscaling))
            .await
            .map(drop)
    }

    /// All that one call can say. Hooks are part of it, so that they are there when the first instances launch; what it has no room for follows.
    fn creation(
        &self,
        to: &Fields,
        template: &TemplateReference,
        desired: u32,
    ) -> Result<aws_sdk_autoscaling::operation::create_auto_scaling_group::builders::CreateAutoScalingGroupInputBuilder, TooMuch>{
        let Fields { group, hooks } = to;
        let AutoScalingGroup {
            auto_scaling_group_name,
            min_size,
            max_size,
            vpc_zone_identifier,
            new_instances_protected_from_scale_in,
            tags,
            enabled_metrics: _,
            mixed_instances_policy,
            max_instance_lifetime,
            suspended_processes: _,
            load_balancer_names,
            target_group_arns,
            capacity_rebalance,
            warm_pool: _,
        } = group;
        let mixed = mixed_instances_policy
            .as_ref()
            .map(|p| write::group::policy(p, template, false))
            .transpose()?;
        let hooks: Vec<_> = hooks
            .iter()
            .map(|(name, hook)| write::group::hook(name, hook))
            .collect::<Result<_, _>>()?;
        let first =
            |names: &BTreeSet<String>| write::list(names.iter().take(PER_CALL).cloned().collect());
        Ok(aws_sdk_autoscaling::operation::create_auto_scaling_group::CreateAutoScalingGroupInput::builder()
            .auto_scaling_group_name(auto_scaling_group_name.as_str())
            .min_size(write::number("MinSize", *min_size)?)
            .max_size(write::number("MaxSize", *max_size)?)
            .desired_capacity(write::number("DesiredCapacity", desired)?)
            .vpc_zone_identifier(joined(vpc_zone_identifier))
            .new_instances_protected_from_scale_in(*new_instances_protected_from_scale_in)
            .set_tags(write::list(tags.iter().map(|tag| write::group::tag(self.group, tag)).collect()))
            .set_launch_template(mixed.is_none().then(|| template.specification()))
            .set_mixed_instances_policy(mixed)
            .set_max_instance_lifetime(write::optional("MaxInstanceLifetime", *max_instance_lifetime)?)
            .set_load_balancer_names(first(load_balancer_names))
            .set_target_group_arns(first(target_group_arns))
            .set_capacity_rebalance(*capacity_rebalance)
            .set_lifecycle_hook_specification_list(write::list(hooks)))
    }

    pub(super) async fn update(
        &self,
        from: &Definition,
        to: &Definition,
        version: Option<VersionChange>,
    ) -> Result<Applied, CloudError> {
        let group = match self.existing().await? {
            Ok(group) => group,
            Err(none) => return Ok(Applied::Moved(none)),
        };
        let repin = match self.repin(&group, version).await? {
            Ok(repin) => repin,
            Err(moved) => return Ok(Applied::Moved(moved)),
        };
        let found = self.fields(&group).await?;
        let (from, to) = (
            self.expected(from, &found.hooks).await?,
            self.wanted(to, &found.hooks).await?,
        );
        let calls = match writes(&found, &from, &to) {
            Ok(calls) if calls.is_empty() && repin.is_none() => return Ok(Applied::Already),
            Ok(calls) => with_version(calls, repin),
            Err(moved) => return Ok(Applied::Moved(moved)),
        };
        let (least, most) = (to.group.min_size, to.group.max_size);
        if least > most {
            return Err(self.refused(format!(
                "ValidationError: min size {least} is above max size {most}"
            )));
        }
        // With a lower maximum AWS lowers desired capacity too, and ends instances that are not drained.
        // Source: Auto Scaling API, UpdateAutoScalingGroup.
        let is = desired(&group).map_err(|e| self.strange(&e))?;
        if most < is && most < found.group.max_size {
            return Ok(Applied::NotYet(format!(
                "{} has desired capacity {is}, above a maximum of {most}",
                self.group
            )));
        }
        self.perform(&group, calls, repin).await?;
        Ok(Applied::Done)
    }

    /// The version that has to come with the fields, unless the group is at it already; or where it is instead.
    async fn repin(
        &self,
        group: &sdk::AutoScalingGroup,
        version: Option<VersionChange>,
    ) -> Result<Result<Option<u64>, String>, CloudError> {
        let Some(VersionChange { from, to }) = version else {
            return Ok(Ok(None));
        };
        let template = template(group).ok_or_else(|| self.refused("it has no launch template"))?;
        let is = self.number_of(&template).await?;
        Ok(match is {
            at if at == to => Ok(None),
            at if at == from => Ok(Some(to)),
            other => Err(format!(
                "{} is at launch template version {other}, not {from}",
                self.group
            )),
        })
    }

    /// Call after call; where one fails the rest is left for the next attempt. `version`: what the group refers to from the call with
    /// its fields on.
    async fn perform(
        &self,
        group: &sdk::AutoScalingGroup,
        calls: Vec<Write>,
        version: Option<u64>,
    ) -> Result<(), CloudError> {
        let (api, name) = (&self.write.autoscaling, self.group.as_str());
        for call in calls {
            match call {
                Write::Suspend(processes) => self.suspend_now(&processes).await?,
                Write::Resume(processes) => self.resume_now(&processes).await?,
                Write::Fields(fields) => self.change(group, &fields, version).await?,
                Write::PutTags(tags) => {
                    let tags: Vec<_> = tags
                        .iter()
                        .map(|tag| write::group::tag(self.group, tag))
                        .collect();
                    self.sent(|| {
                        api.create_or_update_tags()
                            .set_tags(Some(tags.clone()))
                            .send()
                    })
                    .await?;
                }
                Write::DeleteTags(keys) => {
                    let tags: Vec<_> = keys
                        .iter()
                        .map(|key| write::group::key(self.group, key))
                        .collect();
                    self.sent(|| api.delete_tags().set_tags(Some(tags.clone())).send())
                        .await?;
                }
                Write::PutHook(hook, how) => self.put_hook(&hook, &how).await?,
                Write::DeleteHook(hook) => {
                    let call = || api.delete_lifecycle_hook().auto_scaling_group_name(name);
                    self.sent(|| call().lifecycle_hook_name(&hook).send())
                        .await?;
                }
                Write::AttachLoadBalancers(names) => {
                    let call = || api.attach_load_balancers().auto_scaling_group_name(name);
                    self.sent(|| call().set_load_balancer_names(Some(names.clone())).send())
                        .await?;
                }
                Write::DetachLoadBalancers(names) => {
                    let call = || api.detach_load_balancers().auto_scaling_group_name(name);
                    self.sent(|| call().set_load_balancer_names(Some(names.clone())).send())
                        .await?;
                }
                Write::AttachTargetGroups(arns) => {
                    let call = || {
                        api.attach_load_balancer_target_groups()
                            .auto_scaling_group_name(name)
                    };
                    self.sent(|| call().set_target_group_arns(Some(arns.clone())).send())
                        .await?;
                }
                Write::DetachTargetGroups(arns) => {
                    let call = || {
                        api.detach_load_balancer_target_groups()
                            .auto_scaling_group_name(name)
                    };
                    self.sent(|| call().set_target_group_arns(Some(arns.clone())).send())
                        .await?;
                }
                Write::EnableMetrics(metrics) => self.enable_metrics(&metrics).await?,
                Write::DisableMetrics(metrics) => self.disable_metrics(&metrics).await?,
                Write::PutWarmPool(pool) => self.put_warm_pool(&pool).await?,
                Write::DeleteWarmPool => self.delete_warm_pool().await?,
            }
        }
        Ok(())
    }

    /// A mixed group is told its policy again with every change: its absence can then not be taken for "none".
    async fn change(
        &self,
        group: &sdk::AutoScalingGroup,
        fields: &Changed,
        version: Option<u64>,
    ) -> Result<(), CloudError> {
        let Changed {
            min_size,
            max_size,
            subnets,
            protected,
            lifetime,
            rebalance,
            policy,
        } = fields;
        let too_much = |e: TooMuch| self.refused(e.to_string());
        let found = template(group).ok_or_else(|| self.refused("it has no launch template"))?;
        let template = version.map_or_else(|| found.clone(), |number| found.at(number));
        let has = group.mixed_instances_policy();
        let overrides = has
            .and_then(|p| p.launch_template())
            .is_some_and(|t| !t.overrides().is_empty());
        let mixed = match policy {
            Policy::Stays => has.map(|found| write::group::repeated(found, &template)),
            Policy::Mixed(policy) => {
                Some(write::group::policy(policy, &template, overrides).map_err(too_much)?)
            }
            Policy::Gone => None,
        };
        let plain = (mixed.is_none() && (*policy == Policy::Gone || version.is_some()))
            .then(|| template.specification());
        let least = write::optional("MinSize", *min_size).map_err(too_much)?;
        let most = write::optional("MaxSize", *max_size).map_err(too_much)?;
        let lifetime = write::optional("MaxInstanceLifetime", *lifetime).map_err(too_much)?;
        let call = || {
            let call = self
                .write
                .autoscaling
                .update_auto_scaling_group()
                .auto_scaling_group_name(self.group.as_str());
            call.set_min_size(least)
                .set_max_size(most)
                .set_vpc_zone_identifier(subnets.as_ref().map(joined))
                .set_new_instances_protected_from_scale_in(*protected)
                .set_max_instance_lifetime(lifetime)
                .set_capacity_rebalance(*rebalance)
                .set_mixed_instances_policy(mixed.clone())
                .set_launch_template(plain.clone())
        };
        self.sent(|| call().send()).await.map(drop)
    }

    async fn put_hook(&self, name: &str, hook: &LifecycleHook) -> Result<(), CloudError> {
        let LifecycleHook {
            default_result,
            heartbeat_timeout,
            lifecycle_transition,
        } = hook;
        let timeout = write::number("HeartbeatTimeout", *heartbeat_timeout)
            .map_err(|e| self.refused(e.to_string()))?;
        let call = || {
            let call = self
                .write
                .autoscaling
                .put_lifecycle_hook()
                .auto_scaling_group_name(self.group.as_str())
                .lifecycle_hook_name(name);
            call.default_result(default_result)
                .heartbeat_timeout(timeout)
                .lifecycle_transition(lifecycle_transition)
        };
        self.sent(|| call().send()).await.map(drop)
    }

    async fn enable_metrics(&self, metrics: &EnabledMetrics) -> Result<(), CloudError> {
        let EnabledMetrics {
            granularity,
            metrics,
        } = metrics;
        let call = || {
            self.write
                .autoscaling
                .enable_metrics_collection()
                .auto_scaling_group_name(self.group.as_str())
                .granularity(granularity)
        };
        self.sent(|| {
            call()
                .set_metrics(Some(metrics.iter().cloned().collect()))
                .send()
        })
        .await
        .map(drop)
    }

    async fn disable_metrics(&self, metrics: &BTreeSet<String>) -> Result<(), CloudError> {
        let call = || {
            self.write
                .autoscaling
                .disable_metrics_collection()
                .auto_scaling_group_name(self.group.as_str())
        };
        self.sent(|| {
            call()
                .set_metrics(Some(metrics.iter().cloned().collect()))
                .send()
        })
        .await
        .map(drop)
    }

    async fn put_warm_pool(&self, pool: &WarmPool) -> Result<(), CloudError> {
        let WarmPool {
            min_size,
            max_group_prepared_capacity,
        } = pool;
        let too_much = |e: TooMuch| self.refused(e.to_string());
        let least = write::number("MinSize", *min_size).map_err(too_much)?;
        let most = write::number("MaxGroupPreparedCapacity", *max_group_prepared_capacity)
            .map_err(too_much)?;
        let call = || {
            self.write
                .autoscaling
                .put_warm_pool()
                .auto_scaling_group_name(self.group.as_str())
        };
        self.sent(|| {
            call()
                .min_size(least)
                .max_group_prepared_capacity(most)
                .send()
        })
        .await
        .map(drop)
    }

    /// With what is in it, as kops does.
    async fn delete_warm_pool(&self) -> Result<(), CloudError> {
        let call = || {
            self.write
                .autoscaling
                .delete_warm_pool()
                .auto_scaling_group_name(self.group.as_str())
                .force_delete(true)
        };
        self.sent(|| call().send()).await.map(drop)
    }

    pub(super) async fn delete(&self, expected: &AutoScalingGroup) -> Result<Applied, CloudError> {
        let group = match self.found().await? {
            Found::Here(group) => group,
            Found::None | Found::Going => {
                return Ok(if self.delete_template().await? {
                    Applied::Done
                } else {
                    Applied::Already
                });
            }
        };
        if let Some(moved) = self.unlike(&group, expected).await? {
            return Ok(Applied::Moved(moved));
        }
        let left = group.instances().len() + self.detached().await?;
        if left > 0 {
            return Err(self.refused(format!(
                "ResourceInUse: the group still has {left} instances"
            )));
        }
        // A template of others is found out before anything goes.
        self.own_template().await?;
        if group.warm_pool_configuration().is_some() {
            self.delete_warm_pool().await?;
        }
        self.group_ends().await?;
        self.delete_template().await?;
        Ok(Applied::Done)
    }

    /// Deletes a group without instances: AWS refuses any other.
    async fn group_ends(&self) -> Result<(), CloudError> {
        self.sent(|| {
            self.write
                .autoscaling
                .delete_auto_scaling_group()
                .auto_scaling_group_name(self.group.as_str())
                .send()
        })
        .await?;
        Ok(())
    }

    /// Sizes and suspended processes do not count: they are moved on the way to the end. Hooks neither: they go with the group.
    async fn unlike(
        &self,
        group: &sdk::AutoScalingGroup,
        expected: &AutoScalingGroup,
    ) -> Result<Option<String>, CloudError> {
        let found = self.fields(group).await?;
        let mut expected = Fields {
            group: self.group_expected(expected).await?,
            hooks: found.hooks.clone(),
        };
        (expected.group.min_size, expected.group.max_size) =
            (found.group.min_size, found.group.max_size);
        expected
            .group
            .suspended_processes
            .clone_from(&found.group.suspended_processes);
        let differing = differences(&found, &expected, &expected);
        Ok((!differing.is_empty()).then(|| {
            format!(
                "{} is not as expected: {}",
                self.group,
                differing.join(", ")
            )
        }))
    }
}

/// The calls, among which is one that can carry the version.
fn with_version(mut calls: Vec<Write>, version: Option<u64>) -> Vec<Write> {
    let has_fields = calls.iter().any(|call| matches!(call, Write::Fields(_)));
    if version.is_some() && !has_fields {
        calls.insert(0, Write::Fields(Box::default()));
    }
    calls
}

/// Subnets as Auto Scaling lists them.
fn joined(subnets: &BTreeSet<String>) -> String {
    subnets
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(",")
}
