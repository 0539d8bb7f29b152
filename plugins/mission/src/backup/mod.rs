//! A whole mission as one file, and back: for `fts mission export` and `import`.
//!
//! The file is the archive zip of mission.md 4.8 (newest events, files, manifest), which other programs open, with one more
//! member, [`LINES`], that has what such an archive has no place for: history, every version of every event, members, log,
//! folders. Lines of JSON: the first is [`Head`]; then `{"t":table,"r":row}`, first the changes; `{"file":{…}}`, which names
//! the member with its content; last `{"end":rows}`, so that one that was cut off is known. Row numbers mean nothing outside
//! of it: importing makes new ones.
//!
//! Read are also the form before (the lines alone, with content as `{"bytes":base64}` pieces behind each file, plain or as
//! the only member of a zip) and an archive without the lines, whoever wrote it.
//!
//! `export` writes · `import` looks what it is · `rows` reads the lines, `foreign` an archive without them, by its manifest
//! (`described`) · `half` is the mission until it is whole.
//!
//! What must not happen: an export goes to anybody but an administrator; half a mission is visible while it is imported.
mod described;
pub mod export;
mod foreign;
pub mod half;
pub mod import;
mod rows;
mod tables;

use serde::{Deserialize, Serialize};

/// Version of the form. 1 had the content of files in the lines only.
pub const FORM: u32 = 2;
/// The member with the lines.
pub const LINES: &str = "MANIFEST/mission.jsonl";
/// Where it was before.
const OLD_LINES: &str = "mission.jsonl";

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// [`FORM`] of who wrote it.
    pub fts_mission: u32,
    /// Its guid.
    pub guid: String,
    /// Its name.
    pub name: String,
    /// When it was exported, ms UTC.
    pub exported: i64,
}

/// Every further line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Row { t: String, r: serde_json::Value },
    File { file: FileHead },
    Bytes { bytes: String },
    End { end: u64 },
}

/// What is said of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct FileHead {
    sha256: String,
    name: String,
    file_name: String,
    uid: String,
    content_type: String,
    keywords: Vec<String>,
    tool: String,
    creator_uid: String,
    expiration: i64,
    /// The member of the zip with its content; None = it comes in the lines behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<String>,
}
