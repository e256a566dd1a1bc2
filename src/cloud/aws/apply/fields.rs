//! What a group is and what it should be, in the same words: as AWS has it, with ids for names.

use std::collections::BTreeMap;

use aws_sdk_autoscaling::types::AutoScalingGroup as Described;
use aws_sdk_ec2::types::LaunchTemplateVersion;

use super::change::Fields;
use super::hand::Hand;
use crate::cloud::CloudError;
use crate::cloud::aws::convert::{group, template};
use crate::cloud::aws::names::Asking;
use crate::model::{AutoScalingGroup, Definition, Hooks, LaunchTemplateData, LifecycleHook};

impl Hand<'_> {
    /// The group as it was described, and its hooks as they are now.
    pub(super) async fn fields(&self, described: &Described) -> Result<Fields, CloudError> {
        let call = self
            .read
            .autoscaling
            .describe_lifecycle_hooks()
            .auto_scaling_group_name(self.group.as_str());
        let hooks = call
            .send()
            .await
            .map_err(|e| self.error(&e))?
            .lifecycle_hooks
            .unwrap_or_default();
        let hooks = hooks
            .iter()
            .map(group::hook)
            .collect::<Result<BTreeMap<_, _>, _>>()
            .map_err(|e| self.strange(&e))?;
        Ok(Fields {
            group: group::fields(described).map_err(|e| self.strange(&e))?,
            hooks,
        })
    }

    /// What a version holds.
    pub(super) fn data_of(
        &self,
        version: &LaunchTemplateVersion,
    ) -> Result<LaunchTemplateData, CloudError> {
        template::version(version)
            .map(|(_, version)| version.data)
            .map_err(|e| self.strange(&e))
    }

    /// What is to be written: each name has to mean one thing. Hooks of which the definition says nothing stay as they are.
    pub(super) async fn wanted(
        &self,
        definition: &Definition,
        hooks: &BTreeMap<String, LifecycleHook>,
    ) -> Result<Fields, CloudError> {
        let group = &definition.auto_scaling_group;
        let names = self.asking().of_definition(Some(group), None).await?;
        let group = names
            .group_by_id(&self.place.cluster, group.clone())
            .map_err(|e| self.refused(e.to_string()))?;
        Ok(Fields {
            group: group.canonical(),
            hooks: said(definition, hooks),
        })
    }

    /// What is expected to be found: of hooks of which the definition says nothing, whatever there are.
    pub(super) async fn expected(
        &self,
        definition: &Definition,
        hooks: &BTreeMap<String, LifecycleHook>,
    ) -> Result<Fields, CloudError> {
        Ok(Fields {
            group: self.group_expected(&definition.auto_scaling_group).await?,
            hooks: said(definition, hooks),
        })
    }

    /// Names that mean nothing any more stay: then the group will not be found to be what was expected.
    pub(super) async fn group_expected(
        &self,
        group: &AutoScalingGroup,
    ) -> Result<AutoScalingGroup, CloudError> {
        let by_id = match self.asking().of_definition(Some(group), None).await {
            Ok(names) => names.group_by_id(&self.place.cluster, group.clone()).ok(),
            Err(CloudError::Refused { .. }) => None,
            Err(other) => return Err(other),
        };
        Ok(by_id.unwrap_or_else(|| group.clone()).canonical())
    }

    /// What a version is to hold: each name has to mean one thing.
    pub(super) async fn with_ids(
        &self,
        data: &LaunchTemplateData,
    ) -> Result<LaunchTemplateData, CloudError> {
        let names = self.asking().of_definition(None, Some(data)).await?;
        names
            .data_by_id(&self.place.cluster, data.clone())
            .map_err(|e| self.refused(e.to_string()))
    }

    fn asking(&self) -> Asking<'_> {
        Asking {
            clients: &self.read,
            place: self.place,
        }
    }
}

/// The hooks that a definition names, or those that were found where it says nothing of them.
fn said(
    definition: &Definition,
    found: &BTreeMap<String, LifecycleHook>,
) -> BTreeMap<String, LifecycleHook> {
    match &definition.lifecycle_hooks {
        Hooks::Known(hooks) => BTreeMap::clone(hooks),
        Hooks::NotRead => found.clone(),
    }
}
