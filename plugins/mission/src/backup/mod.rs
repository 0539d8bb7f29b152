//! A whole mission as one text, and back: for `fts mission export` and `import`. Unlike the archive that members download
//! it holds everything: history, every version of every event, members, log, folders, the password's hash, files.
//!
//! Lines of JSON. The first is [`Head`]; then `{"t":table,"r":row}`, first the changes; `{"file":{…}}` and behind it its
//! content as `{"bytes":base64}` pieces; last `{"end":rows}`, so that one that was cut off is known. Row numbers mean
//! nothing outside of it: importing makes new ones.
//!
//! What must not happen: an export goes to anybody but an administrator; half a mission is visible while it is imported.
pub mod export;
pub mod import;
mod tables;

use serde::{Deserialize, Serialize};

/// Version of the form.
pub const FORM: u32 = 1;

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
}
