//! Routes: requests, answers, errors.
use serde::{Serialize, de::DeserializeOwned};

use super::Error;
use crate::{
    abi::{self, BodyBox, RNone, RResult, RSome, RVec, TD_Opaque},
    message::{self, Listener, RequestHead, ResponseHead, Spooled},
    shim::Sealed,
};

pub use crate::message::{Auth, Identity, Role, Scope};

/// A request method.
pub type Method = &'static str;
/// GET (and HEAD, which the host answers from it).
pub const GET: Method = "GET";
/// POST.
pub const POST: Method = "POST";
/// PUT.
pub const PUT: Method = "PUT";
/// DELETE.
pub const DELETE: Method = "DELETE";
/// PATCH.
pub const PATCH: Method = "PATCH";

/// Where a route is served; add them with `|`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listeners(u8);

impl Listeners {
    /// `marti_http` and `marti_https`.
    pub const MARTI: Self = Self(1 | 2);
    /// `marti_https`.
    pub const MARTI_TLS: Self = Self(2);
    /// `enrollment`.
    pub const ENROLLMENT: Self = Self(4);
    /// `rest`.
    pub const REST: Self = Self(8);
    /// `admin` and the local socket.
    pub const ADMIN: Self = Self(16);

    pub(super) fn named(self) -> Vec<Listener> {
        let all = [
            (1, Listener::MartiHttp),
            (2, Listener::MartiHttps),
            (4, Listener::Enrollment),
            (8, Listener::Rest),
            (16, Listener::Admin),
        ];
        all.into_iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, listener)| listener).collect()
    }
}

impl std::ops::BitOr for Listeners {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A request. Its body was received as a whole before the handler was called.
pub struct Request {
    head: RequestHead,
    body: BodyBox,
}

impl Request {
    pub(crate) fn new(head: RequestHead, body: BodyBox) -> Self {
        Self { head, body }
    }

    /// A value of the pattern, decoded; "" when the pattern has no such name.
    pub fn param(&self, name: &str) -> &str {
        self.head.params.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    /// The first query parameter of this name, decoded.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.head.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A header (name in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Who calls.
    pub fn identity(&self) -> &Identity {
        &self.head.identity
    }

    /// Everything else that is known.
    pub fn head(&self) -> &RequestHead {
        &self.head
    }

    /// Bytes of the body.
    pub fn body_len(&self) -> u64 {
        self.body.len()
    }

    /// The body, no more than `limit` bytes.
    ///
    /// # Errors
    /// 413 when it is longer.
    pub fn bytes(&mut self, limit: usize) -> Result<Vec<u8>, HttpError> {
        let len = self.body.len();
        if len > limit as u64 {
            return Err(HttpError::new(413, format!("the body has {len} bytes, {limit} are allowed")));
        }
        let mut all = vec![0; len as usize];
        let mut at = 0;
        while at < all.len() {
            match self.read(&mut all[at..])? {
                0 => break,
                n => at += n,
            }
        }
        all.truncate(at);
        Ok(all)
    }

    /// Reads on; 0 = the end.
    ///
    /// # Errors
    /// The disk.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize, HttpError> {
        match self.body.read(into.into()) {
            RResult::ROk(n) => Ok(n),
            RResult::RErr(failure) => Err(Error::from(failure).into()),
        }
    }

    /// Hash of the body, and the file it lies in while the handler runs (None = in memory).
    ///
    /// # Errors
    /// The disk.
    pub fn spooled(&mut self) -> Result<Spooled, HttpError> {
        match self.body.spooled() {
            RResult::ROk(bytes) => Ok(message::unpack(bytes.as_slice()).map_err(Error::from)?),
            RResult::RErr(failure) => Err(Error::from(failure).into()),
        }
    }

    /// The body as JSON (at most 4 MiB).
    ///
    /// # Errors
    /// 400 that says what is wrong and where.
    pub fn json<T: DeserializeOwned>(&mut self) -> Result<T, HttpError> {
        let bytes = self.bytes(4 << 20)?;
        let reader = &mut serde_json::Deserializer::from_slice(&bytes);
        serde_path_to_error::deserialize(reader).map_err(|e| match e.path().to_string().as_str() {
            "." => HttpError::new(400, format!("the body is not the JSON that is expected: {}", e.inner())),
            path => HttpError::new(400, format!("{path}: {}", e.inner())),
        })
    }
}

enum Content {
    Bytes(Vec<u8>),
    Pieces(Box<dyn Iterator<Item = Result<Vec<u8>, String>> + Send>),
}

/// An answer.
pub struct Response {
    head: ResponseHead,
    content: Content,
}

impl Response {
    /// These bytes as this type.
    pub fn new(content_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self {
            head: ResponseHead { status: 200, headers, ..ResponseHead::default() },
            content: Content::Bytes(bytes.into()),
        }
    }

    /// JSON.
    pub fn json(value: &impl Serialize) -> Self {
        // A value that is no JSON (a map with keys that are no texts) is the author's mistake: shown, not a panic.
        let text = serde_json::to_vec(value).unwrap_or_else(|e| format!("{{\"message\":\"{e}\"}}").into_bytes());
        Self::new("application/json", text)
    }

    /// Nothing.
    pub fn empty(status: u16) -> Self {
        Self { head: ResponseHead { status, ..ResponseHead::default() }, content: Content::Bytes(Vec::new()) }
    }

    /// Piece by piece, at the plugin's speed: constant memory, and a slow reader costs the plugin nothing.
    pub fn pieces(content_type: &str, pieces: impl Iterator<Item = Result<Vec<u8>, String>> + Send + 'static) -> Self {
        Self { content: Content::Pieces(Box::new(pieces)), ..Self::new(content_type, Vec::new()) }
    }

    /// A file in the plugin's own folder (relative path).
    pub fn file(content_type: &str, path: impl Into<String>) -> Self {
        let mut response = Self::new(content_type, Vec::new());
        response.head.file = Some(path.into());
        response
    }

    /// Another status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.head.status = status;
        self
    }

    /// A header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.head.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn into_reply(self, name: &str) -> abi::Reply {
        let head = message::pack(&self.head).into();
        match self.content {
            Content::Bytes(bytes) => abi::Reply { head, bytes: bytes.into(), pull: RNone },
            Content::Pieces(pieces) => {
                let pull = crate::shim::PullFn { name: name.to_owned(), pieces: Sealed::new(pieces) };
                abi::Reply { head, bytes: RVec::new(), pull: RSome(abi::Pull_TO::from_value(pull, TD_Opaque)) }
            }
        }
    }
}

impl From<&str> for Response {
    fn from(text: &str) -> Self {
        Self::new("text/plain; charset=utf-8", text)
    }
}

impl From<String> for Response {
    fn from(text: String) -> Self {
        Self::new("text/plain; charset=utf-8", text)
    }
}

impl From<serde_json::Value> for Response {
    fn from(value: serde_json::Value) -> Self {
        Self::json(&value)
    }
}

/// A refusal; the host wraps the text as its listener does.
#[derive(Clone, Debug)]
pub struct HttpError {
    status: u16,
    message: String,
}

impl HttpError {
    /// With this status.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// What is said.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, message)
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// 403.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, message)
    }

    /// Its status.
    pub fn status(&self) -> u16 {
        self.status
    }
}

impl From<Error> for HttpError {
    fn from(error: Error) -> Self {
        use super::Code;
        let status = match error.code() {
            Code::NotFound => 404,
            Code::Busy | Code::Unavailable | Code::Full | Code::Gone => 503,
            Code::Forbidden => 403,
            Code::Invalid => 400,
            _ => 500,
        };
        Self::new(status, error.to_string())
    }
}

impl From<HttpError> for Response {
    fn from(error: HttpError) -> Self {
        let mut response = Self::empty(error.status);
        response.head.error = Some(error.message);
        response
    }
}
