//! Folders and files that no other user may look into: what a program is given that opens a cluster. Runs nothing.

use std::path::Path;

/// A folder that no other user may look into, and that no other user has put there: its name can be guessed.
pub(super) fn own_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let found = std::fs::symlink_metadata(folder)?;
    let above = std::fs::symlink_metadata(folder.parent().unwrap_or(folder))?;
    let is_ours_alone = found.is_dir() && found.permissions().mode() & 0o077 == 0;
    // The owner of the folder above can put another in its place.
    let is_safe_there = above.permissions().mode() & 0o022 == 0 && above.uid() == found.uid();
    if !is_ours_alone || !is_safe_there {
        let why = format!("{} was there, and is open to others", folder.display());
        return Err(std::io::Error::other(why));
    }
    Ok(())
}

/// A file that no other user may read.
pub(crate) fn private_file(folder: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
    own_folder(folder)?;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    if file.metadata()?.uid() != std::fs::metadata(folder)?.uid() {
        let why = format!("{} belongs to somebody else", folder.display());
        return Err(std::io::Error::other(why));
    }
    file.write_all(bytes)
}
