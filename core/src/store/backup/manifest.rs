//! [`Manifest`]: the last member of an archive, with the size and hash of every other one.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Its name in the archive.
pub(super) const NAME: &str = "manifest.json";
/// What this program writes and reads.
pub(super) const FORMAT: u32 = 1;

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// In the archive and below the data directory.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Hex.
    pub sha256: String,
}

/// See the file's head.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// 1.
    pub format: u32,
    /// Of the server that made it.
    pub version: String,
    /// ISO time, UTC.
    pub created: String,
    /// Schema of each database, by its path.
    pub schema: BTreeMap<String, u32>,
    /// Stored files are in it.
    pub files: bool,
    /// Hashes of stored files that were deleted while it was made: their rows are in it, they are not.
    pub missing: Vec<String>,
    /// Places outside of the data directory: where a part stood, by its path in the archive.
    pub elsewhere: BTreeMap<String, String>,
    /// All files but this one.
    pub members: Vec<Member>,
}
