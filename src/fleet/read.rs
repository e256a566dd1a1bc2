//! The only place of this module that touches the file system: texts by relative path, folders in a fixed order. Understands nothing it reads.

use std::collections::BTreeMap;
use std::path::Path;

use super::document::ParsedFile;
use super::{FleetError, Source};

/// Folders below `templates/` and the like deeper than this are a link that leads back.
const MAX_DEPTH: usize = 16;
/// Most bytes of a file: many times what anybody writes, and little enough to be read at once.
const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// What is no file: a folder, a pipe, a device.
const NO_FILE: &str = "it is not a regular file";
/// What the names of files that are read end in; a folder of such a name is a mistake.
const ENDINGS: [&str; 4] = [".j2", ".tpl", ".yaml", ".yml"];

/// `fleet.yaml`, parsed.
pub(super) fn fleet_file(dir: &Path) -> Result<ParsedFile, FleetError> {
    match text(dir, "fleet.yaml")? {
        Some(text) => ParsedFile::parse("fleet.yaml", text),
        None => Err(FleetError::NotAFleet {
            dir: dir.display().to_string(),
        }),
    }
}

/// The text of a file; none when there is no such file.
pub(super) fn text(root: &Path, relative: &str) -> Result<Option<String>, FleetError> {
    let unreadable = |why: String| unreadable(relative, why);
    if !is_there(root, relative)? {
        return Ok(None);
    }
    inside(root, relative)?;
    let bytes = std::fs::read(root.join(relative)).map_err(|e| unreadable(e.to_string()))?;
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

fn unreadable(relative: &str, why: String) -> FleetError {
    FleetError::Unreadable {
        file: relative.to_owned(),
        why,
    }
}

/// Whether there is such a file; what is no file, or too long to be one of a fleet, is an error.
fn is_there(root: &Path, relative: &str) -> Result<bool, FleetError> {
    match std::fs::metadata(root.join(relative)) {
        Ok(meta) if !meta.is_file() => Err(unreadable(relative, NO_FILE.into())),
        Ok(meta) if meta.len() > MAX_BYTES => {
            let length = meta.len();
            let why = format!("{length} bytes, and a file of a fleet has {MAX_BYTES} at most");
            Err(unreadable(relative, why))
        }
        Ok(_) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(unreadable(relative, e.to_string())),
    }
}

/// A link that leads out of the fleet would let a branch read what the machine that renders it holds.
fn inside(root: &Path, relative: &str) -> Result<(), FleetError> {
    let unreadable = |why: String| FleetError::Unreadable {
        file: relative.to_owned(),
        why,
    };
    let real = |path: &Path| std::fs::canonicalize(path).map_err(|e| unreadable(e.to_string()));
    if real(&root.join(relative))?.starts_with(real(root)?) {
        Ok(())
    } else {
        Err(unreadable(
            "it is a link that leads out of the fleet".into(),
        ))
    }
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
    inside(root, relative)?;
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
            Ok(meta) if meta.is_dir() && ENDINGS.iter().any(|end| path.ends_with(end)) => {
                return Err(FleetError::Unreadable {
                    file: path,
                    why: "it is a folder, and named like a file".into(),
                });
            }
            Ok(meta) if meta.is_dir() => {
                inside(root, &path)?;
                walk(root, &path, depth + 1, into)?;
            }
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
