//! Questions about launch template versions: each is asked for once in a process, since a version never changes.

use aws_sdk_ec2::types as ec2;

use super::memory::Version;
use super::reading::Reading;
use crate::cloud::CloudError;
use crate::cloud::aws::convert::template;
use crate::cloud::aws::error::cloud_error;

/// Largest page of launch template versions. Source: EC2 API reference, DescribeLaunchTemplateVersions.
const TEMPLATES: i32 = 200;
/// From so many templates on that something is missing of, the newest versions of all templates are listed first.
const LIST: usize = 4;

impl Reading<'_> {
    /// Every version that a group or one of its instances refers to: remembered, or newest and listed with all others, or asked for by number.
    pub(super) async fn versions(&mut self) {
        let mut missing = self.haul.wanted_versions();
        missing
            .values_mut()
            .for_each(|numbers| numbers.retain(|n| !self.remembered(n)));
        missing.retain(|_, numbers| !numbers.is_empty());
        let newest = |key: &(String, u64)| {
            self.haul
                .templates
                .get(&key.0)
                .is_some_and(|t| t.latest == key.1)
        };
        if missing
            .values()
            .filter(|keys| keys.iter().any(newest))
            .count()
            >= LIST
        {
            let call = self
                .clients
                .ec2
                .describe_launch_template_versions()
                .versions("$Latest")
                .max_results(TEMPLATES);
            // What the list does not bring is asked for below; so is everything when it cannot be had.
            if let Ok(found) = call.into_paginator().items().send().try_collect().await {
                self.keep(found.iter().filter(|v| {
                    v.launch_template_id()
                        .is_some_and(|id| missing.contains_key(id))
                }));
            }
        }
        for (id, keys) in missing {
            let numbers: Vec<u64> = keys
                .into_iter()
                .filter(|key| !self.remembered(key))
                .map(|(_, n)| n)
                .collect();
            if let Err(error) = self.numbered(&id, &numbers).await {
                self.haul.unversioned.insert(id, error.to_string());
            }
        }
    }

    fn remembered(&mut self, key: &(String, u64)) -> bool {
        match self.memory.version(key) {
            Some(version) => {
                self.haul.versions.insert(key.clone(), version);
                true
            }
            None => false,
        }
    }

    fn keep<'v>(&mut self, found: impl Iterator<Item = &'v ec2::LaunchTemplateVersion>) {
        for given in found {
            let (Some(id), Some(data)) = (given.launch_template_id(), given.launch_template_data())
            else {
                continue;
            };
            match template::version(given) {
                Ok((number, version)) => {
                    let key = (id.to_owned(), number);
                    let version = Version {
                        version,
                        foreign: template::foreign(data),
                    };
                    self.memory.keep_version(key.clone(), version.clone());
                    self.haul.versions.insert(key, version);
                }
                Err(strange) => drop(
                    self.haul
                        .unversioned
                        .insert(id.to_owned(), strange.to_string()),
                ),
            }
        }
    }

    /// Versions of one template. One that is deleted makes AWS refuse the whole question: then all there are are read.
    async fn numbered(&mut self, id: &str, numbers: &[u64]) -> Result<(), CloudError> {
        for some in numbers.chunks(usize::try_from(TEMPLATES).unwrap_or(1)) {
            let call = || {
                self.clients
                    .ec2
                    .describe_launch_template_versions()
                    .launch_template_id(id)
            };
            let wanted = some.iter().map(u64::to_string).collect();
            let found = match call().set_versions(Some(wanted)).send().await {
                Ok(answer) => answer.launch_template_versions.unwrap_or_default(),
                Err(error) if is_deleted(&error) => {
                    let pages = call()
                        .max_results(TEMPLATES)
                        .into_paginator()
                        .items()
                        .send()
                        .try_collect()
                        .await;
                    pages.map_err(|e| cloud_error(self.place, "launch template versions", &e))?
                }
                Err(error) => {
                    return Err(cloud_error(self.place, "launch template versions", &error));
                }
            };
            self.keep(found.iter());
        }
        Ok(())
    }
}

fn is_deleted<E: aws_smithy_types::error::metadata::ProvideErrorMetadata>(error: &E) -> bool {
    error.code() == Some("InvalidLaunchTemplateId.VersionNotFound")
}
