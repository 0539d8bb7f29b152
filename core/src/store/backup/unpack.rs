//! Reads an archive member by member, hashes each and compares all with the manifest at its end. What is done with a
//! member is the reader's business; nothing it got counts before this says that all is well.
use std::{
    collections::BTreeMap,
    io::Read,
    path::{Component, Path},
};

use aws_lc_rs::digest;

use super::{
    BackupError,
    create::Hashing,
    manifest::{self, Manifest},
};

/// The longest manifest, bytes.
const LONGEST: u64 = 256 << 20;
/// What a member's path begins with.
const PARTS: [&str; 10] = [
    "fts.db",
    "node_id",
    "fts.toml",
    "files",
    "certs",
    "packages",
    "federation-ca",
    "conf.d",
    "plugin-data",
    manifest::NAME,
];

fn damaged<T>(text: impl Into<String>) -> Result<T, BackupError> {
    Err(BackupError::Damaged(text.into()))
}

/// A path that stays where it is unpacked, and begins with a part of a server.
fn checked(path: &Path) -> Option<String> {
    let mut parts = path.components();
    let first = match parts.next()? {
        Component::Normal(name) => name.to_str()?,
        _ => return None,
    };
    let inside = PARTS.contains(&first) && parts.all(|p| matches!(p, Component::Normal(_)));
    inside.then(|| path.to_str().map(str::to_owned)).flatten()
}

/// Gives every member to `take` (path, mode, content) and checks all.
///
/// # Errors
/// [`BackupError::Damaged`]; what `take` says.
pub(super) fn unpack(
    archive: impl Read,
    mut take: impl FnMut(&str, u32, &mut dyn Read) -> Result<(), BackupError>,
) -> Result<Manifest, BackupError> {
    let no_backup = |e: std::io::Error| BackupError::Damaged(format!("this is no backup, or it is cut off: {e}"));
    let mut tar = tar::Archive::new(zstd::Decoder::new(archive).map_err(no_backup)?);
    let mut found: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let mut manifest: Option<Manifest> = None;
    for entry in tar.entries().map_err(no_backup)? {
        let mut entry = entry.map_err(no_backup)?;
        let path = entry.path().map_err(no_backup)?.into_owned();
        let Some(name) = checked(&path).filter(|_| entry.header().entry_type().is_file()) else {
            return damaged(format!("{} does not belong in a backup", path.display()));
        };
        if manifest.is_some() {
            return damaged(format!("{name} stands behind the manifest"));
        }
        if name == manifest::NAME {
            let mut text = Vec::new();
            entry.take(LONGEST).read_to_end(&mut text).map_err(no_backup)?;
            let read: Manifest = serde_json::from_slice(&text)
                .map_err(|e| BackupError::Damaged(format!("the manifest cannot be read: {e}")))?;
            if read.format != manifest::FORMAT {
                return damaged(format!("format {} is not known to this version; use a newer fts", read.format));
            }
            manifest = Some(read);
            continue;
        }
        let mode = entry.header().mode().unwrap_or(0o600) & 0o777;
        let mut hashed = Hashing { from: &mut entry, hash: digest::Context::new(&digest::SHA256) };
        take(&name, mode, &mut hashed)?;
        // What nobody read belongs to the hash, too.
        std::io::copy(&mut hashed, &mut std::io::sink()).map_err(no_backup)?;
        let sha256 = hashed.hash.finish().as_ref().iter().map(|b| format!("{b:02x}")).collect();
        let size = entry.size();
        if found.insert(name.clone(), (size, sha256)).is_some() {
            return damaged(format!("{name} is in it twice"));
        }
    }
    let Some(manifest) = manifest else { return damaged("it has no manifest: it was cut off") };
    for member in &manifest.members {
        match found.remove(&member.path) {
            Some((size, sha256)) if size == member.size && sha256 == member.sha256 => {}
            Some(_) => return damaged(format!("{} is not what was backed up: its hash differs", member.path)),
            None => return damaged(format!("{} is missing", member.path)),
        }
    }
    match found.keys().next() {
        Some(name) => damaged(format!("{name} is not in the manifest")),
        None => Ok(manifest),
    }
}
