//! Launch templates and their versions. Knows no groups: whether a version is in use is not asked here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::{EffectOutcome, refused, unknown_version};
use crate::cloud::CloudError;
use crate::model::{
    Applied, AsgName, LaunchTemplateData, Shared, TemplateVersion, UserData, is_carried,
};

/// A launch template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SimulatedTemplate {
    /// By number, from 1; numbers are never used twice.
    pub(super) versions: BTreeMap<u64, Shared<TemplateVersion>>,
}

impl SimulatedTemplate {
    /// The newest number; 0 while there are no versions.
    pub(super) fn latest(&self) -> u64 {
        self.versions
            .last_key_value()
            .map_or(0, |(number, _)| *number)
    }

    /// Adds a version, or finds the one that the token made before.
    /// A token given again for something else is refused, as AWS does (IdempotentParameterMismatch).
    pub(super) fn create_version(
        &mut self,
        name: &AsgName,
        data: &LaunchTemplateData,
        user_data: &UserData,
        carry: Option<u64>,
        token: &str,
    ) -> Result<EffectOutcome, CloudError> {
        if let Some((number, made)) = self
            .versions
            .iter()
            .find(|(_, v)| v.token.as_deref() == Some(token))
        {
            if !made.data.is(data) {
                return Err(refused(
                    name,
                    format!(
                        "IdempotentParameterMismatch: the token of version {number} came with other data"
                    ),
                ));
            }
            return Ok(EffectOutcome::Unchanged(Applied::Version(*number)));
        }
        let token = Some(token.to_owned());
        let made = match user_data {
            UserData::Given(text) => TemplateVersion {
                user_data_of_fleet: true,
                ..TemplateVersion::new(data.clone(), Some(text.to_string()), token)
            },
            // It is not asked for: kops makes the version with its user data.
            UserData::ByKops { .. } => {
                return Err(refused(
                    name,
                    "the user data of this version is made by kops".into(),
                ));
            }
            UserData::CarriedFrom(number) => {
                let source = self.version(name, *number)?;
                // A snapshot has digests for the texts: they are carried, not taken again.
                let data = LaunchTemplateData {
                    user_data: source.data.user_data.clone(),
                    ..data.clone()
                };
                TemplateVersion {
                    data,
                    user_data: source.user_data.clone(),
                    token,
                    user_data_of_fleet: source.user_data_of_fleet,
                    unmanaged: BTreeMap::new(),
                }
            }
        };
        let unmanaged = carry
            .and_then(|number| self.versions.get(&number))
            .map(|v| v.unmanaged.iter().filter(|(field, _)| is_carried(field)))
            .into_iter()
            .flatten()
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect();
        let number = self.latest().saturating_add(1);
        let made = TemplateVersion { unmanaged, ..made };
        self.versions.insert(number, made.into());
        Ok(EffectOutcome::Changed(Applied::Version(number)))
    }

    /// Whether a version requests Spot Instances by itself.
    pub(super) fn asks_for_spot(&self, number: u64) -> bool {
        self.versions
            .get(&number)
            .is_some_and(|v| v.data.instance_market_options.is_some())
    }

    /// A version, or AWS's refusal.
    pub(super) fn version(
        &self,
        name: &AsgName,
        number: u64,
    ) -> Result<&TemplateVersion, CloudError> {
        self.versions
            .get(&number)
            .map(|v| &**v)
            .ok_or_else(|| unknown_version(name, number))
    }
}
