//! Groups as clients see them ("channels", identity.md 8.2, marti-http.md 5.5): what a user is in, and what of that it has
//! switched on. A choice is stored, then every connection of that user gets its groups, and its other devices are told
//! (8.3). A group somebody is not in is not there: 404, whatever exists.
mod group;

use axum::http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use self::group::shown;
use super::envelope;
use crate::{
    http::{
        answer::{Answer, HandlerError},
        auth::{Auth, Role},
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
    identity::accounts::{AccountError, Channel, Direction, Membership},
    session::channels::Cause,
};

const JSON: &str = "application/json";
const GROUP: &str = "com.bbn.marti.remote.groups.Group";
const BODY: u64 = 1 << 20;

/// Its routes.
pub fn routes(book: &mut Book) {
    let (get, put, post) = (Method::GET, Method::PUT, Method::POST);
    book.on(get.clone(), "/Marti/api/groups/all", Listeners::TAK, Auth::User, all)
        .about("Groups of the caller; of an administrator all")
        .query("useCache", "boolean", false)
        .query("sendLatestSA", "boolean", false)
        .answers(200, JSON);
    book.on(get.clone(), "/Marti/api/groups/groupCacheEnabled", Listeners::TAK, Auth::User, enabled)
        .about("Whether clients choose channels here")
        .answers(200, JSON);
    book.on(get.clone(), "/Marti/api/groupprefix", Listeners::TAK, Auth::User, prefix)
        .about("Beginning of names of groups in the directory service: none")
        .answers(200, JSON);
    book.on(get.clone(), "/Marti/api/groups/{name}/{direction}", Listeners::TAK, Auth::User, one)
        .about("One group in one direction")
        .answers(200, JSON)
        .answers(404, JSON);
    for (path, endpoint) in [
        ("/Marti/api/groups/active", active as _),
        ("/Marti/api/groups/activebits", activebits as crate::http::native::Endpoint),
    ] {
        book.on(put.clone(), path, Listeners::TAK, Auth::Login, endpoint)
            .about("Switches channels of the caller on and off")
            .readers()
            .query("clientUid", "string", false)
            .takes(JSON, BODY)
            .answers(200, "")
            .answers(400, JSON);
    }
    book.on(put, "/Marti/api/groups/activeForce", Listeners::TAK, Auth::RoleAdmin, active_force)
        .about("Switches channels of a user on and off")
        .query("username", "string", true)
        .takes(JSON, BODY)
        .answers(200, "")
        .answers(400, JSON)
        .answers(404, JSON);
    book.on(get.clone(), "/Marti/api/groups/user", Listeners::TAK, Auth::RoleAdmin, of_user)
        .about("Groups of a user")
        .query("username", "string", true)
        .answers(200, JSON)
        .answers(400, JSON)
        .answers(404, JSON);
    book.on(get.clone(), "/Marti/api/groups/update/{username}", Listeners::TAK, Auth::RoleAdmin, update_one)
        .about("Looks again at the groups of a connected user")
        .answers(200, JSON);
    book.on(post, "/Marti/api/groups/update", Listeners::TAK, Auth::RoleAdmin, update)
        .about("Looks again at the groups of connected users")
        .takes(JSON, BODY)
        .answers(200, JSON)
        .answers(400, JSON);
    book.on(get, "/Marti/api/users/all", Listeners::TAK, Auth::RoleAdmin, users)
        .about("Connected users")
        .answers(200, JSON);
}

fn flag(call: &Call, name: &str) -> bool {
    call.query.get_any_case(name).is_some_and(|v| v.eq_ignore_ascii_case("true"))
}

/// What the caller is in, with its choice.
fn own(native: &Native, call: &Call) -> Result<Membership, HandlerError> {
    let who = &call.identity;
    let name = who.user.as_deref().unwrap_or_default();
    membership(native, name, who.user_id, who.role, &group::defaults(native, call))
}

fn membership(
    native: &Native,
    name: &str,
    id: Option<i64>,
    role: Role,
    defaults: &[String],
) -> Result<Membership, HandlerError> {
    let found = native.accounts.membership(name, id, role, defaults).map_err(AccountError::from)?;
    Ok(found.unwrap_or_default())
}

fn all(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let cached = flag(&call, "useCache");
    let rows: Vec<Value> = if call.identity.role == Role::Admin && !cached {
        let every = native.accounts.groups();
        let out = |g: &crate::identity::accounts::Group| Channel {
            group: g.clone(),
            direction: Direction::Out,
            active: true,
        };
        every.iter().map(|g| shown(&out(g))).collect()
    } else {
        let own = own(native, &call)?;
        own.0.iter().filter(|c| cached || c.direction == Direction::Out).map(shown).collect()
    };
    if flag(&call, "sendLatestSA")
        && let Some(user) = &call.identity.user
    {
        native.sessions.show_everybody(user);
    }
    Ok(envelope(native, GROUP, rows.into()))
}

fn enabled(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    Ok(envelope(native, "java.lang.Boolean", native.accounts.channels_on().into()))
}

fn prefix(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    Ok(envelope(native, "java.lang.String", "".into()))
}

fn one(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let (name, direction) =
        (call.params.get("name").unwrap_or_default(), call.params.get("direction").unwrap_or_default());
    let own = own(native, &call)?;
    let wanted = Direction::named(direction);
    let found = own.0.iter().find(|c| *c.group.name == *name && Some(c.direction) == wanted);
    let found = found.ok_or_else(|| HandlerError::not_found(format!("there is no group {name} {direction}")))?;
    Ok(envelope(native, GROUP, shown(found)))
}

/// Of a group object only this counts; ATAK sends `created` as a number, node-tak as a text.
#[derive(Deserialize)]
struct Chosen {
    name: String,
    direction: String,
    #[serde(default = "yes")]
    active: bool,
}

fn yes() -> bool {
    true
}

fn body<T: serde::de::DeserializeOwned>(call: &Call) -> Result<T, HandlerError> {
    let body = call.body.bytes(BODY).map_err(|e| HandlerError::bad_request(e.to_string()))?;
    serde_json::from_slice(&body).map_err(|e| HandlerError::bad_request(format!("the body must be a JSON array: {e}")))
}

fn chosen(call: &Call) -> Result<Vec<(String, Direction, bool)>, HandlerError> {
    let chosen = body::<Vec<Chosen>>(call)?.into_iter().map(|c| {
        let bad = || HandlerError::bad_request(format!("direction {:?}: IN or OUT", c.direction));
        Ok((c.name, Direction::named(&c.direction).ok_or_else(bad)?, c.active))
    });
    chosen.collect()
}

fn active(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let wanted = chosen(&call)?;
    let own = own(native, &call)?;
    choose(native, &call, &own, &wanted)
}

fn activebits(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let bits = body::<Vec<i64>>(&call)?;
    let own = own(native, &call)?;
    let on = |c: &Channel| (c.group.name.to_string(), c.direction, bits.contains(&i64::from(c.group.bit)));
    let wanted: Vec<_> = own.0.iter().map(on).collect();
    choose(native, &call, &own, &wanted)
}

/// The choice of the caller itself, from one of its devices.
fn choose(
    native: &Native,
    call: &Call,
    own: &Membership,
    wanted: &[(String, Direction, bool)],
) -> Result<Answer, HandlerError> {
    let name = call.identity.user.as_deref().unwrap_or_default();
    native.accounts.choose_channels(name, own, wanted, &call.actor())?;
    let device = call.query.get_any_case("clientUid").unwrap_or_default();
    let shown = self::own(native, call)? != *own;
    if shown {
        native.sessions.users_changed(&[name], Cause { device, shown });
    }
    Ok(Answer::empty(StatusCode::OK))
}

/// A user by the query, with what it is in. Users that are only a certificate are there while they are connected.
fn queried<'a>(native: &Native, call: &'a Call) -> Result<(&'a str, Membership), HandlerError> {
    let name = call.query.get_any_case("username").filter(|n| !n.is_empty());
    let name = name.ok_or_else(|| HandlerError::bad_request("username is missing"))?;
    let defaults = group::defaults(native, call);
    match native.accounts.user(name).map_err(AccountError::from)? {
        Some(user) => Ok((name, membership(native, &user.name, Some(user.id), user.role, &defaults)?)),
        None if group::connected(native, name) => Ok((name, membership(native, name, None, Role::User, &defaults)?)),
        None => Err(HandlerError::not_found(format!("there is no user {name}"))),
    }
}

fn active_force(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let wanted = chosen(&call)?;
    let (name, of) = queried(native, &call)?;
    native.accounts.choose_channels(name, &of, &wanted, &call.actor())?;
    let shown = queried(native, &call)?.1 != of;
    if shown {
        native.sessions.users_changed(&[name], Cause { device: "", shown });
    }
    Ok(Answer::empty(StatusCode::OK))
}

fn of_user(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let (_, of) = queried(native, &call)?;
    Ok(envelope(native, GROUP, of.0.iter().map(shown).collect()))
}

fn update_one(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    native.sessions.users_changed(&[call.params.get("username").unwrap_or_default()], Cause::default());
    Ok(envelope(native, "java.lang.Boolean", true.into()))
}

fn update(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let names = body::<Vec<String>>(&call)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    native.sessions.users_changed(&names, Cause::default());
    Ok(envelope(native, "java.lang.Boolean", true.into()))
}

fn users(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    let users =
        group::users(native).into_iter().map(|(name, connections)| json!({"name": name, "connections": connections}));
    Ok(envelope(native, "com.bbn.marti.remote.groups.User", users.collect()))
}

#[cfg(test)]
#[path = "groups_tests.rs"]
mod tests;
