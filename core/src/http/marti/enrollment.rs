//! Enrolment tokens and QR codes over REST (identity.md 5.6): for administrators, and for users about themselves. A token
//! is shown once, in the answer that made it; a code is drawn from what the caller brings, so drawing makes nothing.
use std::time::Duration;

use axum::http::{HeaderValue, Method, StatusCode, header};
use fts_plugin_api::cot::{format_time, parse_time};
use serde_json::{Value, json};

use crate::{
    http::{
        answer::{Answer, HandlerError},
        auth::{Auth, Role, Scope},
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
    identity::{
        accounts::{EnrollmentToken, NewEnrollmentToken},
        audit::Actor,
        packages::{self, make},
        qr,
    },
    observe::clock,
};

/// Its routes.
pub fn routes(book: &mut Book) {
    const JSON: &str = "application/json";
    const PATH: &str = "/api/enrollment/tokens";
    let (write, rest) = (Auth::Scope(Scope::Write), Listeners::REST);
    book.on(Method::POST, PATH, rest, write, create)
        .about("Makes an enrolment token, for oneself or as administrator for anybody")
        .takes(JSON, 64 << 10)
        .answers(201, JSON)
        .answers(400, JSON)
        .answers(404, JSON)
        .answers(409, JSON);
    book.on(Method::GET, PATH, Listeners::REST, Auth::Scope(Scope::Read), list)
        .about("One's enrolment tokens, an administrator's all of them; without the tokens")
        .answers(200, JSON);
    book.on(Method::DELETE, "/api/enrollment/tokens/{id}", Listeners::REST, Auth::Scope(Scope::Write), remove)
        .about("Ends an enrolment token")
        .answers(204, "")
        .answers(404, JSON);
    book.on(Method::GET, "/api/enrollment/qr", Listeners::REST, Auth::Scope(Scope::Read), picture)
        .about("QR code that brings a phone to the server")
        .query("user", "string", false)
        .query("token", "string", false)
        .query("kind", "string", false)
        .query("format", "string", false)
        .query("host", "string", false)
        .answers(200, "image/png")
        .answers(200, "image/svg+xml")
        .answers(400, JSON)
        .answers(409, JSON);
}

/// A token to be made: once, for `enrollment.token_ttl` unless something else is said.
pub struct Invitation(pub NewEnrollmentToken);

impl Invitation {
    /// For this user.
    pub fn new(user: &str) -> Self {
        Self(NewEnrollmentToken { user: user.to_owned(), not_before: None, expires_at: None, max_uses: 1 })
    }

    /// Ends so long after it begins.
    pub fn lasts(&mut self, time: Duration) {
        let begins = self.0.not_before.unwrap_or_else(clock::now_ms);
        self.0.expires_at = Some(begins.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)));
    }
}

/// Makes a token and what brings it to a phone. The one place where the token is shown.
///
/// # Errors
/// No such user, times that cannot be, no such host.
pub fn invite(native: &Native, invitation: &Invitation, host: Option<&str>, by: &Actor) -> Result<Value, HandlerError> {
    let config = native.config();
    let host = host.map_or_else(|| make::default_host(&config), str::to_owned);
    packages::check_host(&host)?;
    let ports = make::ports(native)?;
    let (made, secret) = native.accounts.add_enrollment_token(&invitation.0, by)?;
    let mut value = token(&made);
    value["token"] = secret.reveal().into();
    value["host"] = host.as_str().into();
    value["atak_url"] = qr::atak(&host, &made.user, Some(secret.reveal())).into();
    value["itak_qr"] = qr::itak(&format!("{}_{host}", config.server.name), &host, ports.stream).into();
    // A phone takes a code only from a server whose certificate it can check already.
    value["public_certificate"] = config.tls.web.is_some().into();
    Ok(value)
}

/// A token without itself.
pub fn token(token: &EnrollmentToken) -> Value {
    json!({
        "id": token.id, "username": token.user, "not_before": token.not_before.map(format_time),
        "expires_at": token.expires_at.map(format_time), "max_uses": token.max_uses, "uses": token.uses,
        "created_by": token.created_by, "created_at": format_time(token.created_at),
    })
}

fn is_admin(call: &Call) -> bool {
    call.identity.role == Role::Admin || call.identity.scopes.has(Scope::Admin)
}

/// Whose tokens the caller may speak of: administrators of anybody's, others of their own.
fn about<'a>(call: &'a Call, asked: Option<&'a str>) -> Result<&'a str, HandlerError> {
    let own = call.identity.user.as_deref();
    match (asked, own) {
        (None, Some(own)) => Ok(own),
        (None, None) => Err(HandlerError::bad_request("username is required")),
        (Some(asked), own) if is_admin(call) || own.is_some_and(|own| own.eq_ignore_ascii_case(asked)) => Ok(asked),
        (Some(_), _) => Err(HandlerError::forbidden("only an administrator may do that for somebody else")),
    }
}

fn create(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let body = call.body.bytes(64 << 10).map_err(|e| HandlerError::bad_request(e.to_string()))?;
    let said: Value =
        serde_json::from_slice(&body).map_err(|e| HandlerError::bad_request(format!("the body must be JSON: {e}")))?;
    let asked = match &said["username"] {
        Value::Null => None,
        Value::String(name) => Some(name.as_str()),
        _ => return Err(HandlerError::bad_request("username must be a text")),
    };
    let mut invitation = Invitation::new(about(&call, asked)?);
    invitation.0.not_before = moment(&said, "not_before")?;
    invitation.0.expires_at = moment(&said, "exp")?;
    match &said["expires_in"] {
        Value::Null => {}
        seconds => match seconds.as_u64().filter(|s| *s > 0) {
            Some(seconds) => invitation.lasts(Duration::from_secs(seconds)),
            None => return Err(HandlerError::bad_request("expires_in must be a number of seconds")),
        },
    }
    match &said["max_uses"] {
        Value::Null => {}
        uses => match uses.as_i64().filter(|n| *n > 0) {
            Some(uses) => invitation.0.max_uses = uses,
            None => return Err(HandlerError::bad_request("max_uses must be a whole number from 1 on")),
        },
    }
    let mut answer = Answer::json(&invite(native, &invitation, None, &call.actor())?);
    answer.status = StatusCode::CREATED;
    Ok(answer.with(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
}

/// Seconds UTC, or a time as text; ms UTC.
fn moment(said: &Value, name: &str) -> Result<Option<i64>, HandlerError> {
    let bad =
        || HandlerError::bad_request(format!("{name} must be seconds since 1970 or a time like 2025-03-04T05:06:07Z"));
    match &said[name] {
        Value::Null => Ok(None),
        Value::String(text) => parse_time(text).map(|(ms, _)| Some(ms)).ok_or_else(bad),
        number => number.as_i64().and_then(|s| s.checked_mul(1_000)).map(Some).ok_or_else(bad),
    }
}

fn list(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let user = if is_admin(&call) { None } else { Some(about(&call, None)?) };
    let all = native.accounts.enrollment_tokens(user)?;
    Ok(Answer::json(&all.iter().map(token).collect()))
}

/// Somebody else's token is not there for who is no administrator.
fn remove(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let missing = || HandlerError::not_found("no such token");
    let id: i64 = call.params.get("id").and_then(|id| id.parse().ok()).ok_or_else(missing)?;
    if !is_admin(&call) {
        let own = native.accounts.enrollment_tokens(Some(about(&call, None)?))?;
        own.iter().find(|t| t.id == id).ok_or_else(missing)?;
    }
    native.accounts.remove_enrollment_token(id, &call.actor())?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

/// With `token` the code is as good as the token: it is not kept by anybody on the way.
fn picture(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let query = |name: &str| call.query.get_any_case(name).filter(|v| !v.is_empty());
    let config = native.config();
    let host = query("host").map_or_else(|| make::default_host(&config), str::to_owned);
    packages::check_host(&host)?;
    let text = match query("kind").unwrap_or("atak") {
        "atak" => qr::atak(&host, about(&call, query("user"))?, query("token")),
        "itak" => qr::itak(&format!("{}_{host}", config.server.name), &host, make::ports(native)?.stream),
        _ => return Err(HandlerError::bad_request("kind: atak or itak")),
    };
    let code = qr::code(&text).map_err(|e| HandlerError::bad_request(e.to_string()))?;
    let answer = match query("format").unwrap_or("png") {
        "png" => Answer::bytes("image/png", qr::png(&code).map_err(|e| HandlerError::internal(e.to_string()))?),
        "svg" => Answer::bytes("image/svg+xml", qr::svg(&code)),
        _ => return Err(HandlerError::bad_request("format: png or svg")),
    };
    Ok(answer.with(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
}
