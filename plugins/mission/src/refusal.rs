//! [`Refusal`]: why a request was not done, and the answer it becomes (mission.md 1.1: status, name, code, message).
//!
//! A 403 carries what the log says of it ([`Denied`]); it is logged in one place, where it becomes an answer
//! ([`crate::book`]), so none is forgotten.
//!
//! What must not happen: the text of an inner error (SQL, paths, tokens) reaches a client. Those are logged and answered
//! with an empty message.
use std::fmt;

use fts_plugin_api::{
    sdk::{Code, Error, HttpError, Response},
    tracing,
};
use serde_json::json;

use crate::model::{Mission, Permission, Role};

/// Why somebody may not, and of what the log speaks (mission.md 4.7).
#[derive(Clone, Debug, Default)]
pub struct Denied {
    /// What the client is told.
    pub why: String,
    /// Guid of the mission, where it is about one.
    pub mission: Option<String>,
    /// The caller's role in it.
    pub role: Option<Role>,
    /// What it would have needed.
    pub permission: Option<Permission>,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// See the file's head.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// 400, code 2: an argument or a body that makes no sense.
    #[error("{0}")]
    Bad(String),
    /// 400, code 5: characters that are not allowed.
    #[error("{0}")]
    Unsafe(String),
    /// 403, code 10: password, permission, role grant, group.
    #[error("{0}")]
    Forbidden(Box<Denied>),
    /// 404, code 1: not there, or not visible to the caller.
    #[error("Not Found: {0}")]
    NotFound(String),
    /// 409, code 4.
    #[error("{0}")]
    Conflict(String),
    /// 410, code 8: it was there and was deleted.
    #[error("{0}")]
    Gone(String),
    /// 413.
    #[error("{0}")]
    TooLarge(String),
    /// 500, or 503 when the host is busy. The text is logged, not answered.
    #[error("{0}")]
    Host(Error),
}

impl Refusal {
    /// A 403.
    pub fn forbidden(why: impl Into<String>) -> Self {
        Self::Forbidden(Box::new(Denied { why: why.into(), ..Denied::default() }))
    }

    /// A 403 for want of a permission.
    pub fn needs(permission: Permission, mission: &Mission) -> Self {
        let why = format!("this needs {} in the mission {:?}", permission.name(), mission.name);
        let denied = Denied { why, permission: Some(permission), ..Denied::default() };
        Self::Forbidden(Box::new(denied)).about(mission, None)
    }

    /// The same, of this mission and a caller with this role; what is known already stays.
    #[must_use]
    pub fn about(mut self, mission: &Mission, role: Option<Role>) -> Self {
        if let Self::Forbidden(denied) = &mut self {
            denied.mission.get_or_insert_with(|| mission.guid.clone());
            denied.role = denied.role.or(role);
        }
        self
    }

    /// A 404 for something in a mission: what, and its id.
    pub fn none(what: &str, id: &str) -> Self {
        Self::NotFound(format!("no {what} {id:?}"))
    }

    /// The host cannot do it now, and may in a moment: it is busy, the disk is full.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Host(error) if matches!(error.code(), Code::Busy | Code::Full | Code::Unavailable))
    }

    fn parts(&self) -> (u16, &'static str, u32) {
        match self {
            Self::Bad(_) => (400, "BAD_REQUEST", 2),
            Self::Unsafe(_) => (400, "BAD_REQUEST", 5),
            Self::Forbidden(_) => (403, "FORBIDDEN", 10),
            Self::NotFound(_) => (404, "NOT_FOUND", 1),
            Self::Conflict(_) => (409, "CONFLICT", 4),
            Self::Gone(_) => (410, "GONE", 8),
            Self::TooLarge(_) => (413, "PAYLOAD_TOO_LARGE", 2),
            Self::Host(error) => match error.code() {
                Code::Busy | Code::Full | Code::Unavailable | Code::Gone => (503, "SERVICE_UNAVAILABLE", 6),
                _ => (500, "INTERNAL_SERVER_ERROR", 6),
            },
        }
    }

    /// The answer.
    pub fn response(&self) -> Response {
        let (status, name, code) = self.parts();
        let message = match self {
            Self::Host(error) => {
                tracing::error!(event = "mission.failed", "a request about missions failed: {error}");
                String::new()
            }
            other => other.to_string(),
        };
        Response::json(&json!({"status": name, "code": code, "message": message})).status(status)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Host(error)
    }
}

/// Of a body that was too long or unreadable.
impl From<HttpError> for Refusal {
    fn from(error: HttpError) -> Self {
        match error.status() {
            413 => Self::TooLarge(error.message().to_owned()),
            400 => Self::Bad(format!("Invalid Request Body: {}", error.message())),
            404 => Self::NotFound(error.message().to_owned()),
            _ => Self::Host(Error::new(error.message())),
        }
    }
}
