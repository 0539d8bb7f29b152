//! [`Refusal`]: an answer the mux makes itself, and the error answers of handlers: status, headers and a body in the style
//! of its path and listener ([`Style`]). Texts are for the user: what and what to do, never a path of a
//! file or a stack.
use std::fmt::Display;

use axum::{
    body::Body,
    http::{HeaderValue, Method, Response, StatusCode, header},
};

pub(super) use super::style::Style;
use super::{answer::HandlerError, auth::Denied, body::BodyError, route::Owner};
use crate::identity::accounts::AuthError;

/// See the file's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
    /// Seconds.
    retry_after: Option<u32>,
    allow: Vec<Method>,
    says: Says,
}

/// What is special about a refusal's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// Its message.
    Message,
    /// There is no route at all.
    Nothing,
    /// A handler failed; the answer and the log have the same number.
    Failed,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Display) -> Self {
        Self { status, message: message.to_string(), retry_after: None, allow: Vec::new(), says: Says::Message }
    }

    fn later(seconds: u32, message: impl Display) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message) }
    }

    pub fn not_found() -> Self {
        Self { says: Says::Nothing, ..Self::new(StatusCode::NOT_FOUND, "no such resource") }
    }

    pub fn method(allow: Vec<Method>) -> Self {
        Self { allow, ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "this resource does not take this method") }
    }

    /// All slots and all waiting places are taken.
    pub fn busy(owner: &Owner) -> Self {
        Self::later(2, format_args!("{owner} is busy; try again"))
    }

    /// Its reload takes too long.
    pub fn parked(owner: &Owner) -> Self {
        Self::later(5, format_args!("{owner} is being reloaded; try again"))
    }

    /// A tripped plugin is restarted after 5 s at the earliest (plugins.md 4).
    pub fn tripped(owner: &Owner) -> Self {
        Self::later(5, format_args!("the plugin {owner} has failed and is stopped; the administrator sees why"))
    }

    /// Nothing came within the time limit.
    pub fn timeout(owner: &Owner) -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, format_args!("{owner} did not answer in time"))
    }

    /// The handler panicked, or its thread is gone.
    pub fn failed(owner: &Owner) -> Self {
        let message = format_args!("{owner} failed to answer this request");
        Self { says: Says::Failed, ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, message) }
    }

    /// Nobody said who it is, or not in the way it must be said here.
    pub fn stranger() -> Self {
        Denied::Unknown.into()
    }

    /// A body in a coding nobody asked for.
    pub fn coding() -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body may be plain or gzip, not another Content-Encoding")
    }

    /// The accounts did not answer.
    pub fn unanswered() -> Self {
        Self::later(2, "the accounts cannot be read now; try again")
    }

    /// The answer.
    pub fn answer(self, style: Style) -> Response<Body> {
        let (kind, text) = match self.says {
            Says::Message => style.body(self.status, &self.message),
            Says::Nothing => style.nothing(),
            Says::Failed => {
                let id = format!("{:08x}", rand::random::<u32>());
                tracing::error!(event = "http.failed", id, "{}", self.message);
                style.failed(&self.message, &id)
            }
        };
        let mut answer = Response::new(Body::from(text));
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, kind);
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, style.challenge());
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        let allow = self.allow.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        if let Ok(allow) = HeaderValue::try_from(allow)
            && !allow.is_empty()
        {
            headers.insert(header::ALLOW, allow);
        }
        answer
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Unknown => Self::new(StatusCode::UNAUTHORIZED, "say who you are: this needs a login or a token"),
            Denied::Forbidden => Self::new(StatusCode::FORBIDDEN, "your account or token does not allow this"),
        }
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let status = match &error {
            BodyError::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::Slow { .. } => StatusCode::REQUEST_TIMEOUT,
            BodyError::Broken(_) | BodyError::Form(_) | BodyError::NoFile => StatusCode::BAD_REQUEST,
            BodyError::Disk(disk) if disk.kind() == std::io::ErrorKind::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
            BodyError::Disk(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error)
    }
}

impl From<HandlerError> for Refusal {
    fn from(error: HandlerError) -> Self {
        let wrong = error.status.is_client_error() || error.status.is_server_error();
        Self::new(if wrong { error.status } else { StatusCode::INTERNAL_SERVER_ERROR }, error.message)
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Wrong => Self::new(StatusCode::UNAUTHORIZED, error),
            AuthError::Throttled(seconds) => {
                Self { retry_after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, error) }
            }
            AuthError::Disabled | AuthError::Revoked | AuthError::Unknown | AuthError::NoGroups => {
                Self::new(StatusCode::FORBIDDEN, error)
            }
            AuthError::Store(_) => Self::unanswered(),
        }
    }
}
