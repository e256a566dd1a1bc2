//! The snapshot file: a snapshot as JSON, and back, refusing whatever is not exactly one. Opens no files.

use serde_json::Value as Json;

use crate::model::{SNAPSHOT_VERSION, Snapshot};

/// Why a text is no snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotFileError {
    /// No JSON, cut off, or something else than a snapshot.
    #[error("the file is not a snapshot: {0}")]
    NotOne(String),
    /// Of a form that this program does not know.
    #[error("the snapshot is of version {0}, this program knows version {SNAPSHOT_VERSION}")]
    Version(u64),
}

/// The snapshot as JSON, with a newline.
pub fn snapshot_json(snapshot: &Snapshot) -> String {
    // Our own structs of strings, numbers and maps with text keys always serialise.
    serde_json::to_string(snapshot).unwrap_or_default() + "\n"
}

/// A snapshot from its file.
///
/// # Errors
/// When it is no snapshot, or one of another version.
pub fn snapshot_from_json(text: &str) -> Result<Snapshot, SnapshotFileError> {
    let json: Json =
        serde_json::from_str(text).map_err(|e| SnapshotFileError::NotOne(e.to_string()))?;
    match json.get("version").and_then(Json::as_u64) {
        None => {
            return Err(SnapshotFileError::NotOne(
                "it has no `version` number".into(),
            ));
        }
        Some(version) if version != u64::from(SNAPSHOT_VERSION) => {
            return Err(SnapshotFileError::Version(version));
        }
        Some(_) => {}
    }
    serde_path_to_error::deserialize(json).map_err(|e| SnapshotFileError::NotOne(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use crate::model::{Live, Timestamp};

    #[test]
    fn a_snapshot_reads_back_and_nothing_else_does() {
        let live = Live {
            read_at: Timestamp::from_millis(1_767_600_000_000),
            clusters: BTreeMap::new(),
            room: Vec::new(),
        };
        let snapshot = Snapshot::new("aws".into(), BTreeMap::new(), live);
        assert_eq!(
            snapshot_from_json(&snapshot_json(&snapshot)),
            Ok(snapshot.clone())
        );
        let newer = snapshot_json(&snapshot).replace("\"version\":1", "\"version\":7");
        assert_eq!(
            snapshot_from_json(&newer),
            Err(SnapshotFileError::Version(7))
        );
        for text in [
            "",
            "{}",
            "[1]",
            "{\"version\":1}",
            &snapshot_json(&snapshot)[..40],
        ] {
            assert!(
                matches!(snapshot_from_json(text), Err(SnapshotFileError::NotOne(_))),
                "{text}"
            );
        }
    }
}
