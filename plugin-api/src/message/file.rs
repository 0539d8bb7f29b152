//! Stored files: content by SHA-256, with metadata and versions of a uid.
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{SendHow, Target};

/// What is known of a stored file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileInfo {
    /// Of the content, hex.
    pub sha256: String,
    /// Bytes.
    pub len: u64,
    /// Several files of one uid are its versions.
    pub uid: String,
    /// As people see it.
    pub name: String,
    /// MIME type.
    pub content_type: String,
    /// For search.
    pub keywords: Vec<String>,
    /// What it is for (`missionpackage` …).
    pub tool: String,
    /// Who stored it.
    pub submitter: String,
    /// When, ms UTC.
    pub time: i64,
    /// Who may have it.
    pub groups: Vec<String>,
}

/// One question to the store of files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum FileAsk {
    /// Stores content: a file of the plugin's own folder (relative path), or these bytes. Answers the file.
    Put {
        /// Hash and length are found out.
        info: FileInfo,
        /// Relative to the plugin's folder.
        path: Option<String>,
        /// Or these.
        bytes: ByteBuf,
    },
    /// Metadata by hash.
    Get(String),
    /// A path for reading, by hash.
    Path(String),
    /// Newest version of a uid not later than this time; None = newest of all.
    Version {
        /// The uid.
        uid: String,
        /// ms UTC.
        not_later: Option<i64>,
    },
    /// Files with all of these: name or keyword (part), tool, uid; empty = any.
    Search {
        /// Part of the name, or a keyword.
        text: String,
        /// Tool.
        tool: String,
        /// Uid.
        uid: String,
    },
    /// Other metadata for a hash.
    Describe(FileInfo),
    /// Deletes one, by hash.
    Delete(String),
    /// Where a receiver fetches it, as seen by a request's host ("" = the public host).
    Url {
        /// Hash.
        sha256: String,
        /// `Host` of a request.
        host: String,
    },
    /// Offers it to somebody (a file request made by the server).
    Share {
        /// Hash.
        sha256: String,
        /// To whom.
        to: Target,
        /// Not to these, and the like.
        how: Option<SendHow>,
    },
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileAnswer {
    /// The files asked for.
    pub files: Vec<FileInfo>,
    /// Path or URL.
    pub place: String,
}
