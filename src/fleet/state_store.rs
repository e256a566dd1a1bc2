//! Where kops keeps its state: `s3://bucket/prefix`, or a folder. Reads nothing there.

use std::path::{Path, PathBuf};

use super::document::ParsedFile;
use super::{FleetError, SourceLocation};

/// A kops state store (`KOPS_STATE_STORE`). It may hold many clusters, each below its own name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateStore {
    /// In S3: `s3://bucket` or `s3://bucket/prefix`, without a slash at the end.
    Bucket(String),
    /// In a folder.
    Folder(PathBuf),
}

impl std::fmt::Display for StateStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StateStore::Bucket(url) => f.write_str(url),
            StateStore::Folder(path) => write!(f, "{}", path.display()),
        }
    }
}

/// `kops.state_store` of a cluster file; a folder is relative to the fleet.
pub(super) fn parse(root: &Path, doc: &ParsedFile, text: &str) -> Result<StateStore, FleetError> {
    let place = || doc.place(&["kops", "state_store"]);
    if let Some(rest) = text.strip_prefix("s3://") {
        let rest = rest.trim_end_matches('/');
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if !is_bucket(bucket) || prefix.split('/').any(str::is_empty) && !prefix.is_empty() {
            return Err(invalid(place(), format!("`{text}` names no bucket of S3")));
        }
        return Ok(StateStore::Bucket(format!("s3://{rest}")));
    }
    // kops' own way to write a folder.
    let folder = text.strip_prefix("file://").unwrap_or(text);
    if folder.contains("://") {
        return Err(invalid(
            place(),
            format!("a state store at `{text}` cannot be read"),
        ));
    }
    if folder.trim().is_empty() {
        return Err(invalid(place(), "the state store has no name".into()));
    }
    Ok(StateStore::Folder(
        root.join(folder.trim_start_matches("./")),
    ))
}

fn invalid(place: SourceLocation, message: String) -> FleetError {
    FleetError::Invalid {
        place,
        message,
        hint: "write s3://BUCKET, s3://BUCKET/PREFIX, or a folder relative to the fleet such as ./kops-state".into(),
    }
}

/// 3 to 63 of lower case letters, digits, dots and hyphens (the naming rules of S3's general purpose buckets).
fn is_bucket(name: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    (3..=63).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-'))
        && ends(name.chars().next())
        && ends(name.chars().last())
}
