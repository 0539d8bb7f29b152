//! `/oauth/*`: an access token for a password (identity.md 6.5), its end, and the key to check it with. Errors have
//! OAuth's own form. Passwords and tokens stand in bodies and queries here: neither is ever logged, and no answer is
//! kept by anybody in between.
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    http::{
        answer::{Answer, HandlerError},
        auth::Auth,
        call::{Call, Fields},
        identify,
        listener::Listeners,
        native::{Book, Native},
    },
    identity::accounts::{AccessToken, AuthError, TokenError},
};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
/// Longest form, bytes.
const BODY: u64 = 16 << 10;

/// Its routes.
pub fn routes(book: &mut Book) {
    let at = || Listeners::ENROLLMENT | Listeners::MARTI_HTTPS;
    for method in [Method::POST, Method::GET] {
        let form = method == Method::POST;
        let page =
            book.on(method, "/oauth/token", at(), Auth::Open, token).about("An access token for a password").enrolls();
        let page = if form { page.takes(FORM, BODY) } else { page };
        page.query("grant_type", "string", false)
            .query("username", "string", false)
            .query("password", "string", false)
            .answers(200, JSON)
            .answers(400, JSON)
            .answers(401, JSON)
            .answers(429, JSON);
    }
    book.on(Method::POST, "/oauth/revoke", at(), Auth::Open, revoke)
        .about("Ends an access token")
        .enrolls()
        .takes(FORM, BODY)
        .query("token", "string", false)
        .answers(200, JSON)
        .answers(400, JSON);
    book.on(Method::POST, "/oauth/logout", at(), Auth::Open, logout)
        .about("Ends the access token of this request and its cookie")
        .enrolls()
        .answers(200, JSON);
    book.on(Method::GET, "/oauth/jwks", at(), Auth::Open, jwks)
        .about("The public key of access tokens")
        .enrolls()
        .answers(200, JSON);
}

/// Parameters of the body, else of the query.
struct Params(Fields, Fields);

impl Params {
    fn of(call: &Call) -> Result<Self, HandlerError> {
        let body = call.body.bytes(BODY).map_err(|e| HandlerError::bad_request(e.to_string()))?;
        Ok(Self(Fields::of_query(&String::from_utf8_lossy(&body)), call.query.clone()))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).or_else(|| self.1.get(name))
    }
}

fn error(status: StatusCode, error: &str, description: &str) -> Answer {
    uncached(Answer { status, ..Answer::json(&json!({"error": error, "error_description": description})) })
}

fn uncached(answer: Answer) -> Answer {
    answer
        .with(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
        .with(header::PRAGMA, HeaderValue::from_static("no-cache"))
}

fn token(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let params = Params::of(&call)?;
    let peer = call.peer.map(|p| p.ip());
    let Some(from) = peer else { return Err(HandlerError::bad_request("a token is made for who has an address")) };
    let bad = |what: &str| error(StatusCode::BAD_REQUEST, "invalid_request", what);
    let grant = params.get("grant_type");
    if grant.is_some_and(|g| g != "password") {
        return Ok(bad("grant_type must be password"));
    }
    let shown = match (params.get("username"), params.get("password")) {
        (None, None) => basic(&call),
        (Some(_), Some(_)) if grant.is_none() => return Ok(bad("grant_type=password is missing")),
        (name, password) => name.zip(password).map(|(n, p)| (n.to_owned(), p.to_owned())),
    };
    let Some((name, password)) = shown else { return Ok(bad("username and password are missing")) };
    if name.is_empty() || password.is_empty() {
        return refused(&AuthError::Wrong);
    }
    match native.accounts.access_token(&name, &password, from) {
        Ok(made) => Ok(answer(&made)),
        Err(TokenError::Auth(why)) => refused(&why),
        Err(TokenError::Key(error)) => {
            tracing::error!(event = "auth.key", %error, "no access token could be made");
            Err(HandlerError::internal("access tokens cannot be made; the log of the server says why"))
        }
    }
}

/// The listener tries no password on an open route: what stands in the header is for this one.
fn basic(call: &Call) -> Option<(String, String)> {
    let (scheme, rest) = call.headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then(|| identify::basic(rest.trim()).unwrap_or_default())
}

fn answer(made: &AccessToken) -> Answer {
    let token = made.token.reveal();
    let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": made.expires_in});
    let cookie = format!("access_token={token}; Path=/; Secure; HttpOnly; SameSite=Strict");
    let answer = uncached(Answer::json(&body));
    // A token is letters, digits, dots, hyphens and underscores: always a header.
    match HeaderValue::try_from(cookie) {
        Ok(cookie) => answer.with(header::SET_COOKIE, cookie),
        Err(_) => answer,
    }
}

fn refused(why: &AuthError) -> Result<Answer, HandlerError> {
    const GRANT: &str = "invalid_grant";
    Ok(match why {
        AuthError::Throttled(seconds) => error(StatusCode::TOO_MANY_REQUESTS, "slow_down", &why.to_string())
            .with(HeaderName::from_static("retry-after"), HeaderValue::from(*seconds)),
        AuthError::Disabled | AuthError::NoGroups => error(StatusCode::UNAUTHORIZED, GRANT, &why.to_string()),
        AuthError::Store(error) => {
            tracing::error!(event = "db.error", %error, "an account could not be read");
            return Err(HandlerError::internal("the database did not answer; the log of the server says why"));
        }
        _ => error(StatusCode::UNAUTHORIZED, GRANT, "Bad credentials"),
    })
}

fn revoke(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let params = Params::of(&call)?;
    let Some(token) = params.get("token").filter(|t| !t.is_empty()) else {
        return Ok(error(StatusCode::BAD_REQUEST, "invalid_request", "token is missing"));
    };
    end(native, &call, token)
}

fn logout(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let shown = call.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let bearer = shown.and_then(|v| v.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let cookies = call.headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    let cookie = cookies.flat_map(|c| c.split(';')).find_map(|c| c.trim().strip_prefix("access_token="));
    let token = bearer.map(|(_, token)| token.trim()).or(cookie).unwrap_or_default().to_owned();
    let gone = HeaderValue::from_static("access_token=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict");
    Ok(end(native, &call, token.trim_matches('"'))?.with(header::SET_COOKIE, gone))
}

/// Whatever it was, it is worth nothing afterwards (RFC 7009 2.2).
fn end(native: &Native, call: &Call, token: &str) -> Result<Answer, HandlerError> {
    let ended = native.accounts.end_access_token(token, call.peer.map(|p| p.ip()));
    match ended {
        Ok(()) => Ok(uncached(Answer::json(&json!({})))),
        Err(why) => refused(&why),
    }
}

fn jwks(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    let keys: Result<Value, _> = native.accounts.jwks();
    keys.map(|keys| Answer::json(&keys)).map_err(|error| {
        tracing::error!(event = "auth.key", %error, "the key of access tokens cannot be read");
        HandlerError::internal("the key cannot be read; the log of the server says why")
    })
}
