//! Stored files: content by SHA-256, with metadata and versions of a uid.
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{SendHow, Target};

/// What is known of a stored file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// `public`, `private` (found only by uid, hash or who stored it), or a plugin's own word.
    pub tool: String,
    /// Who stored it; "" when storing = the plugin.
    pub submitter: String,
    /// When, ms UTC.
    pub time: i64,
    /// Who may have it; none = only plugins and the administrator.
    pub groups: Vec<String>,
    /// Its number; 0 = not stored yet.
    pub id: i64,
    /// Name of the file it came from, as its sender said.
    pub file_name: String,
    /// Device that made it, as its sender said.
    pub creator_uid: String,
    /// When it ends, s UTC; 0 or less = never.
    pub expiration: i64,
    /// Degrees.
    pub latitude: Option<f64>,
    /// Degrees.
    pub longitude: Option<f64>,
    /// Metres.
    pub altitude: Option<f64>,
}

/// One question to the store of files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum FileAsk {
    /// Stores content: a file of the plugin's own folder (relative path), the spooled body of a request (its path), or
    /// these bytes. Answers the file.
    Put {
        /// Hash and length are found out. Without a uid it gets a random one.
        info: FileInfo,
        /// Relative to the plugin's folder, or [`super::Spooled::path`].
        path: Option<String>,
        /// Or these.
        bytes: ByteBuf,
    },
    /// Metadata by hash: several, newest first, where the same content was stored under several names.
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
    /// Other metadata: of the file with this number, else of all with this hash (and uid, when given). Name, type,
    /// keywords, tool, groups and expiration are set.
    Describe(FileInfo),
    /// Deletes everything of a hash.
    Delete(String),
    /// Deletes versions of a uid: that with this hash, or all of them.
    DeleteVersions {
        /// The uid.
        uid: String,
        /// "" = all.
        sha256: String,
    },
    /// Where it is fetched from: by whoever makes a request, by a connection, or by anybody.
    Url {
        /// Hash.
        sha256: String,
        /// `Host` of a request; "" = none.
        host: String,
        /// `http` or `https`, of the request; "" = `https` where it is on.
        #[serde(default)]
        scheme: String,
        /// A connection: https when its stream is TLS; 0 = none.
        #[serde(default)]
        conn: u64,
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileAnswer {
    /// The files asked for.
    pub files: Vec<FileInfo>,
    /// Path or URL.
    pub place: String,
}

/// Why a file is about to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// Somebody who may deletes it.
    #[default]
    Deleted,
    /// Its expiration has come.
    Expired,
    /// A plugin deletes it.
    Plugin,
    /// What a later server may say.
    #[serde(other)]
    Other,
}

/// The last file with a content is about to go, and the content with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Deletion {
    /// The content, hex.
    pub sha256: String,
    /// See [`Cause`].
    pub cause: Cause,
    /// The plugin of [`Cause::Plugin`], else "".
    pub plugin: String,
}

/// The topic of [`Fetched`].
pub const FETCHED: &str = "resource.fetched";

/// Somebody has fetched a file for a feed, to its last byte: the topic [`FETCHED`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fetched {
    /// The content, hex.
    pub sha256: String,
    /// `feedName` of the request, as the client wrote it: the name of a mission, say. Anybody may claim any.
    pub feed: String,
    /// Its user name; "" where the listener knows no users.
    pub user: String,
}

/// Somebody fetches a file whose groups it receives none of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MayRead {
    /// The content, hex.
    pub sha256: String,
    /// Its user name; never "".
    pub user: String,
    /// Groups it receives from.
    pub groups: Vec<String>,
}
