//! A launch template version as it was found: what it holds, and what of it is no field of a definition. Compares nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::boot::UserDataDigest;
use super::definition::LaunchTemplateData;

/// One launch template version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "TemplateVersionForm")]
pub struct TemplateVersion {
    /// What it holds; its user data by digest.
    pub data: LaunchTemplateData,
    /// User data, base64 as AWS stores it.
    pub user_data: Option<String>,
    /// The token of the step that made it, when we made it.
    pub token: Option<String>,
    /// The fleet gave its user data: in this version, or in the one that it was carried from. Where it did not, git does not change it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub user_data_of_fleet: bool,
    /// What it holds that is no field of a definition: by AWS's name, with its value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unmanaged: BTreeMap<String, String>,
}

/// A version as it is written: files of older programs say nothing of its user data's digest.
#[derive(Deserialize)]
struct TemplateVersionForm {
    data: LaunchTemplateData,
    user_data: Option<String>,
    token: Option<String>,
    #[serde(default)]
    user_data_of_fleet: bool,
    #[serde(default)]
    unmanaged: BTreeMap<String, String>,
}

impl From<TemplateVersionForm> for TemplateVersion {
    fn from(form: TemplateVersionForm) -> TemplateVersion {
        let mut version = TemplateVersion {
            data: form.data,
            user_data: form.user_data,
            token: form.token,
            user_data_of_fleet: form.user_data_of_fleet,
            unmanaged: form.unmanaged,
        };
        if version.data.user_data.is_none() {
            version.data.user_data = version.user_data.as_deref().and_then(digest);
        }
        version
    }
}

/// Empty user data counts as no user data.
fn digest(stored: &str) -> Option<UserDataDigest> {
    (!stored.is_empty()).then(|| UserDataDigest::of(stored))
}

impl TemplateVersion {
    /// A version that boots with this user data (base64).
    pub fn new(
        mut data: LaunchTemplateData,
        user_data: Option<String>,
        token: Option<String>,
    ) -> TemplateVersion {
        data.user_data = user_data.as_deref().and_then(digest);
        TemplateVersion {
            data,
            user_data,
            token,
            user_data_of_fleet: false,
            unmanaged: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_files_get_their_digest_when_read() {
        let read = |text: serde_json::Value| -> TemplateVersion {
            let data = serde_json::json!({
                "ImageId": "ami-1", "InstanceType": "m5.large", "IamInstanceProfile": {"Name": "p"}, "BlockDeviceMappings": [], "Monitoring": {"Enabled": false},
                "MetadataOptions": {"HttpEndpoint": "e", "HttpProtocolIpv6": "d", "HttpTokens": "required", "HttpPutResponseHopLimit": 1}, "NetworkInterfaces": [], "TagSpecifications": []
            });
            serde_json::from_value(
                serde_json::json!({"data": data, "user_data": text, "token": null}),
            )
            .unwrap()
        };
        assert_eq!(
            read("eA==".into()).data.user_data,
            Some(UserDataDigest::of("eA=="))
        );
        assert_eq!(read(serde_json::Value::Null).data.user_data, None);
        assert_eq!(read("".into()).data.user_data, None);
    }
}
