//! Routes, requests and answers.
use serde::{Deserialize, Serialize};

/// Where a route is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listener {
    /// `marti_http`.
    MartiHttp,
    /// `marti_https`.
    MartiHttps,
    /// `enrollment`.
    Enrollment,
    /// `rest`.
    Rest,
    /// `admin` and the local socket.
    Admin,
    /// A listener of the plugin's own.
    Own(String),
}

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// Look.
    Read,
    /// Change.
    Write,
    /// Everything.
    Admin,
}

/// Who may call; checked before the handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Auth {
    /// Anybody.
    Open,
    /// Whoever the listener identifies, anonymous included.
    User,
    /// A user with a name.
    Login,
    /// A token with at least this scope.
    Scope(Scope),
    /// An administrator.
    Admin,
}

/// A route.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RouteSpec {
    /// GET, POST, PUT, DELETE, PATCH.
    pub method: String,
    /// `{name}` = one segment, `{name*}` = the rest.
    pub pattern: String,
    /// Where.
    pub listeners: Vec<Listener>,
    /// Who.
    pub auth: Auth,
}

/// What a user is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Nobody in particular.
    #[default]
    Anonymous,
    /// May look.
    Readonly,
    /// Normal.
    User,
    /// Administrator.
    Admin,
}

/// Who calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// User name; "" = anonymous.
    pub user: String,
    /// Common name of the certificate.
    pub cert_cn: String,
    /// See [`Role`].
    pub role: Role,
    /// Groups it may send into.
    pub groups_in: Vec<String>,
    /// Groups it receives from.
    pub groups_out: Vec<String>,
    /// Scopes of its token.
    pub scopes: Vec<Scope>,
}

/// A request without its body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestHead {
    /// GET, POST …
    pub method: String,
    /// As requested, percent-encoded.
    pub path: String,
    /// Values of the pattern, decoded.
    pub params: Vec<(String, String)>,
    /// Decoded, in order; a name may come twice.
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Address and port.
    pub peer: String,
    /// Name of the listener.
    pub listener: String,
    /// `Host` of the request.
    pub host: String,
    /// http or https.
    pub scheme: String,
    /// Who calls.
    pub identity: Identity,
}

/// An answer without its body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResponseHead {
    /// 100–999.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The text is an error's message; the host wraps it as its listener does. Then the body is empty.
    pub error: Option<String>,
    /// A file of the plugin's own folder is the body.
    pub file: Option<String>,
}

/// A body that was received.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spooled {
    /// Where it lies, until the handler returns; None = in memory.
    pub path: Option<String>,
    /// Hex.
    pub sha256: String,
    /// Bytes.
    pub len: u64,
}
