//! The only place of this module that touches the file system: texts by relative path, folders in a fixed order. Understands nothing it reads.

use std::collections::BTreeMap;
use std::path::Path;

use super::document::Document;
use super::{FleetError, Source};

/// Folders below `templates/` and the like deeper than this are a link that leads back.
const MAX_DEPTH: usize = 16;

/// `fleet.yaml`, parsed.
pub(super) fn fleet_file(dir: &Path) -> Result<Document, FleetError> {
    match text(dir, "fleet.yaml")? {
        Some(text) => Document::parse("fleet.yaml", text),
        None => Err(FleetError::NotAFleet {
            dir: dir.display().to_string(),
        }),
    }
}

/// The text of a file; none when there is no such file.
pub(super) fn text(root: &Path, relative: &str) -> Result<Option<String>, FleetError> {
    let unreadable = |why: String| FleetError::Unreadable {
        file: relative.to_owned(),
        why,
    };
    let bytes = match std::fs::read(root.join(relative)) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unreadable(e.to_string())),
    };
    let text = String::from_utf8(bytes).map_err(|e| {
        unreadable(format!(
            "not UTF-8 at byte {}",
            e.utf8_error().valid_up_to()
        ))
    })?;
    // A byte order mark is no part of the text, and YAML readers differ on it.
    Ok(Some(
        text.strip_prefix('\u{feff}')
            .map(str::to_owned)
            .unwrap_or(text),
    ))
}

/// Every file below `folder`, by path relative to it. A folder that is not there holds nothing.
pub(super) fn sources(root: &Path, folder: &str) -> Result<BTreeMap<String, Source>, FleetError> {
    let mut names = Vec::new();
    walk(root, folder, 0, &mut names)?;
    let mut sources = BTreeMap::new();
    for path in names {
        if let Some(text) = text(root, &path)? {
            let name = path
                .strip_prefix(folder)
                .and_then(|p| p.strip_prefix('/'))
                .unwrap_or(&path)
                .to_owned();
            sources.insert(name, Source { path, text });
        }
    }
    Ok(sources)
}

fn walk(
    root: &Path,
    relative: &str,
    depth: usize,
    into: &mut Vec<String>,
) -> Result<(), FleetError> {
    let unreadable = |why: String| FleetError::Unreadable {
        file: relative.to_owned(),
        why,
    };
    if depth > MAX_DEPTH {
        return Err(unreadable(format!(
            "folders nested more than {MAX_DEPTH} deep"
        )));
    }
    let entries = match std::fs::read_dir(root.join(relative)) {
        Ok(entries) => entries,
        Err(e) if depth == 0 && e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(unreadable(e.to_string())),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|e| unreadable(e.to_string()))?.file_name();
        let name = name
            .into_string()
            .map_err(|_| unreadable("a file name is not UTF-8".into()))?;
        // Hidden files and the backups that editors leave behind.
        if !name.starts_with('.') && !name.ends_with('~') {
            names.push(name);
        }
    }
    names.sort();
    for name in names {
        let path = format!("{relative}/{name}");
        match std::fs::metadata(root.join(&path)) {
            Ok(meta) if meta.is_dir() => walk(root, &path, depth + 1, into)?,
            Ok(_) => into.push(path),
            Err(e) => {
                return Err(FleetError::Unreadable {
                    file: path,
                    why: e.to_string(),
                });
            }
        }
    }
    Ok(())
}
