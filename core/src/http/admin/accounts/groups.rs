//! Groups and who is in them, for the `fts` command and administrators.
use axum::http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{created, param, read};
use crate::{
    http::{
        answer::{Answer, HandlerError},
        call::Call,
        native::{Endpoint, Native},
    },
    identity::accounts::{AccountError, Direction, Group},
    session::channels::Cause,
};

/// Its routes: method, path, endpoint, what it is for, what it answers.
pub fn routes(on: &mut impl FnMut(Method, &'static str, Endpoint, &'static str, &[u16])) {
    on(Method::GET, "/admin/groups", list, "Groups by position, with their members", &[200]);
    on(Method::POST, "/admin/groups", add, "Makes a group", &[201, 400, 409]);
    on(Method::GET, "/admin/groups/{group}", one, "One group", &[200, 404]);
    on(Method::DELETE, "/admin/groups/{group}", remove, "Removes a group with its memberships", &[200, 400, 404]);
    on(Method::PUT, "/admin/groups/{group}/members/{user}", grant, "Puts a user into a group", &[200, 400, 404]);
    on(Method::DELETE, "/admin/groups/{group}/members/{user}", revoke, "Takes a user out of a group", &[200, 400, 404]);
}

fn shown(native: &Native, group: &Group) -> Result<Value, HandlerError> {
    let members = native.accounts.members(&group.name)?;
    let in_direction =
        |wanted| -> Vec<&str> { members.iter().filter(|(_, d)| *d == wanted).map(|(name, _)| name.as_str()).collect() };
    Ok(json!({
        "name": &*group.name, "bitpos": group.bit, "type": group.kind, "description": group.description,
        "created_at": group.created_at, "in": in_direction(Direction::In), "out": in_direction(Direction::Out),
    }))
}

fn list(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    let all: Result<Vec<_>, _> = native.accounts.groups().iter().map(|g| shown(native, g)).collect();
    Ok(Answer::json(&all?.into()))
}

fn named(native: &Native, name: &str) -> Result<Group, AccountError> {
    native.accounts.group(name).ok_or_else(|| AccountError::NoGroup(name.to_owned()))
}

fn one(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    Ok(Answer::json(&shown(native, &named(native, param(&call, "group"))?)?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Adding {
    name: String,
    #[serde(default)]
    description: String,
}

fn add(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let wanted: Adding = read(&call)?;
    let group = native.accounts.add_group(&wanted.name, &wanted.description, &call.actor())?;
    native.sessions.groups_changed();
    Ok(created(&shown(native, &group)?))
}

fn remove(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let name = param(&call, "group");
    native.accounts.remove_group(name, &call.actor())?;
    native.sessions.groups_changed();
    Ok(Answer::json(&json!({"removed": name})))
}

/// `?direction=in` or `out`; without it both.
fn directions(call: &Call) -> Result<&'static [Direction], HandlerError> {
    match call.query.get_any_case("direction").map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "both") => Ok(&Direction::BOTH),
        Some("in") => Ok(&[Direction::In]),
        Some("out") => Ok(&[Direction::Out]),
        Some(other) => Err(HandlerError::bad_request(format!("direction {other:?}: in, out or both"))),
    }
}

fn grant(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let (group, user) = (param(&call, "group"), param(&call, "user"));
    let changed = native.accounts.grant(user, group, directions(&call)?, &call.actor())?;
    after(native, group, user, changed)
}

fn revoke(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let (group, user) = (param(&call, "group"), param(&call, "user"));
    let changed = native.accounts.revoke(user, group, directions(&call)?, &call.actor())?;
    after(native, group, user, changed)
}

fn after(native: &Native, group: &str, user: &str, changed: bool) -> Result<Answer, HandlerError> {
    if changed {
        native.sessions.users_changed(&[user], Cause::default());
    }
    let mut answer = shown(native, &named(native, group)?)?;
    answer["changed"] = changed.into();
    Ok(Answer::json(&answer))
}
