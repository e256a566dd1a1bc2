//! Which kops is meant, where its releases make different things of the same manifest. Reads no state store.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A release of kops: only `1.MINOR` matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct KopsVersion {
    minor: u32,
}

/// A text that is no release of kops, or one that came after this program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KopsVersionError {
    /// Not of the form `1.36`.
    #[error("`{0}` is no version of kops, such as 1.36 or 1.36.2")]
    Form(String),
    /// What it does is not known.
    #[error("kops {0} is newer than {newest}, the last one described here", newest = KopsVersion::NEWEST)]
    TooNew(KopsVersion),
}

impl KopsVersion {
    /// The newest release whose rules are described here.
    pub const NEWEST: KopsVersion = KopsVersion { minor: 37 };

    /// kops 1.`minor`.
    pub(crate) const fn of_minor(minor: u32) -> KopsVersion {
        KopsVersion { minor }
    }

    /// N of 1.N.
    pub(crate) fn minor(self) -> u32 {
        self.minor
    }
}

impl TryFrom<String> for KopsVersion {
    type Error = KopsVersionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<KopsVersion> for String {
    fn from(version: KopsVersion) -> String {
        version.to_string()
    }
}

impl Default for KopsVersion {
    fn default() -> Self {
        KopsVersion::NEWEST
    }
}

impl std::fmt::Display for KopsVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "1.{}", self.minor)
    }
}

impl FromStr for KopsVersion {
    type Err = KopsVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || KopsVersionError::Form(text.to_owned());
        let number = |part: &str| {
            part.chars()
                .all(|c| c.is_ascii_digit())
                .then(|| part.parse::<u32>().ok())
                .flatten()
                .ok_or_else(form)
        };
        let release = text.strip_prefix('v').unwrap_or(text);
        // `-alpha.1` and its like have the rules of the release they lead to.
        let (release, _) = release.split_once('-').unwrap_or((release, ""));
        let mut parts = release.split('.');
        let (major, minor) = (
            number(parts.next().unwrap_or_default())?,
            number(parts.next().unwrap_or_default())?,
        );
        parts.next().map(number).transpose()?;
        if major != 1 || parts.next().is_some() || text.ends_with(['-', '.']) {
            return Err(form());
        }
        let version = KopsVersion { minor };
        if version > KopsVersion::NEWEST {
            Err(KopsVersionError::TooNew(version))
        } else {
            Ok(version)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_kops_prints_them() {
        let read = |text: &str| {
            text.parse::<KopsVersion>()
                .map_or_else(|e| e.to_string(), |v| v.to_string())
        };
        for (text, expected) in [
            ("1.36", "1.36"),
            ("v1.35.2", "1.35"),
            ("1.37.0-alpha.1", "1.37"),
            (
                "1.38",
                "kops 1.38 is newer than 1.37, the last one described here",
            ),
            ("2.1", "`2.1` is no version of kops, such as 1.36 or 1.36.2"),
            ("1", "`1` is no version of kops, such as 1.36 or 1.36.2"),
            (
                "1.36.1.1",
                "`1.36.1.1` is no version of kops, such as 1.36 or 1.36.2",
            ),
            (
                "1.+3",
                "`1.+3` is no version of kops, such as 1.36 or 1.36.2",
            ),
        ] {
            assert_eq!(read(text), expected);
        }
    }
}
