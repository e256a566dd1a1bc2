//! What a kops channel recommends: Kubernetes versions and images. Makes no calls: a channel is a text.

use serde_json::Value as Json;

use crate::gotemplate::Version;
use crate::yaml;

/// What is known of the channel `stable`, for those who name no other.
const STABLE: &str = include_str!("../../data/kops-channel.yaml");

/// The kops whose rules these are.
const KOPS_VERSION: &str = "1.37.0-alpha.1";

/// A channel, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel(Json);

/// Why a channel recommends nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoChannel {
    /// It is no channel.
    Unreadable,
    /// What was given is no version.
    Version(String),
    /// It says nothing about that.
    Nothing,
}

impl std::fmt::Display for NoChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoChannel::Unreadable => f.write_str("the file is not a channel of kops"),
            NoChannel::Version(text) => write!(f, "unable to parse kubernetes version {text:?}"),
            NoChannel::Nothing => f.write_str("the channel recommends nothing for this"),
        }
    }
}

impl Channel {
    /// A channel file.
    ///
    /// # Errors
    /// When the text is not a channel.
    pub fn parse(text: &str) -> Result<Channel, NoChannel> {
        let read = yaml::read_lenient(text).map_err(|_| NoChannel::Unreadable)?;
        if read.value.get("spec").is_some_and(Json::is_object) {
            Ok(Channel(read.value))
        } else {
            Err(NoChannel::Unreadable)
        }
    }

    /// What this kfleet knows of `stable`.
    ///
    /// # Errors
    /// Never: a test reads it.
    pub fn stable() -> Result<Channel, NoChannel> {
        Channel::parse(STABLE)
    }

    /// The channel that recommends nothing.
    pub fn none() -> Channel {
        Channel(Json::Null)
    }

    fn list(&self, key: &str) -> impl Iterator<Item = &Json> {
        let list = self.0.get("spec").and_then(|s| s.get(key));
        list.and_then(Json::as_array).into_iter().flatten()
    }

    pub(super) fn kubernetes_upgrade(&self, current: &str) -> Result<String, NoChannel> {
        let current = version(current)?;
        let entry = self
            .list("kubernetesVersions")
            .find(|e| within(text(e, "range"), &current))
            .ok_or(NoChannel::Nothing)?;
        let recommended = text(entry, "recommendedVersion");
        if version(recommended)?.compare(&current).is_gt() {
            Ok(recommended.to_owned())
        } else {
            Err(NoChannel::Nothing)
        }
    }

    pub(super) fn kops_kubernetes(&self) -> Result<String, NoChannel> {
        let kops = version(KOPS_VERSION)?;
        let entry = self
            .list("kopsVersions")
            .find(|e| within(text(e, "range"), &kops));
        let found = entry.map(|e| text(e, "kubernetesVersion"));
        found
            .filter(|v| !v.is_empty())
            .map(str::to_owned)
            .ok_or(NoChannel::Nothing)
    }

    pub(super) fn image(
        &self,
        cloud: &str,
        kubernetes: &str,
        architecture: &str,
    ) -> Result<String, NoChannel> {
        let kubernetes = version(kubernetes)?;
        let fits = |entry: &&Json| {
            let of = text(entry, "architectureID");
            let of = if of.is_empty() { "amd64" } else { of };
            let range = text(entry, "kubernetesVersion");
            text(entry, "providerID") == cloud
                && of == architecture
                && (range.is_empty() || within(range, &kubernetes))
        };
        let found = self.list("images").find(fits).map(|e| text(e, "name"));
        found.map(str::to_owned).ok_or(NoChannel::Nothing)
    }
}

fn text<'j>(entry: &'j Json, key: &str) -> &'j str {
    entry.get(key).and_then(Json::as_str).unwrap_or_default()
}

fn version(text: &str) -> Result<Version, NoChannel> {
    Version::parse(text).ok_or_else(|| NoChannel::Version(text.to_owned()))
}

/// `>=1.33.0-alpha.1 <1.34.0`: everything holds, pre-releases counted as what they are.
fn within(range: &str, version: &Version) -> bool {
    range.split_whitespace().all(|term| {
        let at = term
            .find(|c: char| c.is_ascii_digit() || c == 'v')
            .unwrap_or(term.len());
        let (operator, bound) = term.split_at(at);
        let Some(order) = Version::parse(bound).map(|b| version.compare(&b)) else {
            return false;
        };
        match operator {
            ">=" => order.is_ge(),
            ">" => order.is_gt(),
            "<=" => order.is_le(),
            "<" => order.is_lt(),
            "" | "=" | "==" => order.is_eq(),
            "!=" | "!" => order.is_ne(),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channel_recommends() {
        let stable = Channel::stable().unwrap();
        assert_eq!(stable.kubernetes_upgrade("v1.33.0").unwrap(), "1.33.13");
        assert_eq!(stable.kubernetes_upgrade("1.99.0"), Err(NoChannel::Nothing));
        assert_eq!(stable.kops_kubernetes().unwrap(), "1.36.3");
        assert!(
            stable
                .image("aws", "1.33.0", "amd64")
                .unwrap()
                .contains("noble")
        );
        assert_eq!(
            stable.image("nope", "1.33.0", "amd64"),
            Err(NoChannel::Nothing)
        );
        assert_eq!(Channel::none().kops_kubernetes(), Err(NoChannel::Nothing));
        assert_eq!(Channel::parse("a: 1"), Err(NoChannel::Unreadable));
    }
}
