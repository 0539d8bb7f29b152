//! Backups (operations.md 7.4): one `.tar.zst` with everything a server is made of, taken while it runs.
//!
//! Order: each database is copied from one snapshot (`snapshot`), then the files it names and the small ones beside it
//! are added (`create`), each hashed on the way, and `manifest.json` with all hashes ends the archive. [`verify()`] reads it
//! through; [`restore()`] does that while it unpacks and only then puts the new directory in place. [`Vault`] is the
//! directory of a server's backups with its schedule. An archive holds private keys: its mode is 0600, and encryption
//! is left to a tool made for it (`fts backup create --to - | age …`). What must not happen: half an archive under a
//! whole one's name, or a restored file nobody listed.
mod create;
mod manifest;
mod restore;
mod schedule;
mod snapshot;
mod unpack;
mod vault;
mod verify;

use std::{
    io,
    path::{Path, PathBuf},
};

pub use self::{
    create::{Plan, create},
    manifest::{Manifest, Member},
    restore::{Restored, restore},
    vault::{Job, Kept, Vault, list, write},
    verify::{Verified, verify},
};

/// Why a backup was not made, or not read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A database cannot be copied.
    #[error("{}: {message}", path.display())]
    Database {
        /// Which.
        path: PathBuf,
        /// What SQLite says.
        message: String,
    },
    /// It is no backup, or a damaged one.
    #[error("{0}")]
    Damaged(String),
    /// The directory is not empty.
    #[error("{} is not empty; with --force it is kept beside the new one as {}.bak-…", .0.display(), .0.display())]
    Occupied(PathBuf),
    /// Another one is being made.
    #[error("{0} is under way; try again when it is done")]
    Busy(String),
}

impl BackupError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

#[cfg(test)]
mod schedule_tests;
#[cfg(test)]
mod tests;
