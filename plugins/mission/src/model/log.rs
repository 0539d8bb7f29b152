//! [`LogEntry`]: a line in the log of one or more missions (mission.md 3.8).
use serde::{Deserialize, Serialize};

use super::{Stamp, or_default};

/// See the file's head.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LogEntry {
    /// A uuid the server makes; None in what a client creates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The text.
    #[serde(deserialize_with = "or_default")]
    pub content: String,
    /// Who wrote it.
    #[serde(deserialize_with = "or_default")]
    pub creator_uid: String,
    /// An event it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_uid: Option<String>,
    /// Display names.
    #[serde(deserialize_with = "or_default")]
    pub mission_names: Vec<String>,
    /// When the server stored it; None in what a client sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub servertime: Option<Stamp>,
    /// When it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtg: Option<Stamp>,
    /// When the entry was made first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Stamp>,
    /// Files.
    #[serde(deserialize_with = "or_default")]
    pub content_hashes: Vec<String>,
    /// For search.
    #[serde(deserialize_with = "or_default")]
    pub keywords: Vec<String>,
}
