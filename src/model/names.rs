//! Identities as types: a name is checked once, where it enters, and can then not be mistaken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A name that breaks the rules of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a valid {kind}: {rule}")]
pub struct NameError {
    /// What it should have been, e.g. `cluster name`.
    pub kind: &'static str,
    /// The value as given.
    pub value: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Checks and wraps a name.
            ///
            /// # Errors
            /// When the name breaks the rules of its kind.
            pub fn new(value: impl Into<String>) -> Result<Self, NameError> {
                let value = value.into();
                let check: fn(&str) -> Result<(), &'static str> = $check;
                match check(&value) {
                    Ok(()) => Ok(Self(value)),
                    Err(rule) => Err(NameError { kind: $kind, value, rule }),
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(value: String) -> Result<Self, NameError> {
                Self::new(value)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl std::str::FromStr for $type {
            type Err = NameError;
            fn from_str(value: &str) -> Result<Self, NameError> {
                Self::new(value)
            }
        }
    };
}

name!(
    /// The DNS name of a kops cluster, e.g. `prod-customer.k8s.foo.bar`.
    ClusterName, "cluster name", dns_name
);
name!(
    /// The name of a kops InstanceGroup, unique in its cluster.
    GroupName, "group name", dns_label_like
);
name!(
    /// The name of an AutoScalingGroup and its launch template, e.g. `nodes.prod-customer.k8s.foo.bar`; unique in an account and region.
    AsgName, "AutoScalingGroup name", |v| if v.is_empty() || v.chars().count() > 255 { Err("1 to 255 characters") } else { Ok(()) }
);
name!(
    /// The environment of a cluster, e.g. `staging`.
    Environment, "environment", word
);
name!(
    /// The name of a stage in `fleet.yaml`.
    StageName, "stage name", word
);
name!(
    /// The name of a hook in `fleet.yaml`, unique there.
    HookName, "hook name", word
);
name!(
    /// An AWS region, e.g. `eu-west-3`.
    Region, "region", word
);
name!(
    /// A twelve-digit AWS account id. Quote it in YAML: a leading zero is otherwise lost.
    AccountId, "AWS account id", |v| if v.len() == 12 && v.chars().all(|c| c.is_ascii_digit()) { Ok(()) } else { Err("twelve digits, quoted in YAML") }
);
name!(
    /// An EC2 instance id.
    InstanceId, "instance id", |v| if v.is_empty() { Err("must not be empty") } else { Ok(()) }
);
name!(
    /// A Kubernetes node name.
    NodeName, "node name", |v| if v.is_empty() { Err("must not be empty") } else { Ok(()) }
);
name!(
    /// The id of a rollout, e.g. `20260105T080000Z-1a2b3c4d`. It becomes part of file names and object keys.
    RolloutId, "rollout id", rollout_id
);
name!(
    /// A SHA-256 in lower-case hexadecimal, of a canonical form that the context names.
    Digest, "digest", |v| if v.len() == 64 && v.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase()) { Ok(()) } else { Err("64 hexadecimal digits") }
);

impl InstanceId {
    /// Stands for the instance in effects of journals from a time when they named none. It is no instance's id, so they touch nothing.
    pub(super) fn unnamed() -> InstanceId {
        InstanceId("(not named)".into())
    }

    /// Whether it is no instance's id.
    pub(super) fn is_unnamed(&self) -> bool {
        *self == InstanceId::unnamed()
    }
}

/// Nothing that leads to another folder, or hides a file.
fn rollout_id(value: &str) -> Result<(), &'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let begins = value.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins && value.len() <= 100 && value.chars().all(fits) {
        Ok(())
    } else {
        Err("1 to 100 letters, digits, `-`, `_` and `.`, beginning with a letter or a digit")
    }
}

impl Digest {
    /// The first twelve digits, for people.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

fn word(value: &str) -> Result<(), &'static str> {
    let ok = !value.is_empty()
        && value.len() <= 63
        && value
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !value.starts_with('-');
    if ok {
        Ok(())
    } else {
        Err("lower-case letters, digits and dashes")
    }
}

fn dns_label_like(value: &str) -> Result<(), &'static str> {
    let ok = !value.is_empty()
        && value.len() <= 253
        && value
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'))
        && value.starts_with(|c: char| c.is_ascii_alphanumeric())
        && value.ends_with(|c: char| c.is_ascii_alphanumeric());
    if ok {
        Ok(())
    } else {
        Err(
            "a DNS subdomain: lower-case letters, digits, dashes and dots, beginning and ending with a letter or digit",
        )
    }
}

fn dns_name(value: &str) -> Result<(), &'static str> {
    dns_label_like(value)?;
    if value.split('.').any(|label| {
        label.is_empty() || label.len() > 63 || label.starts_with('-') || label.ends_with('-')
    }) {
        return Err(
            "a DNS name: labels of 1 to 63 characters that do not begin or end with a dash",
        );
    }
    Ok(())
}

/// Whether this `apiVersion` is one of files that Kubernetes' programs read as their configuration, such as a KubeSchedulerConfiguration: those have no name.
pub(crate) fn is_configuration(api_version: &str) -> bool {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    group.ends_with(".config.k8s.io")
}
