//! Client packages and enrolment tokens for the `fts` command and administrators. `POST /admin/packages` does what
//! `fts client add` promises in one step: the user if there is none, its groups, a certificate, the packages. Answers hold
//! private keys and tokens; they are not cached and not logged.
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use base64::{Engine, prelude::BASE64_STANDARD};
use fts_plugin_api::cot::format_time;
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::group_of;
use crate::{
    http::{
        answer::{Answer, HandlerError},
        auth::Auth,
        call::Call,
        listener::Listeners,
        marti::enrollment::{self, Invitation},
        native::{Book, Native},
    },
    identity::{
        accounts::{AccountError, Direction, NewUser},
        audit::Actor,
        packages::{self, Flavour, PackageError, make},
    },
    session::channels::Cause,
};

const JSON: &str = "application/json";
const SMALL: u64 = 64 << 10;

/// Its routes.
pub fn routes(book: &mut Book) {
    let mut here = |method: Method, path, endpoint, about, status| {
        let takes = method == Method::POST;
        let page = book.on(method, path, Listeners::ADMIN, Auth::RoleAdmin, endpoint).about(about);
        page.answers(status, JSON).answers(400, JSON).answers(404, JSON).answers(409, JSON);
        if takes {
            page.takes(JSON, SMALL);
        }
    };
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    here(post.clone(), "/admin/packages", create, "Makes packages for a client, and the user if wanted", 201);
    here(get.clone(), "/admin/packages", list, "Packages that are kept", 200);
    here(delete.clone(), "/admin/packages/{name}", forget, "Removes a package that is kept", 200);
    here(post, "/admin/enroll/tokens", invite, "Makes an enrolment token", 201);
    here(get.clone(), "/admin/enroll/tokens", tokens, "Enrolment tokens, without the tokens", 200);
    here(delete, "/admin/enroll/tokens/{id}", uninvite, "Ends an enrolment token", 200);
    book.on(get, "/admin/packages/{name}", Listeners::ADMIN, Auth::RoleAdmin, fetch)
        .about("One package that is kept")
        .answers(200, "application/zip")
        .answers(404, JSON);
}

impl From<PackageError> for HandlerError {
    fn from(error: PackageError) -> Self {
        match error {
            PackageError::Name(_) | PackageError::Host(_) => Self::bad_request(error.to_string()),
            PackageError::NoListener(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
            PackageError::Cert(error) => error.into(),
            _ => Self::internal(error.to_string()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    user: String,
    /// `atak`, `wintak`, `itak`, `enroll`, `all`.
    #[serde(default)]
    clients: Vec<String>,
    host: Option<String>,
    /// The user is made if there is none.
    #[serde(default)]
    create_user: bool,
    /// `name`, `name:in`, `name:out`.
    #[serde(default)]
    groups: Vec<String>,
    /// An enrolment token, too.
    #[serde(default)]
    token: bool,
}

fn read<T: serde::de::DeserializeOwned>(call: &Call) -> Result<T, HandlerError> {
    let body = call.body.bytes(SMALL).map_err(|e| HandlerError::bad_request(e.to_string()))?;
    let text = if body.is_empty() { &b"{}"[..] } else { &body };
    serde_json::from_slice(text).map_err(|e| HandlerError::bad_request(format!("the body must be JSON: {e}")))
}

fn flavours(names: &[String]) -> Result<Vec<Flavour>, HandlerError> {
    let mut all = Vec::new();
    for name in names {
        match name.as_str() {
            "all" => all.extend(Flavour::ALL),
            name => all.push(Flavour::named(name).ok_or_else(|| {
                HandlerError::bad_request(format!("client {name:?}: atak, wintak, itak, enroll or all"))
            })?),
        }
    }
    if all.is_empty() {
        all.push(Flavour::Atak);
    }
    let mut once = Vec::new();
    all.into_iter().for_each(|f| {
        if !once.contains(&f) {
            once.push(f)
        }
    });
    Ok(once)
}

fn grants(native: &Native, groups: &[String]) -> Result<Vec<(String, &'static [Direction])>, HandlerError> {
    let grant = |text: &String| {
        let (name, directions) = group_of(text)?;
        native.accounts.group(&name).ok_or_else(|| AccountError::NoGroup(name.clone()))?;
        Ok((name, directions))
    };
    groups.iter().map(grant).collect()
}

/// Everything is checked before the first thing is made.
fn create(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let wanted: Wanted = read(&call)?;
    let by = call.actor();
    packages::check_name(&wanted.user)?;
    if let Some(host) = &wanted.host {
        packages::check_host(host)?;
    }
    let (flavours, grants) = (flavours(&wanted.clients)?, grants(native, &wanted.groups)?);
    make::ports(native)?;
    let (name, created) = user(native, &wanted, &by)?;
    for (group, directions) in &grants {
        native.accounts.grant(&name, group, directions, &by)?;
    }
    if created || !grants.is_empty() {
        // A certificate of that name was a user of its own until now.
        native.sessions.users_changed(&[&name], Cause::default());
    }
    let order = make::Order { cn: &name, user: &name, flavours: &flavours, host: wanted.host.as_deref(), via: "cli" };
    let made = make::make(native, &order, &by)?;
    let invitation = match wanted.token || flavours.contains(&Flavour::Enroll) {
        true => enrollment::invite(native, &Invitation::new(&name), Some(&made.host), &by)?,
        false => Value::Null,
    };
    let once = native.config().packages.one_time;
    let packages: Vec<_> = made
        .packages
        .iter()
        .map(|package| {
            let path = package.path.display().to_string();
            // This answer is the one time it is fetched.
            let kept = !(once && std::fs::remove_file(&package.path).is_ok());
            json!({"client": package.flavour.name(), "path": kept.then_some(path), "zip": BASE64_STANDARD.encode(&package.bytes)})
        })
        .collect();
    let (serial, not_after) =
        made.certificate.map_or((Value::Null, Value::Null), |(serial, end)| (serial.into(), format_time(end).into()));
    let answer = json!({
        "user": name, "created": created, "host": made.host, "port": made.port, "host_added": made.named,
        "serial": serial, "not_after": not_after, "packages": packages, "invitation": invitation,
        "running": native.bound.get().is_some(),
    });
    Ok(secret(&answer, StatusCode::CREATED))
}

/// The user as it is written in the database, and whether it was made just now.
fn user(native: &Native, wanted: &Wanted, by: &Actor) -> Result<(String, bool), HandlerError> {
    match native.accounts.user(&wanted.user)? {
        Some(user) if user.disabled => {
            let why = format!("{} is switched off; switch it on with: fts user enable {}", user.name, user.name);
            Err(HandlerError::new(StatusCode::CONFLICT, why))
        }
        Some(user) => Ok((user.name.to_string(), false)),
        None if wanted.create_user => {
            let new = NewUser { name: wanted.user.clone(), ..NewUser::default() };
            let user = native.accounts.add_user(new, by)?;
            Ok((user.name.to_string(), true))
        }
        None => Err(HandlerError::not_found(format!(
            "there is no user {0}; fts client add {0} makes one with its package",
            wanted.user
        ))),
    }
}

fn secret(value: &Value, status: StatusCode) -> Answer {
    let mut answer =
        Answer::json(value).with(HeaderName::from_static("cache-control"), HeaderValue::from_static("no-store"));
    answer.status = status;
    answer
}

fn list(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&native.config().packages.dir).into_iter().flatten().flatten() {
        let (name, Ok(about)) = (entry.file_name().to_string_lossy().into_owned(), entry.metadata()) else { continue };
        let made = about.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
        let made = made.map(|t| format_time(t.as_millis() as i64));
        if name.ends_with(".zip") {
            found.push(json!({"name": name.trim_end_matches(".zip"), "size": about.len(), "made": made}));
        }
    }
    found.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    Ok(Answer::json(&json!(found)))
}

/// A kept package by its name: that of the user, with `+` and the client where there are several.
fn kept(native: &Native, call: &Call) -> Result<std::path::PathBuf, HandlerError> {
    let missing = || HandlerError::not_found("no package of this name is kept");
    let name = call.params.get("name").unwrap_or_default();
    let (cn, beside) = match name.split_once('+') {
        Some((cn, flavour)) => (cn, Some(Flavour::named(flavour).ok_or_else(missing)?)),
        None => (name, None),
    };
    packages::check_name(cn).map_err(|_| missing())?;
    let path = packages::path(&native.config(), cn, beside);
    path.is_file().then_some(path).ok_or_else(missing)
}

fn fetch(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let path = kept(native, &call)?;
    let missing = |_| HandlerError::not_found("no package of this name is kept");
    let bytes = std::fs::read(&path).map_err(missing)?;
    if native.config().packages.one_time {
        // Of two at the same time only one has it.
        std::fs::remove_file(&path).map_err(missing)?;
    }
    let answer = Answer::bytes("application/zip", bytes);
    Ok(answer.with(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
}

fn forget(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let path = kept(native, &call)?;
    std::fs::remove_file(&path).map_err(|e| HandlerError::internal(format!("{}: {e}", path.display())))?;
    Ok(Answer::json(&json!({"removed": path.display().to_string()})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invited {
    user: String,
    /// A duration, e.g. `24h`.
    ttl: Option<String>,
    max_uses: Option<i64>,
    host: Option<String>,
}

fn invite(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let wanted: Invited = read(&call)?;
    let mut invitation = Invitation::new(&wanted.user);
    if let Some(text) = &wanted.ttl {
        let bad = || HandlerError::bad_request(format!("ttl {text:?}: a duration like \"24h\""));
        invitation.lasts(crate::config::duration(text).ok_or_else(bad)?);
    }
    invitation.0.max_uses = wanted.max_uses.unwrap_or(1);
    let made = enrollment::invite(native, &invitation, wanted.host.as_deref(), &call.actor())?;
    Ok(secret(&made, StatusCode::CREATED))
}

fn tokens(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let all = native.accounts.enrollment_tokens(call.query.get("user"))?;
    Ok(Answer::json(&all.iter().map(enrollment::token).collect()))
}

fn uninvite(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let id = call.params.get("id").and_then(|id| id.parse().ok());
    let id = id.ok_or_else(|| HandlerError::not_found("no such token"))?;
    native.accounts.remove_enrollment_token(id, &call.actor())?;
    Ok(Answer::json(&json!({"removed": id})))
}
