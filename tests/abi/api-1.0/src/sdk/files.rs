//! Stored files (enterprise sync): content by SHA-256, metadata, versions of a uid.
//!
//! A server without a store of files answers [`super::Code::Unsupported`]; ask [`Files::there`] at the start.
use std::path::PathBuf;

use serde_bytes::ByteBuf;

use super::{Code, Error, Host, Request, Result};
use crate::message::{FileAnswer, FileAsk, Target, op};

pub use crate::message::FileInfo;

/// Made by [`Host::files`].
#[derive(Clone, Copy)]
pub struct Files<'a>(pub(super) &'a Host);

impl Files<'_> {
    fn ask(&self, ask: &FileAsk) -> Result<FileAnswer> {
        self.0.ask(op::FILES, ask)
    }

    fn one(answer: FileAnswer) -> Option<FileInfo> {
        answer.files.into_iter().next()
    }

    /// Has this server a store of files?
    ///
    /// # Errors
    /// `Gone`.
    pub fn there(&self) -> Result<bool> {
        match self.ask(&FileAsk::Get(String::new())) {
            Err(error) if error.code() == Code::Unsupported => Ok(false),
            Err(error) => Err(error),
            Ok(_) => Ok(true),
        }
    }

    /// Stores bytes; on disk when this returns. Hash and length of `info` are found out.
    ///
    /// # Errors
    /// The disk; the limit of an upload.
    pub fn put(&self, info: FileInfo, bytes: impl Into<Vec<u8>>) -> Result<FileInfo> {
        let bytes = ByteBuf::from(bytes.into());
        Self::one(self.ask(&FileAsk::Put { info, path: None, bytes })?).ok_or_else(|| Error::new("not stored"))
    }

    /// Stores a file of the plugin's own folder (relative path).
    ///
    /// # Errors
    /// As [`Files::put`].
    pub fn put_file(&self, info: FileInfo, path: impl Into<String>) -> Result<FileInfo> {
        let ask = FileAsk::Put { info, path: Some(path.into()), bytes: ByteBuf::new() };
        Self::one(self.ask(&ask)?).ok_or_else(|| Error::new("not stored"))
    }

    /// Stores the body of the request that is being answered, without bringing it into memory.
    ///
    /// # Errors
    /// As [`Files::put`].
    pub fn put_body(&self, info: FileInfo, request: &mut Request) -> Result<FileInfo> {
        match request.spooled().map_err(|e| Error::new(e.message()))?.path {
            Some(path) => self.put_file(info, path),
            // It was short and is in memory.
            None => self.put(info, request.bytes(usize::MAX).map_err(|e| Error::new(e.message()))?),
        }
    }

    /// Metadata by hash.
    ///
    /// # Errors
    /// `Gone`.
    pub fn get(&self, sha256: &str) -> Result<Option<FileInfo>> {
        Ok(Self::one(self.ask(&FileAsk::Get(sha256.to_owned()))?))
    }

    /// A path to read it from. It may be deleted at any time: open it, and read from what was opened.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn path(&self, sha256: &str) -> Result<PathBuf> {
        Ok(PathBuf::from(self.ask(&FileAsk::Path(sha256.to_owned()))?.place))
    }

    /// The newest version of a uid, or the newest not later than this time (ms UTC).
    ///
    /// # Errors
    /// `Gone`.
    pub fn version(&self, uid: &str, not_later: Option<i64>) -> Result<Option<FileInfo>> {
        Ok(Self::one(self.ask(&FileAsk::Version { uid: uid.to_owned(), not_later })?))
    }

    /// Files with this text in name or keywords, of this tool and exactly this uid, by uid and time; "" = any.
    ///
    /// # Errors
    /// `Gone`.
    pub fn search(&self, text: &str, tool: &str, uid: &str) -> Result<Vec<FileInfo>> {
        let ask = FileAsk::Search { text: text.to_owned(), tool: tool.to_owned(), uid: uid.to_owned() };
        Ok(self.ask(&ask)?.files)
    }

    /// Sets metadata: of the file with `info.id`, else of all files with this hash (and uid, when given). Name, type,
    /// keywords, tool, groups and expiration.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn describe(&self, info: FileInfo) -> Result<()> {
        self.ask(&FileAsk::Describe(info)).map(drop)
    }

    /// Deletes everything of a hash; other plugins may veto, this one is not asked.
    ///
    /// # Errors
    /// `NotFound`, a veto.
    pub fn delete(&self, sha256: &str) -> Result<()> {
        self.ask(&FileAsk::Delete(sha256.to_owned())).map(drop)
    }

    /// Deletes one version of a uid, or with None all of them; other plugins may veto.
    ///
    /// # Errors
    /// `NotFound`, a veto.
    pub fn delete_versions(&self, uid: &str, sha256: Option<&str>) -> Result<()> {
        let sha256 = sha256.unwrap_or_default().to_owned();
        self.ask(&FileAsk::DeleteVersions { uid: uid.to_owned(), sha256 }).map(drop)
    }

    /// Where whoever makes this request fetches it.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn url(&self, sha256: &str, request: &Request) -> Result<String> {
        self.place(sha256, &request.head().host, &request.head().scheme, 0)
    }

    /// Where a connection fetches it: https when its stream is TLS.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn url_for(&self, sha256: &str, conn: u64) -> Result<String> {
        self.place(sha256, "", "", conn)
    }

    /// Where anybody fetches it, by the server's public host.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn public_url(&self, sha256: &str) -> Result<String> {
        self.place(sha256, "", "", 0)
    }

    fn place(&self, sha256: &str, host: &str, scheme: &str, conn: u64) -> Result<String> {
        let (host, scheme) = (host.to_owned(), scheme.to_owned());
        Ok(self.ask(&FileAsk::Url { sha256: sha256.to_owned(), host, scheme, conn })?.place)
    }

    /// Offers it to somebody: a file request made by the server, to those of them who see the file.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn share(&self, sha256: &str, to: Target) -> Result<()> {
        self.ask(&FileAsk::Share { sha256: sha256.to_owned(), to, how: None }).map(drop)
    }
}
