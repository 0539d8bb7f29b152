//! Is an archive whole, and are its databases sound? Read through once; databases go to a temporary file for SQLite's own
//! check.
use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use super::{BackupError, manifest::Manifest, snapshot, unpack::unpack};

/// What was found.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What it says.
    pub manifest: Manifest,
    /// Databases that passed `integrity_check`.
    pub databases: usize,
}

/// Reads an archive through.
///
/// # Errors
/// [`BackupError`]: what is wrong with it.
pub fn verify(archive: impl Read) -> Result<Verified, BackupError> {
    let dir = tempfile::tempdir().map_err(BackupError::io(&std::env::temp_dir()))?;
    let mut databases = 0;
    let manifest = unpack(archive, |name, _, content| {
        if !is_database(name) {
            return Ok(());
        }
        let path = dir.path().join("check.db");
        let mut file = fs::File::create(&path).map_err(BackupError::io(&path))?;
        io::copy(content, &mut file).map_err(BackupError::io(Path::new(name)))?;
        drop(file);
        sound(&path, name)?;
        databases += 1;
        Ok(())
    })?;
    Ok(Verified { manifest, databases })
}

/// Is this member a database?
pub(super) fn is_database(name: &str) -> bool {
    name == "fts.db" || (name.starts_with("plugin-data/") && name.ends_with("/data.db"))
}

/// SQLite's check of a database that was unpacked.
pub(super) fn sound(path: &Path, name: &str) -> Result<(), BackupError> {
    match snapshot::integrity(path)? {
        None => Ok(()),
        Some(why) => Err(BackupError::Damaged(format!("{name} is damaged: {why}"))),
    }
}
