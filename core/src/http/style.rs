//! [`Style`]: how errors look on a path of a listener. The TAK API has JSON with status, code and message under `api`
//! and one line of text on its older paths (marti-http.md 2.8); REST has FreeTAKServer's own words for what clients
//! compare (rest-api.md 2.4); administration has a message in JSON.
use axum::http::{HeaderValue, StatusCode};
use serde_json::json;

use super::listener::Listener;

/// See the file's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `/Marti/api/*` and whatever else is an API of the TAK listeners.
    Api(Challenge),
    /// `/Marti/sync/*` and the other paths that were servlets once.
    Line(Challenge),
    /// The REST API.
    Rest,
    /// Administration, and listeners of plugins.
    Message,
}

/// What a listener of the TAK API asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// 8080 and 8443.
    Tak,
    /// 8446.
    Enrollment,
}

impl Style {
    /// Of a path on a listener.
    pub fn of(listener: &Listener, path: &str) -> Self {
        let challenge = match listener {
            Listener::Rest => return Self::Rest,
            Listener::Admin | Listener::Own(_) => return Self::Message,
            Listener::MartiHttp | Listener::MartiHttps => Challenge::Tak,
            Listener::Enrollment => Challenge::Enrollment,
        };
        let api =
            path.contains("/api/") || path.ends_with("/api") || path.starts_with("/oauth/") || path == "/openapi.json";
        if api { Self::Api(challenge) } else { Self::Line(challenge) }
    }

    /// Content type and body.
    pub fn body(self, status: StatusCode, message: &str) -> (HeaderValue, String) {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        const TEXT: HeaderValue = HeaderValue::from_static("text/plain");
        let line = || message.replace(['\r', '\n'], " ");
        let said = |text: &str| (JSON, json!({"message": text}).to_string());
        match self {
            Self::Api(_) => {
                (JSON, json!({"status": name(status), "code": code(status), "message": message}).to_string())
            }
            Self::Line(_) => (TEXT, line()),
            Self::Message => said(message),
            Self::Rest => match status {
                StatusCode::UNAUTHORIZED => (TEXT, "Unauthorized Access".to_owned()),
                StatusCode::FORBIDDEN => said("forbidden"),
                StatusCode::METHOD_NOT_ALLOWED => said("method not allowed"),
                _ => said(message),
            },
        }
    }

    /// No route at all. REST clients compare the text.
    pub fn nothing(self) -> (HeaderValue, String) {
        match self {
            Self::Rest => (HeaderValue::from_static("text/plain"), "this endpoint does not exist".to_owned()),
            _ => self.body(StatusCode::NOT_FOUND, "no such resource"),
        }
    }

    /// A handler failed; the log has the same id.
    pub fn failed(self, message: &str, id: &str) -> (HeaderValue, String) {
        match self {
            Self::Rest => (
                HeaderValue::from_static("application/json"),
                json!({"message": "internal error", "id": id}).to_string(),
            ),
            _ => self.body(StatusCode::INTERNAL_SERVER_ERROR, &format!("{message} (id {id})")),
        }
    }

    /// How a caller may say who it is (identity.md 5, rest-api.md 2.3, marti-http.md 2.6).
    pub fn challenge(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Api(Challenge::Tak) | Self::Line(Challenge::Tak) => r#"Basic realm="TAK""#,
            Self::Api(Challenge::Enrollment) | Self::Line(Challenge::Enrollment) => r#"Basic realm="tak""#,
            Self::Rest => r#"Bearer realm="Authentication Required""#,
            Self::Message => "Bearer",
        })
    }
}

/// TAK Server's names: NOT_FOUND.
fn name(status: StatusCode) -> String {
    let reason = status.canonical_reason().unwrap_or("ERROR");
    reason.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// TAK Server's codes; what it has none for is a bad request or an internal error.
fn code(status: StatusCode) -> u8 {
    match status {
        StatusCode::NOT_FOUND => 1,
        StatusCode::CONFLICT => 4,
        StatusCode::GONE => 8,
        StatusCode::UNAUTHORIZED => 9,
        StatusCode::FORBIDDEN => 10,
        other if other.is_server_error() => 6,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m15_42_errors_by_path_and_listener() {
        let of = |listener, path: &str, status| {
            let (kind, body) = Style::of(&listener, path).body(status, "gone\naway");
            format!("{} {body}", kind.to_str().unwrap())
        };
        let api = r#"application/json {"code":1,"message":"gone\naway","status":"NOT_FOUND"}"#;
        assert_eq!(of(Listener::MartiHttp, "/Marti/api/cot", StatusCode::NOT_FOUND), api);
        assert_eq!(of(Listener::Enrollment, "/files/api/config", StatusCode::NOT_FOUND), api);
        let large = of(Listener::MartiHttps, "/Marti/api/x", StatusCode::PAYLOAD_TOO_LARGE);
        assert!(large.contains(r#""code":2"#) && large.contains("PAYLOAD_TOO_LARGE"), "{large}");
        assert_eq!(of(Listener::MartiHttp, "/Marti/sync/content", StatusCode::NOT_FOUND), "text/plain gone away");
        assert_eq!(of(Listener::MartiHttp, "/Marti/vcm", StatusCode::BAD_REQUEST), "text/plain gone away");
        assert_eq!(of(Listener::Rest, "/Alive", StatusCode::UNAUTHORIZED), "text/plain Unauthorized Access");
        assert_eq!(of(Listener::Rest, "/x", StatusCode::FORBIDDEN), r#"application/json {"message":"forbidden"}"#);
        assert_eq!(of(Listener::Rest, "/x", StatusCode::NOT_FOUND), r#"application/json {"message":"gone\naway"}"#);
        assert_eq!(
            of(Listener::Admin, "/Marti/api/x", StatusCode::GONE),
            r#"application/json {"message":"gone\naway"}"#
        );
        assert_eq!(Style::of(&Listener::Rest, "/").nothing().1, "this endpoint does not exist");
        assert_eq!(Style::of(&Listener::MartiHttp, "/").nothing().1, "no such resource");
    }
}
