//! Launch templates and their versions: made once for one token, however often the answer gets lost; old ones deleted, never one in use.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types as sdk;
use sha2::{Digest as _, Sha256};

use super::hand::{Found, Hand, OWNER};
use super::write::{carry, template};
use crate::cloud::CloudError;
use crate::cloud::aws::convert::group::{TemplateReference, template as template_of_group};
use crate::cloud::aws::convert::template::{described, description};
use crate::cloud::aws::ec2::{present, tag};
use crate::cloud::aws::error::{Kind, judge};
use crate::model::{Applied, AsgName, LaunchTemplateData, TagText, UserData};

/// Most versions that one page of an answer holds. Source: EC2 API reference, DescribeLaunchTemplateVersions.
const PAGE: i32 = 200;

/// What is wanted of a new version.
pub(super) struct Wanted<'a> {
    /// What it holds, as the definition names it.
    pub(super) data: &'a LaunchTemplateData,
    pub(super) user_data: &'a UserData,
    /// The version whose fields that no definition says are taken over.
    pub(super) carry: Option<u64>,
    /// Same token, same version.
    pub(super) token: &'a str,
}

impl Hand<'_> {
    pub(super) async fn create_version(&self, wanted: &Wanted<'_>) -> Result<Applied, CloudError> {
        let found = self.own_template().await?;
        let versions = match &found {
            Some(template) => self.versions(template).await?,
            None => Vec::new(),
        };
        let mut data = self.with_ids(wanted.data).await?;
        if let Some(number) = self.made_before(&versions, &data, wanted)? {
            return Ok(Applied::Version(number));
        }
        let (source, user_data, of_fleet) = match wanted.user_data {
            UserData::Given(text) => (
                versions.iter().max_by_key(|v| v.version_number),
                Some(text.to_string()),
                true,
            ),
            // It is not asked for: kops makes the version with its user data.
            UserData::ByKops { .. } => {
                return Err(self.refused("the user data of this version is made by kops"));
            }
            UserData::CarriedFrom(number) => {
                let source = self.source(&versions, *number)?;
                (
                    Some(source),
                    source
                        .launch_template_data()
                        .and_then(|d| d.user_data())
                        .map(str::to_owned),
                    described(source.version_description()).is_some_and(|(_, of_fleet)| of_fleet),
                )
            }
        };
        data.key_name = data.key_name.or_else(|| {
            self.key_of_kops(source?.launch_template_data()?.key_name())
                .map(str::to_owned)
        });
        let mut request =
            template::data(&data, user_data).map_err(|e| self.refused(e.to_string()))?;
        if let Some(number) = wanted.carry {
            let before = self.source(&versions, number)?;
            if let Some(before) = before.launch_template_data() {
                carry::carry(&mut request, before);
            }
        }
        let description = description(wanted.token, of_fleet);
        match &found {
            Some(template) => {
                self.add_version(template, request, &description, wanted)
                    .await
            }
            None => self.create_template(request, &description, wanted).await,
        }
    }

    /// The version that the token made before. It came with the same data, or the token is of others.
    fn made_before(
        &self,
        versions: &[sdk::LaunchTemplateVersion],
        data: &LaunchTemplateData,
        wanted: &Wanted<'_>,
    ) -> Result<Option<u64>, CloudError> {
        let is_it = |v: &&sdk::LaunchTemplateVersion| {
            described(v.version_description()).is_some_and(|(token, _)| token == wanted.token)
        };
        let Some(made) = versions.iter().find(is_it) else {
            return Ok(None);
        };
        let number = positive(made.version_number)
            .ok_or_else(|| self.refused("a launch template version without a number"))?;
        let mut found = self.data_of(made)?;
        if !wanted.data.image_id.starts_with("ami-") {
            // What the name meant then counts.
            found.image_id.clone_from(&data.image_id);
        }
        if data.key_name.is_none() && self.key_of_kops(found.key_name.as_deref()).is_some() {
            found.key_name = None;
        }
        // Disks that come with the type are not shown in a description.
        let mut data = data.clone();
        data.block_device_mappings
            .retain(|d| d.ebs.is_some() || d.virtual_name.is_none());
        if !found.is(&data) {
            return Err(self.refused(format!(
                "IdempotentParameterMismatch: the token of version {number} came with other data"
            )));
        }
        Ok(Some(number))
    }

    fn source<'v>(
        &self,
        versions: &'v [sdk::LaunchTemplateVersion],
        number: u64,
    ) -> Result<&'v sdk::LaunchTemplateVersion, CloudError> {
        let unknown = || {
            self.refused(format!("InvalidLaunchTemplateId.VersionNotFound: launch template {} has no version {number}", self.group))
        };
        versions
            .iter()
            .find(|v| positive(v.version_number) == Some(number))
            .ok_or_else(unknown)
    }

    /// A key pair that kops made of a key in its state store. No manifest names it: it goes from version to version as user data does.
    fn key_of_kops<'k>(&self, key: Option<&'k str>) -> Option<&'k str> {
        key.filter(|key| key.starts_with(&format!("kubernetes.{}-", self.place.cluster)))
    }

    /// A version of a template that exists; its own tags become those of the version, as kops has it.
    async fn add_version(
        &self,
        found: &sdk::LaunchTemplate,
        data: sdk::RequestLaunchTemplateData,
        description: &str,
        wanted: &Wanted<'_>,
    ) -> Result<Applied, CloudError> {
        let id = found.launch_template_id().unwrap_or_default();
        let new: BTreeMap<TagText, TagText> = self
            .template_tags(wanted.data)
            .into_iter()
            .filter(|(key, value)| tag(found.tags(), key) != Some(value.as_str()))
            .collect();
        if !new.is_empty() {
            self.sent(|| {
                self.write
                    .ec2
                    .create_tags()
                    .resources(id)
                    .set_tags(Some(template::tags(&new)))
                    .send()
            })
            .await?;
        }
        let call = || {
            let call = self
                .write
                .ec2
                .create_launch_template_version()
                .launch_template_id(id)
                .launch_template_data(data.clone());
            call.version_description(description)
                .client_token(client_token(self.group, wanted.token))
        };
        let answer = self.sent(|| call().send()).await?;
        let number = answer
            .launch_template_version()
            .and_then(|v| positive(v.version_number));
        number
            .map(Applied::Version)
            .ok_or_else(|| self.unclear("CreateLaunchTemplateVersion"))
    }

    async fn create_template(
        &self,
        data: sdk::RequestLaunchTemplateData,
        description: &str,
        wanted: &Wanted<'_>,
    ) -> Result<Applied, CloudError> {
        let tags = template::tags(&self.template_tags(wanted.data));
        let tags = sdk::TagSpecification::builder()
            .resource_type(sdk::ResourceType::LaunchTemplate)
            .set_tags(Some(tags))
            .build();
        let call = || {
            let call = self
                .write
                .ec2
                .create_launch_template()
                .launch_template_name(self.group.as_str())
                .launch_template_data(data.clone());
            call.version_description(description)
                .client_token(client_token(self.group, wanted.token))
                .tag_specifications(tags.clone())
        };
        let answer = self.sent(|| call().send()).await?;
        let number = answer
            .launch_template()
            .and_then(|t| positive(t.latest_version_number));
        number
            .map(Applied::Version)
            .ok_or_else(|| self.unclear("CreateLaunchTemplate"))
    }

    /// The tags of instances, as kops has it, and those that say whose it is.
    fn template_tags(&self, data: &LaunchTemplateData) -> BTreeMap<TagText, TagText> {
        let cluster = self.place.cluster.as_str();
        let mut specifications = data.tag_specifications.iter();
        let instances = specifications.find(|s| s.resource_type == "instance");
        let instances = instances.into_iter().flat_map(|s| s.tags.iter());
        let instances = instances.map(|(key, value)| (key.clone(), value.clone()));
        let own = [
            ("Name".into(), self.group.as_str().into()),
            (
                format!("kubernetes.io/cluster/{cluster}").into(),
                "owned".into(),
            ),
        ];
        own.into_iter()
            .chain(instances)
            .chain([(OWNER.into(), cluster.into())])
            .collect()
    }

    /// The template of the group's name, as kops has it; it has to be the cluster's.
    pub(super) async fn own_template(&self) -> Result<Option<sdk::LaunchTemplate>, CloudError> {
        self.template_of(&TemplateReference::named(self.group))
            .await
    }

    /// A template; it has to be the cluster's.
    pub(super) async fn template_of(
        &self,
        reference: &TemplateReference,
    ) -> Result<Option<sdk::LaunchTemplate>, CloudError> {
        let TemplateReference {
            id,
            name,
            version: _,
        } = reference;
        let call = self.read.ec2.describe_launch_templates();
        // By filter, as that answers with an empty list where there is none; patterns in a name do no harm, the name is compared below.
        let call = match (id, name) {
            (Some(id), _) => call.launch_template_ids(id),
            (None, name) => call.filters(
                sdk::Filter::builder()
                    .name("launch-template-name")
                    .set_values(name.clone().map(|n| vec![n]))
                    .build(),
            ),
        };
        let items = call.into_paginator().items().send().try_collect().await;
        let templates: Vec<sdk::LaunchTemplate> = match items {
            Err(e) if judge(&e).0 == Kind::Refused && is_not_found(&e) => Vec::new(),
            items => items.map_err(|e| self.error(&e))?,
        };
        let same = |t: &sdk::LaunchTemplate| {
            if id.is_some() {
                t.launch_template_id == *id
            } else {
                t.launch_template_name == *name
            }
        };
        let Some(found) = templates.into_iter().find(same) else {
            return Ok(None);
        };
        self.fenced("launch template", tag(found.tags(), OWNER))?;
        Ok(Some(found))
    }

    async fn versions(
        &self,
        found: &sdk::LaunchTemplate,
    ) -> Result<Vec<sdk::LaunchTemplateVersion>, CloudError> {
        let call = self
            .read
            .ec2
            .describe_launch_template_versions()
            .set_launch_template_id(found.launch_template_id.clone());
        call.into_paginator()
            .page_size(PAGE)
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|e| self.error(&e))
    }

    fn unclear(&self, api: &str) -> CloudError {
        CloudError::Unknown {
            subject: self.group.to_string(),
            message: format!("{api} answered without a version number"),
        }
    }

    pub(super) async fn prune(&self, versions: &BTreeSet<u64>) -> Result<Applied, CloudError> {
        let Some(found) = self.own_template().await? else {
            return Ok(Applied::Already);
        };
        let mut kept = self.versions_in_use(&found).await?;
        kept.extend(positive(found.default_version_number));
        let gone: Vec<String> = versions
            .difference(&kept)
            .map(ToString::to_string)
            .collect();
        if gone.is_empty() {
            return Ok(Applied::Already);
        }
        let call = || {
            self.write
                .ec2
                .delete_launch_template_versions()
                .set_launch_template_id(found.launch_template_id.clone())
        };
        let answer = self
            .sent(|| call().set_versions(Some(gone.clone())).send())
            .await?;
        let failed = answer
            .unsuccessfully_deleted_launch_template_versions()
            .iter()
            .find_map(|item| {
                let error = item.response_error()?;
                let code = error
                    .code()
                    .map_or("no code", sdk::LaunchTemplateErrorCode::as_str);
                let missing = code == "launchTemplateVersionDoesNotExist";
                (!missing).then(|| {
                    format!(
                        "version {}: {code}: {}",
                        item.version_number().unwrap_or(0),
                        error.message().unwrap_or_default()
                    )
                })
            });
        match failed {
            Some(why) => Err(self.refused(why)),
            None if answer
                .successfully_deleted_launch_template_versions()
                .is_empty() =>
            {
                Ok(Applied::Already)
            }
            None => Ok(Applied::Done),
        }
    }

    /// What the group refers to, and every instance that was launched from the template, in whichever group it is now.
    async fn versions_in_use(
        &self,
        template: &sdk::LaunchTemplate,
    ) -> Result<BTreeSet<u64>, CloudError> {
        let id = template.launch_template_id().unwrap_or_default();
        let mut used = BTreeSet::new();
        if let Found::Here(group) = self.found().await? {
            if let Some(reference) = template_of_group(&group) {
                used.insert(self.number_of(&reference).await?);
            }
            let of_members = group
                .instances()
                .iter()
                .filter_map(|i| i.launch_template())
                .filter(|t| t.launch_template_id() == Some(id));
            used.extend(of_members.filter_map(|t| t.version()?.parse::<u64>().ok()));
        }
        let by_template = sdk::Filter::builder()
            .name("tag:aws:ec2launchtemplate:id")
            .values(id)
            .build();
        let call = self
            .read
            .ec2
            .describe_instances()
            .filters(by_template)
            .filters(present());
        let pages = call.into_paginator().send();
        let pages = pages.try_collect().await.map_err(|e| self.error(&e))?;
        let instances = pages
            .iter()
            .flat_map(|page| page.reservations())
            .flat_map(|r| r.instances());
        used.extend(instances.filter_map(|i| {
            tag(i.tags(), "aws:ec2launchtemplate:version")?
                .parse::<u64>()
                .ok()
        }));
        Ok(used)
    }

    /// Deletes the group's template, if it is still there. Whether it was.
    pub(super) async fn delete_template(&self) -> Result<bool, CloudError> {
        let Some(found) = self.own_template().await? else {
            return Ok(false);
        };
        self.sent(|| {
            self.write
                .ec2
                .delete_launch_template()
                .set_launch_template_id(found.launch_template_id.clone())
                .send()
        })
        .await?;
        Ok(true)
    }
}

/// What EC2 knows a repeated request by: 64 ASCII characters at most, of one template. Source: EC2 developer guide, "Ensuring idempotency".
fn client_token(template: &AsgName, token: &str) -> String {
    Sha256::digest(format!("{template}\n{token}").as_bytes())
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// A version number; they begin at 1.
pub(super) fn positive(number: Option<i64>) -> Option<u64> {
    number
        .and_then(|n| u64::try_from(n).ok())
        .filter(|n| *n > 0)
}

fn is_not_found<E: aws_smithy_types::error::metadata::ProvideErrorMetadata>(error: &E) -> bool {
    error
        .code()
        .is_some_and(|code| code.starts_with("InvalidLaunchTemplate") && code.contains("NotFound"))
}
