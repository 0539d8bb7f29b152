//! [`Answer`]: what a handler gives back, and [`HandlerError`]: what it says instead. Bytes and files have a length and an
//! entity tag, so the mux can answer parts and conditions; a pull answer is made while it is sent. A handler never writes
//! to a connection.
use std::{fs::File, io, os::unix::fs::MetadataExt, path::Path};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;

use super::taken::Taken;
use crate::store::error::StoreError;

/// A pull answer: called on a blocking thread until it ends. An error before the first chunk is a 500; after it, the
/// connection is cut, so that nobody takes half an answer for a whole one. Must not wait for the client.
pub type Pull = Box<dyn Iterator<Item = Result<Bytes, String>> + Send>;

/// One answer.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers; lengths and connection headers are the mux's business and are left out.
    pub headers: HeaderMap,
    /// Body.
    pub content: Content,
}

/// The body of an answer.
pub enum Content {
    /// None.
    Empty,
    /// In memory.
    Bytes(Bytes),
    /// In a file.
    File(Stored),
    /// Made while it is sent.
    Pull(Pull),
}

/// An open file to be sent. It may be unlinked by now; it must not change.
#[derive(Debug)]
pub struct Stored {
    pub(super) file: File,
    pub(super) from: u64,
    pub(super) len: u64,
    /// None = only a part is to be sent, which has none.
    pub(super) tag: Option<String>,
    /// Called when its last byte was taken.
    pub(super) taken: Option<Taken>,
}

impl Stored {
    /// Opens a file. `sha256` in hex is its entity tag if known; else inode, size and time of change make one, because
    /// hashing a long file for every request costs more than sending it.
    ///
    /// # Errors
    /// What opening says.
    pub fn open(path: &Path, sha256: Option<&str>) -> io::Result<Self> {
        Self::opened(File::open(path)?, sha256)
    }

    /// The same with a file that is open.
    ///
    /// # Errors
    /// What the system says about it.
    pub fn opened(file: File, sha256: Option<&str>) -> io::Result<Self> {
        let about = file.metadata()?;
        let made = || format!("{:x}-{:x}-{:x}.{:x}", about.ino(), about.len(), about.mtime(), about.mtime_nsec());
        Ok(Self { from: 0, len: about.len(), tag: Some(sha256.map_or_else(made, str::to_owned)), taken: None, file })
    }

    /// Bytes that will be sent.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Nothing will be sent.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Only this part of it, as far as it goes. Nobody can ask for a range of that.
    #[must_use]
    pub fn part(self, from: u64, len: u64) -> Self {
        let from = from.min(self.len);
        Self { from: self.from + from, len: len.min(self.len - from), tag: None, taken: self.taken, file: self.file }
    }

    /// Does this when the last of the bytes it has now was taken by the client's connection.
    #[must_use]
    pub fn then(mut self, taken: Taken) -> Self {
        self.taken = Some(taken);
        self
    }
}

impl Answer {
    /// A status and nothing else.
    pub fn empty(status: StatusCode) -> Self {
        Self::new(status, None, Content::Empty)
    }

    /// 200 with bytes.
    pub fn bytes(content_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::OK, Some(content_type), Content::Bytes(bytes.into()))
    }

    /// 200 with JSON. The type is `application/json` without a charset: node-tak compares it (marti-http.md 2.1).
    pub fn json(value: &serde_json::Value) -> Self {
        Self::bytes("application/json", value.to_string())
    }

    /// 200 with a file.
    pub fn file(content_type: &'static str, file: Stored) -> Self {
        Self::new(StatusCode::OK, Some(content_type), Content::File(file))
    }

    /// 200, made while it is sent.
    pub fn pull(content_type: &'static str, pull: Pull) -> Self {
        Self::new(StatusCode::OK, Some(content_type), Content::Pull(pull))
    }

    fn new(status: StatusCode, content_type: Option<&'static str>, content: Content) -> Self {
        let mut headers = HeaderMap::new();
        if let Some(name) = content_type {
            headers.insert("content-type", HeaderValue::from_static(name));
        }
        Self { status, headers, content }
    }

    /// With another header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::File(file) => write!(f, "File({})", file.len),
            Self::Pull(_) => f.write_str("Pull"),
        }
    }
}

/// A refusal of a handler. The mux writes it in the style of the listener.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {message}")]
pub struct HandlerError {
    /// Status; anything but 4xx and 5xx becomes 500.
    pub status: StatusCode,
    /// For the user: no path of a file, no stack.
    pub message: String,
}

impl HandlerError {
    /// Any status.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 403.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 500.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

/// The database did not do it. The caller learns that much; what and where is for the log.
impl From<StoreError> for HandlerError {
    fn from(error: StoreError) -> Self {
        tracing::error!(event = "db.error", %error, "a request could not be answered");
        match error {
            StoreError::Busy { .. } | StoreError::Closed { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "the server is busy; try again")
            }
            StoreError::Full(_) => Self::new(StatusCode::INSUFFICIENT_STORAGE, "the server has no space left"),
            _ => Self::internal("the server could not read or write its database"),
        }
    }
}
