//! Users and tokens for the `fts` command and administrators (operations.md 4). A secret that was made here is in the
//! answer that made it and nowhere else. Whoever is connected as a changed user is looked at again before the answer
//! goes out: switched off means gone, other groups mean other events.
mod audit;
mod groups;

use axum::http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    http::{
        answer::{Answer, HandlerError},
        auth::Auth,
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
    identity::{
        CertError, Revoke, Role, Scopes,
        accounts::{AccountError, ApiToken, Direction, NewUser, Secret, User},
        audit::Actor,
    },
    session::channels::Cause,
};

const JSON: &str = "application/json";

/// Its routes.
pub fn routes(book: &mut Book) {
    let mut on = |method: Method, path, endpoint, about, statuses: &[u16]| {
        let takes = method == Method::POST || method == Method::PUT;
        let page = book.on(method, path, Listeners::ADMIN, Auth::RoleAdmin, endpoint).about(about);
        let page = if takes { page.takes(JSON, 64 << 10) } else { page };
        statuses.iter().fold(page, |page, status| page.answers(*status, JSON));
    };
    on(Method::GET, "/admin/users", list, "Users by name", &[200]);
    on(
        Method::POST,
        "/admin/users",
        add,
        "Makes a user; without a password one is made and told once",
        &[201, 400, 409],
    );
    on(Method::GET, "/admin/users/{name}", one, "One user", &[200, 404]);
    on(Method::PUT, "/admin/users/{name}", change, "Role, switch, pinned certificate, groups", &[200, 400, 404]);
    on(Method::DELETE, "/admin/users/{name}", remove, "Removes a user and revokes its certificates", &[200, 404]);
    on(
        Method::PUT,
        "/admin/users/{name}/password",
        password,
        "Another password; without one it is made and told once",
        &[200, 400, 404],
    );
    on(Method::GET, "/admin/users/{name}/tokens", tokens_of, "API tokens of a user, without the tokens", &[200, 404]);
    on(Method::POST, "/admin/users/{name}/tokens", add_token, "Makes an API token; it is told once", &[201, 400, 404]);
    on(Method::GET, "/admin/tokens", tokens, "All API tokens, without the tokens", &[200]);
    on(Method::DELETE, "/admin/tokens/{id}", remove_token, "Ends an API token", &[200, 404]);
    groups::routes(&mut on);
    book.on(Method::GET, "/admin/audit", Listeners::ADMIN, Auth::RoleAdmin, audit::rows)
        .about("Who changed what and who was not let in, newest first")
        .query("since", "integer", false)
        .query("action", "string", false)
        .query("who", "string", false)
        .query("limit", "integer", false)
        .answers(200, JSON)
        .answers(400, JSON);
}

impl From<AccountError> for HandlerError {
    fn from(error: AccountError) -> Self {
        let status = match &error {
            AccountError::NoUser(_) | AccountError::NoGroup(_) | AccountError::NoToken(_) => StatusCode::NOT_FOUND,
            AccountError::UserExists(_) | AccountError::GroupExists(_) => StatusCode::CONFLICT,
            AccountError::Busy => StatusCode::SERVICE_UNAVAILABLE,
            AccountError::Store(error) => {
                tracing::error!(event = "db.error", %error, "an account could not be read or changed");
                return HandlerError::internal("the database did not answer; the log of the server says why");
            }
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}

/// A JSON body; none at all is an empty object.
fn read<T: serde::de::DeserializeOwned>(call: &Call) -> Result<T, HandlerError> {
    let body = call.body.bytes(64 << 10).map_err(|e| HandlerError::bad_request(e.to_string()))?;
    let text = if body.is_empty() { &b"{}"[..] } else { &body };
    serde_json::from_slice(text).map_err(|e| HandlerError::bad_request(format!("the body must be JSON: {e}")))
}

fn param<'a>(call: &'a Call, name: &str) -> &'a str {
    call.params.get(name).unwrap_or_default()
}

fn created(value: &Value) -> Answer {
    Answer { status: StatusCode::CREATED, ..Answer::json(value) }
}

fn role(text: &str) -> Result<Role, HandlerError> {
    Role::named(text).ok_or_else(|| HandlerError::bad_request(format!("role {text:?}: admin, user or readonly")))
}

/// `Blue`, `Blue:in`, `Blue:out`.
pub(super) fn group_of(text: &str) -> Result<(String, &'static [Direction]), HandlerError> {
    let Some((name, direction)) = text.rsplit_once(':') else { return Ok((text.to_owned(), &Direction::BOTH)) };
    match direction.to_ascii_lowercase().as_str() {
        "in" => Ok((name.to_owned(), &[Direction::In])),
        "out" => Ok((name.to_owned(), &[Direction::Out])),
        "both" => Ok((name.to_owned(), &Direction::BOTH)),
        _ => Err(HandlerError::bad_request(format!("group {text:?}: NAME, NAME:in or NAME:out"))),
    }
}

fn groups_of(texts: &[String]) -> Result<Vec<(String, Direction)>, HandlerError> {
    let mut all = Vec::new();
    for text in texts {
        let (name, directions) = group_of(text)?;
        all.extend(directions.iter().map(|d| (name.clone(), *d)));
    }
    Ok(all)
}

fn shown(native: &Native, user: &User) -> Result<Value, HandlerError> {
    let groups = native.accounts.own_groups(user.id).map_err(AccountError::from)?;
    let groups: Vec<_> = groups.iter().map(|(name, d)| format!("{name}:{}", d.name().to_lowercase())).collect();
    Ok(json!({
        "name": &*user.name, "uid": user.uid, "role": user.role.name(), "disabled": user.disabled,
        "has_password": user.has_password, "fingerprint": user.fingerprint, "device_type": user.device_type,
        "team": user.team_label, "groups": groups, "created_at": user.created_at,
        "last_login_at": user.last_login_at, "last_ip": user.last_ip,
    }))
}

fn named(native: &Native, name: &str) -> Result<User, AccountError> {
    native.accounts.user(name)?.ok_or_else(|| AccountError::NoUser(name.to_owned()))
}

fn list(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    let users = native.accounts.users().map_err(AccountError::from)?;
    let all: Result<Vec<_>, _> = users.iter().map(|u| shown(native, u)).collect();
    Ok(Answer::json(&all?.into()))
}

fn one(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    Ok(Answer::json(&shown(native, &named(native, param(&call, "name"))?)?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Adding {
    name: String,
    password: Option<String>,
    role: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
}

fn add(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let wanted: Adding = read(&call)?;
    let (accounts, actor) = (&native.accounts, call.actor());
    let groups = groups_of(&wanted.groups)?;
    if let Some((group, _)) = groups.iter().find(|(name, _)| accounts.group(name).is_none()) {
        return Err(AccountError::NoGroup(group.clone()).into());
    }
    let made = wanted.password.is_none();
    let password = wanted.password.map_or_else(|| accounts.new_password(), Secret::new);
    let new = NewUser {
        name: wanted.name,
        password: Some(password.clone()),
        role: wanted.role.as_deref().map_or(Ok(Role::User), role)?,
        ..NewUser::default()
    };
    let user = accounts.add_user(new, &actor)?;
    if !groups.is_empty() {
        accounts.set_groups(&user.name, &groups, &actor)?;
    }
    // A certificate of that name was a user of its own until now.
    native.sessions.users_changed(&[&user.name], Cause::default());
    let mut answer = shown(native, &user)?;
    if made {
        answer["password"] = password.reveal().into();
    }
    Ok(created(&answer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changing {
    role: Option<String>,
    disabled: Option<bool>,
    /// "" takes the pin away.
    fingerprint: Option<String>,
    groups: Option<Vec<String>>,
}

fn change(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let wanted: Changing = read(&call)?;
    let (accounts, actor, name) = (&native.accounts, call.actor(), param(&call, "name"));
    let groups = wanted.groups.as_deref().map(groups_of).transpose()?;
    let to = wanted.role.as_deref().map(role).transpose()?;
    named(native, name)?;
    if let Some(groups) = groups {
        accounts.set_groups(name, &groups, &actor)?;
    }
    if let Some(pin) = &wanted.fingerprint {
        accounts.set_fingerprint(name, Some(pin.as_str()).filter(|p| !p.is_empty()), &actor)?;
    }
    if let Some(to) = to {
        accounts.set_role(name, to, &actor)?;
    }
    if let Some(disabled) = wanted.disabled {
        accounts.set_disabled(name, disabled, &actor)?;
    }
    native.sessions.users_changed(&[name], Cause::default());
    Ok(Answer::json(&shown(native, &named(native, name)?)?))
}

/// Also of the TAK API's user management.
pub(in crate::http) fn remove(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let (actor, name) = (call.actor(), param(&call, "name"));
    let user = named(native, name)?;
    // First its certificates: without its account each would be a user of its own where that is allowed.
    let all =
        Revoke { user: Some(user.name.to_string()), reason: Some("cessationOfOperation".into()), ..Revoke::default() };
    let revoked = match native.certificates.revoke(&all, &actor) {
        Ok(revoked) => revoked.len(),
        Err(CertError::Unknown(_)) => 0,
        Err(error) => return Err(error.into()),
    };
    native.accounts.delete_user(&user.name, &actor)?;
    native.sessions.end_user(&user.name);
    // What is kept for it holds its keys.
    let _ = crate::identity::packages::forget(&native.config(), &user.name);
    Ok(Answer::json(&json!({"removed": &*user.name, "certificates_revoked": revoked})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Password {
    password: Option<String>,
}

fn password(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let (wanted, name): (Password, _) = (read(&call)?, param(&call, "name"));
    let made = wanted.password.is_none();
    let password = wanted.password.map_or_else(|| native.accounts.new_password(), Secret::new);
    let ended = other_password(native, name, &password, &call.actor())?;
    let told = made.then(|| password.reveal());
    Ok(Answer::json(&json!({"name": name, "password": told, "streams_ended": ended})))
}

/// Gives a user another password: whoever is in by the one before is not any more. Access tokens end, and streams that
/// showed it; how many streams. Certificates and API tokens stay: they did not come from it, and have ends of their own.
pub(in crate::http) fn other_password(
    native: &Native,
    name: &str,
    password: &Secret,
    actor: &Actor,
) -> Result<usize, AccountError> {
    native.accounts.set_password(name, password, actor)?;
    let ended = native.sessions.password_changed(name);
    if ended > 0 {
        native.accounts.audit.did(actor, "user.streams_ended", name, json!({"streams": ended, "why": "password"}));
    }
    Ok(ended)
}

fn token(token: &ApiToken) -> Value {
    json!({
        "id": token.id, "user": token.user, "label": token.label, "scopes": token.scopes.text(),
        "created_at": token.created_at, "expires_at": token.expires_at, "last_used_at": token.last_used_at,
    })
}

fn tokens(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    let all = native.accounts.tokens(None).map_err(AccountError::from)?;
    Ok(Answer::json(&all.iter().map(token).collect()))
}

fn tokens_of(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let user = named(native, param(&call, "name"))?;
    let all = native.accounts.tokens(Some(&user.name)).map_err(AccountError::from)?;
    Ok(Answer::json(&all.iter().map(token).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewToken {
    #[serde(default)]
    scopes: String,
    #[serde(default)]
    label: String,
    /// A duration like `30d`.
    ttl: Option<String>,
}

fn add_token(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let wanted: NewToken = read(&call)?;
    let scopes = Scopes::named(&wanted.scopes).filter(|s| s.any());
    let scopes = scopes.ok_or_else(|| HandlerError::bad_request("scopes: one or more of read, write, admin"))?;
    let ttl = wanted.ttl.as_deref().map(|text| {
        let ttl = crate::config::duration(text).filter(|d| !d.is_zero());
        ttl.and_then(|d| i64::try_from(d.as_millis()).ok())
            .ok_or_else(|| HandlerError::bad_request(format!("ttl {text:?}: a duration like \"30d\"")))
    });
    let (made, secret) =
        native.accounts.add_token(param(&call, "name"), scopes, &wanted.label, ttl.transpose()?, &call.actor())?;
    let mut answer = token(&made);
    answer["token"] = secret.reveal().into();
    Ok(created(&answer))
}

fn remove_token(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let text = param(&call, "id");
    let id = text.parse().map_err(|_| HandlerError::not_found(format!("there is no token {text}")))?;
    native.accounts.remove_token(id, &call.actor())?;
    Ok(Answer::json(&json!({"removed": id})))
}
